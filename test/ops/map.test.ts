// map.test.ts: the map kernel on every ISA against the meanings in maps.ts: each operation, awkward values, random chains.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Graph, type Node, type Tensor } from '../../lib/ir/graph.ts';
import { type Data, type DType, f32, type TensorType } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import { lowerMap, MAP_LIMITS, type MapStep } from '../../lib/ops/elementwise/chain.ts';
import { MAP } from '../../lib/ops/elementwise/map.ts';
import { MAPS, rowOf } from '../../lib/ops/elementwise/maps.ts';
import * as ops from '../../lib/ops/index.ts';
import { refNode, runNode, zeros } from '../run-node.ts';

const { isas } = addon();
const NAMES = MAPS.map((op) => op.name);
const arity = (name: string): number => rowOf(name).arity;

/** A node on inputs of the given types. */
function nodeOf(types: readonly TensorType[], build: (ins: Tensor[]) => Tensor): Node {
  const g = new Graph();
  return build(types.map((t, i) => g.input(`x${i}`, t, 'data'))).node;
}
const chain = (types: readonly TensorType[], steps: readonly MapStep[], dtype: 'f32' | 'f64', outDtype: DType): Node =>
  nodeOf(types, (ins) => ins[0]!.graph.add(MAP, ins, { steps, dtype, outDtype }).out);
const single = (name: string, n: number, dtype: 'f32' | 'f64'): Node => {
  const ins = Array.from({ length: arity(name) }, (_, i) => ({ in: i }));
  return chain(
    ins.map(() => ({ dtype, shape: [n] })),
    [{ map: name, args: ins }],
    dtype,
    dtype,
  );
};

/** Largest |got - want| / max(1, |want|); NaN and infinities must agree. */
function distance(got: Data, want: Data): number {
  let worst = 0;
  got.forEach((g, i) => {
    const w = want[i]!;
    if (Object.is(g, w) || g === w) return;
    const d = Math.abs(g - w) / Math.max(1, Math.abs(w));
    worst = Math.max(worst, Number.isNaN(d) ? Infinity : d);
  });
  return worst;
}

it('maps.ts and maps.inc have the same operations, and say the same of which may end a product', () => {
  const here = NAMES.map((name) => {
    const { arity, ends = false, slope } = rowOf(name);
    return { name, arity, ends, sloped: ends && slope !== undefined };
  });
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
  expect(here.sort(byName)).toEqual([...addon().maps].sort(byName));
  expect(here.filter((m) => m.ends).length).toBeGreaterThan(5);
});

it('an unknown operation is an error that names it', () => {
  expect(() => rowOf('tahn')).toThrow('map tahn: there is no elementwise operation of this name');
});

const AWKWARD = [0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 3, 20, -20, 88, -88, 104, -104, 2 ** 24, -(2 ** 24), 1e-6, 1e-30];
const EXTREME = [...AWKWARD, Infinity, -Infinity, NaN, 1e30, -1e30, 1e-42, 3.4e38];

