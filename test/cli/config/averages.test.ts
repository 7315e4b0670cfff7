// averages.test.ts: weights averaged in a training: what evaluate, predict, export and sample take, and what they say of it.
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { generate, tokenizer } from '../../../lib/index.ts';
import { inspectSafetensors } from '../../../lib/io/arrays/safetensors.ts';
import { loadTrainer } from '../../../lib/public/trained.ts';
import { decodeFile } from '../../onnx/decode.ts';
import { evaluate } from '../../onnx/evaluate.ts';
import { FLOAT, fromValues } from '../../onnx/numbers.ts';
import { folder, idx, run } from '../kit.ts';

const rows = Array.from(
  { length: 90 },
  (_, i) => [(i * 37) % 64, (i * 11) % 7, ((i * 37) % 64) / 9 > (i * 11) % 7 ? 1 : 0] as const,
);
const csv = rows.map((row) => `${row.join(',')}\n`).join('');
const config = {
  data: { type: 'csv', file: 't.csv', split: { train: 60 } },
  preprocess: { type: 'standardize' },
  model: { type: 'mlp', sizes: [2, 8, 2] },
  optimizer: { type: 'adamw', lr: 0.1 },
  // Slow enough that the averages are far from the weights.
  ema: { decay: 0.9 },
  batchSize: 16,
  epochs: 3,
  save: 'm.safetensors',
};

const trained = async (
  change: object = {},
  files: Record<string, string | Uint8Array> = {},
): Promise<[string, Record<string, number>]> => {
  const cwd = folder({
    't.csv': csv,
    'test.csv': csv.split('\n').slice(60).join('\n'),
    ...files,
    'c.json': JSON.stringify({ ...config, ...change }),
  });
  const ran = await run(['train', '--json', 'c.json'], { cwd });
  expect(ran.code, ran.stderr).toBe(0);
  return [cwd, ran.json().at(-1) as Record<string, number>];
};

it('evaluate takes the averages, as the test of the training, unless it is told otherwise', async () => {
  const [cwd, { testLoss }] = await trained();
  const found = async (...flags: string[]): Promise<Record<string, unknown>> =>
    (await run(['evaluate', '--json', ...flags, 'm.safetensors', 'test.csv'], { cwd })).json()[0]!;
  const usual = await found();
  expect(usual).toMatchObject({ weights: 'ema', loss: expect.closeTo(testLoss!, 6) });
  expect(await found('--weights', 'ema')).toEqual(usual);
  const own = await found('--weights', 'model');
  expect(own.weights).toBe('model');
  expect(Math.abs((own.loss as number) - testLoss!)).toBeGreaterThan(0.01);
  const { stdout } = await run(['evaluate', 'm.safetensors', 'test.csv'], { cwd });
  expect(stdout).toMatch(/weights: their averages/);
  expect((await run(['evaluate', '--weights', 'model', 'm.safetensors', 'test.csv'], { cwd })).stdout).not.toMatch(/averages/);
});

it('predict and export as a trainer with these weights', async () => {
  const [cwd] = await trained(
    {},
    {
      'raw.csv': csv
        .split('\n')
        .map((line) => line.split(',').slice(0, 2).join(','))
        .join('\n'),
    },
  );
  using trainer = await loadTrainer(join(cwd, 'm.safetensors'));
  const x = { data: Float32Array.from(rows.flatMap((row) => row.slice(0, 2))), shape: [90, 2] };
  const told = new Map<string, number[]>();
  for (const weights of ['model', 'ema'] as const) {
    const { data } = await trainer.predict({ x }, { weights });
    const flags = weights === 'ema' ? [] : ['--weights', 'model'];
    const lines = (await run(['predict', '--json', ...flags, 'm.safetensors', 'raw.csv'], { cwd })).json();
    const most = lines.map(({ class: k }, i) => data[2 * i + Number(k)]!);
    for (const [i, line] of lines.entries()) expect(line.probability).toBeCloseTo(most[i]!, 6);
    told.set(weights, most);
    const exported = (await run(['export', '--json', ...flags, 'm.safetensors', '--onnx', 'm.onnx'], { cwd })).json()[0]!;
    expect(exported.weights).toBe(weights);
    const out = evaluate(decodeFile(join(cwd, 'm.onnx')), { x: fromValues([90, 2], FLOAT, x.data) });
    for (const [i, p] of [...out.get('probabilities')!.data].entries()) expect(Number(p)).toBeCloseTo(data[i]!, 5);
  }
  expect(told.get('model')!.some((p, i) => Math.abs(p - told.get('ema')![i]!) > 0.01)).toBe(true);
});

