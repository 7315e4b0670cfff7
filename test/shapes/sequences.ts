// sequences.ts: cases of ops on sequences: attention, rotary positions, recurrent ops; and of the norms between them.
import { f32, f64, i32, sizeOf, type TensorType, u8 } from '../../lib/ir/op.ts';
import { sumsOf } from '../../lib/ops/norm/normalize.ts';
import { FILLS } from '../../lib/ops/recurrent/recurrent.ts';
import type { Case, Draw, FillOf, Generator } from './draw.ts';

// ---- attention ---------------------------------------------------------------------------------------------------
interface Attention {
  readonly tensors: TensorType[];
  readonly o: TensorType;
  readonly statistics: TensorType;
  readonly mask: TensorType[];
  readonly attrs: { readonly bf16?: boolean };
}
function attended(d: Draw): Attention {
  const layout = d.pick('heads', 'rows', 'kv', 'qkv');
  const kv = d.int(1, 3);
  const heads = kv * d.pick(1, 1, 2);
  const b = d.int(1, 3);
  const dim = d.size(70);
  const most = Math.max(1, Math.floor(Math.sqrt(2e6 / (b * heads * dim))));
  const t = d.size(Math.min(200, most));
  const s = layout === 'qkv' ? t : d.size(Math.min(200, most));
  const tensors = {
    heads: [f32(b, heads, t, dim), f32(b, kv, s, dim), f32(b, kv, s, dim)],
    rows: [f32(b, t, heads * dim), f32(b, s, kv * dim), f32(b, s, kv * dim)],
    kv: [f32(b, t, heads * dim), f32(b, s, 2 * kv * dim)],
    qkv: [f32(b, t, (heads + 2 * kv) * dim)],
  }[layout];
  const whole = [b, heads, t].map((size) => (d.flag() ? size : 1));
  const mask = d.rarely(3) ? [(d.flag() ? f32 : u8)(...whole.slice(d.int(0, 2)), s)] : [];
  const attrs = {
    ...{ layout, heads, kvHeads: kv, causal: d.flag(), mask: mask.length > 0 },
    ...{ scale: 1 / Math.sqrt(dim), rate: d.rarely(3) ? 0.3 : 0, key: 3 },
    ...(d.flag() && { bf16: true }),
  };
  const o = layout === 'heads' ? f32(b, heads, t, dim) : f32(b, t, heads * dim);
  return { tensors, o, statistics: f32(b * heads, 2, t), mask, attrs };
}
/** In bf16 a weight may be rounded the other way than in `ref`, whose scores differ in their last bit. */
const toleranceOf = ({ bf16 }: { readonly bf16?: boolean }): number => (bf16 ? 0.02 : 1e-4);
const maskFill = ({ mask }: Attention, f: FillOf): FillOf[] => mask.map((m) => (m.dtype === 'u8' ? [0, 4] : f));

const attention: Generator = (d) => {
  const a = attended(d);
  const fill = [...a.tensors.map((): FillOf => 'normal'), ...maskFill(a, 'normal')];
  return { ins: [...a.tensors, ...a.mask], attrs: a.attrs, fill, tolerance: toleranceOf(a.attrs) };
};
const attentionGrad: Generator = (d) => {
  const a = attended(d);
  // Any statistics will do, as long as no score lies far above the largest.
  const fill: FillOf[] = ['normal', [4, 5], 'normal', ...a.tensors.map((): FillOf => [-1, 1]), ...maskFill(a, [-1, 1])];
  return { ins: [a.o, a.statistics, a.o, ...a.tensors, ...a.mask], attrs: a.attrs, fill, tolerance: toleranceOf(a.attrs) };
};
/** A cache [batch, rows, width], so many tokens, and positions that leave room for them. */
function cached(d: Draw): { cache: TensorType; batch: number; time: number; width: number; kv: number; positions: FillOf } {
  const [batch, kv, rows] = [d.int(1, 3), d.int(1, 3), d.size(200)];
  const time = d.flag() ? 1 : d.int(0, rows);
  const width = kv * d.size(70);
  return { cache: f32(batch, rows, width), batch, time, width, kv, positions: [0, rows - time + 1] };
}
const appendRows: Generator = (d) => {
  const { cache, batch, time, width, positions } = cached(d);
  const from = d.int(0, 20);
  const x = f32(batch, time, from + width + d.int(0, 20));
  return { ins: [cache, x, i32(batch)], attrs: { from }, fill: ['normal', 'normal', positions] };
};
const cachedAttention: Generator = (d) => {
  const { cache, batch, time, width, kv, positions } = cached(d);
  const heads = kv * d.pick(1, 1, 2);
  const dim = width / kv;
  const attrs = { heads, kvHeads: kv, scale: 1 / Math.sqrt(dim), ...(d.flag() && { bf16: true }) };
  const fill: FillOf[] = ['normal', 'normal', 'normal', positions];
  const ins = [f32(batch, time, heads * dim + d.int(0, 9)), cache, cache, i32(batch)];
  return { ins, attrs, fill, tolerance: toleranceOf(attrs) };
};
const rotary: Generator = (d) => {
  const [heads, dim, t] = [d.int(1, 4), 2 * d.size(40), d.size(60)];
  // A table of fewer dims than a head has turns the first of them.
  const x = f32(...d.sizes(d.int(0, 1), 4), t, heads * dim);
  const attrs = { heads, interleaved: d.flag(), back: d.flag() };
  return { ins: [x, f32(t, 2 * d.int(1, dim / 2))], attrs };
};