describe.each(isas)('%s', (isa) => {
  it.each(NAMES)('%s: awkward values, f32 and f64', (name) => {
    const k = arity(name);
    // Products of infinities and zeros inside the gradients may differ in NaN.
    const values = name.endsWith('Grad') ? AWKWARD : EXTREME;
    const tuples: number[][] = values.flatMap((a) => (k === 1 ? [[a]] : values.map((b) => [a, b])));
    if (k === 3) {
      const pairs = tuples.splice(0);
      for (const [a, b] of pairs as [number, number][]) for (const c of values.slice(0, 12)) tuples.push([a, b, c]);
    }
    for (const dtype of ['f32', 'f64'] as const) {
      const node = single(name, tuples.length, dtype);
      const Type = dtype === 'f32' ? Float32Array : Float64Array;
      const ins = Array.from({ length: k }, (_, i) => new Type(tuples.map((t) => t[i]!)));
      const [got, want] = [runNode(node, ins, { isa })[0]!, refNode(node, ins)[0]!];
      expect(distance(got, want)).toBeLessThan(dtype === 'f32' ? 1e-6 : 1e-13);
    }
  });

  it('random chains with broadcasting, f32 and f64, 1 to 3 threads', () => {
    const smooth = ['add', 'sub', 'mul', 'tanh', 'sigmoid', 'gelu', 'maximum', 'less', 'where', 'square', 'abs', 'clamp'];
    const dims = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 5 });
    const long = fc.constantFrom<number[][]>([700], [2, 600], [130, 10], [600, 3], [3, 1, 5, 70]);
    const cases = fc.record({
      shape: fc.oneof(dims, long),
      inputs: fc.array(fc.record({ keep: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), drop: fc.nat(2) }), {
        minLength: 1,
        maxLength: 4,
      }),
      steps: fc.array(
        fc.record({ map: fc.constantFrom(...smooth), args: fc.array(fc.nat(99), { minLength: 3, maxLength: 3 }) }),
        {
          maxLength: 8,
        },
      ),
      dtype: fc.constantFrom('f32' as const, 'f64' as const),
      types: fc.array(fc.constantFrom<DType>('f32', 'f64', 'i32', 'u8'), { minLength: 4, maxLength: 4 }),
      seed: fc.nat(1000),
    });
    fc.assert(
      fc.property(cases, ({ shape, inputs, steps, dtype, types, seed }) => {
        const ins = inputs.map(({ keep, drop }, i): TensorType => {
          const s = shape.map((d, a) => (i === 0 || keep[a % 5] ? d : 1));
          return { dtype: types[i]!, shape: i === 0 ? s : s.slice(drop) };
        });
        const list = steps.map(({ map, args }, i): MapStep => {
          const from = (x: number) => {
            const pick = x % (ins.length + i + 2);
            if (pick < ins.length) return { in: pick };
            return pick < ins.length + i ? { step: pick - ins.length } : (pick - 3) / 4;
          };
          return { map, args: args.slice(0, arity(map)).map(from) };
        });
        const node = chain(ins, list, dtype, dtype);
        const data = ins.map((t, i) => {
          const x = zeros(t);
          for (let e = 0; e < x.length; e++) x[e] = ((seed + (e + 1) * (i + 7) * 0.618) % 1) * 4 - (t.dtype === 'u8' ? 0 : 2);
          return x;
        });
        const [want] = refNode(node, data) as [Data];
        const got = runNode(node, data, { isa, threads: 1 + (seed % 3) })[0]!;
        expect(distance(got, want)).toBeLessThan(dtype === 'f32' ? 5e-5 : 1e-12);
        expect(runNode(node, data, { isa })[0]).toEqual(got);
      }),
      { numRuns: 80, seed: 7 },
    );
  });

  it('converts: toward zero, saturating, NaN to 0', () => {
    const x = Float64Array.of(1.9, -1.9, 255.5, 256, 300, -0.5, -7, 2147483646.5, 2147483648, -2147483649, 1e300, -Infinity, NaN);
    const of = (dtype: DType) =>
      runNode(
        nodeOf([{ dtype: 'f64', shape: [x.length] }], ([t]) => ops.cast(t!, dtype)),
        [x],
        { isa },
      )[0]!;
    expect([...of('i32')]).toEqual([
      1, -1, 255, 256, 300, 0, -7, 2147483646, 2147483647, -2147483648, 2147483647, -2147483648, 0,
    ]);
    expect([...of('u8')]).toEqual([1, 0, 255, 255, 255, 0, 0, 255, 255, 0, 255, 0, 0]);
    expect([...of('f32')]).toEqual([...Float32Array.from(x)]);
    const big = Int32Array.of(16777217, -2147483648, 2147483647);
    const back = nodeOf([{ dtype: 'i32', shape: [3] }], ([t]) => ops.cast(t!, 'f64'));
    expect([...runNode(back, [big], { isa })[0]!]).toEqual([...big]);
  });
});

it('gives the same bits on AVX2 and AVX-512', () => {
  const fused = isas.filter((isa) => isa !== 'x86_64');
  const n = 20011;
  const x = Float32Array.from({ length: n }, (_, i) => ((i * 0.6180339887) % 1) * 2 ** ((i % 60) - 30) * (i % 2 ? -1 : 1));
  for (const name of NAMES) {
    for (const dtype of ['f32', 'f64'] as const) {
      const ins = [x, x.map((_, i) => x[(i * 7) % n]!), x.map((_, i) => x[(i * 13) % n]!)].slice(0, arity(name));
      const data = dtype === 'f32' ? ins : ins.map((a) => Float64Array.from(a));
      const bytes = fused.map((isa) => Buffer.from(runNode(single(name, n, dtype), data, { isa })[0]!.buffer));
      for (const b of bytes) expect(b.equals(bytes[0]!), `${name} ${dtype}`).toBe(true);
    }
  }
});

