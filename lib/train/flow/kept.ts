// kept.ts: what is kept of whoever follows a run, for the next one and in checkpoints.
import { CheckpointError } from '../../errors.ts';
import type { Data } from '../../ir/op.ts';

/** What is kept of a watcher (watch/) from a run to the next one, and in checkpoints. */
export interface Kept {
  /** What its state means: one with another key begins afresh. */
  readonly key: string;
  /** JSON. */
  readonly state: unknown;
  /** Values of the trainer's states, by their names in files, in sets. */
  readonly values?: Readonly<Record<string, ReadonlyMap<string, Data>>>;
}

/** Of a state that is none of its own, as in a file that somebody has changed. */
export function unreadable(name: string): CheckpointError {
  return new CheckpointError(`fit: what the checkpoint has of ${name} cannot be read`, { name });
}

/** What is kept of the watchers of a run, `now`, and of others: but not the weights of a run before it. */
export function keptNow(before: ReadonlyMap<string, Kept>, now: ReadonlyMap<string, Kept>): Map<string, Kept> {
  const others = [...withoutValues(before)].filter(([name]) => !now.has(name));
  return new Map([...others, ...now]);
}

/** What holds for any weights. */
export function withoutValues(kept: ReadonlyMap<string, Kept>): Map<string, Kept> {
  return new Map([...kept].filter(([, { values }]) => !values));
}

/** By names: whether the values are those, to the bit. */
export function sameValues(a: ReadonlyMap<string, Data>, b: ReadonlyMap<string, Data>): boolean {
  return [...a].every(([name, x]) => {
    const y = b.get(name);
    return y !== undefined && sameBits(x, y);
  });
}

export function sameBits(a: Data, b: Data): boolean {
  const bytes = (x: Data): Uint8Array => new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
  return a === b || Buffer.compare(bytes(a), bytes(b)) === 0;
}
