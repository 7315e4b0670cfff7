// pickle.ts: a pickle of Python, without Python: numbers, texts, tuples, lists, dicts, and what `torch.save` writes of tensors. Nothing in it is run: a class or
// function that is not known here becomes a note of its name.
import type { DataError } from '../../errors.ts';
import type { Parts } from '../file/pace.ts';

/** A class or function, by its name. */
export class Global {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** What a class or function that is not known would have made. */
export class Foreign {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

export class Tuple {
  readonly items: readonly unknown[];
  constructor(items: readonly unknown[]) {
    this.items = items;
  }
}

/** What the reader of a kind of file knows. */
export interface Meaning {
  /** What lies beside the pickle, by its key. */
  readonly persistent: (id: unknown) => unknown;
  /** What functions and classes make, by their names, such as `collections.OrderedDict`. */
  readonly known: Readonly<Record<string, (args: readonly unknown[]) => unknown>>;
}

/** Operations between two places where the event loop may have a turn. */
const PART = 4096;
/** Entries of the stack, and of the memo. */
const MOST = 4_000_000;
/** Bytes of a whole number. */
const MOST_LONG = 1024;

const MARK = Symbol('mark');

/** @throws what `fail` makes where it is malformed, or of a protocol before 2 */
export function* unpickle(bytes: Uint8Array, meaning: Meaning, fail: (why: string, at: number) => DataError): Parts<unknown> {
  const machine = new Machine(bytes, meaning, fail);
  for (let i = 1; machine.step(); i++) if (i % PART === 0) yield;
  return machine.result;
}

class Machine {
  readonly #bytes: Buffer;
  readonly #meaning: Meaning;
  readonly #fail: (why: string, at: number) => DataError;
  readonly #stack: unknown[] = [];
  readonly #memo = new Map<number, unknown>();
  #at = 0;
  /** Where the operation begins. */
  #op = 0;

  constructor(bytes: Uint8Array, meaning: Meaning, fail: (why: string, at: number) => DataError) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#meaning = meaning;
    this.#fail = fail;
  }

  get result(): unknown {
    return this.#stack[0];
  }

