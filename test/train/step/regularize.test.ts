// regularize.test.ts: penalties against their derivatives by hand: what they add to the gradient, that they are clipped, and their report.
import { describe, expect, test } from 'vitest';
import { clip, optim, regularize, type TrainerOptions } from '../../../lib/index.ts';
import { bits, classifier, type MLP, points } from '../models.ts';

const data = points(100);
type Values = Record<string, { data: Float32Array; shape: readonly number[] }>;

const make = (options: Partial<TrainerOptions<MLP>>) =>
  classifier({ optimizer: optim.sgd({ lr: 1 }), clip: clip.none(), batchSize: 20, ...options });
const valuesOf = async (trainer: ReturnType<typeof make>): Promise<Values> =>
  Object.fromEntries(await trainer.readParameters()) as Values;

/** A step with and without: before it, what the penalty adds to the gradient, and the report. */
async function added(given: TrainerOptions<MLP>['regularize'], options: Partial<TrainerOptions<MLP>> = {}) {
  const [one, two] = [make(options), make({ ...options, ...(given && { regularize: given }) })];
  for (const { model } of [one, two]) {
    // One row of exact zeros, and an element.
    model.fc1.weight.data.fill(0, 6, 12);
    model.fc2.weight.data[3] = 0;
  }
  const before = await valuesOf(one);
  await one.fit(data, { steps: 1 });
  const { last } = await two.fit(data, { steps: 1 });
  const [without, having] = [await valuesOf(one), await valuesOf(two)];
  const gradient = (name: string): number[] => Array.from(without[name]!.data, (v, i) => v - having[name]!.data[i]!);
  return { before, gradient, report: last! };
}

const sums: Readonly<Record<string, (p: Values[string]) => { value: number; gradient: (i: number) => number }>> = {
  l1: ({ data: p }) => ({ value: p.reduce((s, v) => s + 0.1 * Math.abs(v), 0), gradient: (i) => 0.1 * Math.sign(p[i]!) }),
  l2: ({ data: p }) => ({ value: p.reduce((s, v) => s + 0.3 * v * v, 0), gradient: (i) => 0.6 * p[i]! }),
  elasticNet: ({ data: p }) => ({
    value: p.reduce((s, v) => s + 0.1 * Math.abs(v) + 0.2 * v * v, 0),
    gradient: (i) => 0.1 * Math.sign(p[i]!) + 0.4 * p[i]!,
  }),
  groupLasso({ data: p, shape }) {
    const width = p.length / shape[0]!;
    const norm = (row: number): number => Math.hypot(...p.subarray(row * width, (row + 1) * width));
    const factor = 0.1 * Math.sqrt(width);
    return {
      value: Array.from({ length: shape[0]! }, (_, r) => factor * norm(r)).reduce((a, b) => a + b),
      gradient(i) {
        const n = norm(Math.floor(i / width));
        return n === 0 ? 0 : (factor * p[i]!) / n;
      },
    };
  },
};
const made: Readonly<Record<string, regularize.Regularizer>> = {
  l1: regularize.l1(0.1),
  l2: regularize.l2(0.3),
  elasticNet: regularize.elasticNet(0.1, 0.2),
  groupLasso: regularize.groupLasso(0.1),
};

test.each(Object.keys(made))('%s: value and gradient, of weights and not of biases', async (name) => {
  const { before, gradient, report } = await added(made[name]!);
  let value = 0;
  for (const weight of ['fc1.weight', 'fc2.weight']) {
    const want = sums[name]!(before[weight]!);
    value += want.value;
    for (const [i, g] of gradient(weight).entries()) expect(Math.abs(g - want.gradient(i)), `${weight} ${i}`).toBeLessThan(1e-6);
  }
  for (const bias of ['fc1.bias', 'fc2.bias']) expect(gradient(bias).every((g) => g === 0)).toBe(true);
  expect(Math.abs(report.penalty! - value)).toBeLessThan(1e-6);
  const plain = await added(undefined);
  expect(plain.report.loss).toBe(report.loss);
  expect('penalty' in plain.report).toBe(false);
});

test('by pattern, several at once, and once a step whatever is accumulated', async () => {
  const given = [regularize.l1(0.1, { match: 'fc2.*' }), regularize.l2(0.3, { match: (name) => name === 'fc2.bias' })];
  const { before, gradient } = await added(given, { accumulate: 3 });
  gradient('fc2.bias').forEach((g, i) => {
    const p = before['fc2.bias']!.data[i]!;
    expect(Math.abs(g - (0.1 * Math.sign(p) + 0.6 * p))).toBeLessThan(1e-6);
  });
  gradient('fc2.weight').forEach((g, i) => {
    expect(Math.abs(g - 0.1 * Math.sign(before['fc2.weight']!.data[i]!))).toBeLessThan(1e-6);
  });
  expect(gradient('fc1.weight').every((g) => g === 0)).toBe(true);
});

test('what it adds is measured and clipped', async () => {
  const trainer = make({ regularize: regularize.l2(1000), clip: clip.globalNorm(0.5) });
  const before = await valuesOf(trainer);
  const { last } = await trainer.fit(data, { steps: 1 });
  const n = 2000 * Math.hypot(...before['fc1.weight']!.data, ...before['fc2.weight']!.data);
  expect(last!.norm / n).toBeCloseTo(1, 2);
  expect(last!.clipped).toBe(true);
  const after = await valuesOf(trainer);
  const moved = Object.entries(after).flatMap(([name, { data: p }]) => Array.from(p, (v, i) => v - before[name]!.data[i]!));
  expect(Math.hypot(...moved)).toBeCloseTo(0.5, 5);
});

test('the same bits on any number of threads, async or not', async () => {
  const run = async (threads: number, sync: boolean): Promise<string> => {
    const trainer = classifier({ rate: 0.2, threads, accumulate: 2, regularize: [made.groupLasso!, made.elasticNet!] });
    if (sync) trainer.fitSync(data, { steps: 40, chunkSteps: 7 });
    else await trainer.fit(data, { steps: 40 });
    return bits(trainer);
  };
  const reference = await run(1, false);
  expect(await run(3, false)).toBe(reference);
  expect(await run(2, true)).toBe(reference);
});

describe('wrong options', () => {
  test.each([
    [() => regularize.l1(-1), /regularize.l1: argument weight: expected a finite number >= 0, got -1/],
    [() => regularize.l2(1, { mach: '*' } as object), /did you mean match/],
    [() => make({ regularize: 0.1 as never }), /expected penalties such as regularize.l2\(\), got 0.1/],
    [() => make({ regularize: regularize.l1(1, { match: 'fc3.*' }) }), /no parameter matches fc3/],
  ])('%#', (f, text) => {
    expect(f).toThrow(text);
  });
});
