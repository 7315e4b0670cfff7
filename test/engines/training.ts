// training.ts: trainings and draws that need whatever JavaScript leaves to the engine to round, and hashes of what comes out.
import { createHash } from 'node:crypto';
import type * as Library from '../../lib/index.ts';
import type { TensorLike } from '../../lib/ir/graph.ts';
import type * as Functions from '../../lib/math/index.ts';

const OPTIMIZERS = ['acclip', 'adafactor', 'adam', 'adamax', 'adopt', 'lamb', 'nadam', 'radam', 'spam', 'stableAdamw'] as const;

function sha(...parts: readonly ArrayBufferView[]): string {
  const hash = createHash('sha256');
  for (const { buffer, byteOffset, byteLength } of parts)
    hash.update(new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength));
  return hash.digest('hex');
}

/** Numbers from -1 to below 1. */
const values = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => ((i * 7919) % 1009) / 504.5 - 1);
const labels = (n: number, classes: number): Int32Array => Int32Array.from({ length: n }, (_, i) => (i * i + 3 * i) % classes);

/** Each function of lib/math all over its range, and what the linter lets pass: literal powers of two. */
function functions({ cos, exp, log, log10, log1p, pow, sin, tanh }: typeof Functions): string {
  const at = Array.from({ length: 5000 }, (_, i) => ((i * 7919) % 5000) / 5000);
  const one = [cos, exp, log, log10, log1p, sin, tanh].flatMap((f) =>
    at.flatMap((u) => [f(u), f(40 * u - 20), f(1e6 * u - 5e5)]),
  );
  const two = at.flatMap((u, t) => [pow(0.999, t), pow(u, 40 * u - 20), pow(1 + u / 100, 1e5 * u - 5e4)]);
  const literal = [2 ** -149, 2 ** -53, 2 ** -24, 2 ** -20, 2 ** -6, 2 ** 16, 2 ** 24, 2 ** 32, 2 ** 53, 2 ** 63, 2 ** 100];
  return sha(Float64Array.from([...one, ...two, ...literal]));
}

function schedules({ schedule: s }: typeof Library.optim): string {
  const all = [
    s.constant(0.1, { steps: 7 }),
    s.linear(0.1, { steps: 700 }),
    s.exponential(0.1, { gamma: 0.999 }),
    s.step(0.1, { size: 30, gamma: 0.7 }),
    s.multiStep(0.1, { milestones: [30, 300, 1000], gamma: 0.3 }),
    s.polynomial(0.1, { steps: 2500, power: 0.9 }),
    s.cosine(0.1, { steps: 2900, min: 1e-3 }),
    s.cosineRestarts(0.1, { steps: 70, factor: 2 }),
    s.inverseSqrt(0.1, { warmup: 100 }),
    s.oneCycle(0.1, { steps: 2900 }),
    s.oneCycleMomentum({ steps: 2900, anneal: 'linear' }),
    s.cyclic(0.1, { max: 1, up: 40, down: 70, mode: 'expRange', gamma: 0.9993 }),
  ];
  return sha(Float64Array.from(all.flatMap((f) => Array.from({ length: 3000 }, (_, t) => f(t)))));
}

