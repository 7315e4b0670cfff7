// checkpoint.ts: a trainer's state as a safetensors file. Parameters keep PyTorch's names; all other state is prefixed `gradclip.`.
import { anyText } from '../../data/fields.ts';
import { CheckpointError, DataError } from '../../errors.ts';
import { safetensorsParts, type TensorData } from '../../io/arrays/safetensors.ts';
import { type Safetensors, tensorsIn, type Unread } from '../../io/arrays/safetensors-read.ts';
import { readTensors } from '../../io/arrays/safetensors-shards.ts';
import { firstBytes, readBytes, tooLong, withFile } from '../../io/file/file.ts';
import { HEAD, isOnnx } from '../../io/file/kinds.ts';
import { inTurns } from '../../io/file/pace.ts';
import { writeWhole } from '../../io/file/write.ts';
import { parseJson } from '../../io/json.ts';
import { readOnnxTensors, tensorsInOnnx } from '../../io/onnx/onnx.ts';
import { isArchive, torchTensors } from '../../io/torch/torch.ts';
import type { State } from '../../ir/graph.ts';
import { type Data, sizeOf } from '../../ir/op.ts';
import { version as libraryVersion, readerOf } from '../../native/package.ts';
import { type Field, record } from '../../options/index.ts';
import { type Counters, type Course, START } from '../flow/progress.ts';
import { type KeptTensors, partKept, readCourse, writeCourse } from './course.ts';

/** Of all that is no weight. */
export const PREFIX = 'gradclip.';
const VERSION = '1';
/** What errors call a checkpoint that lies in memory. */
const BYTES = '<bytes>';

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

/** A weight that has one shape in the model and another in the file. */
export interface Mismatch {
  /** Name of the weight. */
  readonly name: string;
  /** Its shape in the model. */
  readonly model: readonly number[];
  /** Its shape in the file. */
  readonly file: readonly number[];
}

/** What was read. */
export interface Checkpoint {
  /** The file, for errors. */
  readonly file: string;
  readonly tensors: ReadonlyMap<string, TensorData>;
  /** Tensors of dtypes or values that have no place here: they matter where the model has their names. */
  readonly unread: ReadonlyMap<string, DataError>;
  /** Left out of `tensors`; not there where nothing was to be left out. */
  readonly mismatched?: readonly Mismatch[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Null where there are weights only. */
  readonly progress: Progress | null;
  /** It has what predictions read, and nothing that only training does: no counts of batches. */
  readonly ofPredictions?: boolean;
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
    [...names].flatMap(([name, state]) => {
      const data = values.get(state);
      // A part of a state is one in the memory of its process, and whole in a file.
      const { shape } = data && state.part && data.length === sizeOf(state.part.whole.shape) ? state.part.whole : state.type;
      return data ? [[name, { dtype: state.type.dtype, shape, data }] as const] : [];
    }),
  );
}

/** A checkpoint as it is written, in parts; `progress` is null for weights only. @throws DataError for more than a file may have */
export function checkpointParts(
  states: ReadonlyMap<string, TensorData>,
  progress: Progress | null,
  metadata: Readonly<Record<string, string>>,
): Uint8Array[] {
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
  return safetensorsParts(tensors, { ...metadata, ...own });
}

/**
 * Write a checkpoint. The file is replaced only when all of the new one is written.
 * @param ready done then, before it is
 * @throws DataError; CheckpointError with `beside`, the new file, where another program has the old one open and the system therefore keeps it
 */
export async function writeCheckpoint(file: string, parts: readonly Uint8Array[], ready?: () => Promise<void>): Promise<void> {
  try {
    await writeWhole(file, parts, ready);
  } catch (error) {
    if (!(error instanceof DataError && 'beside' in error.details)) throw error;
    throw new CheckpointError(error.message, error.details, { cause: error.cause });
  }
}

/**
 * Read a checkpoint, or weights of PyTorch or of a model in ONNX.
 * @param from a file, or what it holds, which may change meanwhile
 * @throws DataError if it is malformed; CheckpointError if it is of a later version, or does not say where the trainer stood
 */
export async function readCheckpoint(from: string | Uint8Array, maxBytes: number): Promise<Checkpoint> {
  const file = typeof from === 'string' ? from : BYTES;
  const {
    tensors: all,
    metadata,
    unread,
    ofPredictions = false,
  } = typeof from === 'string' ? await readFrom(from, maxBytes) : await read(from, maxBytes);
  const version = metadata['gradclip.version'];
  if (version !== undefined && version !== VERSION) {
    const text = `load: ${file}: expected a checkpoint of version ${VERSION}, got ${version}; ${readerOf(metadata['gradclip.library'])}`;
    throw new CheckpointError(text, { file, version });
  }
  const [tensors, kept] = partKept(all);
  const progress = version === undefined ? null : parseProgress(file, metadata, kept);
  return { file, tensors, metadata, progress, unread, ofPredictions };
}

type Read = Promise<Safetensors & Unread & Pick<Checkpoint, 'ofPredictions'>>;

/** Weights that others have saved begin with other bytes. */
async function readFrom(file: string, maxBytes: number): Read {
  const head = await withFile(file, (handle) => firstBytes(handle, HEAD));
  if (isArchive(head)) return { ...(await torchTensors(await readBytes(file, maxBytes), file, maxBytes)), metadata: {} };
  return isOnnx(head) ? weightsOf(await readOnnxTensors(file, maxBytes)) : await readTensors(file, maxBytes);
}

async function read(bytes: Uint8Array, maxBytes: number): Read {
  if (bytes.length > maxBytes) throw tooLong(BYTES, maxBytes, bytes.length);
  const own = bytes.slice();
  if (isArchive(own)) return { ...(await torchTensors(own, BYTES, maxBytes)), metadata: {} };
  return isOnnx(own) ? weightsOf(await inTurns(tensorsInOnnx(own, BYTES))) : await inTurns(tensorsIn(own, BYTES));
}

/** Of a model in ONNX. What has a name of ours is no weight: constants that exportOnnx writes, and what says which version did. */
function weightsOf({ tensors, metadata, unread }: Awaited<Read>): Awaited<Read> {
  const isForeign = (name: string): boolean => !name.startsWith(PREFIX);
  return {
    tensors: new Map([...tensors].filter(([name]) => isForeign(name))),
    unread: new Map([...unread].filter(([name]) => isForeign(name))),
    metadata: Object.fromEntries(Object.entries(metadata).filter(([key]) => isForeign(key))),
    ofPredictions: true,
  };
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
