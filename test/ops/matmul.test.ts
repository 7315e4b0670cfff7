// matmul.test.ts: products against exact fma chains, bit for bit, in every layout, on every ISA and team; what is fused into them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { f32, type Precision, type TensorType } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import { apply, ENDS, SLOPED } from '../../lib/ops/elementwise/maps.ts';
import { add, matmul, mul, sum } from '../../lib/ops/index.ts';
import { MATMUL, matmulStatBlocks } from '../../lib/ops/product/matmul.ts';
import { SOME_TEAMS } from '../kit.ts';
import { sumOfPairs } from '../pairs.ts';
import { runGraph } from '../run-graph.ts';

const FMA_ISAS = addon().isas.filter((isa) => isa !== 'x86_64');

const f64 = new Float64Array(1);
const u64 = new BigUint64Array(f64.buffer);
/** a * b + c in f32, rounded once: the sum is rounded to odd in f64, which leaves the second rounding nothing to get wrong. */
function fma32(a: number, b: number, c: number): number {
  const p = a * b; // exact: 48 bits
  const s = p + c;
  const t = s - p;
  const lost = p - (s - t) + (c - t);
  if (lost === 0 || !Number.isFinite(s)) return Math.fround(s);
  f64[0] = s;
  if ((u64[0]! & 1n) === 0n) u64[0]! += lost > 0 === s > 0 ? 1n : -1n;
  return Math.fround(f64[0]);
}

function values(length: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 31 - 1) * 2 ** ((state >>> 5) % 7);
  });
}

interface Case {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transA: boolean;
  readonly transB: boolean;
  readonly batch?: number;
  readonly precision?: Precision;
}
const LAYOUTS = [false, true].flatMap((transA) => [false, true].map((transB) => ({ transA, transB })));

/** x[batch, r, c] stored as [batch, c, r]. */
function swapped(x: Float32Array, batch: number, r: number, c: number): Float32Array {
  const out = new Float32Array(x.length);
  for (let b = 0; b < batch; b++)
    for (let i = 0; i < r; i++) for (let j = 0; j < c; j++) out[(b * c + j) * r + i] = x[(b * r + i) * c + j]!;
  return out;
}

const sumOfTerms = (a: Float32Array, b: Float32Array): number => a.reduce((sum, v, p) => fma32(v, b[p]!, sum), 0);

function truth(a: Float32Array, b: Float32Array, { m, n, k, batch = 1, precision }: Case): Float32Array {
  const y = new Float32Array(batch * m * n);
  const columns = swapped(b, batch, k, n);
  for (let x = 0; x < batch; x++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        const [row, column] = [
          a.subarray((x * m + i) * k, (x * m + i + 1) * k),
          columns.subarray((x * n + j) * k, (x * n + j + 1) * k),
        ];
        y[(x * m + i) * n + j] = precision === 'bf16' ? sumOfPairs(row, column) : sumOfTerms(row, column);
      }
    }
  }
  return y;
}

/** Sums of squares of the tiles of y: columns down, columns 16 apart in order, 16 lanes in halves. Squares of f32 are exact in f64. */
function tileSquares(y: Float32Array, m: number, n: number, batch: number): Float64Array {
  const [down, across] = [Math.ceil(m / 64), Math.ceil(n / 64)];
  return Float64Array.from({ length: matmulStatBlocks(m, n, batch) }, (_, t) => {
    const [x, i0, j0] = [Math.floor(t / (down * across)), (Math.floor(t / across) % down) * 64, (t % across) * 64];
    const lanes = new Float64Array(16);
    for (let j = j0; j < Math.min(n, j0 + 64); j++) {
      let column = 0;
      for (let i = i0; i < Math.min(m, i0 + 64); i++) column += y[(x * m + i) * n + j]! ** 2;
      lanes[(j - j0) % 16]! += column;
    }
    for (let w = 8; w >= 1; w /= 2) for (let l = 0; l < w; l++) lanes[l]! += lanes[l + w]!;
    return lanes[0]!;
  });
}

