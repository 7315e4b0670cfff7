// parts.ts: the steps of a chunk, run by one program or, where its batches differ in shape, by several that take turns at a step; and what they report.
import type { RunRequest, RunResult } from '../../native/addon.ts';
import { STATUS } from '../../native/program.ts';
import { Reports } from '../../optim/apply/report.ts';
import { inEpochs } from '../../optim/schedules/length.ts';
import type { Chunk } from '../feed/feeder.ts';
import { type Effect, type Loop, perform } from '../flow/effect.ts';
import type { Counters } from '../flow/progress.ts';
import type { Place } from '../flow/running.ts';
import { type Compiled, runOf } from '../programs/session.ts';
import type { Setup } from '../state/setup.ts';

type Programs = readonly Compiled<unknown>[];

/** What a run goes by, beside where it is. */
export interface Terms {
  /** Knows learning rates, thresholds and whatever else a step is given. */
  readonly setup: Pick<Setup, 'fillRows' | 'policy'>;
  /** Updates in an epoch, which schedules may count in; null: nobody knows. */
  readonly epochSteps: number | null;
}

/**
 * The runs of a chunk, in a turn:
 * `const parts = new Parts(...); do result = yield* perform(parts.next()); while (parts.goOn(result));`
 */
export class Parts {
  readonly #programs: Programs;
  readonly #chunk: Chunk;
  readonly #place: Pick<Place, 'seed' | 'counters'>;
  readonly #terms: Terms;
  readonly #done: number;
  #i = 0;
  #first = 0;

  /**
   * @param programs of the chunk's parts
   * @param done steps of the chunk that are done: counters are those after them
   */
  constructor(programs: Programs, chunk: Chunk, place: Pick<Place, 'seed' | 'counters'>, terms: Terms, done: number = 0) {
    this.#done = done;
    this.#programs = programs;
    this.#chunk = chunk;
    this.#place = place;
    this.#terms = terms;
  }

  /** @param steps of the chunk that are run, if it has one part */
  next(steps: number = this.#chunk.steps - this.#done): Effect<RunResult> {
    const compiled = this.#programs[this.#i]!;
    const request = requestOf(compiled, this.#chunk, [this.#done, steps], [this.#i, this.#first], this.#place, this.#terms);
    this.#first += this.#chunk.parts[this.#i++]!.micros;
    return runOf(compiled, request);
  }

  /** The next part follows where one came to its end; the last ends the step. */
  goOn({ status }: RunResult): boolean {
    return status === STATUS.ok && this.#i < this.#programs.length;
  }
}

/** All of these, one after the other. @param steps of the chunk that are run, if it has one part */
export function* runParts(
  programs: Programs,
  chunk: Chunk,
  place: Pick<Place, 'seed' | 'counters'>,
  terms: Terms,
  [done, steps]: readonly [number, number],
): Loop<RunResult> {
  const parts = new Parts(programs, chunk, place, terms, done);
  let result: RunResult;
  do result = yield* perform(parts.next(steps));
  while (parts.goOn(result));
  return result;
}

/** Of `steps` steps of a chunk, after those that are done. @param first micro-batch of the step that is in part `i` */
function requestOf(
  { program }: Compiled<unknown>,
  chunk: Chunk,
  [done, steps]: readonly [number, number],
  [i, first]: readonly [number, number],
  { seed, counters }: Pick<Place, 'seed' | 'counters'>,
  { setup, epochSteps }: Terms,
): Omit<RunRequest, 'threads'> {
  const { attempt, step, skips } = counters;
  const part = chunk.parts[i]!;
  const { bytes } = program.feed;
  const perStep = part.micros * bytes;
  return {
    steps,
    micros: chunk.micros,
    part: { first, end: first + part.micros },
    feed: part.fill(program.feed.columns, bytes).subarray(done * perStep, (done + steps) * perStep),
    step: inEpochs(epochSteps, () => setup.fillRows(program.step, step, steps)),
    seed,
    attempt,
    stepCount: step,
    skips,
    maxSkips: setup.policy.maxSkips,
  };
}

/**
 * @param counters before the chunk
 * @param seconds that the steps took together; not given: nobody has measured it
 */
export function reportsOf(
  programs: Programs,
  chunk: Chunk,
  result: RunResult,
  counters: Counters,
  setup: Setup,
  seconds?: number,
): Reports {
  for (const { ran } of programs) {
    ran.steps += result.tried;
    ran.threads = result.threads;
  }
  const { report } = programs.at(-1)!.program;
  const { trained, guarding } = setup;
  return new Reports({
    rows: result.report,
    length: result.tried,
    columns: report.columns,
    rowBytes: report.bytes,
    names: trained,
    attempt: counters.attempt,
    perStep: chunk.micros,
    stepRows: chunk.parts.reduce((sum, { micros, shape }) => sum + micros * shape.rows, 0),
    step: counters.step,
    ...(guarding && { guards: guarding.placed }),
    ...(seconds !== undefined && { seconds }),
  });
}
