// batches.test.ts: batches that differ in more than their rows: sequences of other lengths, graphs whose nodes and edges have rows of their own; refused
// where it is not declared, and so is one shape too many.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DataError, IndexError, OptionError, ShapeError } from '../../../lib/errors.ts';
import {
  type Arrays,
  batches,
  clip,
  loss,
  nn,
  ops,
  optim,
  rows,
  type Stream,
  sequenceBatches,
  sequences,
  Trainer,
} from '../../../lib/index.ts';
import type { Tensor } from '../../../lib/ir/graph.ts';
import type { Batch, TrainerOptions } from '../../../lib/train/index.ts';
import { hashOf } from '../../golden/runs/models.ts';
import { SOME_TEAMS } from '../../kit.ts';
import { fails } from '../fails.ts';

const both = ['fit', 'fitSync'] as const;

/** Means over time, of rows of any length. */
class Means extends nn.Module {
  readonly embed = new nn.Embedding(11, 6);
  readonly head = new nn.Linear(6, 3);
  forward(x: Tensor): Tensor {
    return this.head.forward(ops.mean(this.embed.forward(x), { axes: [1] }));
  }
}
const means = (options: Partial<TrainerOptions<Means>> = {}): Trainer<Means> =>
  new Trainer({
    model: new Means(),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.adamw({ lr: 1e-2 }),
    clip: clip.globalNorm(0.5),
    seed: 3,
    ...options,
  });
/** Batches of these [rows, length]. */
function texts(shapes: readonly (readonly [number, number])[]): Arrays[] {
  return shapes.map(([rows, length], i) => ({
    x: { data: Int32Array.from({ length: rows * length }, (_, k) => (k * k + 3 * i) % 11), shape: [rows, length] },
    y: Int32Array.from({ length: rows }, (_, k) => (k + i) % 3),
  }));
}
const LIST = texts([
  [4, 3],
  [4, 5],
  [4, 5],
  [2, 3],
  [4, 7],
  [4, 5],
  [1, 7],
  [4, 3],
]);

describe('sequences of other lengths', () => {
  it.each(both)('are refused unless they are declared: %s', async (how) => {
    const trainer = means();
    const text = /^fit: batch 1 of the epoch: x: expected rows of i32\[3\], got i32\[5\]: gradclip.batches declares/;
    await fails(() => trainer[how](LIST), ShapeError, 'ERR_SHAPE', text);
    // The one before was trained on.
    expect(trainer.counters.step).toBe(1);
  });

  it.each(both)('each step is that of its batch alone: %s', async (how) => {
    const [one, other] = [means(), means({ batchSize: 4 })];
    await one[how](batches(LIST), { epochs: 2 });
    for (let epoch = 0; epoch < 2; epoch++) for (const batch of LIST) await other[how](batch, { steps: 1, shuffle: false });
    expect(await hashOf(one)).toBe(await hashOf(other));
    expect(one.counters).toMatchObject({ epoch: 2, batch: 0, step: 16 });
  });

  it('one shape too many is refused, and rows are free', async () => {
    await means().fit(batches(LIST, { shapes: 3 }));
    const text = /^fit: batch 4 of the epoch: expected at most 2 shapes .* got another one of 4 rows: x i32\[4,7\], y i32\[4\]/;
    await fails(() => means().fit(batches(LIST, { shapes: 2 })), DataError, 'ERR_DATA', text);
  });

  it('have a program for each shape, and keep it', async () => {
    const { profile } = await means().fit(batches(LIST), { epochs: 3, profile: true });
    expect(profile!.length).toBe(5);
  });

  it('micro-batches of a step may differ: the gradient is that over all rows', async () => {
    const list = texts([
      [4, 3],
      [2, 7],
      [5, 2],
    ]);
    const lr = 0.1;
    const [one, other] = [means({ accumulate: 3, optimizer: optim.sgd({ lr }), clip: clip.none() }), means()];
    const before = await other.readParameters();
    const gradients = new Map([...before].map(([name, { data }]) => [name, new Float64Array(data.length)]));
    other.model.initialize(3);
    for (const batch of list) {
      const { data: y } = rows(batch).data.get('y')!;
      const own = other.gradientsSync(batch, { batchSize: y.length }).gradients;
      for (const [name, sum] of gradients) for (const [k, g] of own.get(name)!.data.entries()) sum[k]! += (g * y.length) / 11;
    }
    await one.fit(batches(list));
    for (const [name, { data }] of await one.readParameters()) {
      for (const [k, v] of data.entries()) {
        expect(v).toBeCloseTo(before.get(name)!.data[k]! - lr * gradients.get(name)![k]!, 6);
      }
    }
  });

  it.each([1, 3])('have the bits of one thread on any team, resumed or not, with %i micro-batches', async (accumulate) => {
    const whole = means({ accumulate, threads: 1 });
    await whole.fit(
      batches(() => LIST),
      { steps: 7 },
    );
    const expected = await hashOf(whole);
    for (const threads of SOME_TEAMS) {
      const [first, second] = [means({ accumulate, threads }), means({ accumulate, threads })];
      await first.fit(batches(LIST), { steps: 2 });
      const file = join(mkdtempSync(join(tmpdir(), 'gradclip-')), 'm.safetensors');
      await first.save(file);
      await second.load(file);
      second.fitSync(batches(LIST), { steps: 5, chunkSteps: 2 });
      expect(await hashOf(second)).toBe(expected);
    }
  });
});

