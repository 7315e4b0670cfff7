// outcome.ts: a training of a set-up, whole or stopped and resumed by what a new process would have, and all that came of it.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AbortError, GuardError, NonFiniteError, SkipError } from '../../lib/errors.ts';
import { readSafetensors, writeSafetensors } from '../../lib/io/arrays/safetensors.ts';
import type { Stream } from '../../lib/train/feed/batch.ts';
import type { BatchStream } from '../../lib/train/feed/batches.ts';
import { columns } from '../../lib/train/feed/columns.ts';
import type { Arrays, NdArray, Source } from '../../lib/train/feed/source.ts';
import type { FitResult } from '../../lib/train/flow/progress.ts';
import type { FitOptions } from '../../lib/train/options.ts';
import { Trainer } from '../../lib/train/trainer.ts';
import { differences, digestOf, firstDifference } from '../torture/compare.ts';
import type { Network } from '../torture/network.ts';
import type { ProgramSpec } from '../torture/spec.ts';
import { batchesOf, type Outcome, type Program, programOf, tellState } from '../torture/train.ts';
import { Log } from './log.ts';
import { PLAIN, type Setup } from './setup.ts';

const FOLDER = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'gradclip-resume-'));
process.on('exit', () => rmSync(FOLDER, { recursive: true, force: true }));
const STATE = join(FOLDER, 'state.safetensors');
const RECORD = join(FOLDER, 'record.jsonl');
const KEPT = join(FOLDER, 'kept');

/** What a run may end with that is no fault of the library. */
const ENDS = [NonFiniteError, SkipError, GuardError];

/** Steps after the second epoch, so that its end lies within the run. */
const BEYOND = 2;

const specOf = ({ program }: Setup): ProgramSpec => ({ ...PLAIN, ...program });

/** Steps of an epoch. */
export function stepsOf(setup: Setup): number {
  const { rows, batchSize, dropLast, accumulate, input } = specOf(setup);
  const size = setup.fit?.batchSize ?? batchSize;
  const batches = dropLast || input.source === 'consecutive' ? Math.floor(rows / size) : Math.ceil(rows / size);
  return Math.ceil(batches / accumulate);
}

/** Steps of the run. */
export const lastOf = (setup: Setup): number => 2 * stepsOf(setup) + BEYOND;

/** Every step of two epochs. */
export const allStops = (setup: Setup): number[] => Array.from({ length: 2 * stepsOf(setup) }, (_, i) => i + 1);

/** Within the first epoch, at its end, within the second, and at its end. */
export function someStops(setup: Setup): number[] {
  const steps = stepsOf(setup);
  return [...new Set([Math.ceil(steps / 2), steps, steps + Math.ceil(steps / 3), 2 * steps])];
}

/**
 * How a training is stopped: its fit has so many steps, or is aborted, and what is saved then is loaded; or a file that it has written itself is resumed;
 * or what it is then is kept in memory, and brought back when it has gone on for a while (`branches`), or given to a trainer made anew (`moves`).
 */
export type Way = 'ends' | 'aborts' | 'resumes' | 'branches' | 'moves';

/** Those in which no file is written. */
export const IN_MEMORY: readonly Way[] = ['branches', 'moves'];

/** Steps that a branch is gone on with before it is given up. */
const DETOUR = 10;

/**
 * Those of a set-up: what blocks cannot be aborted, and writes no files itself; a file is resumed by the fit that wrote it, and only that counts epochs
 * from where the run began.
 */
export function waysOf({ sync, changes, fit }: Setup): readonly Way[] {
  if (fit?.epochs !== undefined) return ['resumes'];
  return sync ? ['ends', ...IN_MEMORY] : ['ends', 'aborts', ...(changes ? [] : (['resumes'] as const)), ...IN_MEMORY];
}

/**
 * The training, stopped after so many steps; where it is resumed, once.
 * @param how.way default `ends`
 * @param how.spoilt for whether that would be seen
 * @throws whatever is not one of the ends that a run may have
 */
export async function outcomeOf(
  setup: Setup,
  stops: readonly number[],
  how: { way?: Way; spoilt?: Spoilt } = {},
): Promise<Outcome> {
  rmSync(RECORD, { force: true });
  if (how.way === 'resumes') return resumed(setup, stops[0]!);
  const { changes } = setup;
  const last = lastOf(setup);
  const ends = [...new Set([...stops, ...(changes ? [changes.after] : []), last])].sort((a, b) => a - b);
  const run = new Following(setup, 0);
  for (const [k, end] of ends.entries()) {
    const begin = ends[k - 1] ?? 0;
    if (stops.includes(begin)) await run.stop(begin, how);
    if (begin === changes?.after) changes.model?.(run.trainer.model);
    const aborts = how.way === 'aborts' && stops.includes(end);
    const until = changes && begin < changes.after ? changes.after : last;
    const steps = (aborts ? until : end) - begin;
    if (!(await run.fit({ steps, ...(changes && begin >= changes.after && changes.fit) }, aborts ? end : null))) break;
  }
  return run.outcome();
}

