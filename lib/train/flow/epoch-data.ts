// epoch-data.ts: what the data of an epoch were: a fit goes on within it where its own are the same, and begins it anew where they are others.

/** What an epoch is, or was, trained on. */
export interface EpochData {
  /** What tells arrays from others, by what they hold. Of all streams the same. */
  readonly contents: string;
  /** Of a stream, what gives its batches and what came first of it; null of arrays, and where nobody knows any more, as after `load`. */
  readonly stream: { readonly given: WeakRef<object>; readonly first: First } | null;
}

/** What came first in an epoch of a stream. */
export class First {
  /** Null: nothing has come from the beginning on. */
  seen: string | null;
  /** What came first was another thing: all of it is to be trained on. */
  other = false;
  /** Whether batches are looked at; else whoever makes them looks at what these are made of. */
  readonly ofBatches: boolean;
  #expected: string | null;

  /** @param before what came in the run before; `compared`: what has come then has to come again, before the rest is the rest of that */
  constructor(before: First | null, compared: boolean, ofBatches: boolean) {
    this.seen = before?.seen ?? null;
    this.#expected = compared ? this.seen : null;
    this.ofBatches = ofBatches;
  }

  /** It has come, as the first of an epoch. @returns whether it is of another stream than what was drawn before */
  came(what: string): boolean {
    this.other = this.#expected !== null && this.#expected !== what;
    this.#expected = null;
    this.seen = what;
    return this.other;
  }
}

/** On a function that gives batches and draws itself once more what was drawn before: it gets what came first. */
export const FROM_FIRST: unique symbol = Symbol('first');
export interface FromFirst {
  readonly [FROM_FIRST]: { readonly given: object; readonly stream: (first: First) => unknown };
}

/** Whether an epoch that was begun with `before` may go on with `now`: streams, when what comes first of them has come. Null: nobody knows. */
export const mayGoOn = (before: EpochData | null, now: EpochData): boolean => before === null || before.contents === now.contents;
