// network.ts: a network made of its specification: the layers, one after the other, and a last one as wide as the loss asks for.
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import type { DType } from '../../lib/ir/op.ts';
import { Module, Sequential } from '../../lib/nn/index.ts';
import { bindParameters } from '../../lib/nn/module/module.ts';
import type { Batch } from '../../lib/train/feed/source.ts';
import { LAYERS } from './layers/index.ts';
import { Extras, type MakeContext, type Unit } from './layers/kind.ts';
import type { LayerSpec, ProgramSpec, Row } from './spec.ts';

export class Network extends Module {
  readonly body: Sequential;
  readonly #extras: Extras;

  constructor(units: readonly Unit[], extras: Extras) {
    super();
    this.body = new Sequential(...units);
    this.#extras = extras;
  }

  forward(batch: Batch): Tensor {
    this.#extras.take(batch);
    return this.body.forward(batch.x);
  }
}

export interface Made {
  readonly network: Network;
  /** The arrays that it reads beside x. */
  readonly extras: Extras;
  /** Rows as each layer takes them, and of the output. */
  readonly rows: readonly Row[];
}

/** The last layer: named as another one, told by its place. */
export const headOf = (width: number): LayerSpec => ({ name: 'Linear', options: { out: width } });

/** @throws what a layer throws whose options do not fit the rows that come to it */
export function makeNetwork(spec: Pick<ProgramSpec, 'input' | 'layers' | 'loss' | 'batchSize'>): Made {
  const maker = new Maker(spec.batchSize);
  const { units, rows } = maker.chain([...spec.layers, headOf(spec.loss.width)], spec.input.row, spec.input.dtype);
  return { network: new Network(units, maker.extras), extras: maker.extras, rows };
}

export class Maker implements MakeContext {
  readonly batchSize: number;
  readonly extras: Extras = new Extras();

  constructor(batchSize: number) {
    this.batchSize = batchSize;
  }

  chain(layers: readonly LayerSpec[], first: Row, dtype: DType = 'f32'): { units: Unit[]; rows: Row[] } {
    const rows = [first];
    const units = layers.map((layer, i) => {
      const row = rows.at(-1)!;
      const unit = LAYERS[layer.name]!.make(layer.options, row, this, layer.layers ?? []);
      rows.push(this.#rowAfter(unit, row, i === 0 ? dtype : 'f32'));
      return unit;
    });
    return { units, rows };
  }

  inside(layers: readonly LayerSpec[], row: Row): { units: readonly Unit[]; row: Row } {
    const { units, rows } = this.chain(layers, row);
    return { units, row: rows.at(-1)! };
  }

  /** What a layer makes of a row: by tracing it. */
  #rowAfter(unit: Unit, row: Row, dtype: DType): Row {
    const graph = new Graph('eval');
    const rows = 2;
    this.extras.pretend(graph, rows);
    const unbind = bindParameters(graph, unit);
    try {
      return unit.forward(graph.input('x', { dtype, shape: [rows, ...row] }, 'feed')).shape.slice(1);
    } finally {
      unbind();
    }
  }
}
