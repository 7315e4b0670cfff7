// generate.test.ts: what a model writes, token by token, is what it predicts for the whole sequence; draws follow the logits.
import { describe, expect, it } from 'vitest';
import { IndexError, NonFiniteError, OptionError, ShapeError } from '../../../lib/errors.ts';
import type { Tensor } from '../../../lib/ir/graph.ts';
import type { Precision } from '../../../lib/ir/op.ts';
import { Embedding, GRU, init, Linear, LSTM, Module, Parameter, RNN } from '../../../lib/nn/index.ts';
import * as loss from '../../../lib/nn/loss/index.ts';
import { add, matmul, reshape, slice, tanh } from '../../../lib/ops/index.ts';
import * as optim from '../../../lib/optim/index.ts';
import type { NdArray } from '../../../lib/train/feed/source.ts';
import { draw } from '../../../lib/train/generate/draw.ts';
import { type GenerateOptions, generate } from '../../../lib/train/generate/generate.ts';
import { Trainer } from '../../../lib/train/trainer.ts';

const KINDS = { RNN, LSTM, GRU } as const;

class Recurrent extends Module {
  readonly embedding = new Embedding(11, 6);
  readonly rnn: RNN | LSTM | GRU;
  readonly head = new Linear(9, 11);
  constructor(kind: keyof typeof KINDS) {
    super();
    this.rnn = new KINDS[kind](6, 9, { numLayers: 2 });
  }
  forward(x: Tensor): Tensor {
    return this.head.forward(this.rnn.forward(this.embedding.forward(x)).output);
  }
  step(x: Tensor, states: readonly Tensor[] | null): { logits: Tensor; states: Tensor[] } {
    const [h, c] = states ?? [];
    const input = { ...(h && { h }), ...(c && { c }) };
    const { last, h: next, ...rest } = this.rnn.forward(this.embedding.forward(x), input);
    return { logits: this.head.forward(last), states: 'c' in rest ? [next, rest.c as Tensor] : [next] };
  }
}

/** Each place sees the sum of what stands there and before it, and where it stands. */
class Causal extends Module {
  readonly context = 5;
  readonly embedding = new Embedding(11, 6);
  readonly place = new Parameter([5, 6], init.zeros());
  readonly head = new Linear(6, 11);
  forward(x: Tensor): Tensor {
    const [batch, time] = x.shape as [number, number];
    const before = Float32Array.from({ length: batch * time * time }, (_, i) =>
      i % time <= Math.floor(i / time) % time ? 1 : 0,
    );
    const seen = matmul(x.graph.constant(before, [batch, time, time], 'f32'), this.embedding.forward(x));
    const place = reshape(slice(this.place, { axis: 0, start: 0, end: time }), [1, time, 6]);
    return reshape(this.head.forward(tanh(add(seen, place))), [batch, time, 11]);
  }
}

/** Its second token is a little likelier than its first, whatever came before; in bf16 they are the same. */
class Close extends Module {
  readonly context = 3;
  readonly embedding = new Embedding(2, 1);
  readonly head = new Parameter([1, 2], init.zeros());
  forward(x: Tensor): Tensor {
    return matmul(this.embedding.forward(x), this.head);
  }
}

function trainerOf<M extends Module & { forward(x: Tensor): Tensor }>(
  model: M,
  options: { readonly precision?: Precision } = {},
): Trainer<M> {
  return new Trainer({
    model,
    loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
    optimizer: optim.adamw({ lr: 0.03 }),
    batchSize: 4,
    seed: 1,
    ...options,
  });
}

/** Some steps on sequences that go round, so that the logits say something. */
function trained<M extends Module & { forward(x: Tensor): Tensor }>(model: M): Trainer<M> {
  const trainer = trainerOf(model);
  const x = Int32Array.from({ length: 20 * 5 }, (_, i) => (((i * i) % 7) + (i % 5)) % 11);
  const y = x.map((v) => (v * 3 + 1) % 11);
  trainer.fitSync({ x: { data: x, shape: [20, 5] }, y: { data: y, shape: [20, 5] } }, { steps: 30 });
  return trainer;
}

