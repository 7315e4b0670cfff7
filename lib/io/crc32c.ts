// crc32c.ts: the checksum of Castagnoli (RFC 3720), as records of TensorFlow have it.

const POLYNOMIAL = 0x82f63b78;
let table: Uint32Array | null = null;

function tableOf(): Uint32Array {
  const made = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    let value = i;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
    made[i] = value;
  }
  return made;
}

/** Of some bytes: a whole number below 2^32. */
export function crc32c(bytes: Uint8Array): number {
  table ??= tableOf();
  let sum = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) sum = (sum >>> 8) ^ table[(sum ^ bytes[i]!) & 0xff]!;
  return (sum ^ 0xffffffff) >>> 0;
}
