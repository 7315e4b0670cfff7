// smaller.test.ts: the model that savePruned writes predicts what the large one predicts; what cannot be cut is named.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { io, loss, nn, OptionError, ops, optim, prune, type Tensor, Trainer, type TrainerOptions } from '../../../lib/index.ts';
import { fails } from '../fails.ts';
import { classifier, points } from '../models.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-smaller-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});
const at = (name: string): string => join(folder, `${name}.safetensors`);

const rows = points(48, 6);
const images = ((): typeof rows => {
  const { x, y } = points(48, 72);
  return { x: { data: x.data, shape: [48, 2, 6, 6] }, y };
})();
type Set = typeof rows;

const net = (...layers: nn.Layer[]): nn.Sequential => new nn.Sequential(...layers);
const crossEntropy = ({ x, y }: { x: Tensor; y: Tensor }, m: nn.Sequential): Tensor => loss.crossEntropy(m.forward(x), y);
async function trained(
  model: nn.Sequential,
  match: RegExp | string,
  data: Set = rows,
  rest: Partial<TrainerOptions<nn.Sequential>> = {},
): Promise<Trainer<nn.Sequential>> {
  const trainer = new Trainer({
    model,
    loss: crossEntropy,
    optimizer: optim.adamw({ lr: 0.02 }),
    prune: prune.rows({ sparsity: 0.5, match, begin: 2, end: 10, every: 4 }),
    seed: 4,
    ...rest,
  });
  await trainer.fit(data, { steps: 14 });
  return trainer;
}

/** How far predictions are apart, as a part of the largest. */
async function apart(big: Trainer<nn.Sequential>, model: nn.Sequential, file: string, { x }: Set): Promise<number> {
  const small = new Trainer({ model, loss: crossEntropy, optimizer: optim.sgd() });
  expect(await small.load(at(file))).toEqual({ missing: [], extra: [] });
  const [a, b] = [await big.predict(x), await small.predict(x)];
  const scale = a.data.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  expect(scale).toBeGreaterThan(0.1);
  return a.data.reduce((m, v, i) => Math.max(m, Math.abs(v - b.data[i]!)), 0) / scale;
}

// [name, widths of the layers that lose half of theirs, the model of such widths, which weights, data, whether bits are the same]
type Case = readonly [string, readonly number[], (widths: readonly number[]) => nn.Sequential, RegExp, Set, boolean];
const CASES: readonly Case[] = [
  [
    'linear layers, activations that make 0 of 0',
    [16, 10],
    ([a, b]) =>
      net(
        new nn.Linear(6, a!),
        new nn.ReLU(),
        net(new nn.Dropout(0.2), new nn.Linear(a!, b!, { bias: false })),
        ops.tanh,
        new nn.GELU(),
        new nn.Linear(b!, 2),
      ),
    /^(0|2.1).weight$/,
    rows,
    false,
  ],
  [
    'activations that make something of 0, functions of users',
    [16, 10],
    ([a, b]) =>
      net(
        new nn.Linear(6, a!),
        new nn.Sigmoid(),
        new nn.Linear(a!, b!),
        (x) => ops.mul(ops.add(ops.relu(x), 1), ops.softplus(x)),
        new nn.Linear(b!, 2),
      ),
    /^(0|2).weight$/,
    rows,
    false,
  ],
  [
    'batch norm of features',
    [16, 10],
    ([a, b]) =>
      net(
        new nn.Linear(6, a!),
        new nn.BatchNorm1d(a!),
        new nn.ReLU(),
        new nn.Linear(a!, b!, { bias: false }),
        new nn.BatchNorm1d(b!),
        ops.tanh,
        new nn.Linear(b!, 2),
      ),
    /^(0|3).weight$/,
    rows,
    false,
  ],
  [
    'convolutions with batch norms and pooling, to a linear layer',
    [8, 6],
    ([a, b]) =>
      net(
        new nn.Conv2d(2, a!, 3, { padding: 1 }),
        new nn.BatchNorm2d(a!),
        new nn.ReLU(),
        new nn.MaxPool2d(2),
        new nn.Conv2d(a!, b!, 2, { bias: false }),
        new nn.BatchNorm2d(b!),
        new nn.SiLU(),
        new nn.Flatten(),
        new nn.Linear(4 * b!, 2),
      ),
    /^(0|4).weight$/,
    images,
    false,
  ],
  [
    'convolutions without batch norm: zeros before padding',
    [8, 6],
    ([a, b]) =>
      net(
        new nn.Conv2d(2, a!, 3, { padding: 'same' }),
        new nn.ReLU(),
        new nn.AvgPool2d(3, { stride: 1, padding: 1 }),
        new nn.Conv2d(a!, b!, 3, { padding: 1 }),
        new nn.ReLU(),
        new nn.AdaptiveAvgPool2d(1),
        new nn.Flatten(),
        new nn.Linear(b!, 2),
      ),
    /^(0|3).weight$/,
    images,
    true,
  ],
  [
    'global pooling by a function, batch norms by the statistics of the batch',
    [8, 6],
    ([a, b]) =>
      net(
        new nn.Conv2d(2, a!, 3),
        new nn.BatchNorm2d(a!, { affine: false }),
        new nn.Sigmoid(),
        new nn.Conv2d(a!, b!, 1, { bias: false }),
        new nn.BatchNorm2d(b!, { trackRunningStats: false }),
        (x) => ops.mean(x, { axes: [2, 3] }),
        new nn.Linear(b!, 2),
      ),
    /^(0|3).weight$/,
    images,
    false,
  ],
  [
    'batch norm of what was space',
    [8],
    ([a]) =>
      net(
        new nn.Conv2d(2, a!, 3, { stride: 3 }),
        new nn.BatchNorm2d(a!),
        new nn.Flatten(),
        new nn.BatchNorm1d(4 * a!),
        new nn.ReLU(),
        new nn.Linear(4 * a!, 2),
      ),
    /^0.weight$/,
    images,
    false,
  ],
  [
    'sequences',
    [8, 6],
    ([a, b]) =>
      net(
        new nn.Flatten({ startDim: 2 }),
        new nn.Conv1d(2, a!, 5, { stride: 2 }),
        new nn.BatchNorm1d(a!),
        new nn.ReLU(),
        new nn.MaxPool1d(2),
        new nn.Conv1d(a!, b!, 3),
        new nn.BatchNorm1d(b!),
        new nn.AdaptiveAvgPool1d(2),
        new nn.Flatten(),
        new nn.Linear(2 * b!, 2),
      ),
    /^(1|5).weight$/,
    images,
    false,
  ],
];

