// embedded.ts: a network whose rows have columns of numbers of categories: each is a vector that it learns, beside the other columns.
import type { Tensor } from '../../ir/graph.ts';
import { Embedding } from '../../nn/layers/embedding.ts';
import type { Layer, Sequential } from '../../nn/layers/sequential.ts';
import { Module } from '../../nn/module/module.ts';
import { cast } from '../../ops/elementwise/elementwise.ts';
import { concat } from '../../ops/shape/concat.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { slice } from '../../ops/shape/slice.ts';

/** A column of numbers of categories. */
export interface EmbeddedColumn {
  /** Its place in a row. */
  readonly at: number;
  /** How many numbers there are. */
  readonly size: number;
  /** Elements of the vector of each. */
  readonly dim: number;
  /** The last number is that of what is not known: its vector is 0. */
  readonly unknown: boolean;
}

/** Values of a row once its categories are vectors. */
export const embeddedWidth = (row: number, columns: readonly EmbeddedColumn[]): number =>
  columns.reduce((width, { dim }) => width - 1 + dim, row);

/** Parameters `embeddings.0.weight`, ..., and those of the layers after them, `layers.0.weight`, .... */
export class Embedded extends Module {
  readonly embeddings: readonly Embedding[];
  readonly layers: Sequential<readonly Layer[]>;
  readonly #columns: readonly EmbeddedColumn[];

  /** @param columns in the order of their places */
  constructor(columns: readonly EmbeddedColumn[], layers: Sequential<readonly Layer[]>) {
    super();
    this.#columns = columns;
    this.embeddings = columns.map(({ size, dim, unknown }) => new Embedding(size, dim, unknown ? { paddingIdx: size - 1 } : {}));
    this.layers = layers;
  }

  /** @param x f32 [rows, values] */
  forward(x: Tensor): Tensor {
    const parts: Tensor[] = [];
    let from = 0;
    for (const [i, { at }] of this.#columns.entries()) {
      if (at > from) parts.push(slice(x, { axis: 1, start: from, end: at }));
      const numbers = reshape(slice(x, { axis: 1, start: at, end: at + 1 }), [-1]);
      parts.push(this.embeddings[i]!.forward(cast(numbers, 'i32')));
      from = at + 1;
    }
    if (from < x.shape[1]!) parts.push(slice(x, { axis: 1, start: from, end: x.shape[1]! }));
    return this.layers.forward(parts.length === 1 ? parts[0]! : concat(parts, 1));
  }
}
