// train.test.ts: training by gradients of samples: what a threshold that never bites leaves alone, who is left out, and what is refused.
import { describe, expect, it } from 'vitest';
import type { ClipPolicy } from '../../lib/clip/index.ts';
import { clip, loss, nn, ops, optim, Trainer } from '../../lib/index.ts';
import type { Module } from '../../lib/nn/index.ts';

const ROWS = 64;
const x = { data: Float32Array.from({ length: ROWS * 5 }, (_, i) => Math.sin(i * i)), shape: [ROWS, 5] };
const y = { data: Int32Array.from({ length: ROWS }, (_, i) => (i * i) % 3), shape: [ROWS] };
const data = { x, y };

type Made = Partial<ConstructorParameters<typeof Trainer<Module>>[0]>;
const modelOf = (): Module =>
  new nn.Sequential(new nn.Linear(5, 8), new nn.Tanh(), new nn.LayerNorm([8]), new nn.Linear(8, 3)).initialize(1);
function trainer(policy: ClipPolicy, made: Made = {}): Trainer<Module> {
  return new Trainer({
    model: modelOf(),
    loss: (batch, model) => loss.crossEntropy((model as nn.Sequential).forward(batch.x!), batch.y!),
    optimizer: optim.sgd({ lr: 0.1 }),
    clip: policy,
    seed: 3,
    threads: 1,
    ...made,
  });
}
const weightsOf = (t: Trainer<Module>): number[] => [...t.model.namedParameters()].flatMap(([, p]) => [...p.data]);
async function trained(policy: ClipPolicy, made: Made = {}, steps = 6): Promise<number[]> {
  const t = trainer(policy, made);
  await t.fit(data, { steps, batchSize: 16 / (made.accumulate ?? 1) });
  return weightsOf(t);
}
const furthest = (a: readonly number[], b: readonly number[]): number => Math.max(...a.map((v, i) => Math.abs(v - b[i]!)));

describe('a threshold that never bites', () => {
  it.each(['flat', 'each'] as const)('changes nothing: %s', async (layers) => {
    expect(furthest(await trained(clip.perSample(1e9, { layers })), await trained(clip.none()))).toBeLessThan(1e-6);
  });
  it('nor over micro-batches', async () => {
    expect(furthest(await trained(clip.perSample(1e9), { accumulate: 4 }), await trained(clip.none()))).toBeLessThan(1e-6);
  });
});

it('has the same bits with any threads', async () => {
  const policy = (): ClipPolicy => clip.perSample(0.2, { noise: 0.5, secure: false });
  const one = await trained(policy());
  for (const threads of [2, 3, 4, 5, 8]) expect(await trained(policy(), { threads })).toEqual(one);
});

it('is the same over micro-batches, to rounding', async () => {
  const of = (accumulate: number): Promise<number[]> => trained(clip.perSample(0.2), { accumulate });
  expect(furthest(await of(4), await of(1))).toBeLessThan(1e-6);
});

/** The sum of clipped gradients of samples by plain loops over them, each a batch of its own. */
async function byLoops(threshold: number, layers: 'flat' | 'each'): Promise<number[]> {
  const t = trainer(clip.none());
  const names = [...t.model.namedParameters()].map(([name]) => name);
  const sum = new Map(names.map((name) => [name, new Float64Array(t.model.getParameter(name).data.length)]));
  for (let s = 0; s < 16; s++) {
    const one = { x: { data: x.data.slice(5 * s, 5 * s + 5), shape: [1, 5] }, y: { data: y.data.slice(s, s + 1), shape: [1] } };
    const { gradients } = await t.gradients(one);
    const normOf = (list: readonly ArrayLike<number>[]): number =>
      Math.sqrt(list.reduce((a, g) => a + Array.from(g).reduce((b, v) => b + v * v, 0), 0));
    const all = normOf(names.map((name) => gradients.get(name)!.data));
    for (const name of names) {
      const g = gradients.get(name)!.data;
      const [norm, most] = layers === 'flat' ? [all, threshold] : [normOf([g]), threshold / Math.sqrt(names.length)];
      const scale = norm > most ? most / norm : 1;
      const total = sum.get(name)!;
      for (const [i, v] of g.entries()) total[i] = total[i]! + (v * scale) / 16;
    }
  }
  return names.flatMap((name) => Array.from(t.model.getParameter(name).data, (v, i) => v - 0.1 * sum.get(name)![i]!));
}

it.each(['flat', 'each'] as const)('clips each sample as plain loops do: %s', async (layers) => {
  const t = trainer(clip.perSample(0.3, { layers }));
  const report = await t.step({
    x: { data: x.data.slice(0, 80), shape: [16, 5] },
    y: { data: y.data.slice(0, 16), shape: [16] },
  });
  expect(report.clippedFraction).toBeGreaterThan(0.2);
  expect(furthest(weightsOf(t), await byLoops(0.3, layers))).toBeLessThan(1e-7);
});

