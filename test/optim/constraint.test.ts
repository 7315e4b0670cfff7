// constraint.test.ts: constraints after the update, with every optimizer: against plain loops, Keras, and what they promise.
import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { OptionError, ShapeError } from '../../lib/errors.ts';
import type { Data } from '../../lib/ir/op.ts';
import * as optim from '../../lib/optim/index.ts';
import type { Constraint, ConstraintRule } from '../../lib/optim/weights/constraint.ts';
import * as constraint from '../../lib/optim/weights/constraint.ts';
import { ALL_OPTIMIZERS, f32, OPTIMIZERS, sameNumbers } from '../clip/kit.ts';
import { sameBits } from '../run-node.ts';

const SHAPES = { w: [7, 5], k: [3, 2, 4], b: [6], big: [30, 35] } as const;
const names = Object.keys(SHAPES) as (keyof typeof SHAPES)[];
const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const waves = (n: number, k: number, size = 1): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => size * Math.sin(k + i * 1.7));
type Arrays = Record<string, Float32Array>;
const arrays = (k: number, size = 1): Arrays =>
  Object.fromEntries(names.map((n, i) => [n, waves(sizeOf(SHAPES[n]), k + i, size)]));
const copied = (x: Arrays): Arrays => Object.fromEntries(Object.entries(x).map(([n, a]) => [n, a.slice()]));

/** Norms by part, and which part an element is in. */
function parts(shape: readonly number[], axis: string, x: Float32Array): { norms: Float64Array; of: (i: number) => number } {
  const row = sizeOf(shape.slice(1));
  const whole = shape.length < 2 || axis === 'tensor';
  const of = (i: number): number => (whole ? 0 : axis === 'rows' ? Math.floor(i / row) : i % row);
  const norms = new Float64Array(whole ? 1 : axis === 'rows' ? shape[0]! : row);
  x.forEach((v, i) => {
    norms[of(i)]! += v * v;
  });
  return { norms: norms.map(Math.sqrt), of };
}

interface Case {
  readonly make: () => Constraint;
  readonly truth: (x: Float32Array, shape: readonly number[]) => Float32Array;
  readonly holds: (x: Float32Array, shape: readonly number[]) => boolean;
}
const elementwise = (make: () => Constraint, lower: number, upper: number): Case => ({
  make,
  truth: (x) => x.map((v) => (v < lower ? lower : v > upper ? upper : v)),
  holds: (x) => x.every((v) => v >= Math.fround(lower) && v <= Math.fround(upper)),
});
const byNorm = (unit: boolean, limit: number, axis: 'rows' | 'columns' | 'tensor'): Case => ({
  make: () => (unit ? constraint.unitNorm({ axis }) : constraint.maxNorm(limit, { axis })),
  truth(x, shape) {
    const { norms, of } = parts(shape, axis, x);
    const scales = norms.map((n) => (n === 0 || (!unit && n <= limit) ? 1 : Math.fround(limit / n)));
    return x.map((v, i) => v * scales[of(i)]!);
  },
  holds(x, shape) {
    const { norms } = parts(shape, axis, x);
    const most = limit * (1 + 2 ** -22);
    return norms.every((n) => n <= most && (!unit || n === 0 || n >= limit * (1 - 2 ** -22)));
  },
});
const CASES: Readonly<Record<string, Case>> = {
  'weight clip': elementwise(() => constraint.weightClip(0.3), -0.3, 0.3),
  'weight clip by default': elementwise(() => constraint.weightClip(), -0.01, 0.01),
  'non-negative': elementwise(() => constraint.nonNegative(), 0, Infinity),
  'max-norm of rows': byNorm(false, 1.1, 'rows'),
  'max-norm of columns': byNorm(false, 1.6, 'columns'),
  'max-norm of tensors': byNorm(false, 2, 'tensor'),
  'unit norm of rows': byNorm(true, 1, 'rows'),
  'unit norm of columns': byNorm(true, 1, 'columns'),
  'unit norm of tensors': byNorm(true, 1, 'tensor'),
};
const everywhere = (c: Constraint) => ({ constraints: [{ match: '*', constraint: c }], shapes: SHAPES });

