// maml.ts: learning to learn (Finn et al. 2017): which points of a strip are above a sine, of ten labeled ones. Each task has an amplitude and a phase of its
// own. The weights that are trained are those from which one step of gradient descent with cross-entropy learns a new task, so training differentiates that
// step: gradients of gradients, through ReLU and the loss.
// Run: npm run -s build:ts && node dist/examples/networks/maml.js (some seconds)
import { clip, grad, loss, nn, ops, optim, type Tensor, Trainer } from 'gradclip';
import { random } from '../random.ts';
import { f32, i32, type MainOptions, type Network, type Step, start, train } from './network.ts';

const TASKS = 16;
const SHOTS = 10;
const ASKED = 40;
const HIDDEN = 40;
const INNER_RATE = 0.4;
const STEPS = 3000;
type Weights = readonly Tensor[];

class Learner extends nn.Module {
  w1: nn.Parameter = new nn.Parameter([2, HIDDEN], nn.init.normal(0, 0.5));
  b1: nn.Parameter = new nn.Parameter([1, HIDDEN], nn.init.zeros());
  w2: nn.Parameter = new nn.Parameter([HIDDEN, HIDDEN], nn.init.normal(0, 0.2));
  b2: nn.Parameter = new nn.Parameter([1, HIDDEN], nn.init.zeros());
  w3: nn.Parameter = new nn.Parameter([HIDDEN, 2], nn.init.normal(0, 0.2));
  b3: nn.Parameter = new nn.Parameter([1, 2], nn.init.zeros());

  /** The weights, once for each task: [tasks, ...] each. */
  copies(tasks: number): Weights {
    return [this.w1, this.b1, this.w2, this.b2, this.w3, this.b3].map((w) => ops.broadcastTo(w, [tasks, ...w.shape]));
  }

  /** Logits [tasks, n, 2] of points [tasks, n, 2], by weights of each task. */
  logits(x: Tensor, [w1, b1, w2, b2, w3, b3]: Weights): Tensor {
    const h1 = ops.relu(ops.add(ops.matmul(x, w1!), b1!));
    const h2 = ops.relu(ops.add(ops.matmul(h1, w2!), b2!));
    return ops.add(ops.matmul(h2, w3!), b3!);
  }

  /** Weights after one step on what is shown. Tasks do not share weights here, so the gradient of the sum is that of each. */
  adapted(x: Tensor, y: Tensor): Weights {
    const [tasks, shots] = x.shape as [number, number, number];
    const weights = this.copies(tasks);
    const logits = ops.reshape(this.logits(x, weights), [tasks * shots, 2]);
    const error = ops.div(loss.crossEntropy(logits, ops.reshape(y, [tasks * shots]), { reduction: 'sum' }), shots);
    return grad(error, weights).map((g, i) => ops.sub(weights[i]!, ops.mul(g, INNER_RATE)));
  }

  /** Logits [tasks, m, 2] of points [tasks, m, 2], after a step on points [tasks, n, 2] with labels [tasks, n]. */
  forward(x: Tensor, shown: Tensor, labels: Tensor): Tensor {
    return this.logits(x, this.adapted(shown, labels));
  }
}
type Batch = { readonly [name in 'shown' | 'labels' | 'x' | 'y']: Tensor };

/** Tasks, each with points that are shown and points that are asked. */
function tasks(count: number, uniform: () => number): { [name in keyof Batch]: ReturnType<typeof f32 | typeof i32> } {
  const points = (n: number): [Float32Array, Int32Array] => [new Float32Array(2 * n * count), new Int32Array(n * count)];
  const [shown, labels] = points(SHOTS);
  const [x, y] = points(ASKED);
  for (let task = 0; task < count; task++) {
    const [amplitude, phase] = [0.3 + 0.7 * uniform(), Math.PI * uniform()];
    const fill = (n: number, into: Float32Array, above: Int32Array): void => {
      for (let i = task * n; i < (task + 1) * n; i++) {
        const [a, b] = [2 * uniform() - 1, 2 * uniform() - 1];
        into.set([a, b], 2 * i);
        above[i] = Number(b > amplitude * Math.sin(Math.PI * a + phase));
      }
    };
    fill(SHOTS, shown, labels);
    fill(ASKED, x, y);
  }
  return {
    shown: f32(shown, count, SHOTS, 2),
    labels: i32(labels, count, SHOTS),
    x: f32(x, count, ASKED, 2),
    y: i32(y, count, ASKED),
  };
}

export function network({ seed = 1 }: Pick<MainOptions, 'seed'> = {}): Network {
  const model = new Learner();
  const trainer = new Trainer({
    model,
    loss: ({ shown, labels, x, y }: Batch, learner) => loss.crossEntropy(learner.forward(x, shown, labels), y),
    // Before the step and after it.
    predict: ({ shown, labels, x }: Omit<Batch, 'y'>, learner) =>
      ops.concat([learner.logits(x, learner.copies(x.shape[0]!)), learner.forward(x, shown, labels)], 2),
    optimizer: optim.adam({ lr: 3e-3 }),
    clip: clip.globalNorm(10),
    seed,
  });
  const uniform = random(seed);
  return {
    model,
    *steps(count): Generator<Step> {
      for (let i = 0; i < count; i++) {
        const batch = tasks(TASKS, uniform);
        yield { batch, loss: trainer.stepSync(batch).loss };
      }
    },
    score() {
      const { y, ...given } = tasks(200, random(999_999_999));
      const { data } = trainer.predictSync(given);
      let [before, after] = [0, 0];
      for (const [i, label] of y.data.entries()) {
        const [a, b, c, d] = data.subarray(4 * i, 4 * i + 4) as unknown as [number, number, number, number];
        before += Number(Number(b > a) === label) / y.data.length;
        after += Number(Number(d > c) === label) / y.data.length;
      }
      return { rightBefore: before, rightAfterOneStep: after };
    },
    dispose: () => trainer.dispose(),
  };
}

export const main = ({ steps = STEPS, seed = 1 }: MainOptions = {}): Readonly<Record<string, number>> =>
  train(network({ seed }), steps);
start(import.meta.url, main);
