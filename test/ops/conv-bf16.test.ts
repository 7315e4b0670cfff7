// conv-bf16.test.ts: convolutions in bf16 and their gradients against sums in exact arithmetic, bit for bit: which terms make pairs, and where chains begin.
import { describe, expect, test } from 'vitest';
import { Graph } from '../../lib/ir/graph.ts';
import { type Data, f32, type OpDef, sizeOf, type TensorType } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import { CONVOLUTIONS } from '../../lib/ops/product/conv.ts';
import type { ConvAttrs } from '../../lib/ops/product/conv-attrs.ts';
import { SOME_TEAMS } from '../kit.ts';
import { nearestBf16, sumOfPairs } from '../pairs.ts';
import { runTeams } from '../run-node.ts';

const FMA_ISAS = addon().isas.filter((isa) => isa !== 'x86_64');

// biome-ignore lint/suspicious/noExplicitAny: the attributes' type differs from op to op
type AnyOp = OpDef<any>;
type Shape = readonly number[];
/** Of images [n, channels, height, width], or of volumes, which have a depth before the height. */
interface Case {
  readonly x: Shape;
  readonly w: Shape;
  readonly stride?: Shape;
  readonly padding?: Shape;
  readonly dilation?: Shape;
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
  { x: [2, 3, 4, 5, 6], w: [7, 3, 3, 3, 3], padding: [1, 1, 1, 1, 1, 1] },
  { x: [1, 5, 7, 4, 5], w: [6, 5, 3, 2, 1], stride: [2, 1, 2], padding: [2, 0, 1, 1, 1, 0] },
  { x: [1, 2, 9, 3, 4], w: [17, 2, 4, 1, 2], stride: [3, 1, 1], dilation: [2, 1, 2], padding: [3, 0, 0, 4, 0, 1] },
  { x: [2, 6, 3, 4, 21], w: [14, 3, 2, 2, 3], groups: 2, padding: [0, 1, 1, 1, 0, 1] },
  { x: [1, 3, 5, 5, 6], w: [3, 1, 3, 3, 3], groups: 3, padding: [1, 1, 1, 1, 1, 1] },
  { x: [1, 4, 2, 3, 3], w: [6, 4, 5, 1, 1], padding: [4, 0, 0, 3, 0, 0] },
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

/** With a depth of 1 where there is none. */
const withDepth = (shape: Shape, filler = 1): number[] =>
  shape.length === 5 ? [...shape] : [...shape.slice(0, 2), filler, ...shape.slice(2)];
const at = (shape: Shape, ...place: readonly number[]): number => place.reduce((sum, p, d) => sum * withDepth(shape)[d]! + p, 0);
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
type Place = [number, number, number, number, number];
type Step = readonly [number, number, number];

/** A case as its three ops see it. */
function setUp(c: Case) {
  const dims = c.x.length - 2;
  const [ones, zeros] = [range(dims).map(() => 1), range(2 * dims).map(() => 0)];
  const attrs = {
    ...{ stride: c.stride ?? ones, padding: c.padding ?? zeros, dilation: c.dilation ?? ones, groups: c.groups ?? 1 },
    bf16: true,
  } satisfies ConvAttrs;
  const [forward, gradInput, gradWeight] = CONVOLUTIONS.slice(dims === 3 ? 3 : 0) as [AnyOp, AnyOp, AnyOp];
  const [x, w] = [f32(...c.x), f32(...c.w)];
  const three = (of: Shape, filler: number): Step => (of.length === 3 ? of : [filler, ...of]) as unknown as Step;
  const steps = {
    stride: three(attrs.stride, 1),
    dilation: three(attrs.dilation, 1),
    before: three(attrs.padding.slice(0, dims), 0),
  };
  return { attrs, steps, x, w, y: forward.infer([x, w], attrs)[0]!, ops: { forward, gradInput, gradWeight } };
}
type SetUp = ReturnType<typeof setUp>;
/** Depth, row and column of x that a place of y meets under a tap. */
const placeOf = ({ steps }: SetUp, y: Step, tap: Step): Step =>
  y.map((o, d) => o * steps.stride[d]! + tap[d]! * steps.dilation[d]! - steps.before[d]!) as unknown as Step;
const inside = (place: Step, shape: Shape): boolean => place.every((p, d) => p >= 0 && p < withDepth(shape)[d + 2]!);
const within = (depth: number, shape: Shape): boolean => depth >= 0 && depth < withDepth(shape)[2]!;

/** y[n, o, ...]: over depths of the weight, pairs of channels, rows and columns; zeros beyond a plane and for an odd channel's partner, no
 * terms of planes beyond the ends. */
function forward(s: SetUp, x: Float32Array, w: Float32Array): Float32Array {
  const [filters, per, kd, kh, kw] = withDepth(s.w.shape) as Place;
  const y = new Float32Array(sizeOf(s.y.shape));
  for (const [n, o, z, i, j] of places(s.y.shape)) {
    const from = Math.floor(o / (filters / s.attrs.groups)) * per;
    const [a, b]: [number[], number[]] = [[], []];
    for (const kz of range(kd))
      for (let k = 0; k < per; k += 2)
        for (const ky of range(kh))
          for (const kx of range(kw))
            for (const c of [k, k + 1]) {
              const place = placeOf(s, [z, i, j], [kz, ky, kx]);
              if (!within(place[0], s.x.shape)) continue;
              a.push(c < per && inside(place, s.x.shape) ? x[at(s.x.shape, n, from + c, ...place)]! : 0);
              b.push(c < per ? w[at(s.w.shape, o, c, kz, ky, kx)]! : 0);
            }
    y[at(s.y.shape, n, o, z, i, j)] = sumOfPairs(a, b);
  }
  return y;
}
function* places(shape: Shape): Generator<Place> {
  const [n, channels, d, h, w] = withDepth(shape) as Place;
  for (const a of range(n))
    for (const b of range(channels))
      for (const c of range(d)) for (const e of range(h)) for (const f of range(w)) yield [a, b, c, e, f];
}

/** dx[n, c, ...]: over depths of the weight, pairs of filters, then the rows and columns of the weight that reach it. */
function gradInput(s: SetUp, dy: Float32Array, w: Float32Array): Float32Array {
  const [filters, per, kd, kh, kw] = withDepth(s.w.shape) as Place;
  const each = filters / s.attrs.groups;
  const { stride } = s.steps;
  const dx = new Float32Array(sizeOf(s.x.shape));
  for (const [n, c, ...own] of places(s.x.shape)) {
    const [first, channel] = [Math.floor(c / per) * each, c % per];
    const [a, b]: [number[], number[]] = [[], []];
    for (const kz of range(kd))
      for (let k = 0; k < each; k += 2)
        for (const ky of range(kh))
          for (const kx of range(kw)) {
            const start = placeOf(s, [0, 0, 0], [kz, ky, kx]);
            const place = own.map((p, d) => (p - start[d]!) / stride[d]!) as unknown as Step;
            if (!place.every(Number.isInteger) || !within(place[0], s.y.shape)) continue;
            for (const o of [k, k + 1]) {
              a.push(o < each && inside(place, s.y.shape) ? dy[at(s.y.shape, n, first + o, ...place)]! : 0);
              b.push(o < each ? w[at(s.w.shape, first + o, channel, kz, ky, kx)]! : 0);
            }
          }
    dx[at(s.x.shape, n, c, ...own)] = sumOfPairs(a, b);
  }
  return dx;
}

/** dw[o, c, ...]: pairs of neighbors of a row of y, rows of about 256 pixels a chain, chains of a part of the images, parts. Each depth of y
 * is an image; those that read a plane beyond the ends are left out, and where the first of a part is, its sum begins with 0. */
function gradWeight(s: SetUp, x: Float32Array, dy: Float32Array): Float32Array {
  const [filters, per] = s.w.shape as readonly [number, number];
  const [rows, , od, oh, ow] = withDepth(s.y.shape) as Place;
  const chain = Math.max(1, Math.floor(256 / ow));
  const images = rows * od;
  const parts = Math.min(images, 8);
  const add = (sums: readonly number[]): number => sums.reduce((a, b) => Math.fround(a + b));
  const dw = new Float32Array(sizeOf(s.w.shape));
  for (const [o, c, kz, ky, kx] of places(s.w.shape)) {
    const channel = Math.floor(o / (filters / s.attrs.groups)) * per + c;
    const sums: number[][] = range(parts).map(() => []);
    for (const image of range(images)) {
      const [n, z] = [Math.floor(image / od), image % od];
      // The first parts have one image more.
      const [least, more] = [Math.floor(images / parts), images % parts];
      const late = image - more * (least + 1);
      const part = late < 0 ? Math.floor(image / (least + 1)) : more + Math.floor(late / least);
      if (!within(placeOf(s, [z, 0, 0], [kz, 0, 0])[0], s.x.shape)) {
        if (sums[part]!.length === 0) sums[part]!.push(0);
        continue;
      }
      for (let first = 0; first < oh; first += chain) {
        let sum = 0;
        for (let i = first; i < Math.min(oh, first + chain); i++) {
          const a = range(ow).map((j) => {
            const place = placeOf(s, [z, i, j], [kz, ky, kx]);
            return inside(place, s.x.shape) ? x[at(s.x.shape, n, channel, ...place)]! : 0;
          });
          const row = at(s.y.shape, n, o, z, i, 0);
          sum = sumOfPairs(a, dy.subarray(row, row + ow), sum);
        }
        sums[part]!.push(sum);
      }
    }
    dw[at(s.w.shape, o, c, kz, ky, kx)] = add(sums.map(add));
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
    const want = per === 1 ? unpaired(s.ops.forward, [s.x, s.w], s.attrs, x, w) : forward(s, x, w);
    run(s.ops.forward, [s.x, s.w], s.attrs, [x, w], (y, what) => expectSame(y, want, what));
  });
  test('the gradient of x', () => {
    const want = each === 1 ? unpaired(s.ops.gradInput, [s.y, s.w], sized, dy, w) : gradInput(s, dy, w);
    run(s.ops.gradInput, [s.y, s.w], sized, [dy, w], (dx, what) => expectSame(dx, want, what));
  });
  test('the gradient of the weight', () => {
    const want = each <= 4 ? unpaired(s.ops.gradWeight, [s.x, s.y], kernel, x, dy) : gradWeight(s, x, dy);
    run(s.ops.gradWeight, [s.x, s.y], kernel, [x, dy], (dw, what) => expectSame(dw, want, what));
  });
});

