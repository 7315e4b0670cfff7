// trainer.test.ts: `trainer.exportOnnx`: transforms and units are in the file, weights are those of now, and what cannot be written is said by op and layer.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import * as fc from 'fast-check';
import { clip, loss, models, nn, OptionError, ops, optim, preprocess, type Tensor, Trainer } from 'gradclip';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { version } from '../../lib/native/package.ts';
import { modelParts, writeModel } from '../../lib/onnx/file.ts';
import { CASES } from '../parity/cases/index.ts';
import { decodeFile } from './decode.ts';
import { evaluate } from './evaluate.ts';
import { bytesOf, caseModel, normwise } from './kit.ts';
import { FLOAT, fromValues, INT32, type Numbers, UINT8 } from './numbers.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gradclip-onnx-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

const floats = (shape: readonly number[], data: Float32Array): Numbers => fromValues(shape, FLOAT, data);
const mse = ({ x, y }: { x: Tensor; y: Tensor }, model: nn.Module): Tensor =>
  loss.mse((model as nn.Module & { forward(x: Tensor): Tensor }).forward(x), y);

/** Numbers that nobody drew: between -1 and 1. */
const spread = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(i * i + 0.5));

describe('exportOnnx', () => {
  it('has the weights of now under their names, and says what it takes and gives', async () => {
    const model = new nn.Sequential(new nn.Linear(3, 4), new nn.Tanh(), new nn.Linear(4, 1));
    using trainer = new Trainer({ model, loss: mse, optimizer: optim.adam({ lr: 0.05 }), clip: clip.globalNorm(1) });
    const x = { data: spread(60), shape: [20, 3] };
    trainer.fitSync({ x, y: { data: spread(20), shape: [20, 1] } }, { epochs: 3 });
    const told = await trainer.exportOnnx(at('a.onnx'), { inputs: x, metadata: { author: 'somebody' } });
    expect(told).toEqual({
      file: at('a.onnx'),
      data: null,
      bytes: readFileSync(at('a.onnx')).length,
      opset: 17,
      inputs: [{ name: 'x', dtype: 'f32', shape: ['batch', 3] }],
      outputs: [{ name: 'output', dtype: 'f32', shape: ['batch', 1] }],
    });
    const file = decodeFile(at('a.onnx'));
    expect(file).toMatchObject({ format: 8, opset: 17, producer: ['gradclip', version()], name: 'Sequential' });
    expect(file.metadata).toEqual({ 'gradclip.library': version(), author: 'somebody' });
    expect(file.nodes.map((n) => n.op)).toEqual(['Gemm', 'Tanh', 'Gemm']);
    expect(file.nodes.map((n) => n.name)).toEqual(['0/Gemm', '1/Tanh', '2/Gemm']);
    expect([...file.tensors.keys()].sort()).toEqual(['0.bias', '0.weight', '2.bias', '2.weight']);
    const parameters = trainer.readParametersSync();
    for (const [name, { data, shape }] of parameters) {
      expect(file.tensors.get(name)).toMatchObject({ data, shape });
    }
    for (const rows of [1, 7]) {
      const some = spread(3 * rows);
      const { data, shape } = trainer.predictSync({ data: some, shape: [rows, 3] });
      const y = evaluate(file, { x: floats([rows, 3], some) }).get('output')!;
      expect(y.shape).toEqual(shape);
      expect(normwise(y.data, data)).toBeLessThan(1e-6);
    }
  });

  it('has transforms of inputs and units of y, for bytes and categories', async () => {
    const rows = { data: Uint8Array.from({ length: 40 }, (_, i) => (i % 2 ? (i * 37) % 256 : i % 3)), shape: [20, 2] };
    const y = { data: Float32Array.from({ length: 20 }, (_, i) => 100 + 30 * Math.sin(i)), shape: [20, 1] };
    const encode = preprocess.pipeline(preprocess.oneHot({ columns: [0] }), preprocess.standardize({ columns: [3] })).fit(rows);
    const model = new nn.Linear(4, 1);
    using trainer = new Trainer({
      model,
      loss: mse,
      optimizer: optim.sgd({ lr: 0.1 }),
      preprocess: { x: encode, y: preprocess.standardize().fit(y) },
    });
    trainer.fitSync({ x: rows, y }, { epochs: 2 });
    await trainer.exportOnnx(at('units.onnx'), { inputs: { x: { shape: ['n', 2], dtype: 'u8' } } });
    const found = evaluate(decodeFile(at('units.onnx')), { x: fromValues([20, 2], UINT8, rows.data) }).get('output')!;
    const { data } = trainer.predictSync(rows);
    expect(Math.max(...data)).toBeGreaterThan(50);
    expect(normwise(found.data, data)).toBeLessThan(1e-6);
  });

  it('computes what option outputs says, by its names, and what option predict says without it', async () => {
    const model = new models.MLP([4, 5, 3]);
    using trainer = new Trainer({
      model,
      loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
      optimizer: optim.sgd({ lr: 0.1 }),
      predict: ({ x }, m) => ops.argmax(m.forward(x)),
    });
    const x = { data: spread(8), shape: [2, 4] };
    const told = await trainer.exportOnnx(at('named.onnx'), {
      inputs: { x },
      outputs: ({ x }, m) => {
        const logits = m.forward(x);
        return { logits, probabilities: ops.softmax(logits), same: x, again: logits };
      },
    });
    expect(told.outputs.map((o) => o.name)).toEqual(['logits', 'probabilities', 'same', 'again']);
    const found = evaluate(decodeFile(at('named.onnx')), { x: floats([2, 4], x.data) });
    const logits = trainer.runSync(({ x }, m) => m.forward(x), { x });
    expect(normwise(found.get('logits')!.data, logits.data)).toBeLessThan(1e-6);
    expect(found.get('again')!.data).toEqual(found.get('logits')!.data);
    expect([...found.get('same')!.data]).toEqual([...x.data]);
    await trainer.exportOnnx(at('classes.onnx'), { inputs: { x } });
    const classes = evaluate(decodeFile(at('classes.onnx')), { x: floats([2, 4], x.data) }).get('output')!;
    expect(classes.type).toBe(INT32);
    expect([...classes.data]).toEqual([...trainer.predictSync<Int32Array>(x).data]);
  });

  it('takes averages, and computes in f32 what was trained in bf16', async () => {
    const model = new nn.Linear(3, 2);
    const options = { model, loss: mse, optimizer: optim.sgd({ lr: 0.5 }), ema: { decay: 0.5 }, precision: 'bf16' } as const;
    using trainer = new Trainer(options);
    trainer.fitSync(
      { x: { data: spread(30), shape: [10, 3] }, y: { data: spread(20), shape: [10, 2] } },
      { steps: 4, batchSize: 5 },
    );
    await trainer.exportOnnx(at('ema.onnx'), { inputs: { shape: ['batch', 3] }, weights: 'ema' });
    const { data } = trainer.readParametersSync({ weights: 'ema' }).get('weight')!;
    expect(decodeFile(at('ema.onnx')).tensors.get('weight')!.data).toEqual(data);
    expect(data).not.toEqual(trainer.readParametersSync().get('weight')!.data);
  });

  it('may be called while a fit is on, and has the weights of one of its steps', async () => {
    const model = new nn.Linear(2, 1);
    using trainer = new Trainer({ model, loss: mse, optimizer: optim.sgd({ lr: 0.01 }) });
    const run = trainer.fit(
      { x: { data: spread(64), shape: [32, 2] }, y: { data: spread(32), shape: [32, 1] } },
      { epochs: 200 },
    );
    await trainer.exportOnnx(at('during.onnx'), { inputs: { shape: ['batch', 2] } });
    await run;
    expect(decodeFile(at('during.onnx')).tensors.get('weight')!.shape).toEqual([1, 2]);
  });

  it('lets sizes be open that are no rows, where nothing depends on them otherwise', async () => {
    const model = new models.GPT(11, { context: 12, layers: 1, heads: 2, width: 8 });
    using trainer = new Trainer({ model, loss: models.gptLoss, optimizer: optim.sgd({ lr: 0.1 }) });
    const shape = ['batch', 'time'];
    const told = await trainer.exportOnnx(at('gpt.onnx'), { inputs: { x: { shape, dtype: 'i32' } }, sizes: { time: 12 } });
    expect(told.outputs).toEqual([{ name: 'output', dtype: 'f32', shape: ['batch', 'time', 11] }]);
    const file = decodeFile(at('gpt.onnx'));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 12 }), fc.nat(), (rows, time, seed) => {
        const x = Int32Array.from({ length: rows * time }, (_, i) => (seed + i * i) % 11);
        const { data } = trainer.predictSync({ data: x, shape: [rows, time] });
        const found = evaluate(file, { x: fromValues([rows, time], INT32, x) }).get('output')!;
        expect(normwise(found.data, data)).toBeLessThan(1e-5);
      }),
      { numRuns: 10 },
    );
  });

  it('replaces a file as a whole, or leaves it', async () => {
    writeFileSync(at('old.onnx'), 'old');
    using trainer = new Trainer({ model: new nn.Linear(2, 1), loss: mse, optimizer: optim.sgd({ lr: 1 }) });
    const dropped = trainer.exportOnnx(at('old.onnx'), { inputs: { shape: ['batch', 3] } });
    await expect(dropped).rejects.toThrow(/linear: expected x \[\.\.\., 2\].*tried with batch 3/);
    expect(readFileSync(at('old.onnx'), 'utf8')).toBe('old');
    expect(readdirSync(folder).filter((name) => name.startsWith('old.onnx'))).toEqual(['old.onnx']);
  });
});

