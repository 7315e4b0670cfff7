// kind.ts: what the table of layers says of each, and what a layer is made with.
import type { Graph, Tensor } from '../../../lib/ir/graph.ts';
import type { DType } from '../../../lib/ir/op.ts';
import type { Module } from '../../../lib/nn/index.ts';
import type { Random } from '../random.ts';
import type { LayerSpec, Options, Row } from '../spec.ts';

/** A layer as part of a network. */
export type Unit = Module & { forward(x: Tensor): Tensor };

/** An array beside x that a layer reads: one row of it. */
export interface Extra {
  readonly dtype: DType;
  readonly row: Row;
  /** Of whole numbers: from `least` to `most`; of others the size. */
  readonly least: number;
  readonly most: number;
}

/** The arrays beside x that layers of a network want, and their tensors while it is traced. */
export class Extras {
  readonly wanted: Map<string, Extra> = new Map();
  #batch: (name: string) => Tensor = () => {
    throw new Error('no trace is on');
  };

  /** @returns what gives the tensor in a trace */
  want(kind: string, extra: Extra): () => Tensor {
    const name = `${kind}${[...this.wanted.keys()].length}`;
    this.wanted.set(name, extra);
    return () => this.#batch(name);
  }

  /** From now on these are the tensors. */
  take(batch: Readonly<Record<string, Tensor>>): void {
    this.#batch = (name) => batch[name]!;
  }

  /** From now on, tensors of `rows` rows that stand for them in `graph`. */
  pretend(graph: Graph, rows: number): void {
    const made = new Map<string, Tensor>();
    this.#batch = (name) => {
      const { dtype, row } = this.wanted.get(name)!;
      if (!made.has(name)) made.set(name, graph.input(name, { dtype, shape: [rows, ...row] }, 'feed'));
      return made.get(name)!;
    };
  }
}

export interface MakeContext {
  readonly batchSize: number;
  readonly extras: Extras;
  /** What is in a container, for rows of this shape: the layers, and the row they give. */
  inside(layers: readonly LayerSpec[], row: Row): { readonly units: readonly Unit[]; readonly row: Row };
}

export interface DrawContext {
  /** Rows of all batches are as many: layers may carry a state from one to the next. */
  readonly carries: boolean;
  /** The first dimension of a row is time, which must stay. */
  readonly keepsTime: boolean;
  /** Tables may be updated by rows. */
  readonly sparse: boolean;
  /** Of indices. */
  readonly below: number;
  /** Layers for a container that take such rows, and the row they give. */
  inside(r: Random, row: Row, most: number): { readonly layers: readonly LayerSpec[]; readonly row: Row };
}

export interface LayerKind<O extends Options = Options> {
  /** Dimensions of a row that it takes: 1 a vector, 2 a sequence or signal, 3 an image. */
  readonly ranks: readonly number[];
  /** Takes indices: the first layer of a network. */
  readonly indices?: true;
  /** Changes no first dimension. */
  readonly keepsTime?: true;
  /** Nothing of `nn`, but made of it. */
  readonly own?: true;
  /** Options for such rows; null if it is not for them. */
  draw(r: Random, row: Row, c: DrawContext): { readonly options: O; readonly layers?: readonly LayerSpec[] } | null;
  /** @throws what the layer throws where options do not fit the row, as they may when a network is made smaller */
  make(options: O, row: Row, c: MakeContext, layers: readonly LayerSpec[]): Unit;
}

/** A row of the table: checks the type of its options. */
export function kind<O extends Options>(of: LayerKind<O>): LayerKind {
  return of as unknown as LayerKind;
}

/** Elements of a row that a layer may make at most, and of a matrix. */
const MOST = 1600;
const MOST_WEIGHTS = 120_000;

/** How wide the last dimension may become, where the others stay. */
export function room(row: Row, axis: number): number {
  const beside = row.reduce((n, d, i) => (i === axis ? n : n * d), 1);
  return Math.max(1, Math.floor(Math.min(MOST / beside, MOST_WEIGHTS / row[axis]!)));
}
