// torch.ts: weights as `torch.save` writes them: a zip archive of a pickle and of the memory of each tensor.
import { DataError } from '../../errors.ts';
import { ARRAYS, type Data, sizeOf } from '../../ir/op.ts';
import { list, options, show, signature, suggestion } from '../../options/index.ts';
import { STORED, type Stored, swap } from '../arrays/decode.ts';
import { checkUnpacked, unpack, type ZipEntry, zipEntries } from '../arrays/zip.ts';
import { anyText, file, weightsBytes } from '../fields.ts';
import { type ReadOptions, readBytes, type TensorData } from '../file/file.ts';
import { inTurns, type Parts } from '../file/pace.ts';
import { MAX_DEPTH, MAX_RANK, MAX_TENSORS } from '../limits.ts';
import { Foreign, Global, type Meaning, Tuple, unpickle } from './pickle.ts';

/** Options of `io.readTorch`. */
export interface TorchOptions extends ReadOptions {
  /** Names of the tensors to read. Default all; those of a dtype that is not read here are an error, then. */
  readonly tensors?: readonly string[];
}

/** Storages by the names of their classes. */
const KINDS: Readonly<Record<string, Stored>> = {
  ...{ DoubleStorage: STORED.f64, FloatStorage: STORED.f32, HalfStorage: STORED.f16, BFloat16Storage: STORED.bf16 },
  ...{ LongStorage: STORED.i64, IntStorage: STORED.i32, ShortStorage: STORED.i16, CharStorage: STORED.i8 },
  ...{ ByteStorage: STORED.u8, BoolStorage: STORED.bool },
};
/** All tensors together may take so many times what the file holds: views of one memory are read as often as they are there. */
const SHARED = 16;
/** Values that are looked at for tensors. */
const MOST_LOOKED_AT = 1_000_000;
/** Elements between two places where the event loop may have a turn, and those that are only copied. */
const PART = 1 << 15;
const COPIED = 1 << 20;

/** The memory of tensors. */
class Storage {
  readonly kind: Stored | null;
  /** Of its class. */
  readonly name: string;
  readonly key: string;
  readonly count: number;
  constructor(kind: Stored | null, name: string, key: string, count: number) {
    this.kind = kind;
    this.name = name;
    this.key = key;
    this.count = count;
  }
}