function run(a: Float32Array, b: Float32Array, c: Case, isa: string, threads: number): Float32Array {
  const { m, n, k, transA, transB, batch, precision = 'f32' } = c;
  const lead = batch === undefined ? [] : [batch];
  const graph = new Graph();
  graph.precision = precision;
  const x = graph.input('a', f32(...lead, ...(transA ? [k, m] : [m, k])), 'feed');
  const w = graph.input('b', f32(...lead, ...(transB ? [n, k] : [k, n])), 'feed');
  graph.output('y', matmul(x, w, { transA, transB }));
  const inputs = {
    a: transA ? swapped(a, batch ?? 1, m, k) : a,
    b: transB ? swapped(b, batch ?? 1, k, n) : b,
  };
  return runGraph(graph, { inputs, isa, threads }).get('y') as Float32Array;
}

function check(c: Omit<Case, 'transA' | 'transB'>, layouts = LAYOUTS, draw = values): void {
  const batch = c.batch ?? 1;
  const a = draw(batch * c.m * c.k, c.m + 1);
  const b = draw(batch * c.k * c.n, c.n + 77);
  const want = truth(a, b, { ...c, transA: false, transB: false });
  for (const layout of layouts) {
    for (const isa of FMA_ISAS) {
      for (const threads of [1, ...SOME_TEAMS]) {
        const got = run(a, b, { ...c, ...layout }, isa, threads);
        const wrong = got.findIndex((v, i) => !Object.is(v, want[i]));
        if (wrong >= 0) {
          const where = `${JSON.stringify({ ...c, ...layout })} ${isa} ${threads} threads at ${wrong}`;
          expect.fail(`${where}: got ${got[wrong]}, expected ${want[wrong]}`);
        }
      }
    }
  }
}

it('fma32 rounds once', () => {
  // 1 + 2^-24 is half-way between two floats; 2^-60 more decides, and is lost in f64.
  expect(fma32(2 ** -30, 2 ** -30, 1 + 2 ** -24)).toBe(1 + 2 ** -23);
  expect(Math.fround(2 ** -60 + 1 + 2 ** -24)).toBe(1);
});

describe('bits: one fma chain over k', () => {
  // Panels of k, of lanes and of rows; products by rows and by columns; tails of every kind; a vector on either side.
  it.each([
    { m: 64, n: 10, k: 128 },
    { m: 31, n: 33, k: 600 },
    { m: 1, n: 130, k: 300 },
    { m: 130, n: 1, k: 70 },
    { m: 29, n: 65, k: 1 },
    { m: 17, n: 200, k: 257 },
    { m: 100, n: 17, k: 64 },
    { m: 13, n: 21, k: 40, batch: 5 },
    { m: 2, n: 40, k: 260, batch: 4 },
    { m: 1, n: 5, k: 7000, batch: 4 },
    { m: 1, n: 3, k: 40000 },
  ])('$m x $n x $k, batch $batch', (c) => check(c));

  it('any shape', () => {
    const size = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(14, 15, 16, 28, 32, 33, 48, 64, 65));
    const shapes = fc.record({ m: size, n: size, k: size, layout: fc.constantFrom(...LAYOUTS) });
    fc.assert(
      fc.property(shapes, ({ m, n, k, layout }) => check({ m, n, k }, [layout])),
      { numRuns: 25 },
    );
  });

  const LARGE = [
    [90, 1100, 520],
    [40, 600, 2100],
    [1000, 400, 256],
    [1100, 70, 300],
    [70, 150, 2100],
    [300, 820, 512],
    [200, 300, 270],
  ] as const;
  it.each([
    ['f32', LARGE],
    ['bf16', LARGE.slice(0, 3)],
  ] as const)('equal in every layout, ISA and team where V and S take several blocks: %s', (precision, shapes) => {
    for (const [m, n, k] of shapes) {
      const [a, b] = [values(m * k, 3), values(k * n, 4)];
      let known: Float32Array | undefined;
      for (const layout of LAYOUTS) {
        for (const isa of FMA_ISAS) {
          for (const threads of [1, ...SOME_TEAMS]) {
            const got = run(a, b, { m, n, k, precision, ...layout }, isa, threads);
            known ??= got;
            expect(Buffer.compare(Buffer.from(got.buffer), Buffer.from(known.buffer)), `${m} ${n} ${k} ${isa} ${threads}`).toBe(
              0,
            );
          }
        }
      }
    }
  });
});