// ---- graphs ------------------------------------------------------------------------------------------------------
/** Messages along edges, a mean over the nodes of each graph. */
class GraphNet extends nn.Module {
  readonly message = new nn.Linear(3, 4);
  readonly own = new nn.Linear(3, 4);
  readonly head = new nn.Linear(4, 2);
  forward({ x, from, to, of, y }: Batch<'x' | 'from' | 'to' | 'of' | 'y'>): Tensor {
    const messages = ops.gather(this.message.forward(x), from);
    const got = ops.scatterAdd(messages, to, { rows: x.shape[0]! });
    const h = ops.tanh(ops.add(got, this.own.forward(x)));
    return this.head.forward(ops.scatterAdd(h, of, { rows: y.shape[0]! }));
  }
}
type Names = 'x' | 'from' | 'to' | 'of' | 'y';
interface Graph {
  readonly x: number[][];
  readonly edges: [number, number][];
  readonly y: number;
}
/** Graphs of 2 to 4 nodes. */
const GRAPHS: Graph[] = Array.from({ length: 9 }, (_, i) => {
  const nodes = 2 + (i % 3);
  return {
    x: Array.from({ length: nodes }, (_, k) => [Math.sin(i + k), Math.cos(2 * i - k), (k - i) / 9]),
    edges: Array.from({ length: nodes + (i % 2) }, (_, k) => [k % nodes, (k * k + 1) % nodes] as [number, number]),
    y: i % 2,
  };
});
/** Graphs side by side: the indices of nodes go on from graph to graph. */
function sideBySide(graphs: readonly Graph[]): Record<Names, Arrays[string]> {
  const starts = graphs.map((_, g) => graphs.slice(0, g).reduce((sum, { x }) => sum + x.length, 0));
  const edges = graphs.flatMap((graph, g) => graph.edges.map(([a, b]) => [a + starts[g]!, b + starts[g]!]));
  return {
    x: graphs.flatMap((g) => g.x),
    from: Int32Array.from(edges, ([a]) => a!),
    to: Int32Array.from(edges, ([, b]) => b!),
    of: Int32Array.from(graphs.flatMap((graph, g) => graph.x.map(() => g))),
    y: Int32Array.from(graphs, (g) => g.y),
  };
}
const graphNet = (options: Partial<TrainerOptions<GraphNet, never, Names>> = {}): Trainer<GraphNet, never, Names> =>
  new Trainer({
    model: new GraphNet(),
    loss: (batch: Batch<Names>, model) => loss.crossEntropy(model.forward(batch), batch.y),
    optimizer: optim.sgd({ lr: 0.2 }),
    seed: 1,
    ...options,
  });

/** Loss over graphs in f64, of weights by name. */
function lossOf(graphs: readonly Graph[], weights: ReadonlyMap<string, ArrayLike<number>>): number {
  const linear = (name: string, v: readonly number[]): number[] => {
    const [w, b] = [weights.get(`${name}.weight`)!, weights.get(`${name}.bias`)!];
    return Array.from(b, (bias, o) => v.reduce((sum, value, k) => sum + value * w[o * v.length + k]!, bias));
  };
  const losses = graphs.map(({ x, edges, y }) => {
    const got = x.map(() => [0, 0, 0, 0]);
    for (const [a, b] of edges) for (const [k, v] of linear('message', x[a]!).entries()) got[b]![k]! += v;
    const sum = [0, 0, 0, 0];
    for (const [n, node] of x.entries()) {
      for (const [k, v] of linear('own', node).entries()) sum[k]! += Math.tanh(v + got[n]![k]!);
    }
    const [p, q] = linear('head', sum) as [number, number];
    return Math.log(Math.exp(p) + Math.exp(q)) - [p, q][y]!;
  });
  return losses.reduce((a, b) => a + b) / losses.length;
}