/** What one run has written: files by the steps tried. */
let written: { setup: Setup; files: ReadonlyMap<number, string> } | null = null;

/** A run resumed from the file that it has written after so many steps, or before them where it has written none then. */
async function resumed(setup: Setup, stop: number): Promise<Outcome> {
  const steps = lastOf(setup);
  if (written?.setup !== setup) {
    rmSync(KEPT, { recursive: true, force: true });
    mkdirSync(KEPT);
    const run = new Following(setup, 0);
    await run.fit({ steps, checkpoint: { file: join(KEPT, 'state.safetensors'), every: { steps: 1 }, keep: steps } });
    run.trainer.dispose();
    if (setup.record) renameSync(RECORD, join(KEPT, 'record'));
    const files = new Map<number, string>();
    for (const name of readdirSync(KEPT)) {
      if (name === 'record') continue;
      const { metadata } = await readSafetensors(join(KEPT, name));
      files.set((JSON.parse(metadata['gradclip.course']!) as { tried: number }).tried, join(KEPT, name));
    }
    written = { setup, files };
  }
  const before = [...written.files].filter(([tried]) => tried <= stop).sort(([a], [b]) => b - a)[0];
  // It has more steps than the file that is resumed, as that of a process which was killed.
  if (setup.record) copyFileSync(join(KEPT, 'record'), RECORD);
  const run = new Following(setup, stop);
  await run.fit({ steps, ...(before && { resume: before[1] }) });
  return run.outcome();
}

/** A state that is another one in a checkpoint than it was. */
export interface Spoilt {
  readonly name: string;
  readonly value: (v: number) => number;
}

async function spoil({ name, value }: Spoilt): Promise<void> {
  const { tensors, metadata } = await readSafetensors(STATE);
  const tensor = tensors.get(name);
  if (tensor) await writeSafetensors(STATE, new Map([...tensors, [name, { ...tensor, data: tensor.data.map(value) }]]), metadata);
}

type Fit = FitOptions<'size'>;

/** A trainer as one process after the other has it, and what its runs tell. */
class Following {
  readonly #setup: Setup;
  #trainer: Trainer<Network, 'size'> | null = null;
  #log: Log = new Log();
  #result: FitResult<'size'> | null = null;
  #error = '';

  constructor(setup: Setup, after: number) {
    this.#setup = setup;
    this.begin(after);
  }

  get trainer(): Trainer<Network, 'size'> {
    return this.#trainer!;
  }

  /** As a new process does for what comes after so many steps. */
  begin(steps: number): void {
    const { options, after, changes } = this.#setup;
    this.#trainer?.dispose();
    this.#trainer = new Trainer({ ...programOf(specOf(this.#setup)).options(), ...options, ...(steps > 0 && after) });
    if (changes && steps > changes.after) changes.model?.(this.trainer.model);
    this.#log = new Log();
  }

  /** Stop after so many steps, and be there again. */
  async stop(steps: number, { way, spoilt }: { way?: Way; spoilt?: Spoilt }): Promise<void> {
    const { sync, changes } = this.#setup;
    if (!way || !IN_MEMORY.includes(way)) {
      await this.trainer.save(STATE);
      if (spoilt !== undefined) await spoil(spoilt);
      this.begin(steps);
      await this.trainer.load(STATE);
      return;
    }
    const snapshot = sync ? this.trainer.snapshotSync() : await this.trainer.snapshot();
    const fit = changes && steps >= changes.after ? changes.fit : {};
    if (way === 'branches') await this.fit({ ...fit, steps: DETOUR });
    else this.begin(steps);
    this.#log = new Log();
    this.#error = '';
    if (sync) this.trainer.restoreSync(snapshot);
    else await this.trainer.restore(snapshot);
  }

