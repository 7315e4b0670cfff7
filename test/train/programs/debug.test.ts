// debug.test.ts: with `debug: true` the same numbers come of plain loops, and the first op that gives what is not finite is named, with its line.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  augment,
  clip,
  constraint,
  type GradclipError,
  GuardError,
  guard,
  IndexError,
  loss,
  metrics,
  models,
  NonFiniteError,
  nn,
  type Objective,
  OptionError,
  ops,
  optim,
  regularize,
  type Tensor,
  Trainer,
} from '../../../lib/index.ts';
import { points } from '../models.ts';

type Model = nn.Module & { forward(x: Tensor): Tensor };
const crossEntropy: Objective<Model> = ({ x, y }, model) => loss.crossEntropy(model.forward(x), y);
const data = points(28);
const images = {
  x: { data: Float32Array.from({ length: 12 * 64 }, (_, i) => Math.sin(i * i)), shape: [12, 1, 8, 8] },
  y: Int32Array.from({ length: 12 }, (_, i) => i % 2),
};
const tokens = {
  x: { data: Int32Array.from({ length: 12 * 6 }, (_, i) => (i * 7) % 11), shape: [12, 6] },
  y: { data: Int32Array.from({ length: 12 * 6 }, (_, i) => (i * 7 + 7) % 11), shape: [12, 6] },
};

const mlp = (): Model => new nn.Sequential(new nn.Linear(6, 8), ops.relu, new nn.Dropout(0.25), new nn.Linear(8, 2));
const conv = (): Model =>
  new nn.Sequential(
    new nn.Conv2d(1, 4, 3, { padding: 1, bias: false }),
    new nn.BatchNorm2d(4),
    ops.relu,
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(64, 2),
  );
class Recurrent extends nn.Module {
  lstm: nn.LSTM = new nn.LSTM(2, 4);
  fc: nn.Linear = new nn.Linear(4, 2);
  forward(x: Tensor): Tensor {
    return this.fc.forward(this.lstm.forward(ops.reshape(x, [x.shape[0]!, 3, 2])).last);
  }
}

interface Case {
  readonly model: () => Model;
  readonly data?: typeof data | typeof images | typeof tokens;
  readonly options?: object;
}
const CASES: Record<string, Case> = {
  'a classifier with dropout, clip and AdamW': { model: mlp, options: { clip: clip.globalNorm(0.1) } },
  'micro-batches, also of other rows': { model: mlp, options: { accumulate: 3, clip: clip.globalNorm(0.5) } },
  'a convolution, batch norm, momentum, augmentation': {
    model: conv,
    data: images,
    options: { optimizer: optim.sgd({ lr: 0.05, momentum: 0.9 }), augment: [augment.flip()] },
  },
  'micro-batches of batch norm': { model: conv, data: images, options: { accumulate: 2 } },
  'an LSTM, averages of weights, a policy with a state': {
    model: () => new Recurrent(),
    options: { ema: { decay: 0.9 }, clip: clip.zclip() },
  },
  'a GPT': {
    model: () => new models.GPT(11, { context: 6, layers: 1, heads: 2, width: 8 }) as Model,
    data: tokens,
    // Biases of keys have a gradient of 0 but for rounding, which Adam would make steps of.
    options: { clip: clip.agc(), optimizer: optim.sgd({ lr: 0.1 }) },
  },
  'penalties, constraints, groups, a scaled loss': {
    model: mlp,
    options: {
      regularize: regularize.l2(1e-2),
      constraints: [{ match: '0.weight', constraint: constraint.maxNorm(1) }],
      groups: [{ match: '*.bias', optimizer: optim.sgd({ lr: 0.01 }) }],
      lossScale: 1024,
    },
  },
  'steps that a guard skips': { model: mlp, options: { guards: [guard.loss({ max: 0.7, action: 'skip' })] } },
};

