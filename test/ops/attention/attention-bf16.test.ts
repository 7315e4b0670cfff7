// attention-bf16.test.ts: each product of attention in bf16, where softmax and its gradient are exact, is the sum of pairs that attention.h says, to the bit.
import { expect, it } from 'vitest';
import { Graph, type Node } from '../../../lib/ir/graph.ts';
import { f32, u8 } from '../../../lib/ir/op.ts';
import { attention } from '../../../lib/ops/index.ts';
import { ATTENTION_GRAD } from '../../../lib/ops/product/attention.ts';
import type { AttentionAttrs } from '../../../lib/ops/product/attention-shape.ts';
import { sumOfPairs } from '../../pairs.ts';
import { KINDS_OF_BITS, runNode } from '../../run-node.ts';

/** Queries, keys, elements of a head. */
const SIZES = [
  [1, 1, 1],
  [2, 3, 3],
  [5, 64, 16],
  [33, 35, 33],
  [70, 131, 17],
] as const;
/** Heads of q; those of k and v are `HEADS / 2`. */
const HEADS = 2;
const KEYS_AT_ONCE = 64;

/** Numbers of both signs, of many sizes, some denormal. */
function numbers(n: number, seed: number): Float32Array {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Float32Array.from({ length: n }, () => (2 * next() - 1) * 2 ** (next() < 0.02 ? -130 : Math.floor(16 * next()) - 8));
}
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
/** Rows of `dim` elements. */
const rowOf = (x: Float32Array, row: number, dim: number): Float32Array => x.subarray(row * dim, (row + 1) * dim);
/** A zero has no sign here: how many zeros are added is no promise. */
const unsigned = (x: ArrayLike<number>): number[] => Array.from(x, (v) => v + 0);
/** Element c of so many rows from row `from` on. */
const column = (x: Float32Array, from: number, rows: number, dim: number, c: number): number[] =>
  range(rows).map((r) => x[(from + r) * dim + c]!);

interface Shape {
  readonly queries: number;
  readonly keys: number;
  readonly dim: number;
  readonly causal: boolean;
}
function nodeOf({ queries, keys, dim, causal }: Shape, masked: boolean): Node {
  const graph = new Graph();
  graph.precision = 'bf16';
  const q = graph.input('q', f32(1, HEADS, queries, dim), 'feed');
  const [k, v] = ['k', 'v'].map((name) => graph.input(name, f32(1, HEADS / 2, keys, dim), 'feed')) as [typeof q, typeof q];
  const mask = masked ? graph.input('mask', u8(HEADS, queries, keys), 'feed') : null;
  return attention(q, k, v, { causal, mask, scale: 0.3 }).node;
}
function gradOf(shape: Shape): Node {
  const { graph, outs, ins, attrs } = nodeOf(shape, false);
  return graph.add(ATTENTION_GRAD, [outs[0]!, outs[1]!, outs[0]!, ...ins], attrs as AttentionAttrs) as Node;
}
const shapes: Shape[] = SIZES.flatMap(([queries, keys, dim]) => [
  { queries, keys, dim, causal: false },
  { queries, keys, dim, causal: true },
]);
const sees = ({ causal }: Shape, query: number, key: number): boolean => !causal || key <= query;
// The baseline has no fma: what it computes is another number.
const isas = KINDS_OF_BITS.flat().filter((isa) => isa !== 'x86_64');

/** Rows of what a kernel gives on each ISA are what is wanted. */
function expectRows(wanted: readonly (readonly number[])[], what: string, run: (isa: string) => Float32Array): void {
  for (const isa of isas) {
    const got = run(isa);
    wanted.forEach((want, row) => {
      expect(unsigned(rowOf(got, row, want.length)), `${what}, ${isa}, row ${row}`).toEqual(unsigned(want));
    });
  }
}

it.each(shapes)('scores: pairs along the elements of a head ($queries, $keys, $dim, $causal)', (shape) => {
  const { queries, keys, dim } = shape;
  const [q, k, v] = [numbers(HEADS * queries * dim, 1), numbers(keys * dim, 2), numbers(keys * dim, 3)] as const;
  // Each query sees one key, so its largest score is that one, and its output what v is rounded to.
  const seen = range(HEADS * queries).map((row) => (row * 7) % Math.min(keys, shape.causal ? (row % queries) + 1 : keys));
  const mask = new Uint8Array(HEADS * queries * keys);
  seen.forEach((key, row) => {
    mask[row * keys + key] = 1;
  });
  const scores = seen.map((key, row) => {
    const scaled = rowOf(q, row, dim).map((x) => x * Math.fround(0.3));
    return sumOfPairs(scaled, rowOf(k, key, dim));
  });
  const statistics = range(HEADS).flatMap((h) => [scores.slice(h * queries, (h + 1) * queries), range(queries).map(() => 1)]);
  const rounded = seen.map((key) => Array.from(rowOf(v, key, dim), (x) => sumOfPairs([x], [1])));
  const run = (isa: string): Float32Array[] => runNode(nodeOf(shape, true), [q, k, v, mask], { isa }) as Float32Array[];
  expectRows(statistics, 'statistics', (isa) => run(isa)[1]!);
  expectRows(rounded, 'output', (isa) => run(isa)[0]!);
});

