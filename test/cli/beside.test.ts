// beside.test.ts: what stands beside the optimizer, in the configuration of `gradclip train`: it is taken, and errors name the place.
import { expect, it } from 'vitest';
import { readSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { folder, type Ran, run } from './kit.ts';

const rows = Array.from({ length: 200 }, (_, i) => {
  const [a, b] = [((i * 17) % 29) / 29, ((i * 11) % 31) / 31];
  return `${a},${b},${a > b ? 1 : 0}`;
});
const config = {
  data: { type: 'csv', file: 'points.csv', split: { train: 120, validation: 40, test: 40 } },
  model: { type: 'mlp', sizes: [2, 16, 2], activation: 'tanh' },
  optimizer: { type: 'adamw', lr: 0.02 },
  batchSize: 16,
  epochs: 3,
  threads: 1,
};

async function train(change: object): Promise<Ran & { cwd: string }> {
  const cwd = folder({ 'points.csv': `${rows.join('\n')}\n`, 'config.json': JSON.stringify({ ...config, ...change }) });
  return { ...(await run(['train', '--json', 'config.json', '--out', 'm.safetensors'], { cwd })), cwd };
}

it('all of it at once', async () => {
  const ran = await train({
    schedule: { type: 'oneCycle', steps: 24 },
    clip: { type: 'globalNorm', threshold: 0.5 },
    ema: { decay: 0.9 },
    plateau: { patience: 0, threshold: 0.9 },
    regularize: [
      { type: 'l1', weight: 1e-4 },
      { type: 'elasticNet', l1: 1e-5, l2: 1e-4, match: '0.*' },
    ],
    lossScale: { interval: 4 },
    guards: [
      { type: 'loss', max: 0.01, action: 'warn' },
      { type: 'outputs', match: '0' },
      { type: 'finite', action: 'rollback' },
    ],
    rollback: { every: 5 },
    labelSmoothing: 0.1,
    checkpointed: '0',
  });
  expect(ran.stderr).toContain('guard.loss: loss is ');
  expect(ran.code).toBe(0);
  const events = ran.json();
  expect(events.filter((e) => e.event === 'guard')).toHaveLength(24);
  expect(events.at(-1)).toMatchObject({ event: 'result', steps: 24, applied: 24 });
  const { tensors } = await readSafetensors(`${ran.cwd}/m.safetensors`);
  const [scale, plateau] = ['gradclip.train.loss_scale', 'gradclip.train.plateau'].map((name) => tensors.get(name)!.data[0]!);
  expect(scale).toBe(2 ** 16 * 2 ** 6);
  expect(plateau).toBeLessThan(1);
  expect([...tensors.keys()]).toContain('gradclip.ema.0.weight');
});

it.each([
  { type: 'constant', steps: 3, factor: 0.5 },
  { type: 'linear', steps: 8, warmup: 2 },
  { type: 'exponential', gamma: 0.9 },
  { type: 'multiStep', milestones: [3, 5] },
  { type: 'polynomial', steps: 20, power: 2 },
  { type: 'cosineRestarts', steps: 5, factor: 2 },
  { type: 'cyclic', max: 0.1, up: 4 },
  { type: 'inverseSqrt', warmup: 5 },
])('schedule $type', async (schedule) => {
  expect(await train({ schedule, epochs: 1 })).toMatchObject({ code: 0 });
});

it('lengths in epochs are those of the rows that train', async () => {
  const schedule = (epoch: (n: number) => unknown) => ({ type: 'step', size: epoch(1), gamma: 0.5, warmup: epoch(0.5) });
  const results = [];
  for (const given of [schedule((n) => ({ epochs: n })), schedule((n) => 8 * n), schedule((n) => 4 * n)]) {
    const ran = await train({ schedule: given, epochs: 3 });
    expect(ran.code).toBe(0);
    results.push(ran.json().at(-1)!.loss);
  }
  expect(results[0]).toBe(results[1]);
  expect(results[0]).not.toBe(results[2]);
});

it('a warning is an event, and a line on stderr', async () => {
  const ran = await train({ guards: [{ type: 'loss', max: 0, action: 'skip' }], epochs: 1 });
  expect(ran.stderr).toContain('warning: fit: no weight has changed: all 8 steps of the run were skipped');
  const events = ran.json().filter((e) => e.event === 'warning');
  expect(events).toMatchObject([{ code: 'nothingApplied', name: 'fit', step: 0, tried: 8 }]);
});

it('a guard that stops is exit code 3', async () => {
  const ran = await train({ guards: [{ type: 'loss', max: 0 }] });
  expect(ran.code).toBe(3);
  expect(ran.stderr).toContain('fit: guard.loss: loss at step 0');
});

it.each([
  [{ schedule: { type: 'linaer' } }, /schedule\.type: expected one of .*; did you mean linear\?/],
  [{ schedule: { type: 'inverseSqrt' } }, /schedule: optim\.schedule\.inverseSqrt: option warmup/],
  [{ regularize: { type: 'l3' } }, /regularize\.type: expected one of elasticNet, groupLasso, l1, l2/],
  [{ regularize: { type: 'l1' } }, /regularize\.weight: expected a finite number >= 0, got nothing/],
  [{ guards: [{ type: 'exploding' }] }, /guards\[0\]\.max: expected a finite number > 0, got nothing/],
  [{ checkpointed: ['0', 'blocks.*'] }, /option checkpointed: no module matches blocks/],
  [{ activations: 'bf16' }, /option activations: 'bf16' goes with precision: 'bf16'/],
  [{ ema: { decay: 2 } }, /ema\.decay: expected/],
  [{ plateau: {}, data: { ...config.data, split: { train: 160, test: 40 } } }, /some rows, for plateau to look at/],
  [
    { labelSmoothing: 0.1, loss: 'mse', model: { type: 'mlp', sizes: [2, 4, 1] } },
    /loss: expected crossEntropy, since there is labelSmoothing, got "mse"/,
  ],
])('%j is wrong', async (change, message) => {
  const ran = await train(change);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toMatch(message);
});