const make = ({ model, options = {} }: Case, more: object = {}): Trainer<Model, 'accuracy'> =>
  new Trainer<Model, 'accuracy'>({
    model: model(),
    loss: crossEntropy,
    optimizer: optim.adamw({ lr: 1e-2 }),
    metrics: { accuracy: ({ x, y }, m) => metrics.accuracy(m.forward(x), y) },
    batchSize: 4,
    seed: 5,
    ...options,
    ...more,
  });

describe('the same as compiled, up to rounding', () => {
  test.each(Object.entries(CASES))('%s', async (_, it) => {
    const given = it.data ?? data;
    const [native, debug] = [make(it), make(it, { debug: true })];
    const [a, b] = [await native.fit(given, { steps: 5 }), await debug.fit(given, { steps: 5 })];
    expect(debug.counters).toEqual(native.counters);
    expect([b.tried, b.applied, b.clipped, b.skipped]).toEqual([a.tried, a.applied, a.clipped, a.skipped]);
    near([b.last!.loss, b.last!.norm, b.last!.scale], [a.last!.loss, a.last!.norm, a.last!.scale], 1e-4);
    const [want, got] = [await native.readParameters(), await debug.readParameters()];
    for (const [name, { data: values }] of want) near(got.get(name)!.data, values, 1e-4, name);
    for (const [i, [name, buffer]] of [...native.model.namedBuffers()].entries()) {
      near([...debug.model.namedBuffers()][i]![1].data, buffer.data, 1e-4, name);
    }
    const [m, n] = [await native.evaluate(given), await debug.evaluate(given)];
    near([n.loss], [m.loss], 1e-4);
    expect(Math.abs(n.accuracy - m.accuracy)).toBeLessThan(0.1);
    near((await debug.predict(given.x)).data, (await native.predict(given.x)).data, 1e-3);
    // On from there, blocking.
    native.fitSync(given, { steps: 2 });
    debug.fitSync(given, { steps: 2 });
    near([...(await debug.readParameters()).values()][0]!.data, [...(await native.readParameters()).values()][0]!.data, 1e-4);
  });
});

function near(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number, what = ''): void {
  expect(got.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    if (Object.is(got[i], want[i])) continue;
    expect(Math.abs(got[i]! - want[i]!), `${what} ${i}: ${got[i]}, ${want[i]}`).toBeLessThanOrEqual(
      tolerance * Math.max(1, Math.abs(want[i]!)),
    );
  }
}

class Net extends nn.Module {
  a: nn.Linear = new nn.Linear(6, 4);
  inner: nn.Module & { forward(x: Tensor): Tensor };
  b: nn.Linear = new nn.Linear(4, 2);
  constructor(between: (x: Tensor) => Tensor) {
    super();
    const Between = class Between extends nn.Module {
      forward(x: Tensor): Tensor {
        return between(x);
      }
    };
    this.inner = new Between();
  }
  forward(x: Tensor): Tensor {
    return this.b.forward(this.inner.forward(this.a.forward(x)));
  }
}
const of = (between: (x: Tensor) => Tensor, options: object = {}) =>
  new Trainer({
    model: new Net(between),
    loss: crossEntropy,
    optimizer: optim.sgd({ lr: 0.1 }),
    batchSize: 8,
    seed: 3,
    debug: true,
    ...options,
  });

async function failure(call: () => unknown): Promise<GradclipError> {
  try {
    await call();
  } catch (error) {
    return error as GradclipError;
  }
  return expect.fail('expected an error');
}
/** The text of the line of this file that an error names. */
function lineNamed(error: GradclipError): string {
  const [, line] = /debug\.test\.ts:(\d+):\d+/.exec(error.message) ?? [];
  return readFileSync(new URL(import.meta.url), 'utf8').split('\n')[Number(line) - 1] ?? '';
}

