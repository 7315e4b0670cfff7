// clip-report.test.ts: `gradclip train` with a record, and `gradclip clip-report` on it: tables, JSON, the page, and wrong input.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makePolicy } from '../../lib/cli/config/build.ts';
import { policies } from '../../lib/cli/config/config.ts';
import { POLICIES as ROOM } from '../../lib/cli/config/rooms.ts';
import * as clip from '../../lib/clip/index.ts';
import { POLICIES } from '../../lib/clip/list.ts';
import { advise, readRecord, replay } from '../../lib/history/index.ts';
import { permutation } from '../../lib/ir/philox.ts';
import { Place } from '../../lib/options/index.ts';
import { replayPage, replayTable } from '../../lib/pages/replay-page.ts';
import { smooth } from '../../lib/pages/scale.ts';
import { folder, run } from './kit.ts';

function project(change: object = {}): string {
  const lines = Array.from(permutation(200, 5n, 0), (k, i) => `${(k % 29) / 29},${(i % 31) / 31},${k % 29 > i % 31 ? 1 : 0}`);
  const config = {
    data: { type: 'csv', file: 'points.csv', split: { train: 160, test: 40, order: 'seed' } },
    model: { type: 'mlp', sizes: [2, 16, 2] },
    optimizer: { type: 'adamw', lr: 0.02 },
    clip: { type: 'globalNorm', threshold: 0.5 },
    ...{ batchSize: 16, epochs: 12, threads: 1, record: 'run.jsonl', ...change },
  };
  return folder({ 'points.csv': `${lines.join('\n')}\n`, 'config.json': JSON.stringify(config) });
}

async function trained(change: object = {}): Promise<string> {
  const cwd = project(change);
  expect(await run(['train', 'config.json'], { cwd })).toMatchObject({ code: 0 });
  return cwd;
}

describe('gradclip train', () => {
  it("writes the configuration's record from its own folder, or another from the current one", async () => {
    const cwd = await trained();
    expect((await readRecord(join(cwd, 'run.jsonl'))).length).toBe(120);
    const elsewhere = folder();
    const argv = ['train', join(cwd, 'config.json'), '--record', 'mine.jsonl', '--epochs', '2'];
    expect(await run(argv, { cwd: elsewhere })).toMatchObject({ code: 0 });
    expect((await readRecord(join(elsewhere, 'mine.jsonl'))).length).toBe(20);
    expect((await readRecord(join(cwd, 'run.jsonl'))).length).toBe(120);
  });
  it('goes on with it where it goes on from a checkpoint', async () => {
    const cwd = project({ save: 'net.safetensors', record: { file: 'run.jsonl', perLayer: true } });
    await run(['train', 'config.json', '--epochs', '5'], { cwd });
    await run(['train', 'config.json', '--resume', 'net.safetensors'], { cwd });
    const parts = readFileSync(join(cwd, 'run.jsonl'), 'utf8');
    const whole = await trained({ record: { file: 'run.jsonl', perLayer: true } });
    expect(parts).toBe(readFileSync(join(whole, 'run.jsonl'), 'utf8'));
  });
  it('keeps none of several seeds', async () => {
    const cwd = project();
    expect(await run(['train', 'config.json', '--seeds', '2'], { cwd })).toMatchObject({ code: 0 });
    expect(existsSync(join(cwd, 'run.jsonl'))).toBe(false);
    expect(await run(['train', 'config.json', '--seeds', '2', '--record', 'x'], { cwd })).toMatchObject({ code: 2 });
  });
  it('refuses what is no record', async () => {
    expect(await run(['train', 'config.json'], { cwd: project({ record: { perLayer: true } }) })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('record'),
    });
  });
});

