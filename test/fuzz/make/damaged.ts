// damaged.ts: a file that is no longer what it was: parts changed, bytes changed, or another file in its place.
import type { Random } from '../../torture/random.ts';
import { havoc, other } from './bytes.ts';
import { brokenGzip, gzipped } from './gzip.ts';
import { changed, joined, type Part } from './parts.ts';

export function damaged(r: Random, parts: readonly Part[]): Uint8Array {
  const kind = r.unit();
  if (kind < 0.03) return other(r);
  if (kind < 0.06) return Buffer.concat([joined(parts).subarray(0, r.between(0, 16)), other(r)]);
  if (kind < 0.2) return havoc(r, joined(parts));
  const bytes = joined(changed(r, parts));
  return kind < 0.28 ? havoc(r, bytes) : bytes;
}

/** Packed or not, whole or not. @returns the bytes, and whether the packing is whole */
export function perhapsGzipped(r: Random, bytes: Uint8Array, broken: boolean): Uint8Array {
  if (r.chance(0.6)) return bytes;
  return broken && r.chance(0.5) ? brokenGzip(r, bytes) : gzipped(r, bytes);
}
