// stages.test.ts: programs whose micro-batches wait for each other: each comes to the end of a stage before any goes on, in an arena of its own. Against the
// same in TypeScript, whole and in parts.
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { Instr, Program } from '../../lib/compile/program.ts';
import { InvalidProgramError, OptionError } from '../../lib/errors.ts';
import type { RunRequest } from '../../lib/native/addon.ts';
import { allocate, CompiledProgram } from '../../lib/native/program.ts';
import { roomOf } from '../../lib/native/room.ts';
import { add, arena, block, contents, copy, feed, floats, program, report, request, rowsOf } from './kit.ts';

// Each micro-batch: its row, and what all of them add up to; once: the sum doubled; each: the sum and its row; once, reported: all of that.
const [sum, twice, all] = [block(0, 0, 4), block(0, 8, 4), block(0, 16, 4)] as const;
const waiting = (serial: boolean): Program =>
  program(
    [
      copy(arena(0, 4), feed(0, 4), { serial }),
      add(sum, sum, feed(0, 4), { serial }),
      add(twice, sum, sum, { serial }),
      add(arena(64, 4), arena(0, 4), twice, { serial }),
      add(all, all, arena(64, 4), { serial }),
      copy(report(0, 4), all, { serial }),
    ],
    { microEnd: 5, cuts: [2, 3] },
  );

describe('stages', () => {
  it.each([1, 2, 5])('are come to by all micro-batches before any goes on, on %i threads', (threads) => {
    for (const serial of [false, true]) {
      const state = floats(0, 0, 0, 0, 0);
      const bound = new CompiledProgram(waiting(serial)).bind([state]);
      const ran = bound.runSync(request({ steps: 2, micros: 3, feed: rowsOf(1, 2, 3, 10, 20, 30), threads }));
      expect(ran).toMatchObject({ status: 0, tried: 2, attempt: 6 });
      // 3 times 2 * 6 and the rows, then 3 times 2 * 66 and the rows.
      expect(contents(state)).toEqual([66, 0, 132, 0, 36 + 6 + 396 + 60]);
      expect([...new Float32Array(ran.report)]).toEqual([42, 0, 498, 0]);
    }
  });

  it('are taken one by one by programs that share a step', () => {
    const state = floats(0, 0, 0, 0, 0);
    const [a, b] = [true, false].map((serial) => new CompiledProgram(waiting(serial)).bind([state]));
    const run = (of: typeof a, first: number, end: number, stage: number, ...rows: number[]) =>
      of!.runSync(request({ micros: 3, feed: rowsOf(...rows), part: { first, end, stage } }));
    for (const stage of [0, 1]) {
      expect(run(a, 0, 2, stage, 1, 2)).toMatchObject({ status: 0, tried: 0, attempt: 0 });
      expect(run(b, 2, 3, stage, 3)).toMatchObject({ status: 0, tried: stage, attempt: 3 * stage });
    }
    expect(contents(state)).toEqual([6, 0, 12, 0, 42]);
  });

  it('are not begun in the middle of several steps, nor taken together of a part', () => {
    const bound = new CompiledProgram(waiting(true)).bind([floats(0, 0, 0, 0, 0)]);
    const cases: Partial<RunRequest>[] = [
      { steps: 2, micros: 1, feed: rowsOf(1, 2), part: { first: 0, end: 1, stage: 0 } },
      { micros: 2, feed: rowsOf(1), part: { first: 0, end: 1 } },
      { micros: 1, feed: rowsOf(1), part: { first: 0, end: 1, stage: 2 } },
      { micros: 1, feed: rowsOf(1), part: { first: 0, end: 1, stage: -1 } },
      { micros: 1, feed: rowsOf(1), part: { first: 0, end: 1, stage: 0.5 } },
      { micros: 1, feed: rowsOf(1), part: { first: 0, end: 1, stage: Number.NaN } },
    ];
    for (const bad of cases) expect(() => bound.runSync(request(bad)), JSON.stringify(bad)).toThrow(OptionError);
  });

  it('done once read no row where a process has none', () => {
    const p = program([copy(arena(0, 4), feed(0, 4)), copy(report(0, 4), feed(0, 4))], { microEnd: 1 });
    const bound = new CompiledProgram(p).bind([]);
    expect(() => bound.runSync(request({ micros: 2, share: { base: 0, share: 0 }, part: { first: 0, end: 0 } }))).toThrow(
      'run: share: what is done once reads a micro-batch, and there is none',
    );
  });
});

test('each micro-batch that waits is counted where there is no memory for all of them', () => {
  const room = roomOf();
  if (!room) return console.warn('skipped: nobody knows what memory there is');
  // Pages that nobody touches are asked for, and given.
  const arenaBytes = Math.floor(room.bytes / 2 / 64) * 64;
  const whole = program([copy(arena(0, 4), arena(64, 4)), copy(arena(0, 4), arena(64, 4))], { arenaBytes });
  const [one, cut] = [whole, { ...whole, cuts: [1, 2] }].map((p) => new CompiledProgram(p));
  const bind = (of: typeof one, micros: number) => () => of!.bind([], { what: 'a batch' }, false, micros).dispose();
  expect(bind(one, 8)).not.toThrow();
  expect(bind(cut, 1)).not.toThrow();
  expect(bind(cut, 8)).toThrow(/^a batch/);
});

