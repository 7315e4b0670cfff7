// pinn.ts: a network that obeys an equation (Raissi et al. 2019): u'' = -pi^2 sin(pi x) with u(0) = u(1) = 0, whose solution, sin(pi x), it is never shown.
// The loss has second derivatives of the network by its input, so training differentiates three times.
// Run: npm run -s build:ts && node dist/examples/networks/pinn.js (some seconds)
import { grad, nn, ops, optim, type Tensor, Trainer } from 'gradclip';
import { random } from '../random.ts';
import { f32, type MainOptions, type Network, type Step, start, train } from './network.ts';

const POINTS = 64;
const STEPS = 2000;

class Solution extends nn.Module {
  layers: nn.Sequential = new nn.Sequential(
    new nn.Linear(1, 32),
    new nn.GELU(),
    new nn.Linear(32, 32),
    new nn.GELU(),
    new nn.Linear(32, 1),
  );
  /** u [n, 1] at x [n, 1]. */
  forward(x: Tensor): Tensor {
    return this.layers.forward(x);
  }
}

/** The derivative of each row of u by its own x: rows do not depend on those of others. */
const derivative = (u: Tensor, x: Tensor): Tensor => grad(ops.sum(u), [x])[0]!;

export function network({ seed = 1, steps: all = STEPS }: MainOptions = {}): Network {
  const model = new Solution();
  const trainer = new Trainer({
    model,
    loss: ({ x, edges }: { x: Tensor; edges: Tensor }, solution) => {
      const second = derivative(derivative(solution.forward(x), x), x);
      const force = ops.mul(ops.sin(ops.mul(x, Math.PI)), -(Math.PI ** 2));
      const within = ops.mean(ops.square(ops.sub(second, force)));
      return ops.add(within, ops.mul(ops.mean(ops.square(solution.forward(edges))), 100));
    },
    predict: ({ x }: { x: Tensor }, solution) => solution.forward(x),
    optimizer: optim.adam({ lr: optim.schedule.cosine(3e-3, { steps: all }) }),
    seed,
  });
  const uniform = random(seed);
  const edges = f32(
    Array.from({ length: POINTS }, (_, i) => i % 2),
    POINTS,
    1,
  );
  return {
    model,
    *steps(count): Generator<Step> {
      for (let i = 0; i < count; i++) {
        const batch = { x: f32(Float32Array.from({ length: POINTS }, uniform), POINTS, 1), edges };
        yield { batch, loss: trainer.stepSync(batch).loss };
      }
    },
    score() {
      const x = Float32Array.from({ length: 101 }, (_, i) => i / 100);
      const { data } = trainer.predictSync({ x: f32(x, 101, 1) });
      return { largestError: Math.max(...Array.from(x, (at, i) => Math.abs(data[i]! - Math.sin(Math.PI * at)))) };
    },
    dispose: () => trainer.dispose(),
  };
}

export const main = ({ steps = STEPS, seed = 1 }: MainOptions = {}): Readonly<Record<string, number>> =>
  train(network({ seed, steps }), steps);
start(import.meta.url, main);
