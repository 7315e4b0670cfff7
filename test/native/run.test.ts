// run.test.ts: steps, micro-batches, skips, rows and counters, against a model of the run loop in TypeScript.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Instr, Program } from '../../lib/compile/program.ts';
import { IndexError } from '../../lib/errors.ts';
import type { RunRequest, RunResult } from '../../lib/native/addon.ts';
import { allocate, CompiledProgram, STATUS } from '../../lib/native/program.ts';
import { MAX_THREADS } from '../../lib/native/threads.ts';
import { SOME_TEAMS } from '../kit.ts';
import {
  add,
  arena,
  block,
  contents,
  copy,
  failIf,
  feed,
  floats,
  gather,
  program,
  report,
  request,
  rowsOf,
  skipIf,
  step,
} from './kit.ts';

// The first float of every 8 bytes.
const rows = (r: RunResult): number[] => [...new Float32Array(r.report)].filter((_, k) => k % 2 === 0);

// Adds the feed row to a state and reports it.
const sum = program([add(block(0, 0, 4), block(0, 0, 4), feed(0, 4)), copy(report(0, 4), block(0, 0, 4))], { microEnd: 1 });

describe('steps and micro-batches', () => {
  test('K steps in one call are K calls of one step', () => {
    const values = [1, 2, 3, 4, 5];
    const [a, b] = [floats(0), floats(0)];
    const all = new CompiledProgram(sum).bind([a]).runSync(request({ steps: 5, feed: rowsOf(...values) }));
    expect(all).toMatchObject({ status: 0, tried: 5, attempt: 5, stepCount: 5, skips: 0, instr: -1, threads: 1 });
    expect(rows(all)).toEqual([1, 3, 6, 10, 15]);
    const one = new CompiledProgram(sum).bind([b]);
    values.forEach((x, k) => {
      const r = one.runSync(request({ feed: rowsOf(x), attempt: k, stepCount: k }));
      expect(r).toMatchObject({ tried: 1, attempt: k + 1, stepCount: k + 1 });
      expect(rows(r)).toEqual(rows(all).slice(k, k + 1));
    });
    expect(contents(b)).toEqual(contents(a));
  });

  test('micro-batches take their rows in order; attempt counts them, stepCount does not', async () => {
    const state = floats(0);
    const bound = new CompiledProgram(sum).bind([state]);
    const feedRows = rowsOf(1, 2, 3, 4, 5, 6);
    const r = await bound.run(request({ steps: 2, micros: 3, feed: feedRows, attempt: 10, stepCount: 7 }));
    expect(r).toMatchObject({ tried: 2, attempt: 16, stepCount: 9 });
    expect(rows(r)).toEqual([6, 21]);
  });

  test('programs that share a state run parts of one step', async () => {
    // Each adds its feed row and a number of its own, and reports the sum when the step is whole.
    const state = floats(0);
    const sum = block(0, 0, 4);
    const p = program([add(sum, sum, feed(0, 4)), add(sum, sum, block(1, 0, 4)), copy(report(0, 4), sum)], { microEnd: 2 });
    const [a, b] = [20, 3000].map((own) => new CompiledProgram(p).bind([state, floats(own)]));
    for (const threads of [1, ...SOME_TEAMS]) {
      const whole = { micros: 4, attempt: 10, stepCount: 7, threads };
      const first = a!.runSync(request({ ...whole, feed: rowsOf(1, 2), part: { first: 0, end: 2 } }));
      expect(first).toMatchObject({ status: 0, tried: 0, attempt: 10, stepCount: 7, instr: -1 });
      expect(rows(first)).toEqual([]);
      const second = await b!.run(request({ ...whole, feed: rowsOf(10), part: { first: 2, end: 3 } }));
      expect(second).toMatchObject({ status: 0, tried: 0, attempt: 10, stepCount: 7 });
      const third = a!.runSync(request({ ...whole, feed: rowsOf(100), part: { first: 3, end: 4 } }));
      expect(third).toMatchObject({ status: 0, tried: 1, attempt: 14, stepCount: 8 });
      expect(rows(third)).toEqual([1 + 2 + 10 + 100 + 3 * 20 + 3000]);
      state.write(0, new Float32Array(1));
    }
  });

  test('sections may be empty', () => {
    for (const microEnd of [0, 2]) {
      const state = floats(0);
      const p = { ...sum, microEnd };
      expect(rows(new CompiledProgram(p).bind([state]).runSync(request({ steps: 2, feed: rowsOf(1, 2) })))).toEqual([1, 3]);
    }
    const none = new CompiledProgram(program([])).bind([]);
    expect(none.runSync(request({ steps: 3, micros: 2, threads: 2 }))).toMatchObject({
      status: 0,
      tried: 3,
      attempt: 6,
      stepCount: 3,
    });
  });
});

