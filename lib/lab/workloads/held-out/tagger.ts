// tagger.ts: an LSTM that reads both ways tags each symbol by whether the nearest bracket before and after it are of one kind.
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { Embedding } from '../../../nn/layers/embedding.ts';
import { Linear } from '../../../nn/layers/linear.ts';
import { LSTM } from '../../../nn/layers/recurrent/recurrent.ts';
import { Module } from '../../../nn/module/module.ts';
import { below } from '../../data/draws.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofLogits, rates, threeSets } from '../parts.ts';

const LENGTH = 14;
const SYMBOLS = 6;

class Tagger extends Module {
  embedding: Embedding = new Embedding(SYMBOLS, 8);
  lstm: LSTM = new LSTM(8, 16, { bidirectional: true });
  out: Linear = new Linear(32, 3);
  forward(x: TensorLike): Tensor {
    return this.out.forward(this.lstm.forward(this.embedding.forward(x)).output);
  }
}

export const TAGGER: LabWorkload = workload<Tagger>({
  name: 'tagger',
  about: 'LSTM of 16 units each way tags 14 symbols by the nearest marks on both sides',
  kind: 'recurrent',
  traits: ['longDependencies'],
  steps: 300,
  batchSize: 16,
  optimizers: rates(0.1, 3e-3),
  data: (seed) =>
    threeSets(seed, { train: 2000, validation: 300, test: 600 }, (next, rows) => {
      const x = Int32Array.from({ length: rows * LENGTH }, () => {
        // Symbols 4 and 5 are marks: a third of all.
        const at = below(next, 6);
        return at < 2 ? 4 + at : below(next, 4);
      });
      const nearest = (r: number, t: number, by: 1 | -1): number => {
        for (let k = t; k >= 0 && k < LENGTH; k += by) if (x[r * LENGTH + k]! >= 4) return x[r * LENGTH + k]!;
        return 0;
      };
      const y = Int32Array.from(x, (_, i) => {
        const [r, t] = [Math.floor(i / LENGTH), i % LENGTH];
        const [before, after] = [nearest(r, t, -1), nearest(r, t, 1)];
        return before === 0 || after === 0 ? 0 : before === after ? 1 : 2;
      });
      return { x: { data: x, shape: [rows, LENGTH] }, y: { data: y, shape: [rows, LENGTH] } };
    }),
  model: () => new Tagger(),
  loss: ofLogits,
  ignorant: ofClasses,
});
