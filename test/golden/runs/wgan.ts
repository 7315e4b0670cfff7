// wgan.ts: a Wasserstein GAN (Arjovsky et al. 2017) of MLPs of 64 units: two trainers of one model, and its data. wgan.py is the same one.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { constraint, type NdArray, nn, ops, optim, type Report, type Tensor, Trainer } from '../../../lib/index.ts';
import { noise, uniform } from './recipe.ts';

export const ITERATIONS = 20;
export const CRITIC_STEPS = 3;
const BATCH = 64;
const LATENT = 8;
const CORNERS = [1, 0, 0.75, 0.75, 0, 1, -0.75, 0.75, -1, 0, -0.75, -0.75, 0, -1, 0.75, -0.75];

/** Losses of each step. */
export interface WganLosses {
  readonly critic: readonly number[];
  readonly generator: readonly number[];
}
/** What PyTorch made of it. */
export interface WganGolden {
  readonly settings: { readonly lr: number; readonly alpha: number; readonly eps: number; readonly weightClip: number };
  readonly f32: WganLosses;
  readonly f64: WganLosses;
  /** Sum and sum of squares of each parameter after the last step. */
  readonly final: Readonly<Record<string, readonly [number, number]>>;
}

/** @param folder where the goldens are, for a script that is compiled elsewhere */
export function wganGolden(folder: string = import.meta.dirname): WganGolden {
  return JSON.parse(readFileSync(join(folder, 'wgan.json'), 'utf8')) as WganGolden;
}

/** Eight spots around 0. */
function points(draw: number): NdArray<Float32Array> {
  const at = noise(5000 + draw, BATCH);
  const spread = uniform(6000 + draw, 2 * BATCH);
  return { data: spread.map((u, i) => CORNERS[2 * (at[i >> 1]! % 8) + (i & 1)]! + 0.125 * u), shape: [BATCH, 2] };
}
const latent = (draw: number): NdArray<Float32Array> => ({ data: uniform(7000 + draw, LATENT * BATCH), shape: [BATCH, LATENT] });

const mlp = (i: number, o: number): nn.Sequential =>
  new nn.Sequential(new nn.Linear(i, 64), new nn.ReLU(), new nn.Linear(64, 64), new nn.ReLU(), new nn.Linear(64, o));

export class Gan extends nn.Module {
  readonly generator: nn.Sequential = mlp(LATENT, 2);
  readonly critic: nn.Sequential = mlp(2, 1);
  /** What the critic thinks of made points, in the mean. @shape z [n, LATENT] -> scalar */
  forward(z: Tensor): Tensor {
    return ops.mean(this.critic.forward(this.generator.forward(z)));
  }
}

/** The two trainers of one model, in turns. Batches are made once: those of an iteration come again after 20. */
export class WganTraining {
  readonly model: Gan = new Gan();
  readonly critic: Trainer<Gan, never, 'x' | 'z'>;
  readonly generator: Trainer<Gan, never, 'z'>;
  readonly #critics = Array.from({ length: ITERATIONS * CRITIC_STEPS }, (_, draw) => ({ x: points(draw), z: latent(draw) }));
  readonly #generators = Array.from({ length: ITERATIONS }, (_, draw) => ({ z: latent(1000 + draw) }));
  #at = 0;

  /** @param threads of each step; default: all */
  constructor({ settings }: WganGolden, threads?: number) {
    for (const [k, parameter] of this.model.parameters().entries()) parameter.data = uniform(k, parameter.size).map((u) => u / 8);
    const { weightClip, ...options } = settings;
    const both = { model: this.model, optimizer: optim.rmsprop(options), ...(threads !== undefined && { threads }) };
    this.critic = new Trainer({
      ...both,
      parameters: 'critic.*',
      loss: ({ x, z }: { x: Tensor; z: Tensor }, gan) => ops.sub(gan.forward(z), ops.mean(gan.critic.forward(x))),
      constraints: [{ match: 'critic.*', constraint: constraint.weightClip(weightClip) }],
    });
    this.generator = new Trainer({
      ...both,
      parameters: 'generator.*',
      loss: ({ z }: { z: Tensor }, gan) => ops.neg(gan.forward(z)),
    });
  }

  /** One after the other, blocking. */
  iterationSync(): { critic: Report[]; generator: Report } {
    const { critics, generators } = this.#next();
    return { critic: critics.map((batch) => this.critic.stepSync(batch)), generator: this.generator.stepSync(generators) };
  }

  /** The same, awaited. */
  async iteration(): Promise<{ critic: Report[]; generator: Report }> {
    const { critics, generators } = this.#next();
    const critic: Report[] = [];
    for (const batch of critics) critic.push(await this.critic.step(batch));
    return { critic, generator: await this.generator.step(generators) };
  }

  /** Losses of the first iterations. */
  losses(iterations: number): WganLosses {
    const all = Array.from({ length: iterations }, () => this.iterationSync());
    return { critic: all.flatMap(({ critic }) => critic.map((r) => r.loss)), generator: all.map((r) => r.generator.loss) };
  }

  dispose(): void {
    this.critic.dispose();
    this.generator.dispose();
  }

  #next() {
    const i = this.#at++ % ITERATIONS;
    const first = i * CRITIC_STEPS;
    return { critics: this.#critics.slice(first, first + CRITIC_STEPS), generators: this.#generators[i]! };
  }
}
