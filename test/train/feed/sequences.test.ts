// sequences.test.ts: sequences of any length in buckets: each epoch has every one once, what was padded does not count, and a batch has the loss and
// gradients of its sequences one by one.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataError, DTypeError, GradclipError, IndexError, OptionError, ShapeError } from '../../../lib/errors.ts';
import { loss, nn, ops, optim, type Sequences, type SequencesOptions, sequences } from '../../../lib/index.ts';
import type { Tensor } from '../../../lib/ir/graph.ts';
import { sizeOf } from '../../../lib/ir/op.ts';
import { dataFeeder } from '../../../lib/train/feed/feeder.ts';
import { inTables } from '../../../lib/train/feed/tables.ts';
import { type Batch, Trainer, type TrainerOptions } from '../../../lib/train/index.ts';
import { hashOf } from '../../golden/runs/models.ts';
import { between, SOME_TEAMS } from '../../kit.ts';
import { fails } from '../fails.ts';

/** Numbers below `bound`, from a seed. */
function numbers(seed: number, bound: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

/** Token sequences of these lengths, a label for each, and one for each token. */
function examples(lengths: readonly number[], vocabulary = 7): { x: number[][]; y: number[]; tags: Int32Array[] } {
  const next = numbers(5, vocabulary);
  const x = lengths.map((length) => Array.from({ length }, next));
  return { x, y: x.map((s) => s.reduce((a, b) => a + b, 0) % 3), tags: x.map((s) => Int32Array.from(s, (t) => (t * 2 + 1) % 5)) };
}
const LENGTHS = [3, 1, 8, 5, 2, 4, 7, 6, 3, 5, 1, 8, 2, 2, 6, 4, 9, 16, 11];
const BUCKETS = [4, 8, 16];

/** A label for a sequence, of the last valid state. */
class Reader extends nn.Module {
  readonly embed = new nn.Embedding(7, 4);
  readonly gru = new nn.GRU(4, 6, { bidirectional: true });
  readonly head = new nn.Linear(12, 3);
  forward(x: Tensor, lengths: Tensor): Tensor {
    return this.head.forward(this.gru.forward(this.embed.forward(x), { lengths }).last);
  }
}
/** A label for each token, by attention to all of them. */
class Tagger extends nn.Module {
  readonly embed = new nn.Embedding(7, 8);
  readonly attention = new nn.MultiheadAttention(8, 2);
  readonly norm = new nn.LayerNorm(8);
  readonly head = new nn.Linear(8, 5);
  forward(x: Tensor, padding: Tensor): Tensor {
    const h = this.embed.forward(x);
    return this.head.forward(this.norm.forward(ops.add(h, this.attention.forward(h, h, h, { keyPaddingMask: padding }))));
  }
}
/** A number for a sequence, of the mean of its elements. */
class Mean extends nn.Module {
  readonly head = new nn.Linear(2, 1);
  forward(x: Tensor, mask: Tensor, lengths: Tensor): Tensor {
    const sum = ops.sum(ops.mul(x, ops.expandDims(mask, 2)), { axes: [1] });
    return ops.reshape(this.head.forward(ops.div(sum, ops.expandDims(ops.cast(lengths, 'f32'), 1))), [-1]);
  }
}

type Options<M extends nn.Module> = Partial<TrainerOptions<M>>;
const reader = (options: Options<Reader> = {}): Trainer<Reader> =>
  new Trainer({
    model: new Reader(),
    loss: ({ x, y, lengths }: Batch, model) => loss.crossEntropy(model.forward(x, lengths!), y),
    optimizer: optim.adamw({ lr: 1e-2 }),
    batchSize: 4,
    seed: 2,
    ...options,
  });
const tagger = (options: Options<Tagger> = {}): Trainer<Tagger> =>
  new Trainer({
    model: new Tagger(),
    loss: ({ x, tags, padding }: Batch, model) => loss.crossEntropy(model.forward(x, padding!), tags!, { ignoreIndex: -100 }),
    optimizer: optim.adamw({ lr: 1e-2 }),
    batchSize: 4,
    seed: 2,
    ...options,
  });

const forReader = (options: Partial<SequencesOptions> = {}, lengths = LENGTHS): Sequences => {
  const { x, y } = examples(lengths);
  return sequences({ x, y }, { buckets: BUCKETS, lengths: 'lengths', ...options }) as Sequences;
};
const forTagger = (options: Partial<SequencesOptions> = {}): Sequences => {
  const { x, tags } = examples(LENGTHS);
  return sequences({ x, tags }, { buckets: BUCKETS, pad: { tags: -100 }, padding: 'padding', ...options }) as Sequences;
};

/** The mean of what each sequence alone gives, weighed, against all of them in buckets. */
function compareOneByOne(
  trainer: Trainer<nn.Module>,
  data: Sequences,
  single: (i: number) => { weight: number; batch: object },
): void {
  const sums = new Map<string, Float64Array>();
  let [total, count] = [0, 0];
  for (let i = 0; i < data.length; i++) {
    const { weight, batch } = single(i);
    const alone = trainer.gradientsSync(batch as never);
    total += weight * alone.loss;
    count += weight;
    for (const [name, { data: g }] of alone.gradients) {
      const sum = sums.get(name) ?? new Float64Array(g.length);
      sums.set(
        name,
        sum.map((v, k) => v + weight * g[k]!),
      );
    }
  }
  expect(trainer.evaluateSync(data as never).loss).toBeCloseTo(total / count, 6);
  const weights = data.buckets.map(({ rows }) => [...rows].reduce((sum, i) => sum + single(i).weight, 0));
  const parts = data.buckets.map((bucket) => trainer.gradientsSync(bucket as never, { batchSize: bucket.rows.length }).gradients);
  for (const [name, sum] of sums) {
    const together = sum.map((_, k) => parts.reduce((s, part, b) => s + weights[b]! * part.get(name)!.data[k]!, 0));
    const scale = Math.max(...sum.map(Math.abs));
    expect(scale, name).toBeGreaterThan(0);
    for (const [k, v] of together.entries()) expect(Math.abs(v - sum[k]!), `${name}[${k}]`).toBeLessThan(2e-6 * scale);
  }
}

describe('a padded batch has the loss and gradients of its sequences one by one', () => {
  const { x, y, tags } = examples(LENGTHS);
  it('a recurrent layer that gets lengths', () => {
    compareOneByOne(reader() as never, forReader(), (i) => ({
      weight: 1,
      batch: { x: [x[i]!], y: [y[i]!], lengths: Int32Array.of(LENGTHS[i]!) },
    }));
  });
  it('attention that gets the padding, and labels of tokens', () => {
    compareOneByOne(tagger() as never, forTagger(), (i) => ({
      weight: LENGTHS[i]!,
      batch: { x: [x[i]!], tags: [tags[i]!], padding: { data: new Uint8Array(LENGTHS[i]!), shape: [1, LENGTHS[i]!] } },
    }));
  });
  it('a mean over what the mask says, against loops in f64', () => {
    const values = x.map((s) => s.map((t) => [Math.sin(t), Math.cos(3 * t)]));
    const data = sequences({ x: values, y }, { buckets: BUCKETS, pad: 7, mask: 'mask', lengths: 'lengths' });
    const trainer = new Trainer({
      model: new Mean(),
      loss: ({ x, y, mask, lengths }: Batch, model) => loss.mse(model.forward(x, mask!, lengths!), y),
      optimizer: optim.sgd({ lr: 0.1 }),
      batchSize: 100,
      seed: 3,
    });
    trainer.model.initialize(3);
    const [w, b] = [Float64Array.from(trainer.model.head.weight.data), trainer.model.head.bias!.data[0]!];
    let expected = 0;
    const gradient = [0, 0, 0];
    for (const [i, s] of values.entries()) {
      const mean = [0, 1].map((k) => s.reduce((sum, v) => sum + Math.fround(v[k]!), 0) / s.length);
      const off = w[0]! * mean[0]! + w[1]! * mean[1]! + b - y[i]!;
      expected += off ** 2 / x.length;
      for (const k of [0, 1]) gradient[k]! += (2 * off * mean[k]!) / x.length;
      gradient[2]! += (2 * off) / x.length;
    }
    expect(trainer.evaluateSync(data).loss).toBeCloseTo(expected, 6);
    let seen = [0, 0, 0];
    for (const bucket of data.buckets) {
      const { gradients } = trainer.gradientsSync(bucket);
      const all = [...gradients.get('head.weight')!.data, ...gradients.get('head.bias')!.data];
      seen = seen.map((g, k) => g + (all[k]! * bucket.rows.length) / x.length);
    }
    for (const [k, g] of gradient.entries()) expect(seen[k]).toBeCloseTo(g, 6);
  });
});

describe('an epoch', () => {
  it('has every example once, in the order of the seed, whatever the buckets', () => {
    const given = fc.record({
      lengths: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 60 }),
      batchSize: fc.integer({ min: 1, max: 7 }),
      accumulate: fc.integer({ min: 1, max: 3 }),
      dropLast: fc.boolean(),
      shuffle: fc.boolean(),
      epoch: fc.integer({ min: 0, max: 3 }),
    });
    fc.assert(
      fc.property(given, ({ lengths, epoch, ...rest }) => {
        const data = forReader({ buckets: [3, 6, 12] }, lengths);
        const options = { ...rest, seed: 4n, place: { epoch: 0, batch: 0 } };
        const whole = data.buckets.every(({ rows }) => rows.length < rest.batchSize);
        fc.pre(!(rest.dropLast && whole));
        const feeder = dataFeeder(inTables(data), options);
        const drawn: number[] = [];
        let steps = 0;
        for (let batch = 0; ; ) {
          const counters = { attempt: 50 + batch, step: 0, skips: 0, epoch, batch };
          const chunk = feeder.next(3, counters).now();
          if (typeof chunk === 'string') break;
          const each = chunk.parts.flatMap((p) =>
            Array<string>(p.micros * (chunk.parts.length === 1 ? chunk.steps : 1)).fill(p.shape.name),
          );
          expect(each.length).toBe(chunk.steps * chunk.micros);
          for (const [j, name] of each.entries()) {
            const { rows, examples } = chunk.batch(j);
            const batch = [...rows!].map((r) => examples![r]!);
            const lengthsOf = batch.map((i) => [3, 6, 12].find((most) => lengths[i]! <= most));
            expect(new Set(lengthsOf).size).toBe(1);
            expect(name).toContain(`${batch.length} rows`);
            drawn.push(...batch);
          }
          steps += chunk.steps;
          batch += chunk.steps * chunk.micros;
        }
        expect(steps).toBe(feeder.epochSteps);
        const left = rest.dropLast ? data.buckets.reduce((sum, { rows }) => sum + (rows.length % rest.batchSize), 0) : 0;
        expect(drawn.length).toBe(lengths.length - left);
        expect(new Set(drawn).size).toBe(drawn.length);
      }),
      { numRuns: 60 },
    );
  });

  it('has another order than the one before, and the same under the same seed', async () => {
    const epochs = async (seed: number, epochs: number): Promise<string> => {
      const trainer = reader({ seed: 2 });
      trainer.model.initialize(1);
      const other = reader({ seed, model: trainer.model });
      await other.fit(forReader(), { epochs });
      return hashOf(other);
    };
    expect(await epochs(7, 2)).toBe(await epochs(7, 2));
    expect(await epochs(7, 2)).not.toBe(await epochs(8, 2));
  });

  it('in its order, where nothing is shuffled: that of a stream which waits until a bucket is full', () => {
    const feeder = dataFeeder(inTables(forReader({ buckets: [4, 8] }, [1, 5, 2, 6, 7, 3, 8, 4])), {
      batchSize: 2,
      accumulate: 1,
      dropLast: false,
      shuffle: false,
      seed: 0n,
      place: { epoch: 0, batch: 0 },
    });
    const batches = [0, 1, 2, 3].map((batch) => {
      const chunk = feeder.next(1, { attempt: batch, step: 0, skips: 0, epoch: 0, batch }).now();
      const { rows, examples } = (chunk as Exclude<typeof chunk, string>).batch(0);
      return [...rows!].map((r) => examples![r]);
    });
    expect(batches).toEqual([
      [0, 2],
      [1, 3],
      [4, 6],
      [5, 7],
    ]);
  });
});

