// safetensors-read.ts: the tensors of one safetensors file, or of bytes in memory, as they are decoded, and which of them cannot be.
import type { FileHandle } from 'node:fs/promises';
import { DataError } from '../../errors.ts';
import { firstBytes, type TensorData, withFile } from '../file/file.ts';
import { HEAD } from '../file/kinds.ts';
import { inTurns, Pace, type Parts } from '../file/pace.ts';
import { STORED, type Stored, type Wrong } from './decode.ts';
import { headerLength, malformed, parseHeader, type SafetensorsEntry, type SafetensorsHeader } from './safetensors-header.ts';

/** What a file holds, in the order of its header. */
export interface Safetensors {
  /** The tensors by name. */
  readonly tensors: Map<string, TensorData>;
  /** The pairs of texts that its writer left; {} if there are none. */
  readonly metadata: Readonly<Record<string, string>>;
}
/** dtypes that are read, by the names of the format. */
const READ_AS: Readonly<Record<string, Stored>> = {
  ...{ F64: STORED.f64, F32: STORED.f32, F16: STORED.f16, BF16: STORED.bf16 },
  ...{ I64: STORED.i64, I32: STORED.i32, I16: STORED.i16, I8: STORED.i8 },
  ...{ U64: STORED.u64, U32: STORED.u32, U16: STORED.u16, U8: STORED.u8, BOOL: STORED.bool },
};
/** What of a file could not be read, and why, by name. */
export interface Unread {
  readonly unread: ReadonlyMap<string, DataError>;
}

/** Read a file for somebody to whom tensors that cannot be read may not matter. @param wanted names; not given: all */
export async function readFile(
  file: string,
  maxBytes: number,
  wanted?: ReadonlySet<string>,
): Promise<Safetensors & Unread & { readonly size: number }> {
  return withFile(
    file,
    async (handle, size) => {
      const { metadata, entries } = await readHeader(handle, size, file);
      const reading = new Reading(file, entries, wanted);
      const pace = new Pace();
      for (const block of blocksOf(reading.readable)) {
        const bytes = allocate(block, file);
        await readExactly(handle, bytes, block.begin, file);
        for (const e of block.entries) {
          const own = block.entries.length === 1 ? bytes : bytes.slice(e.begin - block.begin, e.end - block.begin);
          await inTurns(reading.decode(e, own), pace);
        }
      }
      return { metadata, size, ...reading.done() };
    },
    maxBytes,
  );
}

/** The same of a file that lies in memory, and stays as it is until the end. */
export function* tensorsIn(bytes: Uint8Array, file: string, wanted?: ReadonlySet<string>): Parts<Safetensors & Unread> {
  const length = headerLength(bytes, bytes.length, file);
  const { metadata, entries } = yield* parseHeader(bytes.subarray(8, 8 + length), bytes.length, file);
  const reading = new Reading(file, entries, wanted);
  for (const e of reading.readable) yield* reading.decode(e, new Uint8Array(bytes.subarray(e.begin, e.end)));
  return { metadata, ...reading.done() };
}

/** The header alone. */
export async function readHeader(handle: FileHandle, size: number, file: string): Promise<SafetensorsHeader> {
  const bytes = new Uint8Array(headerLength(await firstBytes(handle, HEAD), size, file));
  await readExactly(handle, bytes, 8, file);
  return inTurns(parseHeader(bytes, size, file));
}

/** Fill `out` from `position`. One read gives at most 2 GiB, and less when a signal comes. */
export async function readExactly(handle: FileHandle, out: Uint8Array, position: number, file: string): Promise<void> {
  let done = 0;
  while (done < out.length) {
    const length = Math.min(out.length - done, 1 << 30);
    const { bytesRead } = await handle.read(out, done, length, position + done);
    if (bytesRead === 0) throw malformed(file, position + done, 'the file became shorter while it was read');
    done += bytesRead;
  }
}

/** Tensors that lie side by side, read at once: a read costs more than many a tensor. */
interface Block {
  readonly entries: readonly SafetensorsEntry[];
  readonly begin: number;
  readonly end: number;
}
const BLOCK = 1 << 20;

function* blocksOf(entries: readonly SafetensorsEntry[]): Generator<Block> {
  const sorted = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  for (let i = 0; i < sorted.length; ) {
    const { begin } = sorted[i]!;
    let to = i + 1;
    while (to < sorted.length && sorted[to]!.end - begin <= BLOCK) to++;
    yield { entries: sorted.slice(i, to), begin, end: sorted[to - 1]!.end };
    i = to;
  }
}

/** Memory for these bytes. @throws DataError where there is none */
export function allocate({ begin, end }: Pick<Block, 'begin' | 'end'>, file: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(end - begin);
  } catch (cause) {
    throw malformed(file, begin, `no memory for ${end - begin} bytes of tensors`, cause);
  }
}

/** The tensors of one file, as they are decoded, and what cannot be. */
class Reading {
  readonly readable: readonly SafetensorsEntry[];
  readonly #file: string;
  readonly #wanted: readonly SafetensorsEntry[];
  readonly #tensors = new Map<string, TensorData>();
  readonly #unread = new Map<string, DataError>();

  constructor(file: string, entries: readonly SafetensorsEntry[], wanted: ReadonlySet<string> | undefined) {
    this.#file = file;
    this.#wanted = wanted ? entries.filter(({ name }) => wanted.has(name)) : entries;
    this.readable = this.#wanted.filter(({ dtype }) => Object.hasOwn(READ_AS, dtype));
  }

  /** `bytes` has an ArrayBuffer of its own; where the width stays, the result is a view of it. */
  *decode(e: SafetensorsEntry, { buffer }: Uint8Array<ArrayBuffer>): Parts<void> {
    const { dtype, bytes, decode } = READ_AS[e.dtype]!;
    const wrong: Wrong = (expected, value, i) => {
      const why = `tensor ${JSON.stringify(e.name)}: element ${i} of ${e.dtype}: expected ${expected}, got ${value}`;
      return malformed(this.#file, e.begin + bytes * i, why, undefined, e.name);
    };
    try {
      this.#tensors.set(e.name, { dtype, shape: e.shape, data: yield* decode(buffer, wrong) });
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      this.#unread.set(e.name, error);
    }
  }

  /** In the order of the header. */
  done(): Pick<Safetensors, 'tensors'> & Unread {
    const tensors = new Map<string, TensorData>();
    const unread = new Map<string, DataError>();
    for (const e of this.#wanted) {
      const t = this.#tensors.get(e.name);
      if (t) tensors.set(e.name, t);
      else unread.set(e.name, this.#unread.get(e.name) ?? this.#unknown(e));
    }
    return { tensors, unread };
  }

  #unknown(e: SafetensorsEntry): DataError {
    const known = Object.keys(READ_AS).join(', ');
    const why = `tensor ${JSON.stringify(e.name)}: expected dtype ${known}, got ${e.dtype}; option tensors names those to read`;
    return malformed(this.#file, e.begin, why, undefined, e.name);
  }
}
