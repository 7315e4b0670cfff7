// told.test.ts: what `clip.auto` has decided, as the result, the record, `clip-report` and `train` tell it, and given back to another run.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import * as clip from '../../../lib/clip/index.ts';
import { advise, readRecord, replay } from '../../../lib/history/index.ts';
import { inspectSafetensors } from '../../../lib/io/arrays/safetensors.ts';
import { sgd } from '../../../lib/optim/index.ts';
import { replayPage } from '../../../lib/pages/replay-page.ts';
import { run } from '../../cli/kit.ts';
import { bits, classifier, points } from '../models.ts';

const data = points(256);
const validation = points(80, 6, 2);
const trainer = (policy: clip.ClipPolicy) => classifier({ clip: policy, optimizer: sgd({ lr: 0.3, momentum: 0.9 }) });

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'gradclip-auto-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

it('the result has every decision, and given to another run they give its bits without a trial', async () => {
  using one = trainer(clip.auto({ policy: clip.globalNorm(2) }));
  const { auto, tried, last } = await one.fit(data, { steps: 120, validation });
  expect(auto!.judgedBy).toBe('validation');
  expect(auto!.decisions.length).toBeGreaterThan(0);
  expect(auto!.extra).toBeGreaterThan(0);
  expect(tried).toBe(120);
  for (const { step, factor, threshold, decided, reason } of auto!.decisions) {
    expect(threshold).toBe(2 * factor);
    expect(decided).toBeGreaterThanOrEqual(step);
    expect(reason).not.toBe('');
  }
  using two = trainer(clip.auto({ policy: clip.globalNorm(2), decisions: auto!.decisions }));
  const again = await two.fit(data, { steps: 120 });
  expect(await bits(two)).toBe(await bits(one));
  expect(again.auto).toMatchObject({ extra: 0, judgedBy: 'given' });
  expect(again.auto!.decisions.map(({ step, factor, threshold }) => [step, factor, threshold])).toEqual(
    auto!.decisions.map(({ step, factor, threshold }) => [step, factor, threshold]),
  );
  expect(again.last!.threshold).toBe(2 * auto!.decisions.at(-1)!.factor);
  expect(last).not.toBeNull();

  // Thresholds that are a function of the step are the same to the bit.
  const factors = [{ step: 0, factor: 1 }, ...auto!.decisions];
  using three = trainer(clip.globalNorm((step) => 2 * factors.findLast((f) => f.step <= step)!.factor));
  await three.fit(data, { steps: 120 });
  expect(await bits(three)).toBe(await bits(one));

  using other = trainer(clip.auto({ policy: clip.globalNorm(2), decisions: auto!.decisions.slice(0, -1) }));
  await other.fit(data, { steps: 120 });
  if (auto!.decisions.at(-1)!.factor !== auto!.decisions.at(-2)?.factor) expect(await bits(other)).not.toBe(await bits(one));
});

it.each([0.01, 0.1, 1])(
  'what was decided within %f s by the clock is done again to the bit by its decisions',
  async (seconds) => {
    using one = trainer(clip.auto({ policy: clip.globalNorm(2), seconds }));
    const { auto, tried } = await one.fit(data, { steps: 300, validation });
    expect(tried).toBe(300);
    expect(auto!.decisions.length).toBeGreaterThan(0);
    using two = trainer(clip.auto({ policy: clip.globalNorm(2), decisions: auto!.decisions }));
    await two.fit(data, { steps: 300 });
    expect(await bits(two)).toBe(await bits(one));
  },
);

it('a run that is resumed from any of its checkpoints decides the same, to the bit', async () => {
  const kept = folder();
  const steps = 90;
  using whole = trainer(clip.auto());
  const checkpoint = { file: join(kept, 'state.safetensors'), every: { steps: 1 }, keep: steps };
  const { auto } = await whole.fit(data, { steps, validation, checkpoint });
  const expected = await bits(whole);
  const decided = auto!.decisions.flatMap(({ decided }) => [decided - 1, decided, decided + 1]);
  const stops = new Set([1, 2, 3, 5, 20, 45, 70, 88, ...decided].filter((n) => n > 0 && n < steps));
  let resumed = 0;
  for (const name of readdirSync(kept)) {
    const { metadata } = await inspectSafetensors(join(kept, name));
    const { tried } = JSON.parse(metadata['gradclip.course']!) as { readonly tried: number };
    if (!stops.has(tried)) continue;
    resumed++;
    using one = trainer(clip.auto());
    const result = await one.fit(data, { steps, validation, resume: join(kept, name) });
    expect(await bits(one), `after ${tried}`).toBe(expected);
    expect(result.auto, `after ${tried}`).toEqual(auto);
  }
  expect(resumed).toBe(stops.size);
});

