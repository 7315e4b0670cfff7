// checkpoint.ts: a trainer's state as a safetensors file. Parameters keep PyTorch's names; all other state is prefixed `gradclip.`.
import { anyText } from '../../data/fields.ts';
import { CheckpointError, DataError } from '../../errors.ts';
import { readTensors, safetensorsParts, type TensorData } from '../../io/arrays/safetensors.ts';
import { writeWhole } from '../../io/file/write.ts';
import { parseJson } from '../../io/json.ts';
import type { State } from '../../ir/graph.ts';
import { ARRAYS, type Data, type DType, sameShape, typeName } from '../../ir/op.ts';
import { version as libraryVersion, readerOf } from '../../native/package.ts';
import { type Field, record, show } from '../../options/index.ts';
import { dtypeOf } from '../feed/source.ts';
import { sameBits } from '../flow/kept.ts';
import { type Counters, type Course, START } from '../flow/progress.ts';
import { type KeptTensors, partKept, readCourse, writeCourse } from './course.ts';

const PREFIX = 'gradclip.';
const VERSION = '1';

/** What `Trainer.load` gives: how the names of the file fit those of the model. */
export interface LoadResult {
  /** Names the model has and the file does not; of a tensor with several names, where it has none of them, the first. */
  readonly missing: readonly string[];
  /** Names the file has and the model does not. */
  readonly extra: readonly string[];
  /** With option `skipMismatched`: weights that were left out since their shapes differ. */
  readonly mismatched?: readonly Mismatch[];
}

/** A weight that has one shape in the model and another in the file. */
export interface Mismatch {
  /** Name of the weight. */
  readonly name: string;
  /** Its shape in the model. */
  readonly model: readonly number[];
  /** Its shape in the file. */
  readonly file: readonly number[];
}

/** Where a trainer stands. */
export interface Progress {
  readonly counters: Counters;
  readonly seed: bigint;
  /** Rows of the batches in which the place in the epoch is counted; null in files that do not say it. */
  readonly batchSize: number | null;
  /** The first step of parameters that were not trained from the beginning, by name. */
  readonly since: Readonly<Record<string, number>>;
  /** Null in files of versions that did not keep it. */
  readonly course: Course | null;
}

