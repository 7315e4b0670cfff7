// onnx.ts: the weights of a model in ONNX, by their names: its initializers, in the file or in others beside it. Its nodes are not looked at.
import { dirname, join } from 'node:path';
import { DataError } from '../../errors.ts';
import { sizeOf } from '../../ir/op.ts';
import { list, options, show, signature } from '../../options/index.ts';
import { copied, type Wrong } from '../arrays/decode.ts';
import { allocate, readExactly, type Safetensors, type Unread } from '../arrays/safetensors-read.ts';
import { anyText, bytes, file, weightsBytes } from '../fields.ts';
import { type ReadOptions, readBytes, type TensorData, tooLong, withFile } from '../file/file.ts';
import { atOnce, inTurns, Pace, type Parts } from '../file/pace.ts';
import { type Entry, entriesOf, READ, wrongIn } from './entries.ts';

/** Options of `io.parseOnnx` and `io.readOnnx`. */
export interface OnnxReadOptions extends ReadOptions {
  /** Names of the tensors to read. Default all; those of a type that is not read here are an error, then. */
  readonly tensors?: readonly string[];
}

const names = list(anyText).optional();
const readReadOnnx = signature('io.readOnnx', { file }, options<OnnxReadOptions>()({ tensors: names, maxBytes: weightsBytes }));

/**
 * Read the weights of a model in ONNX: its initializers by name, from the file and from others beside it that it names. FLOAT16 and BFLOAT16 become f32,
 * BOOL u8, other whole numbers i32 where every value fits. What the model computes with them is not looked at; constants of its nodes and what it has
 * within loops and branches is not read.
 * @returns the tensors in the order of the file, and the pairs of texts that it has
 * @throws OptionError
 * @throws DataError with `file`, `offset` and `tensor` for what the format does not allow, for sparse tensors and types that are not read here, for
 * names in option `tensors` that are not there, for values in a file outside the model's folder, and for more than `maxBytes` (default 64 GiB) in all
 * files together
 */
export async function readOnnx(file: string, options: OnnxReadOptions = {}): Promise<Safetensors> {
  const { tensors: wanted, maxBytes } = readReadOnnx(arguments);
  return whole(file, await readOnnxTensors(file, maxBytes, wanted && new Set(wanted)), wanted);
}

const readParseOnnx = signature(
  'io.parseOnnx',
  { bytes, file: file.default('<bytes>') },
  options<Pick<OnnxReadOptions, 'tensors'>>()({ tensors: names }),
);

/**
 * Read the weights of a model in ONNX that lies in memory. The result shares no memory with `bytes`.
 * @param file what errors call it; default `<bytes>`
 * @returns as of `readOnnx`
 * @throws OptionError; DataError as `readOnnx`, and for weights that lie in another file
 */
export function parseOnnx(bytes: Uint8Array, file = '<bytes>', options: Pick<OnnxReadOptions, 'tensors'> = {}): Safetensors {
  const { tensors: wanted } = readParseOnnx(arguments);
  return whole(file, atOnce(tensorsInOnnx(bytes, file, wanted && new Set(wanted))), wanted);
}

/** Whether a file is a model whose values lie, some or all, in another one beside it. */
export async function hasValuesIn(file: string, beside: string): Promise<boolean> {
  try {
    const { entries } = await inTurns(entriesOf(await readBytes(file), file, undefined));
    return entries.some(({ external }) => external?.get('location') === beside);
  } catch (error) {
    // It is no model, or nothing.
    if (error instanceof DataError) return false;
    throw error;
  }
}

type Read = Safetensors & Unread;

/** @throws DataError for a tensor that could not be read, or is not there */
function whole(file: string, { tensors, metadata, unread }: Read, wanted?: readonly string[]): Safetensors {
  for (const error of unread.values()) throw error;
  const lost = wanted?.find((name) => !tensors.has(name));
  if (lost === undefined) return { tensors, metadata };
  throw new DataError(`${file}: no tensor has the name ${show(lost)}`, { file, tensor: lost });
}

/** Read a file for somebody to whom tensors that cannot be read may not matter. @param maxBytes of all files together */
export async function readOnnxTensors(file: string, maxBytes: number, wanted?: ReadonlySet<string>): Promise<Read> {
  const pace = new Pace();
  const model = await readBytes(file, maxBytes);
  const { entries, metadata } = await inTurns(entriesOf(model, file, wanted), pace);
  const reading = new Reading(file);
  let taken = model.length;
  for (const entry of entries) {
    if (!reading.reads(entry)) continue;
    let raw: ArrayBuffer;
    if (entry.raw) raw = await inTurns(copied(entry.raw), pace);
    else {
      const place = placeOf(file, entry);
      taken += place.length;
      if (taken > maxBytes) throw tooLong(file, maxBytes, taken);
      raw = await readPlace(place, file, entry);
    }
    await inTurns(reading.take(entry, raw), pace);
  }
  return { metadata, ...reading.done() };
}

