// hostile-arrays.test.ts: npy, npz and idx files as strangers may make them: limits, shared bytes, bombs, and other files in their place.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Pace } from '../../lib/io/file/pace.ts';
import { parseIdx, parseNpy, parseNpz, readIdx, readNpy, readNpz } from '../../lib/io/index.ts';
import { MAX_NPY_HEADER, MAX_RANK } from '../../lib/io/limits.ts';
import { bytesOf, failure } from './kit.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-arrays-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let made = 0;
function save(bytes: Uint8Array | string): string {
  const path = join(folder, String(made++));
  writeFileSync(path, bytes);
  return path;
}

/** A .npy file with this dictionary. */
function npyOf(dictionary: string, data: Uint8Array = Buffer.alloc(0), version = 1): Buffer {
  const wide = version > 1;
  const head = Buffer.alloc(wide ? 12 : 10);
  head.write('\x93NUMPY', 'latin1');
  head[6] = version;
  if (wide) head.writeUInt32LE(dictionary.length, 8);
  else head.writeUInt16LE(dictionary.length, 8);
  return Buffer.concat([head, Buffer.from(dictionary), data]);
}
const npy = (
  shape: readonly number[],
  data: NodeJS.ArrayBufferView,
  { descr = '|u1', fortran = false, version = 1 } = {},
): Buffer => {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const order = fortran ? 'True' : 'False';
  return npyOf(`{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${tuple}, }\n`, bytesOf(data), version);
};