/** A tensor: a view of memory. */
class View {
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  constructor(storage: Storage, offset: number, shape: readonly number[], strides: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

type Fail = (why: string, details?: object) => DataError;

/** What was read, and what could not be, by name. */
export interface TorchTensors {
  readonly tensors: Map<string, TensorData>;
  readonly unread: ReadonlyMap<string, DataError>;
  /** Of all that there are, wanted or not. */
  readonly names: readonly string[];
}

const readReadTorch = signature(
  'io.readTorch',
  { file },
  options<TorchOptions>()({ tensors: list(anyText).optional(), maxBytes: weightsBytes }),
);

/**
 * Read tensors that `torch.save` has written (.pt, .pth, .bin, since PyTorch 1.6): those in dicts and lists, however deep, by their path:
 * `model_state_dict.fc1.weight`, `layers.0`. Nothing in the file is run: of classes that are not known here no object is made. f16 and bf16 become f32,
 * whole numbers i32 where every value fits, booleans u8; views become arrays of their own.
 * @returns the tensors by name, in the order of the file
 * @throws OptionError
 * @throws DataError with `file` for what is malformed or holds no tensors, for a whole module (`torch.save(model)`: save `model.state_dict()`), for
 * dtypes not read here, for names in option `tensors` that are not there, and for a file above `maxBytes` (default 64 GiB)
 * @see torch.load with `weights_only=True`
 */
export async function readTorch(file: string, options: TorchOptions = {}): Promise<Map<string, TensorData>> {
  const { tensors: wanted, maxBytes } = readReadTorch(arguments);
  const { tensors, unread, names } = await torchTensors(
    await readBytes(file, maxBytes),
    file,
    maxBytes,
    wanted && new Set(wanted),
  );
  for (const error of unread.values()) throw error;
  const lost = wanted?.find((name) => !tensors.has(name));
  if (lost !== undefined) {
    const there = names.slice(0, 8).join(', ');
    throw new DataError(`${file}: no tensor has the name ${show(lost)}${suggestion(lost, names)}; there are ${there}`, {
      file,
      tensor: lost,
    });
  }
  return tensors;
}

/**
 * For somebody to whom tensors that cannot be read may not matter.
 * @param bytes must stay as they are until the end
 * @param maxBytes of the file, of all that is unpacked of it, and of the tensors
 */
export async function torchTensors(
  bytes: Uint8Array,
  file: string,
  maxBytes: number,
  wanted?: ReadonlySet<string>,
): Promise<TorchTensors> {
  return inTurns(torchParts(bytes, file, maxBytes, wanted));
}

/** Whether these bytes, the first of a file, may be those of an archive. */
export const isArchive = (head: Uint8Array): boolean => head[0] === 0x50 && head[1] === 0x4b && head[2] === 3 && head[3] === 4;

function* torchParts(
  bytes: Uint8Array,
  file: string,
  maxBytes: number,
  wanted: ReadonlySet<string> | undefined,
): Parts<TorchTensors> {
  const fail: Fail = (why, details = {}) => new DataError(`${file}: ${why}`, { file, ...details });
  const entries = yield* zipEntries(bytes, file, maxBytes);
  const { pickle, prefix } = archiveOf(entries, fail);
  const beside = new Map(entries.filter(({ name }) => name.startsWith(prefix)).map((e) => [e.name.slice(prefix.length), e]));
  const order = beside.get('byteorder');
  const big = order ? Buffer.from(unpack(order)).toString('latin1').trim() === 'big' : false;
  const content = yield* contentOf(pickle);
  const root = yield* unpickle(content, meaningOf(fail), (why, at) => fail(`data.pkl: offset ${at}: ${why}`, { offset: at }));
  const views = viewsIn(root, fail);
  const unpacked = entries.reduce((sum, { size }) => sum + size, 0);
  let left = Math.min(SHARED * unpacked, maxBytes);
  const tensors = new Map<string, TensorData>();
  const unread = new Map<string, DataError>();
  // Views of one memory, as weights that are tied, read it once.
  const memory = new Map<string, Data>();
  for (const [name, view] of views) {
    if (wanted && !wanted.has(name)) continue;
    try {
      const size = sizeOf(view.shape);
      left -= size * Math.max(4, view.storage.kind?.bytes ?? 1);
      if (left < 0) {
        const most = `${SHARED} times what the file holds, and than ${maxBytes} bytes (option maxBytes)`;
        throw fail(`tensor ${show(name)}: expected the tensors together to be no more than ${most}`, { tensor: name, maxBytes });
      }
      tensors.set(name, yield* read(name, view, beside, memory, big, fail));
    } catch (error) {
      if (!(error instanceof DataError) || left < 0) throw error;
      unread.set(name, error);
    }
  }
  return { tensors, unread, names: [...views.keys()] };
}

/** The pickle, and what names of its archive begin with. */
function archiveOf(entries: readonly ZipEntry[], fail: Fail): { readonly pickle: ZipEntry; readonly prefix: string } {
  const pickle = entries.find(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
  if (!pickle) {
    const names = entries.slice(0, 5).map(({ name }) => show(name));
    throw fail(`expected an archive of torch.save, with a data.pkl, got one with ${names.join(', ') || 'nothing'}`);
  }
  const prefix = pickle.name.slice(0, -'data.pkl'.length);
  if (entries.some(({ name }) => name === `${prefix}constants.pkl`)) {
    throw fail('this is a program of TorchScript: save the state_dict() of the model that it was made of');
  }
  return { pickle, prefix };
}

function* contentOf(entry: ZipEntry): Parts<Uint8Array> {
  const content = unpack(entry);
  yield* checkUnpacked(entry, content);
  return content;
}

/** What `torch.save` writes of tensors. */
function meaningOf(fail: Fail): Meaning {
  const whole = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;
  const dims = (x: unknown): readonly number[] => {
    if (x instanceof Tuple && x.items.length <= MAX_RANK && x.items.every(whole)) return x.items as readonly number[];
    throw fail(`expected the sizes of a tensor, at most ${MAX_RANK} whole numbers`);
  };
  const tensor = (args: readonly unknown[]): View => {
    const [storage, offset, size, stride] = args;
    if (!(storage instanceof Storage) || !whole(offset)) throw fail('expected a tensor to be a view of memory');
    const [shape, strides] = [dims(size), dims(stride)];
    if (strides.length !== shape.length)
      throw fail(`expected a stride for each of ${shape.length} dimensions, got ${strides.length}`);
    return new View(storage, offset, shape, strides);
  };
  return {
    persistent(id) {
      const [what, kind, key, , count] = id instanceof Tuple ? id.items : [];
      if (what !== 'storage' || !(kind instanceof Global) || typeof key !== 'string' || !whole(count)) {
        throw fail('expected what lies beside the pickle to be the memory of tensors');
      }
      const name = kind.name.replace(/^torch\.(storage\.)?/, '');
      return new Storage(Object.hasOwn(KINDS, name) ? KINDS[name]! : null, name, key, count);
    },
    known: {
      'collections.OrderedDict': () => new Map(),
      'torch._utils._rebuild_tensor_v2': tensor,
      'torch._utils._rebuild_tensor': tensor,
      'torch._utils._rebuild_parameter': ([data]) => data ?? null,
      'torch._utils._rebuild_parameter_with_state': ([data]) => data ?? null,
      'torch.Size': ([sizes]) => sizes ?? null,
    },
  };
}

/** Tensors in dicts, lists and tuples, by their path. */
function viewsIn(root: unknown, fail: Fail): Map<string, View> {
  if (root instanceof Foreign) {
    throw fail(
      `this is an object of the class ${root.name}, not weights: save the state_dict() of a model, torch.save(model.state_dict(), file)`,
    );
  }
  const views = new Map<string, View>();
  let looked = 0;
  const look = (path: string, value: unknown, depth: number): void => {
    if (++looked > MOST_LOOKED_AT) throw fail(`expected at most ${MOST_LOOKED_AT} values, got more`);
    if (depth > MAX_DEPTH) throw fail(`expected dicts and lists at most ${MAX_DEPTH} deep, got more`);
    if (value instanceof View) {
      if (views.has(path)) throw fail(`two tensors have the name ${show(path)}`, { tensor: path });
      if (views.size === MAX_TENSORS) throw fail(`expected at most ${MAX_TENSORS} tensors, got more`);
      views.set(path, value);
    }
    const under = (key: unknown): string => (path ? `${path}.${String(key)}` : String(key));
    if (value instanceof Map) for (const [key, item] of value) look(under(key), item, depth + 1);
    const items = value instanceof Tuple ? value.items : Array.isArray(value) ? value : [];
    for (const [i, item] of items.entries()) look(under(i), item, depth + 1);
  };
  look('', root, 0);
  if (views.size === 0) throw fail('there are no tensors in it, in dicts or lists');
  return views;
}

function* read(
  name: string,
  { storage, offset, shape, strides }: View,
  beside: ReadonlyMap<string, ZipEntry>,
  memory: Map<string, Data>,
  big: boolean,
  fail: Fail,
): Parts<TensorData> {
  const bad = (why: string): DataError => fail(`tensor ${show(name)}: ${why}`, { tensor: name });
  const { kind, key, count } = storage;
  if (!kind)
    throw bad(`expected memory of ${Object.keys(KINDS).join(', ')}, got ${storage.name}; option tensors names those to read`);
  let all = memory.get(`${storage.name} ${key}`);
  if (!all) {
    const entry = beside.get(`data/${key}`);
    if (!entry) throw bad(`the archive has no data/${key}, where its memory should be`);
    const wanted = count * kind.bytes;
    if (entry.size !== wanted) throw bad(`expected ${wanted} bytes of memory, got ${entry.size}`);
    const content = yield* contentOf(entry);
    const raw = Buffer.from(new ArrayBuffer(wanted));
    yield* copy(content, raw, 0);
    if (big) yield* swap(raw, kind.bytes);
    all = yield* kind.decode(raw.buffer, (expected, value, i) =>
      bad(`value ${i} of its memory: expected ${expected}, got ${value}`),
    );
    memory.set(`${storage.name} ${key}`, all);
  }
  const size = sizeOf(shape);
  // Of no elements, it may stand anywhere.
  const last = shape.reduce((at, n, d) => at + (n - 1) * strides[d]!, offset);
  if (size > 0 && last >= count) throw bad(`it goes beyond its memory: to element ${last} of ${count}`);
  const data = new ARRAYS[kind.dtype](size);
  if (contiguous(shape, strides)) yield* copy(all, data, offset);
  else yield* gather(all, data, offset, shape, strides);
  return { dtype: kind.dtype, shape, data };
}

function* copy(from: Data | Uint8Array, to: Data | Uint8Array, offset: number): Parts<void> {
  for (let at = 0; at < to.length; at += COPIED) {
    to.set(from.subarray(offset + at, offset + Math.min(to.length, at + COPIED)), at);
    yield;
  }
}

/** Whether rows follow each other without gaps. */
function contiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let step = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1 && strides[d] !== step) return false;
    step *= shape[d]!;
  }
  return true;
}

function* gather(from: Data, to: Data, offset: number, shape: readonly number[], strides: readonly number[]): Parts<void> {
  const at = new Array<number>(shape.length).fill(0);
  let place = offset;
  for (let i = 0; i < to.length; i++) {
    to[i] = from[place]!;
    for (let d = shape.length - 1; d >= 0; d--) {
      place += strides[d]!;
      if (++at[d]! < shape[d]!) break;
      place -= strides[d]! * shape[d]!;
      at[d] = 0;
    }
    if (i % PART === PART - 1) yield;
  }
}