/** A file that was read. */
export interface Checkpoint {
  readonly file: string;
  readonly tensors: ReadonlyMap<string, TensorData>;
  /** Tensors of dtypes or values that have no place here: they matter where the model has their names. */
  readonly unread: ReadonlyMap<string, DataError>;
  /** Left out of `tensors`; not there where nothing was to be left out. */
  readonly mismatched?: readonly Mismatch[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Null in a file that holds weights only. */
  readonly progress: Progress | null;
}

/** What a checkpoint has for a model. */
export interface Matched extends LoadResult {
  readonly values: ReadonlyMap<State, Data>;
}

/**
 * Names in a file: weights as they are, other states with the prefix; some have several.
 * @param namesOf all names of a state
 */
export function stateNames(
  states: readonly State[],
  weights: ReadonlySet<State>,
  namesOf: (state: State) => readonly string[],
): Map<string, State> {
  return new Map(states.flatMap((s) => namesOf(s).map((name) => [weights.has(s) ? name : PREFIX + name, s] as const)));
}

/** By states: their names, of several the first. */
export function nameByState(names: ReadonlyMap<string, State>): Map<State, string> {
  return new Map([...names].reverse().map(([name, state]) => [state, name]));
}

/** What a user gives for a file's header. */
export const metadata: Field<Readonly<Record<string, string>>, Readonly<Record<string, string>>, false> = record(anyText)
  .map((pairs, place) => {
    const key = Object.keys(pairs).find((name) => name.startsWith(PREFIX));
    if (key !== undefined) throw place.key(key).refuse(`names that start with ${PREFIX} are taken`, { key });
    return pairs;
  })
  .default({});

/** States of these names as tensors of a file. */
export function tensorsOf(names: ReadonlyMap<string, State>, values: ReadonlyMap<State, Data>): Map<string, TensorData> {
  return new Map(
    [...names].map(([name, state]) => [name, { dtype: state.type.dtype, shape: state.type.shape, data: values.get(state)! }]),
  );
}

/**
 * Write a checkpoint; `progress` is null for weights only. The file is replaced only when all of the new one is written.
 * @param ready done then, before it is
 * @throws DataError; CheckpointError with `beside`, the new file, where another program has the old one open and the system therefore keeps it
 */
export async function writeCheckpoint(
  file: string,
  states: ReadonlyMap<string, TensorData>,
  progress: Progress | null,
  metadata: Readonly<Record<string, string>>,
  ready?: () => Promise<void>,
): Promise<void> {
  const tensors = new Map(states);
  const own = progress && {
    'gradclip.version': VERSION,
    'gradclip.library': libraryVersion(),
    'gradclip.counters': JSON.stringify(progress.counters),
    'gradclip.seed': String(progress.seed),
    ...(progress.batchSize !== null && { 'gradclip.batchSize': String(progress.batchSize) }),
    ...(Object.keys(progress.since).length > 0 && { 'gradclip.since': JSON.stringify(progress.since) }),
    ...(progress.course && { 'gradclip.course': writeCourse(progress.course, tensors) }),
  };
  try {
    await writeWhole(file, safetensorsParts(tensors, { ...metadata, ...own }), ready);
  } catch (error) {
    if (!(error instanceof DataError && 'beside' in error.details)) throw error;
    throw new CheckpointError(error.message, error.details, { cause: error.cause });
  }
}

/** @throws DataError if the file is malformed; CheckpointError if it is of a later version, or does not say where the trainer stood */
export async function readCheckpoint(file: string, maxBytes: number): Promise<Checkpoint> {
  const { tensors: all, metadata, unread } = await readTensors(file, maxBytes);
  const version = metadata['gradclip.version'];
  if (version !== undefined && version !== VERSION) {
    const text = `load: ${file}: expected a checkpoint of version ${VERSION}, got ${version}; ${readerOf(metadata['gradclip.library'])}`;
    throw new CheckpointError(text, { file, version });
  }
  const [tensors, kept] = partKept(all);
  const progress = version === undefined ? null : parseProgress(file, metadata, kept);
  return { file, tensors, metadata, progress, unread };
}

/** A checkpoint without the weights that have other shapes in the model; if there are any, it is one of weights only. */
export function withoutMismatched(checkpoint: Checkpoint, weights: ReadonlyMap<string, State>): Checkpoint {
  const tensors = new Map(checkpoint.tensors);
  const mismatched: Mismatch[] = [];
  for (const [name, { type }] of weights) {
    const t = tensors.get(name);
    if (!t || sameShape(t.shape, type.shape)) continue;
    mismatched.push({ name, model: type.shape, file: t.shape });
    tensors.delete(name);
  }
  return { ...checkpoint, tensors, mismatched, ...(mismatched.length > 0 && { progress: null }) };
}

/**
 * Match a checkpoint with a model. A tensor with several names is found by any of them, and by several if they agree. Everything is checked before
 * anything is returned, so a refused file changes nothing.
 *
 * @param resumes for a run that goes on: nothing is left out there
 * @throws CheckpointError if it does not fit: names (when strict), dtypes or shapes
 */
export function matchCheckpoint(
  checkpoint: Checkpoint,
  names: ReadonlyMap<string, State>,
  strict: boolean,
  resumes: boolean = false,
): Matched {
  const where = resumes ? 'resume' : 'load';
  const remedy = (option: string): string =>
    resumes ? '; a run goes on with the model, optimizer and options that it began with' : ` (${option})`;
  const { file, tensors, unread, mismatched: left } = checkpoint;
  const skipped = new Set(left?.map(({ name }) => name));
  const own = checkpoint.progress !== null;
  // A file from elsewhere (PyTorch) holds weights only: optimizer and policy then start afresh.
  const wanted = new Map<State, string[]>();
  for (const [name, state] of names) {
    if (own || !name.startsWith(PREFIX)) wanted.set(state, [...(wanted.get(state) ?? []), name]);
  }
  const missing: string[] = [];
  const extra = [...tensors.keys(), ...unread.keys()].filter((name) => !names.has(name));
  const values = new Map<State, Data>();
  const mismatched: string[] = [];
  let hint = '';
  for (const [state, all] of wanted) {
    const there = all.filter((name) => tensors.has(name));
    const wrong = all.filter((name) => unread.has(name));
    for (const name of wrong) mismatched.push(unread.get(name)!.message.slice(`${file}: `.length));
    if (there.length + wrong.length === 0 && !all.some((name) => skipped.has(name))) missing.push(all[0]!);
    for (const name of there) {
      const t = tensors.get(name)!;
      const data = held(t.data, state.type.dtype);
      const before = values.get(state);
      if (dtypeOf(data) !== state.type.dtype || !sameShape(t.shape, state.type.shape)) {
        mismatched.push(`${name}: expected ${typeName(state.type)}, got ${typeName(t)}`);
        if (!sameShape(t.shape, state.type.shape)) hint = remedy('skipMismatched: true leaves out weights of other shapes');
      } else if (before && !sameBits(before, data)) {
        mismatched.push(`${name}: other values than ${there[0]}, which is the same tensor of the model`);
      } else values.set(state, data);
    }
  }
  if (mismatched.length > 0) {
    throw new CheckpointError(`${where}: ${file}: ${mismatched.join('; ')}${hint}`, { file, missing, extra, mismatched });
  }
  if (strict && missing.length + extra.length > 0) {
    const shifted = prefixed(missing, names, extra, tensors);
    if (shifted !== null) throw new CheckpointError(`${where}: ${file}: ${shifted}`, { file, missing, extra, mismatched });
    const parts = [
      missing.length > 0 ? `missing ${missing.join(', ')}` : '',
      extra.length > 0 ? `extra ${extra.join(', ')}` : '',
    ];
    const text = parts.filter((p) => p !== '').join('; ');
    throw new CheckpointError(`${where}: ${file}: ${text}${remedy('strict: false loads what fits')}`, {
      file,
      missing,
      extra,
      mismatched,
    });
  }
  return { values, missing, extra, ...(left && { mismatched: left }) };
}

type Names = ReadonlyMap<string, unknown>;

const RENAME = '; io.readSafetensors and io.writeSafetensors rename them';

/** What is said where the weights' names in the file and in the model are the same but for one prefix; null where they are not. */
function prefixed(missing: readonly string[], model: Names, extra: readonly string[], file: Names): string | null {
  const [lost, left] = [missing, extra].map((names) => names.filter((name) => !name.startsWith(PREFIX))) as [string[], string[]];
  const more = prefixOf(left, file, lost, model);
  if (more !== undefined)
    return `the names in the file have a prefix ${show(more)} that the model's have not: ${more}${lost[0]}${RENAME}`;
  const less = prefixOf(lost, model, left, file);
  return less === undefined
    ? null
    : `the names in the file lack the prefix ${show(less)} of the model's: ${less}${left[0]}${RENAME}`;
}

/** What all of the `long` names have before the `short` ones; `longs` and `shorts` are all names that there are, of tied tensors too. */
function prefixOf(long: readonly string[], longs: Names, short: readonly string[], shorts: Names): string | undefined {
  const first = short[0];
  if (first === undefined || long.length === 0) return undefined;
  const prefixes = long.filter((name) => name.endsWith(`.${first}`)).map((name) => name.slice(0, -first.length));
  const isBetween = (prefix: string): boolean =>
    short.every((name) => longs.has(prefix + name)) &&
    long.every((name) => name.startsWith(prefix) && shorts.has(name.slice(prefix.length)));
  return prefixes.find(isBetween);
}

/** Whole numbers as another dtype, if it holds every one: PyTorch counts in int64, which is read as i32, and our counts are f64. Else as they are. */
function held(data: Data, dtype: DType): Data {
  if (dtypeOf(data) === dtype || data instanceof Float32Array || data instanceof Float64Array) return data;
  const same = new ARRAYS[dtype](data);
  return same.every((value, i) => value === data[i]) ? same : data;
}

function parseProgress(file: string, metadata: Readonly<Record<string, string>>, kept: KeptTensors): Progress {
  const whole = (key: string, value: unknown): void => {
    if (!Number.isSafeInteger(value) || (value as number) < 0) throw new TypeError(`${key} is ${String(value)}`);
  };
  try {
    const counters = parseJson(metadata['gradclip.counters']!) as Record<string, unknown>;
    for (const key of Object.keys(START)) whole(key, counters[key]);
    const seed = BigInt(metadata['gradclip.seed']!);
    if (seed < 0n || seed >= 2n ** 64n) throw new TypeError(`seed is ${seed}`);
    const size = metadata['gradclip.batchSize'];
    const batchSize = size === undefined ? null : Number(size);
    if (batchSize !== null) whole('batchSize', batchSize);
    const since = parseJson(metadata['gradclip.since'] ?? '{}') as Record<string, number>;
    for (const [name, step] of Object.entries(since)) whole(`the first step of ${name}`, step);
    const course = metadata['gradclip.course'];
    return {
      counters: counters as unknown as Counters,
      seed,
      batchSize,
      since,
      course: course === undefined ? null : readCourse(course, kept),
    };
  } catch (cause) {
    throw new CheckpointError(`load: ${file}: its counters cannot be read: ${(cause as Error).message}`, { file }, { cause });
  }
}
