// rows.test.ts: columns of every type become rows of every type, against plain loops: rounded once, NaN as it is, and the first value that has no place.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OptionError } from '../../lib/errors.ts';
import { type RowData, toRows } from '../../lib/native/rows.ts';
import { fails } from '../train/fails.ts';

type Value = number | bigint;
const KINDS: Readonly<Record<string, (values: readonly Value[]) => NodeJS.TypedArray>> = {
  i8: (v) => Int8Array.from(v as number[]),
  u8: (v) => Uint8Array.from(v as number[]),
  u8c: (v) => Uint8ClampedArray.from(v as number[]),
  i16: (v) => Int16Array.from(v as number[]),
  u16: (v) => Uint16Array.from(v as number[]),
  i32: (v) => Int32Array.from(v as number[]),
  u32: (v) => Uint32Array.from(v as number[]),
  f32: (v) => Float32Array.from(v as number[]),
  f64: (v) => Float64Array.from(v as number[]),
  i64: (v) => BigInt64Array.from(v as bigint[]),
  u64: (v) => BigUint64Array.from(v as bigint[]),
};
/** Values of a kind: any of its bits, and those beside which a float rounds the other way. */
const valuesOf = (kind: string, count: number): fc.Arbitrary<NodeJS.TypedArray> => {
  const any: fc.Arbitrary<Value> =
    kind === 'i64'
      ? fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.integer({ min: -300, max: 300 }).map(BigInt), ties)
      : kind === 'u64'
        ? fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.nat(300).map(BigInt), ties)
        : kind === 'f32' || kind === 'f64'
          ? fc.oneof(
              fc.double(),
              fc.integer({ min: -300, max: 300 }),
              fc.constantFrom(NaN, Infinity, -0, 3.5e38, 2 ** 31, -(2 ** 31)),
            )
          : fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 }), fc.integer({ min: -300, max: 300 }));
  return fc.array(any, { minLength: count, maxLength: count }).map((v) => KINDS[kind]!(v));
};
/** Halfway between two floats, and one beside it: by way of a double it would be rounded twice. */
const ties = fc.tuple(fc.integer({ min: 54, max: 62 }), fc.nat(2 ** 20), fc.constantFrom(-1n, 0n, 1n)).map(([power, k, by]) => {
  const step = 2n ** BigInt(power - 23);
  return 2n ** BigInt(power) + step * BigInt(k) + step / 2n + by;
});

/** The nearest number of 24 bits, ties to even, in whole numbers alone. */
function rounded(x: bigint): number {
  const size = x < 0n ? -x : x;
  const drop = BigInt(Math.max(0, size.toString(2).length - 24));
  const unit = 1n << drop;
  const [down, rest] = [size / unit, size % unit];
  const up = 2n * rest > unit || (2n * rest === unit && down % 2n === 1n) ? 1n : 0n;
  return Number((down + up) * unit) * (x < 0n ? -1 : 1);
}
const BOUNDS = { i32: [-(2 ** 31), 2 ** 31 - 1], u8: [0, 255] } as const;
const TARGETS = { f32: Float32Array, i32: Int32Array, u8: Uint8Array } as const;

/** What a target has for a value; null: nothing. */
function held(target: keyof typeof TARGETS, x: Value): number | null {
  if (target === 'f32') return typeof x === 'bigint' ? rounded(x) : Math.fround(x);
  const [least, most] = BOUNDS[target];
  if (typeof x === 'bigint') return x >= BigInt(least) && x <= BigInt(most) ? Number(x) : null;
  return Number.isInteger(x) && x >= least && x <= most ? x + 0 : null;
}