describe('bits in bf16: of each pair of terms the second first', () => {
  it.each([
    { m: 33, n: 17, k: 65 },
    { m: 3, n: 130, k: 31 },
    { m: 1, n: 33, k: 40 },
    { m: 130, n: 1, k: 70 },
    { m: 29, n: 65, k: 1 },
    { m: 2, n: 20, k: 1041 },
    { m: 15, n: 300, k: 30 },
    { m: 13, n: 21, k: 9, batch: 5 },
  ])('$m x $n x $k, batch $batch', (c) => check({ ...c, precision: 'bf16' }));

  it('any shape, of tiny and of huge numbers, of zeros of both signs, of infinities and NaN', () => {
    const size = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(14, 15, 16, 28, 32, 33));
    // Products of two of 2^-63 lie about 2^-126, where sums are cut off.
    const scale = fc.constantFrom(1, 1e-30, 1e30, 2 ** -63, 2 ** -66, 2 ** -130, 2 ** 63);
    const odd = fc.constantFrom(0, -0, 2 ** -127, -(2 ** -149), 3.4e38, Infinity, -Infinity, NaN);
    const shapes = fc.record({
      m: size,
      n: size,
      k: size,
      layout: fc.constantFrom(...LAYOUTS),
      scale,
      odd,
      every: fc.integer({ min: 3, max: 99 }),
    });
    fc.assert(
      fc.property(shapes, ({ m, n, k, layout, scale, odd, every }) => {
        const draw = (length: number, seed: number): Float32Array =>
          values(length, seed).map((v, i) => ((i + seed) % every === 0 ? odd : v * scale));
        check({ m, n, k, precision: 'bf16' }, [layout], draw);
      }),
      { numRuns: 40 },
    );
  });
});

it('a sum of no products is zero; NaN and infinity are not lost', () => {
  const none = run(new Float32Array(0), new Float32Array(0), { m: 3, n: 5, k: 0, transA: false, transB: true }, addon().isa, 2);
  expect([...none]).toEqual(new Array(15).fill(0));
  const a = Float32Array.of(0, 1, Infinity, 0);
  const b = Float32Array.of(NaN, 1, 2, 0);
  for (const isa of addon().isas) {
    const y = run(a, b, { m: 2, n: 2, k: 2, transA: false, transB: false }, isa, 1);
    expect([...y]).toEqual([NaN, 0, NaN, Infinity]);
  }
});

