// onnx.test.ts: weights of ONNX, in all the ways that the format has for them, into a trainer too; and what is refused.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { io, loss, nn, ops, optim, preprocess, type Tensor, Trainer } from 'gradclip';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProtoWriter } from '../../lib/io/protobuf.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gradclip-onnx-in-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

type Write = (w: ProtoWriter) => unknown;

/** A model of these initializers, as others write it: version, maker, graph, operators, metadata. */
function model(tensors: readonly Write[], more: Write = () => {}): Uint8Array {
  const w = new ProtoWriter().int(1, 8).string(2, 'somebody');
  w.message(7, (g) => {
    g.message(1, (n) => n.string(1, 'x').string(2, 'y').string(4, 'Relu'));
    g.string(2, 'main');
    for (const t of tensors) g.message(5, t);
  });
  w.message(8, (o) => o.int(2, 17));
  w.message(14, (p) => p.string(1, 'author').string(2, 'me'));
  more(w);
  return w.finish();
}
const head =
  (name: string, type: number, dims: readonly number[]): ((w: ProtoWriter) => ProtoWriter) =>
  (w) => {
    w.packedInts(1, dims).int(2, type);
    return w.string(8, name);
  };
const bytesOf = (a: ArrayBufferView): Uint8Array => new Uint8Array(a.buffer, a.byteOffset, a.byteLength);
const raw =
  (name: string, type: number, dims: readonly number[], values: ArrayBufferView): Write =>
  (w) =>
    head(name, type, dims)(w).bytes(9, bytesOf(values));

