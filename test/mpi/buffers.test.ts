// buffers.test.ts: what becomes of buffers where the micro-batches of a step are those of several processes: running statistics of batch norm are means over
// them, by the definition. The processes are one here, with all parts of a batch: of several, group.test.ts compares the bits.
import { describe, expect, it } from 'vitest';
import { clip, loss, nn, OptionError, ops, optim, type Tensor, Trainer } from '../../lib/index.ts';
import { Group } from '../../lib/mpi/group.ts';
import { thrown } from '../kit.ts';

const group = new Group(0, 1, 'none', {} as never);
const wave = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => 3 * Math.sin(1.7 * i) + i / n);

/** [rows, 2, 3]: two channels of three places. */
const CHANNELS = 2;
const SPACE = 3;
class Normed extends nn.Module {
  norm: nn.BatchNorm1d;
  head = new nn.Linear(CHANNELS * SPACE, 1);
  constructor(momentum: number | null) {
    super();
    this.norm = new nn.BatchNorm1d(CHANNELS, { momentum });
  }
  forward(x: Tensor): Tensor {
    return this.head.forward(ops.reshape(this.norm.forward(x), [-1, CHANNELS * SPACE]));
  }
}

function trainerOf<M extends nn.Module>(model: M, options: object = {}): Trainer<M> {
  return new Trainer({
    model,
    loss: ({ x, y }: { x: Tensor; y: Tensor }, m: { forward(x: Tensor): Tensor }) => loss.mse(m.forward(x), y),
    optimizer: optim.sgd({ lr: 1e-3 }),
    batchSize: 8,
    shards: 4,
    group,
    threads: 2,
    ...options,
  } as never) as never;
}
const dataOf = (rows: number) => ({
  x: { data: wave(rows * CHANNELS * SPACE), shape: [rows, CHANNELS, SPACE] },
  y: { data: wave(rows), shape: [rows, 1] },
});

/** Mean and unbiased variance of a channel of rows [first, end). */
function statistics(x: Float32Array, channel: number, first: number, end: number): { mean: number; variance: number } {
  const values: number[] = [];
  for (let r = first; r < end; r++) for (let k = 0; k < SPACE; k++) values.push(x[(r * CHANNELS + channel) * SPACE + k]!);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return { mean, variance: values.reduce((s, v) => s + (v - mean) ** 2, 0) / (values.length - 1) };
}

/** Running statistics after steps of these parts, each [first, end) of the rows. */
function runningOf(
  x: Float32Array,
  channel: number,
  steps: readonly (readonly (readonly [number, number])[])[],
  momentum: number | null,
) {
  let [mean, variance] = [0, 1];
  for (const [i, parts] of steps.entries()) {
    const factor = momentum ?? 1 / (i + 1);
    const rows = parts.reduce((sum, [first, end]) => sum + end - first, 0);
    const over = (of: 'mean' | 'variance'): number =>
      parts.reduce((sum, [first, end]) => sum + statistics(x, channel, first, end)[of] * (end - first), 0) / rows;
    mean = (1 - factor) * mean + factor * over('mean');
    variance = (1 - factor) * variance + factor * over('variance');
  }
  return { mean, variance };
}