/** Hashes by what was trained, of the library as it is imported: a way to compare engines. */
export async function engineHashes(library: typeof Library, math: typeof Functions): Promise<Record<string, string>> {
  const { augment, clip, generate, loss, metrics, models, nn, ops, optim, Trainer, windows } = library;

  type Options<K extends string> = Omit<Library.TrainerOptions<Network, K>, 'loss' | 'batchSize' | 'predict'>;
  const trainerOf = <K extends string = never>(options: Options<K>): Library.Trainer<Network, K> =>
    new Trainer<Network, K>({ ...options, batchSize: 8, loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y) });
  const weights = async (trainer: Library.Trainer<Network>): Promise<Float32Array[]> =>
    [...(await trainer.readParameters()).values()].map(({ data }) => data);

  /** Initial values from normal draws, dropout, and every optimizer that corrects with powers, at a rate that cycles. */
  const optimizers = async (): Promise<string> => {
    const out: Float32Array[] = [];
    for (const name of OPTIMIZERS) {
      const first = new nn.Linear(12, 16);
      first.weight = new library.nn.Parameter([16, 12], library.nn.init.kaimingNormal());
      const model = new nn.Sequential(first, new nn.Tanh(), new nn.Dropout(0.2), new nn.Linear(16, 3));
      const trainer = trainerOf({ model, optimizer: optim[name]({ lr: optim.schedule.oneCycle(0.05, { steps: 40 }) }) });
      await trainer.fit({ x: { data: values(480), shape: [40, 12] }, y: labels(40, 3) }, { steps: 30 });
      out.push(...(await weights(trainer)));
      trainer.dispose();
    }
    return sha(...out);
  };

  /** Images that are changed and get noise, norms of the third power, averaged weights, a metric. */
  const images = async (): Promise<string> => {
    const trainer = trainerOf({
      model: new models.LeNet({ size: 12, classes: 4 }),
      optimizer: optim.adam({ lr: optim.schedule.cosine(3e-3, { steps: 20 }) }),
      clip: clip.globalNorm(0.7, { p: 3 }),
      ema: { decay: 0.99 },
      augment: [augment.shift(1), augment.flip(), augment.noise(0.1)],
      metrics: { perplexity: ({ x, y }, m) => metrics.perplexity(m.forward(x), y) },
    });
    const data = { x: { data: values(5760), shape: [40, 1, 12, 12] }, y: labels(40, 4) };
    await trainer.fit(data, { steps: 20 });
    const measured = await trainer.evaluate(data, { weights: 'ema' });
    const hash = sha(...(await weights(trainer)), Float64Array.of(measured.loss, measured.perplexity));
    trainer.dispose();
    return hash;
  };

  /** Positions as sines and as turns. */
  class Positioned extends nn.Module {
    readonly positions: Library.nn.SinusoidalPositions = new nn.SinusoidalPositions(12);
    readonly head: Library.nn.Linear = new nn.Linear(12, 5);
    forward(x: TensorLike): Library.Tensor {
      return this.head.forward(ops.rotary(this.positions.forward(x)));
    }
  }
  const positions = async (): Promise<string> => {
    const trainer = trainerOf({ model: new Positioned(), optimizer: optim.sgd({ lr: 0.1 }) });
    await trainer.fit(
      { x: { data: values(24_000), shape: [40, 50, 12] }, y: { data: labels(2000, 5), shape: [40, 50] } },
      { steps: 10 },
    );
    const hash = sha(...(await weights(trainer)));
    trainer.dispose();
    return hash;
  };

  /** A recurrent network and a transformer learn a text and go on with it. */
  const texts = async (): Promise<string> => {
    const tokens = Int32Array.from({ length: 600 }, (_, i) => (i * i + (i >> 3)) % 11);
    const out: ArrayBufferView[] = [];
    for (const model of [
      new models.CharRNN(11, { kind: 'lstm', hidden: 24, layers: 2, dropout: 0.1 }),
      new models.GPT(11, { context: 16, layers: 2, heads: 2, width: 16, dropout: 0.1 }),
    ]) {
      const trainer = trainerOf({ model, optimizer: optim.nadam({ lr: 0.01 }), clip: clip.adaGc() });
      await trainer.fit(windows(tokens, { length: 16 }), { steps: 20 });
      out.push(...(await weights(trainer)), Int32Array.from(await generate(trainer, { prompt: [1, 2, 3], length: 40 })));
      trainer.dispose();
    }
    return sha(...out);
  };

  return {
    functions: functions(math),
    schedules: schedules(optim),
    optimizers: await optimizers(),
    images: await images(),
    positions: await positions(),
    texts: await texts(),
  };
}

type Network = Library.nn.Module & { forward(x: TensorLike): Library.Tensor };
