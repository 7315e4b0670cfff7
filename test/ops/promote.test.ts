// promote.test.ts: operands of several dtypes, with and without dimensions, and numbers: dtypes and values as PyTorch has them (golden/ops/promotion.json,
// made by make_promotion.py), what is beyond the range of integers, and whose gradients are of which dtype.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { compile } from '../../lib/compile/compile.ts';
import { DTypeError, OptionError, ShapeError } from '../../lib/errors.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { ARRAYS, type DType, type RefArray } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import { target } from '../../lib/native/program.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { resultType } from '../../lib/ops/elementwise/promote.ts';
import * as ops from '../../lib/ops/index.ts';
import { interpret } from '../interpret.ts';
import { runGraph } from '../run-graph.ts';

type Values = readonly (number | string)[];
type Elements = Readonly<Record<DType, readonly number[]>>;
/** Of an operand: a dtype of three elements, `f32[]` a scalar, `2` and `0.5` numbers. */
type Name = DType | `${DType}[]` | '2' | '0.5';
const golden = JSON.parse(readFileSync(new URL('../golden/ops/promotion.json', import.meta.url), 'utf8')) as {
  readonly left: Elements;
  readonly right: Elements;
  readonly types: readonly [Name, Name, DType][];
  readonly binary: readonly [string, Name, Name, string, Values][];
  readonly unary: readonly [string, DType, string, Values][];
};

const isNumber = (name: Name): name is '2' | '0.5' => name === '2' || name === '0.5';
const typeOf = (name: Exclude<Name, '2' | '0.5'>): { dtype: DType; shape: readonly number[] } => {
  const scalar = name.endsWith('[]');
  return { dtype: (scalar ? name.slice(0, -2) : name) as DType, shape: scalar ? [] : [3] };
};
const told = (name: Name): ReturnType<typeof typeOf> | number => (isNumber(name) ? Number(name) : typeOf(name));

/** One result of each case, all in one graph, since a program of its own for each takes longer than what it computes. */
function valuesOf(build: (at: (name: Name, side: 'left' | 'right') => ops.Operand) => readonly Tensor[]) {
  const graph = new Graph();
  const inputs: Record<string, RefArray> = {};
  const known = new Map<string, Tensor>();
  const ys = build((name, side) => {
    if (isNumber(name)) return Number(name);
    const type = typeOf(name);
    const key = `${side} ${name}`;
    if (!known.has(key)) {
      known.set(key, graph.input(key, type, 'feed'));
      const values = golden[side][type.dtype];
      inputs[key] = ARRAYS[type.dtype].from(type.shape.length === 0 ? [values[0]!] : values);
    }
    return known.get(key)!;
  });
  for (const [k, y] of ys.entries()) graph.output(`y${k}`, y);
  const exact = interpret(graph, { inputs });
  const runs = addon().isas.map((isa) => runGraph(graph, { inputs, isa }));
  return ys.map((y, k) => [exact.get(y)!, ...runs.map((run) => run.get(`y${k}`)!)]);
}

function expectClose(got: RefArray, want: Values, dtype: DType, what: string): void {
  const tolerance = dtype === 'f64' ? 1e-12 : dtype === 'f32' ? 3e-7 : 0;
  expect(got, what).toBeInstanceOf(ARRAYS[dtype]);
  expect(got.length, what).toBe(want.length);
  for (const [i, text] of want.entries()) {
    const [g, w] = [got[i]!, Number(String(text).replace('inf', 'Infinity'))];
    if (g === w || (Number.isNaN(g) && Number.isNaN(w))) continue;
    expect(Math.abs(g - w), `${what}: ${g} in place of ${w}`).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(w)));
  }
}

/** What PyTorch gives as 64-bit integers is i32 here, and what it gives as booleans 0 and 1 of the dtype that was compared in. */
const ours = (dtype: string, compared: DType): DType =>
  dtype === 'i64' ? 'i32' : dtype === 'bool' ? compared : (dtype as DType);

