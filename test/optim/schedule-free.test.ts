// schedule-free.test.ts: the average that optim.scheduleFree keeps: which weights are evaluated, saved and resumed, and what is refused.
import { describe, expect, it } from 'vitest';
import { clip, constraint, loss, nn, optim, prune, Trainer, type TrainerOptions } from '../../lib/index.ts';

const x = Array.from({ length: 48 }, (_, i) => [Math.sin(i), Math.cos(3 * i), ((i * 7) % 11) / 11]);
const y = x.map(([a, b]) => Number(a! > b!));
const data = { x, y };

class Net extends nn.Sequential {
  constructor() {
    super(new nn.Linear(3, 8), new nn.Tanh(), new nn.Linear(8, 2));
  }
}
const make = (options: Partial<TrainerOptions<Net, never>> = {}): Trainer<Net> =>
  new Trainer({
    model: new Net(),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.scheduleFree({ lr: 0.05 }),
    clip: clip.globalNorm(1),
    batchSize: 8,
    ...options,
  } as TrainerOptions<Net, never>);

type Values = Readonly<Record<string, number[]>>;
const values = async (trainer: Trainer<Net>, weights: 'model' | 'ema'): Promise<Values> =>
  Object.fromEntries(
    [...(await trainer.readParameters({ weights }))].map(([name, v]) => [name, Array.from(v.data as Float32Array)]),
  );

/** The sequences of the paper, in f64: gradients at y, steps along z, x the weighted mean of z. */
function reference(start: number[], gradient: (t: number) => readonly number[], steps: number, lr: (t: number) => number) {
  const [beta1, beta2, eps] = [0.9, 0.999, 1e-8];
  let [xs, zs, ys] = [start, start, start];
  const v = start.map(() => 0);
  let [sum, largest] = [0, 0];
  for (let t = 0; t < steps; t++) {
    const g = gradient(t);
    largest = Math.max(largest, lr(t));
    sum += largest ** 2;
    const c = sum > 0 ? largest ** 2 / sum : 0;
    zs = zs.map((z, i) => {
      v[i] = beta2 * v[i]! + (1 - beta2) * g[i]! ** 2;
      return z - (lr(t) * g[i]!) / (Math.sqrt(v[i]! / (1 - beta2 ** (t + 1))) + eps);
    });
    xs = xs.map((x, i) => (1 - c) * x + c * zs[i]!);
    ys = xs.map((x, i) => beta1 * x + (1 - beta1) * zs[i]!);
  }
  return { xs, ys };
}

describe('standalone', () => {
  const start = [0.5, -1, 2, 0.25, -0.125];
  const gradient = (t: number): number[] => start.map((_, i) => Math.cos(t * 1.3 + i) + 0.25);
  it.each([
    ['a rate', () => 0.05],
    ['a warm-up from 0', (t: number) => (0.05 * Math.min(t, 10)) / 10],
    ['a rate that falls and rises', (t: number) => 0.03 + 0.02 * Math.cos(t)],
  ])('is the mean of where steps went, with %s', (_, lr) => {
    const p = [Float32Array.from(start)];
    const bound = optim.scheduleFree({ lr }).bind(p, { clip: clip.none() });
    for (let t = 0; t < 40; t++) bound.step([Float32Array.from(gradient(t))]);
    const { xs, ys } = reference(start, gradient, 40, lr);
    const average = bound.state().tensors['optim.0.x'] as Float32Array;
    for (const [i, want] of ys.entries()) expect(p[0]![i]).toBeCloseTo(want, 5);
    for (const [i, want] of xs.entries()) expect(average[i]).toBeCloseTo(want, 5);
  });

  it('goes on from a state with the weights of steps that it has not seen', () => {
    const lr = (t: number): number => 0.01 * (1 + (t % 5));
    const [a, b] = [[Float32Array.from(start)], [Float32Array.from(start)]];
    const first = optim.scheduleFree({ lr }).bind(a);
    for (let t = 0; t < 7; t++) first.step([Float32Array.from(gradient(t))]);
    b[0]!.set(a[0]!);
    const second = optim.scheduleFree({ lr }).bind(b);
    second.load(first.state());
    for (let t = 7; t < 12; t++) for (const bound of [first, second]) bound.step([Float32Array.from(gradient(t))]);
    expect(b).toEqual(a);
    expect(second.state()).toEqual(first.state());
  });
});