describe('graphs, whose nodes and edges have rows of their own', () => {
  const list = [sideBySide(GRAPHS.slice(0, 4)), sideBySide(GRAPHS.slice(4, 9))];

  it.each([1, 2])('have the loss and the gradients of loops in f64, with %i micro-batches', async (accumulate) => {
    const trainer = graphNet({ accumulate });
    const weights = new Map([...(await trainer.readParameters())].map(([name, { data }]) => [name, Float64Array.from(data)]));
    const seen: number[] = [];
    await trainer.fit(batches(list, { rows: 'y' }), {
      callbacks: [{ onSteps: (reports) => void seen.push(...Array.from(reports, (r) => r.loss)) }],
    });
    const steps = accumulate === 1 ? [GRAPHS.slice(0, 4), GRAPHS.slice(4, 9)] : [GRAPHS];
    for (const [s, graphs] of steps.entries()) {
      expect(seen[s]).toBeCloseTo(lossOf(graphs, weights), 6);
      const step = new Map([...weights].map(([name, w]) => [name, w.slice()]));
      for (const [name, w] of weights) {
        for (let k = 0; k < w.length; k++) {
          const moved = (by: number): number => {
            w[k]! += by;
            const value = lossOf(graphs, weights);
            w[k]! -= by;
            return value;
          };
          step.get(name)![k]! -= (0.2 * (moved(1e-5) - moved(-1e-5))) / 2e-5;
        }
      }
      for (const [name, w] of step) weights.set(name, w);
    }
    for (const [name, { data }] of await trainer.readParameters()) {
      for (const [k, v] of data.entries()) expect(v).toBeCloseTo(weights.get(name)![k]!, 5);
    }
  });

  it('are evaluated and predicted batch by batch, those of one shape by one program', async () => {
    const three = [...list, sideBySide(GRAPHS.slice(0, 4))];
    const trainer = graphNet({ predict: (batch, model) => model.forward(batch) });
    const weights = new Map([...(await trainer.readParameters())].map(([name, { data }]) => [name, data]));
    const all = [...GRAPHS, ...GRAPHS.slice(0, 4)];
    const expected = lossOf(all, weights);
    expect((await trainer.evaluate(batches(three, { rows: 'y' }))).loss).toBeCloseTo(expected, 6);
    expect(trainer.evaluateSync(batches(three, { rows: 'y' }), { batchSize: 1 }).loss).toBeCloseTo(expected, 6);
    const { data, shape } = await trainer.predict(batches(three, { rows: 'y' }));
    expect(shape).toEqual([13, 2]);
    expect(trainer.predictSync(batches(three, { rows: 'y' }))).toEqual({ data, shape });
    // Of nodes, which are no rows that count.
    const nodes = await trainer.run(({ x }, model) => model.own.forward(x), batches([list[0]!], { rows: 'y' }));
    expect(nodes.shape).toEqual([11, 4]);
    const text = 'run: expected rows of one shape, got several: option batchSize';
    await fails(() => trainer.run(({ x }) => x, batches(list, { rows: 'y' })), ShapeError, 'ERR_SHAPE', text);
    const losses = all.map(({ y }, i) => {
      const [p, q] = [data[2 * i]!, data[2 * i + 1]!];
      return Math.log(Math.exp(p) + Math.exp(q)) - [p, q][y]!;
    });
    expect(losses.reduce((a, b) => a + b) / 13).toBeCloseTo(expected, 5);
    const validation = batches(three, { rows: 'y' });
    const { epochs } = await trainer.fit(batches(list, { rows: 'y' }), { epochs: 2, validation });
    expect(epochs.at(-1)!.validation!.loss).toBe((await trainer.evaluate(validation)).loss);
    expect(epochs.at(-1)!.validation!.loss).toBeLessThan(expected);
    const generated = batches((() => three) as Stream, { rows: 'y' });
    await fails(() => trainer.evaluate(generated), OptionError, 'ERR_OPTION', /evaluate: expected batches in a list, got/);
  });

  it('tell an index that is none by its batch', async () => {
    const wrong = { ...list[1]!, of: Int32Array.from(GRAPHS.slice(4).flatMap(({ x }, g) => x.map(() => (g === 4 ? 77 : g)))) };
    const trainer = graphNet({ predict: (batch, model) => model.forward(batch) });
    for (const call of ['fit', 'evaluate', 'predict'] as const) {
      await fails(() => trainer[call](batches([list[0]!, wrong], { rows: 'y' })), IndexError, 'ERR_INDEX', /of: 77 at row .*/);
    }
  });

  it('are taken by a step too', async () => {
    const [one, other] = [graphNet({ accumulate: 2 }), graphNet({ accumulate: 2 })];
    await one.fit(batches(list, { rows: 'y' }));
    await other.step(batches(list, { rows: 'y' }));
    expect(await hashOf(other)).toBe(await hashOf(one));
    other.stepSync(batches(list, { rows: 'y' }));
    expect(await hashOf(other)).not.toBe(await hashOf(one));
    const many = batches([...list, list[0]!], { rows: 'y' });
    await fails(() => other.step(many), OptionError, 'ERR_OPTION', 'as many as option accumulate of the trainer (2), got 3');
    const generated = batches((() => list) as Stream, { rows: 'y' });
    await fails(() => other.step(generated), OptionError, 'ERR_OPTION', 'expected named arrays');
  });

  it('are refused where nobody says which rows count, or by a name that there is not', async () => {
    await fails(() => graphNet().fit(list), ShapeError, 'ERR_SHAPE', /from: expected 11 rows as x has, got/);
    await fails(() => graphNet().fit(batches(list)), ShapeError, 'ERR_SHAPE', /from: expected 11 rows as x has, got/);
    const text = 'fit: batch 0 of the epoch: expected an array named z, whose rows count, got x, from, to, of, y';
    await fails(() => graphNet().fit(batches(list, { rows: 'z' as never })), DataError, 'ERR_DATA', text);
    const { y, ...less } = list[1]!;
    await fails(
      () => graphNet().fit(batches([list[0]!, { ...less, y: [] }], { rows: 'y' })),
      DataError,
      'ERR_DATA',
      'at least one row',
    );
    await fails(() => graphNet().fit(batches(list, { rows: 'y', shapes: 1 })), DataError, 'ERR_DATA', 'at most 1 shapes');
    expect(y).toBeDefined();
  });
  it('may not change in number of dimensions or dtype', async () => {
    const flat = { ...list[1]!, from: Float32Array.from([0]), to: [0] };
    await fails(
      () => graphNet().fit(batches([list[0]!, flat], { rows: 'y' })),
      ShapeError,
      'ERR_SHAPE',
      'from: expected i32 of 1 dimensions, got f32',
    );
  });
});

