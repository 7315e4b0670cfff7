// multi-task.ts: one trunk and two heads whose losses differ by a factor of a hundred: a class, and a number in small units.
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { Linear } from '../../../nn/layers/linear.ts';
import { crossEntropy } from '../../../nn/loss/labels.ts';
import { mse } from '../../../nn/loss/regression.ts';
import { Module } from '../../../nn/module/module.ts';
import { relu } from '../../../ops/elementwise/activation.ts';
import { add } from '../../../ops/elementwise/elementwise.ts';
import { draws } from '../../data/draws.ts';
import { entropy, numbersOf, variance } from '../../data/ignorant.ts';
import { classesOf, taught, teacher } from '../../data/teacher.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { rates, threeSets } from '../parts.ts';

class Heads extends Module {
  first: Linear = new Linear(12, 40);
  second: Linear = new Linear(40, 24);
  kind: Linear = new Linear(24, 4);
  size: Linear = new Linear(24, 1);
  forward(x: TensorLike): readonly [kind: Tensor, size: Tensor] {
    const trunk = relu(this.second.forward(relu(this.first.forward(x))));
    return [this.kind.forward(trunk), this.size.forward(trunk)];
  }
}

export const MULTI_TASK: LabWorkload = workload<Heads>({
  name: 'multi-task',
  about: 'linear 12-40-24 with two heads: one of four classes, and a number whose squares are a hundred times the other loss',
  kind: 'dense',
  traits: ['regression'],
  steps: 400,
  batchSize: 32,
  optimizers: rates(0.03, 1e-2),
  data(seed) {
    const of = teacher(draws(seed, 'shared'), 12, 6, 5);
    return threeSets(seed, { train: 3000, validation: 600, test: 1000 }, (next, rows) => {
      const { x, y } = taught(next, of, { rows, inputs: 12, outputs: 5 });
      const logits = y.filter((_, i) => i % 5 < 4);
      const size = y.filter((_, i) => i % 5 === 4).map((v) => 12 * v);
      return { x: { data: x, shape: [rows, 12] }, y: classesOf(logits, 4), size: { data: size, shape: [rows, 1] } };
    });
  },
  model: () => new Heads(),
  loss({ x, y, size }, model) {
    const [kind, made] = model.forward(x);
    return add(crossEntropy(kind, y), mse(made, size!));
  },
  ignorant: ({ test }) => entropy(numbersOf(test, 'y')) + variance(numbersOf(test, 'size')),
});