it('the record has them, and the page and clip-report say where the threshold moved', async () => {
  const cwd = folder();
  const record = join(cwd, 'run.jsonl');
  using one = trainer(clip.auto());
  const { auto } = await one.fit(data, { steps: 120, validation, record });
  const history = await readRecord(record);
  expect(history.length).toBe(120);
  expect(history.header).toMatchObject({ policy: 'auto(globalNorm)', norm: 2, auto: true });
  expect(history.decisions).toEqual(auto!.decisions);
  expect(readFileSync(record, 'utf8')).toMatch(/^\{"format":"gradclip record","version":3,/);

  const replayed = replay(history, [clip.auto(), clip.globalNorm(1)]);
  expect(replayed.policies[0]!.reason).toContain('replay its policy');
  expect(replayed.policies[1]!.steps).toBe(120);
  const page = replayPage(replayed, advise(history));
  expect(page).toContain('Where the threshold moved, and why');
  const text = await run(['clip-report', record, '--html', 'page.html'], { cwd });
  expect(text.code).toBe(0);
  const at = text.stdout.indexOf('Where the threshold moved, and why');
  expect(at).toBeGreaterThan(0);
  expect(text.stdout.slice(at).split('\n')[2]).toMatch(/^ *\d+ +\d+ +\S+ +\S+ +\d+ +(validation set|batches|norms) /);
  const json = await run(['clip-report', record, '--json'], { cwd });
  const events = json.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string });
  expect(events.filter(({ event }) => event === 'decision')).toHaveLength(auto!.decisions.length);

  const spoilt = (change: (line: string) => string): Promise<unknown> => {
    const lines = readFileSync(record, 'utf8').split('\n');
    const i = lines.findIndex((line) => line.startsWith('{"auto"'));
    writeFileSync(join(cwd, 'spoilt.jsonl'), lines.with(i, change(lines[i]!)).join('\n'));
    return readRecord(join(cwd, 'spoilt.jsonl'));
  };
  await expect(spoilt((line) => line.replace('"judgedBy":"', '"judgedBy":"no'))).rejects.toThrow('judgedBy: expected validation');
  await expect(spoilt((line) => line.replace(/"factor":[^,]*/, '"factor":null'))).rejects.toThrow('factor: expected a number');
});

it('a record without it is what it was, and has no place for decisions', async () => {
  const record = join(folder(), 'run.jsonl');
  using one = trainer(clip.globalNorm(1));
  const result = await one.fit(data, { steps: 3, record });
  expect('auto' in result).toBe(false);
  const text = readFileSync(record, 'utf8');
  expect(text).toMatch(/^\{"format":"gradclip record","version":3,/);
  expect((await readRecord(record)).decisions).toBeUndefined();
  writeFileSync(record, `${text}{"auto":0}\n`);
  await expect(readRecord(record)).rejects.toThrow('line 5: step: expected a whole number');
});

it('without a validation set, and of a length that nobody knows, it says so, once', async () => {
  const codes = async (...[rows, options]: Parameters<ReturnType<typeof trainer>['fit']>): Promise<string[]> => {
    using one = trainer(clip.auto());
    const { warnings } = await one.fit(rows, options);
    return warnings.map(({ code }) => code).filter((code) => code.startsWith('auto'));
  };
  expect(await codes(data, { epochs: 2, validation })).toEqual([]);
  expect(await codes(data, { epochs: 2 })).toEqual(['autoByBatches']);
  const endless = function* () {
    for (;;) yield points(8);
  };
  expect(await codes(endless, { seconds: 0.2, validation })).toEqual(['autoOfUnknownLength']);
  using given = trainer(clip.auto({ decisions: [{ step: 3, factor: 2 }] }));
  const { warnings } = await given.fit(data, { steps: 9 });
  expect(warnings).toEqual([]);
});

it('is what a configuration says, and train tells it; what is tested is not what trials are judged by', async () => {
  const cwd = folder();
  const rows = Array.from({ length: 160 }, (_, i) => `${Math.sin(i)},${Math.cos(3 * i)},${Math.sin(i) > 0 ? 'a' : 'b'}`);
  writeFileSync(join(cwd, 'rows.csv'), ['u,v,y', ...rows].join('\n'));
  const config = (split: object, auto: object): string =>
    JSON.stringify({
      data: { dir: '.', type: 'csv', file: 'rows.csv', label: 'y', split: { train: 112, test: 24, order: 'seed', ...split } },
      model: { type: 'mlp', sizes: [2, 8, 2] },
      optimizer: { type: 'sgd', lr: 0.2, momentum: 0.9 },
      clip: { type: 'auto', ...auto },
      ...{ epochs: 20, batchSize: 16 },
    });
  const result = async (text: string): Promise<{ auto: { judgedBy: string; decisions: object[] } }> => {
    writeFileSync(join(cwd, 'config.json'), text);
    const { code, stdout, stderr } = await run(['train', 'config.json', '--json'], { cwd });
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout.trim().split('\n').at(-1)!);
  };
  expect((await result(config({ validation: 24 }, {}))).auto.judgedBy).toBe('validation');
  expect((await result(config({}, { policy: [{ type: 'value', threshold: 1 }, { type: 'globalNorm' }] }))).auto.judgedBy).toBe(
    'batches',
  );
  const given = await result(config({}, { policy: { type: 'agc' }, decisions: [{ step: 2, factor: 0.5 }] }));
  expect(given.auto.decisions).toEqual([
    { step: 2, factor: 0.5, threshold: 0.005, decided: 2, reason: 'given', judgedBy: 'given', extra: 0 },
  ]);
  writeFileSync(join(cwd, 'config.json'), config({}, { budgt: 1 }));
  expect((await run(['train', 'config.json'], { cwd })).stderr).toContain('budget');
  writeFileSync(join(cwd, 'config.json'), config({}, { policy: { type: 'zclip' } }));
  expect((await run(['train', 'config.json'], { cwd })).stderr).toContain('expected a policy with a threshold');
});
