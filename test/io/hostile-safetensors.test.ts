// hostile-safetensors.test.ts: what a safetensors file may hold beside what is asked for, its limits on both sides, and other files in its place.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { DataError } from '../../lib/errors.ts';
import {
  inspectSafetensors,
  parseSafetensors,
  readSafetensors,
  serializeSafetensors,
  writeSafetensors,
} from '../../lib/io/arrays/safetensors.ts';
import type { TensorData } from '../../lib/io/file/file.ts';
import { JsonCursor } from '../../lib/io/json-cursor.ts';
import { MAX_HEADER, MAX_METADATA, MAX_NAME, MAX_RANK, MAX_TENSORS } from '../../lib/io/limits.ts';
import { bytesOf, failure } from './kit.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-hostile-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

/** A file as the format describes it: 8 bytes of length, JSON, data. */
function file(header: unknown, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

/** Tensors of stored dtypes, one after the other. */
function stored(
  tensors: Readonly<Record<string, readonly [dtype: string, shape: readonly number[], bytes: Uint8Array]>>,
): Buffer {
  let begin = 0;
  const header = Object.entries(tensors).map(([name, [dtype, shape, bytes]]) => {
    const range = [begin, begin + bytes.length];
    begin += bytes.length;
    return [name, { dtype, shape, data_offsets: range }];
  });
  return file(Object.fromEntries(header), Buffer.concat(Object.values(tensors).map(([, , bytes]) => bytes)));
}

describe('dtypes', () => {
  const whole: readonly (readonly [
    string,
    NodeJS.ArrayBufferView & Iterable<number | bigint>,
    NodeJS.ArrayBufferView,
    string,
  ])[] = [
    ['I8', Int8Array.of(-128, 0, 127), Uint8Array.of(128), 'i32'],
    ['I16', Int16Array.of(-32768, 0, 32767), Int16Array.of(1), 'i32'],
    ['U16', Uint16Array.of(0, 1, 65535), Uint16Array.of(1), 'i32'],
    ['I32', Int32Array.of(-(2 ** 31), 0, 2 ** 31 - 1), Int32Array.of(1), 'i32'],
    ['U32', Uint32Array.of(0, 1, 2 ** 31 - 1), Uint32Array.of(2 ** 31), 'i32'],
    ['I64', BigInt64Array.of(-(2n ** 31n), 0n, 2n ** 31n - 1n), BigInt64Array.of(-(2n ** 31n) - 1n), 'i32'],
    ['U64', BigUint64Array.of(0n, 1n, 2n ** 31n - 1n), BigUint64Array.of(2n ** 64n - 1n), 'i32'],
    ['U8', Uint8Array.of(0, 1, 255), Uint8Array.of(1), 'u8'],
    ['BOOL', Uint8Array.of(0, 1, 1), Uint8Array.of(2), 'u8'],
  ];
  it.each(whole)('%s is read where it fits', (dtype, values, outside, as) => {
    const { tensors } = parseSafetensors(stored({ w: [dtype, [3], bytesOf(values)] }));
    expect(tensors.get('w')).toMatchObject({ dtype: as, shape: [3] });
    expect([...tensors.get('w')!.data]).toEqual(Array.from(values, Number));
    if (!['U32', 'I64', 'U64', 'BOOL'].includes(dtype)) return;
    const error = failure(() => parseSafetensors(stored({ w: [dtype, [1], bytesOf(outside)] })));
    expect(error.message).toMatch(new RegExp(`tensor "w": element 0 of ${dtype}: expected .*, got `));
    expect(error.details).toMatchObject({ tensor: 'w', offset: expect.any(Number) });
  });

  const w = Float32Array.of(1, 2);
  const rest = ['F8_E4M3', 'F8_E5M2', 'F8_E8M0', 'C64', 'F4', 'F6_E2M3', 'SOMETHING_NEW', 'toString'];
  const all = stored({
    ...Object.fromEntries(
      rest.map((dtype) => [
        dtype,
        [dtype, [8], new Uint8Array(dtype === 'C64' ? 64 : dtype === 'F4' ? 4 : dtype === 'F6_E2M3' ? 6 : 8)],
      ]),
    ),
    wide: ['I64', [1], bytesOf(BigInt64Array.of(2n ** 60n))],
    w: ['F32', [2], bytesOf(w)],
  });

  it('that are not asked for do not matter', async () => {
    writeFileSync(at('all'), all);
    const want = new Map([['w', { dtype: 'f32', shape: [2], data: w }]]);
    expect((await readSafetensors(at('all'), { tensors: ['w'] })).tensors).toEqual(want);
    expect(parseSafetensors(all, 'all', { tensors: ['w'] }).tensors).toEqual(want);
    expect((await inspectSafetensors(at('all'))).entries.map((e) => e.dtype)).toEqual([...rest, 'I64', 'F32']);
    await expect(readSafetensors(at('all'))).rejects.toThrow(
      /expected dtype F64, .*got F8_E4M3; option tensors names those to read/,
    );
    await expect(readSafetensors(at('all'), { tensors: ['w', 'wide'] })).rejects.toThrow(/"wide": element 0 of I64/);
    await expect(readSafetensors(at('all'), { tensors: ['w', 'v'] })).rejects.toThrow(/no tensor has the name "v"/);
  });

  it('of parts of bytes have the size that their bits have', () => {
    expect(failure(() => parseSafetensors(stored({ q: ['F4', [8], new Uint8Array(8)] }))).message).toMatch(
      /expected 4 bytes for F4\[8\], got 8/,
    );
  });
});

describe('the header', () => {
  const one = { dtype: 'U8', shape: [1], data_offsets: [0, 1] };
  it('may say that there are no metadata, and what nobody asks for', () => {
    const { tensors, metadata } = parseSafetensors(
      file({ __metadata__: null, w: { ...one, note: 'x', n: -1.5e3, no: null } }, Buffer.alloc(1)),
    );
    expect(metadata).toEqual({});
    expect([...tensors.keys()]).toEqual(['w']);
    const spaced = ' { "w" :\n{ "shape": [ ], "dtype" :\t"U8" ,"data_offsets":[ 0 , 1 ] } }  '.trimStart();
    expect(parseSafetensors(file(spaced, Buffer.alloc(1))).tensors.get('w')!.shape).toEqual([]);
  });

  it.each<[string, string, RegExp]>([
    ['what nests', `{"w":{"more":${'['.repeat(1_000_000)}`, /expected a text, a number, true, false or null, got "\["/],
    ['objects in objects', '{"w":'.repeat(200_000), /expected .*/],
    ['a text without an end', `{"${'x'.repeat(100)}`, /a text without an end/],
    ['a long name', `{"${'x'.repeat(1_000_000)}`, /a text of more than 4096 bytes/],
    ['a number with zeros', '{"w":{"shape":[01]}}', /shape to be an array of non-negative integers/],
    ['a number beyond 2^53', '{"w":{"shape":[9007199254740993]}}', /shape to be an array/],
    ['a number of a million digits', `{"w":{"shape":[${'9'.repeat(1_000_000)}]}}`, /shape to be an array/],
    ['a fraction', '{"w":{"data_offsets":[0.0,1]}}', /data_offsets to be \[begin, end\]/],
    ['more after the end', '{}{}', /expected the end, got "\{"/],
    ['a comma at the end', '{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},}', /expected a text, got "\}"/],
    ['a control character', '{"w\n":1}', /a control character \(10\) in a text/],
    ['an escape that is none', '{"w\\x":1}', /not JSON/],
    ['metadata twice', '{"__metadata__":{},"__metadata__":{}}', /key "__metadata__" twice/],
    ['a key of metadata twice', '{"__metadata__":{"a":"","\\u0061":""}}', /key "a" twice/],
    ['metadata of lists', '{"__metadata__":{"a":[]}}', /__metadata__\.a to be a string/],
  ])('refuses %s', (_, json, message) => {
    const error = failure(() => parseSafetensors(file(json, Buffer.alloc(1)), 'x'));
    expect(error.message).toMatch(message);
    expect(error.message.length).toBeLessThan(6000);
    expect(error.details).toMatchObject({ file: 'x', offset: expect.any(Number) });
  });

  it('is read once, whatever its size', () => {
    const spies = (['peek', 'text', 'wholes'] as const).map((method) => vi.spyOn(JsonCursor.prototype, method));
    onTestFinished(() => void vi.restoreAllMocks());
    const calls = (n: number): number => {
      for (const spy of spies) spy.mockClear();
      const tensors = Array.from({ length: n }, (_, i) => [`w${i}`, { dtype: 'U8', shape: [0], data_offsets: [0, 0] }]);
      parseSafetensors(file(Object.fromEntries(tensors)));
      return spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
    };
    const [few, many] = [calls(100), calls(800)];
    expect(few).toBeGreaterThan(500);
    expect(many).toBeLessThan(8 * few);
  });
});

describe('limits, of reading and writing alike', () => {
  const u8 = (shape: number[] = [1]): TensorData => ({ dtype: 'u8', shape, data: new Uint8Array(1) });
  const refused = (tensors: Record<string, TensorData>, metadata: Record<string, string>, message: RegExp): void => {
    expect(failure(() => serializeSafetensors(tensors, metadata)).message).toMatch(message);
  };

  it('of dimensions', () => {
    const shape = (n: number): number[] => new Array<number>(n).fill(1);
    expect(parseSafetensors(serializeSafetensors({ w: u8(shape(MAX_RANK)) })).tensors.get('w')!.shape.length).toBe(MAX_RANK);
    refused({ w: u8(shape(MAX_RANK + 1)) }, {}, /dimensions of "w": expected at most 64, got 65/);
    const read = stored({ w: ['U8', shape(MAX_RANK + 1), new Uint8Array(1)] });
    expect(failure(() => parseSafetensors(read)).message).toMatch(/shape .*at most 64 of them/);
  });

  it('of names, in bytes of JSON', () => {
    const name = 'ü"'.repeat(MAX_NAME / 4);
    expect([...parseSafetensors(serializeSafetensors({ [name]: u8() })).tensors.keys()]).toEqual([name]);
    refused({ [`${name}x`]: u8() }, {}, /bytes of the name "ü.*: expected at most 4096, got 4097/);
    expect(failure(() => parseSafetensors(stored({ [`${name}x`]: ['U8', [1], new Uint8Array(1)] }))).message).toMatch(
      /more than 4096 bytes/,
    );
  });

  it('of metadata: 20 MB are refused by save, and a text of quotes is read', async () => {
    const quotes = '"'.repeat((MAX_METADATA - 8) / 2);
    await writeSafetensors(at('quotes'), {}, { k: quotes });
    expect((await readSafetensors(at('quotes'))).metadata.k === quotes).toBe(true);
    refused({}, { k: `${quotes}"` }, /bytes of metadata: expected at most 16777216, got 16777218/);
    await expect(writeSafetensors(at('long'), {}, { k: 'x'.repeat(20e6) })).rejects.toThrow(/bytes of metadata/);
    expect(failure(() => parseSafetensors(file({ __metadata__: { k: `${quotes}"` } }))).message).toMatch(
      /at most 16777216 bytes of metadata/,
    );
  });

  it('a long text is read in pieces, wherever they end', () => {
    const unit = 'aü"\\\u{1f600}\n\ud800\u0001';
    for (let shift = 0; shift < 24; shift++) {
      const text = `${'x'.repeat(2 ** 17 - shift)}${unit.repeat(4)}${'y'.repeat(2 ** 17)}${unit}`;
      expect(parseSafetensors(serializeSafetensors({}, { text })).metadata.text === text, String(shift)).toBe(true);
      // As others may write it: everything escaped, or nothing that need not be.
      const escaped = Array.from(text.slice(-400 - 2 ** 17), (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join(
        '',
      );
      expect(
        parseSafetensors(file(`{"__metadata__":{"k":"${' '.repeat(shift)}${escaped}"}}`)).metadata.k!.length,
      ).toBeGreaterThan(2 ** 17);
    }
  });

  it('of tensors, and of the header', () => {
    const none: TensorData = { dtype: 'u8', shape: [0], data: new Uint8Array(0) };
    const many = new Map(Array.from({ length: MAX_TENSORS + 1 }, (_, i) => [String(i), none]));
    expect(failure(() => serializeSafetensors(many)).message).toMatch(/tensors: expected at most 100000, got 100001/);
    many.delete('0');
    const bytes = serializeSafetensors(many);
    expect(parseSafetensors(bytes).tensors.size).toBe(MAX_TENSORS);
    const length = Number(Buffer.from(bytes).readBigUInt64LE());
    const more = Buffer.from(bytes.subarray(8)).toString().replace('{', '{"0":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},');
    expect(length).toBeLessThan(MAX_HEADER);
    expect(failure(() => parseSafetensors(file(more))).message).toMatch(/at most 100000 tensors/);
    const huge = Buffer.alloc(16);
    huge.writeBigUInt64LE(BigInt(MAX_HEADER + 1));
    expect(failure(() => parseSafetensors(huge)).message).toMatch(/header of at most 100000000 bytes, got 100000001/);
  });

  it('of bytes, as option maxBytes says', async () => {
    await writeSafetensors(at('small'), { w: u8() });
    await expect(readSafetensors(at('small'), { maxBytes: 8 })).rejects.toThrow(/at most 8 bytes \(option maxBytes\)/);
    await expect(inspectSafetensors(at('small'), { maxBytes: 8 })).rejects.toThrow(/at most 8 bytes/);
    expect((await readSafetensors(at('small'), { maxBytes: 1000 })).tensors.size).toBe(1);
  });
});

describe('another file in its place is named, with the cure', () => {
  const others: readonly (readonly [string, Uint8Array | string, RegExp])[] = [
    ['pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:4d\n', /got a Git LFS pointer: run git lfs pull/],
    ['page', '<!doctype html>\n<html><body>Not found</body></html>', /got a web page: download the file itself/],
    ['index', '{"metadata": {"total_size": 1}, "weight_map": {}}', /got JSON/],
    ['model.pt', Buffer.from('PK\x03\x04\0\0\x08\x08archive/data.pkl'), /got a zip archive: .*io\.readTorch/],
    ['old.pt', Buffer.from([0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20]), /got a pickle of Python/],
    ['packed', gzipSync('x'), /got a gzip file: unpack it first/],
    ['empty', '', /got an empty file/],
  ];
  it.each(others)('%s', async (name, bytes, message) => {
    writeFileSync(at(name), bytes);
    for (const read of [readSafetensors, inspectSafetensors]) {
      const error = await read(at(name)).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(DataError);
      expect((error as DataError).message).toMatch(message);
      expect((error as DataError).details).toMatchObject({ file: at(name) });
    }
  });

  it('whose first bytes are those of a pickle by chance is none', () => {
    // A header of 0x0280 bytes.
    const bytes = file('{}'.padEnd(0x280));
    expect([...bytes.subarray(0, 2)]).toEqual([0x80, 2]);
    expect(parseSafetensors(bytes).tensors.size).toBe(0);
  });
});
