// zipf-embeddings.ts: vectors of 800 words, of which few are in most texts and most in few.
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { EmbeddingBag } from '../../../nn/layers/embedding.ts';
import { Linear } from '../../../nn/layers/linear.ts';
import { Module } from '../../../nn/module/module.ts';
import { relu } from '../../../ops/elementwise/activation.ts';
import { draws } from '../../data/draws.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { texts } from '../../data/zipf.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofLogits, rates, threeSets } from '../parts.ts';

const WORDS = 800;
const TOPICS = 6;

class Bags extends Module {
  table: EmbeddingBag = new EmbeddingBag(WORDS, 16);
  hidden: Linear = new Linear(16, 24);
  out: Linear = new Linear(24, TOPICS);
  forward(x: TensorLike): Tensor {
    return this.out.forward(relu(this.hidden.forward(this.table.forward(x))));
  }
}

export const ZIPF_EMBEDDINGS: LabWorkload = workload<Bags>({
  name: 'zipf-embeddings',
  about: 'means of the vectors of twelve words of 800, whose frequencies fall as 1 / rank, tell one of six topics',
  kind: 'recommendation',
  traits: ['sparse', 'imbalance'],
  steps: 400,
  batchSize: 32,
  optimizers: rates(0.1, 1e-2),
  data: (seed) =>
    threeSets(seed, { train: 5000, validation: 800, test: 1500 }, (next, rows) => ({
      ...texts(draws(seed, 'shared'), next, { rows, words: WORDS, length: 12, topics: TOPICS }),
    })),
  model: () => new Bags(),
  loss: ofLogits,
  ignorant: ofClasses,
});