// ---- recurrent ops -----------------------------------------------------------------------------------------------
interface Recurrence {
  readonly hs: TensorType;
  readonly row: TensorType;
  readonly steps: number;
  readonly hidden: number;
  readonly gated: (gates: number) => { z: TensorType; w: TensorType };
  readonly lengths: TensorType[];
  readonly attrs: { reverse: boolean; lengths: boolean; bf16: boolean };
  readonly tolerance: number;
}
function recurrence(d: Draw): Recurrence {
  const hidden = d.size(d.pick(20, 70, 140));
  const [batch, steps] = [d.size(d.pick(8, 70)), d.rarely(20) ? 0 : d.int(1, 5)];
  const attrs = { reverse: d.flag(), lengths: d.rarely(2), bf16: d.rarely(2) };
  // A number between two of bf16 may have been rounded to either, and to the other one in f64.
  const tolerance = attrs.bf16 ? 1e-2 : 1e-4;
  const gated = (gates: number) => ({ z: f32(batch, steps, gates * hidden), w: f32(gates * hidden, hidden) });
  const lengths = attrs.lengths ? [i32(batch)] : [];
  return { hs: f32(batch, steps, hidden), row: f32(batch, hidden), steps, hidden, gated, lengths, attrs, tolerance };
}
const recurrent = (
  gates: number,
  more: (d: Draw, r: Recurrence) => { ins: TensorType[]; attrs?: object },
  rows: number,
): Generator => {
  return (d): Case => {
    const r = recurrence(d);
    const { z, w } = r.gated(gates);
    const { ins, attrs } = more(d, r);
    const weight = FILLS.weight(r.hidden);
    const states: FillOf[] = Array.from({ length: rows }, () => FILLS.state);
    const fill: FillOf[] = ['normal', ...states, weight, ...ins.map((): FillOf => [-1, 1]), FILLS.lengths(r.steps)];
    const all = [z, ...Array.from({ length: rows }, () => r.row), w, ...ins, ...r.lengths];
    return { ins: all, attrs: { ...r.attrs, ...attrs }, fill: fill.slice(0, all.length), tolerance: r.tolerance };
  };
};
const nonlinearity = (d: Draw): object => ({ nonlinearity: d.pick('tanh', 'relu') });

/** The gradients that reach the outputs; at least one does. */
function reached(d: Draw, { hs, row }: Recurrence, cell: boolean): { grads: TensorType[]; attrs: object } {
  const [states, last, ofCell] = [d.flag(), d.flag(), cell && d.flag()];
  const on = states || last || ofCell ? states : true;
  const grads = [...(on ? [hs] : []), ...(last ? [row] : []), ...(ofCell ? [row] : [])];
  return { grads, attrs: { states: on, last, ...(cell && { cell: ofCell }) } };
}
/** hs, one or two rows, whh, then `kept` that the forward pass kept, then gradients. */
const backward = (
  gates: number,
  cell: boolean,
  kept: (r: Recurrence) => readonly (readonly [TensorType, FillOf])[],
): Generator => {
  return (d): Case => {
    const r = recurrence(d);
    const { grads, attrs } = reached(d, r, cell);
    const of = kept(r);
    const rows = cell ? [r.row, r.row] : [r.row];
    const ins = [r.hs, ...rows, r.gated(gates).w, ...of.map(([t]) => t), ...grads, ...r.lengths];
    const fill: FillOf[] = [
      ...[[-1, 1] as const, ...rows.map((): FillOf => [-1, 1]), FILLS.weight(r.hidden), ...of.map(([, f]) => f)],
      ...grads.map((): FillOf => 'normal'),
      FILLS.lengths(r.steps),
    ];
    const plain = gates === 1 ? nonlinearity(d) : {};
    return { ins, attrs: { ...r.attrs, ...attrs, ...plain }, fill: fill.slice(0, ins.length), tolerance: r.tolerance };
  };
};

