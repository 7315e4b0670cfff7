// safetensors.test.ts: the format against bytes made by hand, round trips, strictness, and that a write never leaves half a file.
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { DataError } from '../../lib/errors.ts';
import {
  inspectSafetensors,
  parseSafetensors,
  readSafetensors,
  serializeSafetensors,
  writeSafetensors,
} from '../../lib/io/arrays/safetensors.ts';
import type { TensorData } from '../../lib/io/file/file.ts';
import { failure } from './kit.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-safetensors-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A file as the format describes it: 8 bytes of length, JSON, data. */
function file(header: unknown, data: Uint8Array | number = 0): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, typeof data === 'number' ? Buffer.alloc(data) : data]);
}

const f32 = (begin: number, end: number, shape = [(end - begin) / 4]) => ({ dtype: 'F32', shape, data_offsets: [begin, end] });

describe('golden bytes', () => {
  test('a file with each dtype', () => {
    const data = Buffer.alloc(8 + 16 + 4 + 4 + 4 + 4 + 3);
    data.writeDoubleLE(-1.5, 0);
    data.writeBigInt64LE(-7n, 8);
    data.writeBigInt64LE(2147483647n, 16);
    data.writeFloatLE(0.1, 24);
    data.writeInt32LE(-123456, 28);
    data.writeUInt16LE(0x3c01, 32); // 1 + 2^-10
    data.writeUInt16LE(0x8001, 34); // -2^-24, the smallest subnormal
    data.writeUInt16LE(0x3f80, 36); // 1
    data.writeUInt16LE(0xff80, 38); // -infinity
    data.set([0, 128, 255], 40);
    const { tensors, metadata } = parseSafetensors(
      file(
        {
          __metadata__: { format: 'pt' },
          f64: { dtype: 'F64', shape: [], data_offsets: [0, 8] },
          i64: { dtype: 'I64', shape: [2], data_offsets: [8, 24] },
          f32: { dtype: 'F32', shape: [1, 1], data_offsets: [24, 28] },
          i32: { dtype: 'I32', shape: [1], data_offsets: [28, 32] },
          f16: { dtype: 'F16', shape: [2], data_offsets: [32, 36] },
          bf16: { dtype: 'BF16', shape: [2], data_offsets: [36, 40] },
          u8: { dtype: 'U8', shape: [3], data_offsets: [40, 43] },
          none: { dtype: 'F32', shape: [0, 5], data_offsets: [43, 43] },
        },
        data,
      ),
    );
    expect(metadata).toEqual({ format: 'pt' });
    expect(Object.fromEntries(tensors)).toEqual({
      f64: { dtype: 'f64', shape: [], data: new Float64Array([-1.5]) },
      i64: { dtype: 'i32', shape: [2], data: new Int32Array([-7, 2147483647]) },
      f32: { dtype: 'f32', shape: [1, 1], data: new Float32Array([0.1]) },
      i32: { dtype: 'i32', shape: [1], data: new Int32Array([-123456]) },
      f16: { dtype: 'f32', shape: [2], data: new Float32Array([1 + 2 ** -10, -(2 ** -24)]) },
      bf16: { dtype: 'f32', shape: [2], data: new Float32Array([1, Number.NEGATIVE_INFINITY]) },
      u8: { dtype: 'u8', shape: [3], data: new Uint8Array([0, 128, 255]) },
      none: { dtype: 'f32', shape: [0, 5], data: new Float32Array(0) },
    });
  });

  test('all 65,536 halves', () => {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const bytes = file({ h: { dtype: 'F16', shape: [65536], data_offsets: [0, 131072] } }, new Uint8Array(bits.buffer));
    const got = parseSafetensors(bytes).tensors.get('h')!.data;
    let previous = -1;
    for (let i = 0; i < 0x7c00; i++) {
      const value = got[i] as number;
      // Positive halves grow with their bits, by one unit of the last place: 2^-24 below 2^-14, then 2^-10 of the power of two.
      expect(value - previous).toBe(i === 0 ? 1 : 2 ** (Math.max(1, (i - 1) >> 10) - 25));
      previous = value;
      if (!Object.is(got[i + 0x8000], -value)) throw new Error(`half ${i}: sign`);
    }
    expect(got[0x7c00]).toBe(Number.POSITIVE_INFINITY);
    expect(got.slice(0x7c01, 0x8000).every(Number.isNaN)).toBe(true);
  });

  test('what is written', () => {
    const bytes = serializeSafetensors(
      {
        a: { dtype: 'u8', shape: [3], data: new Uint8Array([1, 2, 3]) },
        b: { dtype: 'f64', shape: [], data: new Float64Array([2]) },
      },
      { by: 'gradclip' },
    );
    // The f64 comes first in the data, so that it is aligned; the header keeps the caller's order.
    const json =
      '{"__metadata__":{"by":"gradclip"},"a":{"dtype":"U8","shape":[3],"data_offsets":[8,11]},"b":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}';
    const padded = json.padEnd(Math.ceil(json.length / 8) * 8, ' ');
    const data = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0x40, 1, 2, 3]);
    expect(Buffer.from(bytes)).toEqual(file(padded, data));
  });

  test('any names and metadata survive', () => {
    const tensors = new Map<string, TensorData>(
      ['1', '__proto__', 'constructor', 'ü"\\\n', ''].map((name, i) => [
        name,
        { dtype: 'u8', shape: [1], data: new Uint8Array([i]) },
      ]),
    );
    const metadata = JSON.parse('{"__proto__":"x","k":"\\u2028"}') as Record<string, string>;
    const back = parseSafetensors(serializeSafetensors(tensors, metadata));
    expect(new Map(back.tensors)).toEqual(tensors);
    expect(Object.entries(back.metadata)).toEqual(Object.entries(metadata));
  });
});

