// texts.test.ts: several texts at once, streams, and what stays of a model between two texts.
import { setTimeout as pause } from 'node:timers/promises';
import * as fc from 'fast-check';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { byte, char } from '../../../lib/data/tokenizer.ts';
import { AbortError, DisposedError, OptionError } from '../../../lib/errors.ts';
import type { Tensor } from '../../../lib/ir/graph.ts';
import { CharRNN, GPT } from '../../../lib/models/index.ts';
import { BatchNorm1d, Embedding, GRU, Linear, Module, type Parameter } from '../../../lib/nn/index.ts';
import * as loss from '../../../lib/nn/loss/index.ts';
import { reshape } from '../../../lib/ops/index.ts';
import * as optim from '../../../lib/optim/index.ts';
import { generate, generateStream } from '../../../lib/train/generate/generate.ts';
import { predicting } from '../../../lib/train/generate/next.ts';
import { forgetWriting } from '../../../lib/train/generate/writers.ts';
import { Weights } from '../../../lib/train/programs/weights.ts';
import { Trainer } from '../../../lib/train/trainer.ts';
import { sameBits } from '../../run-node.ts';
import { type OfContext, Plain, parametersOf, VOCABULARY, writerOf } from './models.ts';

const gpt = new GPT(VOCABULARY, { context: 12, layers: 1, heads: 2, width: 8 }).initialize(2);
const MODELS: Readonly<Record<string, Module>> = {
  'with what it keeps': gpt,
  'with the whole window': new Plain(gpt as OfContext),
  'step by step': new CharRNN(VOCABULARY, { kind: 'gru', embedding: 4, hidden: 6, layers: 2 }).initialize(3),
};

describe.each(Object.entries(MODELS))('several texts at once, %s', (_, model) => {
  const writer = writerOf(model);
  const prompts = fc.array(fc.array(fc.nat(VOCABULARY - 1), { minLength: 1, maxLength: 15 }), { minLength: 1, maxLength: 4 });

  it('each row is what it is alone, with the draws of its row', async () => {
    await fc.assert(
      fc.asyncProperty(prompts, fc.nat(1000), fc.constantFrom(0, 1, 5), async (prompts, seed, row) => {
        const how = { length: 9, seed, temperature: 1.5, topP: 0.95, stop: [[3, 3], 7] };
        const together = await generate(writer, { prompts, row, ...how });
        const alone = await Promise.all(prompts.map((prompt, r) => generate(writer, { prompt, row: row + r, ...how })));
        expect(together).toEqual(alone);
      }),
      { numRuns: 8 },
    );
  });

  it('rows end by themselves, by what onToken answers too', async () => {
    const prompts = [[1], [2, 3, 4], [1]];
    const heard: number[][] = [[], [], []];
    const onToken = (token: number, row: number): boolean => heard[row]!.push(token) < 2 + row;
    const texts = await generate(writer, { prompts, length: 20, temperature: 2, onToken });
    expect(texts.map((t) => t.length)).toEqual([2, 3, 4]);
    expect(texts).toEqual(heard);
    // Equal prompts in one batch are drawn apart.
    const [a, , b] = await generate(writer, { prompts, length: 20, temperature: 2 });
    expect(a).not.toEqual(b);
  });

  it('a text knows nothing of the one before', async () => {
    const weights = new Weights(model);
    const next = predicting(model)(weights, 1);
    weights.write(parametersOf(model));
    const first = (await next.after([[1]])).slice();
    for (const token of [5, 6, 7]) await next.after([[token]]);
    next.reset();
    expect(sameBits([await next.after([[1]])], [first])).toBe(true);
    next.dispose();
    weights.dispose();
  });

  it('a stream gives what generate returns', async () => {
    const options = { prompt: [1, 2], length: 15, seed: 5, stop: [[4, 4]] };
    const streamed: number[] = [];
    for await (const token of generateStream(writer, options)) streamed.push(token);
    expect(streamed).toEqual(await generate(writer, options));
    const some: number[] = [];
    for await (const token of generateStream(writer, { ...options, stop: [] })) if (some.push(token) === 4) break;
    expect(some).toEqual(await generate(writer, { ...options, stop: [], length: 4 }));
  });

  it('aborting rejects after the token that is written, whatever was given out', async () => {
    const controller = new AbortController();
    const heard: number[] = [];
    const onToken = (token: number): void => {
      if (heard.push(token) === 3) controller.abort('enough');
    };
    const running = generate(writer, { prompt: [1], length: 500, signal: controller.signal, onToken });
    const error = await running.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(AbortError);
    expect(error).toMatchObject({ message: 'generate: writing was aborted', cause: 'enough', code: 'ABORT_ERR' });
    expect(heard).toHaveLength(3);
    const stream = generateStream(writer, { prompt: [1], length: 500, signal: AbortSignal.abort() });
    await expect(stream.next()).rejects.toThrow(/generateStream: writing was aborted/);
    expect(await generate(writer, { prompt: [1], length: 3, seed: 0 })).toEqual(heard);
  });
});

