// layout.ts: cases of ops that move elements, draw them at random or move images about.
import { type DType, f32, f64, i32, type TensorType } from '../../lib/ir/op.ts';
import type { Case, Draw, FillOf, Generator } from './draw.ts';

const FILLS: Readonly<Record<DType, FillOf>> = { f32: 'normal', f64: 'normal', i32: [-9, 9], u8: [0, 255] };
function of(d: Draw, shapes: readonly (readonly number[])[], attrs: unknown): Case {
  const dtype = d.pick<DType>('f32', 'f32', 'f32', 'f64', 'i32', 'u8');
  return { ins: shapes.map((shape): TensorType => ({ dtype, shape })), attrs, fill: shapes.map(() => FILLS[dtype]) };
}
/** A shape of at least one dimension, and one of its axes. */
function along(d: Draw): { shape: number[]; axis: number } {
  const shape = d.sizes(d.int(1, 4), 12_000);
  return { shape, axis: d.int(0, shape.length - 1) };
}

const reshape: Generator = (d) => {
  const shape = d.sizes(d.int(0, 3));
  return of(d, [shape], { shape: [...shape, 1] });
};
const ownPart: Generator = (d) => {
  const size = d.int(1, 9);
  return { ins: [f32(...d.sizes(d.int(0, 3), d.pick(500, 60_000)))], attrs: { rank: d.int(0, size - 1), size } };
};
const head: Generator = (d) => of(d, [[d.int(1, 5), ...d.sizes(d.int(0, 3))]], {});
const transpose: Generator = (d) => {
  const shape = d.sizes(d.int(1, 5));
  return of(d, [shape], { axes: d.shuffled(shape.map((_, i) => i)) });
};
const broadcastTo: Generator = (d) => {
  const shape = d.sizes(d.int(0, 4));
  return of(d, [shape.slice(d.int(0, shape.length)).map((size) => (d.rarely(3) ? 1 : size))], { shape });
};
const slice: Generator = (d) => {
  const { shape, axis } = along(d);
  const start = d.int(0, shape[axis]!);
  return of(d, [shape], { axis, start, end: d.int(start, shape[axis]!), step: d.int(1, 4) });
};
const concat: Generator = (d) => {
  const { shape, axis } = along(d);
  const parts = d.list(1, 5, () => shape.map((size, i) => (i === axis ? d.int(0, 70) : size)));
  return of(d, parts, { axis });
};
const pad: Generator = (d) => {
  const { shape, axis } = along(d);
  return of(d, [shape], { axis, before: d.int(0, 40), after: d.int(0, 40), step: d.int(1, 3) });
};

const random = (attrs: (d: Draw) => object): Generator => {
  return (d) => ({
    ins: [f32(...d.sizes(d.int(0, 3)))],
    attrs: { ...attrs(d), key: d.int(0, 2 ** 31 - 1) },
    tolerance: 1e-5,
  });
};

const augment: Generator = (d) => {
  const [h, w] = [d.int(1, 30), d.int(1, 70)];
  const dtype = d.pick<DType>('f32', 'u8');
  const shape = d.flag() ? [d.int(0, 9), h, w] : [d.int(0, 9), d.int(1, 4), h, w];
  const attrs = {
    shift: d.int(0, Math.min(h, w) - 1),
    border: d.pick('constant', 'edge', 'reflect'),
    horizontal: d.pick(0, 0.5, 1),
    vertical: d.pick(0, 0.5, 1),
    cutout: d.int(0, 12),
    cutoutProbability: d.pick(0.5, 1),
    fill: d.int(0, 3),
    key: d.int(0, 99),
  };
  return { ins: [{ dtype, shape }], attrs, fill: [FILLS[dtype]] };
};

export const LAYOUT_CASES: Readonly<Record<string, Generator>> = {
  ...{ reshape, head, ownPart, transpose, broadcastTo, slice, concat, pad, augment },
  dropout: random((d) => ({ rate: d.pick(0.1, 0.5, 0.9) })),
  noise: random((d) => ({ std: d.pick(0.1, 1, 2) })),
  gaussianNoise: (d) => ({
    ins: [f32(...d.sizes(d.int(0, 3))), f64(), ...(d.flag() ? [i32(8)] : [])],
    attrs: { key: d.int(0, 2 ** 31 - 1) },
    fill: ['normal', d.pick<FillOf>('positive', [0, 1000], [0, 1e-30]), [-(2 ** 31), 2 ** 31]],
  }),
  hideSamples(d) {
    const [before, behind] = [d.sizes(d.int(0, 2)), d.sizes(d.int(0, 2))];
    const [count, each] = [d.int(1, 9), d.int(1, 5)];
    const x = d.flag() ? f64 : f32;
    return {
      ins: [x(...before, count * each, ...behind), f64(count)],
      attrs: { axis: before.length, each },
      fill: ['normal', { exactly: Array.from({ length: count }, () => d.pick(0, 0, 1, 0.5)) }],
    };
  },
  random: (d) => ({
    ins: [],
    attrs: { shape: d.sizes(d.int(0, 3)), key: d.int(0, 2 ** 31 - 1), normal: d.flag() },
    tolerance: 1e-5,
  }),
  stopGradient: (d) => of(d, [d.sizes(d.int(0, 3))], {}),
  straightThrough(d) {
    const shape = d.sizes(d.int(0, 3));
    return of(d, [shape, shape], {});
  },
  syncedBatchNorm(d) {
    const [batch, channels] = [d.int(1, 9), d.int(1, 9)];
    const x = f32(batch, channels, ...d.sizes(d.int(0, 2)));
    return {
      ins: [x, x, f64(channels), f64(channels), f64()],
      attrs: { eps: 1e-5, affine: false },
      fill: ['normal', 'normal', 'normal', 'positive', 'positive'],
    };
  },
  uniform: (d) => ({ ins: [], attrs: { key: d.int(0, 2 ** 31 - 1) } }),
};
