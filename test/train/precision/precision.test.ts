// precision.test.ts: what f32 loses: the f64 beside it against PyTorch (golden/runs/precision.json, made by make_precision.py) and numbers known by
// themselves; what is wrong is named, and what is right is not; and that measuring leaves no trace.
import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import {
  BusyError,
  clip,
  GradclipError,
  loss,
  models,
  nn,
  OptionError,
  ops,
  optim,
  type PrecisionReport,
  regularize,
  type Tensor,
  Trainer,
  windows,
} from '../../../lib/index.ts';
import { bits, classifier, points } from '../models.ts';

interface NamedArray {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}
interface Case {
  readonly name: string;
  readonly x: NamedArray;
  readonly y: NamedArray;
  readonly classes: boolean;
  readonly loss: number;
  readonly parameters: Readonly<Record<string, NamedArray>>;
  readonly gradients: Readonly<Record<string, readonly number[]>>;
}
const golden = JSON.parse(readFileSync(new URL('../../golden/runs/precision.json', import.meta.url), 'utf8')) as {
  cases: Case[];
  norms: { count: number; f64: number; forward: number; pairwise: number };
};

class Last extends nn.Module {
  readonly rnn: nn.LSTM | nn.GRU;
  readonly fc: nn.Linear = new nn.Linear(6, 2);
  constructor(rnn: nn.LSTM | nn.GRU) {
    super();
    this.rnn = rnn;
  }
  forward(x: Tensor): Tensor {
    return this.fc.forward(this.rnn.forward(x).last);
  }
}
const MODELS: Readonly<Record<string, () => nn.Module & { forward(x: Tensor): Tensor }>> = {
  mlp: () => new nn.Sequential(new nn.Linear(5, 7), new nn.Tanh(), new nn.Linear(7, 3)),
  norm: () => new nn.Sequential(new nn.Linear(5, 6), new nn.LayerNorm(6), new nn.GELU(), new nn.Linear(6, 3)),
  conv: () =>
    new nn.Sequential(
      new nn.Conv2d(2, 3, 3, { padding: 1 }),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Flatten(),
      new nn.Linear(27, 3),
    ),
  lstm: () => new Last(new nn.LSTM(4, 6)),
  gru: () => new Last(new nn.GRU(4, 6)),
  deep: () =>
    new nn.Sequential(...Array.from({ length: 40 }, () => [new nn.Linear(3, 3), new nn.Sigmoid()]).flat(), new nn.Linear(3, 1)),
};

