// image.ts: what the headers of a file of machine code say: for which system and processor it is, whether it is whole, and what it needs.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

export interface Image {
  /** As Node.js calls it: linux, darwin, win32. */
  readonly platform: string;
  /** As Node.js calls them; a file of macOS may be for several. */
  readonly archs: readonly string[];
  /** Bytes that the headers count on: of ELF files, whose tail nobody checks before it is used. */
  readonly bytes: number;
  /** What starts a program, and the libraries that are loaded with the file (ELF). */
  readonly interpreter: string | null;
  readonly needed: readonly string[];
}

/** Reads bytes of a file; fewer where it ends. */
type Read = (offset: number, length: number) => Buffer;

const ELF: Readonly<Record<number, string>> = {
  3: 'ia32',
  8: 'mips',
  20: 'ppc',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
  258: 'loong64',
};
const MACH: Readonly<Record<number, string>> = { 7: 'ia32', 16777223: 'x64', 16777228: 'arm64' };
const PE: Readonly<Record<number, string>> = { 332: 'ia32', 34404: 'x64', 43620: 'arm64' };

/** Null where the file is none of ELF, Mach-O and PE. Throws what the system says where it cannot be read. */
export function imageOf(file: string): Image | null {
  const fd = openSync(file, 'r');
  try {
    const size = fstatSync(fd).size;
    const read: Read = (offset, length) => {
      // Headers of a broken file may name any place.
      const buffer = Buffer.alloc(Math.max(0, Math.min(length, size - offset)));
      return buffer.subarray(0, buffer.length > 0 ? readSync(fd, buffer, 0, buffer.length, offset) : 0);
    };
    return elf(read) ?? mach(read) ?? pe(read);
  } catch (error) {
    // An offset beyond the end of what is there.
    if (error instanceof RangeError) return null;
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** One that is no program of 64 bits names its processor alone. */
function elf(read: Read): Image | null {
  const head = read(0, 64);
  if (head.length < 20 || head.readUInt32BE(0) !== 0x7f454c46) return null;
  const little = head[5] === 1;
  const machine = little ? head.readUInt16LE(18) : head.readUInt16BE(18);
  const image = { platform: 'linux', archs: [ELF[machine] ?? `machine ${machine}`], bytes: 64, interpreter: null, needed: [] };
  if (!little || head[4] !== 2 || head.length < 64) return image;
  const [programs, sections] = [Number(head.readBigUInt64LE(32)), Number(head.readBigUInt64LE(40))];
  const [entry, count] = [head.readUInt16LE(54), head.readUInt16LE(56)];
  const table = read(programs, entry * count);
  const parts = Array.from({ length: Math.floor(table.length / entry) || 0 }, (_, i) => {
    const at = (field: number): number => Number(table.readBigUInt64LE(i * entry + field));
    return { type: table.readUInt32LE(i * entry), offset: at(8), address: at(16), bytes: at(32) };
  });
  const named = parts.find(({ type }) => type === 3);
  const ends = [programs + entry * count, sections + head.readUInt16LE(58) * head.readUInt16LE(60)];
  return {
    ...image,
    bytes: Math.max(...ends, ...parts.map(({ offset, bytes }) => offset + bytes)),
    interpreter: named ? textAt(read, named.offset) : null,
    needed: neededOf(read, parts),
  };
}

interface Part {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly bytes: number;
}

/** The libraries that the dynamic section names: pairs of a tag and a value, which is a place in the table of strings. */
function neededOf(read: Read, parts: readonly Part[]): string[] {
  const dynamic = parts.find(({ type }) => type === 2);
  if (!dynamic) return [];
  const table = read(dynamic.offset, dynamic.bytes);
  const entries = Array.from({ length: table.length >> 4 }, (_, i) => ({
    tag: Number(table.readBigUInt64LE(16 * i)),
    value: Number(table.readBigUInt64LE(16 * i + 8)),
  }));
  const strings = entries.find(({ tag }) => tag === 5)?.value ?? 0;
  const loaded = parts.find(({ type, address, bytes }) => type === 1 && strings >= address && strings < address + bytes);
  if (!loaded) return [];
  const start = loaded.offset + strings - loaded.address;
  return entries.filter(({ tag }) => tag === 1).map(({ value }) => textAt(read, start + value));
}

function textAt(read: Read, offset: number): string {
  const bytes = read(offset, 256);
  const end = bytes.indexOf(0);
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
}

function mach(read: Read): Image | null {
  const head = read(0, 8 + 20 * 8);
  if (head.length < 8) return null;
  const image = (types: readonly number[]): Image => ({
    platform: 'darwin',
    archs: types.map((type) => MACH[type] ?? `processor ${type}`),
    bytes: 0,
    interpreter: null,
    needed: [],
  });
  if (head.readUInt32LE(0) === 0xfeedfacf) return image([head.readUInt32LE(4)]);
  // Several in one file. A Java class has the same first bytes, and then a number that is larger.
  const count = head.readUInt32BE(4);
  if (head.readUInt32BE(0) !== 0xcafebabe || count > 8 || head.length < 8 + 20 * count) return null;
  return image(Array.from({ length: count }, (_, i) => head.readUInt32BE(8 + 20 * i)));
}

function pe(read: Read): Image | null {
  const head = read(0, 64);
  if (head.length < 64 || head.toString('latin1', 0, 2) !== 'MZ') return null;
  const at = read(head.readUInt32LE(60), 6);
  if (at.length < 6 || at.toString('latin1', 0, 4) !== 'PE\0\0') return null;
  const machine = at.readUInt16LE(4);
  return { platform: 'win32', archs: [PE[machine] ?? `machine ${machine}`], bytes: 0, interpreter: null, needed: [] };
}
