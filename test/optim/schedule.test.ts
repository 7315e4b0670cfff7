// schedule.test.ts: schedules against torch.optim.lr_scheduler (golden/optim/schedules.json) and optax (schedules-optax.json), in any order of steps, and their options.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { OptionError } from '../../lib/errors.ts';
import * as optim from '../../lib/optim/index.ts';
import { inEpochs } from '../../lib/optim/schedules/length.ts';
import { Plateau, type PlateauOptions } from '../../lib/train/state/plateau.ts';

const { schedule } = optim;
type Schedule = optim.schedule.Schedule;

interface Golden {
  readonly values: Readonly<Record<string, number[] | [number[], number[]]>>;
  readonly cycles: Readonly<Record<string, readonly number[]>>;
  readonly plateaus: readonly {
    readonly options: Readonly<Record<string, number | string>>;
    readonly metrics: readonly (number | string)[];
    readonly rates: readonly number[];
  }[];
}
const golden = JSON.parse(readFileSync(new URL('../golden/optim/schedules.json', import.meta.url), 'utf8')) as Golden;

/** A schedule, or a learning rate and a momentum. */
const made: Readonly<Record<string, Schedule | readonly [Schedule, Schedule]>> = {
  constant: schedule.constant(0.1, { steps: 5 }),
  linear: schedule.linear(0.1, { steps: 7, from: 0.25, to: 0.5 }),
  exponential: schedule.exponential(0.1, { gamma: 0.9 }),
  step: schedule.step(0.1, { size: 5, gamma: 0.5 }),
  multiStep: schedule.multiStep(0.1, { milestones: [3, 3, 11], gamma: 0.5 }),
  polynomial: schedule.polynomial(0.1, { steps: 15, power: 1.5 }),
  cosine: schedule.cosine(0.1, { steps: 9, min: 0.01, repeat: true }),
  cosineRestarts: schedule.cosineRestarts(0.1, { steps: 5, min: 0.02 }),
  'cosineRestarts, longer': schedule.cosineRestarts(0.1, { steps: 4, factor: 2 }),
  'cosineRestarts, three times': schedule.cosineRestarts(0.1, { steps: 3, factor: 3 }),
  oneCycle: [schedule.oneCycle(0.5, { steps: 30 }), schedule.oneCycleMomentum({ steps: 30 })],
  'oneCycle, linear': [
    schedule.oneCycle(0.5, { steps: 25, anneal: 'linear', rise: 0.41, divide: 10, finalDivide: 100 }),
    schedule.oneCycleMomentum({ steps: 25, anneal: 'linear', rise: 0.41 }),
  ],
  'oneCycle, three phases': [
    schedule.oneCycle(0.5, { steps: 40, threePhase: true }),
    schedule.oneCycleMomentum({ steps: 40, threePhase: true, low: 0.8, high: 0.9 }),
  ],
  cyclic: [schedule.cyclic(0.1, { max: 0.5, up: 6, down: 9 }), schedule.cyclic(0.9, { max: 0.8, up: 6, down: 9 })],
  'cyclic, triangular2': [
    schedule.cyclic(0.1, { max: 0.5, up: 6, mode: 'triangular2' }),
    schedule.cyclic(0.9, { max: 0.8, up: 6, mode: 'triangular2' }),
  ],
  'cyclic, expRange': [
    schedule.cyclic(0.1, { max: 0.5, up: 6, mode: 'expRange', gamma: 0.95 }),
    schedule.cyclic(0.9, { max: 0.8, up: 6, mode: 'expRange', gamma: 0.95 }),
  ],
  lambda: schedule.lambda(0.1, (t) => 1 / (1 + t)),
  multiplicative: schedule.multiplicative(0.1, (t) => 1 - 1 / (t + 1) ** 2),
  sequential: schedule.sequential(
    [
      schedule.constant(0.1, { steps: 100, factor: 0.1 }),
      schedule.linear(0.1, { steps: 5 }),
      schedule.exponential(0.1, { gamma: 0.9 }),
    ],
    { milestones: [3, 9] },
  ),
  product: schedule.product([schedule.constant(0.1, { steps: 4, factor: 0.1 }), schedule.exponential(1, { gamma: 0.9 })]),
  'step, by epochs': schedule.step(0.1, { size: { epochs: 1 }, gamma: 0.7 }),
  'multiStep, by epochs': schedule.multiStep(0.1, { milestones: [{ epochs: 2 }, { epochs: 5 }], gamma: 0.5 }),
  'constant, by epochs': schedule.constant(0.1, { steps: { epochs: 3 } }),
  warmup: schedule.warmup({ steps: 5, to: schedule.cosine(0.1, { steps: 40 }) }),
  'warmup, from half': schedule.warmup({ steps: 5, from: 0.05, to: schedule.exponential(0.1, { gamma: 0.9 }) }),
  inverseSqrt: schedule.inverseSqrt(0.1, { warmup: 6 }),
};
/** Of the goldens by epochs. */
const STEPS = 4;