describe('sequences one after the other', () => {
  const LENGTHS = [3, 1, 8, 5, 2, 4, 7, 6, 3, 5, 1, 8, 2, 2, 6, 4, 9, 16, 11];
  const examples = LENGTHS.map((length, i) => ({ x: Array.from({ length }, (_, k) => (k * k + i) % 11), y: i % 3 }));
  const options = { buckets: [4, 8, 16], mask: 'mask' } as const;
  class Masked extends Means {
    override forward(x: Tensor, mask?: Tensor): Tensor {
      const sum = ops.sum(ops.mul(this.embed.forward(x), ops.expandDims(mask!, 2)), { axes: [1] });
      return this.head.forward(ops.div(sum, ops.sum(mask!, { axes: [1], keepDims: true })));
    }
  }
  const masked = (more: Partial<TrainerOptions<Masked>> = {}): Trainer<Masked> =>
    new Trainer({
      model: new Masked(),
      loss: ({ x, y, mask }: Batch, model) => loss.crossEntropy(model.forward(x, mask!), y),
      optimizer: optim.adamw({ lr: 1e-2 }),
      batchSize: 4,
      seed: 5,
      ...more,
    });
  function* inTurn(): Generator<(typeof examples)[number]> {
    yield* examples;
  }
  async function* waited(): AsyncGenerator<(typeof examples)[number]> {
    for (const example of examples) {
      await new Promise((resolve) => setImmediate(resolve));
      yield example;
    }
  }
  const inMemory = async (steps: number, more = {}): Promise<string> => {
    const trainer = masked(more);
    await trainer.fit(sequences(examples, options), { steps, shuffle: false });
    return hashOf(trainer);
  };
  const given: [string, () => Parameters<typeof sequenceBatches<(typeof examples)[number], 'mask'>>[0]][] = [
    ['a function that gives a generator', () => inTurn as never],
    ['one that begins at an epoch', () => ((at: { batch: number }) => (at.batch === 0 ? inTurn() : [])) as never],
    ['an object that begins anew', () => ({ [Symbol.iterator]: inTurn }) as never],
    ['a function that gives an asynchronous one', () => waited as never],
  ];
  it.each(given)('%s: the batches are those of a list that is not shuffled', async (name, make) => {
    for (const more of [{}, { accumulate: 3 }]) {
      const expected = await inMemory(11, more);
      const [one, first, second] = [masked(more), masked(more), masked(more)];
      const stream = (): Stream<'x' | 'y' | 'mask'> => sequenceBatches(make(), { ...options, batchSize: 4 }) as never;
      await one.fit(stream(), { steps: 11 });
      expect(await hashOf(one)).toBe(expected);
      await first.fit(stream(), { steps: 4 });
      const file = join(mkdtempSync(join(tmpdir(), 'gradclip-')), 'm.safetensors');
      await first.save(file);
      await second.load(file);
      if (name.includes('asynchronous')) await second.fit(stream(), { steps: 7 });
      else second.fitSync(stream() as never, { steps: 7 });
      expect(await hashOf(second)).toBe(expected);
    }
  });
  it('a generator gives one epoch, to its last example', async () => {
    const { stopReason, tried } = await masked().fit(sequenceBatches(inTurn(), { ...options, batchSize: 4 }), { epochs: 3 });
    expect({ stopReason, tried }).toEqual({ stopReason: 'endOfData', tried: 6 });
  });
  it('an iterator without an end goes on where it is, with what waits in the buckets', async () => {
    const iterator = inTurn();
    const data = sequenceBatches(
      {
        next: () => iterator.next(),
        [Symbol.iterator]() {
          return this;
        },
      } as never,
      { ...options, batchSize: 4 },
    );
    const trainer = masked();
    for (let i = 0; i < 6; i++) trainer.fitSync(data as never, { steps: 1 });
    expect(await hashOf(trainer)).toBe(await inMemory(6));
  });
  it('closes its source', async () => {
    let closed = 0;
    function* endless(): Generator<(typeof examples)[number]> {
      try {
        for (;;) yield examples[0]!;
      } finally {
        closed++;
      }
    }
    await masked().fit(sequenceBatches(endless(), options), { steps: 2 });
    expect(closed).toBe(1);
  });
  it('does not mind that arrays are used again', async () => {
    const room = new Float32Array(16);
    function* reused(): Generator<{ x: Float32Array; y: number }> {
      for (const { x, y } of examples) {
        room.set(x);
        yield { x: room.subarray(0, x.length), y };
      }
    }
    const trainer = masked();
    await trainer.fit(sequenceBatches(reused, { ...options, batchSize: 4 }), { steps: 6 });
    expect(await hashOf(trainer)).toBe(await inMemory(6));
  });
  it('refuses what is no example, after the batches before it', async () => {
    const after = (bad: unknown) => (): unknown => {
      function* stream(): Generator<never> {
        yield* examples.slice(0, 12) as never[];
        yield bad as never;
      }
      return masked().fit(sequenceBatches(stream, { ...options, batchSize: 2 }));
    };
    await fails(
      after(3),
      DataError,
      'ERR_DATA',
      'sequenceBatches: example 12 of the epoch: expected arrays and numbers by name, got 3',
    );
    await fails(after({ x: [] as number[], y: 1 }), DataError, 'ERR_DATA', 'x: example 12 of the epoch has no element');
    await fails(after({ x: [1] }), DataError, 'ERR_DATA', 'example 12 of the epoch: expected an array named y, got x');
    await fails(
      after({ x: [[1]], y: 1 }),
      ShapeError,
      'ERR_SHAPE',
      'x: example 12 of the epoch: expected elements of [], as the first has, got elements of [1]',
    );
    await fails(after({ x: Array(17).fill(1), y: 1 }), DataError, 'ERR_DATA', 'example 12 of the epoch has 17 elements');
    await fails(
      () => masked().fit(sequenceBatches((() => 3) as never, options)),
      OptionError,
      'ERR_OPTION',
      'sequenceBatches: expected the function given as data to return an iterable of examples, got 3',
    );
  });
});