it('averages that are not there are an error; what is not trained has none and stays', async () => {
  const [cwd] = await trained({ ema: undefined });
  const failed = await run(['predict', '--weights', 'ema', 'm.safetensors', 't.csv', '--drop', '2'], { cwd });
  expect([failed.code, failed.stderr]).toEqual([
    4,
    expect.stringMatching(/expected averages of the weights, which a training with key ema/),
  ]);
  const wrong = await run(['predict', '--weights', 'average', 'm.safetensors', 't.csv'], { cwd });
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(/--weights: expected one of model, ema, got "average"/)]);
  const [there, { testLoss }] = await trained({ parameters: '2.*' });
  const { loss } = (await run(['evaluate', '--json', 'm.safetensors', 'test.csv'], { cwd: there })).json()[0] as { loss: number };
  expect(loss).toBeCloseTo(testLoss!, 6);
});

it('sample writes with them, and loadTrainer has the model of a text', async () => {
  const text = 'the cat sat on the mat, the rat sat on the cat. '.repeat(20);
  const data = { type: 'text', file: 't.txt', length: 16, split: { train: 800 } };
  const model = { type: 'charRnn', hidden: 24, embedding: 8, kind: 'gru' };
  const [cwd] = await trained({ data, model, preprocess: [], epochs: 2, batchSize: 4 }, { 't.txt': text });
  const written = async (...flags: string[]): Promise<string> =>
    (await run(['sample', '--json', '--temperature', '0', '--length', '40', ...flags, 'm.safetensors'], { cwd })).json()[0]!
      .text as string;
  const [usual, ema, own] = [await written(), await written('--weights', 'ema'), await written('--weights', 'model')];
  expect(usual).toBe(ema);
  expect(own).not.toBe(ema);
  using trainer = await loadTrainer(join(cwd, 'm.safetensors'));
  const { metadata } = await inspectSafetensors(join(cwd, 'm.safetensors'));
  const chars = tokenizer.fromJSON(JSON.parse(metadata.tokenizer!));
  const tokens = await generate(trainer, {
    prompt: chars.encode(text.includes('\n') ? '\n' : text[0]!),
    length: 40,
    temperature: 0,
  });
  const begun = await run(
    ['sample', '--json', '--temperature', '0', '--length', '40', '--weights', 'model', '--prompt', text[0]!, 'm.safetensors'],
    { cwd },
  );
  expect(chars.decode(tokens)).toBe(begun.json()[0]!.text);
  const next = await trainer.predict({ x: { data: Int32Array.from(chars.encode('the cat')), shape: [1, 7] } });
  const sums = Array.from({ length: 7 }, (_, t) =>
    next.data.subarray(t * chars.size, (t + 1) * chars.size).reduce((a, b) => a + b, 0),
  );
  for (const sum of sums) expect(sum).toBeCloseTo(1, 5);
});

it('loadTrainer has the model of images, which its file tells the shape of', async () => {
  const images = Uint8Array.from({ length: 40 * 256 }, (_, i) => (i % 256 < 128 === Math.floor(i / 256) % 2 < 1 ? 200 : 10));
  const labels = Uint8Array.from({ length: 40 }, (_, i) => i % 2);
  const data = { type: 'idx', images: 'x.idx', labels: 'y.idx', divideBy: 255, split: { train: 32 } };
  const files = { 'x.idx': idx([40, 16, 16], images), 'y.idx': idx([40], labels) };
  const [cwd] = await trained({ data, model: { type: 'lenet', classes: 2 }, preprocess: [], ema: undefined }, files);
  using trainer = await loadTrainer(join(cwd, 'm.safetensors'));
  const told = await trainer.predict({ x: { data: images, shape: [40, 16, 16] } });
  const lines = (await run(['predict', '--json', 'm.safetensors', 'x.idx'], { cwd })).json();
  expect(lines).toHaveLength(40);
  for (const [i, { class: k, probability }] of lines.entries())
    expect(told.data[2 * i + Number(k)]).toBeCloseTo(probability as number, 6);
  expect((await trainer.evaluate({ x: { data: images, shape: [40, 16, 16] }, y: labels })).loss).toBeLessThan(1);
});
