// siamese.ts: whether two images are of the same kind, by the distance of what one network makes of each.
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { Dropout } from '../../../nn/layers/dropout.ts';
import { Linear } from '../../../nn/layers/linear.ts';
import { bceWithLogits } from '../../../nn/loss/binary.ts';
import { constant } from '../../../nn/module/init.ts';
import { Module, Parameter } from '../../../nn/module/module.ts';
import { relu } from '../../../ops/elementwise/activation.ts';
import { add, mul, square, sub } from '../../../ops/elementwise/elementwise.ts';
import { sum } from '../../../ops/reduce/reduce.ts';
import { below, draws } from '../../data/draws.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { flat, images } from '../../data/images.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { rates, threeSets } from '../parts.ts';

class Siamese extends Module {
  first: Linear = new Linear(64, 32);
  second: Linear = new Linear(32, 8);
  readonly dropout: Dropout = new Dropout(0.2);
  /** How far apart two of a kind may be. */
  margin: Parameter = new Parameter([1], constant(1));
  #embedded(x: TensorLike): Tensor {
    return this.second.forward(this.dropout.forward(relu(this.first.forward(x))));
  }
  /** Logits that both are of one kind: [batch]. */
  forward(a: TensorLike, b: TensorLike): Tensor {
    const apart = sum(square(sub(this.#embedded(a), this.#embedded(b))), { axes: [1] });
    return add(mul(apart, -1), this.margin);
  }
}

export const SIAMESE: LabWorkload = workload<Siamese>({
  name: 'siamese',
  about: 'one network 64-32-8 with dropout makes vectors of two images, whose distance tells whether they are of a kind',
  kind: 'dense',
  traits: [],
  steps: 400,
  batchSize: 32,
  optimizers: rates(0.01, 3e-3),
  data: (seed) =>
    threeSets(seed, { train: 3000, validation: 500, test: 1000 }, (next, rows) => {
      const made = flat(images(draws(seed, 'shared'), next, { rows: 2 * rows, channels: 1, size: 8, classes: 4 }));
      const pixels = made.x.data as Float32Array;
      // The second of a pair: half of the time one of the first's kind.
      const ofKind = [0, 1, 2, 3].map((kind) => Array.from(made.y.keys()).filter((r) => made.y[r] === kind));
      const other = Float32Array.from({ length: rows * 64 });
      const y = new Float32Array(rows);
      for (let r = 0; r < rows; r++) {
        y[r] = below(next, 2);
        const kind = y[r] === 1 ? made.y[r]! : (made.y[r]! + 1 + below(next, 3)) % 4;
        const chosen = ofKind[kind]![below(next, ofKind[kind]!.length)]!;
        other.set(pixels.subarray(chosen * 64, chosen * 64 + 64), r * 64);
      }
      return { a: { data: pixels.slice(0, rows * 64), shape: [rows, 64] }, b: { data: other, shape: [rows, 64] }, y };
    }),
  model: () => new Siamese(),
  loss: ({ a, b, y }, model) => bceWithLogits(model.forward(a!, b!), y),
  ignorant: ofClasses,
});