async function trainerOf({ name, parameters, classes }: Case, options = {}) {
  const model = MODELS[name]!();
  const trainer = new Trainer({
    model,
    loss: ({ x, y }, m) => (classes ? loss.crossEntropy : loss.mse)(m.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    ...options,
  });
  await trainer.writeParameters(
    Object.fromEntries(Object.entries(parameters).map(([k, { shape, data }]) => [k, { shape, data: Float32Array.from(data) }])),
  );
  return trainer;
}
const dataOf = ({ x, y, classes }: Case) => ({
  x: { shape: x.shape, data: Float32Array.from(x.data) },
  y: { shape: y.shape, data: (classes ? Int32Array : Float32Array).from(y.data) },
});
const norm = (values: Iterable<number>): number => Math.sqrt([...values].reduce((sum, v) => sum + v * v, 0));

test.each(golden.cases.map((c) => [c.name, c] as const))(
  '%s: loss and norms in f64, and errors of f32, beside PyTorch',
  async (_, c) => {
    const trainer = await trainerOf(c);
    const found = await trainer.precision(dataOf(c));
    const f32 = await trainer.gradients(dataOf(c));
    expect([found.rows, found.batches, found.mode]).toEqual([c.x.shape[0], 1, 'train']);
    expect(Math.abs(found.f32.exactLoss / c.loss - 1)).toBeLessThan(1e-14);
    expect(found.f32.loss).toBe(f32.loss);
    expect(found.f32.parameters.map((p) => p.name)).toEqual(Object.keys(c.parameters));
    for (const p of found.f32.parameters) {
      const wanted = c.gradients[p.name]!;
      const got = [...f32.gradients.get(p.name)!.data];
      const off = got.map((g, i) => g - wanted[i]!);
      expect(Math.abs(p.norm / norm(wanted) - 1), p.name).toBeLessThan(1e-11);
      // That of what is right to 1e-7 is known to some digits, since f64 rounds too.
      expect(p.error / (norm(off) / norm(wanted))).toBeCloseTo(1, 5);
      expect(p.largestError / (Math.max(...off.map(Math.abs)) / Math.max(...wanted.map(Math.abs)))).toBeCloseTo(1, 5);
      expect(p.lost).toBe(got.filter((g, i) => g === 0 && wanted[i] !== 0).length / wanted.filter((w) => w !== 0).length);
    }
    if (c.name === 'deep') return;
    expect(found.findings).toEqual([]);
    expect(found.verdict).toMatch(/^f32 loses nothing that matters here: gradients are right to \d/);
    expect(found.f32.error).toBeLessThan(1e-6);
  },
);

test('what becomes too small for f32 is named, with a scale of the loss that brings it back', async () => {
  const c = golden.cases.find(({ name }) => name === 'deep')!;
  const found = await (await trainerOf(c)).precision(dataOf(c));
  const [warning] = found.warnings;
  expect(found.findings.map(({ code }) => code)).toEqual(['underflow']);
  expect(found.verdict).toBe('precision loses something here: 1 warning');
  const { power, without, withIt } = found.scaled[0]!;
  expect(warning!.cure).toEqual({ option: 'lossScale', value: 2 ** power });
  expect(warning!.text).toMatch(/^gradients are too small for f32, from the gradient of \S+ in \d+ on: /);
  expect(warning!.parameters).toContain('0.weight');
  expect(warning!.parameters).not.toContain('80.weight');
  expect([without.below > 0, withIt.below]).toEqual([true, 0]);
  expect(Math.max(...found.withScale!.parameters.map((p) => p.error))).toBeLessThan(1e-5);
  // The cure, followed, as a number that stays and as one that adapts.
  for (const lossScale of [2 ** power, { init: 2 ** power }]) {
    const cured = await (await trainerOf(c, { lossScale })).precision(dataOf(c));
    expect([cured.lossScale, cured.findings]).toEqual([2 ** power, []]);
    expect(cured.f32.parameters).toEqual(found.withScale!.parameters);
    expect(String(cured)).toContain(`(lossScale ${2 ** power})`);
  }
});

const ZOO: Readonly<Record<string, readonly [nn.Module & { forward(x: Tensor): Tensor }, readonly number[]]>> = {
  ResNet20: [new models.ResNet20(), [2, 3, 8, 8]],
  GPT: [new models.GPT(11, { layers: 2, heads: 2, width: 16, context: 12 }), [2, 12]],
  CharRNN: [new models.CharRNN(11, { hidden: 12 }), [2, 12]],
};
test.each(Object.entries(ZOO))('%s: nothing is wrong with it', async (_, [model, shape]) => {
  const [n, ...row] = shape as [number, ...number[]];
  const size = row.reduce((a, b) => a * b, n);
  const text = row.length === 1;
  const x = text
    ? Int32Array.from({ length: size }, (_, i) => (i * i) % 11)
    : Float32Array.from({ length: size }, (_, i) => Math.sin(i * i));
  const y = Int32Array.from({ length: text ? size : n }, (_, i) => (i * 7) % 10);
  const trainer = new Trainer({
    model,
    loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
    optimizer: optim.adam(),
  });
  const found = await trainer.precision({ x: { data: x, shape }, y: { data: y, shape: text ? shape : [n] } });
  expect(found.warnings).toEqual([]);
  for (const p of found.f32.parameters) if (!p.cancels) expect(p.error, p.name).toBeLessThan(1e-5);
});

/** A trainer of one parameter. */
class Free extends nn.Module {
  readonly w: nn.Parameter;
  constructor(values: readonly number[]) {
    super();
    this.w = new nn.Parameter([values.length], Float32Array.from(values));
  }
  forward(): Tensor {
    return this.w.toTensor();
  }
}
const free = (values: readonly number[], of: (w: Tensor, x: Tensor) => Tensor): Trainer<Free> =>
  new Trainer({
    model: new Free(values),
    loss: ({ x }, m) => of(m.forward(), x),
    optimizer: optim.sgd({ lr: 0.1 }),
    batchSize: 1,
  });
const one = { x: { data: Float32Array.of(1), shape: [1, 1] } };

test('terms that cancel: off by what f32 makes of them, number by number', async () => {
  for (const [w, C, wrong] of [
    [0.1234567, 1024, false],
    [0.1234567, 2 ** 20, true],
    [1e-8, 1, true],
  ] as const) {
    // y = (w + C) - C, of which f32 keeps the digits above an ulp of C; the loss is y^2, its gradient 2 y.
    const found = await free([w], (v) => ops.sum(ops.square(ops.sub(ops.add(v, C), C)))).precision(one);
    const exact = Math.fround(w) + C - C;
    const y = Math.fround(Math.fround(Math.fround(w) + C) - C);
    const [p] = found.f32.parameters;
    expect(p!.norm).toBe(2 * exact);
    expect(p!.error).toBeCloseTo(Math.abs(y / exact - 1), 12);
    expect(found.f32.lossError).toBeCloseTo(Math.abs((y * y) / (exact * exact) - 1), 6);
    expect(found.findings.map(({ code }) => code).includes('inaccurateGradient')).toBe(wrong);
    expect(p!.lost).toBe(y === 0 ? 1 : 0);
  }
});

test('a loss that cancels, though its gradient is right', async () => {
  // The loss is (3 w + 1e6) - 1e6, of gradient 3, and off by up to half of 1 / 16.
  const found = await free([0.01], (v) => ops.sum(ops.sub(ops.add(ops.mul(v, 3), 1e6), 1e6))).precision(one);
  expect(found.findings.map(({ code, level }) => [code, level])).toEqual([['inaccurateLoss', 'warning']]);
  expect(found.f32.loss).toBe(Math.fround(Math.fround(Math.fround(0.01) * 3) + 1e6) - 1e6);
  expect(found.f32.parameters[0]!.error).toBe(0);
});

test('what is too large for f32 is named with its place, and f16 is counted', async () => {
  const found = await free([1e20, 3, 0], (v) => ops.sum(ops.square(v))).precision(one);
  // The square of a gradient is beyond f32, too: its norm is infinite where squares are added in f32.
  expect(found.findings.map(({ code }) => code)).toEqual(['overflow', 'normOrder']);
  expect(found.warnings[0]!.text).toContain('what square gives is larger (up to 1e40)');
  expect([found.f32.loss, found.f32.lossError]).toEqual([Infinity, Infinity]);
  // Of 1e40, 9 and the sum two; the gradient 2e20 is within f32.
  expect(found.values.activations.f32.above).toBe(2 / 3);
  expect(found.values.weights).toMatchObject({ elements: 3, zeros: 1, largest: Math.fround(1e20), smallest: 3 });
  expect(found.values.weights.f16).toEqual({ lost: 0, below: 0, above: 1 / 2 });
  expect(found.f32.parameters[0]!.overflown).toBe(0);
  const both = await free([1e20], (v) => ops.sum(ops.square(ops.square(v)))).precision(one);
  expect(both.warnings[0]).toMatchObject({ code: 'overflow', parameters: ['w'] });
  expect(both.f32.parameters[0]).toMatchObject({ overflown: 1, error: Infinity });
});

test('what is not finite in f64 either is no matter of precision', async () => {
  const found = await free([0, 1], (v) => ops.sum(ops.log(v))).precision(one);
  expect(found.findings.map(({ code }) => code)).toEqual(['notFinite']);
  expect(found.findings[0]!.text).toContain('first of all what log gives');
});

test('tiny and huge gradients', async () => {
  // Sums of 1e-30 w and of 1e30 w: f32 holds both, f16 neither.
  const tiny = await free([1, 2], (v) => ops.sum(ops.mul(v, 1e-30))).precision(one);
  expect(tiny.findings).toMatchObject([{ code: 'normOrder', level: 'remark' }]);
  expect(tiny.f32.parameters[0]!.error).toBe(0);
  // Their squares are 0 in f32.
  expect(tiny.norms).toMatchObject({ forward: { norm: 0, error: 1 }, pairwise: { norm: 0, error: 1 } });
  expect(tiny.norms.f64).toBeCloseTo(Math.SQRT2 * Math.fround(1e-30), 40);
  const [f32, f16] = tiny.scaled;
  // On its way back the gradient is 1 first, which 2^15 leaves within f16, and nothing brings 1e-30 into it.
  expect([f32!.power, f16!.power]).toEqual([0, 0]);
  expect(f16!.withIt.lost).toBe(f16!.without.lost);
  expect(f16!.without.lost).toBeGreaterThan(0);
  const huge = await free([1, 2], (v) => ops.sum(ops.mul(v, 1e30))).precision(one);
  expect(huge.findings).toMatchObject([{ code: 'normOrder', level: 'remark' }]);
  expect(huge.norms.forward).toEqual({ norm: Infinity, error: Infinity });
  expect(huge.values.gradients.f16.above).toBeGreaterThan(0);
});

test('norms by the order of their sum, beside numpy', async () => {
  const { count, f64, forward, pairwise } = golden.norms;
  const v = Float32Array.from({ length: count }, (_, i) => ((i * 7919) % 997) / 500 - 0.9);
  const found = await free(
    Array.from({ length: count }, () => 0),
    (w, x) => ops.sum(ops.mul(w, x)),
  ).precision({ x: { data: v, shape: [1, count] } });
  expect(Math.abs(found.norms.f64 / f64 - 1)).toBeLessThan(1e-13);
  expect([found.norms.forward.norm, found.norms.pairwise.norm]).toEqual([forward, pairwise]);
  expect(found.norms.forward.error).toBeCloseTo(Math.abs(forward / f64 - 1), 12);
  expect(found.f32.error).toBe(0);
});

test('a bias before a batch norm has a gradient of rounding alone: a remark', async () => {
  const model = new nn.Sequential(new nn.Linear(6, 8), new nn.BatchNorm1d(8), new nn.ReLU(), new nn.Linear(8, 2));
  const trainer = new Trainer({ model, loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y), optimizer: optim.adam() });
  const found = await trainer.precision(points(32));
  expect(found.findings).toMatchObject([{ code: 'cancels', level: 'remark', parameters: ['0.bias'], cure: null }]);
  expect(found.warnings).toEqual([]);
  expect(found.verdict).toContain('nothing that matters');
  expect(found.f32.parameters.filter((p) => p.cancels).map((p) => p.name)).toEqual(['0.bias']);
  // Running statistics do not depend on the batch: there the bias counts.
  const running = await trainer.precision(points(32), { mode: 'eval' });
  expect([running.findings, running.mode]).toEqual([[], 'eval']);
});