test('the gradient of a bias is the sum of what is not rounded', () => {
  for (const [filters, c] of [
    [3, { x: [3, 2, 9, 18], w: [3, 2, 3, 3] }],
    [20, { x: [3, 2, 9, 18], w: [20, 2, 3, 3] }],
    [3, { x: [2, 2, 4, 5, 18], w: [3, 2, 2, 3, 3] }],
    [20, { x: [2, 2, 4, 5, 18], w: [20, 2, 2, 3, 3] }],
  ] as const) {
    const s = setUp(c);
    const [x, dy] = [s.x, s.y].map((type) => values(type, filters, false).map((v) => (Math.abs(v) < 100 ? v : 1)));
    const plane = sizeOf(s.y.shape.slice(2));
    const want = range(filters).map((o) => dy!.reduce((sum, v, e) => sum + (Math.floor(e / plane) % filters === o ? v : 0), 0));
    const graph = new Graph();
    const attrs = { ...s.attrs, kernel: s.w.shape.slice(2), bias: true };
    const node = graph.add(s.ops.gradWeight, [graph.input('x', s.x, 'feed'), graph.input('dy', s.y, 'feed')], attrs);
    let first: Data | undefined;
    for (const isa of FMA_ISAS)
      runTeams(node, [x!, dy!], { isa, teams: [1, ...SOME_TEAMS], inplace: [], seed: 0n, attempt: 0 }, ([, db], threads) => {
        first ??= db!.slice();
        expectSame(db!, first as Float32Array, `${isa}, ${threads} threads`);
      });
    for (const [o, sum] of want.entries()) expect(Math.abs(first![o]! - sum)).toBeLessThan(1e-3);
  }
});