describe('in a trainer', () => {
  it('begins as the weights, and is what weights: ema evaluates, predicts, reads and saves', async () => {
    const trainer = make();
    expect(await values(trainer, 'ema')).toEqual(await values(trainer, 'model'));
    await trainer.fit(data, { steps: 20, validation: data, validateWeights: 'ema' });
    const [model, average] = [await values(trainer, 'model'), await values(trainer, 'ema')];
    expect(average).not.toEqual(model);
    const other = make({ optimizer: optim.sgd() });
    await other.load(await trainer.save({ weightsOnly: true, weights: 'ema' }));
    expect(await values(other, 'model')).toEqual(average);
    expect(await trainer.evaluate(data, { weights: 'ema' })).toEqual(await other.evaluate(data));
    expect(await trainer.evaluate(data)).not.toEqual(await other.evaluate(data));
    expect((await trainer.predict(x, { weights: 'ema' })).data).toEqual((await other.predict(x)).data);
  });

  it('is resumed bit for bit, the average with it', async () => {
    const [whole, first, second] = [make(), make(), make()];
    await whole.fit(data, { steps: 13 });
    await first.fit(data, { steps: 5 });
    await second.load(await first.save());
    expect(await values(second, 'ema')).toEqual(await values(first, 'ema'));
    await second.fit(data, { steps: 8 });
    for (const weights of ['model', 'ema'] as const) expect(await values(second, weights)).toEqual(await values(whole, weights));
  });

  it('begins anew as weights that are loaded', async () => {
    const [trainer, from] = [make(), make({ optimizer: optim.sgd({ lr: 0.1 }) })];
    await trainer.fit(data, { steps: 4 });
    await from.fit(data, { steps: 4 });
    await trainer.load(await from.save({ weightsOnly: true }));
    expect(await values(trainer, 'ema')).toEqual(await values(from, 'model'));
  });

  it('takes the place of another optimizer within a run', async () => {
    const trainer = make({ optimizer: optim.adamw({ lr: 0.01 }) });
    await trainer.fit(data, { steps: 30 });
    const before = await values(trainer, 'model');
    await trainer.change({ optimizer: optim.scheduleFree({ lr: 1e-3 }) });
    expect(await values(trainer, 'ema')).toEqual(before);
    await trainer.fit(data, { steps: 1 });
    // A step of Adam is at most about the rate.
    for (const weights of ['model', 'ema'] as const) {
      for (const [name, now] of Object.entries(await values(trainer, weights)))
        for (const [i, v] of now.entries()) expect(Math.abs(v - before[name]![i]!)).toBeLessThan(0.05);
    }
  });

  it('is of its own group: others are themselves', async () => {
    const trainer = make({ groups: [{ match: '0.*', optimizer: optim.sgd({ lr: 0.1 }) }] });
    await trainer.fit(data, { steps: 6 });
    const [model, average] = [await values(trainer, 'model'), await values(trainer, 'ema')];
    expect(average['0.weight']).toEqual(model['0.weight']);
    expect(average['2.weight']).not.toEqual(model['2.weight']);
  });

  it('is refused beside what would not hold for it', async () => {
    expect(() => make({ ema: {} })).toThrow('Trainer: option ema: optim.scheduleFree keeps an average of its own');
    for (const held of [
      { constraints: [{ match: '*', constraint: constraint.maxNorm(1) }] },
      { prune: prune.magnitude({ sparsity: 0.5, end: 4 }) },
    ])
      expect(() => make(held as never)).toThrow(
        'Trainer: constraints and prune do not hold for the average that optim.scheduleFree keeps',
      );
    expect(() => optim.lookahead(optim.scheduleFree())).toThrow('optim.lookahead: argument optimizer: optim.scheduleFree keeps');
    expect(() => optim.scheduleFree({ betas: [0, 0.9] })).toThrow('betas[0]');
    await expect(make({ optimizer: optim.sgd() }).evaluate(data, { weights: 'ema' })).rejects.toThrow(
      "evaluate: weights: 'ema' needs the trainer's option ema, or an optimizer that keeps an average",
    );
  });
});
