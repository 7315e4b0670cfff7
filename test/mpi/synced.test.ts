// synced.test.ts: batch norm by the statistics of a whole step, cut into micro-batches as it may be: a training is that of plain batch norm on batches of all
// the rows. The processes of a group are one here, with all parts of a batch: of several, group.test.ts compares the bits.
import { describe, expect, it } from 'vitest';
import { loss, nn, ops, optim, type Tensor, Trainer } from '../../lib/index.ts';
import { Group } from '../../lib/mpi/group.ts';

const group = new Group(0, 1, 'none', {} as never);
const wave = (n: number, by = 1.7): Float32Array => Float32Array.from({ length: n }, (_, i) => 2 * Math.sin(by * i) + i / n);

class Net extends nn.Module {
  conv = new nn.Conv2d(2, 4, 3, { padding: 1 });
  first = new nn.BatchNorm2d(4);
  flatten = new nn.Flatten();
  middle = new nn.Linear(4 * 9 * 8, 5);
  second: nn.BatchNorm1d;
  head = new nn.Linear(5, 1);
  constructor(options: nn.BatchNormOptions = {}) {
    super();
    this.second = new nn.BatchNorm1d(5, options);
  }
  forward(x: Tensor): Tensor {
    const y = this.flatten.forward(ops.relu(this.first.forward(this.conv.forward(x))));
    return this.head.forward(ops.tanh(this.second.forward(this.middle.forward(y))));
  }
}
const dataOf = (rows: number) => ({
  x: { data: wave(rows * 2 * 72), shape: [rows, 2, 9, 8] },
  y: { data: wave(rows, 0.3), shape: [rows, 1] },
});

type Any = never;
/** Weights and running statistics after some epochs on 13 rows, and the losses. */
async function trained(options: object, norm: nn.BatchNormOptions = {}, rows = 13) {
  const model = new Net(norm);
  const trainer = new Trainer({
    model,
    loss: ({ x, y }: { x: Tensor; y: Tensor }, m: Net) => loss.mse(m.forward(x), y),
    optimizer: optim.sgd({ lr: 0.05, momentum: 0.5 }),
    threads: 2,
    ...options,
  } as Any) as unknown as Trainer<Net>;
  const losses: number[] = [];
  for await (const step of trainer.fit(dataOf(rows), { epochs: 3 })) losses.push(step.loss);
  const values = new Map([...trainer.readParametersSync({ buffers: true })].map(([name, { data }]) => [name, [...data]]));
  const { loss: evaluated } = await trainer.evaluate(dataOf(rows), { batchSize: rows });
  trainer.dispose();
  return { losses: [...losses, evaluated], values };
}
type Trained = Awaited<ReturnType<typeof trained>>;

function expectClose(got: Trained, want: Trained, within = 2e-4): void {
  const pairs = [
    ['losses', got.losses, want.losses] as const,
    ...[...want.values].map(([n, v]) => [n, got.values.get(n)!, v] as const),
  ];
  for (const [name, a, b] of pairs) {
    expect(a, name).toHaveLength(b.length);
    for (const [i, v] of b.entries())
      expect(Math.abs(a[i]! - v), `${name} ${i}: ${a[i]} for ${v}`).toBeLessThan(within * Math.max(1, Math.abs(v)));
  }
}

describe('micro-batches that are normalized together', () => {
  it.each<[string, object, nn.BatchNormOptions]>([
    ['of one process', { batchSize: 2, accumulate: 4, syncBatchNorm: true }, {}],
    ['of a group', { batchSize: 8, shards: 4, group, syncBatchNorm: true }, {}],
    // Each row is a micro-batch: by itself none has a variance.
    ['of one row each', { batchSize: 8, shards: 8, group, syncBatchNorm: true }, {}],
    ['without weight and bias', { batchSize: 2, accumulate: 4, syncBatchNorm: true }, { affine: false }],
    ['without bias', { batchSize: 2, accumulate: 4, syncBatchNorm: true }, { bias: false, momentum: null }],
    ['without running statistics', { batchSize: 2, accumulate: 4, syncBatchNorm: true }, { trackRunningStats: false }],
  ])('%s: are one batch', async (_, options, norm) => {
    expectClose(await trained(options, norm), await trained({ batchSize: 8 }, norm));
  });

  it('by themselves are not', async () => {
    const [whole, parts] = [await trained({ batchSize: 8 }, {}, 16), await trained({ batchSize: 2, accumulate: 4 }, {}, 16)];
    expect(() => expectClose(parts, whole)).toThrow();
  });

  it('have the same bits in a group and without, and on any number of threads', async () => {
    const one = await trained({ batchSize: 2, accumulate: 4, syncBatchNorm: true });
    for (const threads of [1, 3, 8])
      expect(await trained({ batchSize: 8, shards: 4, group, syncBatchNorm: true, threads })).toEqual(one);
  });
});
