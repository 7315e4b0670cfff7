// deep-transformer.ts: eight blocks that normalize after each sum, as the first transformers did, and a rate that needs a warm-up and has none.
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { Embedding } from '../../../nn/layers/embedding.ts';
import { Linear } from '../../../nn/layers/linear.ts';
import { LearnedPositions } from '../../../nn/layers/positions.ts';
import { TransformerEncoder, TransformerEncoderLayer } from '../../../nn/layers/transformer.ts';
import { Module } from '../../../nn/module/module.ts';
import { windows } from '../../../train/feed/source.ts';
import { ofText } from '../../data/ignorant.ts';
import { LETTERS, text } from '../../data/text.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofLogits, rates, threeSets } from '../parts.ts';

const WIDTH = 16;
const LENGTH = 16;

class Deep extends Module {
  embedding: Embedding = new Embedding(LETTERS, WIDTH);
  positions: LearnedPositions = new LearnedPositions(LENGTH, WIDTH);
  blocks: TransformerEncoder = new TransformerEncoder(
    () => new TransformerEncoderLayer(WIDTH, 2, { dimFeedforward: 2 * WIDTH, dropout: 0 }),
    8,
  );
  head: Linear = new Linear(WIDTH, LETTERS);
  forward(x: TensorLike): Tensor {
    const at = this.positions.forward(this.embedding.forward(x));
    return this.head.forward(this.blocks.forward(at, { causal: true }));
  }
}

export const DEEP_TRANSFORMER: LabWorkload = workload<Deep>({
  name: 'deep-transformer',
  about: 'eight transformer blocks of width 16, norms after the sums, no warm-up, predict the next character, 16 at a time',
  kind: 'transformer',
  traits: ['deep', 'noWarmup'],
  steps: 250,
  batchSize: 8,
  optimizers: rates(0.1, 3e-3),
  data: (seed) =>
    threeSets(seed, { train: 20_000, validation: 2000, test: 4000 }, (next, length) =>
      windows(text(next, length + 1).slice(0, length), { length: LENGTH }),
    ),
  model: () => new Deep(),
  loss: ofLogits,
  ignorant: ofText,
});
