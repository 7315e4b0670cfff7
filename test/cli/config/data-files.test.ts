// data-files.test.ts: files of a configuration that are written otherwise: delimiter, columns, header; and labels that the model has no class for.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readSafetensors, serializeSafetensors } from '../../../lib/io/arrays/safetensors.ts';
import { folder, idx, run } from '../kit.ts';

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

test('decimal commas and limits hold for predict, too', async () => {
  const text = `a;b;y\n${written(rows(3), ';').replaceAll('.', ',')}`;
  const { code, stderr, cwd } = await train(text, { decimal: ',', maxLine: 20, maxColumns: 3, maxBytes: 1000 });
  expect([code, stderr]).toEqual([0, expect.anything()]);
  const predict = (file: string) => run(['predict', 'm.safetensors', file, '--drop', 'y'], { cwd });
  expect((await predict('t.csv')).stdout.trim().split('\n').length).toBe(24);
  writeFileSync(join(cwd, 'long.csv'), `${text}0,5;${'1'.repeat(20)};1\n`);
  expect(await predict('long.csv')).toMatchObject({
    code: 4,
    stderr: expect.stringMatching(/long\.csv:26: expected a line of at most 20 bytes/),
  });
  writeFileSync(join(cwd, 'large.csv'), text.repeat(10));
  expect(await predict('large.csv')).toMatchObject({
    code: 4,
    stderr: expect.stringMatching(/at most 1000 bytes \(option maxBytes\)/),
  });

  expect((await train(text, { decimal: ',', maxLine: 5 })).stderr).toMatch(
    /t\.csv:2: expected a line of at most 5 bytes \(option maxLine\)/,
  );
  expect((await train(text, { decimal: ',', maxColumns: 2 })).stderr).toMatch(
    /:1: column 3: expected at most 2 cells \(option maxColumns\)/,
  );
  expect((await train(text, { decimal: ',', maxLine: 1e15, maxBytes: 1e15 })).code).toBe(0);
  expect(await train(text, { decimal: '·' })).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/data\.decimal: expected one of \., ,/),
  });
});

test('a checkpoint that says of its data what no configuration may is refused', async () => {
  const { cwd } = await train(written(rows(3)));
  const { tensors, metadata } = await readSafetensors(join(cwd, 'm.safetensors'));
  const of = JSON.parse(metadata.config!) as { data: object };
  for (const data of [
    { decimal: ['x'] },
    { maxLine: -1 },
    { columns: [[[1]]] },
    { delimiter: { a: 1 } },
    { shape: 'x' },
    { type: 'zip' },
  ]) {
    const config = JSON.stringify({ ...of, data: { ...of.data, ...data } });
    writeFileSync(join(cwd, 'bad.safetensors'), serializeSafetensors(Object.fromEntries(tensors), { ...metadata, config }));
    const { code, stderr } = await run(['predict', 'bad.safetensors', 't.csv', '--drop', '2'], { cwd });
    expect([code, stderr], config).toEqual([
      4,
      expect.stringMatching(/bad\.safetensors: expected what gradclip train writes of rows: data/),
    ]);
  }
  const config = `${'{"a":'.repeat(1e5)}1${'}'.repeat(1e5)}`;
  writeFileSync(join(cwd, 'bad.safetensors'), serializeSafetensors(Object.fromEntries(tensors), { ...metadata, config }));
  expect(await run(['predict', 'bad.safetensors', 't.csv'], { cwd })).toMatchObject({
    code: 4,
    stderr: expect.stringMatching(/at most 64 levels/),
  });
});
