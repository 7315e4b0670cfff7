// predict.test.ts: `gradclip predict` takes raw values, and says what the training's own measurement said.
import { expect, it } from 'vitest';
import { folder, idx, run } from './kit.ts';

const rows = Array.from({ length: 400 }, (_, i) => {
  const [a, b] = [((i * 37) % 64) * 50, [0, 10, 20][i % 3]!];
  return [a, b, a / 100 > b ? 1 : 0] as const;
});
const csv = (lines: readonly (readonly number[])[]): string => lines.map((l) => `${l.join(',')}\n`).join('');
const config = {
  data: { type: 'csv', file: 't.csv', split: { train: 300 } },
  preprocess: [
    { type: 'standardize', columns: [0] },
    { type: 'oneHot', columns: [1] },
  ],
  model: { type: 'mlp', sizes: [4, 16, 2], activation: 'tanh' },
  optimizer: { type: 'adamw', lr: 0.03 },
  batchSize: 16,
  epochs: 20,
};

/** Train in a folder of these files. @returns the folder, and the accuracy or loss on the test rows */
async function trained(change: object, files: Record<string, string | Uint8Array>): Promise<[string, Record<string, number>]> {
  const cwd = folder({ 'c.json': JSON.stringify({ ...config, ...change }), ...files });
  const ran = await run(['train', '--json', 'c.json', '--out', 'm.safetensors'], { cwd });
  expect(ran.json().at(-1), ran.stderr).toMatchObject({ event: 'result' });
  return [cwd, ran.json().at(-1) as Record<string, number>];
}

it('classes and their probabilities', async () => {
  const test = rows.slice(300);
  const [cwd, { testAccuracy }] = await trained(
    {},
    { 't.csv': csv(rows), 'raw.csv': csv(test.map((r) => r.slice(0, 2))), 'labeled.csv': csv(test) },
  );
  const { code, stdout, stderr } = await run(['predict', 'm.safetensors', 'raw.csv'], { cwd });
  expect(stderr).toBe('');
  expect(code).toBe(0);
  const lines = stdout.trim().split('\n');
  expect(lines).toHaveLength(100);
  expect(lines.every((l) => /^[01] [01]\.\d{4}$/.test(l))).toBe(true);
  expect(lines.filter((l, i) => Number(l[0]) === test[i]![2]).length / 100).toBeCloseTo(testAccuracy!, 6);
  const json = (await run(['predict', '--json', 'm.safetensors', 'labeled.csv', '--drop', '-1'], { cwd })).json();
  expect(json.map((e) => e.class)).toEqual(lines.map((l) => Number(l[0])));
  expect(json[7]).toMatchObject({ row: 7, probability: expect.closeTo(Number(lines[7]!.slice(2)), 4) });
});

it('labels that are words are told as words, whatever file they are in', async () => {
  const word = (l: number): string => (l === 1 ? 'steep' : 'flat');
  const table = (of: readonly (readonly [number, number, number])[]): string =>
    `a,b,kind\n${of.map(([a, b, l]) => `${a},${b},${word(l)}\n`).join('')}`;
  // In the test's file the other word comes alone: it is class 1 there too.
  const steep = table(rows.filter((r) => r[2] === 1));
  const data = { type: 'csv', file: 't.csv', testFile: 'steep.csv', label: 'kind' };
  const files = { 't.csv': table(rows), 'steep.csv': steep, 'bad.csv': `${steep}1,2,round\n` };
  const [cwd, { testAccuracy }] = await trained({ data }, files);
  expect(testAccuracy).toBeGreaterThan(0.9);
  const { stdout, stderr } = await run(['predict', 'm.safetensors', 't.csv', '--drop', 'kind'], { cwd });
  expect(stderr).toBe('');
  const told = stdout.trim().split('\n');
  expect(told.every((l) => /^(flat|steep) [01]\.\d{4}$/.test(l))).toBe(true);
  expect(told.filter((l, i) => l.startsWith(word(rows[i]![2]))).length).toBeGreaterThan(360);
  const json = (await run(['predict', '--json', 'm.safetensors', 't.csv', '--drop', 'kind'], { cwd })).json();
  expect(json.map((e) => e.class)).toEqual(told.map((l) => l.split(' ')[0]));

  const refused = async (change: object): Promise<string> => {
    const there = folder({
      'c.json': JSON.stringify({ ...config, data: { ...data, ...change } }),
      ...files,
      'n.csv': 'a,b,kind\n1,2,0\n',
    });
    const { code, stderr } = await run(['train', 'c.json'], { cwd: there });
    expect(code).toBe(4);
    return stderr;
  };
  expect(await refused({ testFile: 'bad.csv' })).toMatch(/bad\.csv:\d+: column 3 \(kind\): .*flat, steep.*got "round"/);
  expect(await refused({ file: 'n.csv', testFile: 't.csv' })).toMatch(/t\.csv: labels are words, those of .*n\.csv are numbers/);
});

