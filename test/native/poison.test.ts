// poison.test.ts: GRADCLIP_POISON=1, which the suite runs under (vitest.config.ts): planted reads of what nobody wrote are seen as NaN.
import { describe, expect, test } from 'vitest';
import type { Instr, Program } from '../../lib/compile/program.ts';
import { allocate, CompiledProgram } from '../../lib/native/program.ts';
import { add, arena, block, contents, copy, floats, instr, program, report, request, skipIf, step } from './kit.ts';

const THREADS = [1, 4];

/** The report of a run beside one block that holds 1, 2, 3, ... */
function reported(p: Program, rest: Parameters<typeof request>[0] = {}): Float32Array {
  const blocks = p.blocks.map(({ bytes }) => floats(...Array.from({ length: bytes / 4 }, (_, i) => i + 1)));
  return new Float32Array(new CompiledProgram(p).bind(blocks).runSync(request(rest)).report);
}

/** The first 4 bytes of a larger output. */
const part = (out: Instr['outs'][0], from: Instr['ins'][0]): Instr => instr('copy', [out], [from], [4, 0, 1, 1]);

describe.skipIf(process.env.GRADCLIP_POISON === '0').each(THREADS)('%d threads', (threads) => {
  test('an arena that nobody has written', () => {
    expect(reported(program([copy(report(0, 8), arena(64, 8))]), { threads })).toEqual(Float32Array.of(NaN, NaN));
  });

  test('what an output leaves unwritten, in the arena and in blocks', () => {
    const p = program([part(arena(0, 8), block(0, 0, 4)), copy(report(0, 8), arena(0, 8))]);
    expect(reported(p, { threads })).toEqual(Float32Array.of(1, NaN));
    const q = program([part(block(1, 0, 8), block(0, 0, 4)), copy(report(0, 8), block(1, 0, 8))]);
    expect(reported(q, { threads })).toEqual(Float32Array.of(1, NaN));
  });

  test('what the step before has left in the arena', () => {
    const p = program([copy(report(0, 8), arena(0, 8)), copy(arena(0, 8), block(0, 0, 8))], { microEnd: 0 });
    expect(reported(p, { steps: 2, threads })).toEqual(Float32Array.of(NaN, NaN, NaN, NaN));
  });

  test('what the micro-batch before has left in the arena', () => {
    const p = program([copy(report(0, 8), arena(0, 8)), copy(arena(0, 8), block(0, 0, 8))]);
    expect(reported(p, { micros: 3, threads })).toEqual(Float32Array.of(NaN, NaN));
  });

  test('an index that nobody has written is out of bounds', () => {
    const p = program([instr('gather', [report(0, 8)], [block(0, 0, 16), arena(0, 8)], [4, 4, 2, 4])]);
    expect(() => reported(p, { threads })).toThrow('gather: expected an index from 0 to 3');
  });

  test('scratch and the buffer of each thread', () => {
    for (const serial of [false, true]) {
      const p = program([
        instr('probe_scratch', [arena(0, 64), arena(64, 64 * threads)], [], [threads], { serial }),
        copy(report(0, 64 * (threads + 1)), arena(0, 64 * (threads + 1))),
      ]);
      expect(reported(p, { threads }).every(Number.isNaN)).toBe(true);
    }
  });

  test('what is written stays until it is read for the last time', () => {
    // Two values of which one is read in the other section, in place and serially in between; micro-batches and skipped steps.
    const p = program(
      [
        copy(arena(0, 8), block(0, 0, 8)),
        copy(arena(64, 8), block(0, 8, 8)),
        add(arena(64, 8), arena(64, 8), arena(0, 8)),
        skipIf(step(0, 8)),
        add(arena(0, 8), arena(0, 8), arena(64, 8), { serial: true, skippable: true }),
        copy(report(0, 8), arena(64, 8), { serial: true }),
        copy(block(1, 0, 8), arena(0, 8), { skippable: true }),
      ],
      { microEnd: 3 },
    );
    for (const [skip, out] of [
      [0, [5, 8]],
      [1, [0, 0]],
    ] as const) {
      const blocks = [floats(1, 2, 3, 4), allocate(8)];
      const rows = request({ steps: 3, micros: 2, threads, step: new Float64Array(3).fill(skip) });
      const r = new CompiledProgram(p).bind(blocks).runSync(rows);
      expect(new Float32Array(r.report)).toEqual(Float32Array.of(4, 6, 4, 6, 4, 6));
      expect(contents(blocks[1]!)).toEqual(out);
    }
  });
});
