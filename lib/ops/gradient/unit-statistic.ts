// unit-statistic.ts: one f64 number per row or column of each tensor of a list: sums, sums of squares, of abs, the largest abs. Kernel:
// unit_statistic.h.
import { DTypeError, GraphError, ShapeError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { bytesOf, f32, f64, type OpDef, type RefArray, type Sample, sizeOf } from '../../ir/op.ts';
import { choice, list, options, signature } from '../../options/index.ts';
import { tensor } from '../args.ts';
import { AXES, type UnitAxis } from './axis.ts';
import {
  applyStages,
  checkStages,
  type Stage,
  type StageAttrs,
  splitStages,
  stageField,
  stageInts,
  stageOperands,
  type Units,
  unitsOf,
} from './stage.ts';

const KINDS = ['sum', 'sumAbs', 'sumSquares', 'maxAbs'] as const;
export type UnitKind = (typeof KINDS)[number];

export interface UnitStatisticAttrs {
  readonly kind: UnitKind;
  readonly axis: UnitAxis;
  readonly stages: readonly StageAttrs[];
}

const shapesOf = (types: readonly { readonly shape: readonly number[] }[]): (readonly number[])[] => types.map((t) => t.shape);

export const UNIT_STATISTIC: OpDef<UnitStatisticAttrs> = {
  name: 'unitStatistic',
  infer(ins, { axis, stages }) {
    const count = ins.length - stageOperands(stages);
    if (count < 1) throw new ShapeError('unitStatistic: expected at least one tensor, got none');
    const xs = ins.slice(0, count);
    for (const x of xs) if (x.dtype !== 'f32') throw new DTypeError(`unitStatistic: expected f32, got ${x.dtype}`);
    checkStages(
      'unitStatistic',
      stages,
      ins.slice(count),
      xs.map((x) => sizeOf(x.shape)),
    );
    return [f64(unitsOf(shapesOf(xs), axis).total)];
  },
  lower({ ins, attrs: { kind, axis, stages } }, context) {
    const xs = ins.slice(0, ins.length - stageOperands(stages));
    const { at, unit, total } = unitsOf(shapesOf(xs), axis);
    const head = [
      KINDS.indexOf(kind),
      axis === 'columns' ? 1 : 0,
      xs.length,
      stages.length,
      ...stageInts(stages, xs.length, context),
    ];
    return { ints: [...head, ...xs.map((x) => sizeOf(x.shape)), ...unit, ...at, total] };
  },
  cost({ ins, attrs: { stages } }) {
    const elements = ins.reduce((n, t) => n + sizeOf(t.shape), 0);
    return { flops: elements * (2 + stages.length), bytes: ins.reduce((n, t) => n + bytesOf(t.type), 0) };
  },
  ref([out], ins, node, context) {
    const { kind, axis, stages } = node.attrs;
    const count = ins.length - stageOperands(stages);
    const { at, unit } = unitsOf(shapesOf(node.ins.slice(0, count)), axis);
    const y = out as RefArray;
    y.fill(0);
    for (let t = 0; t < count; t++) {
      const { values } = applyStages(stages, ins.slice(count), t, ins[t] as RefArray, context);
      for (const [i, v] of values.entries()) {
        const u = at[t]! + (axis === 'columns' ? i % unit[t]! : Math.floor(i / unit[t]!));
        y[u] = kind === 'maxAbs' ? Math.max(y[u]!, Math.abs(v)) : y[u]! + TERMS[kind](v);
      }
    }
  },
  samples,
};

const TERMS: Readonly<Record<Exclude<UnitKind, 'maxAbs'>, (v: number) => number>> = {
  sum: (v) => v,
  sumAbs: Math.abs,
  sumSquares: (v) => v * v,
};

function samples(): Sample<UnitStatisticAttrs>[] {
  const shapes = [[1], [33, 70], [0], [5, 3, 2], [2100], [40, 1], [3, 0], [0, 4], [2, 1100], [], [700, 300]];
  const xs = shapes.map((s) => f32(...s));
  const stages: StageAttrs[] = [
    { kind: 'scale', at: 'each' },
    { kind: 'limit', at: 'one' },
  ];
  const fill = [...xs.map(() => 'normal' as const), [0.5, 2], [-1, 0], [0, 1]] as const;
  return AXES.flatMap((axis): Sample<UnitStatisticAttrs>[] => [
    ...KINDS.map((kind) => ({ ins: xs, attrs: { kind, axis, stages: [] }, noGradient: true })),
    { ins: [...xs, f64(xs.length), f64(), f64()], attrs: { kind: 'sumSquares', axis, stages }, fill, noGradient: true },
  ]);
}

/** Options of `clip.parts.unitStatistic`. */
export interface UnitStatisticOptions {
  /** What is made of each row or column. */
  readonly kind: UnitKind;
  /** Rows (what has one index of dimension 0), columns, or whole tensors. */
  readonly axis: UnitAxis;
  /** Measure what these make of the tensors. Default: the tensors themselves. */
  readonly stages?: readonly Stage[];
}

const readUnitStatistic = signature(
  'clip.parts.unitStatistic',
  { xs: list(tensor) },
  options<UnitStatisticOptions>()({
    kind: choice(...KINDS),
    axis: choice(...AXES),
    stages: list(stageField).default([]),
  }),
);

/**
 * A number per row (what has one index of dimension 0), column, or whole tensor of each, in f64, numbered as `units`
 * says.
 * @shape xs [...], ... -> { each f64 [units.total], units }
 * @throws OptionError; GraphError without tensors
 */
export function unitStatistic(xs: readonly Tensor[], options: UnitStatisticOptions): { each: Tensor; units: Units } {
  const { kind, axis, stages } = readUnitStatistic(arguments);
  const [first] = xs;
  if (!first) throw new GraphError('unitStatistic: expected at least one tensor, got none', { op: 'unitStatistic' });
  const { attrs, ins } = splitStages(first.graph, stages);
  const each = first.graph.add(UNIT_STATISTIC, [...xs, ...ins], { kind, axis, stages: attrs }).out;
  return { each, units: unitsOf(shapesOf(xs), axis) };
}