describe('npy', () => {
  const four = Uint8Array.of(1, 2, 3, 4);
  it.each([1, 2, 3])('of version %i', (version) => {
    expect(parseNpy(npy([4], four, { version }))).toEqual({ dtype: 'u8', shape: [4], data: four });
  });
  it('of no other version', () => {
    for (const version of [0, 4, 255]) {
      expect(failure(() => parseNpy(npy([4], four, { version }))).message).toMatch(/expected format 1, 2 or 3/);
    }
  });

  it.each<[string, NodeJS.ArrayBufferView, string, number[]]>([
    ['|b1', Uint8Array.of(0, 1), 'u8', [0, 1]],
    ['|i1', Int8Array.of(-128, 127), 'i32', [-128, 127]],
    ['<i2', Int16Array.of(-32768, 2), 'i32', [-32768, 2]],
    ['>u2', Uint8Array.of(1, 2, 255, 255), 'i32', [258, 65535]],
    ['>i4', Uint8Array.of(255, 255, 255, 254, 0, 0, 1, 0), 'i32', [-2, 256]],
    ['<u4', Uint32Array.of(0, 2 ** 31 - 1), 'i32', [0, 2 ** 31 - 1]],
    ['<i8', BigInt64Array.of(-(2n ** 31n), 5n), 'i32', [-(2 ** 31), 5]],
    ['>u8', Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 9), 'i32', [256, 9]],
    ['<f2', Uint16Array.of(0x3c00, 0xc000), 'f32', [1, -2]],
    ['>f4', Uint8Array.of(0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0), 'f32', [1, -2]],
    ['<f8', Float64Array.of(0.1, -2), 'f64', [0.1, -2]],
  ])('%s', (descr, raw, dtype, values) => {
    const got = parseNpy(npy([2], raw, { descr }));
    expect([got.dtype, [...got.data]]).toEqual([dtype, values]);
  });
  it.each<[string, NodeJS.ArrayBufferView, RegExp]>([
    ['|b1', Uint8Array.of(0, 2), /value 1: expected a boolean, 0 or 1, got 2/],
    ['<u4', Uint32Array.of(0, 2 ** 31), /value 1: expected a whole number within i32, got 2147483648/],
    ['<u8', BigUint64Array.of(0n, 2n ** 64n - 1n), /value 1: .*got 18446744073709551615/],
    ['toString', Uint8Array.of(0, 0), /expected numbers or booleans/],
  ])('%s is not believed', (descr, raw, message) => {
    expect(failure(() => parseNpy(npy([2], raw, { descr }))).message).toMatch(message);
  });

  it('has at most 64 dimensions, in any order', () => {
    const shape = [2, 3, ...new Array<number>(MAX_RANK - 2).fill(1)];
    const rows = Uint8Array.of(0, 1, 2, 3, 4, 5);
    const columns = Uint8Array.of(0, 3, 1, 4, 2, 5);
    expect(parseNpy(npy(shape, rows)).data).toEqual(rows);
    expect(parseNpy(npy(shape, columns, { fortran: true })).data).toEqual(rows);
    for (const rank of [MAX_RANK + 1, 20_000]) {
      const many = npy(new Array<number>(rank).fill(1), four.subarray(0, 1), { fortran: true });
      expect(failure(() => parseNpy(many)).message).toMatch(/expected at most 64 dimensions, got more/);
    }
  });

  it('has a header of at most 64 KiB', () => {
    const dictionary = "{'descr': '|u1', 'fortran_order': False, 'shape': (4,)}";
    expect(parseNpy(npyOf(dictionary.padEnd(MAX_NPY_HEADER), four, 2)).data).toEqual(four);
    expect(failure(() => parseNpy(npyOf(dictionary.padEnd(MAX_NPY_HEADER + 1), four, 2))).message).toMatch(
      /header of at most 65536 bytes, got 65537/,
    );
  });

  it('has a dictionary, however it is written', () => {
    for (const text of [
      `{"shape":(2,2,),"fortran_order":False,"descr":"|u1"}`,
      `  {  'fortran_order' : False , 'descr' : '|u1' , 'shape' : ( 2L , 2L ) , }  \n`,
    ]) {
      expect(parseNpy(npyOf(text, four)).shape).toEqual([2, 2]);
    }
    expect(parseNpy(npyOf("{'descr': '|u1', 'fortran_order': True, 'shape': ()}", four.subarray(0, 1))).shape).toEqual([]);
    for (const text of [
      "{'descr': '|u1', 'fortran_order': False, 'shape': (4,)} more",
      "{'descr': '|u1', 'fortran_order': False, 'shape': (4,)",
      "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (4,)}",
      "{'descr': '|u1' 'fortran_order': False, 'shape': (4,)}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': (4 4)}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': 4}",
      "{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (4,)}",
      "{'descr': '|u1', 'fortran_order': 0, 'shape': (4,)}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': (-4,)}",
    ]) {
      expect(failure(() => parseNpy(npyOf(text, four))).message).toMatch(
        /expected descr of one number each, fortran_order and shape/,
      );
    }
    const huge = "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}";
    expect(failure(() => parseNpy(npyOf(huge, four))).message).toMatch(/a shape that makes no sense/);
  });

  it('has a dictionary that is read once, whatever it holds', () => {
    const exec = vi.spyOn(RegExp.prototype, 'exec');
    onTestFinished(() => exec.mockRestore());
    const tokens = (unit: string, times: number): number => {
      exec.mockClear();
      failure(() => parseNpy(npyOf(unit.repeat(times), four)));
      return exec.mock.calls.length;
    };
    for (const unit of ["{'descr':'", "'descr':", '{', ' ', "{'a':'b',", '(1,', "'"]) {
      expect(tokens(unit, 4000)).toBeLessThanOrEqual(8 * Math.max(8, tokens(unit, 500)));
    }
  });

  it('and its bytes are bounded, and read in turns', async () => {
    const file = save(npy([1 << 10, 1 << 8], new Uint8Array(1 << 18), { fortran: true, descr: '|i1' }));
    await expect(readNpy(file, { maxBytes: 1000 })).rejects.toThrow(/at most 1000 bytes \(option maxBytes\)/);
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => {
      now += 4;
      return now;
    });
    const turn = vi.spyOn(Pace.prototype, 'turn');
    onTestFinished(() => void vi.restoreAllMocks());
    expect((await readNpy(file)).shape).toEqual([1 << 10, 1 << 8]);
    // 16 parts of decoding and 8 of reordering at least.
    expect(turn.mock.calls.length).toBeGreaterThanOrEqual(8);
  });
});

interface Packed {
  readonly name: string;
  readonly content: Uint8Array;
  readonly deflate?: boolean;
  /** Beside what is right. */
  readonly flags?: number;
  readonly method?: number;
  readonly size?: number;
  readonly at?: number;
  readonly localName?: string;
  /** Sizes are behind the bytes, as whoever writes a stream has them. */
  readonly streamed?: boolean;
  readonly long?: boolean;
}