it('the event loop has turns while a text is written', async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await generate(writerOf(gpt), { prompt: [1], length: 300, temperature: 0 });
  clearInterval(timer);
  expect(turns).toBeGreaterThan(3);
});

describe('texts in stop', () => {
  const chars = char('abcdefghijk');
  const writer = writerOf(gpt);
  const options = { prompt: [1], length: 60, seed: 3, temperature: 2, tokenizer: chars };
  it('end it before them', async () => {
    const all = chars.decode(await generate(writer, options));
    const stop = all.slice(20, 22);
    expect(chars.decode(await generate(writer, { ...options, stop }))).toBe(all.slice(0, all.indexOf(stop)));
    expect(chars.decode(await generate(writer, { ...options, stop: ['!', stop] }))).toBe(all.slice(0, all.indexOf(stop)));
  });
  it('need a tokenizer', async () => {
    const error = await generate(writer, { prompt: [1], length: 3, stop: ['a'] }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OptionError);
    expect(error).toMatchObject({ message: 'generate: option stop: expected option tokenizer with a text, got "a" alone' });
    expect(() => generateStream(writer, { prompt: [1], length: 3, stop: 'a' })).toThrow(/generateStream: option stop/);
    const none = await generate(writer, { prompt: [1], length: 3, stop: [''], tokenizer: byte() }).catch((e: unknown) => e);
    expect(none).toMatchObject({ message: expect.stringMatching(/option stop.*expected a text, got ""/) });
  });
});

it('takes a prompt or prompts', async () => {
  const both = { prompt: [1], prompts: [[1]], length: 1 } as never;
  await expect(generate(writerOf(gpt), both)).rejects.toThrow('generate: expected option prompt or prompts, got both');
  await expect(generate(writerOf(gpt), { length: 1 } as never)).rejects.toThrow(/prompt or prompts, got neither/);
  await expect(generate(writerOf(gpt), { prompts: [[1], []], length: 1 })).rejects.toThrow(
    /option prompts\[1\].*at least one token/,
  );
});

describe('what stays of a model', () => {
  let made = 0;
  /** Tells how often room for its weights is made: for that it must have its values. */
  class Counted extends GPT {
    override initialize(...seed: [] | [seed: number]): this {
      made++;
      return super.initialize(...seed);
    }
  }
  const fresh = (): GPT => {
    const model = new Counted(VOCABULARY, { context: 8, layers: 1, heads: 1, width: 4 }).initialize(1);
    made = 0;
    return model;
  };
  const freed = vi.spyOn(Weights.prototype, 'dispose');
  beforeEach(() => {
    freed.mockClear();
  });

  it('is one copy of it, however many texts come after another, and whatever ends them', async () => {
    const model = fresh();
    const writer = writerOf(model);
    const text = { prompt: [1], length: 6 };
    await generate(writer, text);
    for await (const _ of generateStream(writer, text)) break;
    await expect(generate(writer, { ...text, prompt: [VOCABULARY] })).rejects.toThrow(/index from 0 to 10/);
    await generate(writerOf(model), { prompts: [[1], [2, 3]], length: 2 });
    const throws = (): never => {
      throw new Error('mine');
    };
    await expect(generate(writer, { ...text, onToken: throws })).rejects.toThrow('mine');
    await generate(writer, text);
    expect(made).toBe(1);
    expect(freed).not.toHaveBeenCalled();
    forgetWriting(model);
    expect(freed).toHaveBeenCalledTimes(1);
  });

  it('texts at the same time have one each, of which one stays', async () => {
    const model = fresh();
    const [a, b, c] = await Promise.all([1, 2, 3].map((t) => generate(writerOf(model), { prompt: [t], length: 5, seed: 4 })));
    expect(made).toBe(3);
    expect(freed).toHaveBeenCalledTimes(2);
    for (const [t, text] of [a, b, c].entries()) {
      expect(await generate(writerOf(model), { prompt: [t + 1], length: 5, seed: 4 })).toEqual(text);
    }
    expect(made).toBe(3);
  });

  it('holds no weights of before, and no model of before', async () => {
    const model = fresh();
    const text = { prompt: [1, 2], length: 8 };
    const write = (): Promise<number[]> => generate(writerOf(model), text);
    const written = await write();
    const { data } = model.norm.weight as Parameter;
    data.fill(-400);
    const other = await write();
    expect(other).not.toEqual(written);
    data.fill(1);
    expect(await write()).toEqual(written);
    // Another layer in the place of one.
    const block = model.blocks[0] as unknown as { mlp: Module };
    const { mlp } = block;
    block.mlp = new Linear(4, 4).initialize(9);
    (block.mlp as Linear).weight.data = Float32Array.from({ length: 16 }, (_, i) => 300 * Math.sin(i));
    const third = await write();
    expect(third).toEqual(await generate(writerOf(new Plain(model as unknown as OfContext)), text));
    expect(third).not.toEqual(written);
    block.mlp = mlp;
    expect(await write()).toEqual(written);
    expect(made).toBe(3);
  });

  it('goes with the trainer', async () => {
    const model = fresh();
    const trainer = new Trainer({
      model,
      loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
      optimizer: optim.sgd({ lr: 0.1 }),
    });
    const writing = generate(trainer, { prompt: [1], length: 100, temperature: 0 });
    await pause(1);
    const x = { data: Int32Array.from({ length: 64 }, (_, i) => i % VOCABULARY), shape: [8, 8] };
    const before = await generate(trainer, { prompt: [1], length: 30, temperature: 0 });
    trainer.fitSync({ x, y: x }, { steps: 20 });
    // What was begun before is of the weights of before.
    expect((await writing).slice(0, 30)).toEqual(before);
    expect(freed).toHaveBeenCalledTimes(1);
    trainer.dispose();
    expect(freed).toHaveBeenCalledTimes(2);
  });
});

