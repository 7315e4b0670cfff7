// kit.ts: a small problem to search on: rows of two classes, and a network whose rate and threshold are sought.
import { clip, type Domain, loss, nn, optim, type ParamsOf, space, Trainer, type Trial } from '../../lib/index.ts';

/** Two spirals with noise: `n` rows. */
export function spirals(n: number, seed: number): { x: { data: Float32Array; shape: number[] }; y: Int32Array } {
  const x = new Float32Array(2 * n);
  const y = new Int32Array(n);
  let state = seed * 2654435761 + 12345;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  for (let i = 0; i < n; i++) {
    const arm = i % 2;
    const t = 0.3 + 3 * next();
    const angle = 2 * t + arm * Math.PI;
    x[2 * i] = t * Math.cos(angle) + 0.2 * (next() - 0.5);
    x[2 * i + 1] = t * Math.sin(angle) + 0.2 * (next() - 0.5);
    y[i] = arm;
  }
  return { x: { data: x, shape: [n, 2] }, y };
}

export class Net extends nn.Module {
  readonly layers: nn.Sequential;
  constructor(width: number) {
    super();
    this.layers = new nn.Sequential(new nn.Linear(2, width), new nn.Tanh(), new nn.Linear(width, 2));
  }
  forward(x: Parameters<nn.Sequential['forward']>[0]): ReturnType<nn.Sequential['forward']> {
    return this.layers.forward(x);
  }
}

export const SPACE: { lr: Domain<number>; threshold: Domain<number>; width: Domain<8 | 16> } = {
  lr: space.log(1e-3, 10),
  threshold: space.log(0.01, 10),
  width: space.choice([8, 16]),
};
const train = spirals(200, 1);
const validation = spirals(200, 2);

export function make({ lr, threshold, width }: ParamsOf<typeof SPACE>, seed: number): Trial {
  const trainer = new Trainer({
    model: new Net(width),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.sgd({ lr, momentum: 0.9 }),
    clip: clip.globalNorm(threshold),
    batchSize: 20,
    threads: 1,
    seed,
  });
  return { trainer, data: train, validation };
}