describe('refused', () => {
  const refused: [string, Uint8Array, RegExp][] = [
    ['an empty file', Buffer.alloc(0), /offset 0: expected a safetensors file, got an empty file/],
    ['7 bytes', Buffer.alloc(7), /expected 8 bytes/],
    [
      'a header longer than the file',
      Buffer.from([9, 0, 0, 0, 0, 0, 0, 0, 123, 125]),
      /expected a header of 9 bytes, the file has 2/,
    ],
    [
      'a header length of 2^63',
      Buffer.from([0, 0, 0, 0, 0, 0, 0, 0x80, 123, 125]),
      /at most 100000000 bytes, got 9223372036854775808/,
    ],
    ['no JSON', file('{"a":3'), /offset 13: tensor "a": expected an object/],
    ['half of JSON', file('{"a"'), /offset 12: the header is not JSON in UTF-8: expected ":", it ends/],
    ['an array', file('[]'), /begin with \{/],
    ['white space first', file(' {}'), /begin with \{/],
    ['bad UTF-8', file('{"a\xff":1}').fill(0xff, 11, 12), /not JSON in UTF-8/],
    [
      'a key twice',
      file(`{"a":${JSON.stringify(f32(0, 4))},"a":${JSON.stringify(f32(0, 4))}}`, 4),
      /offset 66: .* key "a" twice/,
    ],
    [
      'a key twice, spelled otherwise',
      file(`{"a":${JSON.stringify(f32(0, 4))},"\\u0061":${JSON.stringify(f32(0, 4))}}`, 4),
      /"a" twice/,
    ],
    ['a field twice', file('{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4), /key "dtype" twice/],
    ['metadata of numbers', file({ __metadata__: { a: 1 } }), /__metadata__.a to be a string/],
    ['metadata as array', file({ __metadata__: [] }), /__metadata__ to be an object/],
    ['a tensor that is no object', file({ a: 3 }), /tensor "a": expected an object/],
    ['no dtype', file({ a: { shape: [1], data_offsets: [0, 4] } }, 4), /expected dtype/],
    [
      'a dtype not read here',
      file({ a: { dtype: 'C64', shape: [1], data_offsets: [0, 8] } }, 8),
      /tensor "a": expected dtype .*got C64/,
    ],
    ['a dtype named as a method', file({ a: { dtype: 'toString', shape: [1], data_offsets: [0, 8] } }, 8), /got toString/],
    ['a negative dimension', file({ a: f32(0, 4, [-1]) }, 4), /shape/],
    ['a fraction as dimension', file({ a: f32(0, 4, [0.5]) }, 4), /shape/],
    ['sizes that overflow', file({ a: f32(0, 0, [2 ** 52, 2 ** 52, 2 ** 52]) }), /expected .* bytes/],
    ['a shape of other size', file({ a: f32(0, 4, [2]) }, 4), /expected 8 bytes for F32\[2\], got 4/],
    ['an end before the begin', file({ a: f32(4, 0, [0]) }, 4), /data_offsets/],
    ['a hole', file({ a: f32(0, 4), b: f32(8, 12) }, 12), /tensor "b" leaves 4 bytes unused/],
    ['a hole at the start', file({ a: f32(4, 8) }, 8), /tensor "a" leaves 4/],
    ['an overlap', file({ a: f32(0, 8), b: f32(4, 12) }, 12), /tensor "b" overlaps/],
    ['the same bytes twice', file({ a: f32(0, 8), b: f32(0, 8) }, 8), /overlaps/],
    ['bytes left over', file({ a: f32(0, 4) }, 5), /expected the file to end at/],
    ['data cut short', file({ a: f32(0, 8) }, 7), /expected the file to end at/],
    [
      'an I64 that is no i32',
      file({ a: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, Buffer.alloc(8, 1)),
      /element 0 of I64: expected a whole number within i32, got 7234/,
    ],
  ];
  test.each(refused)('%s', (_, bytes, message) => {
    const error = failure(() => parseSafetensors(bytes, 'x.safetensors'));
    expect(error.message).toMatch(message);
    expect(error.details).toMatchObject({ file: 'x.safetensors', offset: expect.any(Number) });
  });
  test.each(refused)('%s, from disk', async (_, bytes, message) => {
    const path = join(folder, 'refused.safetensors');
    writeFileSync(path, bytes);
    await expect(readSafetensors(path)).rejects.toThrow(message);
  });

  test('data that does not fit, before anything is written', () => {
    const bad = (t: unknown) => failure(() => serializeSafetensors({ w: t as TensorData }));
    expect(bad({ dtype: 'f32', shape: [3], data: new Float32Array(2) }).message).toMatch(
      /"w": expected 3 elements for \[3\], got 2/,
    );
    expect(bad({ dtype: 'f32', shape: [2], data: new Float64Array(2) }).message).toMatch(/expected Float32Array for dtype f32/);
    expect(bad({ dtype: 'f16', shape: [2], data: new Float32Array(2) }).message).toMatch(/known dtype/);
    expect(bad({ dtype: '__proto__', shape: [2], data: new Float32Array(2) }).message).toMatch(/known dtype/);
    for (const shape of [[-1, -2], [0.5, 4], ['2'], [2n]]) {
      expect(bad({ dtype: 'f32', shape, data: new Float32Array(2) }).message).toMatch(/a shape of whole numbers/);
    }
  });
});

const tensor = fc
  .record({ dtype: fc.constantFrom('f32', 'f64', 'i32', 'u8'), shape: fc.array(fc.nat(4), { maxLength: 3 }), seed: fc.integer() })
  .map(({ dtype, shape, seed }): TensorData => {
    const array = { f32: Float32Array, f64: Float64Array, i32: Int32Array, u8: Uint8Array }[dtype]!;
    const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => seed / (i + 1));
    return { dtype: dtype as TensorData['dtype'], shape, data: new array(values) };
  });
const files = fc.tuple(
  fc.dictionary(fc.string(), tensor, { maxKeys: 5 }).filter((d) => !('__metadata__' in d)),
  fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
);

describe('properties', () => {
  test('parse undoes serialize, and data lies aligned', () => {
    fc.assert(
      fc.property(files, ([tensors, metadata]) => {
        const bytes = serializeSafetensors(tensors, metadata);
        const back = parseSafetensors(bytes);
        expect([...back.tensors]).toEqual(Object.entries(tensors));
        expect(Object.entries(back.metadata)).toEqual(Object.entries(metadata));
        expect(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) % 8).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  test('a changed byte gives tensors or a DataError, nothing else', () => {
    fc.assert(
      fc.property(files, fc.nat(), fc.nat(255), fc.boolean(), ([tensors, metadata], where, value, cut) => {
        const bytes = Buffer.from(serializeSafetensors(tensors, metadata));
        const at = where % bytes.length;
        if (!cut) bytes[at] = value;
        try {
          parseSafetensors(cut ? bytes.subarray(0, at) : bytes);
          if (cut) throw new Error('a shortened file was accepted');
        } catch (e) {
          if (!(e instanceof DataError)) throw e;
        }
      }),
      { numRuns: 1500 },
    );
  });
});

describe('files', () => {
  const weights = { w: { dtype: 'f32', shape: [2, 3], data: new Float32Array([1, 2, 3, 4, 5, 6]) } } as const;

  test('written, inspected, read back', async () => {
    const path = join(folder, 'weights.safetensors');
    await writeSafetensors(path, weights, { seed: '7' });
    const header = await inspectSafetensors(path);
    expect(header.metadata).toEqual({ seed: '7' });
    expect(header.entries).toEqual([
      { name: 'w', dtype: 'F32', shape: [2, 3], begin: expect.any(Number), end: expect.any(Number) },
    ]);
    expect(Object.fromEntries((await readSafetensors(path)).tensors)).toEqual(weights);
  });

  test('a dtype that cannot be read can be inspected', async () => {
    const path = join(folder, 'f8.safetensors');
    writeFileSync(path, file({ q: { dtype: 'F8_E4M3', shape: [3], data_offsets: [0, 3] } }, 3));
    expect((await inspectSafetensors(path)).entries[0]).toMatchObject({ name: 'q', dtype: 'F8_E4M3', shape: [3] });
    await expect(readSafetensors(path)).rejects.toThrow(/tensor "q": expected dtype .*, got F8_E4M3/);
  });

  test('a missing file is a DataError with its cause', async () => {
    const path = join(folder, 'absent.safetensors');
    const error = await readSafetensors(path).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error).toMatchObject({
      code: 'ERR_DATA',
      message: `${path}: no such file`,
      details: { file: path },
      cause: { code: 'ENOENT' },
    });
    await expect(readSafetensors(folder)).rejects.toThrow(/expected a regular file/);
  });

  test('a failed write leaves what was there and no temporary file', async () => {
    const inside = join(folder, 'inside');
    mkdirSync(inside);
    const path = join(inside, 'model.safetensors');
    await writeSafetensors(path, weights);
    const before = readFileSync(path);
    await expect(writeSafetensors(path, { w: { ...weights.w, shape: [7] } })).rejects.toThrow(DataError);
    // A folder in the way makes the rename fail, after all bytes are written.
    mkdirSync(join(inside, 'taken', 'full'), { recursive: true });
    await expect(writeSafetensors(join(inside, 'taken'), weights)).rejects.toThrow(DataError);
    await expect(writeSafetensors(join(inside, 'no', 'folder'), weights)).rejects.toThrow(/there is no folder/);
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(inside).sort()).toEqual(['model.safetensors', 'taken']);
  });

  test('writing through a symbolic link changes the file, not the link', async () => {
    const path = join(folder, 'real.safetensors');
    writeFileSync(path, 'old');
    chmodSync(path, 0o600);
    symlinkSync(path, join(folder, 'link.safetensors'));
    await writeSafetensors(join(folder, 'link.safetensors'), weights);
    expect((await readSafetensors(path)).tensors.get('w')!.data).toEqual(weights.w.data);
  });
});
