// extensions.test.ts: policies, layers, losses, metrics, penalties, schedules, transforms, sources and initializers of one's own: all of them together
// are kept in checkpoints and give the same bits on any team; each that is wrong is one clear error.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { growth } from '../../examples/custom-policy.ts';
import {
  CheckpointError,
  clip,
  constraint,
  DataError,
  GraphError,
  loss,
  nn,
  OptionError,
  ops,
  optim,
  prune,
  rows,
  ShapeError,
  Trainer,
} from '../../lib/index.ts';
import type { Tensor } from '../../lib/ir/graph.ts';
import type { Prune } from '../../lib/optim/weights/prune.ts';
import type { Source } from '../../lib/train/feed/source.ts';
import type { Regularizer } from '../../lib/train/step/regularize.ts';
import { fails, type Kind } from '../train/fails.ts';
import { bits, classifier, points } from '../train/models.ts';

const data = points(44);

function write(out: Float32Array | Int32Array, value: (i: number) => number): void {
  for (let i = 0; i < out.length; i++) out[i] = value(i);
}

/** Counts its calls in a buffer, and has a parameter in an array. */
class Own extends nn.Module {
  readonly parts_ = [new nn.Parameter([8, 6], (out, _, draws) => write(out, (i) => 0.3 * draws.normal(i)))];
  readonly calls = new nn.Buffer([], { dtype: 'f64' });
  readonly head = new nn.Linear(8, 2);
  forward(x: Tensor): Tensor {
    if (x.graph.mode === 'train') this.calls.assign(ops.add(this.calls, 1));
    return this.head.forward(ops.tanh(ops.matmul(x, this.parts_[0]!, { transB: true })));
  }
}

const cubes: Regularizer = {
  name: 'cubes',
  match: 'parts_*',
  penalty: (p) => ops.mul(ops.sum(ops.pow(ops.abs(p), 3), { dtype: 'f64' }), 1e-2),
};
const halves = {
  type: 'halves',
  transform: () => expect.unreachable(),
  inverse: () => expect.unreachable(),
  build: (x: Tensor) => ops.mul(x, 0.5),
  buildInverse: (y: Tensor) => ops.mul(y, 2),
  toJSON: () => ({ type: 'halves', by: 0.5 }),
};
/** The last rows first, in order. */
function backwards(arrays: ReturnType<typeof points>): Source {
  const { data, trace } = rows(arrays);
  const n = arrays.y.length;
  return {
    data,
    trace,
    byRow: true,
    length: n,
    epoch: (size) => ({ whole: Math.floor(n / size), tail: n % size }),
    fill: (row, { i, batchSize }) => write(row, (j) => n - 1 - i * batchSize - j),
    fillInOrder: (row, start) => write(row, (j) => start + j),
  };
}
const drop = (rate: number) => (step: number) => rate / (1 + step);
const wrongShare = ({ x, y }: Readonly<Record<string, Tensor>>, m: Own) => {
  const wrong = ops.notEqual(ops.cast(ops.argmax(m.forward(x!)), 'f32'), ops.cast(y!, 'f32'));
  return { summed: { wrong: ops.sum(wrong, { dtype: 'f64' }) }, finish: ({ wrong }: never) => (wrong as Float64Array)[0]! / 44 };
};
const own = optim.define({
  name: 'own',
  lr: drop(0.3),
  slots: (type) => [{ name: 'seen', type }],
  build({ params, grads, slots, column }) {
    const lr = ops.cast(
      column('lr', 1, (_, lr, out) => void out.fill(lr)),
      'f32',
    );
    const seen = slots.map(([s], t) => ops.add(ops.mul(s!, 0.5), grads[t]!));
    return { params: params.map((p, t) => ops.sub(p, ops.mul(lr, seen[t]!))), slots: seen.map((s) => [s]) };
  },
});
const together = (threads = 1, more: object = {}): Trainer<Own, 'wrong'> =>
  new Trainer({
    model: new Own(),
    loss: ({ x, y }, m) => ops.mul(loss.crossEntropy(m.forward(x), y), 1.5),
    optimizer: own,
    clip: growth(1.1),
    regularize: cubes,
    preprocess: { x: halves },
    metrics: { wrong: wrongShare },
    constraints: [{ match: 'head.*', constraint: constraint.weightClip(0.4) }],
    prune: prune.magnitude({ sparsity: 0.25, end: 3, every: 1 }),
    ema: { decay: 0.9 },
    lossScale: 64,
    accumulate: 2,
    batchSize: 8,
    threads,
    ...more,
  });

