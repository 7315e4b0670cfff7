// saving.ts: how a trainer's state goes to a file or into memory, and comes from there.

import { CheckpointError, DataError, OptionError } from '../../errors.ts';
import { joined } from '../../io/arrays/safetensors.ts';
import { type ByteSink, writeTo } from '../../io/file/stream.ts';
import { MAX_WEIGHTS } from '../../io/limits.ts';
import type { State } from '../../ir/graph.ts';
import type { Data } from '../../ir/op.ts';
import type { Group } from '../../mpi/group.ts';
import { preprocessMetadata, preprocessOf, type Transforms } from '../feed/prepare.ts';
import { after, type Wait } from '../flow/effect.ts';
import { sameValues, withoutValues } from '../flow/kept.ts';
import { type Counters, type Course, NO_COURSE, START } from '../flow/progress.ts';
import type { Warnings } from '../flow/warnings.ts';
import { byFirst, type Done, writtenByFirst } from '../group/first.ts';
import { rankedOf } from '../group/sharing.ts';
import { wholes } from '../group/wholes.ts';
import type { Weights } from '../options.ts';
import { type Checkpoint, checkpointParts, nameByState, readCheckpoint, tensorsOf, writeCheckpoint } from './checkpoint.ts';
import { type CheckpointRule, checkpointFiles, MOST_KEPT, type WriteCheckpoint } from './checkpoint-files.ts';
import type { Current } from './current.ts';
import { type LoadResult, matchCheckpoint, type Purpose } from './matching.ts';
import { sinceOf } from './names.ts';
import type { Setup } from './setup.ts';
import { type Held, type Snapshot, TakenSnapshot } from './snapshot.ts';
import type { Standing } from './standing.ts';

/** What of a trainer goes to a file. */
export interface Captured {
  readonly weightsOnly: boolean;
  readonly weights: Weights;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A copy of state, and where it may go. */
export interface Capture {
  readonly toFile: WriteCheckpoint;
  /** The stream is ended. */
  readonly toStream: (stream: ByteSink) => Promise<void>;
  readonly toBytes: () => Promise<Uint8Array>;
}

export class Saving {
  readonly #current: Current;
  readonly #standing: Standing;

  constructor(current: Current, standing: Standing) {
    this.#current = current;
    this.#standing = standing;
  }

  /** Copy state as of now, in a turn. */
  async capture({ weightsOnly, weights, metadata }: Captured): Promise<Capture> {
    const header = this.metadata(metadata);
    const watchers = this.#standing.running?.watchers;
    const { tensors, progress } = await this.#held(
      false,
      (setup) => (weightsOnly ? setup.named.weights(weights) : setup.named.states()),
      true,
    );
    const { group } = this.#current.options;
    const ranked = weightsOnly ? null : rankedOf(this.#current.options);
    const checkWhole = (what: string): void => {
      if (!ranked || ranked.rank === 0) return;
      const text = `save: with shardOptimizer process 0 has the whole state, and no other one can give ${what}: write to a file, or in process 0`;
      throw new OptionError(text, { option: 'shardOptimizer', rank: ranked.rank });
    };
    // Within a fit, processes are not at the same place.
    const together = this.#standing.running ? null : (group ?? null);
    const parts = (): Uint8Array[] => checkpointParts(tensors, weightsOnly ? null : progress, header);
    // What follows the run is not behind the file: who goes on from it would leave a gap in the record.
    const complete = async (ready?: () => Promise<void>): Promise<void> => {
      await watchers?.flush();
      await ready?.();
    };
    return {
      toFile: async (file, ready) => {
        const write = (): Promise<void> => writeCheckpoint(file, parts(), () => complete(ready));
        // All processes of a group have the same state, and go on when it is written.
        if (together) await writtenByFirst(together, 'save', write);
        else if (!group || group.rank === 0) await write();
      },
      async toStream(stream) {
        checkWhole('a stream');
        await complete();
        await writeTo('save', stream, parts());
      },
      async toBytes() {
        checkWhole('bytes');
        await complete();
        return joined(parts());
      },
    };
  }

  /** All state as of now, in a turn. */
  async snapshot(): Promise<Snapshot> {
    return new TakenSnapshot(await this.#held(false, (setup) => setup.named.states()));
  }

  snapshotSync(): Snapshot {
    return new TakenSnapshot(this.#held(true, (setup) => setup.named.states()) as Held);
  }

  /**
   * Copies of states as of now, and all else as of the same moment.
   * @param sync nothing may wait
   * @param whole what processes share out is put together in process 0, and left out in the others
   */
  #held(sync: boolean, namesOf: (setup: Setup) => ReadonlyMap<string, State>, whole: boolean = false): Wait<Held> {
    const { counters, seed, course, batchSize } = this.#standing;
    return this.#current.ofNext((setup): Wait<Held> => {
      const names = namesOf(setup);
      const { transforms, named, store } = setup;
      const { since } = named;
      const states = [...names.values()];
      const { group } = this.#current.options;
      const read: Wait<ReadonlyMap<State, Data>> = sync ? store.read(states) : store.snapshot(states);
      const all = group && whole ? after(read, (values) => wholes(values, group, sync)) : read;
      return after<ReadonlyMap<State, Data>, Held>(all, (values) => ({
        tensors: tensorsOf(names, values),
        progress: { counters, seed, batchSize, since, course: courseWith(course, setup, values) },
        transforms,
      }));
    });
  }

