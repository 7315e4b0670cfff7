// parts.ts: a binary file as a list of parts that say what they are, so that a change meets a length, a text or data, and not just a byte.
import type { Random } from '../../torture/random.ts';
import { havoc } from './bytes.ts';
import { disturbed } from './text.ts';

/** A piece of a file. A number says how it is written, a text that it is one. */
export interface Part {
  readonly kind: 'le' | 'be' | 'text' | 'data';
  readonly bytes: Uint8Array;
}

export const le = (value: number | bigint, width: number): Part => ({ kind: 'le', bytes: written(value, width) });
export const be = (value: number | bigint, width: number): Part => ({ kind: 'be', bytes: written(value, width).reverse() });
export const text = (value: string): Part => ({ kind: 'text', bytes: Buffer.from(value) });
export const data = (bytes: Uint8Array): Part => ({ kind: 'data', bytes });

export function joined(parts: readonly Part[]): Uint8Array {
  return Buffer.concat(parts.map((p) => p.bytes));
}

export const lengthOf = (parts: readonly Part[]): number => parts.reduce((sum, p) => sum + p.bytes.length, 0);

/** Whole numbers at which readers err. */
export const EDGES: readonly bigint[] = [
  ...[0n, 1n, 2n, 7n, 8n, 64n, 65n, 255n, 256n, 0x7fffn, 0x8000n, 0xffffn, 0x10000n],
  ...[0x7fffffffn, 0x80000000n, 0xffffffffn, 0x100000000n, (1n << 53n) - 1n, 1n << 53n, (1n << 53n) + 1n],
  ...[(1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n],
];

/** One to three changes. */
export function changed(r: Random, parts: readonly Part[]): readonly Part[] {
  let out = parts;
  for (let n = r.between(1, 3); n > 0 && out.length > 0; n--) out = changedOnce(r, out);
  return out;
}

function changedOnce(r: Random, parts: readonly Part[]): readonly Part[] {
  const at = r.between(0, parts.length - 1);
  const with_ = (...now: Part[]): readonly Part[] => [...parts.slice(0, at), ...now, ...parts.slice(at + 1)];
  const part = parts[at]!;
  switch (r.between(0, 9)) {
    case 0:
      return with_();
    case 1:
      return with_(part, part);
    case 2: {
      const other = parts[r.between(0, parts.length - 1)]!;
      return with_(other);
    }
    case 3: {
      const rest = with_();
      const to = r.between(0, rest.length);
      return [...rest.slice(0, to), part, ...rest.slice(to)];
    }
    case 4:
      return parts.slice(0, at);
    default:
      return with_(otherwise(r, part));
  }
}

/** The part with another value. */
function otherwise(r: Random, part: Part): Part {
  const { kind, bytes } = part;
  if (kind === 'text') return { kind, bytes: Buffer.from(disturbed(r, Buffer.from(bytes).toString('latin1')), 'latin1') };
  if (kind === 'data') return { kind, bytes: havoc(r, bytes) };
  const width = bytes.length;
  const value = numberIn(part);
  const near = BigInt(r.between(-2, 2));
  const now = r.pick([r.pick(EDGES), value + near, value * 2n, value / 2n, r.pick(EDGES) + near, BigInt(r.word())]);
  return kind === 'le' ? le(now, width) : be(now, width);
}

function numberIn({ kind, bytes }: Part): bigint {
  const order = kind === 'le' ? [...bytes].reverse() : [...bytes];
  return order.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
}

/** Little-endian; what does not fit is cut. */
function written(value: number | bigint, width: number): Uint8Array {
  const out = new Uint8Array(width);
  const put = (from: number, word: number): void => {
    for (let i = 0; i < 4 && from + i < width; i++) out[from + i] = word >>> (8 * i);
  };
  if (typeof value === 'bigint') {
    put(0, Number(value & 0xffffffffn));
    put(4, Number((value >> 32n) & 0xffffffffn));
  } else {
    put(0, value % 2 ** 32);
    put(4, Math.floor(value / 2 ** 32));
  }
  return out;
}