test("all of one's own together: trained, measured, the same bits resumed and on any team", async () => {
  const source = backwards(data);
  const whole = together();
  const result = await whole.fit(source, { epochs: 4, validation: source });
  expect(result.warnings).toEqual([]);
  expect(result.clipped).toBeGreaterThan(0);
  const losses = result.epochs.map((e) => e.validation!.loss);
  expect(losses.at(-1)).toBeLessThan(losses[0]!);
  const { wrong } = await whole.evaluate(source);
  expect(wrong).toBe(result.epochs.at(-1)!.validation!.wrong);
  expect((await whole.sparsity()).total).toBeCloseTo(0.25, 2);

  const file = join(mkdtempSync(join(tmpdir(), 'gradclip-own-')), 'own.safetensors');
  const first = together(3);
  await first.fit(source, { epochs: 2 });
  await first.save(file);
  const second = together(5);
  await second.load(file);
  second.fitSync(source, { epochs: 2 });
  for (const weights of ['model', 'ema'] as const)
    expect(await bits(second as never, { weights })).toBe(await bits(whole as never, { weights }));
  expect(second.model.calls.data[0]).toBe(24);
  const without = together(1, { preprocess: {} });
  await fails(() => without.load(file), CheckpointError, 'ERR_CHECKPOINT', 'its transforms cannot be read');
});

type Wrong = readonly [kind: Kind, code: string, text: string | RegExp];
const option = (text: string | RegExp): Wrong => [OptionError, 'ERR_OPTION', text];

// ---- policies
const policy = (build: (c: clip.ClipContext) => unknown, rest = {}): unknown => ({ name: 'mine', maxSkips: 5, build, ...rest });
const good = (c: clip.ClipContext) =>
  clip.parts.scaled(c, clip.parts.measure(c, clip.parts.checkPolicy('mine', {}, [])), c.graph.scalar(0.5, 'f64'));
