// updates.ts: cases of what optimizers do to all parameters at once, and of what goes from one micro-batch to the next.
import { f32, f64, i32, type Sample, sizeOf, type TensorType, u8 } from '../../lib/ir/op.ts';
import type { Measuring, UpdateAttrs } from '../../lib/ops/update/update.ts';
import { UPDATES } from '../../lib/optim/list.ts';
import type { Case, Draw, FillOf, Generator } from './draw.ts';
import { ownChain } from './elementwise.ts';
import { staging, tensors } from './lists.ts';

// What keeps a gradient that is 0, and one whose rows are elsewhere, as the compiler needs it.
const STAGES = ['scale', 'limit', 'zeroNonFinite', 'sign', 'shrinkAbove', 'zeroBelow', 'soft', 'tanh', 'map'] as const;

/** A variant of a rule as one of its samples has it, with hyper-parameters and numbers of each tensor, on other tensors. */
const update = (op: (typeof UPDATES)[number]): Generator => {
  const samples = op.samples();
  return (d): Case => {
    const { ins, attrs, fill, tolerance } = d.pick(...samples) as Sample<UpdateAttrs>;
    const arrays = ins.findIndex((t) => t.dtype !== 'f32');
    const slots = arrays / attrs.count - 2;
    const each = ins.length > arrays + 1 && fill![arrays + 1] !== undefined && readsEach(op);
    const given = { slots, each, hyper: ins[arrays]!, fill: fill![arrays]! };
    return { ...around(d, given, { variant: attrs.variant }, JUMPS.has(op.name)), tolerance: Math.max(tolerance ?? 0, 1e-4) };
  };
};
/** A chain that is drawn. */
const own: Generator = (d) => {
  const slots = d.int(0, 4);
  const chain = ownChain(d, 2 + slots, 1 + slots);
  return around(d, { slots, each: false, hyper: f64(chain.given), fill: [-2, 2] }, { variant: slots, chain }, true);
};
/** An update with all that may stand around it. */
function around(
  d: Draw,
  { slots, each, hyper, fill }: { slots: number; each: boolean; hyper: TensorType; fill: FillOf },
  particular: object,
  bitsOnly: boolean,
): Case {
  const shapes = tensors(d, 5);
  const count = shapes.length;
  const sparse = shapes.map((s) => s.length > 0 && s.every((n) => n > 0) && d.rarely(4));
  const kept = shapes.map((s, t) => (sparse[t] ? d.int(1, s[0]!) : 0));
  const { stages, ins: operands, fill: fills, jumps } = staging(d, shapes, 0, STAGES);
  const finish = d.rarely(3) ? { bounded: d.flag(), masked: shapes.map(() => d.flag()) } : null;
  const bounds = finish?.bounded ? [f64(count), f64(count)] : [];
  const masked = shapes.filter((_, t) => finish?.masked[t]);
  const rows = kept.map((n, t) => (sparse[t] ? [n, ...shapes[t]!.slice(1)] : shapes[t]!));
  const at = shapes.flatMap((s, t): [TensorType, FillOf][] => (sparse[t] ? [[i32(s[0]!), [-1, kept[t]!]]] : []));
  const all = (list: readonly (readonly number[])[]): TensorType[] => list.map((s) => f32(...s));
  const given: (readonly [TensorType, FillOf])[] = [
    ...[...all(shapes), ...all(rows)].map((t) => [t, 'normal'] as const),
    ...Array.from({ length: slots }, () => all(shapes).map((t) => [t, 'positive'] as const)).flat(),
    [hyper, fill],
    ...(each ? [[f64(count), [0.1, 0.9]] as const] : []),
    ...operands.map((t, i) => [t, fills[i]!] as const),
    ...bounds.map((t, i) => [t, (i === 0 ? [-0.5, 0] : [0.1, 0.9]) as FillOf] as const),
    ...masked.map((s) => [u8(...s), [0, 2]] as const),
    ...at,
  ];
  const measure = d.pick<Measuring>(false, 'after', 'all');
  return {
    ins: given.map(([t]) => t),
    attrs: { ...particular, count, sparse, stages, measure, ...(finish && { finish }) },
    fill: given.map(([, f]) => f),
    bitsOnly: bitsOnly || jumps || (measure !== false && stages.some(({ kind }) => NEAR.has(kind))),
  };
}
const readsEach = (op: (typeof UPDATES)[number]): boolean => {
  const [{ ins }] = op.samples() as [Sample<UpdateAttrs>];
  return ins.at(-1)!.dtype === 'f64' && ins.at(-1)!.shape[0] === 1 && ins.at(-2)!.dtype === 'f64';
};
// The sign of a sum or of a difference, and a threshold on one.
const JUMPS: ReadonlySet<string> = new Set(['update_lion', 'update_spam', 'update_acclip', 'update_yogi']);

