// zip.ts: zip archives: stored and deflated, with sizes of 32 and 64 bits, in front of and behind what other tools add, and such as lie.
import { crc32, deflateRawSync } from 'node:zlib';
import type { Random } from '../../torture/random.ts';
import { data, le, lengthOf, type Part, text } from './parts.ts';
import { anyText } from './text.ts';

/** A file in an archive as its list tells it. */
export interface Entry {
  readonly name: string;
  readonly content: Uint8Array;
  readonly method: number;
  readonly packed: Uint8Array;
  readonly flags: number;
  /** Sizes of 64 bits, in the extra field. */
  readonly long: boolean;
  /** Its list entry tells the place of the entry before it. */
  readonly shared: boolean;
  readonly size: number;
}

export function entry(r: Random, name: string, content: Uint8Array): Entry {
  const method = r.pick([0, 8]);
  const packed = method === 0 ? content : deflateRawSync(content, { level: r.pick([1, 6, 9]) });
  return { name, content, method, packed, flags: r.pick([0, 0x800]), long: r.chance(0.2), shared: false, size: content.length };
}

/** Local headers with the data, the list, the end. */
export function zip(r: Random, entries: readonly Entry[]): Part[] {
  const parts: Part[] = r.chance(0.05) ? [data(Buffer.from('#!/bin/sh\n'))] : [];
  const list: Part[] = [];
  let before = lengthOf(parts);
  let last = before;
  for (const e of entries) {
    const at = e.shared ? last : before;
    last = at;
    const crc = crc32(e.content);
    const sizes = e.long ? [le(0xffffffff, 4), le(0xffffffff, 4)] : [le(e.packed.length, 4), le(e.size, 4)];
    const long = e.long ? [le(1, 2), le(16, 2), le(e.size, 8), le(e.packed.length, 8)] : [];
    const common = [le(20, 2), le(e.flags, 2), le(e.method, 2), le(0, 4), le(crc, 4), ...sizes];
    const names = [le(Buffer.byteLength(e.name), 2), le(lengthOf(long), 2)];
    if (!e.shared) parts.push(le(0x04034b50, 4), ...common, ...names, text(e.name), ...long, data(e.packed));
    list.push(
      le(0x02014b50, 4),
      le(20, 2),
      ...common,
      ...names,
      le(0, 2),
      le(0, 2),
      le(0, 2),
      le(0, 4),
      le(at, 4),
      text(e.name),
      ...long,
    );
    before = lengthOf(parts);
  }
  const [start, length, count] = [before, lengthOf(list), entries.length];
  const comment = r.chance(0.1) ? Buffer.from(anyText(r, 30)) : new Uint8Array(0);
  const long = r.chance(0.15);
  const end64 = long
    ? [
        ...[
          le(0x06064b50, 4),
          le(44, 8),
          le(45, 2),
          le(45, 2),
          le(0, 4),
          le(0, 4),
          le(count, 8),
          le(count, 8),
          le(length, 8),
          le(start, 8),
        ],
        ...[le(0x07064b50, 4), le(0, 4), le(start + length, 8), le(1, 4)],
      ]
    : [];
  const short = long
    ? [le(0xffff, 2), le(0xffff, 2), le(0xffffffff, 4), le(0xffffffff, 4)]
    : [le(count, 2), le(count, 2), le(length, 4), le(start, 4)];
  return [...parts, ...list, ...end64, le(0x06054b50, 4), le(0, 2), le(0, 2), ...short, le(comment.length, 2), data(comment)];
}

/** Entries that lie. @param extension of their names */
export function lying(r: Random, entries: readonly Entry[], extension: string): readonly Entry[] {
  const at = r.between(0, Math.max(0, entries.length - 1));
  const change = (now: Partial<Entry>): readonly Entry[] => entries.map((e, i) => (i === at ? { ...e, ...now } : e));
  const size = entries[at]?.size ?? 0;
  switch (r.between(0, 7)) {
    case 0:
      return [...entries, ...entries];
    case 1:
      return change({ size: r.pick([0, size - 1, size + 1, size * 1000, 2 ** 31, 2 ** 40]) });
    case 2:
      return change({ method: r.pick([0, 1, 8, 9, 12, 99]) });
    case 3:
      return change({ flags: r.pick([1, 8, 0x41, 0xffff]) });
    case 4:
      return change({
        name: r.pick([anyText(r, 20), '', extension, `../../a${extension}`, `__proto__${extension}`, 'a'.repeat(60_000)]),
      });
    case 5:
      return change({ content: Buffer.from('another'), packed: entries[at]?.packed ?? new Uint8Array(0) });
    case 6:
      return Array.from({ length: r.chance(0.05) ? 2000 : r.pick([2, 20]) }, (_, i) => ({
        ...(entries[at] ?? entry(r, '', new Uint8Array(1))),
        name: `${i}${extension}`,
        shared: i > 0,
      }));
    default:
      return change({ packed: (entries[at]?.packed ?? new Uint8Array(0)).subarray(r.between(0, 10)) });
  }
}
