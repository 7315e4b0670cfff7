// crc32c.test.ts: the checksum has the values of RFC 3720, and those of the definition, bit by bit.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { crc32c } from '../../lib/io/crc32c.ts';

// RFC 3720, B.4, as numbers; and the check value of the catalog of parametrised CRC algorithms.
it.each<[string, number, Uint8Array]>([
  ['32 zeros', 0x8a9136aa, new Uint8Array(32)],
  ['32 ones', 0x62a8ab43, new Uint8Array(32).fill(0xff)],
  ['0 to 31', 0x46dd794e, Uint8Array.from({ length: 32 }, (_, i) => i)],
  ['31 to 0', 0x113fdb5c, Uint8Array.from({ length: 32 }, (_, i) => 31 - i)],
  ['123456789', 0xe3069283, Buffer.from('123456789')],
  ['nothing', 0, new Uint8Array(0)],
])('%s', (_, sum, bytes) => {
  expect(crc32c(bytes)).toBe(sum);
});

it('is the remainder of a division of polynomials', () => {
  const bitwise = (bytes: Uint8Array): number => {
    let sum = 0xffffffffn;
    for (const byte of bytes) {
      sum ^= BigInt(byte);
      for (let i = 0; i < 8; i++) sum = sum & 1n ? (sum >> 1n) ^ 0x82f63b78n : sum >> 1n;
    }
    return Number(sum ^ 0xffffffffn);
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(crc32c(bytes)).toBe(bitwise(bytes));
    }),
  );
});