const f64 = (c: clip.ClipContext, n: number) => c.graph.constant(new Float64Array(n).fill(0.5), [n], 'f64');
const policies: Record<string, [unknown, Wrong]> = {
  'no name': [
    policy(good, { name: undefined }),
    option('Trainer: option clip: expected a policy such as clip.globalNorm(), got an object without a name'),
  ],
  'no maxSkips': [
    policy(good, { maxSkips: undefined }),
    option('Trainer: option clip: mine: option maxSkips: expected a whole number >= 0, got nothing'),
  ],
  'gives nothing': [
    policy(() => undefined),
    option('clip policy mine: build: expected { stages, report, skip, measure }, got undefined'),
  ],
  'no stages': [
    policy((c) => ({ ...good(c), stages: undefined })),
    option('clip policy mine: expected a list of stages, got undefined'),
  ],
  'an unknown stage': [
    policy((c) => ({ ...good(c), stages: [{ kind: 'double', operands: [] }] })),
    option('clip policy mine: expected stages such as stage.scale(by), got an object'),
  ],
  'a scale of NaN': [
    policy((c) => ({ ...good(c), stages: [clip.parts.stage.scale(Number.NaN)] })),
    option('clip policy mine: expected a number or a tensor for stage scale, got NaN'),
  ],
  'too few scales': [
    policy((c) => ({ ...good(c), stages: [clip.parts.stage.scale(f64(c, c.grads.length - 1))] })),
    option(/clip policy mine: its stages: expected f64\[4\] for stage scale, got f64\[3\]/),
  ],
  'scales of f32': [
    policy((c) => ({ ...good(c), stages: [clip.parts.stage.scale(ops.cast(f64(c, 4), 'f32'))] })),
    option('clip policy mine: its stages: expected f64 for stage scale, got f32'),
  ],
  'a skip of f32': [
    policy((c) => ({ ...good(c), skip: c.graph.scalar(0, 'f32') })),
    option('clip policy mine: expected an f64 scalar as skip (null: never), got f32[]'),
  ],
  'no skip': [
    policy((c) => ({ ...good(c), skip: undefined })),
    option('clip policy mine: expected an f64 scalar as skip (null: never), got undefined'),
  ],
  'no measure': [
    policy((c) => ({ ...good(c), measure: undefined })),
    option('clip policy mine: expected true or false as measure, got undefined'),
  ],
  'no report': [
    policy((c) => ({ ...good(c), report: undefined })),
    option('clip policy mine: expected an object as report, got undefined'),
  ],
  'a column that is not there': [
    policy((c) => ({ ...good(c), report: { nrom: f64(c, 1) } })),
    option('clip policy mine: the report has no nrom; did you mean norm?'),
  ],
  'a column of a vector': [
    policy((c) => ({ ...good(c), report: { norm: f64(c, 4) } })),
    option('clip policy mine: expected an f64 scalar as report.norm, got f64[4]'),
  ],
  'too few gradients': [
    policy((c) => ({ ...good(c), grads: c.grads.slice(1) })),
    option('clip policy mine: expected a tensor in place of the gradient of fc1.weight, of its type'),
  ],
  'a forgotten state': [
    policy((c) => {
      c.state('last', { dtype: 'f64', shape: [] });
      return good(c);
    }),
    option('clip policy mine: state "last" is never given a next value'),
  ],
  'a number of each step that is NaN': [
    policy((c) => {
      const t = c.perStep('at', (step) => (step < 2 ? 1 : Number.NaN));
      return clip.parts.scaled(c, clip.parts.measure(c, clip.parts.checkPolicy('mine', {}, [])), t);
    }),
    option('clip policy mine: option at at step 2: expected a number, got NaN'),
  ],
};

test.each(Object.keys(policies))('a policy: %s', async (name) => {
  const [mine, wrong] = policies[name]!;
  await fails(() => classifier({ clip: mine as clip.ClipPolicy }).fit(data, { steps: 4 }), ...wrong);
  if (wrong[2] instanceof RegExp || !String(wrong[2]).startsWith('clip policy')) return;
  const chained = () => classifier({ clip: clip.chain(clip.none(), mine as clip.ClipPolicy) }).fit(data, { steps: 4 });
  await fails(chained, ...wrong);
  const grouped = () => classifier({ clip: clip.groups([{ policy: mine as clip.ClipPolicy }]) }).fit(data, { steps: 4 });
  await fails(grouped, ...wrong);
});

test('a policy that throws, and one that is no policy', async () => {
  const own = policy(() => {
    throw new RangeError('mine');
  }) as clip.ClipPolicy;
  await expect(async () => classifier({ clip: own }).fit(data)).rejects.toThrow(RangeError);
  await fails(() => classifier({ clip: null as never }), ...option('Trainer: option clip: expected a policy'));
  await fails(
    () => optim.sgd().bind([new Float32Array(3)], { clip: {} as never }),
    ...option('Optimizer.bind: option clip: expected a policy'),
  );
});

