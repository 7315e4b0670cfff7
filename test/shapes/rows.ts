// rows.ts: cases of reductions, of ops that work on rows by themselves, and of rows by index.
import { type DType, f32, f64, i32, type TensorType, u8 } from '../../lib/ir/op.ts';
import { type Case, type Draw, type FillOf, type Generator, ofTerms } from './draw.ts';

/** A run of neighboring axes of a shape, which seldom has a long dimension: partial sums go by 512 rows and 4096 elements. */
function reduced(d: Draw, some: boolean): { shape: number[]; axes: number[]; terms: number } {
  const shape = d.sizes(d.int(1, 4), 12_000, !some);
  if (d.rarely(4)) shape[d.int(0, shape.length - 1)] = d.pick(511, 513, 1024, 4095, 4097, 9000);
  while (shape.reduce((a, b) => a * b, 1) > 60_000) shape[shape.indexOf(Math.min(...shape.filter((n) => n > 1)))] = 1;
  const first = d.int(0, shape.length - 1);
  const axes = Array.from({ length: d.int(1, shape.length - first) }, (_, i) => first + i);
  return { shape, axes, terms: axes.reduce((n, a) => n * shape[a]!, 1) };
}
const floats = (d: Draw): DType => d.pick('f32', 'f32', 'f64');

const sum: Generator = (d) => {
  const { shape, axes, terms } = reduced(d, false);
  const attrs = { axes, dtype: floats(d), ...(d.rarely(3) && { stats: true }) };
  return { ins: [{ dtype: floats(d), shape }], attrs, tolerance: 50 * ofTerms(terms) };
};
const extreme: Generator = (d) => {
  const { shape, axes } = reduced(d, true);
  return { ins: [{ dtype: floats(d), shape }], attrs: { axes } };
};
const argmax: Generator = (d) => {
  const { shape, axes } = reduced(d, true);
  return { ins: [{ dtype: floats(d), shape }], attrs: { axis: axes[0] } };
};

const rowsOf = (d: Draw): number[] => [...d.sizes(d.int(0, 2), 60), d.size(700)];
const softmax: Generator = (d) => ({ ins: [f32(...rowsOf(d))], attrs: {}, fill: [[-4, 4]] });
const softmaxGrad: Generator = (d) => {
  const x = f32(...rowsOf(d));
  return { ins: [x, x], attrs: {}, fill: [[-2, 0], 'normal'], tolerance: 1e-4 };
};

// ---- by index ----------------------------------------------------------------------------------------------------
const index = (d: Draw, rows: number, ...shape: number[]): TensorType => (rows <= 256 && d.rarely(3) ? u8 : i32)(...shape);

