// saturation.mjs: what saturated units cost. `npm run -s measure:saturation` prints one JSON line an activation: how many times as long a training
// step takes with every unit so far from 0 as each column says, median of paired rounds on one thread. A last line: updates of adamw whose
// gradients have long been 0, against updates with gradients.
import { clip, loss, nn, ops, optim, Trainer } from '../dist/bundle/index.js';

const [ROWS, WIDTH, ROUNDS, STEPS] = [256, 256, 15, 20];
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const short = (value) => Number(value.toPrecision(3));

const ACTIVATIONS = {
  sigmoid: ops.sigmoid,
  tanh: ops.tanh,
  gelu: (x) => ops.gelu(x),
  gelu_tanh: (x) => ops.gelu(x, { approximate: 'tanh' }),
  silu: ops.silu,
  softplus: ops.softplus,
  softmax: (x) => ops.softmax(x),
};
/** Where f32 results, or their gradients, would be denormals: around -13 for gelu, from -70 to -103 for what is made of exp. */
const OFFSETS = [-13, -70, -80, -88, -95, -102, -200];

class Net extends nn.Module {
  constructor(activation, offset) {
    super();
    this.layers = Array.from({ length: 3 }, () => new nn.Linear(WIDTH, WIDTH));
    // With softmax the first unit wins by so much.
    for (const layer of this.layers) layer.bias.init = (out) => out.fill(offset, activation === ops.softmax ? 1 : 0);
    this.out = new nn.Linear(WIDTH, 10);
    this.activation = activation;
  }
  forward(x) {
    let h = x;
    for (const layer of this.layers) h = this.activation(layer.forward(h));
    return this.out.forward(h);
  }
}

const x = Float32Array.from({ length: ROWS * WIDTH }, (_, i) => Math.sin(i * 1.1));
const data = { x: { data: x, shape: [ROWS, WIDTH] }, y: Int32Array.from({ length: ROWS }, (_, i) => i % 10) };

function trainerOf(activation, offset) {
  const trainer = new Trainer({
    model: new Net(activation, offset),
    loss: ({ x: input, y }, model) => loss.crossEntropy(model.forward(input), y),
    optimizer: optim.sgd({ lr: 1e-30 }),
    clip: clip.none(),
    batchSize: ROWS,
    threads: 1,
  });
  trainer.fitSync(data, { steps: STEPS });
  return trainer;
}
function timeOf(trainer) {
  const start = performance.now();
  trainer.fitSync(data, { steps: STEPS });
  return performance.now() - start;
}

for (const [name, activation] of Object.entries(ACTIVATIONS)) {
  const plain = trainerOf(activation, 0);
  const costs = OFFSETS.map((offset) => {
    const saturated = trainerOf(activation, offset);
    const ratios = Array.from({ length: ROUNDS }, () => timeOf(saturated) / timeOf(plain));
    saturated.dispose();
    return [String(offset), short(median(ratios))];
  });
  plain.dispose();
  console.log(JSON.stringify({ activation: name, ...Object.fromEntries(costs) }));
}

const size = 1 << 18;
const bound = () => optim.adamw().bind([new Float32Array(size).fill(1)], { clip: clip.none(), threads: 1 });
const [alive, dead] = [bound(), bound()];
const [some, none] = [1, 0].map((value) => [new Float32Array(size).fill(value)]);
dead.step(some);
for (let k = 0; k < 1000; k++) dead.step(none);
const time = (optimizer, grads) => {
  const start = performance.now();
  for (let k = 0; k < STEPS; k++) optimizer.step(grads);
  return performance.now() - start;
};
const ratios = Array.from({ length: ROUNDS }, () => time(dead, none) / time(alive, some));
console.log(JSON.stringify({ optimizer: 'adamw', dead_units: short(median(ratios)) }));