function close(got: number, want: number, at: number): void {
  expect(Math.abs(got - want), `step ${at}: expected ${want}, got ${got}`).toBeLessThan(1e-12 + 1e-11 * Math.abs(want));
}

test('every golden has its schedule', () => {
  expect(Object.keys(made).sort()).toEqual(Object.keys(golden.values).sort());
});

test.each(Object.keys(made))('%s as in PyTorch, asked for in order and backwards', (name) => {
  const want = golden.values[name]!;
  const curves = (typeof want[0] === 'number' ? [want] : want) as number[][];
  const schedules = [made[name]!].flat() as Schedule[];
  expect(schedules.length).toBe(curves.length);
  for (const [i, of] of schedules.entries()) {
    const s = (at: number): number => inEpochs(STEPS, () => of(at));
    const forwards = curves[i]!.map((_, at) => s(at));
    curves[i]!.forEach((w, at) => {
      close(forwards[at]!, w, at);
    });
    for (let at = forwards.length - 1; at >= 0; at--) expect(s(at)).toBe(forwards[at]);
  }
});

test('learning rate and momentum turned by one cycle, as PyTorch trains with them', () => {
  const lr = schedule.oneCycle(0.05, { steps: 21 });
  const momentum = schedule.oneCycleMomentum({ steps: 21 });
  const optimizers: Readonly<Record<string, optim.Optimizer>> = {
    sgd: optim.sgd({ lr, momentum }),
    nesterov: optim.sgd({ lr, momentum, nesterov: true }),
    adam: optim.adam({ lr, betas: [momentum, 0.999] }),
    adamw: optim.adamw({ lr, betas: [momentum, 0.999] }),
  };
  expect(Object.keys(optimizers)).toEqual(Object.keys(golden.cycles));
  for (const [name, optimizer] of Object.entries(optimizers)) {
    const p = Float32Array.from({ length: 5 }, (_, i) => i / 4 - 0.5);
    const bound = optimizer.bind([p]);
    for (let t = 0; t < 20; t++) bound.step([Float32Array.from(p, (_, i) => (((i * 7 + t * 5) % 33) - 16) / 16)]);
    golden.cycles[name]!.forEach((want, i) => {
      expect(Math.abs(p[i]! - want), name).toBeLessThan(2e-6);
    });
  }
  const step = (optimizer: optim.Optimizer) => () => optimizer.bind([new Float32Array(1)]).step([new Float32Array(1)]);
  expect(step(optim.adam({ betas: [() => 1, 0.999] }))).toThrow(/betas\[0\] at step 0: expected .* < 1, got 1/);
  expect(step(optim.sgd({ momentum: () => -1 }))).toThrow(/momentum at step 0: expected .* >= 0, got -1/);
});

test('what lies beyond, and warm-up', () => {
  const at = (s: Schedule, ...steps: number[]): number[] => steps.map((t) => s(t));
  expect(at(schedule.constant(3), 0, 1e6)).toEqual([3, 3]);
  expect(at(schedule.step(8, { size: 10, gamma: 0.5 }), 0, 9, 10, 19, 20)).toEqual([8, 8, 4, 4, 2]);
  expect(at(schedule.cosine(2, { steps: 100, min: 1 }), 0, 100, 1000)).toEqual([2, 1, 1]);
  expect(at(schedule.polynomial(2, { steps: 4 }), 4, 5, 1000)).toEqual([0, 0, 0]);
  const cycle = schedule.oneCycle(1, { steps: 10 });
  close(cycle(9), 1 / 25 / 1e4, 9);
  expect(at(cycle, 10, 1000)).toEqual([cycle(9), cycle(9)]);
  // Cycles so short that a phase has no steps.
  for (const steps of [1, 2, 3]) for (let t = 0; t < 5; t++) expect(schedule.oneCycle(1, { steps })(t)).toBeGreaterThan(0);
  expect(at(schedule.oneCycle(1, { steps: 4, rise: 0, divide: 2 }), 0, 3).every(Number.isFinite)).toBe(true);
  expect(at(schedule.warmup({ steps: 4, to: 8 }), 0, 1, 2, 3, 4, 100)).toEqual([2, 4, 6, 8, 8, 8]);
  expect(at(schedule.warmup({ steps: 2, to: 8, from: 4 }), 0, 1, 2)).toEqual([6, 8, 8]);
  const both = schedule.warmup({ steps: 10, to: schedule.cosine(1, { steps: 10 }) });
  expect([both(9), both(10), both(20)]).toEqual([1, 1, 0]);
});