/** The likeliest after these tokens, predicted from all of them at once. */
function likeliest(trainer: { predictSync: Trainer<Module>['predictSync'] }, tokens: readonly number[]): number {
  const { data } = trainer.predictSync({ x: { data: Int32Array.from(tokens), shape: [1, tokens.length] } });
  const last = data.subarray(data.length - 11);
  return last.indexOf(Math.max(...last));
}

const PROMPT = [3, 1, 4];

it.each(['RNN', 'LSTM', 'GRU'] as const)(
  '%s: a state carried from token to token gives what the whole sequence gives',
  async (kind) => {
    using trainer = trained(new Recurrent(kind));
    const written = await generate(trainer, { prompt: PROMPT, length: 12, temperature: 0 });
    const all = [...PROMPT];
    for (const token of written) {
      expect(token).toBe(likeliest(trainer, all));
      all.push(token);
    }
    expect(new Set(written).size).toBeGreaterThan(1);
  },
);

it("a trainer's texts are of its precision, those of a model that is given with its weights of f32", async () => {
  const model = new Close().initialize(1);
  model.embedding.weight.data.fill(1);
  model.head.data.set([1, 1.001]);
  const first = (writer: Parameters<typeof generate>[0]): Promise<number[]> => {
    return generate(writer, { prompt: [0], length: 2, temperature: 0 });
  };
  for (const precision of ['f32', 'bf16', 'f32'] as const) {
    using trainer = trainerOf(model, { precision });
    expect(await first(trainer)).toEqual(precision === 'f32' ? [1, 1] : [0, 0]);
  }
  const parameters = new Map(Array.from(model.namedParameters(), ([n, p]) => [n, { data: p.data, shape: p.shape }]));
  expect(await first({ model, readParameters: () => parameters })).toEqual([1, 1]);
});

it('a model with a context sees the last of the tokens, and nothing that is not there yet', async () => {
  using trainer = trained(new Causal());
  const written = await generate(trainer, { prompt: PROMPT, length: 12, temperature: 0 });
  const all = [...PROMPT];
  for (const token of written) {
    expect(token).toBe(likeliest(trainer, all.slice(-5)));
    all.push(token);
  }
  const long = await generate(trainer, { prompt: all, length: 1, temperature: 0 });
  expect(long).toEqual([likeliest(trainer, all.slice(-5))]);
});

it('the seed decides; onToken hears each token and may end it', async () => {
  using trainer = trained(new Recurrent('GRU'));
  const write = (options: Partial<GenerateOptions>): Promise<number[]> =>
    generate(trainer, { prompt: PROMPT, length: 40, ...options });
  const first = await write({ seed: 4 });
  expect(await write({ seed: 4n })).toEqual(first);
  expect(await write({ seed: 5 })).not.toEqual(first);
  expect(await write({ temperature: 0, seed: 6 })).toEqual(await write({ topK: 1 }));
  const heard: number[] = [];
  expect(await write({ seed: 4, onToken: (t) => heard.push(t) < 7 })).toEqual(first.slice(0, 7));
  expect(heard).toEqual(first.slice(0, 7));
  expect(await write({ length: 0 })).toEqual([]);
});

