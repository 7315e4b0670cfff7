// prepare.test.ts: transforms and augmentation of images in a configuration: learned from the rows that train, saved, and refused where wrong.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { folder, idx, run } from './kit.ts';

/** The label is 1 where a / 1000 is larger than b, a category; the third column says nothing. */
const table = (n: number): string =>
  Array.from({ length: n }, (_, i) => [((i * 37) % 64) * 50, [0, 10, 20][i % 3]!, 5e4])
    .map(([a, b, c]) => `${a},${b},${c},${a! / 100 > b! ? 1 : 0}\n`)
    .join('');

const config = {
  data: { type: 'csv', file: 't.csv', split: { train: 320, test: 80, order: 'seed', stratify: true } },
  preprocess: [
    { type: 'standardize', columns: [0, 2] },
    { type: 'oneHot', columns: [1] },
  ],
  model: { type: 'mlp', sizes: [5, 16, 2], activation: 'tanh' },
  optimizer: { type: 'adamw', lr: 0.03 },
  batchSize: 16,
  epochs: 30,
};
const project = (change: object = {}): string =>
  folder({ 't.csv': table(400), 'c.json': JSON.stringify({ ...config, ...change }) });

it('columns of any size and categories are learned from as they stand in the file', async () => {
  const cwd = project();
  const ran = await run(['train', '--json', 'c.json', '--out', 'm.safetensors'], { cwd });
  const last = ran.json().at(-1)!;
  expect(last).toMatchObject({ stopReason: 'epochs' });
  expect(last.testAccuracy).toBeGreaterThan(0.9);
  const { metadata } = await readSafetensors(`${cwd}/m.safetensors`);
  const { x } = JSON.parse(metadata['gradclip.preprocess']!);
  expect(x.steps.map((s: { type: string }) => s.type)).toEqual(['standardize', 'oneHot']);
  expect(x.steps[1].categories).toEqual([null, [0, 10, 20], null]);
  // Of the rows that train, not of all: which those are depends on the seed.
  const shift = async (seed: string): Promise<unknown> => {
    await run(['train', '--json', 'c.json', '--epochs', '1', '--seed', seed, '--out', 'n.safetensors'], { cwd });
    return JSON.parse((await readSafetensors(`${cwd}/n.safetensors`)).metadata['gradclip.preprocess']!).x.steps[0].shift[0];
  };
  expect(await shift('0')).toBe(x.steps[0].shift[0]);
  expect(await shift('1')).not.toBe(x.steps[0].shift[0]);
  const again = await run(['train', '--json', 'c.json', '--resume', 'm.safetensors'], { cwd });
  expect(again.json().at(-1)).toMatchObject({ steps: 0, testLoss: last.testLoss });
});

it('a value of a regression has a transform of its own', async () => {
  const cwd = project({
    data: { ...config.data, label: 0, split: { train: 100 } },
    preprocess: { x: [{ type: 'minMax' }], y: [{ type: 'standardize' }] },
    model: { type: 'mlp', sizes: [3, 4, 1] },
    loss: 'mse',
  });
  const last = (await run(['train', '--json', 'c.json'], { cwd })).json().at(-1)!;
  // The raw values have a variance of 850,000.
  expect(last.testLoss).toBeLessThan(1.5);
});

it('images are changed in training only, and stay bytes', async () => {
  const pixels = Uint8Array.from({ length: 80 * 64 }, (_, i) => (((i >> 6) & 1) === ((i >> 5) & 1) ? 200 : 20));
  const cwd = folder({
    'x.idx': idx([80, 8, 8], pixels),
    'y.idx': idx(
      [80],
      Uint8Array.from({ length: 80 }, (_, i) => i & 1),
    ),
    'c.json': JSON.stringify({
      ...config,
      data: { type: 'idx', images: 'x.idx', labels: 'y.idx', divideBy: 255, split: { train: 64 } },
      preprocess: [{ type: 'standardize', per: 'all' }],
      augment: [
        { type: 'crop', padding: 1, border: 'edge' },
        { type: 'flip', probability: 0.5 },
        { type: 'cutout', size: 2 },
        { type: 'noise', std: 5 },
      ],
      model: { type: 'mlp', sizes: [64, 8, 2] },
    }),
  });
  const last = (await run(['train', '--json', 'c.json'], { cwd })).json().at(-1)!;
  expect(last.testAccuracy).toBe(1);
});

