// protobuf.test.ts: messages are the bytes that the specification of Protocol Buffers prints, and what another decoder reads of them is what was written.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ProtoWriter } from '../../lib/io/protobuf.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const written = (write: (w: ProtoWriter) => void): string => {
  const writer = new ProtoWriter();
  write(writer);
  return hex(writer.finish());
};

// protobuf.dev/programming-guides/encoding
it.each<[string, string, (w: ProtoWriter) => void]>([
  ['a varint', '089601', (w) => w.uint(1, 150)],
  ['a varint of a bigint', '089601', (w) => w.int(1, 150n)],
  ['a text', '120774657374696e67', (w) => w.string(2, 'testing')],
  ['a message within', '1a03089601', (w) => w.message(3, (inner) => inner.uint(1, 150))],
  ['a packed list', '3206038e029ea705', (w) => w.packedUints(6, [3, 270, 86942])],
  ['a number below 0', '08feffffffffffffffff01', (w) => w.int(1, -2)],
  ['a boolean', '08010800', (w) => w.bool(1, true).bool(1, false)],
  ['a double', `09${'000000000000f03f'}`, (w) => w.double(1, 1)],
  ['a float', '0d0000803f', (w) => w.float(1, 1)],
  ['2^64 - 1', '08ffffffffffffffffff01', (w) => w.uint(1, 2n ** 64n - 1n)],
  ['2^53 - 1', '08ffffffffffffff0f', (w) => w.uint(1, Number.MAX_SAFE_INTEGER)],
  ['2^32', '088080808010', (w) => w.uint(1, 2 ** 32)],
  ['2^32 - 1', '08ffffffff0f', (w) => w.uint(1, 2 ** 32 - 1)],
  ['-2^63', '0880808080808080808001', (w) => w.int(1, -(2n ** 63n))],
  ['the largest field', 'f8ffffff0f00', (w) => w.uint(2 ** 29 - 1, 0)],
  ['nothing', '', () => {}],
  [
    'an empty text, list and message',
    '0a0012001a00',
    (w) =>
      w
        .string(1, '')
        .packedInts(2, [])
        .message(3, () => {}),
  ],
  ['half of a pair', '0a03efbfbd', (w) => w.string(1, '\ud800')],
])('%s', (_, bytes, write) => {
  expect(written(write)).toBe(bytes);
});

it('what no varint holds is refused', () => {
  const w = new ProtoWriter();
  for (const value of [-1, 0.5, Number.NaN, 2 ** 53, 2n ** 64n, -1n])
    expect(() => w.uint(1, value), `${value}`).toThrow(RangeError);
  for (const value of [0.5, Number.NEGATIVE_INFINITY, 2n ** 63n, -(2n ** 63n) - 1n]) {
    expect(() => w.int(1, value), `${value}`).toThrow(RangeError);
  }
  for (const field of [0, -1, 2 ** 29, 1.5]) expect(() => w.uint(field, 1), `${field}`).toThrow('there is no field');
});

/** Fields of a message, by a decoder that works on bits of one large number. */
function decoded(bytes: Uint8Array): [number, bigint | string][] {
  const fields: [number, bigint | string][] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(bytes[at++]!);
      value |= (byte & 127n) << shift;
      if (byte < 128n) return value;
    }
  };
  const take = (n: number): string => {
    at += n;
    return hex(bytes.subarray(at - n, at));
  };
  while (at < bytes.length) {
    const tag = varint();
    const type = Number(tag & 7n);
    const value = type === 0 ? varint() : take(type === 1 ? 8 : type === 5 ? 4 : Number(varint()));
    fields.push([Number(tag >> 3n), value]);
  }
  expect(at).toBe(bytes.length);
  return fields;
}

const field = fc.integer({ min: 1, max: 2 ** 29 - 1 });
const aField = fc.oneof(
  fc.tuple(fc.constant('uint' as const), field, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  fc.tuple(fc.constant('uint' as const), field, fc.integer({ min: 0, max: 300 }).map(BigInt)),
  fc.tuple(fc.constant('int' as const), field, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  fc.tuple(fc.constant('bytes' as const), field, fc.uint8Array({ maxLength: 300 })),
  fc.tuple(fc.constant('large' as const), field, fc.uint8Array({ minLength: 4090, maxLength: 4100 })),
  fc.tuple(fc.constant('double' as const), field, fc.double()),
);

it('whatever fields there are, in messages of any size, a decoder reads', () => {
  fc.assert(
    fc.property(fc.array(aField, { maxLength: 40 }), fc.boolean(), (fields, nested) => {
      const write = (w: ProtoWriter): void => {
        for (const [kind, n, value] of fields) {
          if (kind === 'uint') w.uint(n, value < 2n ** 53n ? Number(value) : value);
          else if (kind === 'int') w.int(n, value);
          else if (kind === 'double') w.double(n, value);
          else w.bytes(n, value.length % 2 ? value : [value.subarray(0, 5), value.subarray(5)]);
        }
      };
      const expected = fields.map(([kind, n, value]): [number, bigint | string] => {
        if (kind === 'uint') return [n, value];
        if (kind === 'int') return [n, BigInt.asUintN(64, value)];
        return [n, hex(kind === 'double' ? new Uint8Array(Float64Array.of(value).buffer) : value)];
      });
      const writer = new ProtoWriter();
      if (nested) writer.message(7, write);
      else write(writer);
      const size = writer.size;
      const bytes = writer.finish();
      expect(bytes.length).toBe(size);
      // In parts it is the same, also the second time.
      expect(hex(Buffer.concat(writer.chunks()))).toBe(hex(bytes));
      if (!nested) {
        expect(decoded(bytes)).toEqual(expected);
        return;
      }
      const [[n, inner]] = decoded(bytes) as [[number, string]];
      expect(n).toBe(7);
      expect(decoded(Buffer.from(inner, 'hex'))).toEqual(expected);
    }),
  );
});

it('large bytes are not copied, and what is written after chunks() goes on', () => {
  const large = new Uint8Array(10_000).fill(3);
  const w = new ProtoWriter().uint(1, 5).message(2, (inner) => inner.bytes(3, large).uint(4, 1));
  expect(w.chunks()).toContain(large);
  const before = hex(w.finish());
  expect(hex(w.uint(9, 1).finish())).toBe(`${before}4801`);
});

it('packed numbers are those of typed arrays', () => {
  fc.assert(
    fc.property(fc.float64Array({ maxLength: 50 }), (values) => {
      const narrow = Float32Array.from(values);
      const w = new ProtoWriter().packedDoubles(1, values).packedFloats(2, narrow);
      expect(decoded(w.finish())).toEqual([
        [1, hex(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))],
        [2, hex(new Uint8Array(narrow.buffer))],
      ]);
    }),
  );
});
