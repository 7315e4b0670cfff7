// deep-tanh.ts: sixteen layers of tanh, whose weights begin a little too large: gradients grow on their way back.
import { Linear } from '../../../nn/layers/linear.ts';
import { Sequential } from '../../../nn/layers/sequential.ts';
import { xavierNormal } from '../../../nn/module/init.ts';
import { tanh } from '../../../ops/elementwise/activation.ts';
import { draws } from '../../data/draws.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { classesOf, taught, teacher } from '../../data/teacher.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { ofLogits, rates, threeSets } from '../parts.ts';

const WIDTH = 32;
const LAYERS = 16;

function deep(): Sequential {
  const linear = (inputs: number, outputs: number): Linear => {
    const layer = new Linear(inputs, outputs);
    layer.weight.init = xavierNormal({ gain: 5 / 3 });
    return layer;
  };
  const inner = Array.from({ length: LAYERS - 2 }, () => [linear(WIDTH, WIDTH), tanh]).flat();
  return new Sequential(linear(16, WIDTH), tanh, ...inner, linear(WIDTH, 4));
}

export const DEEP_TANH: LabWorkload = workload<Sequential>({
  name: 'deep-tanh',
  about: 'sixteen layers of 32 units with tanh, gain 5/3, sort rows into four classes',
  kind: 'dense',
  traits: ['deep', 'noNorms'],
  steps: 400,
  batchSize: 32,
  optimizers: rates(0.03, 3e-3),
  data(seed) {
    const of = teacher(draws(seed, 'shared'), 16, 4, 4);
    return threeSets(seed, { train: 3000, validation: 500, test: 1000 }, (next, rows) => {
      const { x, y } = taught(next, of, { rows, inputs: 16, outputs: 4 });
      return { x: { data: x, shape: [rows, 16] }, y: classesOf(y, 4) };
    });
  },
  model: deep,
  loss: ofLogits,
  ignorant: ofClasses,
});