describe('without a file', () => {
  const inputs = { shape: ['batch', 3] };
  const made = (): Trainer<nn.Linear> => new Trainer({ model: new nn.Linear(3, 2), loss: mse, optimizer: optim.sgd({ lr: 1 }) });

  it('gives the bytes that a file would have, or writes them to a stream', async () => {
    using trainer = made();
    const { bytes } = await trainer.exportOnnx(at('file.onnx'), { inputs });
    const file = readFileSync(at('file.onnx'));
    const given = await trainer.exportOnnx({ inputs });
    expect(given.length).toBe(bytes);
    expect(file.equals(given)).toBe(true);
    expect(file.equals(await trainer.exportOnnx({ inputs: { x: { shape: ['batch', 3] } }, opset: 17 }))).toBe(true);
    const stream = new PassThrough();
    const [told, read] = await Promise.all([trainer.exportOnnx(stream, { inputs }), buffer(stream)]);
    expect(told).toMatchObject({ file: null, data: null, bytes, inputs: [{ name: 'x' }] });
    expect(file.equals(read)).toBe(true);
    expect((await trainer.load(given)).extra).toEqual([]);
  });

  it('refuses weights in a file of their own, and what is no place', async () => {
    using trainer = made();
    await expect(trainer.exportOnnx({ inputs, externalData: true })).rejects.toThrow(/are for a model in a file: give its name/);
    expect(() => modelParts(caseModel(CASES.mlp!), null, 1000)).toThrow(/the model is more than 1000 bytes/);
    const call = trainer.exportOnnx.bind(trainer) as (...given: unknown[]) => Promise<unknown>;
    await expect(call({ inputs }, { inputs })).rejects.toThrow(/Trainer\.exportOnnx: argument to: expected .*stream/);
    await expect(call(3, { inputs })).rejects.toThrow(/argument to/);
    await expect(call()).rejects.toThrow(/option inputs/);
    await expect(call(at('a.onnx'))).rejects.toThrow(/option inputs/);
    const ended = new PassThrough();
    ended.end();
    await expect(trainer.exportOnnx(ended, { inputs })).rejects.toThrow(/exportOnnx: the stream took no more/);
  });
});

