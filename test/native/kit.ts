// kit.ts: small programs written by hand, for the tests of the native runtime.
import { type Instr, type Place, type Program, SPACE } from '../../lib/compile/program.ts';
import { addon, type NativeBlock, type RunRequest } from '../../lib/native/addon.ts';
import { NUMBERS, put } from '../../lib/native/numbers.ts';
import { allocate } from '../../lib/native/program.ts';

export function place(space: number, offset: number, bytes: number): Place {
  return { space, offset, bytes };
}
export const arena = (offset: number, bytes: number): Place => place(SPACE.arena, offset, bytes);
export const constant = (offset: number, bytes: number): Place => place(SPACE.constants, offset, bytes);
export const feed = (offset: number, bytes: number): Place => place(SPACE.feed, offset, bytes);
export const step = (offset: number, bytes: number): Place => place(SPACE.step, offset, bytes);
export const report = (offset: number, bytes: number): Place => place(SPACE.report, offset, bytes);
export const block = (index: number, offset: number, bytes: number): Place => place(SPACE.blocks + index, offset, bytes);

type Flags = { skippable?: boolean; serial?: boolean };
export function instr(kernel: string, outs: Place[], ins: Place[], ints: number[], flags: Flags = {}): Instr {
  return {
    kernel,
    outs,
    ins,
    ints,
    floats: [],
    skippable: flags.skippable ?? false,
    serial: flags.serial ?? false,
    note: kernel,
    flops: 0,
    bytes: 0,
  };
}

/** out = in, both f32. */
export function copy(out: Place, from: Place, flags: Flags = {}): Instr {
  return instr('copy', [out], [from], [4, 0, out.bytes / 4, 1], flags);
}

/** out = a + b, all f32 of one size. */
export function add(out: Place, a: Place, b: Place, flags: Flags = {}): Instr {
  const op = addon().maps.findIndex((m) => m.name === 'add');
  return instr('map', [out], [a, b], [0, 0, 1, 1, 1, out.bytes / 4, 0, 1, 0, 1, op, 2, 0, 1], flags);
}

/** Skip the step when the f64 at `value` is not 0. */
export function skipIf(value: Place): Instr {
  return instr('skip_if', [], [value], [], { serial: true });
}

/** out[k] = table[indices[k]]: f32 rows of one element, i32 indices. */
export function gather(out: Place, table: Place, indices: Place): Instr {
  return instr('gather', [out], [table, indices], [table.bytes / 4, 4, indices.bytes / 4, 4], {});
}

/** Ends the run as non-finite when the f64 at `flag` is not 0; `position` is reported. */
export function failIf(flag: Place, position: Place): Instr {
  return instr('fail_if', [], [flag, position], [], { serial: true });
}

/** A program of which only what matters is given. Row sizes are those the instructions need. */
export function program(instrs: Instr[], rest: Partial<Program> = {}): Program {
  const end = (space: number): number => {
    const places = instrs.flatMap((i) => [...i.outs, ...i.ins]).filter((p) => p.space === space);
    return Math.max(0, ...places.map((p) => p.offset + p.bytes));
  };
  const row = (space: number): Program['feed'] => ({ bytes: Math.ceil(end(space) / 8) * 8, columns: [] });
  const blocks = [];
  for (let b = 0; end(SPACE.blocks + b) > 0; b++) blocks.push({ name: `block${b}`, bytes: end(SPACE.blocks + b), writes: true });
  return {
    instrs,
    microEnd: instrs.length,
    cuts: [],
    arenaBytes: end(SPACE.arena),
    constants: new Uint8Array(end(SPACE.constants)),
    feed: row(SPACE.feed),
    step: row(SPACE.step),
    report: row(SPACE.report),
    blocks,
    flops: 0,
    bytes: 0,
    ...rest,
  };
}

export function request(rest: Partial<RunRequest> = {}): RunRequest {
  return { steps: 1, micros: 1, seed: 1n, attempt: 0, stepCount: 0, skips: 0, maxSkips: 0, threads: 1, ...rest };
}

/** The same, as the add-on takes it. */
export function numbersOf(rest: Partial<RunRequest> = {}): Float64Array {
  const numbers = new Float64Array(NUMBERS);
  put(request(rest), numbers);
  return numbers;
}

/** One f32 per row of 8 bytes. */
export function rowsOf(...values: number[]): Float32Array {
  return new Float32Array(values.flatMap((x) => [x, 0]));
}

export function floats(...values: number[]): NativeBlock {
  const b = allocate(values.length * 4);
  b.write(0, new Float32Array(values));
  return b;
}

export function contents(b: NativeBlock): number[] {
  const out = new Float32Array(b.bytes / 4);
  b.read(0, out);
  return [...out];
}

/** A bound program that takes about a tenth of a second per thousand steps, and the block it writes to. */
export function slow(bytes: number = 1 << 18): { program: Program; blocks: NativeBlock[] } {
  const p = program([copy(arena(0, bytes), block(0, 0, bytes)), copy(block(0, 0, bytes), arena(0, bytes))]);
  return { program: p, blocks: [allocate(bytes)] };
}
