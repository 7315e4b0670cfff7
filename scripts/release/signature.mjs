// signature.mjs: macOS on arm64 runs nothing that is not signed, ad hoc at least, and a file that changes after it was signed (as by strip) is not. So this
// reads the signature in a Mach-O file and hashes its pages anew. Numbers of the file are little-endian, those of the signature big-endian.
// Source: cs_blobs.h of XNU.
import { createHash } from 'node:crypto';

const LC_CODE_SIGNATURE = 0x1d;
const MAGIC = { file: 0xfeedfacf, signature: 0xfade0cc0, directory: 0xfade0c02 };
const CSSLOT_CODEDIRECTORY = 0;
const SHA256 = 2;

/** Where the signature lies; null where there is none. */
function placeOf(file) {
  const commands = file.readUInt32LE(16);
  let at = 32;
  for (let k = 0; k < commands; k++) {
    if (file.readUInt32LE(at) === LC_CODE_SIGNATURE)
      return { offset: file.readUInt32LE(at + 8), bytes: file.readUInt32LE(at + 12) };
    at += file.readUInt32LE(at + 4);
  }
  return null;
}

/** The list of hashes in a signature. */
function directoryOf(signature) {
  const count = signature.readUInt32BE(8);
  for (let k = 0; k < count; k++) {
    const [slot, offset] = [signature.readUInt32BE(12 + 8 * k), signature.readUInt32BE(16 + 8 * k)];
    if (slot === CSSLOT_CODEDIRECTORY) return signature.subarray(offset);
  }
  return null;
}

/** Faults of the signature of a Mach-O file. */
export function checkSignature(file) {
  if (file.readUInt32LE(0) !== MAGIC.file) return ['is no 64-bit Mach-O file'];
  const place = placeOf(file);
  if (!place) return ['is not signed'];
  const signature = file.subarray(place.offset, place.offset + place.bytes);
  if (signature.readUInt32BE(0) !== MAGIC.signature) return ['is signed in a form that is not known here'];
  const directory = directoryOf(signature);
  if (directory?.readUInt32BE(0) !== MAGIC.directory) return ['is signed without hashes'];
  const hashes = directory.readUInt32BE(16);
  const [count, covered] = [directory.readUInt32BE(28), directory.readUInt32BE(32)];
  const [bytes, kind, page] = [directory[36], directory[37], 2 ** directory[39]];
  if (kind !== SHA256) return [`is signed by hashes of kind ${kind}, expected SHA-256`];
  if (covered !== place.offset) return [`is signed for ${covered} of its ${place.offset} bytes`];
  if (count !== Math.ceil(covered / page)) return [`is signed for ${count} pages of ${Math.ceil(covered / page)}`];
  for (let k = 0; k < count; k++) {
    const own = createHash('sha256')
      .update(file.subarray(k * page, Math.min((k + 1) * page, covered)))
      .digest();
    if (!own.equals(directory.subarray(hashes + k * bytes, hashes + (k + 1) * bytes)))
      return [`has changed since it was signed, in page ${k}`];
  }
  return [];
}