  /**
   * @param abortAfter so many steps, of all there were
   * @returns whether the training goes on
   */
  async fit(more: Omit<Fit, 'validation'> & { readonly validation?: true }, abortAfter: number | null = null): Promise<boolean> {
    const setup = this.#setup;
    const { validation, ...rest } = { ...setup.fit, ...more };
    const controller = new AbortController();
    this.#log.stop = (steps) => {
      if (abortAfter !== null && steps >= abortAfter) controller.abort();
    };
    const options: Fit = {
      ...rest,
      callbacks: [this.#log],
      ...(validation && { validation: others(setup).source }),
      ...(setup.record && { record: { file: RECORD, ...setup.record } }),
      ...(abortAfter !== null && { signal: controller.signal, chunkSteps: 1 }),
    };
    this.#result = null;
    try {
      this.#result = setup.sync
        ? this.trainer.fitSync(dataOf(setup) as Source, options)
        : await this.trainer.fit(dataOf(setup), options);
      return this.#result.stopReason === 'steps';
    } catch (error) {
      if (abortAfter !== null && error instanceof AbortError) return true;
      if (!ENDS.some((end) => error instanceof end)) throw error;
      this.#error = (error as Error).message;
      return false;
    }
  }

  /** What was told, weights, all states, counters, and the record. */
  async outcome(): Promise<Outcome> {
    const { told } = this.#log;
    const setup = this.#setup;
    told.set('error', this.#error);
    for (const key of ['stopReason', 'best', 'auto'] as const) told.set(key, JSON.stringify(this.#result?.[key] ?? null));
    await tellState(told, this.trainer, STATE);
    told.set('rate factor', String(this.trainer.rateFactor));
    if (setup.record) {
      for (const [i, line] of readFileSync(RECORD, 'utf8').split('\n').entries()) told.set(`line ${i} of the record`, line);
    }
    this.trainer.dispose();
    return told;
  }
}

/** Other rows of the same kind. */
const others = (setup: Setup): Program => programOf({ ...specOf(setup), seed: PLAIN.seed + 1, rows: 11 });

type Columns = 'columns' | 'columns, in windows';

/** The rows as columns, in parts that are no batches. */
function columnsOf(arrays: Readonly<Record<string, NdArray>>, windows: boolean): BatchStream {
  const { x, y } = arrays as Record<'x' | 'y', NdArray>;
  const [rows, width] = x.shape as [number, number];
  const names = Array.from({ length: width }, (_, c) => `x${c}`);
  function* parts(): Generator<object> {
    for (let from = 0; from < rows; from += 7) {
      const to = Math.min(rows, from + 7);
      const at = (c: number): Float64Array => Float64Array.from({ length: to - from }, (_, r) => x.data[(from + r) * width + c]!);
      yield { ...Object.fromEntries(names.map((name, c) => [name, at(c)])), y: y.data.slice(from, to) };
    }
  }
  return columns(parts, { x: names, y: { columns: 'y', dtype: 'i32' } }, { shuffle: windows ? 9 : 0 });
}

/** The batches of an epoch. */
type Rows = (at: { readonly epoch: number; readonly batch: number }) => Iterable<Arrays>;

const STREAMS: Readonly<Record<Exclude<NonNullable<Setup['batches']>, Columns>, (rows: Rows) => Stream>> = {
  'a function that is told where': (rows) => (at) => rows(at),
  'an async function that is told where': (rows) =>
    async function* (at) {
      for (const batch of rows(at)) {
        await new Promise((resolve) => setImmediate(resolve));
        yield batch;
      }
    },
  'a function that is told nothing': (rows) => () => rows({ epoch: 0, batch: 0 }),
  'a list': (rows) => [...rows({ epoch: 0, batch: 0 })],
};

function dataOf(setup: Setup): Source | Stream | BatchStream {
  const spec = specOf(setup);
  const { source, arrays } = programOf(spec);
  const { batches } = setup;
  if (batches === 'columns' || batches === 'columns, in windows')
    return columnsOf(arrays as Record<string, NdArray>, batches !== 'columns');
  return batches ? STREAMS[batches](({ epoch, batch }) => batchesOf(spec, arrays, epoch, batch)) : source;
}

/** Names of the states that a checkpoint has beside weights. */
export function statesIn(outcome: Outcome): string[] {
  return [...outcome.keys()].filter((name) => name.startsWith('gradclip.'));
}

/** What is not the same, in words; null where nothing is. */
export function compared(whole: Outcome, resumed: Outcome): string | null {
  const [a, b] = [digestOf(whole), digestOf(resumed)];
  const names = [...new Set([...differences(a, b, null), ...differences(b, a, null)])];
  const [first] = names;
  if (first === undefined) return null;
  const more = names.length > 1 ? `, and ${names.length - 1} more` : '';
  return `${first}: ${firstDifference(whole.get(first), resumed.get(first))}${more}`;
}