describe('bits', () => {
  const run = async (
    make: () => Trainer<nn.Module>,
    data: Sequences,
    pieces: readonly number[],
    threads = 1,
  ): Promise<string> => {
    const trainer = make();
    for (const steps of pieces) await trainer.fit(data as never, { steps });
    return hashOf(trainer);
  };
  it.each([1, 3])('of a fit in pieces, and on any team, are those of a fit in one, with %i micro-batches', async (accumulate) => {
    const make = (threads: number) => (): Trainer<nn.Module> => tagger({ accumulate, threads }) as never;
    const whole = await run(make(1), forTagger(), [17]);
    expect(await run(make(1), forTagger(), [1, 3, 2, 4, 7])).toBe(whole);
    for (const threads of SOME_TEAMS) expect(await run(make(threads), forTagger(), [17])).toBe(whole);
    const blocking = tagger({ accumulate });
    blocking.fitSync(forTagger(), { steps: 17, chunkSteps: 2 });
    expect(await hashOf(blocking)).toBe(whole);
  });

  it('go on in the middle of an epoch after a checkpoint', async () => {
    const whole = await run(reader as never, forReader(), [11]);
    const [one, other] = [reader(), reader()];
    await one.fit(forReader(), { steps: 4 });
    const file = join(mkdtempSync(join(tmpdir(), 'gradclip-')), 'm.safetensors');
    await one.save(file);
    await other.load(file);
    await other.fit(forReader(), { steps: 7 });
    expect(await hashOf(other)).toBe(whole);
  });

  it('need batches of one size within an epoch', async () => {
    const trainer = reader();
    await trainer.fit(forReader(), { steps: 2 });
    const text = 'option batchSize: sequences go on within an epoch in batches of 4, got 2';
    await fails(() => trainer.fit(forReader(), { batchSize: 2 }), OptionError, 'ERR_OPTION', text);
    await trainer.fit(forReader(), { epochs: 1 });
    await trainer.fit(forReader(), { epochs: 1, batchSize: 2 });
    expect(trainer.counters).toMatchObject({ epoch: 2, batch: 0 });
  });

  it('do not depend on what stands in the padding', async () => {
    const tokens = fc.integer({ min: 0, max: 6 });
    const values = between(-1e3, 1e3);
    await fc.assert(
      fc.asyncProperty(tokens, values, async (token, value) => {
        expect(await run(reader as never, forReader({ pad: token }), [4])).toBe(await run(reader as never, forReader(), [4]));
        const tags = { tags: -100 };
        expect(await run(tagger as never, forTagger({ pad: { x: token, ...tags } }), [4])).toBe(
          await run(tagger as never, forTagger({ pad: { x: 0, ...tags } }), [4]),
        );
        const mean = (pad: number): Promise<string> => {
          const { x, y } = examples(LENGTHS);
          const made = sequences(
            { x: x.map((s) => s.map((t) => [Math.sin(t), Math.cos(3 * t)])), y },
            { buckets: BUCKETS, pad, mask: 'mask', lengths: 'lengths' },
          );
          return run(
            () =>
              new Trainer({
                model: new Mean(),
                loss: ({ x, y, mask, lengths }: Batch, model) => loss.mse(model.forward(x, mask!, lengths!), y),
                optimizer: optim.adamw({ lr: 0.1 }),
                batchSize: 4,
              }) as never,
            made as Sequences,
            [4],
          );
        };
        expect(await mean(value)).toBe(await mean(0));
      }),
      { numRuns: 5 },
    );
  });
});