test('products in bf16: as its own gradients are off, and a warning where they point elsewhere', async () => {
  const data = points(24);
  const f32 = classifier();
  const found = await f32.precision(data, { bf16: true, rows: 24 });
  expect([(await f32.precision(data)).bf16, found.findings]).toEqual([null, []]);
  const trainer = classifier({ precision: 'bf16' });
  const alone = await trainer.precision(data, { rows: 24 });
  expect(alone.bf16).toEqual(found.bf16);
  expect(alone.f32).toEqual(found.f32);
  expect((await trainer.precision(data, { bf16: false })).bf16).toBeNull();
  const products = await trainer.gradients(data, { batchSize: 24 });
  const plain = await classifier().gradients(data, { batchSize: 24 });
  for (const p of alone.bf16!.parameters) {
    const [a, b] = [products.gradients.get(p.name)!.data, plain.gradients.get(p.name)!.data];
    expect(p.error).toBeCloseTo(norm(a.map((v, i) => v - b[i]!)) / norm(b), 5);
    expect(p.error).toBeGreaterThan(1e-5);
  }
  expect(String(found)).toContain('Gradients in bf16');
  expect(found.verdict).toMatch(/with products in bf16 gradients are right to 0\.\d+ %$/);
  // Inputs that differ in digits that bf16 has not: of 100.1 - 100.2 + 100.3 - 100.4 nothing is left.
  const w = free([1, -1, 1, -1], (v, x) => ops.sum(ops.square(ops.matmul(x, ops.reshape(v, [4, 1])))));
  const near = await w.precision({ x: { data: Float32Array.of(100.1, 100.2, 100.3, 100.4), shape: [1, 4] } }, { bf16: true });
  expect(near.warnings).toMatchObject([
    { code: 'inaccurateBf16', cure: { option: 'precision', value: 'f32' }, parameters: ['w'] },
  ]);
  expect(near.bf16!.parameters[0]).toMatchObject({ error: 1, lost: 1, cosine: NaN });
  expect(near.f32.error).toBeLessThan(1e-3);
});