describe('values', () => {
  it('as raw bytes of every type that is read', () => {
    const { tensors, metadata } = io.parseOnnx(
      model([
        raw('fc.weight', 1, [2, 2], Float32Array.of(1, -2, 3.5, Infinity)),
        raw('double', 11, [1], Float64Array.of(Math.PI)),
        raw('bytes', 2, [3], Uint8Array.of(0, 7, 255)),
        raw('small', 3, [2], Int8Array.of(-1, 1)),
        raw('short', 5, [2], Int16Array.of(-300, 300)),
        raw('unsigned', 4, [1], Uint16Array.of(65535)),
        raw('int', 6, [1], Int32Array.of(-(2 ** 31))),
        raw('long', 7, [2], BigInt64Array.of(-5n, 2n ** 31n - 1n)),
        raw('truth', 9, [2], Uint8Array.of(0, 1)),
        raw('half', 10, [2], Uint16Array.of(0x3c00, 0xc000)),
        raw('brain', 16, [1], Uint16Array.of(0x3fc0)),
        raw('scalar', 1, [], Float32Array.of(9)),
        raw('none', 1, [0, 3], new Float32Array(0)),
      ]),
    );
    const plain = [...tensors].map(([name, { dtype, shape, data }]) => [name, dtype, shape, [...data]]);
    expect(plain).toEqual([
      ['fc.weight', 'f32', [2, 2], [1, -2, 3.5, Infinity]],
      ['double', 'f64', [1], [Math.PI]],
      ['bytes', 'u8', [3], [0, 7, 255]],
      ['small', 'i32', [2], [-1, 1]],
      ['short', 'i32', [2], [-300, 300]],
      ['unsigned', 'i32', [1], [65535]],
      ['int', 'i32', [1], [-(2 ** 31)]],
      ['long', 'i32', [2], [-5, 2 ** 31 - 1]],
      ['truth', 'u8', [2], [0, 1]],
      ['half', 'f32', [2], [1, -2]],
      ['brain', 'f32', [1], [1.5]],
      ['scalar', 'f32', [], [9]],
      ['none', 'f32', [0, 3], []],
    ]);
    expect(metadata).toEqual({ author: 'me' });
  });

  it('as lists of numbers, packed and one by one', () => {
    const { tensors } = io.parseOnnx(
      model([
        (w) => head('floats', 1, [2])(w).packedFloats(4, [1.5, -1]),
        (w) => head('one by one', 1, [2])(w).float(4, 1.5).float(4, -1),
        (w) => head('doubles', 11, [2])(w).packedDoubles(10, [0.1, 0.2]),
        (w) => head('ints', 6, [2])(w).packedInts(5, [-7, 7]),
        (w) => head('longs', 7, [2])(w).int(7, -7).int(7, 7),
        (w) => head('bytes', 2, [2])(w).packedInts(5, [0, 255]),
        (w) => head('half', 10, [1])(w).packedInts(5, [0x3c00]),
        (w) => head('unsigned', 12, [1])(w).packedUints(11, [3]),
      ]),
    );
    expect([...tensors].map(([name, { data }]) => [name, [...data]])).toEqual([
      ['floats', [1.5, -1]],
      ['one by one', [1.5, -1]],
      ['doubles', [0.1, 0.2]],
      ['ints', [-7, 7]],
      ['longs', [-7, 7]],
      ['bytes', [0, 255]],
      ['half', [1]],
      ['unsigned', [3]],
    ]);
  });

  it('in other files beside the model', async () => {
    const data = Float32Array.from({ length: 8 }, (_, i) => i);
    writeFileSync(at('m.data'), bytesOf(data));
    const external = (name: string, dims: readonly number[], pairs: Readonly<Record<string, string>>): Write => {
      return (w) => {
        head(name, 1, dims)(w);
        for (const [key, value] of Object.entries(pairs)) w.message(13, (p) => p.string(1, key).string(2, value));
        w.int(14, 1);
      };
    };
    const wrote = (pairs: Readonly<Record<string, string>>, dims: readonly number[] = [2]): string => {
      writeFileSync(
        at('m.onnx'),
        model([external('a', [3], { location: 'm.data', offset: '4', length: '12' }), external('b', dims, pairs)]),
      );
      return at('m.onnx');
    };
    mkdirSync(at('sub'));
    writeFileSync(at('sub/n.data'), bytesOf(data.slice(4)));
    const { tensors } = await io.readOnnx(wrote({ location: 'm.data' }, [8]));
    expect([...tensors.get('a')!.data]).toEqual([1, 2, 3]);
    expect(tensors.get('b')!.data).toEqual(data);
    const within = await io.readOnnx(wrote({ location: 'sub/n.data', offset: '8' }));
    expect([...within.tensors.get('b')!.data]).toEqual([6, 7]);
    const refused: [Readonly<Record<string, string>>, RegExp][] = [
      [{ location: '../m.data' }, /expected its values in a file in the folder of the model, got "\.\.\/m\.data"/],
      [{ location: 'sub/../../m.data' }, /in the folder of the model/],
      [{ location: '/etc/passwd' }, /in the folder of the model/],
      [{ location: 'C:\\m.data' }, /in the folder of the model/],
      [{ location: '..' }, /in the folder of the model/],
      [{}, /in the folder of the model, got ""/],
      [{ location: 'none.data' }, /none\.data: no such file, where .*m\.onnx has the values of "b"/],
      [{ location: 'sub' }, /sub: expected a regular file, got a folder/],
      [{ location: 'm.data', offset: '28' }, /expected its values at 28 to 36 of .*m\.data, which has 32 bytes/],
      [{ location: 'm.data', offset: '-1' }, /expected offset to be a whole number/],
      [{ location: 'm.data', length: '4' }, /expected 8 bytes for FLOAT\[2\], got 4/],
    ];
    for (const [pairs, message] of refused)
      await expect(io.readOnnx(wrote(pairs)), JSON.stringify(pairs)).rejects.toThrow(message);
    const inMemory = model([external('a', [3], { location: 'm.data' })]);
    expect(() => io.parseOnnx(inMemory)).toThrow(
      /its values lie in another file: io\.readOnnx and Trainer\.load of the file read them/,
    );
    const file = wrote({ location: 'm.data' }, [8]);
    const most = readFileSync(file).length + 12 + 31;
    await expect(io.readOnnx(file, { maxBytes: most })).rejects.toThrow(`at most ${most} bytes`);
    await expect(io.readOnnx(file, { maxBytes: most + 1 })).resolves.toBeDefined();
  });

  it('those that are asked for alone', async () => {
    const a = raw('a', 1, [1], Float32Array.of(1));
    const bytes = model([a, raw('text', 8, [1], new Uint8Array(4))]);
    expect(() => io.parseOnnx(bytes)).toThrow(/tensor "text": expected type FLOAT, .*got STRING; option tensors names/);
    expect(() => io.parseOnnx(model([raw('b', 22, [2], new Uint8Array(1))]))).toThrow(/got INT4;/);
    expect(() => io.parseOnnx(model([raw('b', 99, [1], new Uint8Array(1))]))).toThrow(/got number 99;/);
    // A sparse one has the name of its values.
    const sparse = (graph: ProtoWriter): unknown => graph.message(15, (s) => s.message(1, (v) => void a(v)).packedInts(3, [9]));
    const some = new ProtoWriter()
      .int(1, 8)
      .message(7, (g) => void sparse(g))
      .message(8, (o) => o.int(2, 17))
      .finish();
    expect(() => io.parseOnnx(some)).toThrow(/tensor "a": it is sparse, which is not read/);
    expect(io.parseOnnx(some, 'm', { tensors: [] }).tensors.size).toBe(0);
    expect([...io.parseOnnx(bytes, 'm', { tensors: ['a'] }).tensors.keys()]).toEqual(['a']);
    expect(() => io.parseOnnx(bytes, 'm', { tensors: ['b'] })).toThrow(/m: no tensor has the name "b"/);
  });
});

