// programs.ts: the bound programs of a trainer. For every shape of a batch there is another one, and shapes may be without end: so the least recently
// used are dropped, and compiled anew where their shape comes again. Nothing outlives a run in a program's own memory, so that changes no bit.

/** How much is kept. */
export interface Limits {
  /** The last ones that each owner used, whatever they take: a batch and the shorter last one. */
  readonly own: number;
  /** Of further ones of an owner, as many as its data are known to need (`keep`), their bytes. */
  readonly known: number;
  /** Of all others together. */
  readonly count: number;
  readonly bytes: number;
}

const LIMITS: Limits = { own: 2, known: 1 << 30, count: 64, bytes: 8 << 20 };
/** GRADCLIP_FEW_PROGRAMS=1: only what a run uses. */
const FEWEST: Limits = { own: 0, known: 0, count: 0, bytes: 0 };

/** A program that is there. */
export interface Entry {
  /** Whose it is, among those who share the limits. */
  readonly owner: object;
  readonly bytes: number;
  /** How many of its owner's are known to be needed again. Default: none. */
  readonly keep?: number;
  /** Free its memory. */
  drop(): void;
}

export class Programs {
  readonly #limits: Limits;
  /** The least recently used first, each with how many use it now. */
  readonly #entries = new Map<Entry, number>();
  /** Whether some are over the limits and still there, as they are in use. */
  #crowded = false;

  constructor(limits: Limits = process.env.GRADCLIP_FEW_PROGRAMS === '1' ? FEWEST : LIMITS) {
    this.#limits = limits;
  }

  /** How many there are. */
  get count(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return [...this.#entries.keys()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** It is in use until `release`, and the most recently used one. */
  hold(entry: Entry): void {
    const users = this.#entries.get(entry);
    this.#entries.delete(entry);
    this.#entries.set(entry, (users ?? 0) + 1);
    if (users === undefined) this.#trim();
  }

  release(entry: Entry): void {
    const users = this.#entries.get(entry);
    if (users === undefined) return; // dropped with its owner
    this.#entries.set(entry, users - 1);
    if (users === 1 && this.#crowded) this.#trim();
  }

  /** Drop it, also while it is in use: then it frees its memory when the run is over. */
  drop(entry: Entry): void {
    if (this.#entries.delete(entry)) entry.drop();
  }

  #trim(): void {
    this.#crowded = false;
    const seen = new Map<object, { count: number; bytes: number }>();
    let count = 0;
    let bytes = 0;
    for (const [entry, users] of [...this.#entries].reverse()) {
      const before = seen.get(entry.owner) ?? { count: 0, bytes: 0 };
      const own = { count: before.count + 1, bytes: before.bytes + entry.bytes };
      seen.set(entry.owner, own);
      if (before.count < this.#limits.own) continue;
      if (before.count < (entry.keep ?? 0) && own.bytes <= this.#limits.known) continue;
      const over = count >= this.#limits.count || bytes + entry.bytes > this.#limits.bytes;
      if (over && users === 0) {
        this.drop(entry);
        continue;
      }
      this.#crowded ||= over;
      count++;
      bytes += entry.bytes;
    }
  }
}