test('the dtype of each pair', () => {
  expect(golden.types.length).toBe(96);
  for (const [a, b, want] of golden.types) {
    // Its integers of numbers have 64 bits, but no number makes a tensor wider.
    expect([a, b, resultType([told(a), told(b)])]).toEqual([a, b, want]);
  }
});

type Two = (a: ops.Operand, b: ops.Operand, graphOf: Tensor) => Tensor;
const BINARY: Readonly<Record<string, Two>> = {
  pow: (a, b) => ops.pow(a, typeof b === 'number' ? b : magnitude(b as Tensor)),
  where: (a, b, t) => ops.where(t.graph.constant(Uint8Array.of(1, 0, 1), [3], 'u8'), a, b),
  fma: (a, b) => ops.fma(b, b, a),
  clamp: (a, b) => ops.clamp(a, { min: b }),
  concat: (a, b) => ops.concat([a as Tensor, b as Tensor]),
  stack: (a, b) => ops.stack([a as Tensor, b as Tensor]),
};
const magnitude = (t: Tensor): Tensor => ops.abs(t);

test('operations of two', () => {
  const cases = golden.binary;
  const names = new Set(cases.map(([op]) => op));
  for (const op of ['add', 'sub', 'mul', 'div', 'pow', 'less', 'equal', 'maximum', ...Object.keys(BINARY)])
    expect(names).toContain(op);
  const results = valuesOf((at) =>
    cases.map(([op, a, b]) => {
      const [x, y] = [at(a, 'left'), at(b, 'right')];
      const own = BINARY[op];
      if (own) return own(x, y, (typeof x === 'number' ? y : x) as Tensor);
      return (ops as unknown as Readonly<Record<string, (a: ops.Operand, b: ops.Operand) => Tensor>>)[op]!(x, y);
    }),
  );
  for (const [k, [op, a, b, dtype, want]] of cases.entries()) {
    for (const got of results[k]!) expectClose(got, want, ours(dtype, resultType([told(a), told(b)])), `${op} ${a} ${b}`);
  }
});

test('operations of one', () => {
  // The opposite of u8 would have no number but 0: it is refused.
  const cases = golden.unary.filter(([op, dtype]) => !(op === 'neg' && dtype === 'u8'));
  const own: Readonly<Record<string, (x: Tensor) => Tensor>> = {
    sort: (x) => ops.sort(x).values,
    topK: (x) => ops.topK(x, 2).values,
  };
  const results = valuesOf((at) =>
    cases.map(([op, a]) =>
      (own[op] ?? (ops as unknown as Readonly<Record<string, (x: Tensor) => Tensor>>)[op]!)(at(a, 'left') as Tensor),
    ),
  );
  for (const [k, [op, a, dtype, want]] of cases.entries()) {
    for (const got of results[k]!) expectClose(got, want, ours(dtype, a), `${op} ${a}`);
  }
});

const input = (graph: Graph, name: string, dtype: DType, shape: readonly number[] = [3]): Tensor =>
  graph.input(name, { dtype, shape }, 'feed');

/** Results of a function of tensors, by the interpreter and by each ISA: they are the same. */
function computed(inputs: Readonly<Record<string, RefArray>>, build: (...ins: Tensor[]) => Tensor): number[] {
  const graph = new Graph();
  const dtypeOf = (data: RefArray): DType => (Object.keys(ARRAYS) as DType[]).find((d) => data instanceof ARRAYS[d])!;
  const ins = Object.entries(inputs).map(([name, data]) => input(graph, name, dtypeOf(data), [data.length]));
  const y = build(...ins);
  graph.output('y', y);
  const want = Array.from(interpret(graph, { inputs }).get(y)!);
  for (const isa of addon().isas) expect(Array.from(runGraph(graph, { inputs, isa }).get('y')!)).toEqual(want);
  return want;
}

