// reversing.ts: a GRU reads six symbols, another one says them from the last to the first, given what it should have said so far.
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { Embedding } from '../../../nn/layers/embedding.ts';
import { Linear } from '../../../nn/layers/linear.ts';
import { GRU } from '../../../nn/layers/recurrent/recurrent.ts';
import { crossEntropy } from '../../../nn/loss/labels.ts';
import { Module } from '../../../nn/module/module.ts';
import { below } from '../../data/draws.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { rates, threeSets } from '../parts.ts';

const LENGTH = 6;
const SYMBOLS = 5;

class Reversing extends Module {
  embedding: Embedding = new Embedding(SYMBOLS + 1, 10);
  encoder: GRU = new GRU(10, 32);
  decoder: GRU = new GRU(10, 32);
  out: Linear = new Linear(32, SYMBOLS);
  forward(x: TensorLike, told: TensorLike): Tensor {
    const { h } = this.encoder.forward(this.embedding.forward(x));
    return this.out.forward(this.decoder.forward(this.embedding.forward(told), { h }).output);
  }
}

export const REVERSING: LabWorkload = workload<Reversing>({
  name: 'reversing',
  about: 'GRU of 32 units reads six symbols, another says them backwards',
  kind: 'recurrent',
  traits: ['longDependencies'],
  steps: 400,
  batchSize: 32,
  optimizers: rates(0.3, 3e-2),
  data: (seed) =>
    threeSets(seed, { train: 4000, validation: 300, test: 600 }, (next, rows) => {
      const x = Int32Array.from({ length: rows * LENGTH }, () => below(next, SYMBOLS));
      const y = x.map((_, i) => x[i - (i % LENGTH) + LENGTH - 1 - (i % LENGTH)]!);
      // A sign to begin, then what came before.
      const told = y.map((_, i) => (i % LENGTH === 0 ? SYMBOLS : y[i - 1]!));
      const shape = [rows, LENGTH];
      return { x: { data: x, shape }, told: { data: told, shape }, y: { data: y, shape } };
    }),
  model: () => new Reversing(),
  loss: ({ x, told, y }, model) => crossEntropy(model.forward(x, told!), y),
  ignorant: ofClasses,
});