describe('with a trainer', () => {
  /** Has a buffer that its fits write, and one that it reads when it writes. */
  class Carries extends Module {
    embedding = new Embedding(VOCABULARY, 5);
    norm = new BatchNorm1d(5);
    rnn = new GRU(5, 7, { carry: 8 });
    head = new Linear(7, VOCABULARY);
    #embedded(x: Tensor): Tensor {
      const [batch, time] = x.shape as [number, number];
      return reshape(this.norm.forward(reshape(this.embedding.forward(x), [batch * time, 5])), [batch, time, 5]);
    }
    forward(x: Tensor): Tensor {
      return this.head.forward(this.rnn.forward(this.#embedded(x)).output);
    }
    step(x: Tensor, states: readonly Tensor[] | null): { logits: Tensor; states: Tensor[] } {
      const { last, h } = this.rnn.forward(this.#embedded(x), states?.[0] ? { h: states[0] } : {});
      return { logits: this.head.forward(last), states: [h] };
    }
  }
  const data = { data: Int32Array.from({ length: 128 }, (_, i) => (i * i) % VOCABULARY), shape: [16, 8] };
  const trainerOf = (seed: number): Trainer<Carries> =>
    new Trainer({
      model: new Carries(),
      loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
      optimizer: optim.adamw({ lr: 0.01 }),
      batchSize: 8,
      seed,
    });

  it('a text that is begun while a fit is on is of the weights, and buffers, of the end of a step', async () => {
    using trainer = trainerOf(1);
    const how = { prompt: [1, 2], length: 12, seed: 3 };
    const texts: number[][] = [];
    const after = new Map<number, number[]>();
    const fit = trainer.fit({ x: data, y: data }, { steps: 25, chunkSteps: 1 });
    for (let i = 0; i < 3; i++) texts.push(await generate(trainer, how));
    await fit;
    using again = trainerOf(1);
    for (let step = 0; step <= 25; step++) {
      after.set(step, await generate(again, how));
      if (step < 25) again.fitSync({ x: data, y: data }, { steps: 1 });
    }
    for (const text of texts) expect([...after.values()]).toContainEqual(text);
    expect(await generate(trainer, how)).toEqual(after.get(25));
  });

  it('waits for a step of a fit at most, not for all that the fit runs at once', async () => {
    using trainer = trainerOf(1);
    let done = false;
    const fit = trainer.fit({ x: data, y: data }, { steps: 1e5, chunkSteps: 1e5 });
    const ended = fit.then(() => {
      done = true;
    });
    await generate(trainer, { prompt: [1], length: 10 });
    expect(done).toBe(false);
    await fit.stop();
    await ended;
    expect(trainer.counters.step).toBeLessThan(1e5);
  });

  it('that has done nothing yet begins with the weights of its seed', async () => {
    const write = async (trainer: Trainer<Carries>): Promise<number[]> => generate(trainer, { prompt: [1], length: 20 });
    using trainer = trainerOf(7);
    using other = trainerOf(7);
    const text = await write(trainer);
    await other.readParameters();
    expect(await write(other)).toEqual(text);
    using stranger = trainerOf(8);
    expect(await write(stranger)).not.toEqual(text);
  });

  it('that was disposed of writes nothing', async () => {
    const trainer = trainerOf(1);
    trainer.dispose();
    await expect(generate(trainer, { prompt: [1], length: 3 })).rejects.toBeInstanceOf(DisposedError);
  });
});
