// torch.test.ts: files that PyTorch has written (golden/io/make_torch.py): every tensor as it was, nothing run, and one clear error for each that is none.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DataError } from '../../lib/errors.ts';
import { loss, nn, ops, optim, Trainer } from '../../lib/index.ts';
import { readTorch } from '../../lib/io/index.ts';
import { isArchive, torchTensors } from '../../lib/io/torch/torch.ts';
import type { Tensor } from '../../lib/ir/graph.ts';

interface Golden {
  readonly files: Readonly<
    Record<string, { file: string; tensors: Readonly<Record<string, { shape: number[]; values: number[] }>> }>
  >;
  readonly refused: Readonly<Record<string, string>>;
}
// JSON of Python has infinities.
const golden = JSON.parse(readFileSync('test/golden/io/torch.json', 'utf8').replace(/\bInfinity\b/g, '1e999')) as Golden;
const bytes = (base64: string): Buffer => Buffer.from(base64, 'base64');

function written(base64: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'gradclip-torch-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'weights.pt');
  writeFileSync(file, bytes(base64));
  return file;
}

describe('every tensor as it was', () => {
  it.each(Object.keys(golden.files))('%s', async (name) => {
    const { file, tensors } = golden.files[name]!;
    const got = await readTorch(written(file));
    expect([...got.keys()]).toEqual(Object.keys(tensors));
    for (const [key, { shape, values }] of Object.entries(tensors)) {
      const { shape: is, data } = got.get(key)!;
      expect(is, key).toEqual(shape);
      expect([...data], key).toEqual(values);
    }
  });

  it('dtypes', async () => {
    const got = await readTorch(written(golden.files.dtypes!.file));
    const dtypes = Object.fromEntries([...got].map(([name, { dtype }]) => [name, dtype]));
    expect(dtypes).toEqual({
      ...{ f64: 'f64', f32: 'f32', f16: 'f32', bf16: 'f32', scalar: 'f32', empty: 'f32', parameter: 'f32' },
      ...{ i64: 'i32', i32: 'i32', i16: 'i32', i8: 'i32', u8: 'u8', bool: 'u8' },
    });
  });

  it('by name', async () => {
    const file = written(golden.files.checkpoint!.file);
    expect([...(await readTorch(file, { tensors: ['list.1.0'] })).keys()]).toEqual(['list.1.0']);
    await expect(readTorch(file, { tensors: ['fc1.weight'] })).rejects.toThrow(
      /no tensor has the name "fc1.weight".*; there are model_state_dict\.fc1\.weight/,
    );
  });
});

it('what is no such file is one error that says what to do', async () => {
  const expected: Readonly<Record<string, RegExp>> = {
    'a whole module': /an object of the class __main__\.Net, not weights: save the state_dict\(\)/,
    'before 1.6': /expected a zip archive .* got a pickle of Python/,
    'no tensors': /there are no tensors in it/,
    'a program': /a program of TorchScript/,
    'a function': /an object of the class posix\.system, not weights/,
    'protocol 0': /expected a pickle of protocol 2 or later/,
    'no memory': /tensor "w": the archive has no data\/0/,
    complex: /tensor "w": expected memory of DoubleStorage.*, got ComplexFloatStorage/,
    quantized: /there are no tensors in it/,
    'beyond i32': /tensor "w": value 0 of its memory: expected a whole number within i32, got 1099511627776/,
  };
  expect(Object.keys(golden.refused).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, base64] of Object.entries(golden.refused)) {
    const error: unknown = await readTorch(written(base64)).catch((e: unknown) => e);
    expect(error, name).toBeInstanceOf(DataError);
    expect(String(error), name).toMatch(expected[name]!);
  }
});

it('nothing in a file is run', async () => {
  const tensors = await readTorch(written(golden.files['an unknown class beside']!.file));
  expect([...tensors.keys()]).toEqual(['weights']);
  expect(existsSync('/tmp/gradclip-unpickled')).toBe(false);
});

it('damaged bytes are a DataError, whatever they are, and take no more memory than the file allows', async () => {
  const whole = bytes(golden.files.checkpoint!.file);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ at: fc.nat(whole.length - 1), value: fc.nat(255) }), { minLength: 1, maxLength: 8 }),
      fc.option(fc.nat(whole.length)),
      async (changes, cut) => {
        const damaged = Buffer.from(whole);
        for (const { at, value } of changes) damaged[at] = value;
        const given = cut === null ? damaged : damaged.subarray(0, cut);
        try {
          const { tensors } = await torchTensors(given, 'file', 1 << 20);
          let total = 0;
          for (const { data } of tensors.values()) total += data.byteLength;
          expect(total).toBeLessThanOrEqual(1 << 20);
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      },
    ),
    { numRuns: 500 },
  );
});

it('an archive is told by its first bytes', () => {
  expect(isArchive(bytes(golden.files.state!.file))).toBe(true);
  expect(isArchive(Buffer.from('{}'))).toBe(false);
});

class Net extends nn.Module {
  fc1 = new nn.Linear(3, 4);
  norm = new nn.BatchNorm1d(4);
  fc2 = new nn.Linear(4, 2);
  forward(x: Tensor): Tensor {
    return this.fc2.forward(ops.relu(this.norm.forward(this.fc1.forward(x))));
  }
}

it('a trainer loads it as any weights: a state_dict, one within a checkpoint, bytes', async () => {
  const make = () =>
    new Trainer({
      model: new Net(),
      loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
      optimizer: optim.sgd({ lr: 0.1 }),
    });
  const { file, tensors } = golden.files.state!;
  const loaded = make();
  await loaded.load(written(file));
  const { model } = loaded;
  expect([...model.fc1.weight.data]).toEqual(tensors['fc1.weight']!.values);
  expect([...model.norm.weight!.data]).toEqual(tensors['norm.weight']!.values);
  const bytesToo = make();
  await bytesToo.load(bytes(file));
  expect([...bytesToo.model.fc2.bias!.data]).toEqual(tensors['fc2.bias']!.values);
  const within = make();
  await within.load(written(golden.files.checkpoint!.file), { rename: { 'model_state_dict.': '' }, strict: false });
  expect([...within.model.fc1.weight.data]).toEqual(tensors['fc1.weight']!.values);
});