// ---- layers
class Layer extends nn.Module {
  readonly fc = new nn.Linear(6, 2);
  readonly #run: (x: Tensor, layer: Layer) => unknown;
  readonly #hidden = new nn.Linear(6, 2);
  readonly map = new Map([['a', new nn.Parameter([6, 2], nn.init.zeros())]]);
  constructor(run: (x: Tensor, layer: Layer) => unknown) {
    super();
    this.#run = run;
  }
  get hidden(): nn.Linear {
    return this.#hidden;
  }
  forward(x: Tensor): Tensor {
    return this.#run(x, this) as Tensor;
  }
}
const layers: Record<string, [(x: Tensor, layer: Layer) => unknown, Wrong]> = {
  'a layer in a private field': [
    (x, m) => m.hidden.forward(x),
    [GraphError, 'ERR_GRAPH', 'not part of a model being traced; keep it in a public field'],
  ],
  'a parameter in a Map': [
    (x, m) => ops.matmul(x, m.map.get('a')!),
    [GraphError, 'ERR_GRAPH', 'not part of a model being traced; keep it in a public field'],
  ],
  'a parameter made in forward': [
    (x) => ops.matmul(x, new nn.Parameter([6, 2], nn.init.zeros())),
    [GraphError, 'ERR_GRAPH', 'not part of a model being traced'],
  ],
  'a tensor of another trace': [
    (x) => {
      const before = kept;
      kept = x;
      return before ? ops.add(before, x) : x;
    },
    [GraphError, 'ERR_GRAPH', 'an operand comes from another graph'],
  ],
  'gives nothing': [(x, m) => void m.fc.forward(x), [GraphError, 'ERR_GRAPH', '0: forward gave nothing; is a return missing?']],
  'gives a promise': [
    async (x, m) => m.fc.forward(x),
    [GraphError, 'ERR_GRAPH', '0: forward gave a promise; a model is traced, not run'],
  ],
};
let kept: Tensor | null = null;

test.each(Object.keys(layers))('a layer: %s', async (name) => {
  const [run, wrong] = layers[name]!;
  kept = null;
  const make = () =>
    new Trainer({
      model: new nn.Sequential(new Layer(run)),
      loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
      optimizer: optim.sgd({ lr: 0.1 }),
    });
  const trainer = make();
  if (name === 'a tensor of another trace')
    await fails(
      async () => {
        await trainer.fit({ x: data.x, y: data.y }, { epochs: 1 }).catch(() => {});
        return trainer.predict(data.x);
      },
      ...wrong,
    );
  else await fails(() => trainer.fit(data, { epochs: 1 }), ...wrong);
});

// ---- initializers
test.each([
  ['NaN', (out: Float32Array) => void out.fill(Number.NaN, 3), 'fc1.weight: its initializer gave NaN as value 3 of 96'],
  ['an infinity', (out: Float32Array) => void out.fill(1 / 0, 95), 'fc1.weight: its initializer gave Infinity as value 95 of 96'],
])('an initializer: %s', async (_, init, text) => {
  const make = () => {
    const model = classifier().model;
    model.fc1.weight.init = init;
    return model;
  };
  const model = make();
  await fails(() => model.initialize(), ...option(text));
});

// ---- metrics
test.each<[string, unknown, string]>([
  ['no tensors', { summed: { a: 1 }, finish: () => 1 }, 'f: a: expected a tensor of f64, got 1'],
  ['finish gives nothing', { summed: {}, finish: () => undefined }, 'f: finish: expected a number, got undefined'],
  ['finish gives a text', { finish: () => '0.5' }, 'f: finish: expected a number, got "0.5"'],
  ['a class', class {}, 'f: expected a scalar Tensor, or what metrics such as metrics.f1 give, got a class'],
])('a metric: %s', async (_, given, text) => {
  await fails(() => classifier({ metrics: { f: () => given as never } }).evaluate(data), ...option(text));
});