describe('the first op that gives what is not finite', () => {
  test('the log of a negative number: op, layer, line, what it was given; and nothing has changed', async () => {
    const planted = of((x) => {
      const shifted = ops.mul(x, 2);
      return ops.log(shifted); // planted
    });
    const before = planted.model.a.weight.data.slice();
    for (const call of [
      () => planted.fit(data, { steps: 3 }),
      () => planted.evaluate(data),
      () => planted.fitSync(data, { steps: 1 }),
    ]) {
      const error = await failure(call);
      expect(error).toBeInstanceOf(NonFiniteError);
      expect(error.message.split('\n').length).toBeLessThanOrEqual(5);
      expect(error.message).toMatch(/^debug: log in inner gave NaN at \[\d+,\d+\]/);
      expect(error.message).toMatch(/input 0, mul in inner: f32\[\d+,4\] min -\S+ max \S+ mean/);
      expect(lineNamed(error)).toContain('// planted');
      expect(error.details).toMatchObject({ op: 'log', layer: 'inner', value: Number.NaN });
    }
    expect(planted.model.a.weight.data).toEqual(before);
    expect(planted.counters).toMatchObject({ attempt: 0, step: 0 });
  });

  test('in the gradient alone', async () => {
    const error = await failure(() => of((x) => ops.sqrt(ops.mul(x, 0))).fit(data)); // the root of 0
    expect(error.message).toMatch(/^debug: div in the gradient of sqrt in inner gave -?Infinity|NaN/);
    expect(lineNamed(error)).toContain('// the root of 0');
    // Where the scale of the loss adapts, gradients may overflow.
    const scaled = of((x) => ops.mul(x, 1e30), { lossScale: { init: 2 ** 60 } });
    const result = await scaled.fit(data, { steps: 2 });
    expect(result.skipped).toBeGreaterThan(0);
  });

  test('in the batch, and in a weight', async () => {
    const x = { ...data.x, data: data.x.data.map((v, i) => (i === 6 * 5 + 2 ? Number.NaN : v)) };
    const plain = of((t) => t);
    const error = await failure(() => plain.fit({ ...data, x }, { epochs: 1 }));
    expect(error.message).toMatch(/^debug: batch x has NaN at \[\d,2\], read by gather/);
    plain.model.b.weight.data.fill(Infinity, 3, 4);
    const weight = await failure(() => plain.evaluate(data));
    expect(weight.message).toMatch(/^debug: b\.weight has Infinity at \[0,3\], read by matmul in b/);
  });

  test('constants that are not finite are meant', async () => {
    const masked = of((x) => ops.softmax(ops.where(ops.less(x, 10), x, Number.NEGATIVE_INFINITY)));
    expect((await masked.fit(data, { steps: 2 })).applied).toBe(2);
  });
});

test('what else ends a run', async () => {
  const labels = Int32Array.from(data.y, (v, i) => (i === 9 ? 7 : v));
  const wrong = of((x) => x);
  const error = await failure(() => wrong.fit({ ...data, y: labels }, { epochs: 1 }));
  expect(error).toBeInstanceOf(IndexError);
  expect(error.message).toContain('softmaxCrossEntropy: expected an index from 0 to 1');
  expect(error.details).toMatchObject({ value: 7, bound: 2 });

  const guarded = of((x) => x, { guards: [guard.loss({ max: 1e-3 })] });
  expect(await failure(() => guarded.fit(data))).toBeInstanceOf(GuardError);
  const often = of((x) => x, { guards: [guard.loss({ max: 1e-3, action: 'skip' })], batchSize: 2 });
  expect((await failure(() => often.fit(data, { epochs: 2 }))).code).toMatch(/ERR_GUARD|ERR_SKIPS/);
  await expect(of((x) => x).fit(data, { profile: true })).rejects.toThrow(OptionError);
  expect(() => of((x) => x, { debug: 1 })).toThrow('Trainer: option debug: expected');
});

test('prints are told, too', async () => {
  const said: string[] = [];
  const told = of((x) => ops.print(x, 'a', { to: (line) => void said.push(line) }));
  await told.fit(data, { steps: 2 });
  expect(said.map((line) => line.split(':')[0])).toEqual(['a, batch 0', 'a, batch 1']);
});