describe('predictions', () => {
  const alone = (trainer: Trainer<Tagger>, data: Sequences): number[][] => {
    const out: number[][] = [];
    for (const { arrays, rows } of data.buckets) {
      for (const [k, i] of rows.entries()) {
        const one = Object.entries(arrays).map(([name, { data, shape }]) => {
          const width = data.length / shape[0]!;
          return [name, { data: data.slice(k * width, (k + 1) * width), shape: [1, ...shape.slice(1)] }];
        });
        out[i] = [...trainer.predictSync(Object.fromEntries(one)).data];
      }
    }
    return out;
  };
  const predicting = { predict: ({ x, padding }: Batch, model: Tagger) => model.forward(x, padding!) } as Options<Tagger>;

  it('are in the order of the examples, zeros after those of shorter buckets', async () => {
    const [trainer, data] = [tagger(predicting), forTagger()];
    await trainer.fit(data, { steps: 3 });
    const expected = alone(trainer, data).map((row) => [...row, ...new Array(16 * 5 - row.length).fill(0)]);
    const { data: got, shape } = await trainer.predict(data);
    expect(shape).toEqual([19, 16, 5]);
    for (const [k, v] of expected.flat().entries()) expect(got[k]).toBeCloseTo(v, 5);
    expect(trainer.predictSync(data)).toEqual({ data: got, shape });
    using predictor = trainer.predictor();
    expect(predictor.predictSync(data)).toEqual({ data: got, shape });
    expect(await predictor.predict(data)).toEqual({ data: got, shape });
  });
  it('come by name, one value each, whatever the batches', () => {
    const trainer = tagger(predicting);
    using predictor = trainer.predictor({
      outputs: ({ x, padding }: Batch, model) => ({
        first: ops.reshape(ops.slice(model.forward(x, padding!), { axis: 1, start: 0, end: 1 }), [-1, 5]),
        token: ops.slice(x, { axis: 1, start: 0, end: 1 }),
      }),
    });
    const { first, token } = predictor.predictSync(forTagger(), { batchSize: 3 });
    expect([first.shape, token.shape]).toEqual([
      [19, 5],
      [19, 1],
    ]);
    expect([...token.data]).toEqual(examples(LENGTHS).x.map((s) => s[0]));
    for (const [i, row] of alone(trainer, forTagger()).entries()) {
      for (let k = 0; k < 5; k++) expect(first.data[5 * i + k]).toBeCloseTo(row[k]!, 5);
    }
  });
  it('are refused where their dimensions differ in number', () => {
    const trainer = tagger({
      predict: ({ x }: Batch) => (x.shape[1] === 4 ? ops.cast(x, 'f32') : ops.expandDims(ops.cast(x, 'f32'), 2)),
    } as Options<Tagger>);
    const text = 'predict: expected rows of [4] in each bucket, got [8,1]';
    return fails(() => trainer.predictSync(forTagger()), ShapeError, 'ERR_SHAPE', text);
  });
});