describe('running statistics', () => {
  it.each([0.1, 1, null])(
    'move once in a step, to the mean over its rows of those of the parts (momentum %s)',
    async (momentum) => {
      const model = new Normed(momentum);
      const trainer = trainerOf(model);
      const data = dataOf(13);
      // The tail of 5 rows has parts of 2, 2 and 1.
      await trainer.fit(data, { epochs: 1, shuffle: false });
      const steps = [
        [
          [0, 2],
          [2, 4],
          [4, 6],
          [6, 8],
        ],
        [
          [8, 10],
          [10, 12],
          [12, 13],
        ],
      ] as const;
      for (let c = 0; c < CHANNELS; c++) {
        const { mean, variance } = runningOf(data.x.data, c, steps, momentum);
        expect(model.norm.running_mean!.data[c]).toBeCloseTo(mean, 5);
        expect(model.norm.running_var!.data[c]).toBeCloseTo(variance, 5);
      }
      expect(model.norm.num_batches_tracked!.data[0]).toBe(2);
    },
  );

  it('stay as they are in a step that is skipped', async () => {
    const model = new Normed(0.1);
    const trainer = trainerOf(model, { clip: clip.globalNorm(1) });
    const data = dataOf(8);
    await trainer.fit(data, { steps: 1 });
    const read = () => [
      ...model.norm.running_mean!.data,
      ...model.norm.running_var!.data,
      ...model.norm.num_batches_tracked!.data,
    ];
    const before = read();
    data.x.data[7] = Number.NaN;
    const { skipped } = await trainer.fit(data, { steps: 1 });
    expect(skipped).toBe(1);
    expect(read()).toEqual(before);
    expect(before.at(-1)).toBe(1);
  });

  it('are those that a checkpoint has, and the run goes on from', async () => {
    const data = dataOf(13);
    const whole = trainerOf(new Normed(0.1));
    await whole.fit(data, { epochs: 4 });
    const first = trainerOf(new Normed(0.1));
    await first.fit(data, { epochs: 2 });
    const second = trainerOf(new Normed(0.1));
    await second.load(await first.save());
    await second.fit(data, { epochs: 2 });
    const bits = (t: typeof whole) => [...t.readParametersSync({ buffers: true })].map(([name, { data }]) => [name, [...data]]);
    expect(bits(second)).toEqual(bits(whole));
  });
});

class Counting extends nn.Module {
  head = new nn.Linear(CHANNELS * SPACE, 1);
  rows: nn.Buffer;
  constructor(options: ConstructorParameters<typeof nn.Buffer>[1]) {
    super();
    this.rows = new nn.Buffer([2], options);
  }
  forward(x: Tensor): Tensor {
    if (x.graph.mode === 'train') this.rows.assign(ops.add(this.rows, x.shape[0]!));
    return this.head.forward(ops.reshape(x, [-1, CHANNELS * SPACE]));
  }
}

describe('buffers of models', () => {
  it.each(['f32', 'f64'] as const)('of %s are added to by all micro-batches of a step', async (dtype) => {
    const model = new Counting({ aggregation: 'sum', dtype });
    await trainerOf(model).fit(dataOf(13), { epochs: 2 });
    expect([...model.rows.data]).toEqual([26, 26]);
  });

  it('that are means do not change where all micro-batches assign the same', async () => {
    class Held extends Counting {
      override forward(x: Tensor): Tensor {
        if (x.graph.mode === 'train') this.rows.assign(ops.mul(this.rows, 1));
        return this.head.forward(ops.reshape(x, [-1, CHANNELS * SPACE]));
      }
    }
    const model = new Held({ aggregation: 'mean' });
    model.rows.data = [0.1, 1e-38];
    const before = [...model.rows.data];
    await trainerOf(model, { batchSize: 12 }).fit(dataOf(37), { epochs: 1 });
    expect([...model.rows.data]).toEqual(before);
  });

  it('are refused by name where nobody says what becomes of them', () => {
    const error = thrown(() => trainerOf(new Counting({}))) as OptionError;
    expect(error).toBeInstanceOf(OptionError);
    expect(error.message).toBe(
      "Trainer: option group: buffer rows has one value for each micro-batch: make it with option aggregation, 'mean' or 'sum', which says what becomes of them",
    );
    class Carried extends nn.Module {
      lstm = new nn.LSTM(SPACE, 2, { carry: 2 });
      forward(x: Tensor): Tensor {
        return this.lstm.forward(x).last;
      }
    }
    const carried = thrown(() => trainerOf(new Carried())) as OptionError;
    expect(carried).toBeInstanceOf(OptionError);
    expect(carried.message).toBe(
      'Trainer: option group: buffer lstm.carried.h is carried from one micro-batch to the next, which are not one after the other',
    );
    expect(() => new nn.Buffer([1], { aggregation: 'max' as never })).toThrow(OptionError);
  });
});