const gather: Generator = (d) => {
  const [rows, n] = [d.size(300), d.size(200)];
  const dtype = d.pick<DType>('f32', 'f32', 'f64', 'u8', 'i32');
  const fill: FillOf = dtype === 'u8' || dtype === 'i32' ? [0, 99] : 'normal';
  return { ins: [{ dtype, shape: [rows, ...d.sizes(d.int(0, 2), 70)] }, index(d, rows, n)], attrs: {}, fill: [fill, [0, rows]] };
};
/** Rows to be added where their indices say: many to one row, or most rows without any. */
function scattered(d: Draw): { x: number[]; indices: TensorType; rows: number; n: number; padding: object } {
  const [rows, n] = [d.size(d.pick(3, 60, 600)), d.int(0, 200)];
  const padding = d.rarely(3) ? { padding: d.int(0, rows - 1) } : {};
  return { x: [n, ...d.sizes(d.int(0, 2), d.pick(40, 300), false)], indices: index(d, rows, n), rows, n, padding };
}
const scatterAdd: Generator = (d) => {
  const { x, indices, rows, padding } = scattered(d);
  const attrs = { rows, ...padding, ...(d.rarely(3) && { stats: true }) };
  return {
    ins: [{ dtype: d.pick<DType>('f32', 'f32', 'f64'), shape: x }, indices],
    attrs,
    fill: ['normal', [0, rows]],
    tolerance: 1e-3,
  };
};
const keptRows: Generator = (d) => {
  const { x, indices, rows, padding } = scattered(d);
  return {
    ins: [f32(...x), indices],
    attrs: { rows, stats: d.flag(), ...padding },
    fill: ['normal', [0, rows]],
    tolerance: 1e-3,
  };
};
const oneHot: Generator = (d) => {
  const classes = d.size(100);
  return { ins: [index(d, classes, ...d.sizes(d.int(0, 2), 200))], attrs: { classes }, fill: [[0, classes]] };
};
const indices: Generator = (d) => {
  const shape = d.sizes(d.int(0, 2), 200);
  const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => d.int(-1000, 1000));
  return { ins: [(d.flag() ? f32 : f64)(...shape)], attrs: {}, fill: [{ exactly: values }], noGradient: true };
};
const windows: Generator = (d) => {
  const [length, more] = [d.int(1, 70), d.int(0, 100)];
  const text = (d.flag() ? u8 : i32)(length + more);
  return {
    ins: [text, i32(d.int(0, 40))],
    attrs: { length },
    fill: [
      [0, 255],
      [0, more + 1],
    ],
  };
};
/** Tables, and different ids in some order, of which some are no row. */
function tables(d: Draw): { ids: number[]; table: number[]; count: number } {
  const rows = d.size(120);
  const ids = d.shuffled(Array.from({ length: rows + 3 }, (_, i) => i - 1)).slice(0, d.int(0, rows + 3));
  return { ids, table: [rows, ...d.sizes(d.int(0, 2), 100, false)], count: d.int(1, 3) };
}
const takeRows: Generator = (d) => {
  const { ids, table, count } = tables(d);
  return { ins: [i32(ids.length), ...Array(count).fill(f32(...table))], attrs: {}, fill: [{ exactly: ids }] };
};
const putRows: Generator = (d) => {
  const { ids, table, count } = tables(d);
  const rows = f32(ids.length, ...table.slice(1));
  return {
    ins: [i32(ids.length), ...Array(count).fill(f32(...table)), ...Array(count).fill(rows)],
    attrs: {},
    fill: [{ exactly: ids }],
  };
};

function bags(d: Draw): { n: number; offsets: number[]; rows: number; mode: string; padding: number | null } {
  const n = d.int(0, 120);
  const cuts = d.list(0, 40, () => d.int(0, n)).sort((a, b) => a - b);
  const rows = d.size(60);
  const offsets = cuts.length > 0 ? [0, ...cuts.slice(1)] : [];
  return { n, offsets, rows, mode: d.pick('sum', 'mean', 'max'), padding: d.rarely(3) ? d.int(0, rows - 1) : null };
}
const embeddingBag: Generator = (d) => {
  const { n, offsets, rows, mode, padding } = bags(d);
  const weights = mode === 'sum' && d.flag() ? [f32(n)] : [];
  const ins = [f32(rows, d.size(70)), index(d, rows, n), i32(offsets.length), ...weights];
  const fill: FillOf[] = ['normal', [0, rows], { exactly: offsets }, 'normal'];
  return { ins, attrs: { mode, padding }, fill: fill.slice(0, ins.length), tolerance: 1e-4 };
};
const embeddingBagGrad: Generator = (d) => {
  const { n, offsets, rows, mode, padding } = bags(d);
  const shape = [offsets.length, d.size(70)];
  const ins = [f32(...shape), ...(mode === 'max' ? [i32(...shape)] : []), index(d, rows, n), i32(offsets.length)];
  const fill: FillOf[] = ['normal', ...(mode === 'max' ? [[0, Math.max(1, n)] as const] : []), [0, rows], { exactly: offsets }];
  if (mode === 'sum' && d.flag()) return { ins: [...ins, f32(n)], attrs: { mode, padding, rows }, fill: [...fill, 'normal'] };
  return { ins, attrs: { mode, padding, rows }, fill };
};

