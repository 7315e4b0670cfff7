// probe.test.ts: trainer.probe: figures as PyTorch and plain definitions have them, nothing of the run changed, and what it says of sick models.
import { readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DataError, DisposedError, OptionError } from '../../../lib/errors.ts';
import type { Estimate, Probe, WarningCode } from '../../../lib/history/index.ts';
import { type Batch, constraint, regularize, sequences, windows } from '../../../lib/index.ts';
import type { Tensor } from '../../../lib/ir/graph.ts';
import * as nn from '../../../lib/nn/index.ts';
import * as loss from '../../../lib/nn/loss/index.ts';
import { add, mean, relu } from '../../../lib/ops/index.ts';
import * as optim from '../../../lib/optim/index.ts';
import * as clip from '../../../lib/public/clip.ts';
import { LIMITS } from '../../../lib/train/run/probe.ts';
import { Trainer } from '../../../lib/train/trainer.ts';
import { bits, classifier, points } from '../models.ts';

const GOLDEN = JSON.parse(readFileSync(new URL('../../golden/clip/probe.json', import.meta.url), 'utf8'));

// As in test/golden/clip/make_probe.py.
const [BATCHES, ROWS, SIZES] = [10, 24, [5, 16, 8, 3]];
const number = (i: number, k: number): number => (((i * 29 + k * 53 + ((i * i * 7) % 31) + 11) % 127) - 63) / 128;
const numbers = (n: number, of: (i: number) => number): Float32Array => Float32Array.from({ length: n }, (_, i) => of(i));
function goldenBatch(j: number) {
  const data = numbers(ROWS * SIZES[0]!, (i) => 4 * number(i + 211 * j, 3));
  const y = Int32Array.from({ length: ROWS }, (_, r) => Number(data[5 * r]! > 0) + Number(data[5 * r + 1]! > 0));
  return { x: { data, shape: [ROWS, 5] }, y };
}
function goldenTrainer(policy: clip.ClipPolicy, threads = 1) {
  const layers = [0, 1, 2].map((l) => new nn.Linear(SIZES[l]!, SIZES[l + 1]!));
  const model = new nn.Sequential(layers[0]!, new nn.ReLU(), layers[1]!, new nn.ReLU(), layers[2]!);
  const trainer = new Trainer({
    model,
    loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    clip: policy,
    threads,
  });
  for (const [l, { weight, bias }] of layers.entries()) {
    weight.data.set(numbers(weight.data.length, (i) => number(i, l)));
    bias!.data.set(numbers(bias!.data.length, (i) => number(i, l + 7) / 4));
  }
  for (const dead of [3, 11]) layers[0]!.bias!.data[dead] = -16;
  return trainer;
}
const goldenBatches = Array.from({ length: BATCHES }, (_, j) => goldenBatch(j));

const near = (given: number, wanted: number, what: string, relative = 2e-4): void =>
  expect(Math.abs(given - wanted), `${what}: ${given}, ${wanted}`).toBeLessThanOrEqual(relative * Math.abs(wanted) + 1e-6);
function nearEstimate({ value, low, high }: Estimate, [v, l, h]: readonly number[], what: string): void {
  near(value!, v!, what);
  // Of the quantile of Student's distribution there are three digits.
  near(low, l!, `low ${what}`, 5e-3);
  near(high, h!, `high ${what}`, 5e-3);
}