/** Models that the onnx package and PyTorch's exporter have written: files in base64 (golden/io/make_onnx.py). */
interface Golden {
  readonly models: Readonly<
    Record<
      string,
      {
        readonly files: Readonly<Record<string, string>>;
        readonly tensors: Readonly<Record<string, { readonly shape: readonly number[]; readonly values: readonly number[] }>>;
      }
    >
  >;
  readonly refused: Readonly<Record<string, string>>;
  readonly sparse: string;
  readonly exported: { readonly file: string; readonly x: readonly number[]; readonly y: readonly number[] };
}
// JSON of Python has infinities.
const golden = JSON.parse(readFileSync('test/golden/io/onnx.json', 'utf8').replace(/\bInfinity\b/g, '1e999')) as Golden;
const decoded = (base64: string): Buffer => Buffer.from(base64, 'base64');

describe('what others have written', () => {
  it.each(Object.keys(golden.models))('%s', async (name) => {
    const { files, tensors: wanted } = golden.models[name]!;
    const own = mkdtempSync(join(folder, 'others-'));
    for (const [file, base64] of Object.entries(files)) {
      mkdirSync(dirname(join(own, file)), { recursive: true });
      writeFileSync(join(own, file), decoded(base64));
    }
    const { tensors, metadata } = await io.readOnnx(join(own, 'model.onnx'));
    expect([...tensors.keys()]).toEqual(Object.keys(wanted));
    for (const [key, { shape, values }] of Object.entries(wanted)) {
      expect(tensors.get(key)!.shape, key).toEqual(shape);
      expect([...tensors.get(key)!.data], key).toEqual(values);
    }
    expect(metadata).toEqual({ author: 'me' });
  });

  it('what has no place here is an error, and matters to nobody who does not ask for it', () => {
    const types = { int4: 'INT4', float8: 'FLOAT8E4M3FN', text: 'STRING', complex: 'COMPLEX64' };
    for (const [name, type] of Object.entries(types)) {
      expect(() => io.parseOnnx(decoded(golden.refused[name]!)), name).toThrow(`tensor "t": expected type FLOAT, UINT8`);
      expect(() => io.parseOnnx(decoded(golden.refused[name]!)), name).toThrow(`got ${type};`);
    }
    expect(() => io.parseOnnx(decoded(golden.refused.large!))).toThrow(
      /"t": element 0 of INT64: expected a whole number within i32/,
    );
    const sparse = decoded(golden.sparse);
    expect(() => io.parseOnnx(sparse)).toThrow(/tensor "few": it is sparse/);
    expect([...io.parseOnnx(sparse, 'm', { tensors: ['matrix'] }).tensors.keys()]).toEqual(['matrix']);
  });

  it('a network of PyTorch by its exporter predicts here what it does there', async () => {
    class Net extends nn.Module {
      fc1 = new nn.Linear(3, 4);
      norm = new nn.LayerNorm(4);
      fc2 = new nn.Linear(4, 2);
      forward(x: Tensor): Tensor {
        return this.fc2.forward(ops.relu(this.norm.forward(this.fc1.forward(x))));
      }
    }
    const { file, x, y } = golden.exported;
    using trainer = new Trainer({
      model: new Net(),
      loss: (b, m) => loss.mse(m.forward(b.x), b.y),
      optimizer: optim.sgd({ lr: 0.1 }),
    });
    expect(await trainer.load(decoded(file))).toMatchObject({ missing: [], extra: [] });
    const { data } = trainer.predictSync({ data: Float32Array.from(x), shape: [5, 3] });
    for (const [i, value] of y.entries()) expect(data[i]).toBeCloseTo(value, 5);
  });
});