test('data so far from 0 that f32 has few steps between them', async () => {
  const data = points(20);
  // Seconds since 1970, a minute apart: f32 has steps of 128 there. Days have steps of 1 / 512.
  const x = data.x.data.map((v, i) =>
    i % 6 === 2 ? 1.7e9 + 60 * Math.floor(i / 6) : i % 6 === 3 ? 19_675 + Math.floor(i / 6) : v,
  );
  const found = await classifier().precision({ ...data, x: { data: x, shape: [20, 6] } }, { rows: 20 });
  expect(found.warnings).toMatchObject([{ code: 'coarseData', cure: null, parameters: [] }]);
  expect(found.warnings[0]!.text).toMatch(/^column 2 of x lies between 1700000000 and 1700001152, where f32 has steps of 128: /);
  // By all rows of the data, also where few of them are computed; and never by few.
  const few = await classifier().precision({ ...data, x: { data: x, shape: [20, 6] } }, { rows: 1 });
  expect(few.warnings.map(({ code }) => code)).toEqual(['coarseData']);
  const close = { x: { data: Float32Array.of(0.1, 0.1000001), shape: [2, 1] }, y: Float32Array.of(0, 1) };
  const two = new Trainer({
    model: new nn.Linear(1, 1),
    loss: ({ x, y }, m) => loss.mse(ops.squeeze(m.forward(x), 1), y),
    optimizer: optim.sgd({ lr: 0.1 }),
  });
  expect((await two.precision(close)).findings).toEqual([]);
  expect((await classifier().precision(data)).findings).toEqual([]);
});