describe('draw', () => {
  const logits = Float32Array.from([0, Math.log(3), Number.NEGATIVE_INFINITY, Math.log(2)]);
  const shares = (how: { temperature: number; topK: number | null; topP?: number }): number[] => {
    const count = [0, 0, 0, 0];
    for (let i = 0; i < 6000; i++) count[draw(logits, { topP: 1, ...how }, (i + 0.5) / 6000)]!++;
    return count.map((n) => n / 6000);
  };
  it('follows softmax(logits / temperature), of the k largest', () => {
    expect(shares({ temperature: 1, topK: null })).toEqual([1 / 6, 1 / 2, 0, 1 / 3]);
    expect(shares({ temperature: 1, topK: 2 })).toEqual([0, 3 / 5, 0, 2 / 5]);
    expect(shares({ temperature: 1, topK: 9 })).toEqual([1 / 6, 1 / 2, 0, 1 / 3]);
    const half = [1, 9, 0, 4].map((w) => w / 14);
    for (const [i, s] of shares({ temperature: 0.5, topK: null }).entries()) expect(s).toBeCloseTo(half[i]!, 3);
    expect(shares({ temperature: 0, topK: null })).toEqual([0, 1, 0, 0]);
    expect(shares({ temperature: 1e-3, topK: null })).toEqual([0, 1, 0, 0]);
  });
  it('takes the first of equals where only some are wanted', () => {
    expect([0.1, 0.9].map((at) => draw(Float32Array.of(1, 1, 1), { temperature: 1, topK: 2, topP: 1 }, at))).toEqual([0, 1]);
  });
});

class NoLogits extends Causal {
  override forward(x: Tensor): Tensor {
    return reshape(super.forward(x), [x.shape[1]!, 11]);
  }
}

describe('one clear error', () => {
  const cell = new Recurrent('RNN').initialize(0);
  const parameters = (m: Module): Map<string, NdArray> =>
    new Map(Array.from(m.namedParameters(), ([n, p]) => [n, { data: p.data, shape: p.shape }]));
  const writer = { model: cell, readParameters: () => parameters(cell) };
  const without = new Map([...parameters(cell)].filter(([name]) => name !== 'head.bias'));
  const nan = new Map(
    [...parameters(cell)].map(([n, a]) => [n, n === 'head.bias' ? { ...a, data: new Float32Array(11).fill(Number.NaN) } : a]),
  );
  it.each<[string, () => Promise<unknown>, new (...args: never[]) => Error, RegExp]>([
    [
      'no prompt',
      () => generate(writer, { prompt: [], length: 3 }),
      OptionError,
      /option prompt: expected at least one token, got \[\]/,
    ],
    [
      'no token',
      () => generate(writer, { prompt: [1, 0.5], length: 3 }),
      OptionError,
      /prompt: expected tokens, whole numbers >= 0, got 0\.5 at position 1/,
    ],
    ['another token', () => generate(writer, { prompt: [11], length: 3 }), IndexError, /index from 0 to 10.*got 11/],
    ['topK', () => generate(writer, { prompt: [1], length: 3, topK: 0 }), OptionError, /option topK: .*>= 1, got 0/],
    [
      'temperature',
      () => generate(writer, { prompt: [1], length: 3, temperature: -1 }),
      OptionError,
      /temperature: .*>= 0, got -1/,
    ],
    [
      'a model',
      () => generate({ ...writer, model: new Linear(2, 2) }, { prompt: [1], length: 3 }),
      OptionError,
      /a model with step, decode or context.*got a Linear/,
    ],
    [
      'logits',
      () =>
        generate(
          { model: new NoLogits(), readParameters: () => parameters(new Causal().initialize(0)) },
          { prompt: [1], length: 1 },
        ),
      ShapeError,
      /expected logits \[1,5,tokens\] of the model, got \[5,11\]/,
    ],
    [
      'a parameter',
      () => generate({ ...writer, readParameters: () => without }, { prompt: [1], length: 3 }),
      OptionError,
      /no values for the parameter head\.bias/,
    ],
    [
      'NaN',
      () => generate({ ...writer, readParameters: () => nan }, { prompt: [1], length: 3 }),
      NonFiniteError,
      /the logits of token 0 are not finite/,
    ],
  ])('%s', async (_, run, kind, message) => {
    const error = await run().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(kind);
    expect((error as Error).message).toMatch(message);
  });
});