describe.each(Object.entries(ALL_OPTIMIZERS))('%s', (optimizer, make) => {
  const names = (Object.keys(SHAPES) as (keyof typeof SHAPES)[]).filter((n) => optimizer in OPTIMIZERS || SHAPES[n].length === 2);
  const only = <T>(x: Record<string, T>): Record<string, T> => Object.fromEntries(names.map((n) => [n, x[n]!]));
  it.each(Object.entries(CASES))('%s', (_, { make: constrain, truth, holds }) => {
    const params = only(arrays(1));
    const free = copied(params);
    const bound = make().bind(params, { ...everywhere(constrain()), shapes: only<readonly number[]>(SHAPES) });
    const other = make().bind(free, { shapes: only<readonly number[]>(SHAPES) });
    for (let step = 0; step < 3; step++) {
      for (const n of names) free[n]!.set(params[n]!);
      other.load(bound.state());
      bound.step(only(arrays(step * 3, 2)));
      other.step(only(arrays(step * 3, 2)));
      expect(names.every((n) => holds(params[n]!, SHAPES[n]))).toBe(true);
      expect(
        sameNumbers(
          names.map((n) => params[n]!),
          names.map((n) => truth(free[n]!, SHAPES[n])),
        ),
      ).toBe(true);
      const [own, others] = [bound.state().tensors, other.state().tensors];
      expect(sameBits(Object.values(own), Object.values(others))).toBe(true);
    }
  });
});

test('what holds already keeps its bits, and threads change none', () => {
  const wide = [constraint.weightClip(1e30), constraint.maxNorm(1e30), constraint.maxNorm(1e30, { axis: 'columns' })];
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 90 }),
      fc.constantFrom(...wide, ...Object.values(CASES).map((c) => c.make())),
      fc.float({ min: Math.fround(1e-20), max: Math.fround(1e20), noNaN: true }),
      (rows, row, c, size) => {
        const run = (constraints: ConstraintRule[], threads: number): Float32Array => {
          const x = waves(rows * row, 3, size);
          x[0] = -0;
          const bound = optim.sgd({ lr: 0.25 }).bind([x], { constraints, shapes: [[rows, row]], threads });
          bound.step([waves(rows * row, 8, size)]);
          return x;
        };
        const [one, three, free] = [run([{ match: '*', constraint: c }], 1), run([{ match: '0', constraint: c }], 3), run([], 1)];
        expect(sameBits([three], [one])).toBe(true);
        if (wide.includes(c)) expect(sameBits([one], [free])).toBe(true);
      },
    ),
    { numRuns: 60 },
  );
});

test('a second time changes nothing: by more than the last bit', () => {
  for (const { make } of Object.values(CASES)) {
    const x = arrays(2, 3);
    const bound = optim.sgd({ lr: 1 }).bind(x, everywhere(make()));
    const none = Object.fromEntries(names.map((n) => [n, new Float32Array(sizeOf(SHAPES[n]))]));
    bound.step(none);
    const once = copied(x);
    bound.step(none);
    for (const n of names) expect(x[n]!.every((v, i) => Math.abs(v - once[n]![i]!) <= 2 ** -23 * Math.abs(v))).toBe(true);
  }
});

test('a skipped step constrains nothing', () => {
  for (const { make } of Object.values(CASES)) {
    const x = arrays(2, 3);
    const before = copied(x);
    const bound = optim.adamw().bind(x, everywhere(make()));
    const report = bound.step({ ...arrays(1), b: new Float32Array(6).fill(NaN) });
    expect(report.skipped).toBe(true);
    expect(x).toEqual(before);
  }
});