test('it changes nothing: weights, counters, running statistics, and the bits of the fit that follows', async () => {
  const data = points(40);
  const options = { rate: 0.2, regularize: regularize.l2(1e-3), accumulate: 2 };
  const [a, b] = [classifier(options), classifier(options)];
  await a.fit(data, { steps: 3 });
  await b.fit(data, { steps: 3 });
  const before = await bits(a);
  const found = await a.precision(data, { batches: 3 });
  expect([found.rows, found.batches]).toEqual([8, 3]);
  expect(found.f32.error).toBeLessThan(1e-6);
  expect([await bits(a), a.counters]).toEqual([before, b.counters]);
  await a.fit(data, { steps: 3 });
  await b.fit(data, { steps: 3 });
  expect(await bits(a)).toBe(await bits(b));
});

test('of several batches: gradients one after the other, each against its own', async () => {
  const data = points(24);
  const trainer = classifier({ clip: clip.none() });
  const found = await trainer.precision(data, { rows: 8, batches: 3 });
  const of = (i: number) => ({
    x: { data: data.x.data.slice(i * 48, (i + 1) * 48), shape: [8, 6] },
    y: data.y.slice(8 * i, 8 * i + 8),
  });
  const each: PrecisionReport[] = [];
  for (const i of [0, 1, 2]) each.push(await trainer.precision(of(i)));
  for (const [k, p] of found.f32.parameters.entries()) {
    expect(p.norm).toBeCloseTo(norm(each.map((r) => r.f32.parameters[k]!.norm)), 12);
    const errors = each.map((r) => r.f32.parameters[k]!.error * r.f32.parameters[k]!.norm);
    expect(p.error).toBeCloseTo(norm(errors) / p.norm, 14);
  }
  expect(found.f32.lossError).toBe(Math.max(...each.map((r) => r.f32.lossError)));
  expect(found.norms.forward.error).toBe(Math.max(...each.map((r) => r.norms.forward.error)));
  expect(found.values.activations.elements).toBe(each.reduce((n, r) => n + r.values.activations.elements, 0));
  expect(found.flops).toBe(each.reduce((n, r) => n + r.flops, 0));
});

