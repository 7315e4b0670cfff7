// conv-bf16.test.ts: convolutions in bf16 and their gradients against sums in exact arithmetic, bit for bit: which terms make pairs, and where chains begin.
import { describe, expect, test } from 'vitest';
import { Graph } from '../../lib/ir/graph.ts';
import { type Data, f32, type OpDef, sizeOf, type TensorType } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import { CONV2D, CONV2D_GRAD_INPUT, CONV2D_GRAD_WEIGHT } from '../../lib/ops/product/conv.ts';
import type { ConvAttrs, Pair } from '../../lib/ops/product/conv-attrs.ts';
import { SOME_TEAMS } from '../kit.ts';
import { nearestBf16, sumOfPairs } from '../pairs.ts';
import { runTeams } from '../run-node.ts';

const FMA_ISAS = addon().isas.filter((isa) => isa !== 'x86_64');

// biome-ignore lint/suspicious/noExplicitAny: the attributes' type differs from op to op
type AnyOp = OpDef<any>;
type Shape4 = readonly [number, number, number, number];
interface Case {
  readonly x: Shape4;
  readonly w: Shape4;
  readonly stride?: Pair;
  readonly padding?: readonly [number, number, number, number];
  readonly dilation?: Pair;
  readonly groups?: number;
}
const CASES: readonly Case[] = [
  { x: [1, 2, 4, 5], w: [5, 2, 1, 1] },
  { x: [2, 3, 6, 7], w: [7, 3, 3, 3], padding: [1, 1, 1, 1] },
  { x: [1, 1, 8, 9], w: [17, 1, 5, 5], padding: [2, 2, 2, 2] },
  { x: [2, 5, 9, 8], w: [6, 5, 3, 2], stride: [2, 2], padding: [1, 0, 0, 1] },
  { x: [1, 4, 9, 11], w: [5, 4, 2, 3], stride: [1, 3], dilation: [2, 2], padding: [0, 3, 1, 2] },
  { x: [1, 6, 5, 21], w: [14, 3, 3, 3], groups: 2, padding: [1, 1, 1, 1] },
  { x: [2, 3, 5, 6], w: [3, 1, 3, 3], groups: 3, padding: [1, 1, 1, 1] },
  { x: [1, 2, 33, 17], w: [8, 2, 1, 3], padding: [0, 1, 0, 1] },
  { x: [10, 2, 3, 3], w: [6, 2, 2, 2] },
  { x: [1, 33, 2, 35], w: [1, 33, 1, 2] },
];

/** Numbers of all sizes, among them some whose products leave what f32 holds, zeros of both signs and denormals. */
function values({ shape }: TensorType, seed: number, small: boolean): Float32Array {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state;
  };
  const rare = [1e-30, 1e30, 0, -0, 1e-40, -1e-42, 1e-20];
  return Float32Array.from({ length: sizeOf(shape) }, () => {
    const value = (next() / 2 ** 31 - 1) * (small ? 2 ** -64 : 2 ** ((next() >>> 5) % 5));
    const which = (next() >>> 8) % 60;
    return !small && which < rare.length ? rare[which]! : value;
  });
}

const at = (s: readonly number[], a: number, b: number, c: number, d: number): number =>
  ((a * s[1]! + b) * s[2]! + c) * s[3]! + d;
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** A case as its three ops see it. */
function setUp(c: Case) {
  const attrs = {
    ...{ stride: c.stride ?? [1, 1], padding: c.padding ?? [0, 0, 0, 0], dilation: c.dilation ?? [1, 1], groups: c.groups ?? 1 },
    bf16: true,
  } satisfies ConvAttrs;
  const [x, w] = [f32(...c.x), f32(...c.w)];
  return { attrs, x, w, y: CONV2D.infer([x, w], attrs)[0]! };
}
type SetUp = ReturnType<typeof setUp>;
/** Row and column of x that a pixel of y meets under a tap. */
function placeOf({ attrs }: SetUp, i: number, j: number, ky: number, kx: number): [number, number] {
  const { stride, padding, dilation } = attrs;
  return [i * stride[0] + ky * dilation[0] - padding[0]!, j * stride[1] + kx * dilation[1] - padding[1]!];
}
const inside = (r: number, q: number, [, , h, w]: readonly number[]): boolean => r >= 0 && r < h! && q >= 0 && q < w!;

