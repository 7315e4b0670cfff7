// npy.test.ts: files that numpy has written (golden/io/make_npy.py), and one clear error for each that is malformed.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DataError } from '../../lib/errors.ts';
import { parseNpy, parseNpz, readNpy, readNpz } from '../../lib/io/index.ts';

interface Golden {
  readonly npy: Readonly<Record<string, { file: string; shape: number[]; values: (number | string)[] }>>;
  readonly npz: Readonly<Record<'stored' | 'deflated', string>>;
  readonly refused: Readonly<Record<string, string>>;
}
const golden = JSON.parse(readFileSync('test/golden/io/npy.json', 'utf8')) as Golden;
const bytes = (base64: string): Buffer => Buffer.from(base64, 'base64');
const number = (v: number | string): number => (typeof v === 'number' ? v : v === 'inf' ? Infinity : -Infinity);

const DTYPES: Readonly<Record<string, string>> = {
  f8: 'f64',
  'big f8': 'f64',
  u1: 'u8',
  bool: 'u8',
  i1: 'i32',
  u2: 'i32',
  'big i2': 'i32',
  i4: 'i32',
  u4: 'i32',
  i8: 'i32',
  u8: 'i32',
  fortran: 'i32',
};

it.each(Object.keys(golden.npy))('npy: %s', (name) => {
  const { file, shape, values } = golden.npy[name]!;
  const got = parseNpy(bytes(file));
  expect(got.dtype).toBe(DTYPES[name] ?? 'f32');
  expect(got.shape).toEqual(shape);
  expect([...got.data]).toEqual(values.map(number));
});

describe('npz', () => {
  it('arrays by name, stored and deflated', () => {
    for (const how of ['stored', 'deflated'] as const) {
      const arrays = parseNpz(bytes(golden.npz[how]));
      expect(arrays.get('x')).toEqual(parseNpy(bytes(golden.npy.f4!.file)));
      expect(arrays.get('labels')).toEqual(parseNpy(bytes(golden.npy.u1!.file)));
      expect([...arrays.keys()]).toEqual(how === 'stored' ? ['x', 'labels'] : ['x', 'labels', 'long']);
    }
  });

  it('from files', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gradclip-npy-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'a.npy'), bytes(golden.npy.f8!.file));
    writeFileSync(join(folder, 'a.npz'), bytes(golden.npz.deflated));
    expect([...(await readNpy(join(folder, 'a.npy'))).data]).toEqual(golden.npy.f8!.values);
    expect((await readNpz(join(folder, 'a.npz'))).get('long')!.data.length).toBe(3000);
    await expect(readNpy(join(folder, 'b.npy'))).rejects.toThrow(/b\.npy: no such file/);
    await expect(readNpz(join(folder, 'a.npy'))).rejects.toThrow(/expected a zip archive/);
  });
});

describe('one clear error', () => {
  it.each([
    ['objects', /expected numbers or booleans, got dtype "\|O"/],
    ['texts', /got dtype "<U2"/],
    ['complex', /got dtype "<c16"/],
    ['records', /expected descr of one number each/],
    ['too large', /value 1: expected a whole number within i32, got 1099511627776/],
  ])('%s', (name, message) => {
    expect(() => parseNpy(bytes(golden.refused[name]!), 'a.npy')).toThrow(DataError);
    expect(() => parseNpy(bytes(golden.refused[name]!), 'a.npy')).toThrow(message);
  });

  it('a file that is cut, too long, or another', () => {
    const file = bytes(golden.npy.f4!.file);
    expect(() => parseNpy(file.subarray(0, -1))).toThrow(/expected 24 bytes for \[2,3\] of <f4, got 23/);
    expect(() => parseNpy(Buffer.concat([file, file]))).toThrow(/expected 24 bytes/);
    expect(() => parseNpy(file.subarray(0, 40))).toThrow(/expected a header of \d+ bytes/);
    expect(() => parseNpy(Buffer.from('PK'))).toThrow(/expected a \.npy file/);
    const zip = bytes(golden.npz.deflated);
    expect(() => parseNpz(zip.subarray(0, -30))).toThrow(/expected a zip archive/);
  });

  it('whatever is changed in a file: an array or a DataError, nothing else', () => {
    for (const [parse, file] of [
      [parseNpy, bytes(golden.npy.fortran!.file)],
      [parseNpz, bytes(golden.npz.stored)],
      [parseNpz, bytes(golden.npz.deflated)],
    ] as const) {
      fc.assert(
        fc.property(fc.nat(file.length - 1), fc.nat(255), fc.nat(file.length), (at, byte, length) => {
          const changed = Buffer.from(file.subarray(0, length > at ? length : file.length));
          changed[at] = byte;
          try {
            parse(changed);
          } catch (error) {
            expect(error).toBeInstanceOf(DataError);
          }
        }),
        { numRuns: 500 },
      );
    }
  });

  it('a changed byte of the data does not pass the checksum', () => {
    const file = bytes(golden.npz.stored);
    const at = file.indexOf(Buffer.from(Float32Array.of(1.25).buffer));
    file[at]! ^= 1;
    expect(() => parseNpz(file, 'a.npz')).toThrow(/a\.npz: offset \d+: x\.npy: damaged, its checksum is another/);
  });
});
