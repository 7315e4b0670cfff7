// cached-attention.test.ts: attention to keys and values that were kept gives the bits of attention over the whole sequence, whatever is given at once.
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { IndexError } from '../../../lib/errors.ts';
import { Graph } from '../../../lib/ir/graph.ts';
import { f32, i32, type Precision, type TensorType } from '../../../lib/ir/op.ts';
import { addon } from '../../../lib/native/addon.ts';
import { headsAttention } from '../../../lib/ops/index.ts';
import { appendRows, cachedAttention } from '../../../lib/ops/list.ts';
import { TEAMS } from '../../kit.ts';
import { runGraph } from '../../run-graph.ts';
import { runNode, sameBits } from '../../run-node.ts';

interface Sizes {
  readonly batch: number;
  readonly time: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly dim: number;
  readonly rows: number;
  readonly precision: Precision;
}

/** Attention over all of the sequence, by the op of training. */
function whole(qkv: Float32Array, { batch, time, heads, kvHeads, dim, precision }: Sizes, isa: string): Float32Array {
  const graph = new Graph();
  graph.precision = precision;
  const x = graph.input('qkv', f32(batch, time, (heads + 2 * kvHeads) * dim), 'feed');
  const { node } = headsAttention(x, null, null, { heads, kvHeads, causal: true });
  return runNode(node, [qkv], { isa })[0] as Float32Array;
}

/** The same, some tokens at a time, each part as long as `parts` says. */
function inParts(qkv: Float32Array, sizes: Sizes, parts: readonly number[], isa: string, threads: number): Float32Array {
  const { batch, time, heads, kvHeads, dim, rows, precision } = sizes;
  const [row, width] = [(heads + 2 * kvHeads) * dim, kvHeads * dim];
  let [keys, values] = [new Float32Array(batch * rows * width).fill(NaN), new Float32Array(batch * rows * width).fill(NaN)];
  const out = new Float32Array(batch * time * heads * dim);
  let at = 0;
  for (const length of parts) {
    const graph = new Graph();
    graph.precision = precision;
    const input = (name: string, type: TensorType) => graph.input(name, type, 'feed');
    const [x, positions] = [input('x', f32(batch, length, row)), input('positions', i32(batch))];
    const [k, v] = [input('k', f32(batch, rows, width)), input('v', f32(batch, rows, width))];
    const part = new Float32Array(batch * length * row);
    for (let b = 0; b < batch; b++)
      part.set(qkv.subarray((b * time + at) * row, (b * time + at + length) * row), b * length * row);
    const from = new Int32Array(batch).fill(at);
    const append = (cache: Float32Array, to: typeof k, offset: number): Float32Array<ArrayBuffer> =>
      runNode(appendRows(to, x, positions, offset).node, [cache, part, from], {
        isa,
        threads,
        inplace: [0, 0],
      })[0] as Float32Array<ArrayBuffer>;
    keys = append(keys, k, heads * dim);
    values = append(values, v, heads * dim + width);
    const { node } = cachedAttention(x, k, v, positions, { heads, kvHeads, scale: 1 / Math.sqrt(dim) });
    const o = runNode(node, [part, keys, values, from], { isa, threads })[0] as Float32Array;
    const size = heads * dim * length;
    for (let b = 0; b < batch; b++) out.set(o.subarray(b * size, (b + 1) * size), (b * time + at) * heads * dim);
    at += length;
  }
  return out;
}

const drawn = fc
  .record({
    batch: fc.integer({ min: 1, max: 2 }),
    time: fc.integer({ min: 1, max: 150 }),
    kvHeads: fc.integer({ min: 1, max: 2 }),
    group: fc.integer({ min: 1, max: 2 }),
    dim: fc.integer({ min: 1, max: 70 }),
    spare: fc.integer({ min: 0, max: 40 }),
    precision: fc.constantFrom('f32', 'bf16'),
    cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 }),
    size: fc.constantFrom(0.1, 1, 30),
    seed: fc.nat(1e6),
  })
  .map(({ group, spare, cuts, size, seed, ...s }) => {
    const sizes: Sizes = { ...s, heads: s.kvHeads * group, rows: s.time + spare };
    const at = [0, ...cuts.map((c) => Math.round(c * s.time)).sort((a, b) => a - b), s.time];
    const parts = at.slice(1).map((end, i) => end - at[i]!);
    const row = (sizes.heads + 2 * sizes.kvHeads) * sizes.dim;
    const qkv = Float32Array.from(
      { length: sizes.batch * sizes.time * row },
      (_, i) => size * Math.sin(seed + i * 1.7 + i * i * 0.013),
    );
    return { sizes, parts: parts.filter((n) => n > 0), qkv };
  });