  /** One operation. @returns false: it was the last */
  step(): boolean {
    this.#op = this.#at;
    const code = this.#take(1)[0]!;
    if (this.#op === 0 && code !== 0x80) throw this.#wrong('expected a pickle of protocol 2 or later');
    if (code === 0x2e) {
      if (this.#stack.length !== 1) throw this.#wrong(`expected one value at the end, got ${this.#stack.length}`);
      return false;
    }
    const operation = OPERATIONS[code];
    if (!operation) throw this.#wrong(`operation 0x${code.toString(16)} is not one of a pickle of protocol 2 to 5`);
    operation(this);
    if (this.#stack.length > MOST || this.#memo.size > MOST) throw this.#wrong(`expected at most ${MOST} values, got more`);
    return true;
  }

  #wrong(why: string): DataError {
    return this.#fail(why, this.#op);
  }

  /** The next bytes. */
  #take(count: number): Buffer {
    if (count > this.#bytes.length - this.#at) throw this.#wrong(`expected ${count} more bytes, the pickle ends`);
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  skip(count: number): void {
    this.#take(count);
  }
  unsigned(width: 1 | 2 | 4): number {
    return this.#take(width).readUIntLE(0, width);
  }
  signed4(): number {
    return this.#take(4).readInt32LE();
  }
  size8(): number {
    const size = this.#take(8).readBigUInt64LE();
    if (size > BigInt(this.#bytes.length)) throw this.#wrong(`expected ${size} more bytes, the pickle ends`);
    return Number(size);
  }
  double(): number {
    return this.#take(8).readDoubleBE();
  }
  text(length: number): string {
    return this.#take(length).toString('utf8');
  }
  latin(length: number): string {
    return this.#take(length).toString('latin1');
  }
  /** Two's complement, in as many bytes; a bigint where a number would be rounded. */
  long(length: number): number | bigint {
    if (length > MOST_LONG) throw this.#wrong(`expected a number of at most ${MOST_LONG} bytes, got one of ${length}`);
    const bytes = this.#take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    if (length > 0 && bytes[length - 1]! & 0x80) value -= 1n << BigInt(8 * length);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.#wrong('expected the end of a line, the pickle ends');
    const text = this.text(end - this.#at);
    this.#at++;
    return text;
  }

  push(value: unknown): void {
    this.#stack.push(value);
  }
  mark(): void {
    this.#stack.push(MARK);
  }
  pop(): unknown {
    const value = this.#stack.length > 0 ? this.#stack.pop() : MARK;
    if (value === MARK) throw this.#wrong('expected a value, there is none');
    return value;
  }
  top(): unknown {
    const value = this.#stack.at(-1);
    if (this.#stack.length === 0 || value === MARK) throw this.#wrong('expected a value, there is none');
    return value;
  }
  /** What stands above the last mark, which goes. */
  marked(): unknown[] {
    const at = this.#stack.lastIndexOf(MARK);
    if (at < 0) throw this.#wrong('expected a mark, there is none');
    const items = this.#stack.splice(at);
    items.shift();
    return items;
  }
  drop(): void {
    if (this.#stack.pop() === undefined && this.#stack.length === 0) throw this.#wrong('expected a value, there is none');
  }
  put(index: number): void {
    this.#memo.set(index, this.top());
  }
  memoize(): void {
    this.put(this.#memo.size);
  }
  get(index: number): void {
    if (!this.#memo.has(index)) throw this.#wrong(`value ${index} was not kept`);
    this.push(this.#memo.get(index));
  }

  append(items: readonly unknown[]): void {
    const list = this.top();
    if (list instanceof Foreign) return;
    if (!Array.isArray(list)) throw this.#wrong('expected a list to append to');
    for (const item of items) list.push(item);
  }
  set(pairs: readonly unknown[]): void {
    const dict = this.top();
    if (pairs.length % 2 !== 0) throw this.#wrong('expected keys with their values');
    if (dict instanceof Foreign) return;
    if (!(dict instanceof Map)) throw this.#wrong('expected a dict to set keys of');
    for (let i = 0; i < pairs.length; i += 2) dict.set(keyOf(pairs[i]), pairs[i + 1]);
  }
  add(items: readonly unknown[]): void {
    const set = this.top();
    if (set instanceof Foreign) return;
    if (!(set instanceof Set)) throw this.#wrong('expected a set to add to');
    for (const item of items) set.add(item);
  }
  global(module: unknown, name: unknown): void {
    if (typeof module !== 'string' || typeof name !== 'string') throw this.#wrong('expected the name of a class or function');
    this.push(new Global(`${module}.${name}`));
  }
  persistent(): void {
    this.push(this.#meaning.persistent(this.pop()));
  }
  /** What a function gives, or a class makes. */
  call(): void {
    const args = this.pop();
    const what = this.pop();
    if (!(args instanceof Tuple)) throw this.#wrong('expected a tuple of arguments');
    this.push(this.#made(what, args.items));
  }
  callWithNames(): void {
    this.pop();
    this.call();
  }
  /** The state of an object: that of what is made here says nothing new. */
  build(): void {
    this.pop();
    this.top();
  }

  #made(what: unknown, args: readonly unknown[]): unknown {
    if (what instanceof Foreign) return new Foreign(what.name);
    if (!(what instanceof Global)) throw this.#wrong('expected a class or function to call');
    const make = Object.hasOwn(this.#meaning.known, what.name) ? this.#meaning.known[what.name] : undefined;
    return make ? make(args) : new Foreign(what.name);
  }
}

/** Keys of a dict that are equal are one: numbers and texts as they are, tuples by what they hold. */
function keyOf(key: unknown): unknown {
  return key instanceof Tuple ? `(${key.items.map(String).join(', ')})` : key;
}

const operation = {
  tuple: (count: number) => (m: Machine) => {
    const items = Array.from({ length: count }, () => m.pop()).reverse();
    m.push(new Tuple(items));
  },
};

/** By code; pickletools of Python has what each does. */
const OPERATIONS: Readonly<Record<number, (m: Machine) => void>> = {
  // PROTO, FRAME.
  128: (m) => m.skip(1),
  149: (m) => m.skip(8),
  // MARK, POP, POP_MARK, DUP.
  40: (m) => m.mark(),
  48: (m) => m.drop(),
  49: (m) => void m.marked(),
  50: (m) => m.push(m.top()),
  // NONE, NEWTRUE, NEWFALSE, BININT, BININT1, BININT2, LONG1, LONG4, BINFLOAT.
  78: (m) => m.push(null),
  136: (m) => m.push(true),
  137: (m) => m.push(false),
  74: (m) => m.push(m.signed4()),
  75: (m) => m.push(m.unsigned(1)),
  77: (m) => m.push(m.unsigned(2)),
  138: (m) => m.push(m.long(m.unsigned(1))),
  139: (m) => m.push(m.long(m.unsigned(4))),
  71: (m) => m.push(m.double()),
  // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8; bytes and texts of Python 2: BINSTRING, SHORT_BINSTRING, BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8.
  88: (m) => m.push(m.text(m.unsigned(4))),
  140: (m) => m.push(m.text(m.unsigned(1))),
  141: (m) => m.push(m.text(m.size8())),
  84: (m) => m.push(m.latin(m.unsigned(4))),
  85: (m) => m.push(m.latin(m.unsigned(1))),
  66: (m) => m.push(m.latin(m.unsigned(4))),
  67: (m) => m.push(m.latin(m.unsigned(1))),
  142: (m) => m.push(m.latin(m.size8())),
  150: (m) => m.push(m.latin(m.size8())),
  // EMPTY_LIST, APPEND, APPENDS, LIST.
  93: (m) => m.push([]),
  97: (m) => {
    const item = m.pop();
    m.append([item]);
  },
  101: (m) => {
    const items = m.marked();
    m.append(items);
  },
  108: (m) => m.push(m.marked()),
  // EMPTY_TUPLE, TUPLE, TUPLE1, TUPLE2, TUPLE3.
  41: (m) => m.push(new Tuple([])),
  116: (m) => m.push(new Tuple(m.marked())),
  133: operation.tuple(1),
  134: operation.tuple(2),
  135: operation.tuple(3),
  // EMPTY_DICT, DICT, SETITEM, SETITEMS.
  125: (m) => m.push(new Map()),
  100: (m) => {
    const pairs = m.marked();
    m.push(new Map());
    m.set(pairs);
  },
  115: (m) => {
    const value = m.pop();
    const key = m.pop();
    m.set([key, value]);
  },
  117: (m) => {
    const pairs = m.marked();
    m.set(pairs);
  },
  // EMPTY_SET, ADDITEMS, FROZENSET.
  143: (m) => m.push(new Set()),
  144: (m) => {
    const items = m.marked();
    m.add(items);
  },
  145: (m) => m.push(new Set(m.marked())),
  // GLOBAL, STACK_GLOBAL, REDUCE, BUILD, NEWOBJ, NEWOBJ_EX, BINPERSID.
  99: (m) => m.global(m.line(), m.line()),
  147: (m) => {
    const name = m.pop();
    m.global(m.pop(), name);
  },
  82: (m) => m.call(),
  98: (m) => m.build(),
  129: (m) => m.call(),
  146: (m) => m.callWithNames(),
  81: (m) => m.persistent(),
  // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET.
  113: (m) => m.put(m.unsigned(1)),
  114: (m) => m.put(m.unsigned(4)),
  148: (m) => m.memoize(),
  104: (m) => m.get(m.unsigned(1)),
  106: (m) => m.get(m.unsigned(4)),
};