it.each(CASES)('%s', async (name, widths, make, match, data, exact) => {
  const big = await trained(make(widths), match, data);
  const shapes = await big.savePruned(at(name));
  const small = make(widths.map((w) => w / 2));
  const named = [...small.namedParameters(), ...small.namedBuffers()];
  for (const [key, { shape }] of named) expect([key, shapes.get(key)]).toEqual([key, shape]);
  expect(shapes.size).toBe(named.length);
  const found = await apart(big, small, name, data);
  if (exact) expect(found).toBe(0);
  else expect(found).toBeLessThan(2e-6);
});

it('what a batch norm makes of a pruned channel is not 0 in these', async () => {
  const [name, widths, make, match, data] = CASES[3]!;
  const big = await trained(make(widths), match, data);
  await big.savePruned(at(name));
  // Taken away, the constants are missed: the predictions are others.
  const { tensors } = await io.readSafetensors(at(name));
  tensors.set('8.bias', { ...tensors.get('8.bias')!, data: (await big.readParameters()).get('8.bias')!.data });
  await io.writeSafetensors(at('wrong'), tensors as never);
  expect(await apart(big, make(widths.map((w) => w / 2)), 'wrong', data)).toBeGreaterThan(1e-3);
});

const padded = ([a]: readonly number[]): nn.Sequential =>
  net(
    new nn.Conv2d(2, a!, 3),
    new nn.BatchNorm2d(a!),
    new nn.ReLU(),
    new nn.Conv2d(a!, 3, 3, { padding: 1 }),
    new nn.ReLU(),
    new nn.AdaptiveAvgPool2d(1),
    new nn.Flatten(),
    new nn.Linear(3, 2),
  );

it('a constant before padding with zeros is refused, or left in', async () => {
  const big = await trained(padded([8]), '0.weight', images);
  const { weight, bias } = big.model.layers[0]![1] as nn.Conv2d;
  const lost = Array.from(bias!.data.keys()).filter((r) => weight.data.subarray(r * 18, r * 18 + 18).every((v) => v === 0));
  expect(lost.length).toBe(4);
  const norm = big.model.layers[1]![1] as nn.BatchNorm2d;
  // In place of the running mean of 0: below 0 the rectifier makes 0 of it.
  for (const [k, r] of lost.entries()) norm.bias!.data[r] = k < 3 ? -1 : 0.5;
  await fails(
    () => big.savePruned(at('none')),
    OptionError,
    'ERR_OPTION',
    `savePruned: the pruned rows of 0.weight cannot be left out: 1 of its 4 pruned rows have another value than 0 (row ${lost[3]} is 0.`,
  );
  await fails(
    () => big.savePruned(at('none')),
    OptionError,
    'ERR_OPTION',
    '3 (Conv2d) pads with zeros; option keepConstant leaves',
  );
  const shapes = await big.savePruned(at('partly'), { keepConstant: true });
  expect(shapes.get('0.weight')).toEqual([5, 2, 3, 3]);
  expect(shapes.get('3.weight')).toEqual([3, 5, 3, 3]);
  expect(shapes.get('1.running_var')).toEqual([5]);
  expect(await apart(big, padded([5]), 'partly', images)).toBe(0);
});

it('a bias that is not trained stays, and goes into the next layer', async () => {
  const make = (width: number): nn.Sequential => net(new nn.Linear(6, width), new nn.ReLU(), new nn.Linear(width, 2));
  const model = make(16);
  (model.layers[0]![1] as nn.Linear).bias!.requiresGrad = false;
  const big = await trained(model, '0.weight');
  await big.savePruned(at('fixed'));
  expect(await apart(big, make(8), 'fixed', rows)).toBeLessThan(2e-6);
});