test('a metric sums what has one size, whatever the rows of a batch; what is kept may have any', async () => {
  const flat = ({ x }: { readonly x?: Tensor }): Tensor => ops.cast(ops.reshape(x!, [-1]), 'f64');
  const evaluate = (f: (b: { readonly x?: Tensor }) => unknown) =>
    classifier({ metrics: { f: f as never } }).evaluate(data, { batchSize: 7 });
  const count = ({ s }: Readonly<Record<string, Float64Array>>): number => s!.length;
  await fails(
    () => evaluate((b) => ({ summed: { s: flat(b) }, finish: count })),
    ShapeError,
    'ERR_SHAPE',
    /^f: expected s to have one size in all batches, got \d+ and \d+: sum over rows, or keep them$/,
  );
  expect(await evaluate((b) => ({ kept: { s: flat(b) }, finish: count }))).toMatchObject({ f: data.x.data.length });
});

test('a metric that is NaN is told', async () => {
  const metrics = { f: () => ({ finish: () => Number.NaN }) };
  const result = await classifier({ metrics }).fit(data, { epochs: 2, validation: data });
  expect(result.warnings).toMatchObject([
    { code: 'metricNaN', message: 'validation: f is NaN after 6 updates', details: { name: 'f', step: 6 } },
  ]);
});

// ---- penalties, guards, constraints, pruning
const penalty = (f: (p: Tensor) => unknown, rest = {}): unknown => ({ name: 'mine', match: '*.weight', penalty: f, ...rest });
const others: Record<string, [object, Wrong]> = {
  'a penalty that gives nothing': [
    { regularize: penalty(() => undefined) },
    option('regularize: mine: the penalty of fc1.weight: expected a scalar Tensor, got undefined'),
  ],
  'a penalty that is no scalar': [
    { regularize: penalty((p) => p) },
    [Error as never, 'ERR_SHAPE', 'regularize: mine: the penalty of fc1.weight: expected a scalar of f32 or f64'],
  ],
  'a penalty that moves nothing': [
    { regularize: penalty((p) => ops.sum(ops.sign(p))) },
    option('regularize: mine: the penalty of fc1.weight cannot move it: it has no gradient'),
  ],
  'a penalty without a match': [
    { regularize: penalty((p) => ops.sum(p), { match: undefined }) },
    option('expected penalties such as regularize.l2(1e-4)'),
  ],
  'a guard of an unknown kind': [
    { guards: [{ kind: 'weights', action: 'stop', match: null, min: 0, max: 1 }] },
    option('Trainer: option guards[0]: expected guards such as guard.loss()'),
  ],
  'a guard that does nothing known': [
    { guards: [{ kind: 'loss', action: 'shout', match: null, min: 0, max: 1 }] },
    option('expected guards such as guard.loss()'),
  ],
  'a constraint of NaN': [
    { constraints: [{ match: '*', constraint: { name: 'mine', bounds: [Number.NaN, 1], projection: null } }] },
    option('expected one such as constraint.maxNorm()'),
  ],
  'a constraint that nothing meets': [
    { constraints: [{ match: '*', constraint: { name: 'mine', bounds: [1, -1], projection: null } }] },
    option('expected one such as constraint.maxNorm()'),
  ],
  'a share of NaN': [
    { prune: { name: 'mine', unit: 'global', norm: 2, share: (t: number) => (t < 2 ? null : Number.NaN) } satisfies Prune },
    option('mine: option share at step 2: expected a finite number >= 0 and <= 1, got NaN'),
  ],
  'a share of nothing': [
    { prune: { name: 'mine', unit: 'global', norm: 2, share: () => undefined } },
    option('mine: option share at step 0'),
  ],
  'pruning of an unknown unit': [
    { prune: { name: 'mine', unit: 'columns', norm: 2, share: () => 0.5 } },
    option('expected one such as prune.magnitude()'),
  ],
  'a rate that is NaN at a step': [
    { optimizer: optim.adamw({ lr: (t) => (t < 2 ? 1e-3 : Number.NaN) }) },
    option('optim.adamw: option lr at step 2: expected a finite number >= 0, got NaN'),
  ],
  'a momentum of nothing at a step': [
    { optimizer: optim.sgd({ lr: 1e-3, momentum: ((t: number) => (t < 2 ? 0.9 : undefined)) as never }) },
    option('optim.sgd: option momentum at step 2'),
  ],
  'a threshold below 0 at a step': [
    { clip: clip.globalNorm((t) => 1 - t) },
    option('clip.globalNorm: argument threshold at step 2: expected a number >= 0, got -1'),
  ],
  'a decay of averages above 1': [{ ema: { decay: (t: number) => t } }, option('decay at step 2')],
  'a transform without a type': [
    { preprocess: { x: { ...halves, type: undefined } } },
    option('Trainer: option preprocess: x: expected a transform'),
  ],
  'a transform that cannot be saved': [
    { preprocess: { x: { ...halves, toJSON: undefined } } },
    option('x: transform halves has no function toJSON'),
  ],
  'a transform that gives nothing': [
    { preprocess: { x: { ...halves, build: () => undefined } } },
    option('preprocess: halves: build: expected a tensor of 8 rows, got undefined'),
  ],
  'a transform that drops rows': [
    { preprocess: { x: { ...halves, build: (x: Tensor) => ops.slice(x, { axis: 0, start: 0, end: 3 }) } } },
    option('preprocess: halves: build: expected a tensor of 8 rows, got Tensor f32[3,6]'),
  ],
};