it('values in the units of the file', async () => {
  const lines = rows.map(([a, b]) => [a, b, 1000 + 3 * a - 20 * b]);
  const change = {
    preprocess: { x: [{ type: 'minMax' }], y: [{ type: 'standardize' }] },
    model: { type: 'mlp', sizes: [2, 1] },
    loss: 'mse',
    epochs: 60,
  };
  const [cwd] = await trained(change, { 't.csv': csv(lines), 'raw.csv': csv(lines.map((l) => l.slice(0, 2))) });
  const json = (await run(['predict', '--json', 'm.safetensors', 'raw.csv'], { cwd })).json();
  // The values reach from 600 to 10,450.
  for (const [i, l] of lines.entries()) expect(Math.abs((json[i]!.value as number) - l[2]!)).toBeLessThan(60);
});

it('running statistics count: images through batch norm, more than go at a time', async () => {
  const pixels = Uint8Array.from({ length: 300 * 48 }, (_, i) => ((i * 31) % 97) + 60 * (Math.floor(i / 48) & 1));
  const change = {
    data: { type: 'idx', images: 'x.idx', labels: 'y.idx', testImages: 'x.idx', testLabels: 'y.idx', divideBy: 255 },
    preprocess: [],
    model: { type: 'resnet20', classes: 2 },
    optimizer: { type: 'sgd', lr: 0.05 },
    batchSize: 60,
    epochs: 2,
  };
  const labels = Uint8Array.from({ length: 300 }, (_, i) => (i % 5 === 0 ? 0 : i & 1));
  const files = { 'x.idx': idx([300, 3, 4, 4], pixels), 'y.idx': idx([300], labels) };
  const [cwd, { testAccuracy }] = await trained(change, files);
  const json = (await run(['predict', '--json', 'm.safetensors', 'x.idx'], { cwd })).json();
  expect(json).toHaveLength(300);
  expect(json.filter((e, i) => e.class === labels[i]).length / 300).toBeCloseTo(testAccuracy!, 6);
});

it('says what is wrong', async () => {
  const [cwd] = await trained({ epochs: 1 }, { 't.csv': csv(rows), 'narrow.csv': '1\n2\n', 'other.csv': '5,3\n' });
  const failed = async (...argv: string[]): Promise<[number, string]> => {
    const { code, stderr } = await run(['predict', ...argv], { cwd });
    return [code, stderr];
  };
  expect(await failed('m.safetensors', 'no.csv')).toEqual([4, expect.stringMatching(/no\.csv: no such file/)]);
  expect(await failed('m.safetensors', 'narrow.csv')).toEqual([
    4,
    expect.stringMatching(
      /narrow.csv: the model does not take its rows: .*expected rows \[2\] as those it was fitted to, got \[1\]/,
    ),
  ]);
  expect(await failed('m.safetensors', 'other.csv')).toEqual([
    4,
    expect.stringMatching(/row 0, column 1: expected one of 0, 10, 20, got 3/),
  ]);
  expect(await failed('m.safetensors')).toEqual([2, expect.stringMatching(/expected FILE/)]);
});