it('writes everything where no row is pruned, buffers too, and the metadata', async () => {
  const all = await trained(padded([8]), '', images, { prune: prune.magnitude({ sparsity: 0.5 }) });
  const shapes = Object.fromEntries(await all.savePruned(at('all'), { metadata: { about: 'all' } }));
  expect(shapes).toMatchObject({ '0.weight': [8, 2, 3, 3], '1.running_mean': [8], '1.num_batches_tracked': [] });
  expect((await io.readSafetensors(at('all'))).metadata).toEqual({ about: 'all' });
  expect(await apart(all, padded([8]), 'all', images)).toBe(0);
});

class Custom extends nn.Linear {
  override forward(x: Tensor): Tensor {
    return ops.add(super.forward(x), 1);
  }
}
const conv = (after: nn.Layer, ...rest: nn.Layer[]) => net(new nn.Conv2d(2, 4, 3), after, ...rest);
const readOut = [new nn.AdaptiveAvgPool2d(1), new nn.Flatten(), new nn.Linear(4, 2)];
const alone = 'follows, and nothing says that what it makes of each is made of that alone';
describe('refuses', () => {
  it.each<[string, () => nn.Sequential, string, Set?, Partial<TrainerOptions<nn.Sequential>>?]>([
    [
      'the outputs of the model',
      () => net(new nn.Linear(6, 4), new nn.ReLU(), new nn.Linear(4, 2)),
      'the pruned rows of 2.weight cannot be left out: they are outputs of the model',
      rows,
      { prune: prune.rows({ sparsity: 0.5, match: '*.weight' }) },
    ],
    ['a layer of another class', () => net(new nn.Linear(6, 4), new Custom(4, 4), new nn.Linear(4, 2)), `1 (Custom) ${alone}`],
    [
      'a function that mixes features',
      () => net(new nn.Linear(6, 4), (x) => ops.softmax(x), new nn.Linear(4, 2)),
      `1 (the function without a name) ${alone}`,
    ],
    ['a norm over features', () => net(new nn.Linear(6, 4), new nn.LayerNorm(4), new nn.Linear(4, 2)), `1 (LayerNorm) ${alone}`],
    [
      'a constant that no bias takes up',
      () => net(new nn.Linear(6, 4), new nn.Sigmoid(), new nn.Linear(4, 2, { bias: false })),
      '2 (Linear) has no bias that takes it up, and no batch norm after it; option keepConstant',
    ],
    [
      'rows that are all gone',
      () => net(new nn.Linear(6, 4), new nn.ReLU(), new nn.Linear(4, 2)),
      'it has lost all of them',
      rows,
      { prune: prune.rows({ sparsity: 1, match: '0.weight' }) },
    ],
    [
      'a layer used twice',
      () => {
        const twice = new nn.Linear(6, 6);
        return net(twice, new nn.ReLU(), twice, new nn.Linear(6, 2));
      },
      '0.weight cannot be left out: it is used twice',
    ],
    [
      'a batch norm used twice',
      () => {
        const twice = new nn.BatchNorm1d(4);
        return net(new nn.Linear(6, 4), twice, new nn.Linear(4, 4), twice, new nn.Linear(4, 2));
      },
      '1.weight cannot be left out: it is used twice',
    ],
    ['groups of channels', () => net(new nn.Conv2d(2, 4, 3, { groups: 2 }), ...readOut), 'its channels are in 2 groups', images],
    [
      'a depthwise convolution after it',
      () => conv(new nn.Conv2d(4, 4, 3, { groups: 4 }), ...readOut),
      '1 (Conv2d) reads them in 4 groups',
      images,
    ],
    [
      'average pooling that pads, of a constant',
      () => conv(new nn.Sigmoid(), new nn.AvgPool2d(2, { padding: 1 }), ...readOut),
      `2 (AvgPool2d) ${alone}`,
      images,
    ],
    [
      'a linear layer over columns',
      () => conv(new nn.Linear(4, 4), ...readOut),
      '1 (Linear) follows, whose 4 columns do not stand for the 4 rows',
      images,
    ],
    [
      'channels that are shuffled',
      () => conv((x) => ops.transpose(x, { axes: [0, 2, 1, 3] }), new nn.Flatten(), new nn.Linear(64, 2)),
      alone,
      images,
    ],
    ['the sum over space', () => conv((x) => ops.sum(x, { axes: [2, 3] }), new nn.Linear(4, 2)), alone, images],
  ])('%s', async (_, make, message, data = rows, rest = {}) => {
    const trainer = await trained(make(), '0.weight', data, rest);
    await fails(() => trainer.savePruned(at('none')), OptionError, 'ERR_OPTION', message);
  });

  it('a model of another kind', async () => {
    const trainer = classifier({ prune: prune.rows({ sparsity: 0.5, match: 'fc1.weight' }) });
    await trainer.fit(points(20), { steps: 1 });
    const message = 'fc1.weight cannot be left out: it is not the weight of';
    await fails(() => trainer.savePruned(at('none')), OptionError, 'ERR_OPTION', message);
  });
});
