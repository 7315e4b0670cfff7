// kept.ts: things that are slow to make, kept for the next call that asks for the same: those that were used last.

/** So many things by their keys, the least recently used first. */
export class Kept<K, V> {
  readonly #limit: number;
  readonly #entries = new Map<K, V>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** What is kept by this key, or what `make` makes of it. */
  get(key: K, make: () => V): V {
    const known = this.#entries.has(key);
    const found = known ? this.#entries.get(key)! : make();
    // Last in the order of the map: used last.
    if (known) this.#entries.delete(key);
    this.#entries.set(key, found);
    if (this.#entries.size > this.#limit) this.#entries.delete(this.#entries.keys().next().value!);
    return found;
  }
}
