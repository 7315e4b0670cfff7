// wgan-gp.ts: a Wasserstein GAN whose critic is kept smooth by a penalty on its gradient (Gulrajani et al. 2017), with ReLU and layer norm: it learns to put
// points on eight spots around 0. The loss of the critic has a gradient in it, so training differentiates twice.
// Run: npm run -s build:ts && node dist/examples/networks/wgan-gp.js (some seconds)
import { grad, type NdArray, nn, ops, optim, type Tensor, Trainer } from 'gradclip';
import { normal, random } from '../random.ts';
import { f32, type MainOptions, type Network, type Step, start, train } from './network.ts';
import { judged, points } from './spots.ts';

const BATCH = 64;
const LATENT = 8;
/** Steps of the critic for one of the generator. */
const CRITIC = 3;
const PENALTY = 1;

class Gan extends nn.Module {
  generator: nn.Sequential = new nn.Sequential(
    new nn.Linear(LATENT, 64),
    new nn.ReLU(),
    new nn.Linear(64, 64),
    new nn.ReLU(),
    new nn.Linear(64, 2),
  );
  critic: nn.Sequential = new nn.Sequential(
    new nn.Linear(2, 64),
    new nn.LayerNorm(64),
    new nn.ReLU(),
    new nn.Linear(64, 64),
    new nn.LayerNorm(64),
    new nn.ReLU(),
    new nn.Linear(64, 1),
  );
  /** Points [n, 2] of noise [n, LATENT]. */
  forward(z: Tensor): Tensor {
    return this.generator.forward(z);
  }
}

export function network({ seed = 1 }: Pick<MainOptions, 'seed'> = {}): Network {
  const uniform = random(seed);
  const gauss = normal(uniform);
  const noise = (rows: number): NdArray => f32(Float32Array.from({ length: rows * LATENT }, gauss), rows, LATENT);
  const real = (rows: number): NdArray => points(rows, uniform, gauss);
  const model = new Gan();
  const optimizer = optim.adam({ lr: 5e-4, betas: [0.5, 0.9] });
  const critic = new Trainer({
    model,
    parameters: 'critic.*',
    loss: ({ x, z, t }: { x: Tensor; z: Tensor; t: Tensor }, gan) => {
      const made = gan.generator.forward(z);
      // Somewhere between a real point and a made one the gradient of the critic should have norm 1.
      const between = ops.add(ops.mul(x, t), ops.mul(made, ops.sub(1, t)));
      const [slope] = grad(ops.sum(gan.critic.forward(between)), [between]);
      const penalty = ops.mean(ops.square(ops.sub(ops.norm(slope!, { axes: [1] }), 1)));
      const distance = ops.sub(ops.mean(gan.critic.forward(made)), ops.mean(gan.critic.forward(x)));
      return ops.add(distance, ops.mul(penalty, PENALTY));
    },
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
  return {
    model,
    *steps(count): Generator<Step> {
      for (let i = 0; i < count; i++) {
        if (i % (CRITIC + 1) < CRITIC) {
          const batch = { x: real(BATCH), z: noise(BATCH), t: f32(Float32Array.from({ length: BATCH }, uniform), BATCH, 1) };
          yield { part: 'critic', batch, loss: critic.stepSync(batch).loss };
        } else {
          const batch = { z: noise(BATCH) };
          yield { part: 'generator', batch, loss: generator.stepSync(batch).loss };
        }
      }
    },
    score: () => ({ ...judged(generator.predictSync({ z: noise(1000) }).data) }),
    dispose() {
      critic.dispose();
      generator.dispose();
    },
  };
}

export const main = ({ steps = 12_000, seed = 1 }: MainOptions = {}): Readonly<Record<string, number>> =>
  train(network({ seed }), steps);
start(import.meta.url, main);
