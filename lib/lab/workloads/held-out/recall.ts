// recall.ts: pairs of a key and a value, then a key: which value it had (Ba et al. 2016): by attention.
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { Embedding } from '../../../nn/layers/embedding.ts';
import { Linear } from '../../../nn/layers/linear.ts';
import { LearnedPositions } from '../../../nn/layers/positions.ts';
import { TransformerEncoder, TransformerEncoderLayer } from '../../../nn/layers/transformer.ts';
import { Module } from '../../../nn/module/module.ts';
import { reshape } from '../../../ops/shape/shape.ts';
import { slice } from '../../../ops/shape/slice.ts';
import { below } from '../../data/draws.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofLogits, rates, threeSets } from '../parts.ts';

const KEYS = 8;
const VALUES = 5;
const PAIRS = 5;
const WIDTH = 16;

class Recall extends Module {
  embedding: Embedding = new Embedding(KEYS * VALUES + KEYS, WIDTH);
  positions: LearnedPositions = new LearnedPositions(PAIRS + 1, WIDTH);
  blocks: TransformerEncoder = new TransformerEncoder(
    () => new TransformerEncoderLayer(WIDTH, 2, { dimFeedforward: 32, dropout: 0, normFirst: true }),
    2,
  );
  head: Linear = new Linear(WIDTH, VALUES);
  forward(x: TensorLike): Tensor {
    const seen = this.blocks.forward(this.positions.forward(this.embedding.forward(x)));
    return this.head.forward(reshape(slice(seen, { axis: 1, start: PAIRS, end: PAIRS + 1 }), [-1, WIDTH]));
  }
}

export const RECALL: LabWorkload = workload<Recall>({
  name: 'recall',
  about: 'two transformer blocks of width 16, norms first, say which of five values came with a key, of five pairs',
  kind: 'transformer',
  traits: ['noWarmup'],
  steps: 300,
  batchSize: 32,
  optimizers: rates(0.03, 3e-3),
  data: (seed) =>
    threeSets(seed, { train: 4000, validation: 500, test: 1000 }, (next, rows) => {
      const x = new Int32Array(rows * (PAIRS + 1));
      const y = new Int32Array(rows);
      for (let r = 0; r < rows; r++) {
        // Other keys in each pair; one symbol for key and value.
        const keys = Array.from({ length: KEYS }, (_, k) => k);
        const pairs = Array.from(
          { length: PAIRS },
          () => [keys.splice(below(next, keys.length), 1)[0]!, below(next, VALUES)] as const,
        );
        for (const [t, [key, value]] of pairs.entries()) x[r * (PAIRS + 1) + t] = KEYS + key * VALUES + value;
        const [key, value] = pairs[below(next, PAIRS)]!;
        x[r * (PAIRS + 1) + PAIRS] = key;
        y[r] = value;
      }
      return { x: { data: x, shape: [rows, PAIRS + 1] }, y };
    }),
  model: () => new Recall(),
  loss: ofLogits,
  ignorant: ofClasses,
});