describe('as PyTorch has the gradients, and plain definitions the rest', () => {
  const POLICIES = { none: clip.none(), globalNorm: clip.globalNorm(0.5), value: clip.value(0.015625) };
  test.each(Object.entries(POLICIES))('%s', async (name, policy) => {
    const probe = await goldenTrainer(policy).probe(goldenBatches);
    expect(probe).toMatchObject({ step: 0, batches: BATCHES, nonFinite: 0, skipped: 0, rows: ROWS, rates: [0.1], unchanged: 0 });
    for (const [j, n] of probe.norms.entries()) near(n, GOLDEN.norms[j], `norm ${j}`);
    near(probe.loss, GOLDEN.losses.reduce((a: number, b: number) => a + b) / BATCHES, 'loss');
    for (const key of ['meanNorm', 'variance', 'signal'] as const) near(probe[key], GOLDEN[key], key);
    nearEstimate(probe.noiseScale, GOLDEN.noiseScale, 'noise scale');
    const { cosine, interval, plainCosine, length, rate, turn, atBound } = GOLDEN.clips[name];
    const within = [cosine, ...interval].map((v) => Math.min(1, v));
    nearEstimate(probe.clip.cosine, within, 'cosine');
    near(probe.clip.plainCosine, plainCosine, 'plain cosine');
    near(probe.clip.length!, length, 'length');
    near(probe.clip.turn, turn, 'turn');
    near(probe.clip.atBound, atBound, 'at bound');
    expect(probe.clip).toMatchObject({ rate, policy: name });
    expect(probe.parameters.map((p) => p.name)).toEqual([0, 2, 4].flatMap((l) => [`${l}.weight`, `${l}.bias`]));
    for (const [k, p] of probe.parameters.entries()) {
      near(p.rms, GOLDEN.rms[k], `rms of ${p.name}`);
      near(p.zeros, GOLDEN.zeros[k], `zeros of ${p.name}`);
    }
    expect(probe.units).toEqual([
      { path: '1', units: 16, dead: GOLDEN.dead[0] },
      { path: '3', units: 8, dead: GOLDEN.dead[1] },
    ]);
  });

  test('the same bits on any number of threads, awaited or not, and where gradients are computed twice', async () => {
    const policy = clip.value(0.015625);
    const wanted = await goldenTrainer(policy).probe(goldenBatches);
    for (const threads of [2, 3, 8]) expect(await goldenTrainer(policy, threads).probe(goldenBatches)).toEqual(wanted);
    expect(goldenTrainer(policy).probeSync(goldenBatches)).toEqual(wanted);
    const { kept } = LIMITS;
    onTestFinished(() => {
      LIMITS.kept = kept;
    });
    // Those of three batches.
    LIMITS.kept = 3 * 2 * 4 * wanted.parameters.reduce((n, p) => n + p.elements, 0);
    expect(await goldenTrainer(policy).probe(goldenBatches)).toEqual(wanted);
  });
});

describe('nothing of the run changes', () => {
  const data = points(200);
  const plain = (): ReturnType<typeof classifier> =>
    classifier({
      rate: 0.3,
      accumulate: 2,
      ema: { decay: 0.9 },
      clip: clip.zclip({ warmup: 3 }),
      constraints: [{ match: 'fc1.weight', constraint: constraint.maxNorm(1) }],
      regularize: regularize.l2(0.01),
      lossScale: 4,
    });

  test('weights, moments, policy, averages, counters, and what is trained later', async () => {
    const [one, two] = [plain(), plain()];
    for (const trainer of [one, two]) await trainer.fit(data, { steps: 7 });
    const before = await one.save();
    const counters = one.counters;
    const [a, b] = [await one.probe(data), one.probeSync(data)];
    expect(a).toEqual(b);
    expect(Buffer.from(await one.save()).equals(Buffer.from(before))).toBe(true);
    expect(one.counters).toEqual(counters);
    expect(one.advise().steps).toBe(7);
    for (const trainer of [one, two]) await trainer.fit(data, { steps: 9 });
    expect(await bits(one)).toBe(await bits(two));
    expect(await bits(one, { weights: 'ema' })).toBe(await bits(two, { weights: 'ema' }));
  });

  test('running statistics of batch norms, and of a fit that is on', async () => {
    const make = () =>
      new Trainer({
        model: new nn.Sequential(new nn.Linear(6, 8), new nn.BatchNorm1d(8), new nn.ReLU(), new nn.Linear(8, 2)),
        loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
        optimizer: optim.adam({ lr: 0.01 }),
        batchSize: 10,
      });
    const [one, two] = [make(), make()];
    const run = one.fit(data, { epochs: 3 });
    const probes = [one.probe(data), one.probe(data)];
    await run;
    await two.fit(data, { epochs: 3 });
    const [a, b] = await Promise.all(probes);
    expect(a!.batches).toBe(20);
    expect(b!.batches).toBe(20);
    expect(Buffer.from(await one.save()).equals(Buffer.from(await two.save()))).toBe(true);
  });
});

