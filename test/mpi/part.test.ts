// part.test.ts: the elements of a tensor are shared out whole, and the add-on cuts them as the compiler does.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SPACE } from '../../lib/compile/program.ts';
import { InvalidProgramError } from '../../lib/errors.ts';
import { addon } from '../../lib/native/addon.ts';
import { encode, withOurErrors } from '../../lib/native/program.ts';
import { partOf } from '../../lib/ops/step/all-gather.ts';
import { copy, place, program } from '../native/kit.ts';

it("each element is one process's, in their order; parts begin where a cache line does", () => {
  fc.assert(
    fc.property(fc.nat(5000), fc.integer({ min: 1, max: 40 }), (elements, size) => {
      let next = 0;
      const counts: number[] = [];
      for (let rank = 0; rank < size; rank++) {
        const [from, to] = partOf(elements, { rank, size });
        expect(from).toBe(next);
        if (to < elements) expect(to % 16).toBe(0);
        counts.push(to - from);
        next = to;
      }
      expect(next).toBe(elements);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(32);
    }),
  );
});

/** A program that gathers one tensor, with a part of so many elements. */
function gathering(elements: number, part: number, ints: readonly number[]): void {
  const whole = place(SPACE.arena, 0, elements * 4);
  const own = place(SPACE.arena, Math.ceil((elements * 4) / 64) * 64, part * 4);
  const instr = { ...copy(whole, whole), kernel: 'allGather', outs: [whole], ins: [whole, own], ints };
  withOurErrors(() => new (addon().Program)(encode(program([instr]))));
}

it('the add-on takes a part of that size, and refuses any smaller one', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 12 }), fc.nat(11), (elements, size, r) => {
      const rank = r % size;
      const [from, to] = partOf(elements, { rank, size });
      gathering(elements, to - from, [rank, size, elements]);
      if (to > from) expect(() => gathering(elements, to - from - 1, [rank, size, elements])).toThrow(InvalidProgramError);
    }),
  );
});

it.each([[[0, 0, 64]], [[1, 1, 64]], [[-1, 2, 64]], [[0, 2 ** 21, 64]], [[0, 1, -1]], [[0, 1, 2 ** 53 - 1]], [[0, 1]]])(
  'it refuses rank, size and elements of %j',
  (ints) => {
    expect(() => gathering(64, 64, ints)).toThrow(InvalidProgramError);
  },
);
