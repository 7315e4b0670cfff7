// part.test.ts: the elements of a tensor are shared out whole, and the add-on cuts them as the compiler does.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SPACE } from '../../lib/compile/program.ts';
import { InvalidProgramError } from '../../lib/errors.ts';
import { addon } from '../../lib/native/addon.ts';
import { encode, withOurErrors } from '../../lib/native/program.ts';
import { BLOCK } from '../../lib/ops/gradient/statistics.ts';
import { LARGE, partOf } from '../../lib/ops/step/parts.ts';
import { copy, place, program } from '../native/kit.ts';

/** Parts of `size` processes, as they lie. */
const partsOf = (elements: number, size: number) =>
  Array.from({ length: size }, (_, rank) => ({ rank, part: partOf(elements, { rank, size }) })).sort(
    (a, b) => a.part[0] - b.part[0] || a.part[1] - b.part[1],
  );
const some = fc.oneof(fc.nat(5000), fc.nat(LARGE + 2), fc.integer({ min: LARGE, max: 2e6 }));

it("each element is one process's; parts begin where a cache line does, of what is large where a block of the norm does", () => {
  fc.assert(
    fc.property(some, fc.integer({ min: 1, max: 40 }), (elements, size) => {
      let next = 0;
      const unit = elements > LARGE ? BLOCK : 16;
      const counts: number[] = [];
      for (const { part } of partsOf(elements, size)) {
        const [from, to] = part;
        expect(from).toBe(next);
        if (to < elements) expect(to % unit).toBe(0);
        counts.push(to - from);
        next = to;
      }
      expect(next).toBe(elements);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(2 * unit);
    }),
  );
});

it('of those who are alike in their lowest bits, the parts lie side by side', () => {
  fc.assert(
    fc.property(some, fc.integer({ min: 1, max: 40 }), fc.nat(40), fc.nat(5), (elements, size, r, k) => {
      const [rank, bit] = [r % size, 1 << k];
      const alike = partsOf(elements, size).filter((p) => p.rank % bit === rank % bit);
      for (const [i, { part }] of alike.entries()) if (i > 0) expect(part[0]).toBe(alike[i - 1]!.part[1]);
    }),
  );
});

/** A program that gathers one tensor, with a part of so many elements. */
function gathering(elements: number, part: number, ints: readonly number[], at = Math.ceil(elements / 16) * 16): void {
  const whole = place(SPACE.arena, 0, elements * 4);
  const own = place(SPACE.arena, at * 4, part * 4);
  const instr = { ...copy(whole, whole), kernel: 'allGather', outs: [whole], ins: [whole, own], ints };
  withOurErrors(() => new (addon().Program)(encode(program([instr]))));
}

it('the add-on takes a part of that size, and refuses any smaller one', () => {
  fc.assert(
    fc.property(some, fc.integer({ min: 1, max: 12 }), fc.nat(11), (elements, size, r) => {
      const rank = r % size;
      const [from, to] = partOf(elements, { rank, size });
      gathering(elements, to - from, [rank, size, elements]);
      if (to > from) expect(() => gathering(elements, to - from - 1, [rank, size, elements])).toThrow(InvalidProgramError);
    }),
  );
});

it('the part may lie where it is in the whole, and nowhere else in it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 200, max: 20_000 }), fc.integer({ min: 2, max: 6 }), fc.nat(5), (elements, size, r) => {
      const rank = r % size;
      const [from, to] = partOf(elements, { rank, size });
      const ints = [rank, size, elements];
      gathering(elements, to - from, ints, from);
      const apart = from >= 16 ? from - 16 : from + 16;
      if (to > from)
        expect(() => gathering(elements, to - from, ints, apart)).toThrow(
          'output 0 overlaps input 1 without being the same place',
        );
    }),
  );
});

/** A program that measures parts of one tensor. */
function measuring(elements: number, blocks: number, ints: readonly number[]): void {
  const x = place(SPACE.arena, 0, elements * 4);
  const out = place(SPACE.arena, Math.ceil((elements * 4) / 64) * 64, blocks * 8);
  const instr = { ...copy(x, out), kernel: 'partStatistic', outs: [out], ins: [x], ints };
  withOurErrors(() => new (addon().Program)(encode(program([instr]))));
}

it('what is measured in parts is large, and each of its blocks has a place', () => {
  measuring(LARGE + 1, 5, [1, 2, 0, LARGE + 1]);
  const wrong: (readonly [number, number, readonly number[]])[] = [
    [LARGE + 1, 4, [1, 2, 0, LARGE + 1]],
    [LARGE, 5, [1, 2, 0, LARGE]],
    ...[
      [2, 2, 0],
      [-1, 2, 0],
      [0, 0, 0],
      [0, 2 ** 21, 0],
      [0, 1, 3],
      [0, 1, -1],
    ].map((ints) => [LARGE + 1, 5, [...ints, LARGE + 1]] as const),
    [LARGE + 1, 5, [0, 1, 0, 2 ** 53 - 1]],
    [LARGE + 1, 5, [0, 1, 0]],
  ];
  for (const of of wrong) expect(() => measuring(...of), JSON.stringify(of)).toThrow(InvalidProgramError);
});

it.each([[[0, 0, 64]], [[1, 1, 64]], [[-1, 2, 64]], [[0, 2 ** 21, 64]], [[0, 1, -1]], [[0, 1, 2 ** 53 - 1]], [[0, 1]]])(
  'it refuses rank, size and elements of %j',
  (ints) => {
    expect(() => gathering(64, 64, ints)).toThrow(InvalidProgramError);
  },
);
