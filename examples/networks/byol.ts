// byol.ts: features without labels (Grill et al. 2020): of two views of a drawing, each with a shift and noise of its own, one network foretells what a slower
// copy of it makes of the other. A linear classifier on the features then learns from few labels.
// Run: npm run -s build:ts && node dist/examples/networks/byol.js (half a minute)
import { loss, type NdArray, nn, ops, optim, type Tensor, Trainer } from 'gradclip';
import { normal, random } from '../random.ts';
import { f32, type MainOptions, type Network, type Step, start, train } from './network.ts';
import { KINDS, SIDE, shapes } from './shapes.ts';

const BATCH = 64;
const WIDTH = 64;
/** How much of the target stays in a step. */
const SLOW = 0.98;
const LABELED = 80;

/** Features [n, WIDTH] of drawings [n, 1, SIDE, SIDE]. */
const encoder = (): nn.Sequential =>
  new nn.Sequential(
    new nn.Conv2d(1, 16, 3, { stride: 2, padding: 1 }),
    new nn.ReLU(),
    new nn.Conv2d(16, 32, 3, { stride: 2, padding: 1 }),
    new nn.ReLU(),
    new nn.Flatten(),
    new nn.Linear(32 * (SIDE / 4) ** 2, WIDTH),
  );
const projector = (): nn.Sequential => new nn.Sequential(new nn.BatchNorm1d(WIDTH), new nn.ReLU(), new nn.Linear(WIDTH, 32));

class Byol extends nn.Module {
  online: nn.Sequential = encoder();
  projection: nn.Sequential = projector();
  target: nn.Sequential = new nn.Sequential(encoder(), projector());
  predictor: nn.Sequential = new nn.Sequential(new nn.Linear(32, 64), new nn.ReLU(), new nn.Linear(64, 32));

  /** What one view foretells of the other [n, 32], and what the target makes of that, which is no one's to change. */
  forward(view: Tensor, other: Tensor): { foretold: Tensor; made: Tensor } {
    const foretold = this.predictor.forward(this.projection.forward(this.online.forward(view)));
    return { foretold, made: ops.stopGradient(this.target.forward(other)) };
  }
}

/** Accuracy of a linear classifier that learns few labels from features. */
function probe(features: (x: NdArray) => NdArray): number {
  const [few, test] = [shapes(LABELED, 77_777, 0.1), shapes(1000, 999_999_999, 0.1)];
  using trainer = new Trainer({
    model: new nn.Sequential(new nn.BatchNorm1d(WIDTH), new nn.Linear(WIDTH, KINDS)),
    loss: ({ x, y }, layers) => loss.crossEntropy(layers.forward(x), y),
    predict: ({ x }: { x: Tensor }, layers) => layers.forward(x),
    optimizer: optim.adamw({ lr: 0.01, weightDecay: 0.1 }),
    batchSize: 20,
    seed: 1,
  });
  trainer.fitSync({ x: features(few.x), y: few.kind }, { steps: 400 });
  const { data } = trainer.predictSync({ x: features(test.x) });
  const right = test.kind.data.filter((label, i) => {
    const logits = data.subarray(i * KINDS, (i + 1) * KINDS);
    return logits.indexOf(Math.max(...logits)) === label;
  });
  return right.length / test.kind.data.length;
}

export function network({ seed = 1 }: Pick<MainOptions, 'seed'> = {}): Network {
  const uniform = random(seed);
  const gauss = normal(uniform);
  /** Another view of each: shifted by up to two pixels, brighter or darker, in noise. */
  const view = ({ data, shape }: NdArray): NdArray<Float32Array> => {
    const out = new Float32Array(data.length);
    const area = SIDE * SIDE;
    for (let n = 0; n < shape[0]!; n++) {
      const [dx, dy] = [Math.floor(5 * uniform()) - 2, Math.floor(5 * uniform()) - 2];
      const bright = 0.7 + 0.6 * uniform();
      for (let p = 0; p < area; p++) {
        const [x, y] = [(p % SIDE) + dx, Math.floor(p / SIDE) + dy];
        const inside = x >= 0 && y >= 0 && x < SIDE && y < SIDE;
        out[n * area + p] = bright * (inside ? data[n * area + y * SIDE + x]! : 0) + 0.15 * gauss();
      }
    }
    return f32(out, ...shape);
  };
  const model = new Byol();
  const trainer = new Trainer({
    model,
    parameters: ['online.*', 'projection.*', 'predictor.*'],
    loss: ({ a, b }: { a: Tensor; b: Tensor }, byol) => {
      const apart = (x: Tensor, y: Tensor): Tensor => {
        const { foretold, made } = byol.forward(x, y);
        return ops.mean(ops.sub(1, loss.cosineSimilarity(foretold, made)));
      };
      return ops.add(apart(a, b), apart(b, a));
    },
    // Features of what stands as view `a`.
    predict: ({ a }: { a: Tensor }, byol) => byol.online.forward(a),
    optimizer: optim.adam({ lr: 1e-3 }),
    seed,
  });
  const weights = new Map(model.namedParameters());
  const pairs = [...weights].flatMap(([name, to]) => {
    const [, part, rest] = /^target\.([01])\.(.*)$/.exec(name) ?? [];
    return part ? [[weights.get(`${part === '0' ? 'online' : 'projection'}.${rest}`)!, to] as const] : [];
  });
  for (const [online, target] of pairs) target.data = online.data;
  return {
    model,
    *steps(count): Generator<Step> {
      for (let i = 0; i < count; i++) {
        const { x } = shapes(BATCH, 10_000 * seed + i, 0.1);
        const batch = { a: view(x), b: view(x) };
        yield { batch, loss: trainer.stepSync(batch).loss };
        for (const [online, target] of pairs)
          for (let k = 0; k < target.data.length; k++) target.data[k] = SLOW * target.data[k]! + (1 - SLOW) * online.data[k]!;
      }
    },
    score() {
      using untrained = new Trainer({
        model: encoder(),
        loss: ({ x }, layers) => ops.mean(layers.forward(x)),
        optimizer: optim.sgd({ lr: 0 }),
        seed,
      });
      return {
        accuracy: probe((x) => trainer.predictSync({ a: x })),
        accuracyUntrained: probe((x) => untrained.predictSync({ x })),
      };
    },
    dispose: () => trainer.dispose(),
  };
}

export const main = ({ steps = 1000, seed = 1 }: MainOptions = {}): Readonly<Record<string, number>> =>
  train(network({ seed }), steps);
start(import.meta.url, main);
