// compare.ts: whether two outcomes are the same: bit for bit, but a NaN equals a NaN whatever its sign and payload.
import { createHash } from 'node:crypto';
import type { Data } from '../../lib/ir/op.ts';
import type { Outcome } from './train.ts';

/** A hash for each thing that came of a run: what is sent between processes. */
export type Digest = ReadonlyMap<string, string>;

export function digestOf(outcome: Outcome): Digest {
  return new Map([...outcome].map(([name, value]) => [name, typeof value === 'string' ? value : hashOf(value)]));
}

/** Of bits, but that all NaN are one. */
export function hashOf(data: Data): string {
  const alike = data.some((v) => Number.isNaN(v)) ? data.map((v) => (Number.isNaN(v) ? Number.NaN : v)) : data;
  return createHash('sha1')
    .update(new Uint8Array(alike.buffer, alike.byteOffset, alike.byteLength))
    .digest('base64');
}

// What a run may lack that another gives: synchronous ones tell the last step only, resumed ones are several.
const MAY_LACK = /^(step|result|counters|evaluate|predict)/;

/** Names of what differs. */
export function differences(plain: Digest, other: Digest, mayLack: RegExp | null = MAY_LACK): string[] {
  return [...plain]
    .filter(([name, hash]) => !(mayLack?.test(name) && !other.has(name)) && other.get(name) !== hash)
    .map(([name]) => name);
}

/** Where two values that differ do so first, in words. */
export function firstDifference(a: unknown, b: unknown): string {
  if (typeof a === 'string' || typeof b === 'string') return `${a ?? 'nothing'} and ${b ?? 'nothing'}`;
  const [x, y] = [a, b] as [ArrayLike<number> | undefined, ArrayLike<number> | undefined];
  if (!x || !y) return `${x ? 'some' : 'nothing'} and ${y ? 'some' : 'nothing'}`;
  for (let i = 0; i < x.length; i++) {
    if (!Object.is(x[i], y[i])) return `${x[i]} and ${y[i]} at ${i} of ${x.length}`;
  }
  return 'another length, or the same when run again';
}
