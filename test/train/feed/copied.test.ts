// copied.test.ts: what a call was given is what it works on: arrays, shapes and options that are changed right after the call do not matter.
import { expect, it } from 'vitest';
import { type Arrays, generate, loss, metrics, models, nn, ops, optim, Trainer } from '../../../lib/index.ts';
import { hashOf } from '../../golden/runs/models.ts';
import { noise } from '../../golden/runs/recipe.ts';

type Given = Record<string, { data: Float32Array | Int32Array; shape: number[] }>;
const ROWS = 12;
const given = (): Given => ({
  x: { data: Float32Array.from(noise(1, ROWS * 6), (u) => (u % 200) / 100 - 1), shape: [ROWS, 6] },
  y: { data: Int32Array.from(noise(2, ROWS), (u) => u % 3), shape: [ROWS] },
});
const rowsOf = ({ x }: Given): number[][] => Array.from({ length: ROWS }, (_, i) => [...x!.data.slice(i * 6, i * 6 + 6)]);
const make = (): Trainer<nn.Sequential, 'accuracy'> =>
  new Trainer({
    model: new nn.Sequential(new nn.Linear(6, 5), ops.tanh, new nn.Linear(5, 3)) as nn.Sequential,
    loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
    metrics: { accuracy: ({ x, y }, m) => metrics.accuracy(m.forward(x), y) },
    optimizer: optim.adam({ lr: 0.01 }),
    batchSize: 4,
    seed: 2,
  });

/** Change all that can be reached. */
function spoil(x: unknown): void {
  if (x instanceof Float32Array || x instanceof Int32Array) x.fill(1);
  else if (Array.isArray(x)) {
    for (const each of x) spoil(each);
    x.fill(typeof x[0] === 'number' ? 1 : x[0]);
  } else if (typeof x === 'object' && x !== null && !(x instanceof Trainer)) {
    for (const [key, value] of Object.entries(x)) {
      spoil(value);
      if (typeof value === 'number') (x as Record<string, unknown>)[key] = 1;
    }
  }
}

/** A call of what it is given, which can be changed. */
interface Case {
  readonly given: () => unknown;
  readonly call: (trainer: ReturnType<typeof make>, given: never) => Promise<unknown>;
}

const CASES: Readonly<Record<string, Case>> = {
  'predict of an array with a shape': { given: () => given().x, call: (t, x: Given['x']) => t.predict(x) },
  'predict of named arrays': { given: () => ({ x: given().x }), call: (t, x: Arrays) => t.predict(x) },
  'predict of rows': { given: () => rowsOf(given()), call: (t, x: number[][]) => t.predict(x) },
  'predict with options': {
    given: () => [given().x, { batchSize: 5 }],
    call: (t, [x, options]: [Given['x'], { batchSize: number }]) => t.predict(x, options),
  },
  evaluate: { given, call: (t, data: Given) => t.evaluate(data) },
  'evaluate of a part': {
    given: () => ({ arrays: given(), rows: Int32Array.from({ length: ROWS }, (_, i) => i) }),
    call: (t, share: { arrays: Given; rows: Int32Array }) => t.evaluate(share),
  },
  inspect: { given, call: async (t, data: Given) => String(await t.inspect(data)) },
  fit: {
    given: () => [given(), { epochs: 2 }],
    call: async (t, [data, options]: [Given, { epochs: number }]) => [await t.fit(data, options), await hashOf(t)],
  },
  'fit with validation': {
    given: () => [given(), { steps: 5, validateEvery: 2, validation: given() }],
    call: async (t, [data, options]: [Given, { steps: number; validation: Given }]) => [
      await t.fit(data, options),
      await hashOf(t),
    ],
  },
};

const NAMED = Object.entries(CASES);

it.each(NAMED)('%s', async (_name, { given, call }) => {
  const expected = await call(make(), given() as never);
  const trainer = make();
  const changed = given();
  const result = call(trainer, changed as never);
  spoil(changed);
  expect(await result).toEqual(expected);
  // The same where it has to wait for its turn.
  const busy = make();
  const waiting = given();
  const before = Promise.all([busy.evaluate(given() as Arrays).catch(() => {}), busy.readParameters()]);
  const later = call(busy, waiting as never).catch((error) => error.code);
  await Promise.resolve();
  spoil(waiting);
  await before;
  const got = await later;
  expect(got).toEqual(expected);
});

it('changes what it means to change, and that would be seen', async () => {
  for (const [name, { given, call }] of NAMED) {
    const changed = given();
    spoil(changed);
    const result = await call(make(), changed as never).catch((error) => error.code);
    expect(result, name).not.toEqual(await call(make(), given() as never));
  }
});

it('generate', async () => {
  const model = new models.CharRNN(7, { hidden: 8 });
  const trainer = new Trainer({
    model,
    loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
  });
  const prompt = [3, 1, 4];
  const expected = await generate(trainer, { prompt: [...prompt], length: 12 });
  const tokens = generate(trainer, { prompt, length: 12 });
  prompt.fill(0);
  expect(await tokens).toEqual(expected);
  expect(await generate(trainer, { prompt, length: 12 })).not.toEqual(expected);
});
