// segmentation.ts: which pixels belong to a disc, by convolutions that go down to half the size and up again, with a short cut (Ronneberger et al. 2015).
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { Conv2d } from '../../../nn/layers/conv.ts';
import { MaxPool2d } from '../../../nn/layers/pool.ts';
import { Upsample } from '../../../nn/layers/upsample.ts';
import { bceWithLogits } from '../../../nn/loss/binary.ts';
import { Module } from '../../../nn/module/module.ts';
import { relu } from '../../../ops/elementwise/activation.ts';
import { concat } from '../../../ops/shape/concat.ts';
import { normal } from '../../data/draws.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { rates, threeSets } from '../parts.ts';

const SIZE = 8;

class Segments extends Module {
  first: Conv2d = new Conv2d(1, 6, 3, { padding: 1 });
  down: MaxPool2d = new MaxPool2d(2);
  inner: Conv2d = new Conv2d(6, 10, 3, { padding: 1 });
  up: Upsample = new Upsample({ scaleFactor: 2 });
  last: Conv2d = new Conv2d(16, 8, 3, { padding: 1 });
  out: Conv2d = new Conv2d(8, 1, 1);
  forward(x: TensorLike): Tensor {
    const first = relu(this.first.forward(x));
    const inner = relu(this.inner.forward(this.down.forward(first)));
    return this.out.forward(relu(this.last.forward(concat([first, this.up.forward(inner)], 1))));
  }
}

export const SEGMENTATION: LabWorkload = workload<Segments>({
  name: 'segmentation',
  about: 'convolutions down to half the size and up again say which pixels of 8 x 8 belong to a disc',
  kind: 'image',
  traits: ['imbalance', 'noNorms'],
  steps: 150,
  batchSize: 16,
  optimizers: rates(0.03, 1e-2),
  data: (seed) =>
    threeSets(seed, { train: 1500, validation: 200, test: 400 }, (next, rows) => {
      const x = new Float32Array(rows * SIZE * SIZE);
      const y = new Float32Array(x.length);
      for (let r = 0; r < rows; r++) {
        const [cx, cy, radius] = [SIZE * next(), SIZE * next(), 1 + 2 * next()];
        for (let i = 0; i < SIZE * SIZE; i++) {
          const [dx, dy] = [(i % SIZE) + 0.5 - cx, Math.floor(i / SIZE) + 0.5 - cy];
          const at = r * SIZE * SIZE + i;
          y[at] = dx * dx + dy * dy < radius * radius ? 1 : 0;
          x[at] = y[at]! + 0.7 * normal(next);
        }
      }
      const shape = [rows, 1, SIZE, SIZE];
      return { x: { data: x, shape }, y: { data: y, shape } };
    }),
  model: () => new Segments(),
  loss: ({ x, y }, model) => bceWithLogits(model.forward(x), y),
  ignorant: ofClasses,
});
