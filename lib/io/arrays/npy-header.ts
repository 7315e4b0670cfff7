// npy-header.ts: what numpy writes before an array: a version, and a dictionary of Python with the dtype, the order and the shape.
import type { DataError } from '../../errors.ts';
import { sizeOf } from '../../ir/op.ts';
import { otherKind } from '../file/kinds.ts';
import { MAX_NPY_HEADER, MAX_RANK } from '../limits.ts';

const MAGIC = Buffer.from('\x93NUMPY', 'latin1');

export interface NpyHeader {
  /** Where the data begin. */
  readonly start: number;
  readonly descr: string;
  readonly fortran: boolean;
  readonly shape: readonly number[];
}

export type Fail = (why: string, offset: number) => DataError;

/** @throws what `fail` makes */
export function readNpyHeader(bytes: Uint8Array, fail: Fail): NpyHeader {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!head.subarray(0, 6).equals(MAGIC)) {
    const other = otherKind(head, 'a .npy file');
    throw fail(`expected a .npy file (\\x93NUMPY first)${other === null ? '' : `, got ${other}`}`, 0);
  }
  const wide = head[6]! > 1;
  const from = wide ? 12 : 10;
  if (head.length < from || head[6]! < 1 || head[6]! > 3) throw fail(`expected format 1, 2 or 3, got ${head[6] ?? 'nothing'}`, 6);
  const length = wide ? head.readUInt32LE(8) : head.readUInt16LE(8);
  if (length > MAX_NPY_HEADER) throw fail(`expected a header of at most ${MAX_NPY_HEADER} bytes, got ${length}`, 8);
  const start = from + length;
  if (start > head.length) throw fail(`expected a header of ${start} bytes, the file ends after ${head.length}`, 8);
  const text = head.toString('latin1', from, start);
  const values = dictionary(text);
  const [descr, fortran, shape] = ['descr', 'fortran_order', 'shape'].map((key) => values?.get(key));
  if (typeof descr !== 'string' || typeof fortran !== 'boolean' || !Array.isArray(shape)) {
    const got = JSON.stringify(text.trim().slice(0, 120));
    throw fail(`expected descr of one number each, fortran_order and shape, got ${got}`, from);
  }
  if (shape.length > MAX_RANK) throw fail(`expected at most ${MAX_RANK} dimensions, got more`, from);
  if (!shape.every(Number.isSafeInteger) || !Number.isSafeInteger(sizeOf(shape))) {
    throw fail(`a shape that makes no sense: (${shape.join(', ')})`, from);
  }
  return { start, descr, fortran, shape };
}

type Value = string | boolean | number[];

/** Blanks, then a text, a truth, a whole number (Python 2 wrote an L after it), or one of the characters between them. */
const TOKEN = /\s*(?:'([^'\\]{0,64})'|"([^"\\]{0,64})"|(True|False)|(\d{1,20})L?|([{}():,]))/y;

/** A dictionary of texts, truths and tuples of whole numbers, in one pass; null for anything else, and where a key comes twice. */
function dictionary(text: string): ReadonlyMap<string, Value> | null {
  let at = 0;
  const next = (): string | boolean | number | null => {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (!found) return null;
    at = TOKEN.lastIndex;
    const [, single, double, truth, digits, mark] = found;
    if (truth !== undefined) return truth === 'True';
    if (digits !== undefined) return Number(digits);
    return mark ?? `'${single ?? double}`;
  };
  const tuple = (): number[] | null => {
    const list: number[] = [];
    for (;;) {
      const item = next();
      if (item === ')') return list;
      // One too many shows that they are.
      if (typeof item !== 'number' || list.length > MAX_RANK) return list.length > MAX_RANK ? list : null;
      list.push(item);
      const mark = next();
      if (mark === ')') return list;
      if (mark !== ',') return null;
    }
  };
  const values = new Map<string, Value>();
  if (next() !== '{') return null;
  for (;;) {
    const key = next();
    if (key === '}') break;
    if (typeof key !== 'string' || key[0] !== "'" || values.has(key.slice(1)) || next() !== ':') return null;
    const first = next();
    const value = first === '(' ? tuple() : typeof first === 'string' && first[0] === "'" ? first.slice(1) : first;
    if (value === null || typeof value === 'number') return null;
    values.set(key.slice(1), value);
    if (Array.isArray(value) && value.length > MAX_RANK) return values;
    const mark = next();
    if (mark === '}') break;
    if (mark !== ',') return null;
  }
  return text.slice(at).trim() === '' ? values : null;
}
