// bytes.ts: changes of bytes that know nothing of what they mean, and files of other kinds.
import { gzipSync } from 'node:zlib';
import type { Random } from '../../torture/random.ts';

const INTERESTING = [0, 1, 9, 10, 13, 26, 27, 32, 34, 39, 44, 45, 58, 91, 92, 123, 125, 0x7f, 0x80, 0xc0, 0xe2, 0xef, 0xfe, 0xff];

/** One to eight changes anywhere. */
export function havoc(r: Random, bytes: Uint8Array): Uint8Array {
  let out = bytes;
  for (let n = r.between(1, r.pick([1, 2, 8])); n > 0; n--) out = once(r, out);
  return out;
}

function once(r: Random, bytes: Uint8Array): Uint8Array {
  const at = r.between(0, bytes.length);
  const length = r.between(0, Math.min(bytes.length - at, r.pick([1, 4, 16, 256])));
  const cut = (middle: Uint8Array, dropped: number): Uint8Array =>
    Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(at + dropped)]);
  switch (r.between(0, 8)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return cut(new Uint8Array(0), length);
    case 2:
      return cut(
        Uint8Array.from({ length: r.between(1, 8) }, () => r.word()),
        0,
      );
    case 3: {
      const from = r.between(0, bytes.length);
      return cut(bytes.subarray(from, from + r.pick([1, 4, 16, 256])), r.chance(0.5) ? length : 0);
    }
    case 4:
      return cut(new Uint8Array(r.pick([1, 8, 300, 5000])).fill(r.pick(INTERESTING)), 0);
    case 5:
      return Buffer.concat([bytes, r.chance(0.5) ? bytes : other(r)]);
    case 6:
      return cut(other(r).subarray(0, r.pick([2, 4, 8, 64])), length);
    case 7:
      return cut(Uint8Array.of(r.pick(INTERESTING)), 1);
    default: {
      if (at === bytes.length) return bytes;
      const out = Uint8Array.from(bytes);
      out[at]! ^= 1 << r.between(0, 7);
      return out;
    }
  }
}

const hex = (digits: string): Uint8Array => Buffer.from(digits, 'hex');

/** What lies in folders beside data and weights. */
const OTHERS: readonly Uint8Array[] = [
  new Uint8Array(0),
  new Uint8Array(1),
  new Uint8Array(4096),
  ...[
    'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n',
    '<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>You need to sign in.</body></html>\n',
    '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    'not a file of any kind\n',
    '{"a": [1, 2, {"b": null}]}',
    '[]',
    'null',
    '\ufeff{}',
    '\x1b]0;title\x07\x1b]52;c;aGk=\x07',
  ].map((text) => Buffer.from(text)),
  Buffer.from('\ufeffa,b\n1,2\n', 'utf16le'),
  // A pickle, a .pt (zip), PNG, HDF5, tar, bzip2, xz, zstd, ELF, PDF, GGUF, Parquet, Arrow.
  hex('80027d71005805000000776569676874710163746f7263680a'),
  hex('504b0304000008080000000000000000000000000000000000000000100012006172636869766500'),
  hex('89504e470d0a1a0a0000000d49484452'),
  hex('894844460d0a1a0a0000000000080800'),
  Buffer.concat([Buffer.from('weights/'), new Uint8Array(249), Buffer.from('ustar\x0000'), new Uint8Array(248)]),
  ...['425a6839314159265359', 'fd377a585a000004', '28b52ffd0400', '7f454c46020101', '255044462d312e37', '4747554603000000'].map(
    hex,
  ),
  ...['50415231', '4152524f5731', '934e554d5059', '0000', '00000803', 'efbbbf', 'fffe', 'feff', '1f8b', '504b0506'].map(hex),
  gzipSync(''),
  gzipSync('a,b\n1,2\n'),
  gzipSync(gzipSync('1\n')),
];

export const other = (r: Random): Uint8Array => r.pick(OTHERS);