  /**
   * Process 0 of a group goes elsewhere, and the others are there, too; in a turn of each.
   * @param move of process 0; `from`: where it went, null: it did not
   * @throws (rejects) what `move` does, in process 0; GradclipError ERR_GROUP in the others
   */
  async moveAll<R>(
    group: Group,
    where: string,
    move: () => Promise<{ readonly result: R; readonly from: Checkpoint | null }>,
  ): Promise<R> {
    const ranked = rankedOf(this.#current.options);
    const first = async (): Promise<Done<R>> => {
      const { result, from } = await move();
      if (!from) return { result, state: null };
      // Process 0 has a part of it by now.
      if (ranked) return { result, state: joined(checkpointParts(from.tensors, from.progress, this.metadata({}))) };
      const all = await this.capture({ weightsOnly: false, weights: 'model', metadata: {} });
      return { result, state: await all.toBytes() };
    };
    return byFirst(group, where, first, async (state) => {
      this.adopt(await readCheckpoint(state, MAX_WEIGHTS), !ranked);
    });
  }

  /** For the header of a file. */
  metadata(metadata: Readonly<Record<string, string>>): Record<string, string> {
    return { ...metadata, ...preprocessMetadata(this.#current.setup.transforms) };
  }

  /**
   * Be where a file says, in a turn; nothing is changed where it does not fit. A run that has begun goes on with the one in the file.
   * @throws CheckpointError, DataError
   */
  adopt(read: Checkpoint, strict: boolean): LoadResult {
    const transforms = preprocessOf(read.file, read.metadata, this.#current.setup.transforms);
    return this.#be(read, transforms, strict, this.#standing.running ? 'resume' : 'load');
  }

  /** Be where a snapshot was taken, in a turn; nothing is changed where it does not fit. @throws CheckpointError */
  restore({ checkpoint, transforms }: TakenSnapshot): void {
    this.#be(checkpoint, transforms, true, 'restore');
  }

  /** @param transforms null: those that there are */
  #be(read: Checkpoint, transforms: Transforms | null, strict: boolean, purpose: Purpose): LoadResult {
    const [current, standing] = [this.#current, this.#standing];
    const begun = purpose === 'resume';
    const { counters = START, seed = standing.seed, batchSize, since = {}, course = NO_COURSE } = read.progress ?? {};
    const setup = current.next(() => sinceOf(current.options.model, since), begun);
    try {
      const { values, ...result } = matchCheckpoint(read, setup.named.states(true), strict, purpose);
      current.adopt(setup);
      if (transforms && transforms !== setup.transforms) setup.transforms = transforms;
      setup.restore(values);
      setup.claim(current.trainer);
      const there = course ? { ...course, left: weightsOf(setup, values) } : { ...NO_COURSE, ...this.#guessed(counters) };
      standing.move(seed, counters, there, batchSize ?? current.batchSize);
      return result;
    } finally {
      current.leave(setup);
    }
  }

  /** A run without a course, of an earlier version, began where it did by what is known: at the beginning. */
  #guessed({ attempt }: Counters): Pick<Course, 'tried' | 'validated'> {
    const tried = Math.ceil(attempt / this.#current.accumulate);
    return { tried, validated: tried };
  }
}

type Values = ReadonlyMap<State, Data>;

/** Values of the model's weights among others, by their names in files. */
function weightsOf(setup: Setup, values: Values): Map<string, Data> {
  const names = nameByState(setup.named.states());
  return new Map(setup.weights.flatMap((state) => (values.has(state) ? [[names.get(state)!, values.get(state)!]] : [])));
}

/** What was kept for the weights that a run left is not kept with others, which somebody has set since. */
function courseWith(course: Course, setup: Setup, values: Values): Course {
  const { kept, left } = course;
  return left === null || sameValues(weightsOf(setup, values), left) ? course : { ...course, kept: withoutValues(kept) };
}

/**
 * The newest checkpoint that is whole; null: there is none at all. Those that are not become warnings.
 * @throws DataError where there are some, and none is whole; CheckpointError
 */
export async function newestWhole(rule: CheckpointRule, warnings: Warnings): Promise<Checkpoint | null> {
  let broken: unknown = null;
  // There may be more of them, from a run that kept more.
  const files = checkpointFiles({ ...rule, keep: MOST_KEPT });
  for (const [i, file] of files.entries()) {
    try {
      const read = await wholeCheckpoint(file);
      if (broken instanceof Error) {
        const text = `resume: ${broken.message}; the checkpoint before it is taken, ${file}`;
        warnings.add('brokenCheckpoint', text, { name: file, step: read.progress?.counters.step ?? 0 });
      }
      return read;
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      const { code } = error.details;
      // What the system does not let be read may be whole.
      if (code !== undefined && code !== 'ENOENT') throw error;
      if (code === undefined) broken ??= error;
      else if (i >= rule.keep) break;
    }
  }
  if (!(broken instanceof DataError)) return null;
  const text = `resume: ${broken.message}; no checkpoint is whole: to begin anew, remove or rename them`;
  throw new DataError(text, broken.details, { cause: broken });
}

/** A checkpoint to go on with. @throws CheckpointError for one of weights alone */
export async function wholeCheckpoint(file: string): Promise<Checkpoint> {
  const read = await readCheckpoint(file, MAX_WEIGHTS);
  if (read.progress) return read;
  throw new CheckpointError(`resume: ${file}: expected a checkpoint of a training, got weights only: load takes those`, { file });
}
