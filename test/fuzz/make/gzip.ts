// gzip.ts: bytes packed as gzip and as deflate, as many tools write it, wrongly written, and far larger unpacked than packed.
import { deflateRawSync, gzipSync } from 'node:zlib';
import type { Random } from '../../torture/random.ts';
import { havoc, other } from './bytes.ts';

/** Whole gzip: one member or two, of any level, with a name in its head or none. */
export function gzipped(r: Random, bytes: Uint8Array): Uint8Array {
  const level = r.pick([0, 1, 6, 9]);
  if (r.chance(0.1)) {
    const at = r.between(0, bytes.length);
    return Buffer.concat([gzipSync(bytes.subarray(0, at), { level }), gzipSync(bytes.subarray(at), { level })]);
  }
  const packed = gzipSync(bytes, { level });
  if (!r.chance(0.1)) return packed;
  // Flag 8: a name, that ends with a zero.
  const named = Uint8Array.from(packed.subarray(0, 10));
  named[3] = 8;
  return Buffer.concat([named, Buffer.from('name\0'), packed.subarray(10)]);
}

/** Broken in its head, its blocks, its checksum or its length, or followed by what is none. */
export function brokenGzip(r: Random, bytes: Uint8Array): Uint8Array {
  const packed = gzipped(r, bytes);
  const end = packed.length - 8;
  switch (r.between(0, 4)) {
    case 0:
      return packed.subarray(0, r.between(0, packed.length));
    case 1:
      return Buffer.concat([packed.subarray(0, end), Uint8Array.from({ length: 8 }, () => r.word())]);
    case 2:
      return Buffer.concat([packed, other(r)]);
    case 3:
      return Buffer.concat([packed.subarray(0, 10), havoc(r, packed.subarray(10))]);
    default:
      return havoc(r, packed);
  }
}

/** Sizes of what unpacks to more than a limit of 16 MiB, and just not. */
const LARGE = [1 << 20, (16 << 20) - 4096, (16 << 20) + 1, 40 << 20];
const packed = new Map<string, Uint8Array>();

/** `head`, and then `unit` again and again, up to a size of MiBs: packed, which takes a while once. */
export function bomb(r: Random, head: Uint8Array, unit: string): { readonly bytes: Uint8Array; readonly unpacked: number } {
  const size = r.pick(LARGE);
  return { bytes: Buffer.concat([gzipSync(head), repeated('gzip', unit, size)]), unpacked: head.length + size };
}

/** The same as deflate alone: zeros. */
export function deflatedZeros(size: number): Uint8Array {
  return repeated('deflate', '\0', size);
}

function repeated(how: 'gzip' | 'deflate', unit: string, size: number): Uint8Array {
  const key = `${how} ${size} ${unit}`;
  let found = packed.get(key);
  if (!found) {
    const plain = Buffer.alloc(size, unit);
    found = how === 'gzip' ? gzipSync(plain, { level: 1 }) : deflateRawSync(plain, { level: 1 });
    packed.set(key, found);
  }
  return found;
}