// ---- norms -------------------------------------------------------------------------------------------------------
/** [batch, channels, ...space]: few channels of many elements, or the other way round. */
function normalized(d: Draw): { x: TensorType; line: TensorType } {
  const shape = d.flag() ? [d.size(1100), d.size(40)] : [d.size(70), d.size(20), ...d.sizes(d.int(1, 2), 400, false)];
  while (shape.reduce((a, b) => a * b, 1) > 40_000) shape[shape.indexOf(Math.max(...shape))] = d.int(1, 20);
  return { x: f32(...shape), line: f32(shape[1]!) };
}
const batchNorm: Generator = (d) => {
  const { x, line } = normalized(d);
  const [affine, sum, relu] = [d.flag(), d.rarely(3), d.rarely(3)];
  const ins = [x, ...(affine ? [line, line] : []), ...(sum ? [x] : [])];
  // One element has no variance: then all is 1 / sqrt(eps) of nothing.
  return { ins, attrs: { eps: 1e-5, affine, sum, relu }, tolerance: 1e-3 };
};
const batchNormGrad: Generator = (d) => {
  const { x, line } = normalized(d);
  const [affine, mask] = [d.flag(), d.pick('all', 'own', 'output')];
  const channels = f64(x.shape[1]!);
  const ins = [x, channels, channels, x, ...(affine ? [line, line] : []), ...(mask === 'output' ? [x] : [])];
  const fill: FillOf[] = ['normal', [-0.1, 0.1], [0.5, 1.5], 'normal'];
  return { ins, attrs: { eps: 1e-5, affine, mask }, fill, tolerance: 1e-3, bitsOnly: mask === 'own' };
};
const batchStatistics: Generator = (d) => {
  const [batch, channels, space] = [d.size(70), d.size(70), d.int(64, 300)];
  return {
    ins: [f64(batch, 3, channels)],
    attrs: { space },
    fill: [{ exactly: sumsOf(batch, channels, space) }],
    tolerance: 1e-6,
  };
};
const normalize: Generator = (d) => {
  const x = f32(d.size(20), d.size(40), d.int(8, 20), d.int(8, 20));
  const [statistics, line] = [f64(x.shape[1]!), f32(x.shape[1]!)];
  const [affine, sum, relu] = [d.flag(), d.flag(), d.flag()];
  const ins = [x, statistics, statistics, ...(affine ? [line, line] : []), ...(sum ? [x] : [])];
  return { ins, attrs: { eps: 1e-5, affine, sum, relu }, fill: ['normal', [-0.1, 0.1], [0.5, 1.5]], tolerance: 1e-3 };
};
interface Lines {
  readonly x: TensorType;
  readonly row: TensorType;
  readonly rows: readonly number[];
  readonly attrs: { dims: number; eps: number; weight: boolean; bias: boolean };
}
function lines(d: Draw): Lines {
  const row = d.sizes(d.int(1, 2), 700, false);
  const rows = d.sizes(d.int(0, 2), 150);
  return {
    x: f32(...rows, ...row),
    row: f32(...row),
    rows,
    attrs: { dims: row.length, eps: 1e-5, weight: d.flag(), bias: d.flag() },
  };
}
const rowNorm: Generator = (d) => {
  const { x, row, attrs } = lines(d);
  return { ins: [x, ...(attrs.weight ? [row] : []), ...(attrs.bias ? [row] : [])], attrs, tolerance: 1e-4 };
};
const rowNormGrad = (each: readonly number[]): Generator => {
  return (d) => {
    const { x, row, rows, attrs } = lines(d);
    const ins = [x, f32(sizeOf(rows), ...each), x, ...(attrs.weight ? [row] : [])];
    return { ins, attrs, fill: ['normal', [0.5, 1.5], 'normal'], tolerance: 1e-3 };
  };
};

export const SEQUENCE_CASES: Readonly<Record<string, Generator>> = {
  ...{ attention, attentionGrad, appendRows, cachedAttention, rotary, batchNorm, batchNormGrad, batchStatistics, normalize },
  ...{ layerNorm: rowNorm, rmsNorm: rowNorm, layerNormGrad: rowNormGrad([3]), rmsNormGrad: rowNormGrad([]) },
  rnn: recurrent(1, (d) => ({ ins: [], attrs: nonlinearity(d) }), 1),
  lstm: recurrent(4, () => ({ ins: [] }), 2),
  gru: recurrent(3, (_, { hidden }) => ({ ins: [f32(3 * hidden)] }), 1),
  rnnGrad: backward(1, false, () => []),
  lstmGrad: backward(4, true, (r) => [
    [r.gated(4).z, [0.05, 0.95]],
    [r.hs, 'normal'],
  ]),
  gruGrad: backward(3, false, (r) => [
    [r.gated(3).z, [0.05, 0.95]],
    [r.hs, 'normal'],
  ]),
};
