// program.ts: a compiled program in native form: encode, bind, run; native error codes become the classes of errors.ts.
import { type Program, stageCount } from '../compile/program.ts';
import {
  BusyError,
  DetachedError,
  DisposedError,
  GradclipError,
  IndexError,
  InvalidProgramError,
  OptionError,
} from '../errors.ts';
import type { LowerContext } from '../ir/op.ts';
import {
  addon,
  type NativeBinding,
  type NativeBlock,
  type NativeProgram,
  type ProgramSpec,
  type RunRequest,
  type RunResult,
} from './addon.ts';
import { isBrief } from './brief.ts';
import { NUMBERS, put, resultOf } from './numbers.ts';
import { checkRoom, type Purpose } from './room.ts';

/** RunResult.status. */
export const STATUS = { ok: 0, indexOutOfBounds: 1, tooManySkips: 2, nonFinite: 3, stopped: 4, noGroup: 5 } as const;

/** What the compiler must know of the add-on. */
export function target(): LowerContext {
  const index = new Map(addon().maps.map(({ name }, i) => [name, i]));
  return {
    mapIndex(name) {
      const i = index.get(name);
      if (i === undefined) throw new InvalidProgramError(`map ${name}: the add-on has no operation of this name`);
      return i;
    },
  };
}

/** The numbers C++ decodes. */
export function encode(program: Program): ProgramSpec {
  const ids = new Map(addon().kernels.map((name, id) => [name, id]));
  const code: number[] = [];
  program.instrs.forEach((instr, index) => {
    const id = ids.get(instr.kernel);
    if (id === undefined)
      throw new InvalidProgramError(`instr ${index} (${instr.kernel}): the add-on has no kernel of this name`);
    code.push(id, (instr.skippable ? 1 : 0) + (instr.serial ? 2 : 0));
    code.push(instr.outs.length, instr.ins.length, instr.ints.length, instr.floats.length);
    for (const p of instr.outs) code.push(p.space, p.offset, p.bytes);
    for (const p of instr.ins) code.push(p.space, p.offset, p.bytes);
    for (const x of instr.ints) code.push(x);
    for (const x of instr.floats) code.push(x);
  });
  return {
    code: new Float64Array(code),
    instrs: program.instrs.length,
    microEnd: program.microEnd,
    cuts: new Float64Array(program.cuts),
    arenaBytes: program.arenaBytes,
    constants: program.constants,
    feedBytes: program.feed.bytes,
    stepBytes: program.step.bytes,
    reportBytes: program.report.bytes,
    blockBytes: new Float64Array(program.blocks.map((b) => b.bytes)),
    blockWrites: new Uint8Array(program.blocks.map((b) => (b.writes ? 1 : 0))),
  };
}

/** A program the native side has verified. Bind it to memory to run it; it may be bound more than once. */
export class CompiledProgram {
  readonly program: Program;
  readonly #native: NativeProgram;

  /** Throws InvalidProgramError. `isa` forces a kernel table downwards. */
  constructor(program: Program, isa?: string) {
    this.program = program;
    this.#native = withOurErrors(() => new (addon().Program)(encode(program), isa));
  }

