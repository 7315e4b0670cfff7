// rows-of-step.ts: rows of a table that the micro-batches of a step looked up, one beside the other, and those of other processes: sums of them are
// never as large as the table. Kernels: rows_of_step.h.
import { ShapeError } from '../../errors.ts';
import { type Graph, inSection, type State, type Tensor } from '../../ir/graph.ts';
import { bytesOf, f32, i32, type OpDef, type RefArray, sameShape, type TensorType, typeName } from '../../ir/op.ts';
import { span } from '../shape/axes.ts';

export interface StepRowsAttrs {
  /** Rows of the table, which is also the id where nothing lies. */
  readonly rows: number;
}

/** Micro-batches of a step, places of each, elements of a row. */
function placesOf(op: string, rows: TensorType, ids: TensorType): number[] {
  const [micros = -1, most = -1] = ids.shape;
  if (rows.dtype !== 'f32' || ids.dtype !== 'i32' || ids.shape.length !== 2 || !sameShape(rows.shape.slice(0, 2), ids.shape)) {
    throw new ShapeError(
      `${op}: expected rows f32 [micros, most, ...] and ids i32 [micros, most], got ${typeName(rows)}, ${typeName(ids)}`,
    );
  }
  return [micros, most, span(rows.shape, 2)];
}

/**
 * Inputs: rows and ids of the micro-batches before, [micros, most, ...] and [micros, most], and those of this one as `lookupRows` gives them: no more
 * than `most` of them have an id. Outputs: rows and ids with these at the places of the micro-batch. The first of a step leaves none of the step before.
 */
export const KEEP_ROWS: OpDef<StepRowsAttrs> = {
  name: 'keepRows',
  infer([rows, ids, values, found]) {
    placesOf('keepRows', rows!, ids!);
    const [n = -1] = found!.shape;
    const own = f32(n, ...rows!.shape.slice(2));
    if (found!.dtype !== 'i32' || found!.shape.length !== 1 || values!.dtype !== 'f32' || !sameShape(values!.shape, own.shape)) {
      throw new ShapeError(`keepRows: expected ${typeName(own)} and i32[${n}], got ${typeName(values!)}, ${typeName(found!)}`);
    }
    return [rows!, ids!];
  },
  lower: ({ ins, attrs }) => ({
    ints: [...placesOf('keepRows', ins[0]!.type, ins[1]!.type), attrs.rows, ins[3]!.shape[0]!],
  }),
  cost: ({ ins }) => ({ flops: 0, bytes: 2 * bytesOf(ins[2]!.type) + bytesOf(ins[1]!.type) }),
  inplace: () => [
    [0, 0],
    [1, 1],
  ],
  ref([rows, ids], [before, idsBefore, values, found], { ins, attrs }, { micro }) {
    const [, most, row] = placesOf('keepRows', ins[0]!.type, ins[1]!.type) as [number, number, number];
    (rows as RefArray).set(before as RefArray);
    if (micro === 0) ids!.fill(attrs.rows);
    else (ids as RefArray).set(idsBefore as RefArray);
    for (let u = 0; u < most; u++) {
      const v = found![u] ?? -1;
      const known = v >= 0 && v < attrs.rows;
      ids![micro * most + u] = known ? v : attrs.rows;
      for (let c = 0; c < row && known; c++) rows![(micro * most + u) * row + c] = values![u * row + c]!;
    }
  },
  samples: () => [
    keepSample(1, 4, [3], 4, 9),
    keepSample(3, 5, [20], 9, 4),
    keepSample(2, 7, [2, 33], 5, 6),
    keepSample(2, 0, [5], 0, 3),
  ],
};
function keepSample(
  micros: number,
  most: number,
  row: number[],
  n: number,
  rows: number,
): ReturnType<typeof KEEP_ROWS.samples>[number] {
  return {
    ins: [f32(micros, most, ...row), i32(micros, most), f32(n, ...row), i32(n)],
    attrs: { rows },
    fill: ['normal', [0, rows + 1], 'normal', [-1, rows]],
    noGradient: true,
  };
}

/**
 * Rows and ids as the micro-batches of this process left them, and those of all processes of the group, each at its place: so what becomes of them does not
 * depend on who had which.
 */
export const SYNC_ROWS: OpDef<StepRowsAttrs> = {
  name: 'syncRows',
  infer([rows, ids]) {
    placesOf('syncRows', rows!, ids!);
    return [rows!, ids!];
  },
  lower: ({ ins, attrs }) => ({ ints: [...placesOf('syncRows', ins[0]!.type, ins[1]!.type), attrs.rows] }),
  cost: ({ ins: [rows, ids] }) => ({ flops: 0, bytes: 2 * (bytesOf(rows!.type) + bytesOf(ids!.type)) }),
  inplace: () => [
    [0, 0],
    [1, 1],
  ],
  ref([rows, ids], [before, idsBefore]) {
    (rows as RefArray).set(before as RefArray);
    (ids as RefArray).set(idsBefore as RefArray);
  },
  samples: () =>
    [
      [1, 4, 3, 9],
      [3, 5, 20, 4],
      [2, 0, 5, 3],
    ].map(([micros, most, row, rows]) => ({
      ins: [f32(micros!, most!, row!), i32(micros!, most!)],
      attrs: { rows: rows! },
      fill: ['normal', [0, rows! + 1]],
      noGradient: true,
    })),
};

/** Rows of a table and which they are: an id that is no row of the table stands where nothing lies. */
export interface StepRows<T> {
  readonly rows: T;
  readonly ids: T;
}

/**
 * The rows that the micro-batches of a step looked up in a table of `count` rows. Valid in the `apply` section.
 * @param states what is kept from one micro-batch to the next: places for as many rows as any of them has
 * @param shared other processes have some of the micro-batches
 */
export function rowsOfStep(
  graph: Graph,
  states: StepRows<State>,
  { rows: values, ids: found }: StepRows<Tensor>,
  count: number,
  shared: boolean,
): StepRows<Tensor> {
  const ins = [graph.state(states.rows), graph.state(states.ids), values, found];
  const kept = graph.add(KEEP_ROWS, ins, { rows: count }).outs;
  graph.assign(states.rows, kept[0]!, { always: true });
  graph.assign(states.ids, kept[1]!, { always: true });
  const [rows, ids] = shared ? inSection(graph, 'apply', () => graph.add(SYNC_ROWS, kept, { rows: count }).outs) : kept;
  return { rows: rows!, ids: ids! };
}