it.each(shapes)('weights times v: pairs of keys ($queries, $keys, $dim, $causal)', (shape) => {
  const { queries, keys, dim } = shape;
  const [q, k, v] = [numbers(HEADS * queries * dim, 1), new Float32Array(keys * dim), numbers(keys * dim, 3)];
  const mask = Uint8Array.from({ length: HEADS * queries * keys }, (_, i) => +(i % keys === 0 || i % 3 > 0));
  const wanted = range(HEADS * queries).map((row) => {
    const weights = range(keys).map((key) => +(mask[row * keys + key] === 1 && sees(shape, row % queries, key)));
    const one = Math.fround(1 / weights.reduce((a, b) => a + b));
    return range(dim).map((c) => Math.fround(sumOfPairs(weights, column(v, 0, keys, dim, c)) * one));
  });
  expectRows(wanted, 'output', (isa) => runNode(nodeOf(shape, true), [q, k, v, mask], { isa })[0] as Float32Array);
});

interface Gradients {
  readonly v: Float32Array;
  readonly dy: Float32Array;
  readonly one: Float32Array;
  /** By query and key, as are `ds`, the gradients of scores. */
  readonly weights: readonly (readonly number[])[];
  readonly ds: readonly (readonly number[])[];
}
/** With scores and outputs of 0: a weight is 1 / sum of its query, and the gradient of a score that times the scale and dO v. */
function gradients(shape: Shape): Gradients {
  const { queries, keys, dim } = shape;
  const [v, dy] = [numbers(keys * dim, 3), numbers(HEADS * queries * dim, 4)];
  const one = numbers(HEADS * queries, 5).map((x) => Math.abs(x));
  const weights = range(HEADS * queries).map((row) =>
    range(keys).map((key) => (sees(shape, row % queries, key) ? one[row]! : 0)),
  );
  const ds = weights.map((of, row) => {
    const products = range(keys).map((key) => sumOfPairs(rowOf(v, key, dim), rowOf(dy, row, dim)));
    return of.map((w, key) => Math.fround(Math.fround(w * Math.fround(0.3)) * products[key]!));
  });
  return { v, dy, one, weights, ds };
}
type Three = [Float32Array, Float32Array, Float32Array];
function runGrad(shape: Shape, { v, dy, one }: Gradients, q: Float32Array, k: Float32Array, isa: string): Three {
  const { queries, dim } = shape;
  const statistics = new Float32Array(HEADS * 2 * queries);
  for (const h of range(HEADS)) statistics.set(one.subarray(h * queries, (h + 1) * queries), (2 * h + 1) * queries);
  const o = new Float32Array(HEADS * queries * dim);
  return runNode(gradOf(shape), [o, statistics, dy, q, k, v], { isa }) as Three;
}

it.each(shapes)('gradients of k and v: pairs of queries, head by head ($queries, $keys, $dim, $causal)', (shape) => {
  const { queries, keys, dim } = shape;
  const [q, k] = [numbers(HEADS * queries * dim, 1), new Float32Array(keys * dim)];
  const given = gradients(shape);
  const sums = (of: Gradients['ds'], x: Float32Array): number[][] =>
    range(keys).map((key) => {
      const rows = range(HEADS).map((h) => range(queries).map((t) => of[h * queries + t]![key]!));
      return range(dim).map((c) => {
        return rows.reduce((sum, row, h) => sumOfPairs(row, column(x, h * queries, queries, dim, c), sum), 0);
      });
    });
  expectRows(sums(given.weights, given.dy), 'dv', (isa) => runGrad(shape, given, q, k, isa)[2]);
  expectRows(sums(given.ds, q), 'dk', (isa) => runGrad(shape, given, q, k, isa)[1]);
});

it.each(shapes)('gradient of q: pairs of keys, and the sum of pieces of them ($queries, $keys, $dim, $causal)', (shape) => {
  const { queries, keys, dim } = shape;
  const [q, k] = [new Float32Array(HEADS * queries * dim), numbers(keys * dim, 2)];
  const given = gradients(shape);
  const pieces = range(Math.ceil(keys / KEYS_AT_ONCE)).map((piece) => piece * KEYS_AT_ONCE);
  const wanted = range(HEADS * queries).map((row) => {
    return range(dim).map((c) => {
      const sums = pieces.map((from) => {
        const count = Math.min(KEYS_AT_ONCE, keys - from);
        return sumOfPairs(given.ds[row]!.slice(from, from + count), column(k, from, count, dim, c));
      });
      return sums.reduce((a, b) => Math.fround(a + b));
    });
  });
  expectRows(wanted, 'dq', (isa) => runGrad(shape, given, q, k, isa)[0]);
});
