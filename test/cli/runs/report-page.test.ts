// report-page.test.ts: `gradclip train --html` and `gradclip report`: the page of a run, also of one that ended badly or goes on from a file.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { folder, run } from '../kit.ts';

const CONFIG = {
  data: { type: 'csv', file: 'points.csv', split: { train: 160, validation: 20, test: 20, order: 'seed' } },
  model: { type: 'mlp', sizes: [2, 16, 2] },
  optimizer: { type: 'adamw', lr: 0.02 },
  clip: { type: 'globalNorm', threshold: 0.5 },
  ...{ batchSize: 16, epochs: 4, threads: 1 },
};
const points = Array.from({ length: 200 }, (_, i) => `${(i % 29) / 29},${(i % 31) / 31},${i % 29 > i % 31 ? 1 : 0}\n`).join('');
const project = (change: object = {}): string =>
  folder({ 'points.csv': points, 'config.json': JSON.stringify({ ...CONFIG, ...change }) });
const page = (cwd: string, name = 'run.html'): string => readFileSync(join(cwd, name), 'utf8');
const steps = (html: string): string => /steps<\/th><td class="words">([^<]*)</.exec(html)![1]!;

it('train --html writes the page of the run, with its configuration and the norm of each parameter', async () => {
  const cwd = project();
  const ran = await run(['train', 'config.json', '--html', 'run.html'], { cwd });
  expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining(`page: ${join(cwd, 'run.html')}`) });
  const html = page(cwd);
  expect(html).toContain('<title>A training run: mlp, csv</title>');
  expect(steps(html)).toBe('40');
  expect(html).toContain('test accuracy');
  expect(html).toContain('&quot;type&quot;: &quot;globalNorm&quot;');
  expect(html).toContain('<bdi>0.weight</bdi>');
  expect(html).toContain('<h2>Validation: accuracy</h2>');
  expect(html).not.toMatch(/NaN|undefined|Infinity|(?:src|href)=/);
  const json = await run(['train', 'config.json', '--html', 'run.html', '--json'], { cwd });
  expect(json.json().at(-1)).toEqual({ event: 'page', file: join(cwd, 'run.html') });
});

it('the training is bit for bit the same with the page and without', async () => {
  const cwd = project({ save: 'm.safetensors' });
  await run(['train', 'config.json', '--html', 'run.html'], { cwd });
  const one = readFileSync(join(cwd, 'm.safetensors'));
  await run(['train', 'config.json'], { cwd });
  expect(readFileSync(join(cwd, 'm.safetensors')).equals(one)).toBe(true);
});

it('of a training that goes on, the page has all of it where there is a record', async () => {
  const cwd = project({ save: 'm.safetensors' });
  await run(['train', 'config.json', '--epochs', '2', '--record', 'run.jsonl'], { cwd });
  const argv = ['train', 'config.json', '--resume', 'm.safetensors', '--html', 'run.html'];
  await run([...argv, '--record', 'run.jsonl'], { cwd });
  expect(steps(page(cwd))).toBe('40');
  await run(['train', 'config.json', '--epochs', '2'], { cwd });
  await run(argv, { cwd });
  expect(steps(page(cwd))).toBe('20, after 20 updates before');
});

it('a training that fails leaves the page of what there was', async () => {
  const cwd = project({
    loss: 'mse',
    model: { type: 'mlp', sizes: [2, 8, 1] },
    optimizer: { type: 'sgd', lr: 1e30 },
    epochs: 50,
    clip: { type: 'none' },
  });
  const ran = await run(['train', 'config.json', '--html', 'run.html'], { cwd });
  expect(ran.code).toBe(3);
  expect(page(cwd)).toMatch(/ended by<\/th>/);
  expect(page(cwd)).toMatch(/Not finite: the gradient of |loss not finite/);
});

it('refuses a place that cannot be written before it trains, and several seeds', async () => {
  const cwd = project();
  expect(await run(['train', 'config.json', '--html', 'none/run.html'], { cwd })).toMatchObject({ code: 2, stdout: '' });
  expect(await run(['train', 'config.json', '--html', 'run.html', '--seeds', '2'], { cwd })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('no record, no curves and no page'),
  });
});

it('report tells figures of a record, as text and as JSON, and writes the page', async () => {
  const cwd = project({ record: { file: 'run.jsonl', perLayer: true, clock: true } });
  await run(['train', 'config.json'], { cwd });
  const ran = await run(['report', 'run.jsonl', '--html', 'run.html', '--title', 'Mine'], { cwd });
  expect(ran).toMatchObject({ code: 0, stderr: '' });
  expect(ran.stdout).toContain('clip.globalNorm · optim.adamw · 82 parameters · seed 0');
  expect(ran.stdout).toMatch(/^steps +40$/m);
  expect(ran.stdout).toMatch(/^last validation +loss [\d.]+, accuracy [\d.]+$/m);
  expect(ran.stdout).toContain(`page: ${join(cwd, 'run.html')}`);
  expect(page(cwd)).toContain('<h1>Mine</h1>');
  expect(page(cwd)).toContain('<h2>Norms by parameter</h2>');
  expect(page(cwd)).toContain(process.version);
  const [told] = (await run(['report', 'run.jsonl', '--json'], { cwd })).json();
  expect(told).toMatchObject({
    ...{ event: 'report', file: join(cwd, 'run.jsonl'), torn: 0, steps: 40, skipped: 0, epochs: 4, validations: 4, guards: 0 },
    ...{ validation: { loss: expect.any(Number), accuracy: expect.any(Number) }, perLayer: true, html: null },
  });
  expect(existsSync(join(cwd, 'run.jsonl.html'))).toBe(false);
});

it.each([
  [['report'], 2, 'expected RUN.jsonl'],
  [['report', 'none.jsonl'], 4, 'none.jsonl: no such file'],
  [['report', 'points.csv'], 4, 'points.csv: line 1: expected'],
  [['report', 'run.jsonl', '--html', 'none/x.html'], 2, '--html: '],
])('%j', async (argv, code, message) => {
  const cwd = project({ record: 'run.jsonl', epochs: 1 });
  await run(['train', 'config.json'], { cwd });
  const ran = await run(argv, { cwd });
  expect(ran.code).toBe(code);
  expect(ran.stderr).toContain(message);
});

it('report of a record without a step says so', async () => {
  const cwd = project({ record: 'run.jsonl', epochs: 1 });
  await run(['train', 'config.json'], { cwd });
  const [head] = readFileSync(join(cwd, 'run.jsonl'), 'utf8').split('\n');
  writeFileSync(join(cwd, 'empty.jsonl'), `${head}\n{"attempt":0,"st`);
  const ran = await run(['report', 'empty.jsonl', '--html', 'run.html'], { cwd });
  expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining('left out: a last line of 16 bytes') });
  expect(page(cwd)).toContain('No step has been run yet.');
});