/** What a step on each batch does, from the same state each time. */
test.each([
  ['sgd', () => ({ optimizer: optim.sgd({ lr: 3e-8 }), clip: clip.globalNorm(1) })],
  ['adamw with a clip by value', () => ({ optimizer: optim.adamw({ lr: 2e-8, weightDecay: 0 }), clip: clip.value(1e-3) })],
  [
    'groups and a loss scale',
    () => ({
      optimizer: optim.sgd({ lr: 1e-7, momentum: 0.9 }),
      groups: [{ match: 'fc2.*', optimizer: optim.lion({ lr: 1e-8 }) }],
      lossScale: 1024,
    }),
  ],
])('elements that the next update leaves are those that a step leaves: %s', async (_, options) => {
  const trainer = classifier(options() as never);
  await trainer.fit(points(64), { steps: 5 });
  const batches = [0, 1, 2, 3].map((k) => points(8, 6, k + 20));
  const probe = await trainer.probe(batches);
  const state = await trainer.snapshot();
  const before = await trainer.readParameters();
  let [left, given] = [0, 0];
  for (const batch of batches) {
    const { gradients } = await trainer.gradients(batch);
    await trainer.step(batch);
    for (const [name, { data }] of await trainer.readParameters()) {
      const was = before.get(name)!.data;
      gradients.get(name)!.data.forEach((g, i) => {
        if (g === 0 || was[i] === 0) return;
        given++;
        if (data[i] === was[i]) left++;
      });
    }
    await trainer.restore(state);
  }
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(given);
  expect(probe.unchanged).toBe(left / given);
});

test('batches that are not finite or left out are counted', async () => {
  const batches = Array.from({ length: 6 }, (_, k) => points(8, 6, k + 1));
  batches[2]!.x.data[5] = Number.NaN;
  batches[4]!.x.data.forEach((v, i, x) => {
    x[i] = 1e4 * v;
  });
  const trainer = classifier({ clip: clip.spikeSkip({ max: 50 }) });
  const probe = await trainer.probe(batches);
  expect(probe).toMatchObject({ batches: 5, nonFinite: 1, skipped: 1 });
  expect(probe.clip.rate).toBe(1 / 5);
  const ended = classifier({ clip: clip.none({ nonFinite: 'error' }) });
  expect(await ended.probe(batches)).toMatchObject({ batches: 5, nonFinite: 1 });
});

describe('data of all kinds', () => {
  test('sequences, windows, several inputs, a source; batches of one epoch, each row at most once', async () => {
    const text = Uint8Array.from({ length: 4000 }, (_, i) => (i * i + (i % 7)) % 17);
    const rnn = new Trainer({
      model: new (class extends nn.Module {
        embedding: nn.Embedding = new nn.Embedding(17, 8);
        rnn: nn.GRU = new nn.GRU(8, 8);
        out: nn.Linear = new nn.Linear(8, 17);
        forward(x: Tensor): Tensor {
          return this.out.forward(this.rnn.forward(this.embedding.forward(x)).output);
        }
      })(),
      loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
      optimizer: optim.adam(),
      batchSize: 16,
    });
    expect(await rnn.probe(windows(text, { length: 12 }), { batches: 5 })).toMatchObject({ batches: 5, rows: 16 });
    const lists = sequences(
      {
        x: Array.from({ length: 60 }, (_, i) => Array.from({ length: 2 + (i % 5) }, (_, k) => (i + k) % 17)),
        y: Array.from({ length: 60 }, (_, i) => i % 2),
      },
      { buckets: [4, 8] },
    );
    const byLength = new Trainer({
      model: new nn.Sequential(new nn.Embedding(17, 4), new nn.ReLU(), new nn.Linear(4, 2)),
      loss: ({ x, y }, m) => loss.crossEntropy(mean(m.forward(x), { axes: [1] }), y),
      optimizer: optim.sgd(),
      batchSize: 8,
    });
    const probed = await byLength.probe(lists);
    expect(probed.rows).toBe(8);
    expect(probed.units).toMatchObject([{ path: '1', units: 4 }]);
    const named = new Trainer({
      model: new nn.Linear(4, 1),
      loss: ({ a, b, target }: Batch<'a' | 'b' | 'target'>, m) => loss.mse(m.forward(add(a, b)), target),
      optimizer: optim.sgd(),
      batchSize: 4,
    });
    const rows = (n: number, k: number) =>
      Array.from({ length: n }, (_, i) => Array.from({ length: k }, (_, j) => Math.sin(i * k + j)));
    const several = await named.probe({ a: rows(30, 4), b: rows(30, 4), target: rows(30, 1) });
    // Seven whole batches; the last two rows are fewer.
    expect(several).toMatchObject({ batches: 7, rows: 4 });
  });

  test('too few batches, no batch, wrong options, a disposed trainer', async () => {
    const trainer = classifier();
    await expect(trainer.probe(points(16))).rejects.toThrow('expected at least 3 batches of 8 rows in an epoch, got 2');
    await expect(trainer.probe(points(16))).rejects.toThrow(DataError);
    expect(() => trainer.probeSync(points(16))).toThrow(DataError);
    expect((await trainer.probe(points(16), { batchSize: 4 })).batches).toBe(4);
    await expect(trainer.probe(points(16), { batches: 2 })).rejects.toThrow(OptionError);
    await expect(trainer.probe(points(16), { batchsize: 2 } as never)).rejects.toThrow('did you mean batchSize?');
    const spoiled = points(64);
    spoiled.x.data.fill(Number.NaN);
    await expect(trainer.probe(spoiled)).rejects.toThrow('got 0; 8 more have a gradient that is not finite');
    trainer.dispose();
    await expect(trainer.probe(points(64))).rejects.toThrow(DisposedError);
  });
});

