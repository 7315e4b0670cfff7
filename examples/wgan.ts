// wgan.ts: a Wasserstein GAN (Arjovsky, Chintala and Bottou 2017) that learns to put points on eight spots around 0. Generator and critic are parts of
// one model, each with a trainer of its own: in turns three steps of the critic, whose weights are clipped, and one of the generator.
// Run: npm run -s build:ts && node dist/examples/wgan.js (some seconds)
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { constraint, type NdArray, nn, ops, optim, type Tensor, Trainer } from 'gradclip';
import { judged, points } from './networks/spots.ts';
import { normal, random } from './random.ts';

const BATCH = 64;
const LATENT = 8;

const mlp = (inputs: number, outputs: number): nn.Sequential =>
  new nn.Sequential(new nn.Linear(inputs, 64), new nn.ReLU(), new nn.Linear(64, 64), new nn.ReLU(), new nn.Linear(64, outputs));

class Gan extends nn.Module {
  generator: nn.Sequential = mlp(LATENT, 2);
  critic: nn.Sequential = mlp(2, 1);
  /** Points [n, 2] of noise [n, LATENT]. */
  forward(z: Tensor): Tensor {
    return this.generator.forward(z);
  }
}

export interface WganExample {
  readonly iterations?: number;
  readonly seed?: number;
}
export interface WganScores {
  /** Mean distance of made points from the nearest spot, before and after. */
  readonly before: number;
  readonly after: number;
  /** Of the eight spots those that are the nearest of at least 2 % of made points. */
  readonly spots: number;
  readonly millisecondsPerIteration: number;
}

/** Train, print and give what is found. */
export function main({ iterations = 6000, seed = 1 }: WganExample = {}): WganScores {
  const uniform = random(seed);
  const gauss = normal(uniform);
  const noise = (rows: number): NdArray => ({ data: Float32Array.from({ length: rows * LATENT }, gauss), shape: [rows, LATENT] });
  const real = (rows: number): NdArray => points(rows, uniform, gauss);

  const model = new Gan();
  const optimizer = optim.rmsprop({ lr: 1e-3 });
  const critic = new Trainer({
    model,
    parameters: 'critic.*',
    loss: ({ x, z }: { x: Tensor; z: Tensor }, gan) =>
      ops.sub(ops.mean(gan.critic.forward(gan.generator.forward(z))), ops.mean(gan.critic.forward(x))),
    constraints: [{ match: 'critic.*', constraint: constraint.weightClip(0.1) }],
    optimizer,
    seed,
  });
  const generator = new Trainer({
    model,
    parameters: 'generator.*',
    loss: ({ z }: { z: Tensor }, gan) => ops.neg(ops.mean(gan.critic.forward(gan.generator.forward(z)))),
    predict: ({ z }, gan) => gan.forward(z),
    optimizer,
    seed,
  });

  /** How far made points are from spots, and which. */
  const look = (): { distance: number; spots: number } => judged(generator.predictSync({ z: noise(1000) }).data);

  const before = look().distance;
  let spent = 0;
  for (let i = 1; i <= iterations; i++) {
    const batches = [0, 1, 2].map(() => ({ x: real(BATCH), z: noise(BATCH) }));
    const z = noise(BATCH);
    const start = performance.now();
    for (const batch of batches) critic.stepSync(batch);
    generator.stepSync({ z });
    spent += performance.now() - start;
    if (i % Math.ceil(iterations / 6) === 0) {
      const { distance, spots } = look();
      console.log(`iteration ${i}: ${distance.toFixed(3)} from the nearest spot in the mean, ${spots} of 8 spots`);
    }
  }
  const { distance: after, spots } = look();
  const millisecondsPerIteration = spent / iterations;
  console.log(`from ${before.toFixed(3)} to ${after.toFixed(3)}, ${millisecondsPerIteration.toFixed(3)} ms an iteration`);
  critic.dispose();
  generator.dispose();
  return { before, after, spots, millisecondsPerIteration };
}

if (argv[1] === fileURLToPath(import.meta.url)) main();