describe('what is malformed', () => {
  const float = raw('a', 1, [1], Float32Array.of(1));
  it.each<[string, Uint8Array, RegExp]>([
    ['no graph', new ProtoWriter().int(1, 8).finish(), /expected a model in ONNX, got a message without a graph/],
    ['two graphs', model([float], (w) => w.message(7, () => {})), /expected one graph, got two/],
    ['two of a name', model([float, float]), /tensor "a": there are two of the name/],
    ['too few values', model([raw('a', 1, [2], Float32Array.of(1))]), /expected 8 bytes for FLOAT\[2\], got 4/],
    ['too many sizes', model([raw('a', 1, new Array(65).fill(1), Float32Array.of(1))]), /at most 64 sizes/],
    ['a size below 0', model([raw('a', 1, [-1], Float32Array.of(1))]), /at most 64 sizes, from 0 on/],
    [
      'a long that is no i32',
      model([raw('a', 7, [1], BigInt64Array.of(2n ** 40n))]),
      /element 0 of INT64: expected a whole number within i32/,
    ],
    ['too few numbers', model([(w) => head('a', 6, [3])(w).packedInts(5, [1, 2])]), /expected 3 numbers, got at most 2/],
    ['too many numbers', model([(w) => head('a', 6, [1])(w).packedInts(5, [1, 2])]), /expected 1 numbers, got 2/],
    ['one by one without end', model([(w) => Array.from({ length: 1025 }, () => w.float(4, 0))]), /in one list/],
    [
      'a size beyond memory',
      model([(w) => head('a', 6, [2 ** 40, 2 ** 40])(w).packedInts(5, [1])]),
      /expected 1\.2\d+e\+24 numbers/,
    ],
    ['parts of a tensor', model([(w) => head('a', 1, [1])(w).message(3, (p) => p.int(2, 1))]), /a part of a tensor/],
    [
      'values twice',
      model([(w) => raw('a', 1, [1], Float32Array.of(1))(w) && w.packedFloats(4, [1])]),
      /its values are there twice/,
    ],
    [
      'a list of another type',
      model([(w) => head('a', 7, [1])(w).packedFloats(4, [1, 2])]),
      /expected values of INT64 as bytes or as a list of int64, got one of float/,
    ],
    ['a byte of 256', model([(w) => head('a', 2, [1])(w).packedInts(5, [256])]), /element 0 is 256: it does not fit into UINT8/],
    ['a small one of 128', model([(w) => head('a', 3, [1])(w).packedInts(5, [128])]), /does not fit into INT8/],
    ['a bit below 0', model([(w) => head('a', 10, [1])(w).packedInts(5, [-1])]), /does not fit into FLOAT16/],
    ['no values', model([head('a', 1, [3])]), /expected 12 bytes for FLOAT\[3\], got 0/],
    ['a web page', Buffer.from('<!doctype html><html>'), /expected a model in ONNX, got a web page: download/],
    ['nothing', new Uint8Array(0), /got an empty file/],
    ['a cut end', model([float]).slice(0, 40), /longer than what it is in|does not end/],
  ])('%s', (_, bytes, message) => {
    expect(() => io.parseOnnx(bytes, 'm.onnx')).toThrow(message);
    expect(() => io.parseOnnx(bytes, 'm.onnx')).toThrow(/^m\.onnx: /);
  });

  it('every cut of a file is an error, and none of another kind', () => {
    const bytes = model([float, (w) => head('b', 6, [2])(w).packedInts(5, [1, 2])]);
    for (let end = 0; end < bytes.length; end++) {
      try {
        io.parseOnnx(bytes.subarray(0, end));
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_DATA' });
      }
    }
  });
});