  /**
   * Memory for every block of the program, in its order: blocks, or the caller's arrays (then it runs synchronously only).
   * @param apart its runs wait for no others, and have one thread: of a program that writes to no block
   * @param micros the most micro-batches that its runs have at once: of several stages, each takes an arena
   * @throws GradclipError ERR_MEMORY where there is none for what the program computes
   */
  bind(
    blocks: readonly (NativeBlock | NodeJS.TypedArray)[],
    purpose: Purpose = { what: 'a program' },
    apart: boolean = false,
    micros: number = 1,
  ): BoundProgram {
    const { arenaBytes } = this.program;
    checkRoom(purpose, (stageCount(this.program) > 1 ? micros * arenaBytes : arenaBytes) + this.#native.scratchBytes);
    return new BoundProgram(
      this.program,
      withOurErrors(() => this.#native.bind(blocks, apart)),
    );
  }
}

/** Numbers that a profile has for each instruction. */
export const PROFILE_ROW = 5;

/** What runs the steps of a program: its kernels, or an interpreter of its graph. */
export type Engine = Pick<
  BoundProgram,
  'rebind' | 'unbind' | 'run' | 'runSync' | 'startProfile' | 'profile' | 'stop' | 'endEarly' | 'dispose'
>;

/** A program with its memory. */
export class BoundProgram implements Engine {
  readonly program: Program;
  readonly #native: NativeBinding;
  /** For synchronous runs, one after the other. */
  readonly #numbers: Float64Array = new Float64Array(NUMBERS);
  /** Of the last awaited run, for the next. */
  #idle: Float64Array | null = null;
  readonly #stages: number;
  constructor(program: Program, native: NativeBinding) {
    this.program = program;
    this.#stages = stageCount(program);
    this.#native = native;
  }

  /**
   * Run on the environment's own thread, queued behind earlier runs. Rejects with IndexError when an index was out of bounds; its
   * `details.result` holds the RunResult, as the steps before the failed one have taken effect. Other ends are in `status`.
   * @param mayBlock it is done at once, on this thread, where that takes less time than to hand it over and no other run is on (brief.ts)
   */
  async run(request: RunRequest, mayBlock: boolean = false): Promise<RunResult> {
    const numbers = this.#idle ?? new Float64Array(NUMBERS);
    this.#idle = null;
    put(request, numbers, this.#stages);
    try {
      const { seed, feed, step, steps, micros, threads } = request;
      // Who waits for other processes may wait long.
      const atOnce = mayBlock && threads === 1 && !request.share && isBrief(this.program, steps, micros);
      const report = await this.#native.run(numbers, seed, feed, step, atOnce);
      const ran = resultOf(numbers, report);
      this.#idle = numbers;
      return this.#check(ran);
    } catch (error) {
      throw typed(error);
    }
  }

  /** The same in this thread's time. */
  runSync(request: RunRequest): RunResult {
    const numbers = this.#numbers;
    put(request, numbers, this.#stages);
    const report = withOurErrors(() => this.#native.runSync(numbers, request.seed, request.feed, request.step));
    return this.#check(resultOf(numbers, report));
  }

  /** Other blocks in place of all that it was bound to. @throws BusyError while a run is queued or running */
  rebind(blocks: readonly NativeBlock[]): void {
    withOurErrors(() => this.#native.rebind(blocks));
  }

  /** Keep nothing of them: the next run comes after `rebind`. @throws BusyError while a run is queued or running */
  unbind(): void {
    withOurErrors(() => this.#native.unbind());
  }

  /**
   * From here on, measure each instruction.
   * @param balance threads work one after the other, each up to its next barrier: what they would take with a core for each
   * @throws BusyError while a run is queued or running
   */
  startProfile(balance: boolean): void {
    withOurErrors(() => this.#native.startProfile(balance));
  }

  /**
   * Per instruction of the program, PROFILE_ROW numbers: calls, wall nanoseconds, busy nanoseconds summed over threads; and of balance its barriers
   * and what the thread with the largest share was busy. Empty if nothing was started.
   * @throws BusyError while a run is queued or running
   */
  profile(): Float64Array {
    return withOurErrors(() => this.#native.profile());
  }

  /** Ask queued and running runs to end after the step they are in. */
  stop(): void {
    this.#native.stop();
  }

  /** Ask queued and running runs to end after the step they are in, but each after one of its own. */
  endEarly(): void {
    this.#native.endEarly();
  }

  dispose(): void {
    this.#native.dispose();
  }

  #check(result: RunResult): RunResult {
    if (result.status === STATUS.noGroup)
      throw new GradclipError('ERR_GROUP', 'run: a share of the micro-batches, and no group of processes that has the others', {
        result,
      });
    if (result.status !== STATUS.indexOutOfBounds) return result;
    const instr = this.program.instrs[result.instr];
    const op = instr?.op ?? instr?.kernel ?? '?';
    const { position, value, bound } = result;
    const details = { op, position, value, bound, result };
    // Floats where labels or tokens are wanted (ops/rows/indices.ts).
    const below = bound === 2 ** 24 && Number.isInteger(value) ? ` below ${bound}, since f32 does not have all others` : '';
    // What may not be though it is within the bounds: a label that stands for none.
    const but = value >= 0 && value < bound ? ' other than the blank' : '';
    const expected = op === 'indices' ? `whole numbers${below} as labels or indices` : `an index from 0 to ${bound - 1}${but}`;
    const text =
      op === 'indices'
        ? `${op}: expected ${expected}, got ${value} at position ${position}`
        : `${op}: expected ${expected} at position ${position}, got ${value}`;
    throw new IndexError(text, details);
  }
}

/** A block of native memory. @throws GradclipError ERR_MEMORY */
export function allocate(bytes: number, purpose: Purpose = { what: 'a block' }): NativeBlock {
  checkRoom(purpose, bytes);
  return withOurErrors(() => new (addon().Block)(bytes));
}

/** Calls the add-on; what it throws comes out as a GradclipError. */
export function withOurErrors<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw typed(error);
  }
}

function typed(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof GradclipError) return error;
  const code = (error as { code?: unknown }).code;
  switch (code) {
    case 'ERR_PROGRAM':
      return new InvalidProgramError(error.message);
    case 'ERR_BUSY':
      return new BusyError(error.message);
    case 'ERR_DETACHED':
      return new DetachedError(error.message);
    case 'ERR_DISPOSED':
      return new DisposedError(error.message);
    case 'ERR_OPTION':
      return new OptionError(error.message);
    case 'ERR_MEMORY':
      return new GradclipError(code, error.message);
    default:
      return error;
  }
}