// What they make of a small element rounds to the element itself, which then did not change.
const NEAR: ReadonlySet<string> = new Set(['soft', 'tanh']);

const two = (dtypes: readonly TensorType['dtype'][]): Generator => {
  return (d: Draw) => {
    const t: TensorType = { dtype: d.pick(...dtypes), shape: d.sizes(d.int(0, 3), 9000) };
    const fill: FillOf = t.dtype === 'i32' || t.dtype === 'u8' ? [0, 99] : 'normal';
    return { ins: [t, t], attrs: {}, fill: [fill, fill] };
  };
};

/** Partial sums, the next value, and a divisor or none. */
const accumulate: Generator = (d) => {
  const dtype = d.pick<'f32' | 'f64'>('f32', 'f64');
  const shape = d.sizes(d.int(0, 3), 9000);
  const divided = d.flag();
  return {
    ins: [{ dtype, shape: [d.int(1, 4), ...shape] }, { dtype, shape }, ...(divided ? [f64()] : [])],
    attrs: { rounded: dtype === 'f32' && d.flag() },
    fill: ['normal', 'normal', ...(divided ? (['positive'] as const) : [])],
  };
};

/** What travels together and what in pieces: numbers of both kinds, and nothing at all. */
const sync: Generator = (d) => {
  const tensors = d.list(1, 5, (): TensorType => ({ dtype: d.pick('f32', 'f64'), shape: d.sizes(d.int(0, 3), 40_000) }));
  // Some are divided by one of two scalars, which come first, since what has begun is divided by what began before.
  const ins = [f64(), f64(), ...tensors];
  const begun = ins.map((_, k) => k < 2 || d.flag());
  const by = ins.map((_, k) => (k < 2 ? -1 : d.pick(-1, 0, 1)));
  const rounded = ins.map((t) => t.dtype === 'f32' && d.flag());
  return {
    ins,
    attrs: { by, begun, rounded, part: ins.map((t) => t.dtype === 'f32' && d.flag()) },
    fill: ins.map((_, k): FillOf => (k < 2 ? d.pick<FillOf>([0.5, 3], [0, 0]) : 'normal')),
  };
};
const syncBegin: Generator = (d) => {
  const x: TensorType = { dtype: d.pick('f32', 'f64'), shape: d.sizes(d.int(0, 3), 40_000) };
  const ins = [x, i32(), ...(d.flag() ? [f64()] : [])];
  return {
    ins,
    attrs: { rounded: x.dtype === 'f32' && d.flag(), part: x.dtype === 'f32' && d.flag() },
    fill: ins.map((t): FillOf => (t.dtype === 'i32' ? [0, 9] : [0.5, 3])),
  };
};

/** Rows of a table at the places of their micro-batches. */
const stepRows = (d: Draw): { micros: number; most: number; row: number[]; rows: number } => ({
  micros: d.int(1, 9),
  most: d.int(0, 40),
  row: d.sizes(d.int(0, 2), 200),
  rows: d.int(1, 60),
});
const keepRows: Generator = (d) => {
  const { micros, most, row, rows } = stepRows(d);
  // Those in use come first, as many as there are places at most.
  const n = d.int(0, 60);
  const used = d.int(0, Math.min(n, most));
  const ids = Array.from({ length: n }, (_, u) => (u < used ? d.int(0, rows - 1) : -1));
  const ins = [f32(micros, most, ...row), i32(micros, most), f32(n, ...row), i32(n)];
  return { ins, attrs: { rows }, fill: ['normal', [0, rows + 1], 'normal', { exactly: ids }] };
};
const syncRows: Generator = (d) => {
  const { micros, most, row, rows } = stepRows(d);
  return { ins: [f32(micros, most, ...row), i32(micros, most)], attrs: { rows }, fill: ['normal', [0, rows + 1]] };
};

/** Of a group of one, who has all parts. */
const allGather: Generator = (d) => {
  const wholes = d.list(1, 5, (): TensorType => f32(...d.sizes(d.int(0, 3), 40_000)));
  const parts = wholes.map((t): TensorType => f32(sizeOf(t.shape)));
  return { ins: [...wholes, ...parts], attrs: { rank: 0, size: 1 }, fill: [...wholes, ...parts].map((): FillOf => 'normal') };
};

export const UPDATE_CASES: Readonly<Record<string, Generator>> = {
  ...Object.fromEntries(UPDATES.map((op) => [op.name, update(op)])),
  update_chain: own,
  accumulate,
  sync,
  allGather,
  syncBegin,
  keepRows,
  syncRows,
  carry: two(['f32', 'f64', 'i32', 'u8']),
  leave: two(['f32', 'f64', 'i32', 'u8']),
  // Neither a flag of 0 nor any place of what is to blame ends the run.
  fail_if: () => ({ ins: [f64(), f64()], attrs: {}, fill: [{ exactly: [0] }, 'normal'] }),
};
