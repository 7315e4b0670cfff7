// adding-problem.ts: the adding problem (Hochreiter and Schmidhuber 1997): of 100 numbers in [0, 1) two are marked, one in each half; the
// answer is their sum. Whoever always says 1 has a mean squared error of 1/6 = 0.167; to do better a network must remember for 100 steps.
// A ReLU RNN that starts as the identity (Le, Jaitly and Hinton 2015) can, but its gradients explode: without a clip it stays at 0.167
// for good, with one it learns. An LSTM learns too. Run: npm run -s build:ts && node dist/examples/adding-problem.js (a minute or two).
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { clip, loss, type NdArray, nn, optim, type Tensor, Trainer } from 'gradclip';

export interface AddingOptions {
  readonly time?: number;
  readonly hidden?: number;
  readonly steps?: number;
  readonly sequences?: number;
}

/** Sequences [count, time, 2], a value and a mark at each step, and the sums of what is marked [count, 1]. */
export function sequences(count: number, time: number, seed: number): { x: NdArray; y: NdArray } {
  const x = new Float32Array(count * time * 2);
  const y = new Float32Array(count);
  let state = seed;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0; // mulberry32
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const half = time >> 1;
  for (let i = 0; i < count; i++) {
    for (let t = 0; t < time; t++) x[(i * time + t) * 2] = uniform();
    for (const from of [0, half]) {
      const at = (i * time + from + Math.floor(uniform() * half)) * 2;
      x[at + 1] = 1;
      y[i]! += x[at]!;
    }
  }
  return { x: { data: x, shape: [count, time, 2] }, y: { data: y, shape: [count, 1] } };
}

class Adder extends nn.Module {
  rnn: nn.RNN | nn.LSTM;
  head: nn.Linear;
  constructor(rnn: nn.RNN | nn.LSTM) {
    super();
    this.rnn = rnn;
    this.head = new nn.Linear(rnn.hiddenSize, 1);
  }
  forward(x: Tensor): Tensor {
    return this.head.forward(this.rnn.forward(x).last);
  }
}

/** A ReLU RNN whose state is at first handed on as it is. */
function identityRnn(hidden: number): nn.RNN {
  const rnn = new nn.RNN(2, hidden, { nonlinearity: 'relu' });
  rnn.weight_hh_l0.init = (out) => {
    for (let i = 0; i < hidden; i++) out[i * hidden + i] = 1;
  };
  for (const bias of [rnn.bias_ih_l0!, rnn.bias_hh_l0!]) bias.init = nn.init.zeros();
  return rnn;
}

/** Test error of each after every tenth of the steps; shorter where its gradients were not finite ten times in a row. */
export async function main(options: AddingOptions = {}): Promise<Readonly<Record<string, readonly number[]>>> {
  const { time = 100, hidden = 64, steps = 3000, sequences: count = 20_000 } = options;
  const data = sequences(count, time, 1);
  const test = sequences(500, time, 2);
  const contestants = {
    'RNN, SGD, no clip': { rnn: identityRnn(hidden), optimizer: optim.sgd({ lr: 0.01, momentum: 0.9 }), clip: clip.none() },
    'RNN, Adam, no clip': { rnn: identityRnn(hidden), optimizer: optim.adam({ lr: 1e-3 }), clip: clip.none() },
    'RNN, Adam, clip 1': { rnn: identityRnn(hidden), optimizer: optim.adam({ lr: 1e-3 }), clip: clip.globalNorm(1) },
    'LSTM, Adam, clip 1': { rnn: new nn.LSTM(2, hidden), optimizer: optim.adam({ lr: 1e-2 }), clip: clip.globalNorm(1) },
  };
  const curves: Record<string, number[]> = {};
  console.log(`test error after each tenth of ${steps} steps; ${(1 / 6).toFixed(3)} is that of always saying 1`);
  for (const [name, { rnn, ...rest }] of Object.entries(contestants)) {
    using trainer = new Trainer({
      model: new Adder(rnn),
      loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
      batchSize: 50,
      seed: 1,
      ...rest,
    });
    const curve: number[] = [];
    curves[name] = curve;
    let end = '';
    try {
      while (curve.length < 10) {
        await trainer.fit(data, { steps: Math.ceil(steps / 10) });
        curve.push((await trainer.evaluate(test)).loss);
      }
    } catch (error) {
      end = (error as Error).message;
    }
    console.log(name.padEnd(20), curve.map((v) => v.toFixed(4)).join(' '), end);
  }
  return curves;
}

if (argv[1] === fileURLToPath(import.meta.url)) await main();