describe('toRows', () => {
  const drawn = fc
    .record({
      kinds: fc.array(fc.constantFrom(...Object.keys(KINDS)), { minLength: 1, maxLength: 40 }),
      count: fc.oneof(fc.nat(5), fc.nat(300)),
      extra: fc.nat(3),
      at: fc.nat(4),
      target: fc.constantFrom(...(Object.keys(TARGETS) as (keyof typeof TARGETS)[])),
      shuffled: fc.boolean(),
    })
    .chain((rule) =>
      fc.tuple(
        fc.constant(rule),
        fc.tuple(...rule.kinds.map((kind) => valuesOf(kind, rule.count + rule.extra))),
        fc.infiniteStream(fc.nat()),
      ),
    );

  it('has the values of plain loops, and leaves all else alone', () => {
    fc.assert(
      fc.property(drawn, ([{ count, at, target, shuffled }, columns, random]) => {
        const width = columns.length;
        const room = count + at + 2;
        const places = Int32Array.from({ length: count }, (_, r) => r + at);
        if (shuffled) {
          for (let r = count - 1; r > 0; r--) {
            const other = random.next().value! % (r + 1);
            [places[r], places[other]] = [places[other]!, places[r]!];
          }
        }
        const out = new TARGETS[target](room * width).fill(7);
        const expected = out.slice();
        const wrong: number[] = [];
        for (let r = 0; r < count; r++) {
          for (let c = 0; c < width; c++) {
            const value = held(target, columns[c]![r]!);
            if (value === null) wrong.push(r * width + c);
            else expected[places[r]! * width + c] = value;
          }
        }
        const got = toRows(out, columns, count, shuffled ? places : at);
        if (wrong.length > 0) {
          expect(wrong).toContain(got);
          return;
        }
        expect(got).toBe(-1);
        expect(out).toEqual(expected);
      }),
      { numRuns: 400 },
    );
  });

  it('keeps the bits of floats, those of a NaN too', () => {
    const words = Uint32Array.of(0x7fc01234, 0xffc00001, 0x80000000, 1, 0x7f7fffff, 0x3f800001);
    const out = new Float32Array(12);
    toRows(out, [new Float32Array(words.buffer), new Float32Array(words.buffer)], 6, 0);
    const got = new Uint32Array(out.buffer);
    for (const [i, word] of words.entries()) expect([got[2 * i], got[2 * i + 1]]).toEqual([word, word]);
  });

  it('a table that is wider than a tile, and one with a single column', () => {
    for (const width of [1, 5000]) {
      const columns = Array.from({ length: width }, (_, c) => Float64Array.from({ length: 50 }, (_, r) => c * 50 + r));
      const out = new Float32Array(50 * width);
      expect(toRows(out, columns, 50, 0)).toBe(-1);
      for (let r = 0; r < 50; r++) for (const c of [0, width >> 1, width - 1]) expect(out[r * width + c]).toBe(c * 50 + r);
    }
  });

  it('the first value that has no place is told', () => {
    const columns = [Float64Array.of(1, 2, 3.5, 4), Int16Array.of(0, 255, 256, -1)];
    expect(toRows(new Int32Array(8), columns, 4, 0)).toBe(4);
    expect(toRows(new Uint8Array(8), [columns[1]!, columns[1]!], 4, 0)).toBe(4);
    expect(toRows(new Int32Array(8), [columns[1]!, Float32Array.of(NaN, 1, 1, 1)], 4, 0)).toBe(1);
    expect(toRows(new Int32Array(1), [Float32Array.of(2 ** 31)], 1, 0)).toBe(0);
    expect(toRows(new Int32Array(1), [BigUint64Array.of(2n ** 31n)], 1, 0)).toBe(0);
  });

  it('whatever is not as it must be is refused, and nothing is read or written beyond', async () => {
    const [to, one] = [new Float32Array(6), Float32Array.of(1, 2)];
    const refused = (call: () => unknown, text: string): Promise<unknown> => fails(call, OptionError, 'ERR_OPTION', text);
    await refused(() => toRows(to, [one, one], 3, 0), 'rows: column 0 has 2 values, expected 3');
    await refused(() => toRows(to, [one, one], 2, 2), 'rows: the target has room for 3 rows, not for 2 from 2 on');
    await refused(() => toRows(to, [one], 2, Int32Array.of(0, 6)), 'rows: the target has room for 6 rows, not for one at 6');
    await refused(() => toRows(to, [one], 2, Int32Array.of(0, -1)), 'not for one at -1');
    await refused(() => toRows(to, [one], 2, Int32Array.of(0)), 'a place for each row');
    await refused(() => toRows(to, [], 0, 0), 'rows: columns: expected at least one');
    await refused(() => toRows(new Float64Array(4) as unknown as RowData, [one], 2, 0), 'rows: target: expected a Float32Array');
    await refused(() => toRows(to, [[1, 2] as unknown as Float32Array], 2, 0), 'rows: column: expected a typed array');
    await refused(
      () => toRows(to, [new DataView(new ArrayBuffer(8)) as unknown as Float32Array], 2, 0),
      'expected a typed array',
    );
    await refused(() => toRows(to, [one], -1, 0), 'rows: count: expected a whole number');
    await refused(() => toRows(to, [one], 2 ** 53, 0), 'rows: the target has room');
    const gone = Float32Array.of(1, 2);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    await refused(() => toRows(to, [gone], 2, 0), 'rows: column 0 has 0 values, expected 2');
    expect(to).toEqual(new Float32Array(6));
    expect(toRows(to, [one], 0, 6)).toBe(-1);
  });
});