describe('options', () => {
  const wrong: [string, () => unknown][] = [
    ['steps: expected a whole number >= 0', () => schedule.constant(1, { steps: -1 })],
    ['value', () => schedule.constant('1' as never)],
    ['size', () => schedule.step(1, { size: 0 })],
    ['steps', () => schedule.cosine(1, { steps: 1.5 })],
    ['repeat', () => schedule.cosine(1, { steps: 1, repeat: 1 as never })],
    ['steps', () => schedule.linear(1, {} as never)],
    ['from', () => schedule.linear(1, { steps: 2, from: -1 })],
    ['gamma', () => schedule.exponential(1, {} as never)],
    ['milestones: expected whole numbers in rising order', () => schedule.multiStep(1, { milestones: [3, 2] })],
    ['milestones[0]', () => schedule.multiStep(1, { milestones: [0.5] })],
    ['power', () => schedule.polynomial(1, { steps: 3, power: 0 })],
    ['warmup', () => schedule.inverseSqrt(1, { warmup: 0 })],
    ['factor', () => schedule.cosineRestarts(1, { steps: 3, factor: 1.5 })],
    ['rise', () => schedule.oneCycle(1, { steps: 3, rise: 2 })],
    [
      'anneal: expected one of cos, linear, got "line"; did you mean linear?',
      () => schedule.oneCycle(1, { steps: 3, anneal: 'line' as never }),
    ],
    ['high', () => schedule.oneCycleMomentum({ steps: 3, high: 1 })],
    ['max', () => schedule.cyclic(1, {} as never)],
    ['mode', () => schedule.cyclic(1, { max: 2, mode: 'exp_range' as never })],
    ['factor: expected a function of the step, got 2', () => schedule.lambda(1, 2 as never)],
    ['factor at step 0', () => schedule.lambda(1, () => Number.NaN)(0)],
    ['factor at step 1', () => schedule.multiplicative(1, () => Number.NaN)(3)],
    ['milestones: expected 1 of them, got 2', () => schedule.sequential([1, 2], { milestones: [1, 2] })],
    ['milestones: expected whole numbers in rising order', () => schedule.sequential([1, 2, 3], { milestones: [2, 2] })],
    ['argument schedules: expected a list of at least 1, got an array of 0', () => schedule.product([])],
    ['schedules[1]', () => schedule.product([1, 'x' as never])],
    ['to', () => schedule.warmup({ steps: 3 } as never)],
    ['warmUp; did you mean warmup?', () => schedule.inverseSqrt(1, { warmUp: 3 } as never)],
  ];
  test.each(wrong)('%s', (name, make) => {
    expect(make).toThrow(OptionError);
    expect(make).toThrow(name);
  });
});

test.each(golden.plateaus.map((g, i) => [i, g] as const))('plateau %i as ReduceLROnPlateau', (_, { options, metrics, rates }) => {
  const { min_lr: min, threshold_mode: thresholdMode, ...rest } = options;
  const plateau = new Plateau({ ...rest, ...(min && { min }), ...(thresholdMode && { thresholdMode }) } as PlateauOptions);
  metrics.forEach((m, at) => {
    const copy = new Plateau(plateau.options);
    copy.values.set(plateau.values);
    plateau.see(Number(m === 'inf' ? Infinity : m), [0.1]);
    close(plateau.rate(0.1), rates[at]!, at);
    // All there is to know of it is in its values.
    copy.see(Number(m === 'inf' ? Infinity : m), [0.1]);
    expect(copy.values).toEqual(plateau.values);
  });
});

const optax = JSON.parse(readFileSync(new URL('../golden/optim/schedules-optax.json', import.meta.url), 'utf8')) as {
  readonly values: Readonly<Record<string, readonly number[]>>;
};
const ofOptax: Readonly<Record<string, Schedule>> = {
  constant: schedule.constant(0.1),
  linear: schedule.linear(0.1, { steps: 7, from: 0.25, to: 0.5 }),
  exponential: schedule.exponential(0.1, { gamma: 0.9 }),
  step: schedule.step(0.1, { size: 5, gamma: 0.5 }),
  multiStep: schedule.multiStep(0.1, { milestones: [3, 3, 11], gamma: 0.5 }),
  polynomial: schedule.polynomial(0.1, { steps: 15, power: 1.5 }),
  cosine: schedule.cosine(0.1, { steps: 9, min: 0.01 }),
  cosineRestarts: schedule.cosineRestarts(0.1, { steps: 5, min: 0.02 }),
  sequential: schedule.sequential([0.01, schedule.linear(0.1, { steps: 5, from: 0.2 })], { milestones: [3] }),
  warmup: schedule.warmup({ steps: 5, to: schedule.cosine(0.1, { steps: 20, min: 0.01 }) }),
};

test('every curve of optax has its schedule', () => {
  expect(Object.keys(ofOptax)).toEqual(Object.keys(optax.values));
});

test.each(Object.keys(ofOptax))('%s as in optax', (name) => {
  optax.values[name]!.forEach((want, at) => {
    close(ofOptax[name]!(at), want, at);
  });
});