describe('what is fused', () => {
  it.each(ENDS)('bias and %s: the bits of separate ops', (act) => {
    for (const transB of [false, true]) {
      const graph = new Graph();
      const x = graph.input('x', f32(20, 30), 'feed');
      const w = graph.input('w', transB ? f32(50, 30) : f32(30, 50), 'feed');
      const bias = graph.input('bias', f32(50), 'feed');
      graph.output('y', apply(act, add(matmul(x, w, { transB }), bias)));
      const inputs = { x: values(600, 1), w: values(1500, 2).map((v) => v / 16), bias: values(50, 3) };
      for (const isa of addon().isas) {
        const fused = runGraph(graph, { inputs, isa, threads: 2 }).get('y')!;
        expect(fused).toEqual(runGraph(graph, { inputs, isa, fuse: false }).get('y')!);
      }
    }
  });

  it.each(SLOPED)('%s between two products: the slope left behind gives the bits of its gradient', (act) => {
    const graph = new Graph('train');
    const x = graph.input('x', f32(20, 30), 'feed');
    const w = graph.input('w', f32(30, 50), 'feed');
    const v = graph.input('v', f32(50, 40), 'feed');
    const loss = sum(mul(matmul(apply(act, matmul(x, w)), v), graph.input('dy', f32(20, 40), 'feed')), { dtype: 'f64' });
    for (const [i, g] of grad(loss, [x, w, v]).entries()) graph.output(`g${i}`, g!);
    const inputs = { x: values(600, 1), w: values(1500, 2).map((n) => n / 16), v: values(2000, 3), dy: values(800, 4) };
    for (const isa of addon().isas) {
      const fused = runGraph(graph, { inputs, isa, threads: 2 });
      const plain = runGraph(graph, { inputs, isa, fuse: false });
      for (const name of ['g0', 'g1', 'g2']) expect(fused.get(name), `${isa} ${name}`).toEqual(plain.get(name));
    }
  });

  // Rows of tiles reach over bands of 64 rows; several blocks of lanes and of k; by rows and by columns; cut into bands and tiles.
  it.each([
    { m: 100, n: 130, k: 20, batch: 2, act: 'relu' as const },
    { m: 784, n: 256, k: 64 },
    { m: 65, n: 2500, k: 3 },
    { m: 200, n: 1100, k: 300 },
    { m: 1000, n: 200, k: 10 },
    { m: 3, n: 5, k: 700 },
  ])('stats: sums of squares of $m x $n x $k, bit for bit', ({ m, n, k, batch = 1, act }) => {
    const [a, b] = [values(batch * m * k, 1), values(batch * k * n, 2)];
    for (const { transA, transB } of LAYOUTS) {
      const graph = new Graph();
      const x = graph.input('a', f32(batch, ...(transA ? [k, m] : [m, k])), 'feed');
      const w = graph.input('b', f32(batch, ...(transB ? [n, k] : [k, n])), 'feed');
      const [y, stats] = graph.add(MATMUL, [x, w], { transA, transB, stats: true, ...(act ? { act } : {}) }).outs;
      graph.output('y', y!);
      graph.output('stats', stats!);
      const inputs = { a: transA ? swapped(a, batch, m, k) : a, b: transB ? swapped(b, batch, k, n) : b };
      for (const isa of addon().isas) {
        for (const threads of [1, ...SOME_TEAMS]) {
          const out = runGraph(graph, { inputs, isa, threads });
          expect(out.get('stats'), `${transA} ${transB} ${isa} ${threads}`).toEqual(
            tileSquares(out.get('y') as Float32Array, m, n, batch),
          );
        }
      }
    }
  });

  it('gradients are products with flags: nothing is transposed', () => {
    for (const { transA, transB } of LAYOUTS) {
      const graph = new Graph();
      const a = graph.input('a', transA ? f32(4, 5, 3) : f32(4, 3, 5), 'feed');
      const b = graph.input('b', transB ? f32(4, 7, 5) : f32(4, 5, 7), 'feed');
      grad(sum(matmul(a, b, { transA, transB })), [a, b]);
      expect(graph.nodes.map((node) => node.op.name)).not.toContain('transpose');
    }
  });
});

describe('shapes', () => {
  const graph = new Graph();
  let inputs = 0;
  const input = (type: TensorType): Tensor => graph.input(`x${inputs++}`, type, 'feed');
  it('a matrix multiplies every matrix of a batch', () => {
    expect(matmul(input(f32(2, 3, 4)), input(f32(4, 6))).shape).toEqual([2, 3, 6]);
    expect(matmul(input(f32(2, 0, 3, 4)), input(f32(6, 4)), { transB: true }).shape).toEqual([2, 0, 3, 6]);
  });
  it.each([
    [f32(3), f32(3, 2), {}, 'matmul: expected operands of 2 dimensions or more, got f32[3] and f32[3,2] (reshape them)'],
    [f32(2, 3), f32(2, 3), {}, 'matmul: expected equal inner dimensions, got 3 and 2 in f32[2,3] and f32[2,3]'],
    [f32(2, 3), f32(3, 2), { transA: true }, 'got 2 and 3 in f32[2,3] transposed and f32[3,2]'],
    [f32(2, 3, 4), f32(3, 4, 5), {}, 'matmul: expected equal batch dimensions, got f32[2,3,4] and f32[3,4,5]'],
    [{ dtype: 'i32', shape: [2, 2] }, f32(2, 2), {}, 'matmul: expected two f32 or two f64 tensors, got i32[2,2] and f32[2,2]'],
  ] as const)('%o times %o %o', (a, b, options, message) => {
    expect(() => matmul(input(a), input(b), options)).toThrow(message);
  });
});