// ---- along an axis -----------------------------------------------------------------------------------------------
const scan: Generator = (d) => {
  const shape = d.sizes(d.int(1, 3), 8000);
  const attrs = { axis: d.int(0, shape.length - 1), reverse: d.flag(), product: d.flag() };
  const terms = shape[attrs.axis]!;
  return {
    ins: [{ dtype: floats(d), shape }],
    attrs,
    ...(attrs.product ? { fill: [[-1.1, 1.1]] } : { tolerance: 4 * ofTerms(terms) }),
  };
};
const recur: Generator = (d) => {
  const type: TensorType = { dtype: floats(d), shape: d.sizes(d.int(1, 3), 8000) };
  return { ins: [type, type], attrs: { axis: d.int(0, type.shape.length - 1), reverse: d.flag() }, fill: [[-1, 1], 'normal'] };
};
const takeAlong: Generator = (d) => {
  const x = d.sizes(d.int(1, 3), 6000, false);
  const axis = d.int(0, x.length - 1);
  const at = x.map((n, i) => (i === axis ? d.int(0, 60) : n));
  const dtype = d.pick<DType>('f32', 'f32', 'f64', 'u8', 'i32');
  const fill: FillOf = dtype === 'u8' || dtype === 'i32' ? [0, 99] : 'normal';
  return { ins: [{ dtype, shape: x }, index(d, x[axis]!, ...at)], attrs: { axis }, fill: [fill, [0, x[axis]!]] };
};
const putAlong: Generator = (d) => {
  const shape = d.sizes(d.int(1, 3), 6000);
  const size = d.size(60);
  const attrs = { axis: d.int(0, shape.length - 1), size, last: d.flag() };
  return { ins: [{ dtype: floats(d), shape }, index(d, size, ...shape)], attrs, fill: ['normal', [0, size]], tolerance: 1e-4 };
};
/** Rows, of which some have equal elements. */
const sorted = (d: Draw): Pick<Case, 'ins' | 'fill'> => {
  const shape = [...d.sizes(d.int(0, 2), 12), d.rarely(6) ? d.pick(2047, 2049, 5000) : d.size(300)];
  const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => d.rarely(3) ? (i * 7919) % 11 : Math.sin(i)); // biome-ignore format: one line
  return { ins: [{ dtype: floats(d), shape }], fill: [d.flag() ? 'normal' : { exactly: values }] };
};
const sort: Generator = (d) => ({ ...sorted(d), attrs: { descending: d.flag() } });
const topK: Generator = (d) => {
  const made = sorted(d);
  return { ...made, attrs: { descending: d.flag(), k: d.int(0, Math.min(made.ins[0]!.shape.at(-1)!, d.pick(5, 140, 400))) } };
};

// ---- sequences without places ------------------------------------------------------------------------------------
const ctcLoss: Generator = (d) => {
  const [n, time, classes] = [d.int(1, 4), d.pick(0, d.size(20), d.size(90)), d.pick(2, 3, d.int(4, 70), 300)];
  const most = d.int(0, Math.min(50, time + 1));
  const blank = d.int(0, classes - 1);
  // Few classes: labels are often as the one before.
  const below = d.pick(2, classes);
  const labels = Array.from({ length: n * most }, () => (blank + d.int(1, Math.max(1, Math.min(below, classes) - 1))) % classes);
  const lengths = (all: number): FillOf => ({ exactly: Array.from({ length: n }, () => (d.flag() ? all : d.int(0, all))) });
  return {
    ins: [f32(n, time, classes), index(d, classes, n, most), i32(n), i32(n)],
    attrs: { blank, zeroInfinity: d.flag() },
    fill: [d.pick<FillOf>('normal', [-4, 0], [-90, 0]), { exactly: labels }, lengths(time), lengths(most)],
    tolerance: 4e-6,
  };
};
const ctcLossGrad: Generator = (d) => {
  const { ins, fill = [], ...rest } = ctcLoss(d);
  return { ...rest, ins: [...ins, f64(ins[0]!.shape[0]!)], fill: [...fill, 'normal'], tolerance: 3e-5 };
};

// ---- numbers of lists --------------------------------------------------------------------------------------------
const sumSegments: Generator = (d) => {
  const counts = d.list(1, 20, () => d.int(0, 70));
  return { ins: [f64(counts.reduce((a, b) => a + b, 0))], attrs: { counts } };
};
const greedyBudget: Generator = (d): Case => ({
  ins: [f64(d.size(60)), f64()],
  attrs: {},
  fill: [
    [0.1, 1],
    [0.5, 4],
  ],
});

export const ROWS_CASES: Readonly<Record<string, Generator>> = {
  ...{ sum, mean: sum, max: extreme, min: extreme, shift: extreme, argmax },
  ...{ scan, recur, takeAlong, putAlong, sort, topK, ctcLoss, ctcLossGrad },
  ...{ softmax, logSoftmax: softmax, softmaxGrad, logSoftmaxGrad: softmaxGrad },
  ...{ gather, scatterAdd, scatterRows: keptRows, lookupRows: keptRows, oneHot, windows, takeRows, putRows, indices },
  ...{ embeddingBag, embeddingBagGrad, sumSegments, greedyBudget },
};