test('what is not finite stays where it is, and does not spread', () => {
  const given = f32(NaN, 1, 3, 4, Infinity, 1, -0, 0);
  const after = (c: Constraint): Float32Array => {
    const x = given.slice();
    optim
      .sgd({ lr: 0 })
      .bind([x], { constraints: [{ match: '0', constraint: c }], shapes: [[4, 2]] })
      .step([new Float32Array(8)]);
    return x;
  };
  expect(after(constraint.maxNorm(1))).toEqual(
    f32(NaN, 1, Math.fround(3 * Math.fround(0.2)), Math.fround(4 * Math.fround(0.2)), Infinity, 1, -0, 0),
  );
  // The first column has a NaN and an infinity, the second a norm of root 18.
  const columns = after(constraint.unitNorm({ axis: 'columns' }));
  expect(columns.filter((_, i) => i % 2 === 0)).toEqual(given.filter((_, i) => i % 2 === 0));
  expect(columns[3]).toBeCloseTo(4 / Math.sqrt(18), 6);
  expect(after(constraint.unitNorm({ axis: 'tensor' }))).toEqual(given);
  expect(after(constraint.weightClip(1))).toEqual(f32(NaN, 1, 1, 1, 1, 1, -0, 0));
  expect(after(constraint.maxNorm(0))).toEqual(f32(NaN, 1, 0, 0, Infinity, 1, -0, 0));
});

test('tiny and huge rows reach a norm of 1', () => {
  for (const size of [1e-44, 1e-40, 1e-30, 1e30]) {
    const x = f32(3 * size, 4 * size);
    const ratio = x[0]! / Math.hypot(x[0]!, x[1]!);
    optim
      .sgd({ lr: 0 })
      .bind([x], { constraints: [{ match: '0', constraint: constraint.unitNorm() }] })
      .step([f32(0, 0)]);
    expect(Math.hypot(x[0]!, x[1]!)).toBeCloseTo(1, 6);
    expect(x[0]).toBeCloseTo(ratio, 6);
  }
});

describe('several on one parameter', () => {
  const apply = (...all: Constraint[]): Float32Array => {
    const x = f32(-3, 4, 0.1, 0.2);
    const constraints = all.map((c) => ({ match: '*', constraint: c }));
    optim
      .sgd({ lr: 0 })
      .bind([x], { constraints, shapes: [[2, 2]] })
      .step([new Float32Array(4)]);
    return x;
  };
  it('the narrowest bounds, then the norm', () => {
    expect(apply(constraint.weightClip(0.15), constraint.nonNegative(), constraint.weightClip(2))).toEqual(
      f32(0, 0.15, 0.1, 0.15),
    );
    expect(apply(constraint.maxNorm(1), constraint.nonNegative())).toEqual(f32(0, 1, 0.1, 0.2));
    expect(apply(constraint.unitNorm(), constraint.nonNegative())[1]).toBe(1);
  });
  it('that cannot all hold are refused', () => {
    expect(() => apply(constraint.maxNorm(), constraint.unitNorm())).toThrow(
      'constraint.maxNorm and constraint.unitNorm of 0 cannot both hold',
    );
    expect(() => apply(constraint.weightClip(), constraint.unitNorm())).toThrow(OptionError);
  });
});

test('what Keras adds to a norm shows in small ones', () => {
  const step = (compat: 'keras' | 'exact'): number => {
    const x = Float32Array.of(1e-6);
    const bound = optim.sgd({ lr: 0 }).bind([x], { constraints: [{ match: '0', constraint: constraint.unitNorm({ compat }) }] });
    bound.step([new Float32Array(1)]);
    return x[0]!;
  };
  expect(step('exact')).toBe(1);
  expect(step('keras')).toBeCloseTo(1e-6 / 1.1e-6, 6);
});

