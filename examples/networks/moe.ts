// moe.ts: a mixture of experts, of which each row is answered by two (Shazeer et al. 2017, top-2 as in Lepikhin et al. 2021): the plane is eight sectors, each
// with a wave of its own. A loss beside the error keeps the gate from giving all rows to the same experts.
// Run: npm run -s build:ts && node dist/examples/networks/moe.js (some seconds)
import { clip, loss, nn, ops, optim, type Tensor, Trainer } from 'gradclip';
import { normal, random } from '../random.ts';
import { f32, type MainOptions, type Network, type Step, start, train } from './network.ts';

const EXPERTS = 8;
const BATCH = 128;
const SECTORS = 8;

/** An expert: one hidden layer. */
const expert = (): nn.Sequential => new nn.Sequential(new nn.Linear(2, 32), new nn.GELU(), new nn.Linear(32, 1));

class MixtureOfExperts extends nn.Module {
  gate: nn.Sequential = new nn.Sequential(new nn.Linear(2, 32), new nn.GELU(), new nn.Linear(32, EXPERTS));
  experts: readonly nn.Sequential[] = Array.from({ length: EXPERTS }, expert);

  /** How much each row [n, 2] has of each expert [n, EXPERTS], and how far from even the gate is. */
  route(x: Tensor): { gates: Tensor; imbalance: Tensor } {
    const share = ops.softmax(this.gate.forward(x));
    const { values, indices } = ops.topK(share, 2);
    const kept = ops.div(values, ops.sum(values, { axes: [1], keepDims: true }));
    const gates = ops.scatter(ops.zeros(share), indices, kept, { axis: 1 });
    // Which expert is the best one is a step, which has no gradient: it comes through the mean share.
    const best = ops.oneHot(ops.argmax(share), { classes: EXPERTS });
    const even = ops.sum(ops.mul(ops.mean(best, { axes: [0] }), ops.mean(share, { axes: [0] })));
    return { gates, imbalance: ops.mul(even, EXPERTS) };
  }

  /** The answer [n] to rows [n, 2]. */
  forward(x: Tensor): Tensor {
    return this.answer(x, this.route(x).gates);
  }

  /** The same, with the gates that `route` gave. */
  answer(x: Tensor, gates: Tensor): Tensor {
    const answers = ops.concat(
      this.experts.map((one) => one.forward(x)),
      1,
    );
    return ops.sum(ops.mul(answers, gates), { axes: [1] });
  }
}

/** Points of the plane, and the wave of the sector that each is in. */
function points(count: number, seed: number): { x: Float32Array; y: Float32Array } {
  const gauss = normal(random(seed));
  const x = Float32Array.from({ length: 2 * count }, gauss);
  const y = Float32Array.from({ length: count }, (_, i) => {
    const [a, b] = [x[2 * i]!, x[2 * i + 1]!];
    const sector = Math.min(SECTORS - 1, Math.floor(((Math.atan2(b, a) / Math.PI + 1) / 2) * SECTORS));
    return Math.sin((1 + (sector % 4)) * (sector < 4 ? a : b)) + 0.5 * (sector % 3);
  });
  return { x, y };
}

export function network({ seed = 1 }: Pick<MainOptions, 'seed'> = {}): Network {
  const model = new MixtureOfExperts();
  const trainer = new Trainer({
    model,
    loss: ({ x, y }: { x: Tensor; y: Tensor }, moe) => {
      const { gates, imbalance } = moe.route(x);
      return ops.add(loss.mse(moe.answer(x, gates), y), ops.cast(ops.mul(imbalance, 0.01), 'f64'));
    },
    predict: ({ x }: { x: Tensor }, moe) => {
      const { gates } = moe.route(x);
      return ops.concat([ops.expandDims(moe.answer(x, gates), 1), gates], 1);
    },
    optimizer: optim.adam({ lr: 3e-3 }),
    clip: clip.globalNorm(1),
    seed,
  });
  return {
    model,
    *steps(count): Generator<Step> {
      for (let i = 0; i < count; i++) {
        const { x, y } = points(BATCH, 10_000 * seed + i);
        const batch = { x: f32(x, BATCH, 2), y: f32(y, BATCH) };
        yield { batch, loss: trainer.stepSync(batch).loss };
      }
    },
    score() {
      const rows = 2000;
      const { x, y } = points(rows, 999_999_999);
      const { data } = trainer.predictSync({ x: f32(x, rows, 2) });
      const mean = y.reduce((a, b) => a + b, 0) / rows;
      const used = new Array<number>(EXPERTS).fill(0);
      let [error, variance] = [0, 0];
      for (const [i, value] of y.entries()) {
        const row = data.subarray(i * (1 + EXPERTS), (i + 1) * (1 + EXPERTS));
        error += (row[0]! - value) ** 2;
        variance += (mean - value) ** 2;
        for (let e = 0; e < EXPERTS; e++) if (row[1 + e]! > 0) used[e]!++;
      }
      // Each would answer a quarter of the rows, if they were used alike.
      return { explained: 1 - error / variance, leastUsed: Math.min(...used) / rows, mostUsed: Math.max(...used) / rows };
    },
    dispose: () => trainer.dispose(),
  };
}

export const main = ({ steps = 3000, seed = 1 }: MainOptions = {}): Readonly<Record<string, number>> =>
  train(network({ seed }), steps);
start(import.meta.url, main);
