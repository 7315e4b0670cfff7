// statistics.ts: sums of squares, of abs, of powers and the largest abs, for a whole list of tensors in one instruction. Kernel: statistics.h.
import { DTypeError, GraphError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import { bytesOf, f32, f64, type OpDef, type RefArray, type Sample, sizeOf, typeName } from '../../ir/op.ts';
import { pow } from '../../math/index.ts';
import { abs, add, cast, equal, mul, sign } from '../elementwise/elementwise.ts';
import { reshape } from '../shape/shape.ts';
import { slice } from '../shape/slice.ts';
import {
  applyStages,
  checkStages,
  type Stage,
  type StageAttrs,
  segments,
  splitStages,
  stageInts,
  stageOperands,
} from './stage.ts';

/** `sumPow` sums (|x| / max)^p, so that no power overflows; the others are what they say. */
export type StatisticKind = 'sumSquares' | 'sumAbs' | 'maxAbs' | 'sumPow';
export const KINDS: readonly StatisticKind[] = ['sumSquares', 'sumAbs', 'maxAbs', 'sumPow'];
const MAXIMA = ['none', 'one', 'each'] as const;
// Elements in one partial sum. The kernel's kBlock.
export const BLOCK = 4096;

export interface StatisticAttrs {
  readonly kind: StatisticKind;
  /** Of `sumPow`: the power, and whether there is one maximum for all tensors or one each. */
  readonly p: number;
  readonly max: (typeof MAXIMA)[number];
  readonly stages: readonly StageAttrs[];
  /** Which inputs are f64 partial sums, made by the instruction that wrote the tensor, in place of the tensor. */
  readonly ready: readonly boolean[];
}

/** How many there are, of all kinds. */
export const statisticInputs = ({ ready, max, stages }: StatisticAttrs): number =>
  ready.length + Number(max !== 'none') + stageOperands(stages);

/** Inputs: tensors, maximum, operands of the stages. */
function split<T>(
  ins: readonly T[],
  { max, stages }: StatisticAttrs,
): { xs: readonly T[]; largest: T | null; operands: readonly T[] } {
  const end = ins.length - stageOperands(stages);
  const count = end - (max === 'none' ? 0 : 1);
  return { xs: ins.slice(0, count), largest: max === 'none' ? null : (ins[count] as T), operands: ins.slice(end) };
}

export const STATISTIC: OpDef<StatisticAttrs> = {
  name: 'statistic',
  infer(ins, attrs) {
    const { xs, largest, operands } = split(ins, attrs);
    if (xs.length === 0) throw new ShapeError('statistic: expected at least one tensor, got none');
    if (attrs.ready.length !== xs.length) {
      throw new ShapeError(`statistic: expected ${xs.length} entries in ready, got ${attrs.ready.length}`);
    }
    if ((attrs.kind === 'sumPow') !== (attrs.max !== 'none') || (attrs.kind === 'sumPow' && !(attrs.p > 0))) {
      throw new ShapeError('statistic: expected a maximum and p > 0 for sumPow, and neither for the others');
    }
    xs.forEach((x, i) => {
      const expected = attrs.ready[i] ? 'f64' : 'f32';
      if (x.dtype !== expected) throw new DTypeError(`statistic: expected ${expected} for input ${i}, got ${x.dtype}`);
    });
    if (largest && (largest.dtype !== 'f64' || sizeOf(largest.shape) !== (attrs.max === 'each' ? xs.length : 1))) {
      throw new ShapeError(
        `statistic: expected f64[${attrs.max === 'each' ? xs.length : ''}] as maximum, got ${typeName(largest)}`,
      );
    }
    checkStages(
      'statistic',
      attrs.stages,
      operands,
      xs.map((x) => sizeOf(x.shape)),
    );
    return [f64(xs.length), f64(), f64(), f64()];
  },
  lower(node, context) {
    const { kind, p, max, stages, ready } = node.attrs;
    const sizes = split(node.ins, node.attrs).xs.map((x) => sizeOf(x.shape));
    const blocks = segments(
      sizes.map((n, i) => (ready[i] ? 0 : n)),
      BLOCK,
    );
    const head = [
      KINDS.indexOf(kind),
      sizes.length,
      MAXIMA.indexOf(max),
      stages.length,
      ...stageInts(stages, sizes.length, context),
    ];
    return { ints: [...head, ...ready.map(Number), ...sizes, ...blocks], floats: kind === 'sumPow' ? [p] : [] };
  },
  vjp: gradients,
  cost(node) {
    const elements = node.ins.reduce((n, t) => n + sizeOf(t.shape), 0);
    const each = node.attrs.kind === 'sumPow' ? 50 : 2;
    return { flops: elements * (each + node.attrs.stages.length), bytes: node.ins.reduce((n, t) => n + bytesOf(t.type), 0) };
  },
  ref(outs, ins, node, context) {
    const { kind, p, stages, ready } = node.attrs;
    const { xs, largest, operands } = split(ins, node.attrs);
    const [each, total, firstBad, badCount] = outs as [RefArray, RefArray, RefArray, RefArray];
    const join = (a: number, b: number): number => (kind === 'maxAbs' ? Math.max(a, b) : a + b);
    let all = 0;
    let first = -1;
    let count = 0;
    xs.forEach((x, i) => {
      const { values, bad } = ready[i] ? { values: Array.from(x), bad: false } : applyStages(stages, operands, i, x, context);
      const max = largest ? (largest[node.attrs.max === 'each' ? i : 0] as number) : 0;
      const term = ready[i] ? (v: number): number => v : TERMS[kind](p, max);
      const value = values.reduce((s, v) => join(s, term(v)), 0);
      each[i] = value;
      all = join(all, value);
      if (bad || !Number.isFinite(value)) {
        if (count++ === 0) first = i;
      }
    });
    total[0] = all;
    firstBad[0] = first;
    badCount[0] = count;
  },
  samples,
};

/** What an element adds. */
export const TERMS: Readonly<Record<StatisticKind, (p: number, max: number) => (v: number) => number>> = {
  sumSquares: () => (v) => v * v,
  sumAbs: () => Math.abs,
  maxAbs: () => Math.abs,
  sumPow: (p, max) => (v) => (max === 0 ? 0 : pow(Math.abs(v) / max, p)),
};

/** 2x of a sum of squares, sign(x) of a sum of abs; a maximum passes its gradient to every element that has it. */
function gradients(node: Node<StatisticAttrs>, [dEach, dTotal]: readonly (Tensor | null)[]): (Tensor | null)[] {
  const { kind, stages, ready } = node.attrs;
  if (kind === 'sumPow' || stages.length > 0 || ready.includes(true)) {
    throw new GraphError(
      `statistic: expected a plain sum of squares, sum of abs or maximum to differentiate, got ${kind} with stages`,
    );
  }
  const [each, total] = node.outs as readonly [Tensor, Tensor];
  const at = (t: Tensor, i: number): Tensor => reshape(slice(t, { axis: 0, start: i, end: i + 1 }), []);
  const of = (x: Tensor, value: Tensor, dy: Tensor): Tensor => {
    const g = cast(dy, 'f32');
    if (kind === 'sumSquares') return mul(mul(x, 2), g);
    const slope = mul(sign(x), g);
    return kind === 'sumAbs' ? slope : mul(slope, equal(abs(x), cast(value, 'f32')));
  };
  return node.ins.map((x, i) => {
    const one = dEach ? of(x, at(each, i), at(dEach, i)) : null;
    const all = dTotal ? of(x, total, dTotal) : null;
    return one && all ? add(one, all) : (one ?? all);
  });
}

function samples(): Sample<StatisticAttrs>[] {
  const plain = { p: 2, max: 'none', stages: [], ready: [false] } as const;
  const odd = [f32(1), f32(3, 5), f32(0), f32(4099)];
  const none = odd.map(() => false);
  const scales = {
    stages: [
      { kind: 'scale', at: 'each' },
      { kind: 'limit', at: 'one' },
      { kind: 'scale', at: 'one' },
    ],
    ready: none,
  } as const;
  return [
    { ins: [f32(1)], attrs: { ...plain, kind: 'sumSquares' } },
    { ins: [f32(31, 17)], attrs: { ...plain, kind: 'sumSquares' } },
    { ins: odd, attrs: { ...plain, kind: 'sumSquares', ready: none } },
    { ins: [f32(7), f64(3), f32(70)], attrs: { ...plain, kind: 'sumSquares', ready: [false, true, false] }, noGradient: true },
    { ins: odd, attrs: { ...plain, kind: 'sumAbs', ready: none }, noGradient: true },
    { ins: odd, attrs: { ...plain, kind: 'maxAbs', ready: none }, noGradient: true },
    {
      ins: [...odd, f64()],
      attrs: { ...plain, kind: 'sumPow', p: 3, max: 'one', ready: none },
      fill: [...odd.map(() => 'normal' as const), [1, 2]],
      noGradient: true,
    },
    {
      ins: [...odd, f64(4)],
      attrs: { ...plain, kind: 'sumPow', p: 0.5, max: 'each', ready: none },
      fill: [...odd.map(() => 'normal' as const), [1, 2]],
      noGradient: true,
    },
    {
      ins: [...odd, f64(4), f64(), f64(), f64()],
      attrs: { ...plain, kind: 'sumSquares', ...scales },
      fill: [...odd.map(() => 'normal' as const), [0, 2], [-1, 0], [0, 1], [0, 2]],
      noGradient: true,
    },
    {
      ins: odd,
      attrs: { ...plain, kind: 'maxAbs', stages: [{ kind: 'zeroNonFinite', at: 'one' }], ready: none },
      noGradient: true,
    },
  ];
}

export interface StatisticOptions {
  readonly kind: StatisticKind;
  /** The power of `sumPow`. */
  readonly p?: number;
  /** What `sumPow` divides by: the largest abs of all tensors (f64 []) or of each (f64 [n]). */
  readonly max?: Tensor;
  /** Measure what these make of the tensors. */
  readonly stages?: readonly Stage[];
}

/** Everything in f64. `total` is the sum (or the maximum) over all tensors. */
export interface Statistic {
  /** f64 [n], one value per tensor. */
  readonly each: Tensor;
  readonly total: Tensor;
  /** Index of the first tensor with a NaN or an infinity, -1 if there is none; and how many such tensors there are. */
  readonly firstBad: Tensor;
  readonly badCount: Tensor;
}

/** Measure a list of f32 tensors in one pass. Tensors without elements give 0; `maxAbs` passes a NaN on. */
export function statistic(xs: readonly TensorLike[], options: StatisticOptions): Statistic {
  const tensors = xs.map((x) => x.toTensor());
  const [first] = tensors;
  if (!first) throw new GraphError('statistic: expected at least one tensor, got none', { op: 'statistic' });
  const [only, ...others] = options.stages ?? [];
  if (only?.exact && others.length === 0 && options.kind !== 'sumPow') {
    // What writes a gradient can sum up its squares: better it is measured as it is, and the outcome scaled.
    const raw = statistic(xs, { ...options, stages: [] });
    const by = only.operands[0] as Tensor;
    const times = options.kind === 'sumSquares' ? mul(by, by) : by;
    return { ...raw, each: mul(raw.each, times), total: mul(raw.total, times) };
  }
  const { attrs: stages, ins } = splitStages(first.graph, options.stages ?? []);
  const max = options.max ? (options.max.shape.length === 0 ? 'one' : 'each') : 'none';
  const node = first.graph.add(STATISTIC, [...tensors, ...(options.max ? [options.max] : []), ...ins], {
    kind: options.kind,
    p: options.p ?? 2,
    max,
    stages,
    ready: tensors.map(() => false),
  });
  const [each, total, firstBad, badCount] = node.outs as readonly [Tensor, Tensor, Tensor, Tensor];
  return { each, total, firstBad, badCount };
}

/** The sum of the squares of all elements, an f64 scalar accumulated in f64: finite for every finite f32 tensor. */
export function sumSquares(x: TensorLike): Tensor {
  return statistic([x], { kind: 'sumSquares' }).total;
}

/** The largest absolute value, an f64 scalar; NaN if an element is NaN, 0 without elements. Every element that has it gets the gradient. */
export function maxAbs(x: TensorLike): Tensor {
  return statistic([x], { kind: 'maxAbs' }).total;
}
