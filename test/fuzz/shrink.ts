// shrink.ts: makes an input that fails smaller, as long as it fails in the same way: options left out, bytes left out.
import type { Failure, Input } from './spec.ts';

/** Whether, and how, an input fails. */
export type Fails = (input: Input) => Promise<Failure | null>;

// Inputs that are read at most, and time for them: some fail by being slow.
const MOST = 1500;
const MOST_MS = 120_000;

export async function shrink(fails: Fails, input: Input, failure: Failure): Promise<Input> {
  const tries = new Tries(fails, input, failure);
  for (const key of Object.keys(input.options)) {
    const { [key]: _, ...options } = tries.best.options;
    await tries.take({ ...tries.best, options });
  }
  for (const name of Object.keys(input.files)) await shrinkFile(name, tries);
  return tries.best;
}

/** The smallest input so far, until there were enough. */
class Tries {
  best: Input;
  readonly #fails: Fails;
  readonly #wanted: string;
  readonly #until: number = Date.now() + MOST_MS;
  #left = MOST;

  constructor(fails: Fails, input: Input, failure: Failure) {
    this.best = input;
    this.#fails = fails;
    this.#wanted = likeness(failure);
  }

  get over(): boolean {
    return this.#left <= 0 || Date.now() > this.#until;
  }

  /** Whether this one fails in the same way, and is the best then. */
  async take(candidate: Input): Promise<boolean> {
    this.#left--;
    const found = this.over ? null : await this.#fails(candidate);
    if (!found || likeness(found) !== this.#wanted) return false;
    this.best = candidate;
    return true;
  }
}

/** Pieces are left out: first large ones, at last single bytes. */
async function shrinkFile(name: string, tries: Tries): Promise<void> {
  for (let size = tries.best.files[name]!.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < tries.best.files[name]!.length && !tries.over; ) {
      const { files } = tries.best;
      const rest = Buffer.concat([files[name]!.subarray(0, at), files[name]!.subarray(at + size)]);
      if (!(await tries.take({ ...tries.best, files: { ...files, [name]: rest } }))) at += size;
    }
  }
}

/** What two failures must have in common to be one: of what is thrown the first line, but for its numbers and quotes. */
export function likeness({ kind, message }: Failure): string {
  const first = message.split('\n')[0]!.replace(/"(?:[^"\\]|\\.)*"|[-\d.]+/g, '');
  return kind === 'throws' || kind === 'broken' ? `${kind} ${first.slice(0, 60)}` : kind;
}
