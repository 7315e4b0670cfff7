// columns.ts: what a program is given anew in each applied step: hyper-parameters, thresholds, and whatever else follows a schedule.
import type { Column } from '../../compile/program.ts';
import { GraphError } from '../../errors.ts';
import type { Graph, Tensor } from '../../ir/graph.ts';
import { sizeOf } from '../../ir/op.ts';

/** Writes the values of a step. */
export type FillColumn = (step: number, out: Float64Array) => void;

/** The columns of a graph's step row, and how they are filled. */
export class StepColumns {
  readonly #graph: Graph;
  readonly #columns: { readonly name: string; readonly fill: FillColumn; readonly room: Float64Array }[] = [];

  #rows: Float64Array<ArrayBuffer> = new Float64Array(0);

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  /** A new f64 input of the graph with values of its own in each step. @throws GraphError for a name that is taken */
  of(name: string, shape: readonly number[], fill: FillColumn): Tensor {
    if (this.#columns.some((c) => c.name === name)) throw new GraphError(`column ${name}: made twice`, { name });
    // What `fill` leaves out is seen at once.
    this.#columns.push({ name, fill, room: new Float64Array(sizeOf(shape)).fill(Number.NaN) });
    return this.#graph.input(name, { dtype: 'f64', shape }, 'step');
  }

  /**
   * Rows for `count` steps from `step` on. To be used before the next call: a run copies them.
   * @param row `step` of the compiled program
   */
  rows(row: { readonly bytes: number; readonly columns: readonly Column[] }, step: number, count: number): Float64Array {
    const length = (row.bytes * count) / 8;
    if (this.#rows.length !== length) this.#rows = new Float64Array(length);
    const rows = this.#rows.fill(0);
    for (const { name, fill, room } of this.#columns) {
      const at = row.columns.find((c) => c.name === name)?.offset;
      if (at === undefined) continue;
      for (let k = 0; k < count; k++) {
        fill(step + k, room);
        const start = (k * row.bytes + at) / 8;
        for (let i = 0; i < room.length; i++) rows[start + i] = room[i]!;
      }
    }
    return rows;
  }
}
