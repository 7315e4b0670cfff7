// made-of.ts: what a module is made of, as it was when somebody looked: its parts, and the plain values in its fields.
// What was computed of them holds as long as all of it is the same.
import { Module } from './module.ts';
import { Parameter } from './parameter.ts';
import { isContainer } from './tree.ts';

/** A module, as far as it is looked at. */
type Looked = Readonly<Record<string, unknown>>;

/** What was found in a place. */
interface Found {
  readonly holder: Looked;
  readonly key: string;
  value: unknown;
}

/** A module, array or object, and how many fields it had. */
interface Holder {
  readonly holder: Looked;
  count: number;
}

/** A module that says itself what its parts are, and what it said. */
interface Teller {
  readonly module: Module;
  readonly told: readonly unknown[];
}

/** What tracing itself writes, whoever traces: a tensor that is put into a field, a count of calls. It tells nothing. */
const written = new WeakMap<object, Set<string>>();

/** How a module differs from what it was. */
export type Difference = 'none' | 'trained' | 'fields';

export class MadeOf {
  readonly #root: Module;
  #tellers: Teller[] = [];
  #holders: Holder[] = [];
  #found: Found[] = [];
  /** Something was traced of what it was not when it was looked at. */
  #strayed = false;
  #parameters: { readonly parameter: Parameter; trained: boolean }[] = [];

  constructor(root: Module) {
    this.#root = root;
    this.look();
  }

  /** From now on it is compared with what it is now. @param trainedToo default: parameters with what they were set to before */
  look(trainedToo: boolean = false): void {
    const before = new Map(trainedToo ? [] : this.#parameters.map(({ parameter, trained }) => [parameter, trained]));
    this.#strayed = false;
    this.#tellers = [];
    this.#holders = [];
    this.#found = [];
    this.#parameters = [];
    this.#add(this.#root, new Set());
    for (const found of this.#parameters) found.trained = before.get(found.parameter) ?? found.trained;
  }

  /** Whether parameters were set to be trained or not, or anything else has changed. */
  difference(): Difference {
    if (this.#strayed) return 'fields';
    for (const holder of this.#holders) if (countOf(holder.holder) !== holder.count && !this.#recount(holder)) return 'fields';
    for (const { holder, key, value } of this.#found) {
      if (!Object.is(holder[key], value) && !written.get(holder)?.has(key)) return 'fields';
    }
    for (const { module, told } of this.#tellers) {
      let i = 0;
      for (const [name, part] of module.parts()) if (told[i++] !== name || told[i++] !== part) return 'fields';
      if (i !== told.length) return 'fields';
    }
    for (const { parameter, trained } of this.#parameters) {
      if (!parameter.initialized) return 'fields';
      if (parameter.requiresGrad !== trained) return 'trained';
    }
    return 'none';
  }

  /**
   * What `trace` writes into fields is no change, now or when it is called again. What it makes of a module that has changed holds for nothing else: that
   * stays a change, though the module were put back.
   */
  during<T>(trace: () => T): T {
    if (this.difference() === 'fields') {
      this.#strayed = true;
      return trace();
    }
    try {
      return trace();
    } finally {
      if (this.difference() === 'fields') this.#settle();
    }
  }

  /** Somebody else's tracing may have written into fields that count here. @returns whether the others are as many */
  #recount(holder: Holder): boolean {
    const others = written.get(holder.holder);
    const found = this.#found.filter((f) => f.holder === holder.holder && !others?.has(f.key));
    holder.count = found.length;
    return countOf(holder.holder) === holder.count;
  }

  #settle(): void {
    const note = (holder: Looked, key: string): void => {
      written.set(holder, (written.get(holder) ?? new Set()).add(key));
    };
    for (const { holder, count } of this.#holders) {
      if (countOf(holder) === count) continue;
      const known = new Set(this.#found.filter((f) => f.holder === holder).map((f) => f.key));
      for (const key of Object.keys(holder)) if (!known.has(key)) note(holder, key);
    }
    for (const { holder, key, value } of this.#found) if (!Object.is(holder[key], value)) note(holder, key);
    this.look();
  }

  #add(value: unknown, seen: Set<unknown>): void {
    if (value instanceof Parameter) this.#parameters.push({ parameter: value, trained: value.requiresGrad });
    if (!(value instanceof Module || isContainer(value)) || seen.has(value)) return;
    const holder = value as unknown as Looked;
    seen.add(value);
    this.#holders.push({ holder, count: countOf(holder) });
    for (const key of Object.keys(holder)) {
      if (written.get(holder)?.has(key)) continue;
      const part = holder[key];
      this.#found.push({ holder, key, value: part });
      this.#add(part, seen);
    }
    if (!(value instanceof Module) || value.parts === Module.prototype.parts) return;
    const parts = [...value.parts()];
    this.#tellers.push({ module: value, told: parts.flat() });
    for (const [, part] of parts) this.#add(part, seen);
  }
}

/** Fields that tracing does not write. */
function countOf(holder: object): number {
  const others = written.get(holder);
  if (Array.isArray(holder)) return others ? Object.keys(holder).filter((key) => !others.has(key)).length : holder.length;
  let count = 0;
  for (const key in holder) if (Object.hasOwn(holder, key) && !others?.has(key)) count++;
  return count;
}