describe('skips', () => {
  // Feed row: an f64 that skips, an f32 to add. Step row: an f32. Report: the step row's value and the state.
  const p = program(
    [
      skipIf(feed(0, 8)),
      add(block(0, 0, 4), block(0, 0, 4), feed(8, 4), { skippable: true }),
      copy(report(0, 4), step(0, 4), { serial: true }),
      copy(report(8, 4), block(0, 0, 4), { serial: true }),
    ],
    { microEnd: 0, feed: { bytes: 16, columns: [] } },
  );
  const feedRows = (skips: number[]): Uint8Array => {
    const bytes = new Uint8Array(16 * skips.length);
    skips.forEach((s, k) => {
      new Float64Array(bytes.buffer, 16 * k, 1)[0] = s;
      new Float32Array(bytes.buffer, 16 * k + 8, 1)[0] = k + 1;
    });
    return bytes;
  };
  const steps = rowsOf(100, 200, 300, 400, 500);

  test.each([1, ...SOME_TEAMS])('a skipped step changes no state and uses no step row (%d threads)', (threads) => {
    const state = floats(0);
    const r = new CompiledProgram(p)
      .bind([state])
      .runSync(request({ steps: 5, feed: feedRows([0, 1, 0, Number.NaN, 0]), step: steps, threads, stepCount: 3 }));
    expect(r).toMatchObject({ status: 0, tried: 5, attempt: 5, stepCount: 6, skips: 0, threads });
    expect(rows(r)).toEqual([100, 1, 200, 1, 200, 4, 300, 4, 300, 9]);
  });

  test('too many in a row end the run after the last of them', () => {
    const bound = new CompiledProgram(p).bind([floats(0)]);
    const run = (skips: number[], rest: Partial<RunRequest>): RunResult =>
      bound.runSync(request({ steps: 5, feed: feedRows(skips), step: steps, ...rest }));
    const tooMany = STATUS.tooManySkips;
    expect(run([0, 1, 1, 0, 0], { maxSkips: 2 })).toMatchObject({
      status: tooMany,
      tried: 3,
      attempt: 3,
      stepCount: 1,
      skips: 2,
    });
    expect(run([1, 0, 1, 0, 1], { maxSkips: 2 })).toMatchObject({ status: 0, tried: 5, stepCount: 2, skips: 1 });
    expect(run([1, 0, 0, 0, 0], { maxSkips: 3, skips: 2 })).toMatchObject({ status: tooMany, tried: 1, skips: 3 });
    expect(run([1, 1, 1, 1, 1], { maxSkips: 0, skips: 9 })).toMatchObject({ status: 0, tried: 5, stepCount: 0, skips: 14 });
    expect(run([1, 1, 1, 1, 1], { maxSkips: 2 }).report.byteLength).toBe(32);
  });
});