test('of windows over a text, under debug, while a fit is on, and of data that the caller changes', async () => {
  const tokens = Int32Array.from({ length: 200 }, (_, i) => (i * i) % 7);
  const text = new Trainer({
    model: new nn.Sequential(new nn.Embedding(7, 4), new nn.Linear(4, 7)),
    loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
    optimizer: optim.adam(),
    batchSize: 4,
    debug: true,
  });
  const found = await text.precision(windows(tokens, { length: 9 }), { batches: 2 });
  expect([found.rows, found.findings]).toEqual([4, []]);
  expect(found.f32.error).toBeLessThan(1e-6);
  const trainer = classifier();
  const data = points(16);
  const run = trainer.fit(data, { steps: 400, chunkSteps: 1 });
  const given = points(8);
  const meanwhile = trainer.precision(given);
  given.x.data.fill(NaN);
  expect((await meanwhile).findings).toEqual([]);
  await run;
});

test('of a large model few rows are computed, unless somebody asks for more', async () => {
  const model = new nn.Sequential(new nn.Linear(512, 700), new nn.Tanh(), new nn.Linear(700, 2));
  const trainer = new Trainer({
    model,
    loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
    optimizer: optim.adam(),
    batchSize: 4096,
  });
  const x = { data: Float32Array.from({ length: 4096 * 512 }, (_, i) => ((i * 31) % 97) / 97), shape: [4096, 512] };
  const y = Int32Array.from({ length: 4096 }, (_, i) => i % 2);
  // The event loop goes on meanwhile.
  const turns = vi.fn();
  const timer = setInterval(turns, 1);
  const found = await trainer.precision({ x, y });
  clearInterval(timer);
  expect(turns).toHaveBeenCalled();
  expect(found.rows).toBeGreaterThan(2);
  expect(found.rows).toBeLessThan(600);
  expect(found.flops).toBeLessThan(7e8);
  expect((await trainer.precision({ x, y }, { rows: 1 })).rows).toBe(1);
});

test('wrong options are named', async () => {
  const trainer = classifier();
  const data = points(16);
  const bad: [object, string][] = [
    [{ rows: 17 }, 'option rows: the data have 16 rows: expected at most 16, got 17'],
    [{ rows: 9, batches: 2 }, 'option rows: the data have 16 rows: expected at most 8 for each of 2 batches, got 9'],
    [{ batches: 17 }, 'option batches: the data have 16 rows: expected at most 16, got 17'],
    [{ rows: 0 }, 'option rows: expected a whole number >= 1, got 0'],
    [{ mode: 'test' }, 'option mode: expected one of train, eval'],
    [{ bf16: 1 }, 'option bf16: expected true or false'],
    [{ row: 1 }, 'unknown option row'],
  ];
  for (const [options, text] of bad) {
    const failed = await trainer.precision(data, options as never).catch((error: unknown) => error as OptionError);
    expect(failed).toBeInstanceOf(OptionError);
    expect(String(failed)).toContain(text);
  }
  await expect(trainer.precision([] as never)).rejects.toBeInstanceOf(GradclipError);
  trainer.dispose();
  await expect(trainer.precision(data)).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
});

test('another trainer of the model that fits is waited for by nobody: BusyError', async () => {
  const trainer = classifier();
  const other = new Trainer({
    model: trainer.model,
    loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
  });
  const run = trainer.fit(points(16), { steps: 200, chunkSteps: 1 });
  await expect(other.precision(points(8))).rejects.toBeInstanceOf(BusyError);
  await run;
});

test('tables: a line for each parameter, of many those that are off most', async () => {
  const c = golden.cases.find(({ name }) => name === 'deep')!;
  const found = await (await trainerOf(c)).precision(dataOf(c));
  const lines = String(found).split('\n');
  expect(lines[0]).toBe('a batch of 4 rows, computed as the next step of training would, and once more in f64');
  expect(lines.filter((line) => /^ {2}\d+\.(weight|bias) /.test(line))).toHaveLength(12);
  expect(lines.some((line) => line.startsWith('  70 more '))).toBe(true);
  expect(lines.every((line) => !line.includes('undefined') && !line.includes('NaN'))).toBe(true);
});