/** y[n, o, i, j]: over pairs of channels, then rows and columns of the weight; zeros beyond the image and for an odd channel's partner. */
function forward(s: SetUp, x: Float32Array, w: Float32Array): Float32Array {
  const [filters, per, kh, kw] = s.w.shape as Shape4;
  const y = new Float32Array(sizeOf(s.y.shape));
  for (const [n, o, i, j] of places(s.y.shape)) {
    const from = Math.floor(o / (filters / s.attrs.groups)) * per;
    const [a, b]: [number[], number[]] = [[], []];
    for (let k = 0; k < per; k += 2)
      for (const ky of range(kh))
        for (const kx of range(kw))
          for (const c of [k, k + 1]) {
            const [r, q] = placeOf(s, i, j, ky, kx);
            a.push(c < per && inside(r, q, s.x.shape) ? x[at(s.x.shape, n, from + c, r, q)]! : 0);
            b.push(c < per ? w[at(s.w.shape, o, c, ky, kx)]! : 0);
          }
    y[at(s.y.shape, n, o, i, j)] = sumOfPairs(a, b);
  }
  return y;
}
function* places(shape: readonly number[]): Generator<[number, number, number, number]> {
  for (const a of range(shape[0]!))
    for (const b of range(shape[1]!)) for (const c of range(shape[2]!)) for (const d of range(shape[3]!)) yield [a, b, c, d];
}

/** dx[n, c, r, q]: over pairs of filters, then the rows and columns of the weight that reach it. */
function gradInput(s: SetUp, dy: Float32Array, w: Float32Array): Float32Array {
  const [filters, per, kh, kw] = s.w.shape as Shape4;
  const each = filters / s.attrs.groups;
  const { stride } = s.attrs;
  const dx = new Float32Array(sizeOf(s.x.shape));
  for (const [n, c, r, q] of places(s.x.shape)) {
    const [from, own] = [Math.floor(c / per) * each, c % per];
    const [a, b]: [number[], number[]] = [[], []];
    for (let k = 0; k < each; k += 2)
      for (const ky of range(kh))
        for (const kx of range(kw)) {
          const [top, left] = placeOf(s, 0, 0, ky, kx);
          const [i, j] = [(r - top) / stride[0], (q - left) / stride[1]];
          if (!Number.isInteger(i) || !Number.isInteger(j)) continue;
          for (const o of [k, k + 1]) {
            a.push(o < each && inside(i, j, s.y.shape) ? dy[at(s.y.shape, n, from + o, i, j)]! : 0);
            b.push(o < each ? w[at(s.w.shape, from + o, own, ky, kx)]! : 0);
          }
        }
    dx[at(s.x.shape, n, c, r, q)] = sumOfPairs(a, b);
  }
  return dx;
}

/** dw[o, c, ky, kx]: pairs of neighbors of a row of y, rows of about 256 pixels a chain, chains of a part of the images, parts. */
function gradWeight(s: SetUp, x: Float32Array, dy: Float32Array): Float32Array {
  const [filters, per] = s.w.shape as Shape4;
  const [images, , oh, ow] = s.y.shape as Shape4;
  const chain = Math.max(1, Math.floor(256 / ow));
  const parts = Math.min(images, 8);
  const add = (sums: readonly number[]): number => sums.reduce((a, b) => Math.fround(a + b));
  const dw = new Float32Array(sizeOf(s.w.shape));
  for (const [o, c, ky, kx] of places(s.w.shape)) {
    const channel = Math.floor(o / (filters / s.attrs.groups)) * per + c;
    const sums: number[][] = range(parts).map(() => []);
    for (const n of range(images)) {
      // The first parts have one image more.
      const [least, more] = [Math.floor(images / parts), images % parts];
      const part = n < more * (least + 1) ? Math.floor(n / (least + 1)) : more + Math.floor((n - more * (least + 1)) / least);
      for (let first = 0; first < oh; first += chain) {
        let sum = 0;
        for (let i = first; i < Math.min(oh, first + chain); i++) {
          const a = range(ow).map((j) => {
            const [r, q] = placeOf(s, i, j, ky, kx);
            return inside(r, q, s.x.shape) ? x[at(s.x.shape, n, channel, r, q)]! : 0;
          });
          sum = sumOfPairs(a, dy.subarray(at(s.y.shape, n, o, i, 0), at(s.y.shape, n, o, i, 0) + ow), sum);
        }
        sums[part]!.push(sum);
      }
    }
    dw[at(s.w.shape, o, c, ky, kx)] = add(sums.map(add));
  }
  return dw;
}

