// kinds.ts: what a file is that lies in place of another, by its first bytes, and what to do about it.

import { MAX_HEADER } from './limits.ts';

interface Kind {
  /** What it is, as after "got". */
  readonly name: string;
  /** What to do. */
  readonly cure: string;
  readonly is: (head: Buffer, text: string) => boolean;
}

const begins =
  (...bytes: readonly number[]): Kind['is'] =>
  (head) =>
    bytes.every((byte, i) => head[i] === byte);

const TO_SAFETENSORS = 'in Python, torch.load reads it and safetensors.torch.save_file writes the weights for here';

const KINDS: readonly Kind[] = [
  {
    name: 'a Git LFS pointer',
    cure: 'run git lfs pull where it was cloned, to get the file itself',
    is: (_, text) => text.startsWith('version https://git-lfs.github.com/spec/'),
  },
  {
    name: 'a web page',
    cure: 'download the file itself: on pages of repositories the link named raw, resolve or download',
    is: (_, text) => /^\s{0,64}<(!doctype|html|head|body|\?xml|!--)/i.test(text),
  },
  {
    name: 'a safetensors file',
    cure: 'io.readSafetensors and Trainer.load read it',
    is: (head) => head.length > 8 && head[8] === 0x7b && head.readBigUInt64LE(0) <= BigInt(MAX_HEADER),
  },
  { name: 'JSON', cure: 'an index or a configuration has no weights or data: the file is named beside it', is: isJson },
  {
    name: 'a zip archive',
    cure: `of arrays: io.readNpz reads it; of torch.save (.pt, .pth, .bin, .ckpt): ${TO_SAFETENSORS}`,
    is: begins(0x50, 0x4b, 0x03, 0x04),
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
    is: begins(0x47, 0x47, 0x55, 0x46),
  },
];

/** Bytes that tell a kind. */
export const HEAD = 128;

/**
 * `a Git LFS pointer: run git lfs pull ...`; null where the bytes tell nothing.
 * @param bytes the first of the file, `HEAD` or all there are
 * @param expected what should be there, by its name here: null where it is
 */
export function otherKind(bytes: Uint8Array, expected: string = ''): string | null {
  if (bytes.length === 0) return 'an empty file';
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, HEAD));
  const text = head.toString('latin1').replace(/^\xef\xbb\xbf/, '');
  const kind = KINDS.find(({ is }) => is(head, text));
  return kind && kind.name !== expected ? `${kind.name}: ${kind.cure}` : null;
}

/** An object or list of something JSON has, and not a line of text in brackets. */
function isJson(_: Buffer, text: string): boolean {
  return /^\s{0,64}(\{\s{0,64}["}]|\[\s{0,64}[\][{"\d-])/.test(text);
}