describe('gradclip clip-report', () => {
  it('advises and replays', async () => {
    const cwd = await trained({ record: { file: 'run.jsonl', perLayer: true } });
    const ran = await run(['clip-report', 'run.jsonl', '--policies', 'globalNorm:0.25,perTensorNorm:p50,value:1'], { cwd });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toContain('clip.globalNorm · optim.adamw · 82 parameters · seed 0 · 120 steps');
    expect(ran.stdout).toMatch(/Threshold for a clip rate of 5\.0 %: [\d.]+ \(it would have clipped [\d.]+ % of 108 steps\)/);
    expect(ran.stdout).toMatch(/^p95 +[\d.]+ +[\d.]+ %$/m);
    expect(ran.stdout).toMatch(/^0\.weight +32 /m);
    expect(ran.stdout).toMatch(/^globalNorm:0\.25 +0\.250 +[\d.]+ % +0\.\d+ /m);
    expect(ran.stdout).toMatch(/^perTensorNorm:p50 /m);
    expect(ran.stdout).toContain('value:1 cannot be replayed: it changes elements one by one (limit)');
  });

  it('gives the same as JSON lines', async () => {
    const cwd = await trained();
    const { code, json } = await run(['clip-report', 'run.jsonl', '--json', '--rate', '0.1', '--warmup', '0'], { cwd });
    expect(code).toBe(0);
    const [advice, ...replays] = json();
    const history = await readRecord(join(cwd, 'run.jsonl'));
    expect(advice).toMatchObject({ event: 'advice', ...JSON.parse(JSON.stringify(advise(history, { rate: 0.1, warmup: 0 }))) });
    expect(replays.slice(0, 3).map((r) => r.name)).toEqual(['globalNorm:p90', 'globalNorm:p95', 'globalNorm:p99']);
    for (const r of replays) expect(r).toMatchObject({ event: 'replay', steps: 120, exact: expect.any(Boolean) });
    expect(replays.map((r) => r.name)).toEqual(expect.arrayContaining(['autoClip', 'zclip', 'quantile']));
    const p90 = replays[0]!;
    expect(p90.clipRate).toBeCloseTo(0.1, 5);
  });

  it('counts the same steps in its header and its tables', async () => {
    const cwd = await trained({ record: 'run.jsonl' });
    const ran = await run(['clip-report', 'run.jsonl', '--policies', 'globalNorm:0.5', '--warmup', '40'], { cwd });
    const [, clipped, looked] = /([\d.]+) % of the (\d+) looked at clipped/.exec(ran.stdout)!;
    expect(looked).toBe('80');
    // The policy of the run, on its own norms.
    const history = await readRecord(join(cwd, 'run.jsonl'));
    const rate = history.clipped.subarray(40).reduce((a, b) => a + b, 0) / 80;
    expect(clipped).toBe((100 * rate).toFixed(1));
    expect(history.clipped.reduce((a, b) => a + b, 0) / 120).not.toBe(rate);
    expect(ran.stdout).toContain('What each policy would have done with these norms, in the 80 steps looked at');
    expect(ran.stdout).toMatch(new RegExp(`^globalNorm:0\\.5 +0\\.500 +${clipped!.replace('.', '\\.')} % `, 'm'));
    const whole = await run(['clip-report', 'run.jsonl', '--policies', 'globalNorm:0.5', '--warmup', '0'], { cwd });
    expect(whole.stdout).toContain('% of them clipped');
    expect(whole.stdout).toMatch(/^What each policy would have done with these norms$/m);
  });

  it('says how many times norms are scaled up', async () => {
    const cwd = await trained();
    const ran = await run(['clip-report', 'run.jsonl', '--policies', 'normalize', '--warmup', '0'], { cwd });
    const { norm } = await readRecord(join(cwd, 'run.jsonl'));
    // To a norm of 1 each.
    const times = norm.length / norm.reduce((a, b) => a + b, 0);
    expect(ran.stdout).toContain(`scaled up ${times.toPrecision(3)} x`);
    expect(ran.stdout).not.toContain('-1');
  });

  it('says of a run that failed what is wrong and what to try, and gives no threshold', async () => {
    const cwd = project({ optimizer: { type: 'sgd', lr: 0.1 }, clip: { type: 'globalNorm', threshold: 1e-9 } });
    await run(['train', 'config.json'], { cwd });
    const ran = await run(['clip-report', 'run.jsonl', '--html', 'report.html'], { cwd });
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.stdout).toContain('No threshold: the loss ');
    expect(ran.stdout).toMatch(
      /^What is wrong\n- The run failed: the loss .* Look at standsStill first\.\n- Most weights stand still: .* Try a threshold of [\d.]+\.$/m,
    );
    expect(ran.stdout).not.toMatch(/^rule /m);
    const html = readFileSync(join(cwd, 'report.html'), 'utf8');
    expect(html).toContain('<h2>What is wrong</h2>');
    expect(html).toMatch(/<p>No threshold: the loss [^<]*\.<\/p>/);
    expect(html).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('says what the threshold rests on', async () => {
    const cwd = await trained();
    const { stdout } = await run(['clip-report', 'run.jsonl'], { cwd });
    expect(stdout).toMatch(/^From 108 steps of a run that learned: the loss fell from [\d.]+ to [\d.]+\.$/m);
    expect(stdout).toMatch(
      /^Of the 10 largest, twice as large is [\d,.]+ times as rare \(tail index [\d.]+, [\d.]+ to [\d.]+\): /m,
    );
  });

  it('takes policies from a file', async () => {
    const cwd = await trained();
    const policies = {
      strict: { type: 'globalNorm', threshold: 0.01 },
      both: [{ type: 'none' }, { type: 'globalNorm', threshold: 10 }],
    };
    writeFileSync(join(cwd, 'policies.json'), JSON.stringify(policies));
    const ran = await run(['clip-report', 'run.jsonl', '--json', '--policies', 'policies.json'], { cwd });
    expect(ran.json().slice(1)).toMatchObject([
      { name: 'strict', policy: 'globalNorm', clipRate: 1 },
      { name: 'both', policy: 'chain(none, globalNorm)', clipRate: 0 },
    ]);
    writeFileSync(join(cwd, 'policies.json'), JSON.stringify({ mine: { type: 'globalNrm' } }));
    expect(await run(['clip-report', 'run.jsonl', '--policies', 'policies.json'], { cwd })).toMatchObject({ code: 2 });
  });

  it('writes a page that needs nothing else', async () => {
    const cwd = await trained({ record: { file: 'run.jsonl', perLayer: true } });
    const ran = await run(['clip-report', 'run.jsonl', '--html', 'report.html'], { cwd });
    expect(ran.stdout).toContain(`page: ${join(cwd, 'report.html')}`);
    const html = readFileSync(join(cwd, 'report.html'), 'utf8');
    expect(html).not.toMatch(/(?:src|href)=|https?:|url\((?!#)|@import|<script/i);
    expect(html.match(/<svg /g)).toHaveLength(4);
    expect(html).not.toMatch(/NaN|undefined|Infinity/);
    expect(html).toContain('globalNorm:p99');
    expect(html).toContain('0.weight');
  });

  it.each([
    [['clip-report'], 2, 'expected RUN.jsonl'],
    [['clip-report', 'nowhere.jsonl'], 4, 'nowhere.jsonl: no such file'],
    [['clip-report', 'points.csv'], 4, 'points.csv: line 1: expected'],
    [
      ['clip-report', 'run.jsonl', '--rate', 'p101'],
      2,
      '--rate: expected a part from 0 to 1, or a percentile such as p95, got "p101"',
    ],
    [
      ['clip-report', 'run.jsonl', '--policies', 'globalNorm:much'],
      2,
      'expected a number or a percentile such as p95 after the colon',
    ],
    [['clip-report', 'run.jsonl', '--policies', 'globalNrm:1'], 2, 'globalNorm'],
    [['clip-report', 'run.jsonl', '--warmup', '500'], 4, 'got none among 120'],
    [['clip-report', 'run.jsonl', '--html', '/nowhere/x.html'], 4, '/nowhere/x.html'],
  ])('%j', async (argv, code, message) => {
    const cwd = await trained();
    const ran = await run(argv, { cwd });
    expect(ran.code).toBe(code);
    expect(ran.stderr).toContain(message);
  });
});

it('shows runs that ended, skipped everything, or cannot be replayed', () => {
  const replayed = replay([1, Number.NaN, Number.NaN, 2], {
    'ends <early>': clip.globalNorm(1, { maxSkips: 2 }),
    goes: clip.globalNorm(0.5, { maxSkips: Infinity }),
    never: clip.value(1),
  });
  const lines = replayTable(replayed);
  expect(lines).toHaveLength(4);
  expect(lines[1]).toMatch(/^ends <early> .* would have ended at step 3: 2 skipped steps in a row$/);
  expect(lines[3]).toContain('never cannot be replayed');
  const html = replayPage(replayed);
  expect(html).toContain('ends &lt;early&gt;');
  expect(html).not.toMatch(/NaN|undefined|Infinity/);
  const empty = replay([Number.NaN], [clip.none({ maxSkips: Infinity })]);
  expect(replayPage(empty)).not.toMatch(/NaN|undefined|Infinity/);
  expect(replayTable(empty)[1]).toMatch(/^none +∞ +- +- +/);
});

it('replays as many policies as there are, with a page', async () => {
  const cwd = await trained({ epochs: 2, record: { file: 'run.jsonl', perLayer: true } });
  const all = Object.fromEntries(
    Object.keys(ROOM.functions).flatMap((type) => {
      const needed = type === 'value' ? { threshold: 1 } : {};
      return [1, 2].map((i) => [`${type}${i}`, { type, ...needed }]);
    }),
  );
  writeFileSync(join(cwd, 'all.json'), JSON.stringify(all));
  const ran = await run(['clip-report', 'run.jsonl', '--policies', 'all.json', '--html', 'page.html', '--json'], { cwd });
  expect(ran.stderr).not.toContain('error');
  expect(ran.code).toBe(0);
  const told = ran.json().filter((e) => e.event === 'replay');
  expect(told.length + (ran.stdout.match(/cannot be replayed/g)?.length ?? 0)).toBeGreaterThan(17);
  expect(existsSync(join(cwd, 'page.html'))).toBe(true);
});

it('makes every policy from a configuration', () => {
  const names = new Set(Object.keys(POLICIES).map((name) => name.split(' ')[0]!));
  const POLICY_NAMES = Object.keys(ROOM.functions);
  // A list of policies, and one that takes a function, have no name there.
  const inCode = ['chain', 'groups', 'map'];
  // One of a training alone, which never skips.
  const ofTrainer = 'perSample';
  expect(new Set(POLICY_NAMES)).toEqual(new Set([...names, ofTrainer].filter((name) => !inCode.includes(name))));
  for (const type of POLICY_NAMES.filter((name) => name !== ofTrainer)) {
    const limit = ['soft', 'softNorm', 'tanh', 'suppress', 'value'].includes(type) ? { threshold: 0.1 } : {};
    expect(makePolicy([{ type, ...limit, maxSkips: 3 }]).maxSkips, type).toBe(3);
  }
  expect(() => policies.read({ type: 'zclip', threshold: 1 }, new Place('', '', 'clip'))).toThrow(
    'clip: unknown option threshold',
  );
});

it('draws lines that lie on each other in turns', () => {
  const norm = Array.from({ length: 200 }, (_, i) => 1 + (i % 10) / 100);
  const trends = (policies: Record<string, clip.ClipPolicy>): number[][] => {
    const html = replayPage(replay(norm, policies));
    const scales = html.split('<h2>')[4]!;
    // The steps, in hundredths of the width, at which each line has a piece.
    return [...scales.matchAll(/class="s\d trend" d="([^"]*)"/g)].map(([, d]) =>
      [...d!.matchAll(/[ML]([\d.]+) /g)].map(([, x]) => Number(x)),
    );
  };
  const pieces = (xs: readonly number[]): number => xs.slice(1).filter((x, i) => x - xs[i]! > 5).length + 1;
  // Two that never bite: both scales are 1.
  const [a, b] = trends({ high: clip.globalNorm(5), higher: clip.globalNorm(6) });
  expect([pieces(a!), pieces(b!)].every((n) => n > 10)).toBe(true);
  expect(a!.filter((x) => b!.includes(x)).length).toBeLessThan(0.4 * a!.length);
  expect(new Set([...a!, ...b!]).size).toBe(200);
  // Apart, each is whole.
  expect(trends({ high: clip.globalNorm(5), low: clip.globalNorm(0.5) }).map(pieces)).toEqual([1, 1]);
});

it('smooths by the median of a window, as a plain loop does', () => {
  const value = fc.oneof(fc.double({ min: -5, max: 5, noNaN: true }), fc.integer({ min: 0, max: 3 }), fc.constant(Number.NaN));
  fc.assert(
    fc.property(fc.array(value, { maxLength: 60 }), fc.integer({ min: 1, max: 80 }), (values, window) => {
      const half = Math.floor(window / 2);
      const plain = values.map((_, i) => {
        const near = values.slice(Math.max(0, i - half), i + half + 1).filter((v) => !Number.isNaN(v));
        return near.length > 0 ? near.sort((a, b) => a - b)[near.length >> 1]! + 0 : Number.NaN;
      });
      expect(smooth(values, window).map((v) => v + 0)).toEqual(plain);
    }),
  );
});