it('arrays of numpy are read by name; bytes that nothing transforms are numbers as they are', async () => {
  const file = (JSON.parse(readFileSync('test/golden/io/npy.json', 'utf8')) as { npz: { stored: string } }).npz.stored;
  const base = { preprocess: [], batchSize: 2, epochs: 1 };
  const cwd = folder({
    'a.npz': Buffer.from(file, 'base64'),
    'x.idx': idx(
      [4, 2, 2],
      Uint8Array.from({ length: 16 }, (_, i) => i % 3),
    ),
    'y.idx': idx([4], Uint8Array.of(0, 1, 1, 0)),
    'npz.json': JSON.stringify({ ...config, ...base, data: { type: 'npz', file: 'a.npz', x: 'labels', y: 'no' } }),
    'idx.json': JSON.stringify({
      ...config,
      ...base,
      data: { type: 'idx', images: 'x.idx', labels: 'y.idx' },
      model: { type: 'mlp', sizes: [4, 2] },
    }),
    'rows.json': JSON.stringify({ ...config, ...base, data: { type: 'npz', file: 'a.npz', y: 'labels' } }),
  });
  expect((await run(['train', '--json', 'idx.json'], { cwd })).json().at(-1)).toMatchObject({ stopReason: 'epochs', steps: 2 });
  expect((await run(['train', 'npz.json'], { cwd })).stderr).toMatch(/a\.npz: no array has the name "no"; there are x, labels/);
  expect((await run(['train', 'rows.json'], { cwd })).stderr).toMatch(
    /a\.npz: labels: expected \[2\], a label for each row.*got \[3,1,2\]/,
  );
});

it('ncf reads users and items, as they stand in a table', async () => {
  // A user likes the items that leave the same rest.
  const pairs = Array.from({ length: 600 }, (_, i) => [i % 12, (i * 7 + Math.floor(i / 12)) % 20] as const);
  const cwd = folder({
    'p.csv': pairs.map(([u, v]) => `${u},${v},${u % 2 === v % 2 ? 1 : 0}\n`).join(''),
    'c.json': JSON.stringify({
      ...config,
      data: { type: 'csv', file: 'p.csv', split: { train: 500, order: 'seed' } },
      preprocess: [],
      loss: 'bceWithLogits',
      model: { type: 'ncf', users: 12, items: 20, dim: 8, hidden: [16] },
    }),
  });
  const ran = await run(['train', '--json', 'c.json'], { cwd });
  expect(ran.json().at(-1)!.testLoss, ran.stderr).toBeLessThan(0.1);
});

it('classes weigh what they are given, or count alike', async () => {
  // 9 rows of class 0 for each of class 1, and nothing that tells them apart: the loss is least where the model says how the classes weigh.
  const same = Array.from({ length: 200 }, (_, i) => `1,${i % 10 === 9 ? 1 : 0}\n`).join('');
  const change = {
    data: { type: 'csv', file: 's.csv', split: { train: 200 } },
    preprocess: [],
    model: { type: 'mlp', sizes: [1, 2] },
  };
  const loss = async (classWeights?: unknown): Promise<number> => {
    const cwd = folder({ 's.csv': same, 'c.json': JSON.stringify({ ...config, ...change, batchSize: 200, classWeights }) });
    return (await run(['train', '--json', 'c.json', '--epochs', '300'], { cwd })).json().at(-1)!.loss as number;
  };
  const entropy = (p: number): number => -p * Math.log(p) - (1 - p) * Math.log(1 - p);
  expect(await loss()).toBeCloseTo(entropy(0.1), 3);
  expect(await loss('balanced')).toBeCloseTo(Math.LN2, 3);
  expect(await loss([1, 9])).toBeCloseTo(Math.LN2, 3);
  expect(await loss([1, 3])).toBeCloseTo(entropy(0.25), 3);
});

it.each([
  [
    'a transform',
    { preprocess: [{ type: 'standardized' }] },
    /preprocess\[0\]\.type: expected one of.*did you mean standardize\?/,
  ],
  ['its options', { preprocess: [{ type: 'minMax', too: [0, 1] }] }, /preprocess\[0\]: unknown option too; did you mean to\?/],
  ['a change', { augment: [{ type: 'flip' }, { type: 'move' }] }, /augment\[1\]\.type: expected one of crop, cutout/],
  ['its number', { augment: [{ type: 'shift' }] }, /augment\[0\]\.by: expected a whole number >= 0[^,]*, got nothing/],
  ['no images', { augment: [{ type: 'flip' }] }, /augment: expected images, got rows of \[3\]/],
  ['weights', { classWeights: [1, 2, 3] }, /expected .*2.*3/],
  ['the width', { preprocess: [] }, /model\.sizes\[0\]: expected 3, the values in a row/],
  ['the shape', { data: { ...config.data, shape: [2, 2] } }, /rows of 4 values, for data\.shape \[2,2\], got 3/],
])('refuses %s', async (_, change, message) => {
  const ran = await run(['train', 'c.json'], { cwd: project(change) });
  expect(ran.code).not.toBe(0);
  expect(ran.stderr).toMatch(message);
  expect(ran.stdout).not.toContain('epoch');
});
