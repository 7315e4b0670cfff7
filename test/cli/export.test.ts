// export.test.ts: `gradclip export`: the file gives what `gradclip predict` tells, for raw rows of every kind of data.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { preprocess } from 'gradclip';
import { expect, it } from 'vitest';
import type { Schema } from '../../lib/data/table/schema.ts';
import { parseSafetensors, serializeSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { decodeFile, type ReadModel } from '../onnx/decode.ts';
import { evaluate } from '../onnx/evaluate.ts';
import { FLOAT, fromValues, INT32, type Numbers, UINT8 } from '../onnx/numbers.ts';
import { folder, idx, run } from './kit.ts';

const rows = Array.from({ length: 60 }, (_, i) => {
  const [a, b] = [((i * 37) % 64) * 50, [0, 10, 20][i % 3]!];
  return [a, b, a / 100 > b ? 1 : 0] as const;
});
const csv = (lines: readonly (readonly (number | string)[])[]): string => lines.map((l) => `${l.join(',')}\n`).join('');
const config = {
  data: { type: 'csv', file: 't.csv', split: { train: 40 } },
  preprocess: [
    { type: 'standardize', columns: [0] },
    { type: 'oneHot', columns: [1] },
  ],
  model: { type: 'mlp', sizes: [4, 8, 2], activation: 'tanh' },
  optimizer: { type: 'adamw', lr: 0.03 },
  batchSize: 16,
  epochs: 3,
};

/** Train, and export. @returns the folder, what the command said, and the file */
async function written(
  change: object,
  files: Record<string, string | Uint8Array>,
  flags: readonly string[] = [],
): Promise<{ cwd: string; told: Record<string, unknown>; file: ReadModel }> {
  const cwd = folder({ 'c.json': JSON.stringify({ ...config, ...change }), ...files });
  const trained = await run(['train', '--json', 'c.json', '--out', 'm.safetensors'], { cwd });
  expect(trained.code, trained.stderr).toBe(0);
  const ran = await run(['export', 'm.safetensors', '--onnx', 'm.onnx', '--json', ...flags], { cwd });
  expect(ran.code, ran.stderr).toBe(0);
  return { cwd, told: ran.json()[0]!, file: decodeFile(join(cwd, 'm.onnx')) };
}

const predicted = async (cwd: string, file: string): Promise<Record<string, unknown>[]> =>
  (await run(['predict', '--json', 'm.safetensors', file], { cwd })).json();

it('classes with their words, from raw columns', async () => {
  const word = (l: number): string => (l === 1 ? 'steep' : 'flat');
  const table = `a,b,kind\n${csv(rows.map((r) => [r[0], r[1], word(r[2])]))}`;
  const raw = `a,b\n${csv(rows.slice(0, 20).map((r) => [r[0], r[1]]))}`;
  const { cwd, told, file } = await written({ data: { ...config.data, label: 'kind' } }, { 't.csv': table, 'raw.csv': raw });
  expect(told).toMatchObject({
    event: 'export',
    file: join(cwd, 'm.onnx'),
    data: null,
    opset: 17,
    inputs: [{ name: 'x', dtype: 'f32', shape: ['batch', 2] }],
    outputs: [
      { name: 'class', dtype: 'i32', shape: ['batch'] },
      { name: 'probabilities', dtype: 'f32', shape: ['batch', 2] },
    ],
  });
  expect(told.bytes).toBe(readFileSync(join(cwd, 'm.onnx')).length);
  const words = JSON.parse(file.metadata.classes!) as string[];
  expect([...words].sort()).toEqual(['flat', 'steep']);
  const x = Float32Array.from(rows.slice(0, 20).flatMap((r) => [r[0], r[1]]));
  const found = evaluate(file, { x: fromValues([20, 2], FLOAT, x) });
  for (const [i, { class: name, probability }] of (await predicted(cwd, 'raw.csv')).entries()) {
    const k = found.get('class')!.data[i]!;
    expect(words[k]).toBe(name);
    expect(found.get('probabilities')!.data[2 * i + k]).toBeCloseTo(probability as number, 5);
  }
});

it('values in the units of the file, and one probability', async () => {
  const table = csv(rows.map(([a, b]) => [a, b, 100 + a / 10 - b]));
  const regression = { loss: 'mse', model: { ...config.model, sizes: [4, 8, 1] } };
  const raw = csv(rows.slice(0, 9).map((r) => [r[0], r[1]]));
  const x = fromValues([9, 2], FLOAT, Float32Array.from(rows.slice(0, 9).flatMap((r) => [r[0], r[1]])));
  const units = { ...regression, preprocess: { x: config.preprocess, y: { type: 'standardize' } } };
  const { cwd, file } = await written(units, { 't.csv': table, 'raw.csv': raw }, ['--opset', '21', '--external-data']);
  expect(file.opset).toBe(21);
  const value = evaluate(file, { x }).get('value')!;
  for (const [i, told] of (await predicted(cwd, 'raw.csv')).entries()) {
    expect(value.data[i]! / (told.value as number)).toBeCloseTo(1, 5);
  }
  const two = await written({ ...regression, loss: 'bceWithLogits' }, { 't.csv': csv(rows), 'raw.csv': raw });
  const probability = evaluate(two.file, { x }).get('probability')!;
  for (const [i, told] of (await predicted(two.cwd, 'raw.csv')).entries()) {
    expect(probability.data[i]).toBeCloseTo(told.probability as number, 5);
  }
});

it('images as bytes, and a text as tokens', async () => {
  const pixels = Uint8Array.from({ length: 30 * 16 }, (_, i) => (i * 71) % 256);
  const labels = Uint8Array.from({ length: 30 }, (_, i) => i % 2);
  const images = {
    data: { type: 'idx', images: 'x.idx', labels: 'y.idx', split: { train: 20 } },
    preprocess: [],
    model: { type: 'mlp', sizes: [16, 4, 2] },
  };
  const { cwd, told, file } = await written(images, { 'x.idx': idx([30, 4, 4], pixels), 'y.idx': idx([30], labels) });
  expect(told.inputs).toEqual([{ name: 'x', dtype: 'u8', shape: ['batch', 4, 4] }]);
  const found = evaluate(file, { x: fromValues([30, 4, 4], UINT8, pixels) }).get('probabilities')!;
  for (const [i, row] of (await predicted(cwd, 'x.idx')).entries()) {
    expect(found.data[2 * i + (row.class as number)]).toBeCloseTo(row.probability as number, 5);
  }
  const text = {
    data: { type: 'text', file: 't.txt', length: 8 },
    preprocess: [],
    model: { type: 'gpt', layers: 1, heads: 2, width: 8 },
    steps: 2,
    epochs: undefined,
  };
  const of = await written(text, { 't.txt': 'the cat sat on the mat, and the dog on the log. '.repeat(8) });
  expect(of.told.inputs).toEqual([{ name: 'x', dtype: 'i32', shape: ['batch', 'time'] }]);
  const tokens = (JSON.parse(of.file.metadata.tokenizer!) as { characters?: unknown }) ?? {};
  expect(Object.keys(tokens).length).toBeGreaterThan(0);
  const logits = evaluate(of.file, { x: fromValues([1, 5], INT32, Int32Array.from([1, 2, 3, 2, 1])) }).get('logits') as Numbers;
  expect(logits.shape.slice(0, 2)).toEqual([1, 5]);
});

it('a table of texts and gaps: the schema is in the metadata, and makes the numbers that the file takes', async () => {
  const towns = ['Bonn', 'Trier', 'Ulm'];
  const people = Array.from({ length: 90 }, (_, i) => {
    const [age, town] = [20 + ((i * 7) % 50), towns[(i * i) % 3]!];
    return {
      age: i % 11 === 0 ? '' : String(age),
      town: i % 13 === 0 ? '' : town,
      buys: age > 40 === (town !== 'Ulm') ? 'yes' : 'no',
    };
  });
  const lines = (of: typeof people, label: boolean): string =>
    `age,town${label ? ',buys' : ''}\n${of.map((p) => `${p.age},${p.town}${label ? `,${p.buys}` : ''}\n`).join('')}`;
  const table = {
    data: { type: 'table', file: 't.csv', label: 'buys', split: { train: 60 } },
    preprocess: [],
    model: { type: 'mlp', hidden: [6] },
  };
  const { cwd, file } = await written(table, { 't.csv': lines(people, true), 'raw.csv': lines(people, false) });
  const schema = preprocess.fromJSON(JSON.parse(file.metadata.schema!)) as Schema;
  const { x } = schema.encode(
    people.map(({ age, town }) => ({ age: age === '' ? null : Number(age), town: town === '' ? null : town })),
  );
  expect(file.inputs[0]!.shape).toEqual(['batch', schema.inputs.length]);
  const found = evaluate(file, { x: fromValues(x.shape, FLOAT, x.data) });
  const words = JSON.parse(file.metadata.classes!) as string[];
  const told = await predicted(cwd, 'raw.csv');
  expect(told).toHaveLength(people.length);
  for (const [i, row] of told.entries()) {
    const k = found.get('class')!.data[i]!;
    expect(words[k]).toBe(row.class);
    expect(found.get('probabilities')!.data[2 * i + k]).toBeCloseTo(row.probability as number, 5);
  }
});

it('files of before rows were kept say what they can, and the flags say the rest', async () => {
  const { cwd } = await written({}, { 't.csv': csv(rows) });
  const { tensors, metadata } = parseSafetensors(readFileSync(join(cwd, 'm.safetensors')));
  const old = (change: Record<string, string | undefined>): Uint8Array => {
    const { rows: _, ...kept } = metadata;
    const pairs = Object.entries({ ...kept, ...change }).filter((pair): pair is [string, string] => pair[1] !== undefined);
    return serializeSafetensors(tensors, Object.fromEntries(pairs));
  };
  const there = folder({
    'old.safetensors': old({}),
    'odd.safetensors': old({ rows: '{"shape":[],"dtype":"f32"}' }),
    'none.safetensors': old({ config: undefined }),
  });
  const exported = (file: string, ...flags: string[]): ReturnType<typeof run> =>
    run(['export', file, '--onnx', 'a.onnx', ...flags], { cwd: there });
  const shapeless = await exported('old.safetensors');
  expect(shapeless.code).toBe(4);
  expect(shapeless.stderr).toContain('--shape says it');
  expect(await exported('old.safetensors', '--shape', '2')).toMatchObject({ code: 0, stderr: '' });
  expect((await exported('old.safetensors', '--shape', '3')).code).toBe(4);
  expect((await exported('odd.safetensors')).stderr).toContain('its rows cannot be read');
  expect((await exported('none.safetensors')).code).toBe(4);
});

it.each<[readonly string[], RegExp]>([
  [['export', 'm.safetensors'], /expected --onnx FILE/],
  [['export', '--onnx', 'a.onnx'], /expected CHECKPOINT/],
  [
    ['export', 'm.safetensors', '--onnx', 'a.onnx', '--opset', '12'],
    /--opset: expected a whole number >= 17 and <= 23, got "12"/,
  ],
  [['export', 'm.safetensors', '--onnx', 'a.onnx', '--shape', '2,x'], /--shape: expected whole numbers from 1 on/],
  [['export', 'm.safetensors', '--onnx', 'a.onnx', '--dtype', 'f16'], /--dtype: expected one of f32, f64, i32, u8, got "f16"/],
  [['export', 'm.safetensors', '--onnx', 'no/folder/a.onnx'], /--onnx: .*there is no folder/],
])('%j is wrong usage', async (argv, message) => {
  const { code, stderr } = await run(argv, { cwd: folder() });
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});

it('says in words what it wrote', async () => {
  const { cwd } = await written({}, { 't.csv': csv(rows) });
  const { stdout } = await run(['export', 'm.safetensors', '--onnx', 'b.onnx', '--external-data'], { cwd });
  expect(stdout.split('\n')).toEqual([
    expect.stringMatching(/^.*b\.onnx with .*b\.onnx\.data: .* KiB, operators of version 17$/),
    '  takes x f32[batch, 2]',
    '  gives class i32[batch]',
    '  gives probabilities f32[batch, 2]',
    '',
  ]);
});