describe('failures', () => {
  const lookup = program([
    copy(arena(0, 16), block(0, 0, 16)),
    gather(arena(64, 16), arena(0, 16), feed(0, 16)),
    copy(report(0, 16), arena(64, 16)),
    copy(block(1, 0, 16), arena(64, 16)),
  ]);
  const indices = new Int32Array([0, 1, 2, 3, 3, 2, 4, -1, 0, 0, 0, 0]);

  test.each([1, ...SOME_TEAMS])('an index out of bounds ends the run before later instructions (%d threads)', async (threads) => {
    const [table, out] = [floats(10, 20, 30, 40), floats(0, 0, 0, 0)];
    const bound = new CompiledProgram(lookup).bind([table, out]);
    const wanted = request({ steps: 3, feed: indices, threads, attempt: 5, stepCount: 4 });
    const error = await bound.run(wanted).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(IndexError);
    const { result, ...details } = (error as IndexError).details as { result: RunResult };
    expect(details).toMatchObject({ op: 'gather', bound: 4 });
    // Position and value belong together, whichever thread was first.
    expect([
      [2, 4],
      [3, -1],
    ]).toContainEqual([result.position, result.value]);
    expect((error as Error).message).toBe(
      `gather: expected an index from 0 to 3 at position ${result.position}, got ${result.value}`,
    );
    // One step took effect; the failed one left the state as it was. Its row comes with the report.
    expect(result).toMatchObject({ status: STATUS.indexOutOfBounds, tried: 1, attempt: 6, stepCount: 5, instr: 1 });
    expect(result.report.byteLength).toBe(32);
    expect(contents(out)).toEqual([10, 20, 30, 40]);
    expect(() => bound.runSync(wanted)).toThrow(IndexError);
    expect(bound.runSync(request({ feed: indices.subarray(0, 4) }))).toMatchObject({
      status: 0,
      instr: -1,
      position: 0,
      value: 0,
    });
  });

  test('a kernel may end the run as non-finite, between serial instructions too', () => {
    const p = program([failIf(feed(0, 8), feed(8, 8)), copy(block(0, 0, 4), feed(0, 4), { serial: true })]);
    const state = floats(7);
    const r = new CompiledProgram(p).bind([state]).runSync(request({ steps: 2, feed: new Float64Array([0, 0, Number.NaN, 3]) }));
    expect(r).toMatchObject({ status: STATUS.nonFinite, tried: 1, instr: 0, position: 3 });
    expect(contents(state)).toEqual([0]);
  });
});

// The same in TypeScript. Slots of 16 floats in block 0; `skip` reads the feed row.
const SLOTS = 6;
const WIDTH = 1024;
interface Case {
  readonly instrs: readonly {
    kind: 'copy' | 'add' | 'skip';
    out: number;
    a: number;
    b: number;
    skippable: boolean;
    serial: boolean;
  }[];
  readonly micro: number;
  readonly steps: number;
  readonly micros: number;
  readonly maxSkips: number;
  readonly flags: readonly boolean[];
}

function model(c: Case, state: Float32Array[]): { tried: number; skips: number; stepCount: number; attempt: number } {
  let [tried, skips, applied] = [0, 0, 0];
  const microEnd = Math.min(c.micro, c.instrs.length);
  while (tried < c.steps) {
    let skip = false;
    const section = (begin: number, end: number, row: number): void => {
      for (const i of c.instrs.slice(begin, end)) {
        if (i.skippable && skip) continue;
        if (i.kind === 'skip') skip ||= c.flags[row] as boolean;
        else {
          const [out, a, b] = [state[i.out], state[i.a], state[i.b]] as [Float32Array, Float32Array, Float32Array];
          for (let k = 0; k < WIDTH; k++) out[k] = i.kind === 'copy' ? (a[k] as number) : (a[k] as number) + (b[k] as number);
        }
      }
    };
    for (let m = 0; m < c.micros; m++) section(0, microEnd, tried * c.micros + m);
    section(microEnd, c.instrs.length, tried * c.micros + c.micros - 1);
    tried++;
    skips = skip ? skips + 1 : 0;
    applied += skip ? 0 : 1;
    if (c.maxSkips > 0 && skips >= c.maxSkips) break;
  }
  return { tried, skips, stepCount: applied, attempt: tried * c.micros };
}

