// precision.test.ts: `gradclip precision` tells what `trainer.precision` finds, of a configuration and of a checkpoint, and refuses what it cannot use.
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readConfig } from '../../../lib/cli/config/config.ts';
import { shareOut } from '../../../lib/cli/config/data.ts';
import { checkConfig, makeTrainer, readRaw } from '../../../lib/cli/config/trainer.ts';
import { folder, run } from '../kit.ts';

const rows = Array.from({ length: 60 }, (_, i) => {
  const [u, v] = [Math.sin(i * i), Math.sin(i * i * 3 + 1)];
  return `${u.toFixed(3)},${v.toFixed(3)},${Math.hypot(u, v) < 0.8 ? 1 : 0}`;
});
const CONFIG = {
  data: { type: 'csv', file: 'points.csv', split: { train: 40, order: 'file' } },
  model: { type: 'mlp', sizes: [2, 8, 2] },
  optimizer: { type: 'adamw', lr: 0.01 },
  clip: { type: 'globalNorm', threshold: 0.5 },
  epochs: 2,
  save: 'points.safetensors',
};
const files = (config: object = {}): string =>
  folder({ 'points.csv': ['u,v,where', ...rows].join('\n'), 'points.json': JSON.stringify({ ...CONFIG, ...config }) });

it('shows tables, a verdict, whose weights, and what it took', async () => {
  const { code, stdout, stderr } = await run(['precision', 'points.json'], { cwd: files() });
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^a batch of 32 rows, computed as the next step of training would, and once more in f64\n/);
  for (const name of ['0.weight', '0.bias', '2.weight', '2.bias']) expect(stdout).toMatch(new RegExp(`^ {2}${name} +\\d`, 'm'));
  expect(stdout).toMatch(/^f32 loses nothing that matters here: gradients are right to \d\S* of their norm/m);
  expect(stdout).toMatch(/\nweights as a training begins; .*; [\d,.e]+ operations in f64, \S+ m?s\n$/);
  expect(stdout).not.toMatch(/NaN|undefined|null|bf16:? \d/);
});

it('gives the same as JSON, with what the trainer gives', async () => {
  const cwd = files();
  const { code, json } = await run(['precision', '--json', 'points.json', '--rows', '10', '--batches', '2', '--bf16'], { cwd });
  expect(code).toBe(0);
  const [found, ...more] = json() as [Record<string, unknown>];
  expect(more).toEqual([]);
  expect(found).toMatchObject({
    event: 'precision',
    rows: 10,
    batches: 2,
    mode: 'train',
    lossScale: 1,
    weights: null,
    findings: [],
  });
  const config = await readConfig(join(cwd, 'points.json'));
  const data = shareOut(await readRaw(config, cwd), checkConfig(config), 0n);
  using trainer = makeTrainer(config, data, 0);
  const wanted = await trainer.precision(data.sources.train, { rows: 10, batches: 2, bf16: true });
  const { event, file, weights, ms, ...figures } = found;
  expect({ ...figures, ms: 0 }).toEqual(JSON.parse(JSON.stringify({ ...wanted, ms: 0 })));
});

it('takes the weights of a checkpoint, another mode, seed and folder', async () => {
  const cwd = files();
  expect((await run(['train', 'points.json'], { cwd })).code).toBe(0);
  const losses: unknown[] = [];
  for (const flags of [[], ['--weights', 'points.safetensors'], ['--mode', 'eval'], ['--seed', '4']]) {
    const { code, json } = await run(['precision', '--json', 'points.json', ...flags], { cwd });
    expect(code).toBe(0);
    losses.push((json()[0] as { f32: { loss: number } }).f32.loss);
  }
  const [first, trained, evaluated, other] = losses as number[];
  expect(trained).toBeLessThan(first!);
  expect(evaluated).toBe(first);
  expect(other).not.toBe(first);
  const shown = await run(['precision', 'points.json', '--weights', 'points.safetensors'], { cwd });
  expect(shown.stdout).toContain(`weights of ${join(cwd, 'points.safetensors')}`);
  const elsewhere = folder({ 'points.json': JSON.stringify(CONFIG) });
  expect((await run(['precision', 'points.json', '--data', cwd], { cwd: elsewhere })).code).toBe(0);
});

it('measures the products of a configuration in bf16', async () => {
  const { stdout } = await run(['precision', 'points.json'], { cwd: files({ precision: 'bf16' }) });
  expect(stdout).toContain('Gradients in bf16');
});

it('warns of what f32 cannot hold, and exits with 0: it was measured', async () => {
  const sizes = [2, ...Array.from({ length: 60 }, () => 4), 2];
  const cwd = files({ model: { type: 'mlp', sizes, activation: 'sigmoid' } });
  const { code, stdout } = await run(['precision', 'points.json', '--rows', '4'], { cwd });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^precision loses something here: 1 warning\n- warning: gradients are too small for f32/m);
});

it.each([
  [['--rows', '41'], 2, 'the data have 40 rows: expected at most 40, got 41'],
  [['--rows', '0'], 2, '--rows: expected a whole number >= 1'],
  [['--batches', '41'], 2, 'the data have 40 rows'],
  [['--mode', 'test'], 2, '--mode'],
  [['--weights', 'none.safetensors'], 4, 'none.safetensors'],
  [['--row', '1'], 2, 'did you mean --rows?'],
  [['--data', 'nowhere'], 4, 'points.csv'],
])('%j: exits with %i', async (flags, expected, text) => {
  const { code, stdout, stderr } = await run(['precision', 'points.json', ...flags], { cwd: files() });
  expect([code, stdout]).toEqual([expected, '']);
  expect(stderr).toContain(text);
});