test('as Keras, where asked', () => {
  const golden = JSON.parse(readFileSync(new URL('../golden/optim/constraints.json', import.meta.url), 'utf8')) as {
    shape: [number, number];
    cases: { name: string; options: { axis?: number | number[]; max_value?: number }; w: number[]; expected: number[] }[];
  };
  let kept = 0;
  for (const { name, options, w, expected } of golden.cases) {
    const axis = options.axis === 0 ? 'rows' : options.axis === 1 ? 'columns' : 'tensor';
    for (const compat of ['keras', 'exact'] as const) {
      const made: Record<string, () => Constraint> = {
        maxNorm: () => constraint.maxNorm(options.max_value, { axis, compat }),
        unitNorm: () => constraint.unitNorm({ axis, compat }),
        nonNegative: constraint.nonNegative,
      };
      const x = Float32Array.from(w);
      const bound = optim
        .sgd({ lr: 0 })
        .bind([x], { constraints: [{ match: '0', constraint: made[name]!() }], shapes: [golden.shape] });
      bound.step([new Float32Array(w.length)]);
      const error = x.reduce(
        (most, v, i) => Math.max(most, Math.abs(v - expected[i]!) / Math.max(1e-3, Math.abs(expected[i]!))),
        0,
      );
      expect(error).toBeLessThan(2.5e-7);
      if (compat === 'exact' && x.some((v, i) => v === w[i] && v !== Math.fround(expected[i]!))) kept++;
    }
  }
  // Keras changes what holds already.
  expect(kept).toBeGreaterThan(0);
});

test('state and load: going on equals not stopping', () => {
  const make = () => {
    const x = arrays(5);
    return { x, bound: optim.adam({ lr: 0.1 }).bind(x, everywhere(constraint.maxNorm(1))) };
  };
  const [a, b] = [make(), make()];
  for (let k = 0; k < 6; k++) a.bound.step(arrays(k));
  for (let k = 0; k < 3; k++) b.bound.step(arrays(k));
  const c = make();
  for (const n of names) c.x[n]!.set(b.x[n]!);
  c.bound.load(b.bound.state());
  for (let k = 3; k < 6; k++) c.bound.step(arrays(k));
  expect(c.x).toEqual(a.x);
  expect(Object.values(c.bound.state().tensors).every((t: Data) => t instanceof Float32Array)).toBe(true);
});

// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
const any = (x: unknown): any => x;
test.each<[string, () => unknown, abstract new (...args: never[]) => Error, string]>([
  [
    'a negative clip',
    () => constraint.weightClip(-1),
    OptionError,
    'constraint.weightClip: argument max: expected a finite number >= 0, got -1',
  ],
  ['no number', () => constraint.maxNorm(NaN), OptionError, 'constraint.maxNorm: argument max'],
  ['an axis', () => constraint.unitNorm({ axis: any('row') }), OptionError, 'did you mean rows?'],
  ['an option', () => constraint.unitNorm(any({ axes: 'rows' })), OptionError, 'unknown option axes'],
  ['rules', () => optim.sgd().bind([f32(1)], { constraints: any('x') }), OptionError, 'option constraints: expected a list'],
  [
    'a constraint',
    () => optim.sgd().bind([f32(1)], { constraints: [{ match: '*', constraint: any({}) }] }),
    OptionError,
    'Optimizer.bind: option constraints[0].constraint: expected one such as constraint.maxNorm(), got an object',
  ],
  [
    'a name',
    () => optim.sgd().bind({ w: f32(1) }, { constraints: [{ match: 'x', constraint: constraint.maxNorm() }] }),
    OptionError,
    'no parameter matches x; there are w',
  ],
  [
    'a shape',
    () => optim.sgd().bind([f32(1, 2, 3)], { shapes: [[2, 2]] }),
    ShapeError,
    'expected a shape of 3 elements for 0, got [2,2]',
  ],
  ['a shape of nothing', () => optim.sgd().bind([f32(1)], { shapes: any({ w: [1] }) }), OptionError, 'there is no parameter w'],
])('%s is refused', (_, run, type, message) => {
  expect(run).toThrow(type);
  expect(run).toThrow(message);
});