describe('lowerMap', () => {
  const index = (name: string): number => 'add mul where'.split(' ').indexOf(name);

  it('merges dimensions and reuses temporaries', () => {
    const steps: MapStep[] = [
      { map: 'add', args: [{ in: 0 }, { in: 1 }] },
      { map: 'mul', args: [{ step: 0 }, 2] },
      { map: 'where', args: [{ step: 1 }, { in: 0 }, 2] },
    ];
    const chain = { out: f32(2, 3, 5), ins: [f32(2, 3, 5), f32(5)], dtype: 'f32' as const, steps };
    expect(lowerMap(chain, index)).toEqual({
      // f32 f32, 2 dims, 3 steps, 1 temporary; [6, 5]; strides of each input; register 2 is the constant, 3 the temporary
      ints: [0, 0, 2, 3, 1, 6, 5, 0, 5, 1, 0, 0, 1, 0, 3, 0, 1, 1, 3, 3, 2, 2, 3, 3, 0, 2],
      floats: [2],
    });
  });

  it('has the limits of the kernel', () => {
    const add = (k: number): MapStep[] => Array.from({ length: k }, () => ({ map: 'add', args: [{ in: 0 }, { in: 0 }] }));
    const x = new Float32Array(3).fill(1);
    const run = (steps: MapStep[], inputs: number) =>
      runNode(chain(Array(inputs).fill(f32(3)), steps, 'f32', 'f32'), Array(inputs).fill(x))[0]![0];
    expect(run(add(MAP_LIMITS.steps), MAP_LIMITS.inputs)).toBe(2);
    expect(() => run(add(MAP_LIMITS.steps + 1), 1)).toThrow('(map): too many steps');
    expect(() => run(add(1), MAP_LIMITS.inputs + 1)).toThrow('(map): too many');
    const many = f32(2, 1, 2, 1, 2, 1, 2);
    const other = f32(1, 2, 1, 2, 1, 2, 1);
    expect(() => lowerMap({ out: f32(2, 2, 2, 2, 2, 2, 2), ins: [many, other], dtype: 'f32', steps: add(1) }, index)).toThrow(
      'expected at most 6 dimensions',
    );
  });
});

describe('the public functions', () => {
  const g = new Graph();
  const x = g.input('x', { dtype: 'f32', shape: [2, 3] }, 'data');
  const d = g.input('d', { dtype: 'f64', shape: [3] }, 'data');
  const i = g.input('i', { dtype: 'i32', shape: [3] }, 'data');

  it('name the op and the way out in errors', () => {
    expect(() => ops.prelu(x, d)).toThrow("prelu: expected operands of one dtype, got f32 and f64; convert with cast(x, 'f64')");
    expect(() => ops.prelu(i, d)).toThrow("prelu: expected f32 or f64, got i32; convert it with cast(x, 'f32')");
    expect(() => ops.sub(x, g.input('y', { dtype: 'f32', shape: [2] }, 'data'))).toThrow(
      'sub: expected shapes that broadcast, got [2,3] and [2]',
    );
    expect(() => ops.add(1, 2)).toThrow('add: expected at least one tensor');
    expect(() => ops.clamp(x, {})).toThrow('clamp: expected option min or max');
    expect(() => ops.gelu(x, { approximate: 'tan' as 'tanh' })).toThrow('did you mean tanh?');
    expect(() => ops.cast(x, 'f16' as 'f32')).toThrow('ops.cast: argument dtype: expected one of f32, f64, i32, u8, got "f16"');
  });

  it('broadcast, and take plain numbers', () => {
    expect(ops.add(x, ops.cast(d, 'f32')).shape).toEqual([2, 3]);
    expect(ops.sub(1, d).dtype).toBe('f64');
    expect(ops.where(x, 1, 0).shape).toEqual([2, 3]);
    expect(ops.pow(x, 2).node.op.name).toBe('square');
    expect(ops.cast(x, 'f32')).toBe(x);
  });

  it.each([
    ['greater', ops.greater, [0, 0, 1, 0]],
    ['greaterEqual', ops.greaterEqual, [0, 1, 1, 0]],
    ['less', ops.less, [1, 0, 0, 0]],
    ['lessEqual', ops.lessEqual, [1, 1, 0, 0]],
    ['equal', ops.equal, [0, 1, 0, 0]],
    ['notEqual', ops.notEqual, [1, 0, 1, 1]],
  ] as const)('%s', (_, compare, want) => {
    const compared = nodeOf([{ dtype: 'f64', shape: [4] }], ([t]) => compare(t!, 2));
    const data = Float64Array.of(1, 2, 3, NaN);
    let value: Data = data;
    // notEqual is two nodes: 1 - equal
    for (const node of compared.graph.nodes.filter((n) => n.op.map)) {
      value = refNode(
        node,
        node.ins.map((t) => (t.node.op.name === 'constant' ? (t.node.attrs as { data: Data }).data : value)),
      )[0]!;
    }
    expect([...value]).toEqual(want);
  });
});