test('random programs: any team size gives what the model gives', () => {
  const slot = fc.integer({ min: 0, max: SLOTS - 1 });
  const arb = fc
    .record({
      instrs: fc.array(
        fc.record({
          kind: fc.constantFrom('copy' as const, 'add' as const, 'add' as const, 'skip' as const),
          out: slot,
          a: slot,
          b: slot,
          skippable: fc.boolean(),
          serial: fc.boolean(),
        }),
        { maxLength: 8 },
      ),
      micro: fc.nat(8),
      steps: fc.integer({ min: 1, max: 4 }),
      micros: fc.integer({ min: 1, max: 3 }),
      maxSkips: fc.nat(3),
      flags: fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
    })
    .map((c) => ({ ...c, instrs: c.instrs.filter((i) => i.kind !== 'copy' || i.out !== i.a) }));
  const bytes = WIDTH * 4;
  fc.assert(
    fc.property(arb, fc.integer({ min: 1, max: 4 }), (c, threads) => {
      const at = (k: number) => block(0, k * bytes, bytes);
      const instrs = c.instrs.map((i): Instr => {
        if (i.kind === 'skip') return { ...skipIf(feed(0, 8)), serial: i.serial, skippable: i.skippable };
        return i.kind === 'copy' ? copy(at(i.out), at(i.a), i) : add(at(i.out), at(i.a), at(i.b), i);
      });
      const p: Program = program(instrs, {
        microEnd: Math.min(c.micro, instrs.length),
        feed: { bytes: 8, columns: [] },
        blocks: [{ name: 'state', bytes: SLOTS * bytes, writes: true }],
      });
      const start = Array.from({ length: SLOTS }, (_, k) => new Float32Array(WIDTH).fill(k + 1));
      const memory = allocate(SLOTS * bytes);
      start.forEach((s, k) => {
        memory.write(k * bytes, s);
      });
      const rowsUsed = c.steps * c.micros;
      const result = new CompiledProgram(p).bind([memory]).runSync(
        request({
          steps: c.steps,
          micros: c.micros,
          maxSkips: c.maxSkips,
          feed: new Float64Array(c.flags.slice(0, rowsUsed).map(Number)),
          threads,
        }),
      );
      const expected = model(c, start);
      expect(result).toMatchObject(expected);
      start.forEach((s, k) => {
        const got = new Float32Array(WIDTH);
        memory.read(k * bytes, got);
        expect(Buffer.from(got.buffer).equals(Buffer.from(s.buffer))).toBe(true);
      });
    }),
    { numRuns: 400 },
  );
});

test('every ISA runs the same program', () => {
  const results = new Set(
    ['avx512', 'avx2', 'x86_64'].map((isa) => {
      try {
        return rows(new CompiledProgram(sum, isa).bind([floats(0)]).runSync(request({ feed: rowsOf(2.5) }))).join();
      } catch {
        return '2.5';
      }
    }),
  );
  expect([...results]).toEqual(['2.5']);
});

test('a run asks for more threads than there are CPUs and still comes out right; beyond what is possible it is refused', async () => {
  const bytes = 1 << 16;
  const p = program([copy(arena(0, bytes), block(0, 0, bytes)), add(block(0, 0, bytes), arena(0, bytes), arena(0, bytes))]);
  const state = allocate(bytes);
  state.write(0, new Float32Array(bytes / 4).fill(1));
  const bound = new CompiledProgram(p).bind([state]);
  for (const threads of [64, MAX_THREADS]) expect(await bound.run(request({ steps: 3, threads }))).toMatchObject({ threads });
  await expect(bound.run(request({ threads: MAX_THREADS + 1 }))).rejects.toThrow('run: threads: expected at most 256, got 257');
  expect(contents(state).every((x) => x === 64)).toBe(true);
});