describe('dead units', () => {
  test('channels of convolutions, features of sequences, rectifiers within a forward, micro-batches', async () => {
    class Net extends nn.Module {
      conv: nn.Conv2d = new nn.Conv2d(1, 4, 3);
      norm: nn.BatchNorm2d = new nn.BatchNorm2d(4);
      act: nn.ReLU = new nn.ReLU();
      flat: nn.Flatten = new nn.Flatten();
      fc: nn.Linear = new nn.Linear(64, 5);
      out: nn.Linear = new nn.Linear(5, 2);
      forward(x: Tensor): Tensor {
        const h = this.act.forward(this.norm.forward(this.conv.forward(x)));
        return this.out.forward(relu(relu(this.fc.forward(this.flat.forward(h)))));
      }
    }
    const model = new Net();
    const trainer = new Trainer({
      model,
      loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
      optimizer: optim.sgd(),
      batchSize: 8,
      accumulate: 3,
    });
    // Two channels and one feature far below 0.
    for (const c of [0, 2]) model.norm.bias!.data[c] = -50;
    model.fc.bias!.data[1] = -500;
    const x = { data: numbers(100 * 36, (i) => Math.sin(i * i)), shape: [100, 1, 6, 6] };
    const { units } = await trainer.probe({ x, y: Int32Array.from({ length: 100 }, (_, i) => i % 2) });
    expect(units[0]).toEqual({ path: 'act', units: 4, dead: 2 });
    expect(units.slice(1).map((u) => [u.path, u.units])).toEqual([
      ['', 5],
      [' (2)', 5],
    ]);
    expect(units[1]!.dead).toBe(units[2]!.dead);
    expect(units[1]!.dead).toBeGreaterThanOrEqual(1);
  });
});

const codes = ({ warnings }: Pick<Probe, 'warnings'>): WarningCode[] => warnings.map((w) => w.code);

