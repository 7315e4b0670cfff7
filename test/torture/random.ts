// random.ts: the one source of all that is drawn: numbers of a program's seed and of what they are for, so that one more draw in one place
// changes nothing in another.
import { permutation, philox4x32, philoxKey } from '../../lib/ir/philox.ts';

/** A number of a text, for keys. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** Where kernels change their ways: rows of tiles, lanes of registers, and what lies beside them. */
const EDGES = [6, 8, 14, 16, 28, 32, 64];

export class Random {
  readonly #key: readonly [number, number];
  readonly #use: number;
  readonly #words: Uint32Array = new Uint32Array(4);
  /** Sizes are mostly large: set for some programs, so that kernels cut what they are given. */
  wide = false;
  #drawn = 0;

  /** @param use what for: other numbers for each */
  constructor(seed: number, use: string) {
    this.#key = philoxKey(BigInt(seed));
    this.#use = hash(use);
  }

  /** 32 bits. */
  word(): number {
    const at = this.#drawn++;
    if ((at & 3) === 0) philox4x32(this.#words, at >>> 2, this.#use, 0x746f7274, 0, ...this.#key);
    return this.#words[at & 3]!;
  }

  /** In [0, 1). */
  unit(): number {
    return this.word() / 2 ** 32;
  }

  chance(p: number): boolean {
    return this.unit() < p;
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + Math.floor(this.unit() * (most - least + 1));
  }

  pick<T>(list: readonly T[]): T {
    return list[this.between(0, list.length - 1)]!;
  }

  /** `value` or, in a share of 1 - p, nothing: for options that are mostly left out. */
  maybe<T>(p: number, value: () => T): T | undefined {
    return this.chance(p) ? value() : undefined;
  }

  /** The size of something: mostly small, often beside an edge of the kernels, now and then as large as may be; or mostly large. */
  size(most: number): number {
    const [small, edge, middle] = this.wide ? [0.1, 0.3, 0.55] : [0.45, 0.75, 0.95];
    const kind = this.unit();
    const drawn =
      kind < small
        ? this.between(1, 17)
        : kind < edge
          ? this.pick(EDGES) + this.between(-1, 1)
          : kind < middle
            ? this.between(1, 80)
            : this.between(80, 600);
    return drawn <= most ? drawn : this.between(this.wide ? Math.ceil(most / 2) : 1, most);
  }

  /** A divisor of n. */
  divisor(n: number): number {
    const found = Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0);
    return this.pick(found);
  }
}

/** Whose turn it is in program `seed`: of as many programs as there are names, one after the other, each has its turn once. */
export function turn<T>(seed: number, use: string, names: readonly T[]): T {
  const order = permutation(names.length, BigInt(hash(use)), Math.floor(seed / names.length));
  return names[order[seed % names.length]!]!;
}

/** An object without what is undefined: options that were not drawn. */
export function given<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, v]) => v !== undefined)) as never;
}
