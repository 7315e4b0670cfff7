// spec.ts: what the parts of the fuzzer hand to each other: an input, the reader that it is for, and what came of it.
import type { Random } from '../torture/random.ts';

/** What a reader is given. Plain: kept in files, sent between processes, made smaller. */
export interface Input {
  readonly reader: string;
  /** What stands in the folder, by name; the first is the one that is read. */
  readonly files: Readonly<Record<string, Uint8Array>>;
  readonly options: Readonly<Record<string, unknown>>;
  /** Bytes of all that may be unpacked of it; default those of the files. */
  readonly unpacked?: number;
}

/** An input as it was drawn. */
export interface Drawn extends Omit<Input, 'reader'> {
  /** What is read of it, as `Way.run` gives it; absent where nobody knows. */
  readonly expects?: unknown;
}

/** One way to read an input: of those that have the same `alike`, all must give the same. */
export interface Way {
  readonly name: string;
  readonly alike?: string;
  /** Within the call, or in a process of its own: nothing waits for a turn of the event loop. */
  readonly sync?: boolean;
  /** What the input expects is not what this one reads of it. */
  readonly partial?: boolean;
  /** Gives what the library gives, and throws what it throws; `Broken` where something else is wrong. Time and memory are counted. */
  run(): unknown;
  /** The same as something plain, for `isDeepStrictEqual`; default as it is. */
  readonly plain?: (value: never) => unknown;
}

export interface Reader {
  /** Public functions and methods that it calls, as users write them; commands as `gradclip inspect`. */
  readonly covers: readonly string[];
  /** Files of lib/ that take bytes of strangers, and are reached by it. */
  readonly reaches: readonly string[];
  draw(r: Random): Drawn;
  /** @param folder that has the files */
  ways(input: Input, folder: string): readonly Way[] | Promise<readonly Way[]>;
}

/** Thrown by a way: nothing was refused, and yet it is wrong. */
export class Broken extends Error {}

export type Kind =
  | 'throws'
  | 'message'
  | 'slow'
  | 'memory'
  | 'blocks'
  | 'differs'
  | 'wrong'
  | 'refused'
  | 'broken'
  | 'dies'
  | 'hangs';

/** What is wrong. */
export interface Failure {
  readonly kind: Kind;
  readonly way: string;
  readonly message: string;
}

/** What came of an input. */
export interface Outcome {
  readonly failure: Failure | null;
  /** Accepted by one way at least, or the codes of the errors. */
  readonly said: readonly string[];
  readonly ms: number;
  readonly bytes: number;
}

/** Option `maxBytes` of all that is read: what the limits on memory are for. */
export const MAX_BYTES: number = 16 << 20;
