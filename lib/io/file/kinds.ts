// kinds.ts: what a file is that lies in place of another, by its first bytes, and what to do about it.

import { MAX_HEADER } from '../limits.ts';

interface Kind {
  /** What it is, as after "got". */
  readonly name: string;
  /** What to do. */
  readonly cure: string;
  readonly is: (head: Buffer, text: string) => boolean;
  /** It is a text, which may be meant where any text is. */
  readonly text?: true;
}

const begins =
  (...bytes: readonly number[]): Kind['is'] =>
  (head) =>
    bytes.every((byte, i) => head[i] === byte);

const ZIP = begins(0x50, 0x4b, 0x03, 0x04);
const PNG = begins(0x89, 0x50, 0x4e, 0x47);

const TO_SAFETENSORS = 'in Python, torch.load reads it and safetensors.torch.save_file writes the weights for here';

/** Tags of what follows in a model of ONNX: its makers, versions, a text, the graph, the operators. */
const AFTER: readonly number[] = [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42];

/** A model in ONNX: the version of the format, and a field after it; no safetensors file with a header of such a length. */
export function isOnnx(head: Uint8Array): boolean {
  const [tag, version, next] = head as unknown as [number, number, number];
  return tag === 0x08 && version >= 3 && version < 0x40 && AFTER.includes(next) && head[8] !== 0x7b;
}

const KINDS: readonly Kind[] = [
  {
    name: 'a Git LFS pointer',
    cure: 'run git lfs pull where it was cloned, to get the file itself',
    is: (_, text) => text.startsWith('version https://git-lfs.github.com/spec/'),
  },
  {
    name: 'text in UTF-32',
    cure: 'iconv -f utf-32 -t utf-8 converts it',
    is: (head) => begins(0xff, 0xfe, 0, 0)(head, '') || begins(0, 0, 0xfe, 0xff)(head, ''),
  },
  {
    name: 'text in UTF-16',
    cure: 'iconv -f utf-16 -t utf-8 converts it; spreadsheets save a CSV as UTF-8, too',
    is: (head) => begins(0xff, 0xfe)(head, '') || begins(0xfe, 0xff)(head, '') || everyOther(head, 0) || everyOther(head, 1),
  },
  {
    name: 'a web page',
    text: true,
    cure: 'download the file itself: on pages of repositories the link named raw, resolve or download',
    is: (_, text) => /^\s{0,64}<(!doctype|html|head|body|\?xml|!--)/i.test(text),
  },
  {
    name: 'a safetensors file',
    cure: 'io.readSafetensors and Trainer.load read it',
    is: (head) => head.length > 8 && head[8] === 0x7b && head.readBigUInt64LE(0) <= BigInt(MAX_HEADER),
  },
  { name: 'a model in ONNX', cure: 'io.readOnnx and Trainer.load read its weights', is: isOnnx },
  {
    name: 'JSON',
    text: true,
    cure: 'an index or a configuration has no weights or data: the file is named beside it; records are no table, write them as CSV',
    is: isJson,
  },
  {
    name: 'a spreadsheet (.xlsx, .ods)',
    cure: 'save the sheet as CSV',
    is: (head, text) => ZIP(head, text) && /\[Content_Types\]\.xml|^.{30}_rels\/|spreadsheet/s.test(text),
  },
  {
    name: 'a zip archive',
    cure: 'of arrays: io.readNpz reads it; of torch.save (.pt, .pth, .bin, .ckpt): io.readTorch and Trainer.load; of a table or a text: unpack it first',
    is: ZIP,
  },
  {
    name: 'a pickle of Python',
    cure: TO_SAFETENSORS,
    is: (head) => head[0] === 0x80 && head[1]! >= 2 && head[1]! <= 5 && head.length > 2,
  },
  { name: 'a gzip file', cure: 'unpack it first (gunzip)', is: begins(0x1f, 0x8b) },
  { name: 'a .npy file', cure: 'io.readNpy reads it', is: begins(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59) },
  {
    name: 'an HDF5 file, as Keras writes',
    cure: 'in Python, h5py reads it and safetensors.numpy.save_file writes the weights for here',
    is: begins(0x89, 0x48, 0x44, 0x46),
  },
  {
    name: 'a GGUF file',
    cure: 'its weights are packed for another program: take the safetensors file of the same model',
    is: (head, text) => text.startsWith('GGUF') && head[5] === 0,
  },
  {
    name: 'a Parquet file',
    cure: 'in Python, pandas.read_parquet reads it and to_csv or numpy.savez writes it for here',
    is: begins(0x50, 0x41, 0x52, 0x31, 0x15),
  },
  {
    name: 'an Arrow or Feather file',
    cure: 'in Python, pandas.read_feather reads it and to_csv or numpy.savez writes it for here',
    is: (_, text) => text.startsWith('ARROW1\0') || text.startsWith('FEA1\0'),
  },
  { name: 'an old spreadsheet (.xls)', cure: 'save the sheet as CSV', is: begins(0xd0, 0xcf, 0x11, 0xe0) },
  {
    name: 'an SQLite database',
    cure: 'sqlite3 -csv -header FILE "select * from TABLE" writes a table of it',
    is: (_, text) => text.startsWith('SQLite format 3\0'),
  },
  { name: 'a file packed with zstd', cure: 'unpack it first (unzstd)', is: begins(0x28, 0xb5, 0x2f, 0xfd) },
  { name: 'a file packed with xz', cure: 'unpack it first (unxz)', is: begins(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0) },
  { name: 'a file packed with bzip2', cure: 'unpack it first (bunzip2)', is: (_, text) => /^BZh[1-9]1AY&SY/.test(text) },
  { name: 'a tar archive', cure: 'unpack it first (tar -xf)', is: (head) => head.toString('latin1', 257, 262) === 'ustar' },
  { name: 'a PDF document', cure: 'take the data it is made of', is: (_, text) => text.startsWith('%PDF-') },
  {
    name: 'an image (PNG, JPEG)',
    cure: 'decode it to an array first',
    is: (head) => PNG(head, '') || begins(0xff, 0xd8, 0xff)(head, ''),
  },
];

/** Bytes that tell a kind. */
export const HEAD = 264;

/**
 * `a Git LFS pointer: run git lfs pull ...`; null where the bytes tell nothing.
 * @param bytes the first of the file, `HEAD` or all there are
 * @param expected what should be there, by its name here, or `a text`, which may be a page or JSON too, or empty: null where it is
 */
export function otherKind(bytes: Uint8Array, expected: string = ''): string | null {
  const anyText = expected === 'a text';
  if (bytes.length === 0) return anyText ? null : 'an empty file';
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, HEAD));
  const text = head.toString('latin1').replace(/^\xef\xbb\xbf/, '');
  // First bytes may be those of another kind by chance: of what is expected, they are not.
  if (KINDS.find(({ name }) => name === expected)?.is(head, text)) return null;
  const kind = KINDS.find(({ is, text: isText }) => !(anyText && isText) && is(head, text));
  return kind ? `${kind.name}: ${kind.cure}` : null;
}

/** As characters of ASCII are in UTF-16: each with a 0 before it, or after it. */
function everyOther(head: Buffer, zero: 0 | 1): boolean {
  const length = Math.min(head.length & ~1, 32);
  for (let i = 0; i < length; i++) if ((head[i] === 0) !== (i % 2 === zero)) return false;
  return length >= 8;
}

/** An object or list of something JSON has, and not a line of text in brackets. */
function isJson(_: Buffer, text: string): boolean {
  return /^\s{0,64}(\{\s{0,64}["}]|\[\s{0,64}[\][{"\d-])/.test(text);
}