describe('a sample whose gradient is not finite', () => {
  it.each(['flat', 'each'] as const)('is left out, and counted: %s', async (layers) => {
    const bad = { data: x.data.slice(0, 80), shape: [16, 5] };
    bad.data[7] = Number.NaN;
    bad.data[61] = Number.POSITIVE_INFINITY;
    const labels = { data: y.data.slice(0, 16), shape: [16] };
    const t = trainer(clip.perSample(0.3, { layers }));
    const report = await t.step({ x: bad, y: labels });
    expect(report.nonFiniteCount).toBe(2);
    expect(Number.isFinite(report.loss) && Number.isFinite(report.norm)).toBe(true);
    // The others alone, whose sum is divided by 14 and not by 16.
    const others = Array.from({ length: 16 }, (_, s) => s).filter((s) => s !== 1 && s !== 12);
    const rest = trainer(clip.perSample(0.3, { layers }), { optimizer: optim.sgd({ lr: (0.1 * 14) / 16 }) });
    await rest.step({
      x: { data: Float32Array.from(others.flatMap((s) => [...bad.data.slice(5 * s, 5 * s + 5)])), shape: [14, 5] },
      y: { data: Int32Array.from(others.map((s) => labels.data[s]!)), shape: [14] },
    });
    expect(furthest(weightsOf(t), weightsOf(rest))).toBeLessThan(1e-7);
  });
});

describe('noise', () => {
  const steady = (): Made => ({
    // Its gradient is 0: what moves the weights is noise.
    loss: (batch, model) => ops.mean(ops.mul((model as nn.Sequential).forward(batch.x!), 0), { dtype: 'f64' }),
    optimizer: optim.sgd({ lr: 1 }),
  });
  it('has the deviation of a threshold times the option, over the batch', async () => {
    for (const secure of [true, false]) {
      const t = trainer(clip.perSample(4, { noise: 0.5, secure }), steady());
      const before = weightsOf(t);
      for (let i = 0; i < 50; i++)
        await t.step({ x: { data: x.data.slice(0, 40), shape: [8, 5] }, y: { data: y.data.slice(0, 8), shape: [8] } });
      const moved = weightsOf(t).map((v, i) => v - before[i]!);
      const deviation = Math.sqrt(moved.reduce((a, v) => a + v * v, 0) / moved.length);
      // 50 steps of 4 * 0.5 / 8 each; 91 numbers tell it to 7 %.
      expect(deviation / (0.25 * Math.sqrt(50))).toBeGreaterThan(0.7);
      expect(deviation / (0.25 * Math.sqrt(50))).toBeLessThan(1.3);
    }
  });
  it('is that of the seed, or of nobody', async () => {
    const of = (secure: boolean): Promise<number[]> => trained(clip.perSample(1, { noise: 1, secure }));
    expect(await of(false)).toEqual(await of(false));
    expect(await of(true)).not.toEqual(await of(true));
  });
});

it('is first in a chain', async () => {
  expect(await trained(clip.chain(clip.perSample(0.2), clip.value(1e9)))).toEqual(await trained(clip.perSample(0.2)));
  expect(() => clip.chain(clip.value(1), clip.perSample(1))).toThrow('alone, or first in a chain');
  expect(() => clip.groups([{ policy: clip.perSample(1) }])).toThrow('alone, or first in a chain');
  expect(() => clip.chain(clip.perSample(1, { noise: 1 }), clip.autoClip())).toThrow('norms of steps before');
  expect(() => clip.auto({ policy: clip.perSample(1) })).toThrow('weighs samples');
});

describe('refused', () => {
  it('are samples that are mixed up', async () => {
    const normed = new nn.Sequential(new nn.Linear(5, 8), new nn.BatchNorm1d(8), new nn.Linear(8, 3)).initialize(1);
    await expect(trainer(clip.perSample(1), { model: normed }).step(data)).rejects.toThrow(/batchNorm in 1 mixes.*nn\.GroupNorm/);
    const loss2: Made['loss'] = (batch, model) => ops.logSumExp(ops.reshape((model as nn.Sequential).forward(batch.x!), [-1]));
    await expect(trainer(clip.perSample(1), { loss: loss2 as never }).step(data)).rejects.toThrow('mixes the samples');
  });
  it('is what reads numbers that noise is to hide', async () => {
    const t = trainer(clip.perSample(1, { noise: 1 }));
    await t.step(data);
    expect(() => t.advise()).toThrow('noise of perSample is to hide');
    await expect(t.fit(data, { steps: 1, batchSize: 8, perLayer: true })).rejects.toThrow('is to hide');
    expect(() => trainer(clip.perSample(1, { noise: 1 }), { guards: [{ on: 'gradient', action: 'skip' }] as never })).toThrow();
    expect(() => trainer(clip.perSample(1), { lossScale: 2 })).toThrow('lossScale');
  });
  it('is noise without a threshold', () => {
    expect(() => clip.perSample(Infinity, { noise: 1 })).toThrow('finite threshold');
    expect(() => clip.perSample(1, { noise: -1 })).toThrow('noise');
  });
});