const mse = ({ x, y }: { x: Tensor; y: Tensor }, m: nn.Sequential): Tensor => loss.mse(m.forward(x), y);

describe('Trainer.load', () => {
  it('takes what another one has exported: the same weights and predictions, to the bit', async () => {
    const x = { data: Float32Array.from({ length: 96 }, (_, i) => Math.sin(i * i)), shape: [16, 6] };
    const y = { data: Float32Array.from({ length: 32 }, (_, i) => Math.cos(i)), shape: [16, 2] };
    const made = (seed: number): Trainer<nn.Sequential> =>
      new Trainer({
        model: new nn.Sequential(
          new nn.Linear(6, 64),
          new nn.BatchNorm1d(64),
          new nn.GELU(),
          new nn.LayerNorm(64),
          new nn.Linear(64, 2),
        ),
        loss: mse,
        optimizer: optim.adamw({ lr: 0.01 }),
        preprocess: { x: preprocess.standardize().fit(x), y: preprocess.standardize().fit(y) },
        seed,
      });
    using first = made(1);
    using second = made(2);
    first.fitSync({ x, y }, { epochs: 3, batchSize: 4 });
    for (const externalData of [false, true]) {
      await first.exportOnnx(at('first.onnx'), { inputs: x, externalData });
      second.fitSync({ x, y }, { epochs: 1, batchSize: 8 });
      expect(second.predictSync(x).data).not.toEqual(first.predictSync(x).data);
      // How many batches the norm has seen is of no use to a prediction, and not in the file.
      expect(await second.load(at('first.onnx'))).toEqual({ missing: ['1.num_batches_tracked'], extra: [] });
      expect(second.readParametersSync()).toEqual(first.readParametersSync());
      expect(second.predictSync(x).data).toEqual(first.predictSync(x).data);
      expect(second.counters.step).toBe(0);
    }
    const bytes = readFileSync(at('first.onnx'));
    await expect(second.load(bytes)).rejects.toThrow(/<bytes>: .*its values lie in another file/);
    await expect(second.fit({ x, y }, { resume: at('first.onnx') })).rejects.toThrow(/got weights only: load takes those/);
  });

  it('says what a file lacks, and takes what others call otherwise', async () => {
    using trainer = new Trainer({
      model: new nn.Sequential(new nn.Linear(3, 4), new nn.Linear(4, 2)),
      loss: mse,
      optimizer: optim.sgd({ lr: 0.1 }),
    });
    const data = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    const keras = model([
      raw('dense/kernel', 1, [4, 2], data),
      raw('dense/bias', 1, [2], Float32Array.of(9, 10)),
      raw('shape', 7, [1], BigInt64Array.of(-1n)),
    ]);
    await expect(trainer.load(keras)).rejects.toThrow(/missing 0\.weight, 0\.bias, .*; extra dense\/kernel, dense\/bias, shape/);
    const rename = { 'dense/kernel': '1.weight', 'dense/bias': '1.bias', shape: null };
    const found = await trainer.load(keras, { strict: false, rename, transpose: ['dense/kernel'] });
    expect(found).toEqual({ missing: ['0.weight', '0.bias'], extra: [] });
    expect([...trainer.readParametersSync().get('1.weight')!.data]).toEqual([1, 3, 5, 7, 2, 4, 6, 8]);
    writeFileSync(at('keras.onnx'), keras);
    await expect(io.readSafetensors(at('keras.onnx'))).rejects.toThrow(
      /got a model in ONNX: io\.readOnnx and Trainer\.load read its weights/,
    );
  });
});