test.each<[number[], string]>([
  [[1], 'cuts: expected two for each stage that has instructions, got 1'],
  [[0, 0, 0, 0, 0, 0, 0, 0], 'cuts: expected two for each stage that has instructions, got 8'],
  [[2, 1], 'cuts[1]: expected 2 to 2, got 1'],
  [[1, 3], 'cuts[1]: expected 1 to 2, got 3'],
  [[-1, 1], 'cuts[0]: expected 0 to 2, got -1'],
  [[0.5, 1], 'cuts[0]: expected 0 to 2, got -1'],
  [[Number.NaN, 1], 'cuts[0]: expected 0 to 2, got -1'],
  [[0, 2 ** 60], 'cuts[1]: expected 0 to 2, got'],
  [[1, 1, 0, 2], 'cuts[2]: expected 1 to 2, got 0'],
])('cuts %j are refused', (cuts, message) => {
  const p = program([copy(arena(0, 4), feed(0, 4)), copy(arena(0, 4), feed(0, 4)), copy(arena(0, 4), feed(0, 4))], {
    microEnd: 2,
  });
  expect(() => new CompiledProgram({ ...p, cuts })).toThrow(InvalidProgramError);
  expect(() => new CompiledProgram({ ...p, cuts })).toThrow(message);
});

// Slots of a block, then of the arena, which begin as those of the block.
const [SHARED, OWN] = [3, 3];
const WIDTH = 700;
const BYTES = 4 * WIDTH;
interface Case {
  readonly instrs: readonly {
    readonly kind: 'copy' | 'add';
    readonly out: number;
    readonly a: number;
    readonly b: number;
    readonly serial: boolean;
  }[];
  readonly cuts: readonly number[];
  readonly micro: number;
  readonly micros: number;
  readonly split: number;
}
const slot = fc.integer({ min: 0, max: SHARED + OWN - 1 });
const arbitrary = fc
  .record({
    instrs: fc.array(
      fc.record({
        kind: fc.constantFrom('copy' as const, 'add' as const, 'add' as const),
        out: slot,
        a: slot,
        b: slot,
        serial: fc.boolean(),
      }),
      { minLength: 2, maxLength: 10 },
    ),
    cuts: fc.array(fc.nat(100), { minLength: 2, maxLength: 6 }),
    micro: fc.nat(100),
    micros: fc.integer({ min: 2, max: 5 }),
    split: fc.nat(100),
  })
  .map(({ instrs, cuts, micro, micros, split }): Case => {
    const kept = instrs.filter((i) => i.kind !== 'copy' || i.out !== i.a);
    const end = OWN + (micro % (kept.length + 1));
    const sorted = cuts.map((c) => OWN + (c % (end - OWN + 1))).sort((a, b) => a - b);
    return {
      instrs: kept,
      micro: end,
      cuts: sorted.slice(0, 2 * Math.min(3, Math.floor(sorted.length / 2), end)),
      micros,
      split: 1 + (split % (micros - 1)),
    };
  });

/** What is in the block after a step. */
function meant({ instrs, cuts, micro, micros }: Case): Float32Array[] {
  const shared = Array.from({ length: SHARED }, (_, k) => new Float32Array(WIDTH).fill(k + 1));
  const lanes = Array.from({ length: micros }, () => Array.from({ length: OWN }, () => new Float32Array(WIDTH)));
  const run = (at: number, lane: number): void => {
    const slots = [...shared, ...lanes[lane]!];
    if (at < OWN) return void slots[SHARED + at]!.set(slots[at]!);
    const { kind, out, a, b } = instrs[at - OWN]!;
    const [x, y] = [slots[a]!.slice(), slots[b]!.slice()];
    slots[out]!.set(kind === 'copy' ? x : x.map((v, k) => v + y[k]!));
  };
  let from = 0;
  for (const [k, end] of [...cuts, micro, OWN + instrs.length].entries()) {
    for (let lane = k % 2 === 0 ? 0 : micros - 1; lane < micros; lane++) for (let at = from; at < end; at++) run(at, lane);
    from = end;
  }
  return shared;
}

test('random programs: whole or in parts, on any team, what is meant', () => {
  fc.assert(
    fc.property(arbitrary, fc.integer({ min: 1, max: 4 }), (c, threads) => {
      const at = (k: number) => (k < SHARED ? block(0, k * 2816, BYTES) : arena((k - SHARED) * 2816, BYTES));
      const own = Array.from({ length: OWN }, (_, k) => copy(at(SHARED + k), at(k)));
      const instrs = c.instrs.map(
        (i): Instr => (i.kind === 'copy' ? copy(at(i.out), at(i.a), i) : add(at(i.out), at(i.a), at(i.b), i)),
      );
      const rest = {
        microEnd: c.micro,
        cuts: c.cuts,
        arenaBytes: OWN * 2816,
        blocks: [{ name: 'state', bytes: SHARED * 2816, writes: true }],
      };
      const p = program([...own, ...instrs], rest);
      const want = meant(c);
      const begin = () => {
        const memory = allocate(SHARED * 2816);
        for (let k = 0; k < SHARED; k++) memory.write(k * 2816, new Float32Array(WIDTH).fill(k + 1));
        return memory;
      };
      const look = (memory: ReturnType<typeof begin>): void => {
        for (const [k, values] of want.entries()) {
          const got = new Float32Array(WIDTH);
          memory.read(k * 2816, got);
          expect(got).toEqual(values);
        }
      };
      const whole = begin();
      new CompiledProgram(p).bind([whole]).runSync(request({ micros: c.micros, threads }));
      look(whole);
      const parted = begin();
      const [a, b] = [0, 1].map(() => new CompiledProgram(p).bind([parted]));
      for (let stage = 0; stage <= c.cuts.length / 2; stage++) {
        a!.runSync(request({ micros: c.micros, threads, part: { first: 0, end: c.split, stage } }));
        b!.runSync(request({ micros: c.micros, threads, part: { first: c.split, end: c.micros, stage } }));
      }
      look(parted);
    }),
    { numRuns: 150 },
  );
});
