// data-files.test.ts: files of a configuration that are written otherwise: delimiter, columns, header; and labels that the model has no class for.
import { expect, test } from 'vitest';
import { folder, idx, run } from './kit.ts';

const config = {
  data: { type: 'csv', file: 't.csv' },
  model: { type: 'mlp', sizes: [2, 4, 3] },
  optimizer: { type: 'sgd', lr: 0.1 },
  batchSize: 8,
  epochs: 1,
};
const rows = (to: number): (readonly number[])[] => Array.from({ length: 24 }, (_, i) => [i / 8 + 0.25, (i % 5) + 0.5, i % to]);
const written = (lines: readonly (readonly number[])[], delimiter = ',', end = '\n'): string =>
  lines.map((line) => line.join(delimiter) + end).join('');

async function train(text: string, data: object = {}): Promise<{ code: number; stderr: string; cwd: string }> {
  const cwd = folder({ 't.csv': text, 'c.json': JSON.stringify({ ...config, data: { ...config.data, ...data } }) });
  return { ...(await run(['train', 'c.json', '--out', 'm.safetensors'], { cwd })), cwd };
}

test('a label that is no class of the model is refused with its line', async () => {
  const found = await train(`a,b,y\n${written(rows(4))}`);
  expect(found.code).toBe(4);
  expect(found.stderr).toMatch(/t\.csv:5: column 3 \(y\): expected a label from 0 to 2, got "3"/);
  const negative = rows(3).map((r, i) => (i === 7 ? [1, 1, -1] : r));
  expect((await train(written(negative))).stderr).toMatch(/t\.csv:8: column 3: expected a label from 0 to 2, got "-1"/);
});

test('so is a label of images, with its row', async () => {
  const files = {
    'x.idx': idx([4, 2], Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)),
    'y.idx': idx([4], Uint8Array.of(0, 1, 7, 2)),
    'c.json': JSON.stringify({ ...config, data: { type: 'idx', images: 'x.idx', labels: 'y.idx' } }),
  };
  const { code, stderr } = await run(['train', 'c.json'], { cwd: folder(files) });
  expect([code, stderr]).toEqual([4, expect.stringMatching(/y\.idx: row 2: expected labels from 0 to 2, got 7/)]);
});

test('delimiter, columns and header hold for predict, too', async () => {
  const lines = rows(3).map(([a, b, y], i) => [i, a!, b!, y!]);
  const data = { delimiter: ':', columns: [1, 2], header: true };
  const text = written([[0, 1, 2, 3], ...lines], ':', '\r');
  const { code, stderr, cwd } = await train(text, data);
  expect([code, stderr]).toEqual([0, expect.anything()]);
  const told = await run(['predict', 'm.safetensors', 't.csv'], { cwd });
  expect(told.stderr).toBe('');
  expect(told.stdout.trim().split('\n').length).toBe(24);
});

test('a header of numbers that cannot be told is asked for', async () => {
  const { code, stderr } = await train(written([[0, 1, 2], ...rows(3).map(([, b, y]) => [Math.floor(b!), 3, y!])]));
  expect([code, stderr]).toEqual([4, expect.stringMatching(/t\.csv:1: column 1: .* option header says which, true or false/)]);
});