describe('integers', () => {
  it('end where their range does, as a cast', () => {
    const x = Int32Array.of(2147483647, -2147483648, 65536);
    expect(computed({ x }, (t) => ops.add(t, 1))).toEqual([2147483647, -2147483647, 65537]);
    expect(computed({ x }, (t) => ops.mul(t, t))).toEqual([2147483647, 2147483647, 2147483647]);
    expect(computed({ x }, ops.neg)).toEqual([-2147483647, 2147483647, -65536]);
    expect(computed({ x }, (t) => ops.sum(t))).toEqual([65535]);
    expect(computed({ x }, (t) => ops.cumsum(t))).toEqual([2147483647, -1, 65535]);
    expect(computed({ x }, (t) => ops.pow(t, 3))).toEqual([2147483647, -2147483648, 2147483647]);
    const u = Uint8Array.of(200, 3, 0);
    expect(computed({ u }, (t) => ops.add(t, t))).toEqual([255, 6, 0]);
    expect(computed({ u }, (t) => ops.sub(1, t))).toEqual([0, 0, 1]);
    expect(computed({ u }, (t) => ops.sum(t))).toEqual([203]);
    // Between two operations, too: a chain does not keep what is beyond.
    expect(computed({ x }, (t) => ops.sub(ops.add(t, 5), 5))).toEqual([2147483642, -2147483648, 65536]);
  });

  it('are exact where f32 would not be', () => {
    const x = Int32Array.of(16777217, 2147483646, -16777219);
    expect(computed({ x }, (t) => ops.add(t, 0))).toEqual([...x]);
    expect(computed({ x }, (t) => ops.max(t))).toEqual([2147483646]);
    expect(computed({ x }, (t) => ops.argmax(ops.neg(t)))).toEqual([2]);
    expect(computed({ x }, (t) => ops.sort(t).values)).toEqual([-16777219, 16777217, 2147483646]);
    expect(computed({ x }, (t) => ops.equal(t, 16777217))).toEqual([1, 0, 0]);
    expect(computed({ x }, (t) => ops.where(ops.less(t, 0), t, 7))).toEqual([7, 7, -16777219]);
  });

  it('powers are whole', () => {
    const all = Int32Array.from({ length: 19 }, (_, i) => i + 1);
    expect(computed({ all }, (t) => ops.pow(3, t))).toEqual(Array.from(all, (k) => 3 ** k));
    expect(computed({ x: Int32Array.of(2, -1, 1, -3) }, (t) => ops.pow(t, ops.neg(ops.abs(t))))).toEqual([0, -1, 1, 0]);
  });

  it('are those of JavaScript, drawn at random', () => {
    const whole = fc.array(fc.integer({ min: -30000, max: 30000 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(whole, fc.integer({ min: -30000, max: 30000 }), (values, k) => {
        const x = Int32Array.from(values);
        const got = computed({ x }, (t) => ops.sub(ops.mul(t, k), ops.maximum(t, k)));
        expect(got).toEqual(values.map((v) => v * k - Math.max(v, k) + 0));
      }),
      { numRuns: 20 },
    );
  });

  it('in chains drawn at random, with broadcasts: to the bit what their records say', () => {
    const dtypes = ['u8', 'i32'] as const;
    const shapes = [[], [1], [3], [2, 3], [2, 1], [0, 3], [5, 2, 3]] as const;
    const operations: readonly ((a: Tensor, b: Tensor, k: number) => Tensor)[] = [
      ...[ops.add, ops.sub, ops.mul, ops.maximum, ops.minimum, ops.less, ops.notEqual].map(
        (f) => (a: Tensor, b: Tensor) => f(a, b),
      ),
      (a, b) => ops.where(ops.greaterEqual(a, b), a, b),
      (a, b, k) => ops.clamp(a, { min: k, max: b }),
      (a, _, k) => ops.pow(a, k),
      ...[ops.abs, ops.sign, ops.relu, ops.relu6].map((f) => (a: Tensor) => f(a)),
      (a) => ops.sum(a, { axes: 0, keepDims: true }),
      (a) => ops.cumsum(a),
      (a) => ops.sort(a).values,
    ];
    const drawn = fc.tuple(
      fc.array(fc.tuple(fc.constantFrom(...dtypes), fc.constantFrom(...shapes)), { minLength: 2, maxLength: 3 }),
      fc.array(fc.tuple(fc.nat(), fc.nat(), fc.constantFrom(...operations), fc.nat({ max: 3 })), { minLength: 4, maxLength: 8 }),
    );
    fc.assert(
      fc.property(drawn, ([operands, steps]) => {
        const graph = new Graph();
        const inputs: Record<string, RefArray> = {};
        const made = operands.map(([dtype, shape], i) => {
          const values = Array.from({ length: shape.reduce<number>((n, d) => n * d, 1) }, (_, k) => 90 * Math.sin(i + 1.7 * k));
          inputs[`x${i}`] = ARRAYS[dtype].from(values.map((v) => (dtype === 'u8' ? Math.abs(v) : v * 900)));
          return input(graph, `x${i}`, dtype, shape);
        });
        for (const [a, b, apply, k] of steps) {
          try {
            made.push(apply(made[a % made.length]!, made[b % made.length]!, k));
          } catch (error) {
            // Shapes that do not broadcast, and scalars that have no axis.
            if (!(error instanceof ShapeError)) throw error;
          }
        }
        for (const [k, y] of made.entries()) graph.output(`y${k}`, y);
        const want = interpret(graph, { inputs });
        for (const isa of addon().isas) {
          const run = runGraph(graph, { inputs, isa, threads: 3 });
          for (const [k, y] of made.entries())
            expect(Array.from(run.get(`y${k}`)!, (v) => v + 0)).toEqual(Array.from(want.get(y)!, (v) => v + 0));
        }
      }),
      { numRuns: 30 },
    );
  });

  it('take no number that they do not hold, and no power below 0', () => {
    const graph = new Graph();
    const [u, i] = [input(graph, 'u', 'u8'), input(graph, 'i', 'i32')];
    expect(() => ops.add(u, 300)).toThrow(OptionError);
    expect(() => ops.add(u, 300)).toThrow(
      "ops.add: expected a number that u8 holds, got 300; cast(x, 'i32') converts the tensor",
    );
    expect(() => ops.mul(-1, u)).toThrow(OptionError);
    expect(() => ops.clamp(u, { min: -1 })).toThrow(OptionError);
    expect(() => ops.sub(i, 2 ** 31)).toThrow(OptionError);
    expect(() => ops.pow(i, -1)).toThrow('ops.pow: expected an exponent of at least 0 for i32, got -1');
    expect(() => ops.neg(u)).toThrow(DTypeError);
    // To compare with them is another matter.
    expect(computed({ u: Uint8Array.of(1, 255) }, (t) => ops.less(t, 300))).toEqual([1, 1]);
    expect(ops.add(i, Number.NaN).dtype).toBe('f32');
    expect(ops.clamp(i, { min: 0.5 }).dtype).toBe('f32');
    expect(ops.clamp(i, { max: 4 }).dtype).toBe('i32');
  });

  it('a mean, a norm and a deviation are floats', () => {
    const x = Int32Array.of(1, 2, 6);
    expect(computed({ x }, (t) => ops.mean(t))).toEqual([3]);
    expect(computed({ x }, (t) => ops.variance(t))).toEqual([7]);
    expect(computed({ x }, (t) => ops.norm(t, { p: 1 }))).toEqual([9]);
    expect(computed({ x: Uint8Array.of(255, 255) }, (t) => ops.norm(t))).toEqual([Math.fround(Math.hypot(255, 255))]);
    expect(computed({ x }, (t) => ops.sum(t, { dtype: 'f64' }))).toEqual([9]);
  });
});

describe('where', () => {
  it('a condition of f64 is no f32', () => {
    const [c, x] = [Float64Array.of(1e-300, 0, Number.NaN), Float32Array.of(1, 2, 3)];
    expect(computed({ c, x }, (c, x) => ops.where(c!, x!, -1))).toEqual([1, -1, 3]);
    const u = Uint8Array.of(4, 5, 6);
    expect(computed({ c, u }, (c, u) => ops.where(c!, u!, 9))).toEqual([4, 9, 6]);
  });

  it('numbers alone are of the condition', () => {
    const graph = new Graph();
    const dtypes = (['u8', 'i32', 'f32', 'f64'] as const).map((d) => {
      const c = input(graph, d, d);
      return [ops.where(c, 1, 0).dtype, ops.where(c, 0.5, 0).dtype];
    });
    expect(dtypes).toEqual([
      ['u8', 'f32'],
      ['i32', 'f32'],
      ['f32', 'f32'],
      ['f64', 'f64'],
    ]);
  });
});

describe('gradients', () => {
  it('are of the operand, and integers have none', () => {
    const graph = new Graph();
    const [x, wide, scale, i] = [
      input(graph, 'x', 'f32'),
      input(graph, 'wide', 'f64'),
      input(graph, 'scale', 'f64', []),
      input(graph, 'i', 'i32'),
    ];
    // x times a scalar stays f32; with the tensor of f64 all is f64.
    const scaled = ops.mul(x, scale);
    expect(scaled.dtype).toBe('f32');
    const y = ops.sum(ops.mul(ops.mul(scaled, wide), i));
    expect(y.dtype).toBe('f64');
    const [dx, dWide, dScale, dI] = grad(y, [x, wide, scale, i]);
    expect([dx!.dtype, dWide!.dtype, dScale!.dtype]).toEqual(['f32', 'f64', 'f64']);
    const inputs = {
      x: Float32Array.of(1, 2, 3),
      wide: Float64Array.of(0.1, 0.2, 0.3),
      scale: Float64Array.of(2),
      i: Int32Array.of(5, -1, 0),
    };
    for (const [k, d] of [dx!, dWide!, dScale!].entries()) graph.output(`d${k}`, d);
    const run = runGraph(graph, { inputs });
    expect([...run.get('d0')!]).toEqual([1, -0.4, 0].map(Math.fround));
    expect([...run.get('d1')!]).toEqual([10, -4, 0]);
    expect(run.get('d2')![0]).toBeCloseTo(0.1, 7);
    expect([...(interpret(graph, { inputs }).get(dI!) as RefArray)]).toEqual([0, 0, 0]);
  });

  it('of operands of all dtypes, drawn at random, are those of differences', () => {
    const made: Readonly<Record<string, (a: Tensor, b: Tensor, c: Tensor) => Tensor>> = {
      products: (a, b, c) => ops.add(ops.mul(a, b), ops.sub(c, 0.5)),
      quotients: (a, b, c) => ops.div(ops.tanh(a), ops.add(ops.mul(b, b), ops.add(ops.square(c), 1))),
      choices: (a, b, c) => ops.where(ops.less(a, 0.7), ops.mul(b, a), ops.maximum(c, b)),
      bounds: (a, b, c) => ops.clamp(ops.fma(a, b, c), { min: ops.minimum(a, 0.25), max: 40 }),
      joined: (a, b, c) => ops.concat([ops.stack([a, ops.mul(b, c)]), ops.stack([c, ops.add(b, 2)])], 0),
      powers: (a, b, c) => ops.pow(ops.add(ops.abs(a), 1.5), ops.div(ops.add(b, c), 8)),
    };
    const dtype = fc.constantFrom<DType>('u8', 'i32', 'f32', 'f64');
    const operand = fc.tuple(dtype, fc.boolean());
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(made)), fc.tuple(operand, operand, operand), (name, operands) => {
        const graph = new Graph();
        const inputs: Record<string, RefArray> = {};
        const joins = name === 'joined';
        const ins = operands.map(([dtype, scalar], i) => {
          const shape = scalar && !joins ? [] : [3];
          // Away from where sides of a choice meet.
          const values = Array.from({ length: shape.length === 0 ? 1 : 3 }, (_, k) => 3.1 * Math.sin(1 + 2 * i + 1.3 * k));
          const whole = dtype === 'u8' || dtype === 'i32';
          inputs[`x${i}`] = whole
            ? ARRAYS[dtype].from(values.map((v) => (dtype === 'u8' ? Math.abs(v) : v)))
            : Float64Array.from(values);
          return input(graph, `x${i}`, dtype, shape);
        }) as [Tensor, Tensor, Tensor];
        const y = ops.sum(ops.cast(made[name]!(...ins), 'f64'));
        const by = ins.filter(({ dtype }) => dtype === 'f32' || dtype === 'f64');
        const gradients = grad(y, by);
        const run = (): ReturnType<typeof interpret> => interpret(graph, { inputs, f64: true });
        const exact = run();
        for (const [k, t] of by.entries()) {
          expect(gradients[k]!.dtype).toBe(t.dtype);
          const values = inputs[`x${ins.indexOf(t)}`]!;
          for (const [i, at] of values.entries()) {
            const h = 1e-5;
            const [up, down] = [at + h, at - h].map((v) => {
              values[i] = v;
              return run().get(y)![0]!;
            });
            values[i] = at;
            const [got, want] = [exact.get(gradients[k]!)![i]!, (up! - down!) / (2 * h)];
            expect(Math.abs(got - want), `${name}: ${got} and ${want}`).toBeLessThan(1e-4 * Math.max(1, Math.abs(want)));
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('a loss in f64 stays so beside scalars and numbers', () => {
    const graph = new Graph();
    const [x, target] = [input(graph, 'x', 'f32'), input(graph, 'target', 'i32')];
    const error = loss.mse(x, target);
    expect(error.dtype).toBe('f64');
    expect(ops.add(error, ops.mul(ops.sum(ops.abs(x)), 1e-3)).dtype).toBe('f64');
    expect(ops.mul(error, x).dtype).toBe('f32');
    expect(() => loss.mse(target, target)).toThrow(DTypeError);
    expect(() => loss.cosineSimilarity(target, target)).toThrow(DTypeError);
  });
});

test('what is of one dtype of floats already makes no other node', () => {
  const graph = new Graph();
  const [a, b] = [input(graph, 'a', 'f32'), input(graph, 'b', 'f32')];
  ops.where(ops.less(a, b), ops.add(a, 1), ops.clamp(b, { min: a }));
  expect(graph.nodes.map((n) => n.op.name)).not.toContain('cast');
});

test('a product of bytes with floats is one instruction', () => {
  const graph = new Graph();
  const [x, u] = [input(graph, 'x', 'f32', [1000]), input(graph, 'u', 'u8', [1000])];
  graph.output('y', ops.add(ops.mul(x, u), ops.div(u, 255)));
  expect(compile(graph, target()).instrs.map(({ kernel }) => kernel)).toEqual(['map']);
  // And integers beside integers, from their dtype to their dtype.
  const integers = new Graph();
  const [a, b] = [input(integers, 'a', 'i32', [1000]), input(integers, 'b', 'u8', [1000])];
  integers.output('y', ops.add(a, b));
  expect(compile(integers, target()).instrs.map(({ kernel }) => kernel)).toEqual(['map']);
  const inputs = {
    x: Float32Array.from({ length: 1000 }, (_, i) => i / 7),
    u: Uint8Array.from({ length: 1000 }, (_, i) => i % 256),
  };
  const got = runGraph(graph, { inputs }).get('y')!;
  const want = Float32Array.from(inputs.x, (x, i) =>
    Math.fround(Math.fround(x * inputs.u[i]!) + Math.fround(inputs.u[i]! / 255)),
  );
  expect([...got]).toEqual([...want]);
});
