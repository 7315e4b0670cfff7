// online.ts: learn row by row from a stream that drifts: a sensor whose reading is a line of four inputs that turns all the time. Each row is first
// predicted, as in use, then learned from, with trainer.stepSync; a model that stopped learning early falls behind.
// Run: npm run -s build:ts && node dist/examples/online.js
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { clip, loss, nn, ops, optim, Trainer } from 'gradclip';
import { normal, random } from './random.ts';

const WIDTH = 4;
const NOISE = 0.1;

export interface OnlineExample {
  readonly rows?: number;
  /** Rows for a whole turn of the weights. */
  readonly period?: number;
  readonly seed?: number;
}
export interface OnlineScores {
  /** Mean squared errors over the second half of the stream, each row predicted before it is learned from: of the one that goes on learning, */
  readonly follows: number;
  /** of one that stopped after the first tenth, */
  readonly stopped: number;
  /** and of whoever knows the weights: the noise. */
  readonly noise: number;
  readonly microsecondsPerRow: number;
}

/** Train, print and give what is found. */
export function main({ rows = 20_000, period = 8000, seed = 1 }: OnlineExample = {}): OnlineScores {
  const uniform = random(seed);
  const gauss = normal(uniform);
  const make = () =>
    new Trainer({
      model: new nn.Linear(WIDTH, 1),
      loss: ({ x, y }, model) => loss.mse(ops.squeeze(model.forward(x), 1), y),
      optimizer: optim.sgd({ lr: 0.05 }),
      clip: clip.globalNorm(1),
      seed,
    });
  const [follows, stopped] = [make(), make()];
  const errors = { follows: 0, stopped: 0 };
  let spent = 0;
  for (let t = 0; t < rows; t++) {
    const angle = (2 * Math.PI * t) / period;
    const weights = [Math.cos(angle), Math.sin(angle), -Math.cos(angle), 0.5];
    const row = Float32Array.from({ length: WIDTH }, gauss);
    const y = row.reduce((s, v, k) => s + v * weights[k]!, 0.3) + NOISE * gauss();
    const x = { data: row, shape: [1, WIDTH] };
    const batch = { x, y: Float32Array.of(y) };
    if (t >= rows / 2) {
      errors.follows += (follows.predictSync(x).data[0]! - y) ** 2;
      errors.stopped += (stopped.predictSync(x).data[0]! - y) ** 2;
    }
    const start = performance.now();
    follows.stepSync(batch);
    spent += performance.now() - start;
    if (t < rows / 10) stopped.stepSync(batch);
  }
  const half = rows - Math.ceil(rows / 2);
  const found = {
    follows: errors.follows / half,
    stopped: errors.stopped / half,
    noise: NOISE ** 2,
    microsecondsPerRow: (1000 * spent) / rows,
  };
  const text = `${found.follows.toFixed(4)} where it goes on learning, ${found.stopped.toFixed(4)} where it stopped, ${found.noise.toFixed(4)} of noise`;
  console.log(`mean squared error: ${text}; ${found.microsecondsPerRow.toFixed(1)} us a row`);
  follows.dispose();
  stopped.dispose();
  return found;
}

if (argv[1] === fileURLToPath(import.meta.url)) main();