describe('programs', () => {
  it('are as many as buckets, and one more for each shorter last batch', async () => {
    const trainer = reader();
    const { profile } = await trainer.fit(forReader({}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 2, 3, 4, 5, 6]), {
      epochs: 4,
      profile: true,
    });
    // 8 up to 4, 6 up to 8, 2 up to 16, in batches of 4.
    expect(profile!.map(({ rows }) => rows).sort()).toEqual([2, 2, 4, 4]);
  });
  it('differ where a dimension does that is no row: a whole batch and a shorter one of another bucket', async () => {
    const trainer = reader({ batchSize: 2 });
    const { profile } = await trainer.fit(forReader({}, [1, 2, 7, 8, 1]), { epochs: 3, profile: true });
    expect(profile!.map(({ rows }) => rows).sort()).toEqual([1, 2, 2]);
  });
});

describe('what is given', () => {
  it('may be a list of examples', async () => {
    const { x, y } = examples(LENGTHS);
    const listed = sequences(
      x.map((s, i) => ({ x: s, y: y[i]! })),
      { buckets: BUCKETS, lengths: 'lengths' },
    );
    expect(listed).toEqual(forReader());
    expect(String((listed as never as Record<symbol, () => string>)[Symbol.for('nodejs.util.inspect.custom')]!())).toBe(
      'Sequences: 19 examples: 9 of up to 4, 7 of up to 8, 3 of up to 16',
    );
  });
  it('has a length for each array, where buckets say so, and arrays of rows beside them', () => {
    const { buckets } = sequences(
      {
        from: [[1, 2, 3], [4], [5, 6]],
        to: [[1], [2, 3, 4], [5, 6, 7, 8]],
        y: [
          [0, 1],
          [1, 0],
          [1, 1],
        ],
      },
      {
        buckets: [
          { from: 2, to: 3 },
          { from: 4, to: 4 },
        ],
        pad: { to: 9 },
        lengths: { from: 'fromLengths', to: 'toLengths' },
        mask: { to: 'weights' },
        padding: { from: 'hidden' },
      },
    );
    const [short, long] = buckets.map(({ rows, lengths, arrays }) => {
      const plain = Object.entries(arrays).map(([name, { data, shape }]) => [name, [...data], shape]);
      return { rows: [...rows], lengths, arrays: plain };
    });
    expect(short).toEqual({
      rows: [1],
      lengths: { from: 2, to: 3 },
      arrays: [
        ['from', [4, 0], [1, 2]],
        ['to', [2, 3, 4], [1, 3]],
        ['y', [1, 0], [1, 2]],
        ['fromLengths', [1], [1]],
        ['hidden', [0, 1], [1, 2]],
        ['toLengths', [3], [1]],
        ['weights', [1, 1, 1], [1, 3]],
      ],
    });
    expect(long).toEqual({
      rows: [0, 2],
      lengths: { from: 4, to: 4 },
      arrays: [
        ['from', [1, 2, 3, 0, 5, 6, 0, 0], [2, 4]],
        ['to', [1, 9, 9, 9, 5, 6, 7, 8], [2, 4]],
        ['y', [0, 1, 1, 1], [2, 2]],
        ['fromLengths', [3, 2], [2]],
        ['hidden', [0, 0, 0, 1, 0, 0, 1, 1], [2, 4]],
        ['toLengths', [1, 4], [2]],
        ['weights', [1, 0, 0, 0, 1, 1, 1, 1], [2, 4]],
      ],
    });
  });
  it('is cut where that is asked for', () => {
    const { buckets } = sequences({ x: [[1, 2, 3, 4, 5]] }, { buckets: [2, 3], tooLong: 'cut', lengths: 'n', mask: 'm' });
    expect(Object.values(buckets[0]!.arrays).map(({ data }) => [...data])).toEqual([[1, 2, 3], [3], [1, 1, 1]]);
  });
  it('keeps dtypes, elements of any shape too', () => {
    const x = [
      { data: Uint8Array.of(1, 2, 3, 4), shape: [2, 2] },
      { data: Uint8Array.of(5, 6), shape: [1, 2] },
    ];
    const [bucket] = sequences({ x }, { buckets: [3], pad: 255 }).buckets;
    expect(bucket!.arrays.x).toEqual({ data: Uint8Array.of(1, 2, 3, 4, 255, 255, 5, 6, 255, 255, 255, 255), shape: [2, 3, 2] });
  });

  const rule = { buckets: [2, 4] };
  const wrong: [string, () => unknown, Parameters<typeof fails>[1], string, string | RegExp][] = [
    [
      'an empty sequence',
      () => sequences({ x: [[1], []] }, rule),
      DataError,
      'ERR_DATA',
      'sequences: x: example 1 has no element',
    ],
    ['no example', () => sequences({ x: [] }, rule), OptionError, 'ERR_OPTION', 'no array is a list of sequences'],
    ['no array', () => sequences({}, rule), OptionError, 'ERR_OPTION', 'expected at least one named array, got none'],
    [
      'no data',
      () => sequences(3 as never, rule),
      OptionError,
      'ERR_OPTION',
      'expected lists by name, or a list of examples, got 3',
    ],
    [
      'a sequence that is too long',
      () => sequences({ x: [[1], [1, 2, 3, 4, 5]] }, rule),
      DataError,
      'ERR_DATA',
      /x: example 1 has 5 elements, the last bucket has room for 4; tooLong: 'cut' takes its first ones/,
    ],
    [
      'elements of other shapes',
      () => sequences({ x: [[[1, 2]], [[1, 2, 3]]] }, rule),
      ShapeError,
      'ERR_SHAPE',
      'sequences: x[1]: expected elements of [2], as the first has, got elements of [3]',
    ],
    [
      'ragged elements',
      () => sequences({ x: [[[1, 2], [3]]] }, rule),
      ShapeError,
      'ERR_SHAPE',
      /x\[0\]: expected 2 values at row 1/,
    ],
    [
      'other dtypes',
      () => sequences({ x: [[1], Int32Array.of(1)] }, rule),
      DTypeError,
      'ERR_DTYPE',
      'sequences: x[1]: expected f32, as the first has, got i32',
    ],
    [
      'a number among sequences',
      () => sequences({ x: [[1], 2] as never }, rule),
      ShapeError,
      'ERR_SHAPE',
      'x[1]: expected a sequence, got 2',
    ],
    [
      'what is no number',
      () => sequences({ x: [['a']] as never }, rule),
      DTypeError,
      'ERR_DTYPE',
      /x\[0\]: expected numbers, got "a"/,
    ],
    [
      'lists of other lengths',
      () => sequences({ x: [[1], [2]], y: [1] }, rule),
      ShapeError,
      'ERR_SHAPE',
      'y: expected 2 as x has, got 1',
    ],
    [
      'buckets that do not grow',
      () => sequences({ x: [[1]] }, { buckets: [4, 4] }),
      OptionError,
      'ERR_OPTION',
      'buckets[1]: expected more than 4, got 4',
    ],
    [
      'no bucket',
      () => sequences({ x: [[1]] }, { buckets: [] }),
      OptionError,
      'ERR_OPTION',
      /option buckets: expected a list of at least 1/,
    ],
    [
      'a bucket of no length',
      () => sequences({ x: [[1]] }, { buckets: [0] }),
      OptionError,
      'ERR_OPTION',
      /buckets\[0\]: expected a whole number >= 1.* got 0/,
    ],
    [
      'buckets of other arrays',
      () => sequences({ x: [[1]], y: [[1]] }, { buckets: [{ x: 1 }, { y: 2 }] as never }),
      OptionError,
      'ERR_OPTION',
      'expected lengths of the same arrays as in buckets[0]',
    ],
    [
      'a bucket of an array that there is not',
      () => sequences({ x: [[1]] }, { buckets: [{ z: 1 }] as never }),
      OptionError,
      'ERR_OPTION',
      'no array is a list of sequences',
    ],
    [
      'a name that is taken',
      () => sequences({ x: [[1]], y: [1] }, { ...rule, lengths: 'y' }),
      OptionError,
      'ERR_OPTION',
      'option lengths: there is an array of the name y already',
    ],
    [
      'one name for arrays of other lengths',
      () => sequences({ x: [[1]], y: [[1, 2]] }, { ...rule, lengths: 'n' }),
      OptionError,
      'ERR_OPTION',
      'example 0 has 1 elements of x and 2 of y: name one for each, lengths: { x: ... }',
    ],
    [
      'padding that u8 has not',
      () => sequences({ x: [Uint8Array.of(1)] }, { ...rule, pad: -1 }),
      OptionError,
      'ERR_OPTION',
      'option pad: x is u8, which has no -1',
    ],
    [
      'padding that is not finite',
      () => sequences({ x: [[1]] }, { ...rule, pad: Number.NaN }),
      OptionError,
      'ERR_OPTION',
      /option pad: expected a finite number.* got NaN/,
    ],
    [
      'padding of no sequence',
      () => sequences({ x: [[1]], y: [1] }, { ...rule, pad: { y: 1 } }),
      OptionError,
      'ERR_OPTION',
      'option pad: y is no array of sequences',
    ],
    [
      'examples one after the other',
      () => sequences(function* () {} as never, rule),
      OptionError,
      'ERR_OPTION',
      'are for sequenceBatches',
    ],
    [
      'an example without an array',
      () => sequences([{ x: [1], y: 1 }, { x: [1] } as never], rule),
      DataError,
      'ERR_DATA',
      'example 1: expected an array named y',
    ],
    [
      'where one shape is wanted',
      () => reader().inspect(forReader() as never),
      OptionError,
      'ERR_OPTION',
      'expected rows of one shape',
    ],
  ];
  it.each(wrong)('%s is refused', async (_, call, kind, code, text) => {
    await fails(call, kind, code, text);
  });
  it('is taken or refused by an error of this library, whatever it is', () => {
    // Mostly what is meant, since one wrong value is enough to be refused.
    const mostly = <T>(good: fc.Arbitrary<T>, other: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
      fc.oneof({ weight: 20, arbitrary: good }, { weight: 1, arbitrary: other });
    const odd = fc.constantFrom<unknown>(1n, true, null, undefined, 'a', Number.NaN, {}, []);
    const element = mostly(fc.integer({ min: -3, max: 300 }), odd);
    const shaped = fc.record({
      data: fc.constant(new Float32Array(4)),
      shape: fc.array(fc.integer({ min: -1, max: 4 }), { maxLength: 3 }),
    });
    const otherwise = fc.oneof(
      fc.array(fc.array(element, { maxLength: 2 }), { maxLength: 3 }),
      fc.array(fc.integer(), { maxLength: 5 }).map((v) => Int32Array.from(v)),
      shaped,
      odd,
    );
    const sequence = mostly(fc.array(element, { minLength: 1, maxLength: 5 }), otherwise);
    const name = fc.constantFrom('x', 'y', 'z', '', '__proto__');
    const perArray = (value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
      mostly(value, fc.dictionary(name, value, { maxKeys: 2 }));
    const added = (of: string): fc.Arbitrary<unknown> => perArray(mostly(fc.constant(of), name));
    const buckets = fc.array(perArray(fc.integer({ min: 0, max: 6 })), { maxLength: 3 });
    const rule = fc.record(
      {
        buckets: mostly(fc.constantFrom([6], [2, 6], [{ x: 5 }], [1, 4]), buckets),
        pad: perArray(mostly(fc.integer(), fc.double())),
        lengths: added('lengths'),
        mask: added('mask'),
        padding: added('padding'),
        tooLong: mostly(fc.constantFrom('refuse', 'cut'), odd),
      },
      { requiredKeys: ['buckets'] },
    );
    const few = { minLength: 1, maxLength: 3 };
    const data = fc.oneof(
      fc.record({ x: fc.array(sequence, few) }),
      fc.array(fc.record({ x: sequence, y: element }), few),
      fc.dictionary(name, fc.array(sequence, few), { maxKeys: 3 }),
      mostly(fc.array(fc.dictionary(name, sequence, { maxKeys: 3 }), few), odd),
    );
    let taken = 0;
    fc.assert(
      fc.property(data, rule, (data, rule) => {
        try {
          const { length, buckets } = sequences(data as never, rule as never) as Sequences;
          taken++;
          expect(buckets.reduce((sum, { rows }) => sum + rows.length, 0)).toBe(length);
          for (const { arrays } of buckets) for (const a of Object.values(arrays)) expect(sizeOf(a.shape)).toBe(a.data.length);
        } catch (error) {
          expect(error).toBeInstanceOf(GradclipError);
        }
      }),
      { numRuns: 1500 },
    );
    expect(taken).toBeGreaterThan(100);
    expect(taken).toBeLessThan(1400);
  });
  it('is told by its example where a token is none', async () => {
    const { x, y } = examples([1, 3, 5, 2]);
    x[2]![3] = 99;
    const data = sequences({ x: x.map((s) => Int32Array.from(s)), y }, { buckets: BUCKETS, lengths: 'lengths' });
    const predict = ({ x, lengths }: Batch, model: Reader): Tensor => model.forward(x, lengths!);
    for (const call of ['fit', 'evaluate', 'predict'] as const) {
      await fails(() => reader({ predict } as Options<Reader>)[call](data), IndexError, 'ERR_INDEX', 'x: 99 at row 2, column 3');
    }
  });
});