function run(
  op: AnyOp,
  types: readonly TensorType[],
  attrs: object,
  data: readonly Data[],
  see: (y: Data, what: string) => void,
) {
  const graph = new Graph();
  const node = graph.add(
    op,
    types.map((type, i) => graph.input(`x${i}`, type, 'feed')),
    attrs,
  );
  for (const isa of FMA_ISAS) {
    const teams = { isa, teams: [1, ...SOME_TEAMS], inplace: [], seed: 0n, attempt: 0 };
    runTeams(node, data, teams, ([y], threads) => see(y!, `${isa}, ${threads} threads`));
  }
}
function expectSame(got: Data, want: Float32Array, what: string): void {
  const different = want.findIndex((w, i) => !Object.is(got[i], w));
  if (different >= 0) expect.fail(`${what}: at ${different}: got ${got[different]}, expected ${want[different]}`);
}

const named = CASES.flatMap((c) =>
  [false, true].map((small) => [JSON.stringify(c), small ? 'small' : 'of all sizes', c, small] as const),
);
describe.each(named)('%s, numbers %s', (_, __, c, small) => {
  const s = setUp(c);
  const [x, w, dy] = [s.x, s.w, s.y].map((type, i) => values(type, 7 * i + 1, small)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const [per, each] = [s.w.shape[1]!, s.w.shape[0]! / s.attrs.groups];
  const sized = { ...s.attrs, size: s.x.shape.slice(2) };
  const kernel = { ...s.attrs, kernel: s.w.shape.slice(2), bias: false };
  /** What f32 makes of operands that were rounded before. */
  const unpaired = (op: AnyOp, types: readonly TensorType[], attrs: object, ...data: readonly Float32Array[]): Float32Array => {
    let y: Data | undefined;
    const rounded = data.map((d) => d.map(nearestBf16));
    run(op, types, { ...attrs, bf16: false }, rounded, (out) => {
      y ??= out.slice();
    });
    return y as Float32Array;
  };
  test('y', () => {
    const want = per === 1 ? unpaired(CONV2D, [s.x, s.w], s.attrs, x, w) : forward(s, x, w);
    run(CONV2D, [s.x, s.w], s.attrs, [x, w], (y, what) => expectSame(y, want, what));
  });
  test('the gradient of x', () => {
    const want = each === 1 ? unpaired(CONV2D_GRAD_INPUT, [s.y, s.w], sized, dy, w) : gradInput(s, dy, w);
    run(CONV2D_GRAD_INPUT, [s.y, s.w], sized, [dy, w], (dx, what) => expectSame(dx, want, what));
  });
  test('the gradient of the weight', () => {
    const want = each <= 4 ? unpaired(CONV2D_GRAD_WEIGHT, [s.x, s.y], kernel, x, dy) : gradWeight(s, x, dy);
    run(CONV2D_GRAD_WEIGHT, [s.x, s.y], kernel, [x, dy], (dw, what) => expectSame(dw, want, what));
  });
});

test('the gradient of a bias is the sum of what is not rounded', () => {
  for (const filters of [3, 20]) {
    const s = setUp({ x: [3, 2, 9, 18], w: [filters, 2, 3, 3] });
    const [x, dy] = [s.x, s.y].map((type) => values(type, filters, false).map((v) => (Math.abs(v) < 100 ? v : 1)));
    const plane = sizeOf(s.y.shape.slice(2));
    const want = range(filters).map((o) => dy!.reduce((sum, v, e) => sum + (Math.floor(e / plane) % filters === o ? v : 0), 0));
    const graph = new Graph();
    const attrs = { ...s.attrs, kernel: [3, 3] as const, bias: true };
    const node = graph.add(CONV2D_GRAD_WEIGHT, [graph.input('x', s.x, 'feed'), graph.input('dy', s.y, 'feed')], attrs);
    let first: Data | undefined;
    for (const isa of FMA_ISAS)
      runTeams(node, [x!, dy!], { isa, teams: [1, ...SOME_TEAMS], inplace: [], seed: 0n, attempt: 0 }, ([, db], threads) => {
        first ??= db!.slice();
        expectSame(db!, first as Float32Array, `${isa}, ${threads} threads`);
      });
    for (const [o, sum] of want.entries()) expect(Math.abs(first![o]! - sum)).toBeLessThan(1e-3);
  }
});