describe('what is refused', () => {
  const trainerOf = (forward: (x: Tensor) => Tensor): Trainer<nn.Module> => {
    class Own extends nn.Module {
      weight = new nn.Parameter([1]);
      forward(x: Tensor): Tensor {
        return forward(ops.mul(x, this.weight));
      }
    }
    class Whole extends nn.Module {
      part = new Own();
      forward(x: Tensor): Tensor {
        return this.part.forward(x);
      }
    }
    return new Trainer({ model: new Whole() as nn.Module, loss: mse, optimizer: optim.sgd({ lr: 1 }) });
  };
  const exported = (forward: (x: Tensor) => Tensor, options: object = {}): Promise<unknown> => {
    const trainer = trainerOf(forward);
    return trainer.exportOnnx(at('no.onnx'), { inputs: { shape: ['batch', 4] }, ...options }).finally(() => trainer.dispose());
  };

  it('an op without a form, by op and layer', async () => {
    await expect(exported((x) => ops.dropout(x, 0.5))).resolves.toBeDefined();
    // The gradient of relu, taken by the model itself.
    const { grad } = await import('gradclip');
    const failed = exported((x) => {
      const y = ops.relu(x);
      return grad(ops.sum(y, { dtype: 'f64' }), [x])[0]!;
    });
    await expect(failed).rejects.toMatchObject({ code: 'ERR_GRAPH', details: { op: 'reluGrad', layer: 'part' } });
    await expect(failed).rejects.toThrow('exportOnnx: part: reluGrad cannot be written in ONNX: it has no form there');
  });

  it('what depends on the number of rows other than by products', async () => {
    const half = exported((x) => ops.slice(x, { end: Math.ceil(x.shape[0]! / 2) }));
    await expect(half).rejects.toThrow(/part: slice cannot be written in ONNX: a number that it has is no sum of products/);
    const mean = exported((x) => ops.mul(x, 1 / x.shape[0]!));
    await expect(mean).rejects.toThrow(
      /part: mul cannot be written in ONNX: numbers that it reads follow from sizes that are open/,
    );
    const other = exported((x) => (x.shape[0]! > 4 ? ops.relu(x) : ops.exp(x)));
    await expect(other).rejects.toThrow(
      /what the model computes is something else for another batch: relu in place of exp of part/,
    );
    await expect(exported((x) => ops.mul(x, 1 / x.shape[0]!), { inputs: { shape: [8, 4] } })).resolves.toMatchObject({
      inputs: [{ shape: [8, 4] }],
    });
    await expect(exported((x) => ops.slice(x, { start: -1 }))).resolves.toMatchObject({ outputs: [{ shape: [1, 4] }] });
  });

  it.each<[object, RegExp]>([
    [{ inputs: { shape: ['batch', 4.5] } }, /option inputs/],
    [{ inputs: { x: ['batch', 4] } }, /option inputs: x: expected rows, or \{ shape: \["batch", 4\] \}, got a list with a text/],
    [{ inputs: ['batch', 4] }, /option inputs: x: expected rows, or \{ shape/],
    [{ inputs: {} }, /option inputs: expected arrays, or \{ shape, dtype \}, by name/],
    [{ inputs: undefined }, /option inputs/],
    [
      { inputs: { x: { shape: ['batch', 4], dtype: 'f16' } } },
      /option inputs\.x\.dtype: expected one of f32, f64, i32, u8, got "f16"/,
    ],
    [{ opset: 16 }, /option opset: expected a whole number >= 17 and <= 23, got 16/],
    [{ opset: 24 }, /option opset/],
    [{ sizes: { time: 3 } }, /option sizes: no dimension of an input is called time; there are batch/],
    [{ weights: 'ema' }, /weights: 'ema' needs the trainer's option ema/],
    [{ outputs: ({ x }: { x: Tensor }) => ({ x: ops.relu(x) }) }, /output x has the name of an input/],
    [{ metadata: { 'gradclip.library': '9' } }, /names that start with gradclip\. are taken/],
    [{ inputs: { shape: ['a', 'b', 'c', 'd', 'e'] } }, /at most 4 sizes that are open/],
    [{ name: 'x' }, /unknown option name/],
  ])('%j', async (options, message) => {
    await expect(exported((x) => x, options)).rejects.toThrow(message);
  });
});

describe('weights in a file of their own', () => {
  it('where all is more than a message holds, here of a lower limit', async () => {
    const model = caseModel(CASES.mlp!);
    const whole = bytesOf(model).length;
    expect(await writeModel(at('fits.onnx'), model, null, whole)).toEqual({ file: at('fits.onnx'), data: null, bytes: whole });
    await expect(writeModel(at('no.onnx'), model, false, whole - 1)).rejects.toThrow(OptionError);
    const written = await writeModel(at('large.onnx'), caseModel(CASES.mlpSmall!), null, 100_000);
    expect(written.data).toBe(at('large.onnx.data'));
    expect(written.bytes).toBe(readFileSync(written.file).length + readFileSync(written.data!).length);
    const file = decodeFile(written.file);
    const there = [...file.tensors.values()].filter((t) => t.external);
    expect([...file.tensors.values()].filter((t) => !t.external).every((t) => t.data.byteLength < 1024)).toBe(true);
    expect(there.length).toBeGreaterThan(2);
    expect(there.length).toBeLessThan(file.tensors.size);
    for (const [name, p] of CASES.mlpSmall!.module().initialize(1).namedParameters()) {
      expect(file.tensors.get(name)!.data, name).toEqual(p.data);
    }
    for (const { external } of there) {
      expect(Number(external!.offset) % 64).toBe(0);
      expect(external!.location).toBe('large.onnx.data');
    }
  });

  it('tensors of any length begin at a multiple of 64 bytes', async () => {
    const model = new nn.Sequential(new nn.Linear(300, 7), new nn.Linear(7, 300));
    using trainer = new Trainer({ model, loss: mse, optimizer: optim.sgd({ lr: 1 }) });
    await trainer.exportOnnx(at('odd.onnx'), { inputs: { shape: ['batch', 300] }, externalData: true });
    const { tensors } = decodeFile(at('odd.onnx'));
    const offsets = [...tensors.values()].flatMap(({ external }) => (external ? [Number(external.offset)] : []));
    expect(offsets.map((offset) => offset % 64)).toEqual([0, 0, 0]);
    for (const [name, p] of model.namedParameters()) expect(tensors.get(name)!.data, name).toEqual(p.data);
  });

  it('where it is asked for', async () => {
    using trainer = new Trainer({ model: new nn.Linear(100, 10), loss: mse, optimizer: optim.sgd({ lr: 1 }) });
    const told = await trainer.exportOnnx(at('apart.onnx'), { inputs: { shape: ['batch', 100] }, externalData: true });
    expect(told.data).toBe(at('apart.onnx.data'));
    const x = spread(200);
    const y = evaluate(decodeFile(at('apart.onnx')), { x: floats([2, 100], x) }).get('output')!;
    expect(normwise(y.data, trainer.predictSync({ data: x, shape: [2, 100] }).data)).toBeLessThan(1e-5);
    const inside = await trainer.exportOnnx(at('inside.onnx'), { inputs: { shape: ['batch', 100] }, externalData: false });
    expect(inside.data).toBeNull();
  });

  it('is gone when a model with its weights takes the place of the one that read it, and no other file is', async () => {
    using trainer = new Trainer({ model: new nn.Linear(100, 10), loss: mse, optimizer: optim.sgd({ lr: 1 }) });
    const inputs = { shape: ['batch', 100] };
    const there = (): string[] => readdirSync(folder).filter((name) => name.startsWith('one.onnx'));
    await trainer.exportOnnx(at('one.onnx'), { inputs, externalData: true });
    expect(there()).toEqual(['one.onnx', 'one.onnx.data']);
    await trainer.exportOnnx(at('one.onnx'), { inputs });
    expect(there()).toEqual(['one.onnx']);
    // Of somebody else: nothing says that the model before reads it.
    writeFileSync(at('one.onnx.data'), 'mine');
    await trainer.exportOnnx(at('one.onnx'), { inputs });
    expect(readFileSync(at('one.onnx.data'), 'utf8')).toBe('mine');
    // Calls for one file are done one after the other: the last one's is what stays, whole.
    const apart = trainer.exportOnnx(at('one.onnx'), { inputs, externalData: true });
    const again = trainer.exportOnnx(at('one.onnx'), { inputs });
    await Promise.all([apart, again]);
    expect(there()).toEqual(['one.onnx']);
    await Promise.all([
      trainer.exportOnnx(at('one.onnx'), { inputs }),
      trainer.exportOnnx(at('one.onnx'), { inputs, externalData: true }),
    ]);
    expect(there()).toEqual(['one.onnx', 'one.onnx.data']);
    expect(decodeFile(at('one.onnx')).tensors.get('weight')!.external).not.toBeNull();
  });
});