/** The same of what lies in memory, and stays as it is until the end. */
export function* tensorsInOnnx(bytes: Uint8Array, file: string, wanted?: ReadonlySet<string>): Parts<Read> {
  const { entries, metadata } = yield* entriesOf(bytes, file, wanted);
  const reading = new Reading(file);
  for (const entry of entries) {
    if (!reading.reads(entry)) continue;
    if (!entry.raw)
      throw wrongIn(file, entry, 'its values lie in another file: io.readOnnx and Trainer.load of the file read them');
    yield* reading.take(entry, yield* copied(entry.raw));
  }
  return { metadata, ...reading.done() };
}

/** Where values lie that are not in the model. */
interface ValuesPlace {
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

/** @throws DataError for a file that does not lie in the model's folder */
function placeOf(file: string, entry: Entry): ValuesPlace {
  const external = entry.external!;
  const location = external.get('location') ?? '';
  if (!location.split('/').every(isName)) {
    throw wrongIn(file, entry, `expected its values in a file in the folder of the model, got ${show(location)}`);
  }
  const number = (key: string, fallback: number): number => {
    const text = external.get(key);
    if (text === undefined) return fallback;
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value)) throw wrongIn(file, entry, `expected ${key} to be a whole number, got ${show(text)}`);
    return value;
  };
  const wanted = bytesOf(entry);
  const length = number('length', wanted);
  checkLength(file, entry, length);
  return { file: join(dirname(file), location), offset: number('offset', 0), length };
}

/** A file or folder in another, on any system: no drive or stream of Windows, no folder above. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: no name has them
const isName = (part: string): boolean => part !== '' && !/[\\:\x00-\x1f]/.test(part) && !/^\.{1,2}$/.test(part);

async function readPlace({ file: there, offset, length }: ValuesPlace, file: string, entry: Entry): Promise<ArrayBuffer> {
  return withFile(there, async (handle, size) => {
    if (offset + length > size) {
      throw wrongIn(file, entry, `expected its values at ${offset} to ${offset + length} of ${there}, which has ${size} bytes`);
    }
    const out = allocate({ begin: offset, end: offset + length }, there);
    await readExactly(handle, out, offset, there);
    return out.buffer;
  }).catch((error: unknown) => {
    if (!(error instanceof DataError) || error.details.code !== 'ENOENT') throw error;
    const text = `${there}: no such file, where ${file} has the values of ${show(entry.name)}`;
    throw new DataError(text, { ...error.details, tensor: entry.name }, { cause: error });
  });
}

const bytesOf = ({ shape, type }: Entry): number => sizeOf(shape) * type.stored!.bytes;

function checkLength(file: string, entry: Entry, length: number): void {
  const wanted = bytesOf(entry);
  // `!(a === b)` and not `a !== b` for sizes that overflow to NaN.
  if (!(length === wanted)) {
    throw wrongIn(file, entry, `expected ${wanted} bytes for ${entry.type.name}[${entry.shape}], got ${length}`);
  }
}

/** The tensors of one file, as they are decoded, and what cannot be. */
class Reading {
  readonly #file: string;
  readonly #tensors = new Map<string, TensorData>();
  readonly #unread = new Map<string, DataError>();

  constructor(file: string) {
    this.#file = file;
  }

  /** Whether it can be read; if not, why is kept. */
  reads(entry: Entry): boolean {
    const { name, type, sparse } = entry;
    const why = sparse
      ? 'it is sparse, which is not read'
      : type.stored
        ? null
        : `expected type ${READ.join(', ')}, got ${type.name}; option tensors names those to read`;
    if (why !== null) this.#unread.set(name, wrongIn(this.#file, entry, why));
    return why === null;
  }

  /** @param raw its values, in memory of their own */
  *take(entry: Entry, raw: ArrayBuffer): Parts<void> {
    const { name, shape, type } = entry;
    checkLength(this.#file, entry, raw.byteLength);
    const wrong: Wrong = (expected, value, i) =>
      wrongIn(this.#file, entry, `element ${i} of ${type.name}: expected ${expected}, got ${value}`);
    try {
      this.#tensors.set(name, { dtype: type.stored!.dtype, shape, data: yield* type.stored!.decode(raw, wrong) });
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      this.#unread.set(name, error);
    }
  }

  done(): Pick<Safetensors, 'tensors'> & Unread {
    return { tensors: this.#tensors, unread: this.#unread };
  }
}