it('has the bits of attention over the whole sequence, on every ISA, for any team and any parts', () => {
  fc.assert(
    fc.property(drawn, fc.constantFrom(...TEAMS), ({ sizes, parts, qkv }, threads) => {
      for (const isa of addon().isas) {
        expect(sameBits([inParts(qkv, sizes, parts, isa, threads)], [whole(qkv, sizes, isa)])).toBe(true);
      }
    }),
    { numRuns: 40 },
  );
});

it.each(['f32', 'bf16'] as const)('one token at a time, too, in %s', (precision) => {
  const sizes: Sizes = { batch: 2, time: 130, heads: 2, kvHeads: 1, dim: 33, rows: 130, precision };
  const qkv = Float32Array.from({ length: 2 * 130 * 4 * 33 }, (_, i) => Math.sin(1.3 * i + 0.02 * i * i));
  for (const isa of addon().isas) {
    const got = inParts(qkv, sizes, new Array<number>(130).fill(1), isa, 2);
    expect(sameBits([got], [whole(qkv, sizes, isa)])).toBe(true);
  }
});

it('rows of a batch stand at positions of their own', () => {
  const [batch, rows, dim] = [3, 20, 8];
  const positions = Int32Array.of(0, 19, 7);
  const graph = new Graph();
  const input = (name: string, type: TensorType) => graph.input(name, type, 'feed');
  const x = input('x', f32(batch, 1, 3 * dim));
  const [k, v, at] = [input('k', f32(batch, rows, dim)), input('v', f32(batch, rows, dim)), input('at', i32(batch))];
  const attrs = { heads: 1, kvHeads: 1, scale: 0.5 };
  graph.output('o', cachedAttention(x, appendRows(k, x, at, dim), appendRows(v, x, at, 2 * dim), at, attrs));
  const wave = (n: number, k: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(k * i));
  const inputs = {
    x: wave(batch * 3 * dim, 0.7),
    k: wave(batch * rows * dim, 0.3),
    v: wave(batch * rows * dim, 1.1),
    at: positions,
  };
  const o = runGraph(graph, { inputs }).get('o') as Float32Array;
  positions.forEach((p, b) => {
    const of = (cache: Float32Array, j: number, part: number): Float32Array =>
      j === p ? inputs.x.subarray((3 * b + part) * dim, (3 * b + part + 1) * dim) : cache.subarray((b * rows + j) * dim);
    const q = inputs.x.subarray(3 * b * dim);
    const scores = Array.from({ length: p + 1 }, (_, j) => {
      let sum = 0;
      for (let c = 0; c < dim; c++) sum += q[c]! * of(inputs.k, j, 1)[c]!;
      return Math.exp(0.5 * sum);
    });
    const total = scores.reduce((a, b) => a + b);
    for (let c = 0; c < dim; c++) {
      const want = scores.reduce((sum, e, j) => sum + (e / total) * of(inputs.v, j, 2)[c]!, 0);
      expect(o[b * dim + c]).toBeCloseTo(want, 5);
    }
  });
});

it('a position that leaves no room is an IndexError', () => {
  const run = (at: number): unknown => {
    const graph = new Graph();
    const input = (name: string, type: TensorType) => graph.input(name, type, 'feed');
    const [cache, x, positions] = [input('cache', f32(1, 5, 2)), input('x', f32(1, 2, 2)), input('at', i32(1))];
    graph.output('o', appendRows(cache, x, positions, 0));
    return runGraph(graph, { inputs: { cache: new Float32Array(10), x: new Float32Array(4), at: Int32Array.of(at) } });
  };
  expect(run(3)).toBeDefined();
  expect(() => run(4)).toThrow(IndexError);
  expect(() => run(-1)).toThrow(/appendRows: expected an index from 0 to 3 at position 0, got -1/);
});
