// snapshot.ts: all of a trainer's state in memory, as of one moment: a checkpoint that never was a file.
import { printAs } from '../../errors/inspect.ts';
import { custom, type Field } from '../../options/index.ts';
import type { Transforms } from '../feed/prepare.ts';
import type { Counters } from '../flow/progress.ts';
import type { Checkpoint, Progress } from './checkpoint.ts';

/**
 * All of a trainer's state as of one moment, as `Trainer.snapshot` gives it and `Trainer.restore` takes it: as often as one likes. Nothing in it
 * can be changed; it is memory of JavaScript, freed when nobody has it any more.
 */
export interface Snapshot {
  /** Where the trainer stood. */
  readonly counters: Counters;
  /** What its values take, in bytes. */
  readonly bytes: number;
}

/** States by their names, and all that is no state. */
export interface Held extends Pick<Checkpoint, 'tensors'> {
  readonly progress: Progress;
  readonly transforms: Transforms;
}

export class TakenSnapshot implements Snapshot {
  readonly #held: Held;

  constructor(held: Held) {
    this.#held = held;
  }

  get counters(): Counters {
    return this.#held.progress.counters;
  }

  get bytes(): number {
    const tensors = new Set(Array.from(this.#held.tensors.values(), ({ data }) => data));
    return [...tensors].reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** As something to be matched with a model. */
  get checkpoint(): Checkpoint {
    const { tensors, progress } = this.#held;
    return { file: 'the snapshot', tensors, unread: new Map(), metadata: {}, progress };
  }

  get transforms(): Transforms {
    return this.#held.transforms;
  }
}

printAs(TakenSnapshot, function () {
  const { epoch, step } = this.counters;
  return `Snapshot of ${this.bytes} bytes: ${step} updates, epoch ${epoch}`;
});

/** As an argument. */
export const snapshot: Field<Snapshot, TakenSnapshot> = custom('what snapshot() gives', (value, place) => {
  if (value instanceof TakenSnapshot) return value;
  const waits = typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
  throw place.wrong('what snapshot() gives', value, waits ? '; is an await missing?' : '');
});