describe('warnings of models that are made sick, and of the same ones before', () => {
  // A task that is learned from all rows, with some noise.
  const x = Array.from({ length: 400 }, (_, i) => Array.from({ length: 6 }, (_, j) => Math.sin(1 + i * (j + 1) * 0.7 + j)));
  const healthy = { x, y: x.map((r, i) => [2 * r[0]! - r[1]! + 0.5 * Math.sin(99 * i)]) };
  const make = (options: object = {}) =>
    new Trainer({
      model: new nn.Sequential(new nn.Linear(6, 32), new nn.ReLU(), new nn.Linear(32, 1)),
      loss: ({ x, y }, m) => loss.mse(m.forward(x), y),
      optimizer: optim.sgd({ lr: 0.05 }),
      batchSize: 16,
      seed: 5,
      ...options,
    });

  test('none', async () => {
    const trainer = make({ clip: clip.globalNorm(5) });
    expect((await trainer.probe(healthy)).warnings).toEqual([]);
    await trainer.fit(healthy, { steps: 20 });
    const advice = trainer.advise({ probe: await trainer.probe(healthy) });
    expect(codes(advice).filter((c) => /noisy|Bias|lost|dead|still/i.test(c))).toEqual([]);
  });

  test('standsStill: a threshold of 1e-8, by the record an estimate, by the probe exact', async () => {
    const trainer = make({ clip: clip.globalNorm(1e-8) });
    await trainer.fit(healthy, { steps: 40 });
    const probe = await trainer.probe(healthy);
    expect(probe.unchanged).toBeGreaterThan(0.9);
    expect(codes(probe)).toContain('standsStill');
    const found = trainer.advise({ probe }).warnings.filter((w) => w.code === 'standsStill');
    expect(found).toHaveLength(1);
    expect(found[0]!.text).toContain('to the bit');
    expect(found[0]!.cure).toMatchObject({ option: 'threshold' });
    // With it the weights move.
    const cured = make({ clip: clip.globalNorm(found[0]!.cure!.value) });
    await cured.fit(healthy, { steps: 40 });
    expect((await cured.probe(healthy)).unchanged).toBe(0);
    // A rate that begins at 0 is no fault.
    const warming = make({ optimizer: optim.sgd({ lr: (step) => 0.01 * step }) });
    expect(codes(await warming.probe(healthy))).not.toContain('standsStill');
  });

  test('deadUnits, zeroGradients: biases far below 0', async () => {
    const trainer = make();
    const bias = trainer.model.at(0) as nn.Linear;
    bias.bias!.data.fill(-100, 0, 20);
    const some = await trainer.probe(healthy);
    const warning = some.warnings.find((w) => w.code === 'deadUnits')!;
    expect(warning).toMatchObject({ level: 'warning', figures: { name: '1', units: 32 } });
    expect(Number(warning.figures.dead)).toBeGreaterThanOrEqual(20);
    expect(codes(some)).not.toContain('zeroGradients');
    bias.bias!.data.fill(-100);
    const all = await trainer.probe(healthy);
    expect(codes(all)).toEqual(expect.arrayContaining(['deadUnits', 'zeroGradients']));
    expect(all.warnings.find((w) => w.code === 'zeroGradients')!.figures).toMatchObject({ parameters: 3, name: '0.weight' });
  });

  test('lostDirections: a clip by value below most elements, and not one above them', async () => {
    const low = await make({ clip: clip.value(1e-3) }).probe(healthy);
    expect(codes(low)).toContain('lostDirections');
    expect(low.warnings.find((w) => w.code === 'lostDirections')!.level).toBe('warning');
    expect(codes(await make({ clip: clip.value(2) }).probe(healthy))).not.toContain('lostDirections');
    expect(codes(await make({ clip: clip.globalNorm(1e-3) }).probe(healthy))).not.toContain('lostDirections');
    const sign = await make({ clip: clip.sign() }).probe(healthy);
    expect(sign.warnings.find((w) => w.code === 'lostDirections')!.level).toBe('remark');
  });

  test('noisyGradients: targets that rows do not tell, and not those that they do', async () => {
    const rows = Array.from({ length: 4000 }, (_, i) => x[i % 400]!.map((v, j) => v + Math.sin(i * 13 + j)));
    const noise = { x: rows, y: rows.map((_, i) => [3 * Math.sin(i * i * 1.7)]) };
    const trainer = make({ batchSize: 2, optimizer: optim.adam({ lr: 3e-3 }) });
    await trainer.fit(noise, { steps: 600 });
    const probe = await trainer.probe(noise, { batches: 1000 });
    expect(codes(probe)).toContain('noisyGradients');
    const { low, rows: size } = probe.warnings.find((w) => w.code === 'noisyGradients')!.figures;
    expect(Number(low)).toBeGreaterThan(50 * Number(size));
    expect(codes(await make().probe(healthy))).not.toContain('noisyGradients');
  });

  test('clipBias: rare rows that pull elsewhere, which the clip leaves out', async () => {
    // One batch in five has a target far away in another direction; each is clipped to the same length as the others.
    const batches = Array.from({ length: 40 }, (_, k) => {
      const part = x.slice((10 * k) % 360, ((10 * k) % 360) + 16);
      return k % 5 === 0
        ? { x: part.map((r) => [...r.slice(0, 5), 3]), y: part.map((r) => [60 * r[2]!]) }
        : { x: part, y: part.map((r) => [r[0]!]) };
    });
    const bent = await make({ clip: clip.globalNorm(0.3) }).probe(batches, { batches: 40 });
    const warning = bent.warnings.find((w) => w.code === 'clipBias')!;
    expect(warning).toBeDefined();
    expect(warning.cure).toMatchObject({ option: 'threshold' });
    const cured = await make({ clip: clip.globalNorm(warning.cure!.value) }).probe(batches, { batches: 40 });
    expect(cured.clip.cosine.value!).toBeGreaterThan(bent.clip.cosine.value!);
    expect(codes(await make({ clip: clip.globalNorm(0.3) }).probe(healthy))).not.toContain('clipBias');
  });
});