test.each(Object.keys(others))('%s', async (name) => {
  const [options, wrong] = others[name]!;
  if (wrong[1] === 'ERR_SHAPE')
    await expect(async () => classifier(options).fit(data)).rejects.toMatchObject({
      code: 'ERR_SHAPE',
      message: expect.stringContaining(wrong[2] as string),
    });
  else await fails(() => classifier(options).fit(data, { steps: 4 }), ...wrong);
});

// ---- sources
const sources: Record<string, [Partial<Record<keyof Source, unknown>>, Wrong]> = {
  'without fill': [{ fill: undefined }, option('fit: source: expected a function fill, got undefined')],
  'data that is an object': [{ data: { x: data.x } }, option('fit: source: expected a Map as data, got an object')],
  'a length of NaN': [{ length: Number.NaN }, option('fit: option source.length: expected a whole number >= 1, got NaN')],
  'an epoch of nothing': [
    { epoch: () => undefined },
    option('fit: option source.epoch.whole: expected a whole number >= 0, got nothing'),
  ],
  'an epoch of half a batch': [
    { epoch: () => ({ whole: 1.5, tail: 0 }) },
    option('option source.epoch.whole: expected a whole number >= 0, got 1.5'),
  ],
  'an epoch without batches': [{ epoch: () => ({ whole: 0, tail: 0 }) }, [DataError, 'ERR_DATA', /no batch/]],
  'a batch of numbers': [{ trace: () => ({ x: 1 }) }, option('fit: source: trace: expected a tensor as x, got 1')],
  'no batch': [{ trace: () => undefined }, option('fit: source: trace: expected a tensor as batch, got undefined')],
  'indices that are not written': [
    { fill: () => {} },
    [DataError, 'ERR_DATA', 'fit: source: fill of batch 0 gave no row at place 0 of 8'],
  ],
  'a place left out': [
    { fill: (row: Int32Array) => void row.fill(0, 0, 7) },
    [DataError, 'ERR_DATA', 'gave no row at place 7 of 8'],
  ],
};

test.each(Object.keys(sources))('a source: %s', async (name) => {
  const [change, wrong] = sources[name]!;
  await fails(() => classifier().fit({ ...backwards(data), ...change } as Source, { steps: 2 }), ...wrong);
});

test('a source: rows that are not there', async () => {
  const beyond: Source = { ...backwards(data), fill: (row) => void row.fill(44), fillInOrder: (row) => void row.fill(-2) };
  await expect(async () => classifier().fit(beyond, { steps: 1 })).rejects.toMatchObject({
    code: 'ERR_INDEX',
    message: expect.stringContaining('44'),
  });
  await fails(
    () => classifier().evaluate(beyond),
    DataError,
    'ERR_DATA',
    'evaluate: source: fillInOrder from 0 gave no row at place 0',
  );
});