/** A zip archive. */
function zip(files: readonly Packed[], { count = files.length, comment = '', disk = 0, long = false } = {}): Buffer {
  const parts: Buffer[] = [];
  const list: Buffer[] = [];
  let at = 0;
  const add = (to: Buffer[], part: Buffer): void => {
    to.push(part);
    if (to === parts) at += part.length;
  };
  for (const f of files) {
    const packed = f.deflate ? deflateRawSync(f.content) : Buffer.from(f.content);
    const [crc, size] = [crc32(f.content), f.size ?? f.content.length];
    const flags = (f.flags ?? 0) | (f.streamed ? 8 : 0);
    const method = f.method ?? (f.deflate ? 8 : 0);
    const begin = at;
    const local = Buffer.alloc(30);
    const localName = Buffer.from(f.localName ?? f.name);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(flags, 6);
    local.writeUInt16LE(method, 8);
    if (!f.streamed) {
      local.writeUInt32LE(crc, 14);
      local.writeUInt32LE(packed.length, 18);
      local.writeUInt32LE(size, 22);
    }
    local.writeUInt16LE(localName.length, 26);
    for (const part of [local, localName, packed]) add(parts, part);
    if (f.streamed) {
      const descriptor = Buffer.alloc(16);
      descriptor.writeUInt32LE(0x08074b50, 0);
      descriptor.writeUInt32LE(crc, 4);
      descriptor.writeUInt32LE(packed.length, 8);
      descriptor.writeUInt32LE(size, 12);
      add(parts, descriptor);
    }
    const name = Buffer.from(f.name);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(flags, 8);
    entry.writeUInt16LE(method, 10);
    entry.writeUInt32LE(crc, 16);
    entry.writeUInt32LE(f.long ? 0xffffffff : packed.length, 20);
    entry.writeUInt32LE(f.long ? 0xffffffff : size, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(f.at ?? begin, 42);
    add(list, entry);
    add(list, name);
    if (!f.long) continue;
    const extra = Buffer.alloc(20);
    entry.writeUInt16LE(extra.length, 30);
    extra.writeUInt16LE(1, 0);
    extra.writeUInt16LE(16, 2);
    extra.writeBigUInt64LE(BigInt(size), 4);
    extra.writeBigUInt64LE(BigInt(packed.length), 12);
    add(list, extra);
  }
  const whole = Buffer.concat([...parts, ...list]);
  const end64 = Buffer.alloc(long ? 56 + 20 : 0);
  if (long) {
    end64.writeUInt32LE(0x06064b50, 0);
    end64.writeBigUInt64LE(BigInt(count), 32);
    end64.writeBigUInt64LE(BigInt(at), 48);
    end64.writeUInt32LE(0x07064b50, 56);
    end64.writeBigUInt64LE(BigInt(whole.length), 64);
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(disk, 4);
  end.writeUInt16LE(long ? 0xffff : count, 10);
  end.writeUInt32LE(long ? 0xffffffff : at, 16);
  end.writeUInt16LE(Buffer.byteLength(comment), 20);
  return Buffer.concat([whole, end64, end, Buffer.from(comment)]);
}

describe('npz', () => {
  const x = npy([4], Uint8Array.of(1, 2, 3, 4));
  const values = { dtype: 'u8', shape: [4], data: Uint8Array.of(1, 2, 3, 4) };
  const two: readonly Packed[] = [
    { name: 'x.npy', content: x },
    { name: 'y.npy', content: x, deflate: true },
  ];
  const both = new Map([
    ['x', values],
    ['y', values],
  ]);

  it.each<[string, Buffer]>([
    ['stored and deflated', zip(two)],
    ['with sizes behind the bytes', zip(two.map((f) => ({ ...f, streamed: true })))],
    [
      'with sizes of 64 bits',
      zip(
        two.map((f) => ({ ...f, long: true })),
        { long: true },
      ),
    ],
    ['with a comment', zip(two, { comment: 'by hand' })],
    ['with a comment that looks like an end', zip(two, { comment: `${zip([]).toString('latin1')}more` })],
  ])('%s', async (_, bytes) => {
    expect(parseNpz(bytes)).toEqual(both);
    expect(await readNpz(save(bytes))).toEqual(both);
  });

  const shared = zip([
    { name: 'x.npy', content: x },
    { name: 'x.npy', content: x, at: 0 },
  ]);
  it.each<[string, Buffer, RegExp]>([
    ['one block for two names', renamed(shared, 'y.npy'), /y\.npy has another name in its own header/],
    ['one name twice', zip([two[0]!, two[0]!]), /two files have the name x\.npy/],
    ['a file within another', within(), /inner\.npy shares bytes with the file before it/],
    ['a password', zip([{ ...two[0]!, flags: 1 }]), /x\.npy is encrypted: unpack it/],
    ['another method', zip([{ ...two[0]!, method: 14 }]), /packed by method 14/],
    ['another name in its header', zip([{ ...two[0]!, localName: 'z.npy' }]), /x\.npy has another name in its own header/],
    ['a size that cannot be', zip([{ ...two[1]!, size: 2 ** 31 }]), /cannot unpack to 2147483648/],
    ['a size that is too small', zip([{ ...two[1]!, size: 10 }]), /y\.npy: corrupt data/],
    ['a size that is too large', zip([{ ...two[1]!, size: x.length + 1 }]), /y\.npy: damaged/],
    ['the last of many parts', zip(two, { disk: 3 }), /got the last of its parts/],
    ['more files than there are', zip(two, { count: 3 }), /expected entry 2 of 3 of the archive's list/],
    ['a million files', zip(two, { count: 1_000_000, long: true }), /at most 100000 files in the archive, got 1000000/],
    ['more files than can be counted', zip(two, { count: 2 ** 53, long: true }), /a size of 9007199254740992/],
    ['a long name', zip([{ name: 'n'.repeat(5000), content: x }]), /a name of at most 4096 bytes, got 5000/],
    ['bytes after its end', Buffer.concat([zip(two), Buffer.alloc(1)]), /expected a zip archive with its list at the end/],
  ])('refuses %s', async (_, bytes, message) => {
    const error = failure(() => parseNpz(bytes, 'a.npz'));
    expect(error.message).toMatch(message);
    expect(error.details).toMatchObject({ file: 'a.npz' });
    await expect(readNpz(save(bytes))).rejects.toThrow(message);
  });

  it('refuses a file whose bytes go into the list', () => {
    const bytes = zip([{ name: 'x.npy', content: x }]);
    const list = bytes.readUInt32LE(bytes.length - 22 + 16);
    for (const at of [20, 24]) bytes.writeUInt32LE(x.length + 30, list + at);
    expect(failure(() => parseNpz(bytes)).message).toMatch(/x\.npy shares bytes with the archive's list/);
  });

  it('unpacks to at most maxBytes, and says so before it unpacks', async () => {
    const zeros = npy([1 << 20], new Uint8Array(1 << 20));
    const bomb = zip([
      { name: 'a.npy', content: zeros, deflate: true },
      { name: 'b.npy', content: zeros, deflate: true },
    ]);
    expect(bomb.length).toBeLessThan(1 << 12);
    const most = 2 * zeros.length;
    expect(parseNpz(bomb, 'a.npz', { maxBytes: most }).size).toBe(2);
    const message = /b\.npy: the files before it and it unpack to \d+ bytes, expected at most \d+ \(option maxBytes\)/;
    expect(failure(() => parseNpz(bomb, 'a.npz', { maxBytes: most - 1 })).message).toMatch(message);
    await expect(readNpz(save(bomb), { maxBytes: most - 1 })).rejects.toThrow(message);
    await expect(readNpz(save(bomb), { maxBytes: 100 })).rejects.toThrow(/at most 100 bytes \(option maxBytes\), got \d+$/);
  });

  it('what is not asked for does not matter', async () => {
    const objects = npy([1], Uint8Array.of(0), { descr: '|O' });
    const mixed = zip([{ name: 'readme.txt', content: Buffer.from('text') }, { name: 'o.npy', content: objects }, ...two]);
    expect(await readNpz(save(mixed), { arrays: ['y', 'x'] })).toEqual(both);
    expect(parseNpz(mixed, 'a', { arrays: ['x'] })).toEqual(new Map([['x', values]]));
    await expect(readNpz(save(mixed), { arrays: ['z'] })).rejects.toThrow(
      /no array has the name "z"; there are readme\.txt, o, x, y/,
    );
    expect(failure(() => parseNpz(mixed, 'a', { arrays: ['o'] })).message).toMatch(/a: o\.npy: .*got dtype "\|O"/);
  });

  /** Its last entry has this name of the same length, in the list alone. */
  function renamed(bytes: Buffer, name: string): Buffer {
    const copy = Buffer.from(bytes);
    copy.write(name, copy.length - 22 - name.length);
    return copy;
  }
  /** A file whose bytes are another file with its header, as archives are made that unpack to far more than they should. */
  function within(): Buffer {
    const inner = zip([{ name: 'inner.npy', content: x }]);
    const local = inner.subarray(0, inner.readUInt32LE(inner.length - 22 + 16));
    return zip([
      { name: 'outer.npy', content: local },
      { name: 'inner.npy', content: x, at: 30 + 'outer.npy'.length },
    ]);
  }
});

describe('idx', () => {
  const idx = (shape: readonly number[], data: Uint8Array): Buffer => {
    const head = Buffer.alloc(4 + 4 * shape.length);
    head.set([0, 0, 8, shape.length]);
    for (const [i, d] of shape.entries()) head.writeUInt32BE(d, 4 + 4 * i);
    return Buffer.concat([head, data]);
  };
  it('has at most 64 dimensions', () => {
    const shape = new Array<number>(MAX_RANK).fill(1);
    expect(parseIdx(idx(shape, Uint8Array.of(7)))).toEqual({ dtype: 'u8', shape, data: Uint8Array.of(7) });
    expect(failure(() => parseIdx(idx([...shape, 1], Uint8Array.of(7)))).message).toMatch(/at most 64 dimensions, got 65/);
  });
  it('unpacks to at most maxBytes', async () => {
    const packed = save(gzipSync(idx([1 << 20], new Uint8Array(1 << 20))));
    expect((await readIdx(packed, { maxBytes: (1 << 20) + 8 })).shape).toEqual([1 << 20]);
    await expect(readIdx(packed, { maxBytes: 1 << 20 })).rejects.toThrow(
      /expected 1048584 bytes .*, the file has at most 1048576/,
    );
    // No more memory is taken than that, whatever the header says.
    const lie = save(gzipSync(Buffer.concat([idx([2 ** 31], new Uint8Array(0)), Buffer.alloc(1 << 21)])));
    await expect(readIdx(lie, { maxBytes: 1 << 20 })).rejects.toThrow(/the file has at most 1048576/);
  });
});

describe('another file in its place is named', () => {
  const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d\n';
  it.each([
    ['npy', readNpy, /expected a \.npy file.*, got a Git LFS pointer: run git lfs pull/],
    ['npz', readNpz, /expected a zip archive.*, got a Git LFS pointer: run git lfs pull/],
    ['idx', readIdx, /expected an IDX file.*, got a Git LFS pointer: run git lfs pull/],
  ] as const)('%s', async (_, read, message) => {
    await expect(read(save(pointer))).rejects.toThrow(message);
    await expect(read(save('<!DOCTYPE html>'))).rejects.toThrow(/got a web page/);
    await expect(read(save(Buffer.from([0x80, 2, 0x8a, 0x0a])))).rejects.toThrow(/got a pickle/);
    await expect(read(folder)).rejects.toThrow(/got a folder/);
  });
  it('one for the other, and empty ones', async () => {
    await expect(readNpy(save(zip([{ name: 'x.npy', content: npy([1], Uint8Array.of(1)) }])))).rejects.toThrow(
      /got a zip archive: of arrays: io\.readNpz/,
    );
    await expect(readNpz(save(npy([1], Uint8Array.of(1))))).rejects.toThrow(/got a \.npy file: io\.readNpy/);
    await expect(readNpy(save(gzipSync(npy([1], Uint8Array.of(1)))))).rejects.toThrow(/got a gzip file: unpack it first/);
    for (const read of [readNpy, readNpz]) await expect(read(save(''))).rejects.toThrow(/got an empty file/);
    await expect(readIdx(save(''))).rejects.toThrow(/ends after 0 bytes/);
  });
});
