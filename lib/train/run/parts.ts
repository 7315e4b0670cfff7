// parts.ts: the steps of a chunk, run by one program or, where its batches differ in shape, by several that take turns at a step; and what they report.
import { stageCount } from '../../compile/program.ts';
import type { Group } from '../../mpi/group.ts';
import type { RunRequest, RunResult } from '../../native/addon.ts';
import { STATUS } from '../../native/program.ts';
import { Reports } from '../../optim/apply/report.ts';
import { inEpochs } from '../../optim/schedules/length.ts';
import { type Chunk, microsOfStep } from '../feed/feeder.ts';
import { type Effect, type Loop, perform } from '../flow/effect.ts';
import type { Counters } from '../flow/progress.ts';
import type { Place } from '../flow/running.ts';
import { type Share, shareOf } from '../group/share.ts';
import { type Compiled, runOf } from '../programs/session.ts';
import type { Setup } from '../state/setup.ts';

type Programs = readonly Compiled<unknown>[];

/** What a run goes by, beside where it is. */
export interface Terms {
  /** Knows learning rates, thresholds and whatever else a step is given. */
  readonly setup: Pick<Setup, 'fillRows' | 'policy'>;
  /** Updates in an epoch, which schedules may count in; null: nobody knows. */
  readonly epochSteps: number | null;
  /** Who takes a share of the micro-batches; null: all are ours. */
  readonly group?: Pick<Group, 'rank' | 'size'> | null;
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
  /** Which micro-batches of a step are ours, and where each part has some of them. */
  readonly #share: Share;
  readonly #runs: readonly Ranged[];
  #i = 0;

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
    this.#share = ownOf(chunk, terms);
    this.#runs = byStages(rangesOf(chunk, this.#share), programs);
  }

  /** @param steps of the chunk that are run, if it has one part */
  next(steps: number = this.#chunk.steps - this.#done): Effect<RunResult> {
    const range = this.#runs[this.#i++]!;
    const compiled = this.#programs[range.part]!;
    const request = requestOf(compiled, this.#chunk, [this.#done, steps], range, this.#place, this.#terms);
    return runOf(compiled, this.#terms.group ? { ...request, share: this.#share } : request);
  }

  /** The next part follows where one came to its end; the last ends the step. */
  goOn({ status }: RunResult): boolean {
    return status === STATUS.ok && this.#i < this.#runs.length;
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

/** Micro-batches of a step that are in one part of a chunk: which one, and those before it. */
interface Ranged {
  readonly part: number;
  readonly before: number;
  readonly first: number;
  readonly end: number;
  /** Of programs that have several; undefined: all of them. */
  readonly stage?: number;
}

/** Programs whose micro-batches wait for each other take turns at each stage. */
function byStages(ranges: readonly Ranged[], programs: Programs): readonly Ranged[] {
  const stages = stageCount(programs[ranges[0]!.part]!.program);
  if (stages === 1 || ranges.length === 1) return ranges;
  return Array.from({ length: stages }, (_, stage) => ranges.map((range) => ({ ...range, stage }))).flat();
}

/** Which micro-batches of a step are this process's. */
function ownOf({ micros, within }: Chunk, { group }: Terms): Share {
  if (within) return { base: within.base, share: micros };
  return group ? shareOf(group.rank, group.size, micros) : { base: 0, share: micros };
}

/** What of a share lies in each part. Who has none runs the last part without any: what follows the micro-batches is done by all. */
function rangesOf({ parts, within }: Chunk, { base, share }: Share): Ranged[] {
  let before = within?.base ?? 0;
  const all = parts.map(({ micros }, part): Ranged => {
    const from = before;
    before += micros;
    return { part, before: from, first: Math.max(base, from), end: Math.min(base + share, before) };
  });
  const own = all.filter(({ first, end }) => first < end);
  return own.length > 0 ? own : [{ ...all.at(-1)!, first: base, end: base }];
}

/** Of `steps` steps of a chunk, after those that are done. */
function requestOf(
  { program }: Compiled<unknown>,
  chunk: Chunk,
  [done, steps]: readonly [number, number],
  { part: i, before, first, end, stage }: Ranged,
  { seed, counters }: Pick<Place, 'seed' | 'counters'>,
  { setup, epochSteps }: Terms,
): Omit<RunRequest, 'threads'> {
  const { attempt, step, skips } = counters;
  const part = chunk.parts[i]!;
  const { bytes } = program.feed;
  const all = part.fill(program.feed.columns, bytes).subarray(done * part.micros * bytes, (done + steps) * part.micros * bytes);
  return {
    steps,
    micros: microsOfStep(chunk),
    part: { first, end, ...(stage !== undefined && { stage }) },
    feed:
      end - first === part.micros ? all : rowsOf(all, part.micros * bytes, [(first - before) * bytes, (end - before) * bytes]),
    step: inEpochs(epochSteps, () => setup.fillRows(program.step, step, steps)),
    seed,
    attempt,
    stepCount: step,
    skips,
    maxSkips: setup.policy.maxSkips,
  };
}

/** A part of each row. */
function rowsOf(all: Uint8Array, row: number, [from, to]: readonly [number, number]): Uint8Array {
  const length = to - from;
  const out = new Uint8Array(row > 0 ? (all.length / row) * length : 0);
  for (let at = 0, k = 0; at < all.length; at += row, k++) out.set(all.subarray(at + from, at + to), k * length);
  return out;
}

/** Rows of each step; where they differ, the mean over those that were tried. */
function rowsOfStep({ parts, within, rows }: Chunk, tried: number): number {
  if (rows) return tried > 0 ? rows(tried) / tried : 0;
  return within?.rows ?? parts.reduce((sum, { micros, shape }) => sum + micros * shape.rows, 0);
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
    perStep: microsOfStep(chunk),
    stepRows: rowsOfStep(chunk, result.tried),
    step: counters.step,
    ...(guarding && { guards: guarding.placed }),
    ...(seconds !== undefined && { seconds }),
  });
}
