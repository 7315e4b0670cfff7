// traced.test.ts: while a model is traced, tensors, parameters and modules are no numbers: operators on them are one clear error.
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { GraphError, nn, OptionError, optim, Trainer } from '../../lib/index.ts';
import { Tensor } from '../../lib/ir/graph.ts';
import { crossEntropy } from '../../lib/nn/loss/index.ts';
import { fails } from '../train/fails.ts';
import { points } from '../train/models.ts';

const data = points(16);
// biome-ignore lint/suspicious/noExplicitAny: what JavaScript lets users write
type Anything = any;

class Net extends nn.Module {
  fc = new nn.Linear(6, 2);
  #use: (h: Anything, net: Net) => unknown;
  constructor(use: (h: Anything, net: Net) => unknown) {
    super();
    this.#use = use;
  }
  forward(x: Tensor): Tensor {
    const h = this.fc.forward(x);
    const used = this.#use(h, this);
    return used instanceof Tensor ? used : h;
  }
}

const fit = (use: (h: Anything, net: Net) => unknown) =>
  new Trainer({
    model: new Net(use),
    loss: ({ x, y }, model) => crossEntropy(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    batchSize: 8,
  }).fit(data, { steps: 1 });

const wrong: Record<string, (h: Anything, net: Anything) => unknown> = {
  'h > 0': (h) => (h > 0 ? h : null),
  'h * 2': (h) => h * 2,
  '2 ** h': (h) => 2 ** h,
  'h + 1': (h) => h + 1,
  'h + h': (h) => h + h,
  '+h': (h) => +h,
  '-h': (h) => -h,
  'h += 1': (h) => {
    let sum = h;
    sum += 1;
    return sum;
  },
  'h++': (h) => {
    let next = h;
    return next++;
  },
  // biome-ignore lint/suspicious/noDoubleEquals: that is what is tried
  'h == 0': (h) => h == 0,
  '0 < h': (h) => 0 < h,
  'Math.max(h, 0)': (h) => Math.max(h, 0),
  // biome-ignore lint/suspicious/noGlobalIsNan: that is what is tried
  'isNaN(h)': (h) => isNaN(h),
  'Number(h)': (h) => Number(h),
  'new Float32Array([h])': (h) => new Float32Array([h]),
  'Float32Array.from(h)': (h) => Float32Array.from(h),
  'Array.from(h)': (h) => Array.from(h),
  'h.length': (h) => h.length,
  'JSON.stringify(h)': (h) => JSON.stringify({ h }),
  'weight * 2': (_, net) => net.fc.weight * 2,
  'weight > 0': (_, net) => net.fc.weight > 0,
  'module + 1': (_, net) => net.fc + 1,
};

test.each(Object.keys(wrong))('%s in forward', async (how) => {
  const error = await fails(() => fit(wrong[how]!), GraphError, 'ERR_GRAPH', 'it has no values while a model is traced');
  expect(error.message).toMatch(/Tensor f32\[8,2\]|Parameter fc\.weight f32\[2,6\]|Linear/);
});

test('a text describes them, and to look at them is no error', async () => {
  const seen: string[] = [];
  await fit((h, net) => {
    seen.push(`${h}`, String(net.fc.weight), `${[h]}`, inspect(h, { depth: 0 }));
    expect(h).toEqual(h);
    expect(h === null).toBe(false);
  });
  expect(seen.slice(0, 3)).toEqual([
    'Tensor f32[8,2] of linear fc',
    'Parameter fc.weight f32[2,6]',
    'Tensor f32[8,2] of linear fc',
  ]);
  expect(String(new nn.Buffer([3]))).toBe('Buffer buffer f32[3]');
  const buffer: Anything = new nn.Buffer([3]);
  expect(() => buffer * 2).toThrow(GraphError);
});

test.each([
  ['a number', () => 3, 'got 3'],
  ['nothing', () => undefined, 'got undefined; is a return missing?'],
  ['a promise', async () => null, 'got a Promise; a model is traced, not run'],
  ['an object', () => ({ loss: 1 }), 'got an object'],
  ['null', () => null, 'got null'],
])('a loss, a metric and a prediction that give %s', async (_, give, text) => {
  const make = (options: object) =>
    new Trainer({
      model: new Net(() => null),
      loss: ({ x, y }, model) => crossEntropy(model.forward(x), y),
      optimizer: optim.sgd({ lr: 0.1 }),
      ...options,
    });
  const wrong = give as never;
  await fails(() => make({ loss: wrong }).fit(data), OptionError, 'ERR_OPTION', `loss: expected a scalar Tensor, ${text}`);
  await fails(
    () => make({ metrics: { f: wrong } }).evaluate(data),
    OptionError,
    'ERR_OPTION',
    /^f: expected a scalar Tensor, or/,
  );
  await fails(() => make({ metrics: { f: wrong } }).evaluate(data), OptionError, 'ERR_OPTION', text);
  const tensors = `predict: expected a Tensor, or an object of Tensors by name, ${text}`;
  await fails(() => make({ predict: wrong }).predict(data.x), OptionError, 'ERR_OPTION', tensors);
});
