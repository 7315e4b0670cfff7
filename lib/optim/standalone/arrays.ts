// arrays.ts: checks of the caller's own arrays before an optimizer works on them.
import { DetachedError, DTypeError, OptionError, ShapeError } from '../../errors.ts';
import { sizeOf } from '../../ir/op.ts';
import { type Match, matcher, type Pattern } from '../../nn/module/module.ts';
import { custom, type Field, show } from '../../options/index.ts';

/** Things in a list, or by name. */
export type Named<T> = readonly T[] | Readonly<Record<string, T>>;

/** Which they are, and that they are Float32Arrays, is checked where they are bound. */
export const arrays: Field<Named<Float32Array>> = custom('a list or a record of Float32Arrays', (given, place) => {
  if (typeof given === 'object' && given !== null && !ArrayBuffer.isView(given)) return given as Named<Float32Array>;
  throw place.wrong('a list or a record of Float32Arrays', given);
});
/** Which they are is checked where the names are known. */
export const shapesField: Field<Named<readonly number[]>> = custom('shapes in a list or by name', (given, place) => {
  if (typeof given === 'object' && given !== null) return given as Named<readonly number[]>;
  throw place.wrong('shapes in a list or by name', given);
});

/** Names and values; a list is named by its positions. */
export function entriesOf<T>(where: string, given: Named<T>): [string, T][] {
  if (typeof given !== 'object' || given === null || ArrayBuffer.isView(given)) {
    throw new OptionError(`${where}: expected a list or a record of Float32Arrays, got ${show(given)}`);
  }
  return Array.isArray(given) ? given.map((x, i) => [`${i}`, x]) : Object.entries(given as Record<string, T>);
}

/** Throws for what is no Float32Array in memory that nobody else shares. */
export function checkArray(where: string, name: string, x: unknown): Float32Array {
  if (!(x instanceof Float32Array)) {
    throw new DTypeError(`${where}: expected a Float32Array for ${name}, got ${show(x)}`, { name });
  }
  if (typeof SharedArrayBuffer !== 'undefined' && x.buffer instanceof SharedArrayBuffer) {
    throw new OptionError(`${where}: expected memory of this thread's own for ${name}, got a SharedArrayBuffer`, { name });
  }
  return x;
}

/** Gradients in the order of the parameters, each of its parameter's length; or parameters in that of the gradients. */
export function matchArrays(
  where: string,
  names: readonly string[],
  lengths: readonly number[],
  given: Named<Float32Array>,
  what: 'gradient' | 'parameter' = 'gradient',
): Float32Array[] {
  const byName = new Map(entriesOf(where, given));
  const known = new Set(names);
  for (const name of byName.keys()) {
    if (!known.has(name))
      throw new OptionError(`${where}: there is no ${what === 'gradient' ? 'parameter' : 'gradient'} ${name}`, { name });
  }
  return names.map((name, i) => {
    if (!byName.has(name)) throw new OptionError(`${where}: expected ${names.length} ${what}s, got none for ${name}`, { name });
    const g = checkArray(where, name, byName.get(name));
    if (g.length !== lengths[i]) {
      if (g.buffer.byteLength === 0) {
        throw new DetachedError(
          `${where}: the ${what === 'gradient' ? 'gradient of ' : 'parameter '}${name} has no memory: it was transferred`,
          { name },
        );
      }
      throw new ShapeError(`${where}: expected ${lengths[i]} elements for ${name}, got ${g.length}`, { name });
    }
    return g;
  });
}

/** Are these the very arrays given, in the order of `names`, and no others? */
export function sameArrays(arrays: readonly Float32Array[], names: readonly string[], given: Named<Float32Array>): boolean {
  if (Array.isArray(given)) return given.length === arrays.length && arrays.every((x, i) => x === given[i]);
  const record = given as Readonly<Record<string, Float32Array>>;
  let count = 0;
  for (const _ in record) count++;
  return count === arrays.length && arrays.every((x, i) => x === record[names[i]!]);
}

/** Throws if any two of the arrays share memory. */
export function checkDisjoint(where: string, arrays: readonly (readonly [string, Float32Array])[]): void {
  const byBuffer = new Map<ArrayBufferLike, (readonly [string, Float32Array])[]>();
  for (const entry of arrays) {
    if (entry[1].length === 0) continue;
    const list = byBuffer.get(entry[1].buffer);
    if (list) list.push(entry);
    else byBuffer.set(entry[1].buffer, [entry]);
  }
  for (const list of byBuffer.values()) {
    list.sort(([, a], [, b]) => a.byteOffset - b.byteOffset);
    for (const [i, [name, x]] of list.entries()) {
      const next = list[i + 1];
      if (next && next[1].byteOffset < x.byteOffset + x.byteLength) {
        throw new OptionError(`${where}: ${name} and ${next[0]} share memory`, { names: [name, next[0]] });
      }
    }
  }
}

/** The shape of each array, as given or of one dimension. */
export function shapesOf(
  where: string,
  entries: readonly (readonly [string, Float32Array])[],
  given: Named<readonly number[]> = [],
): Map<string, readonly number[]> {
  if (typeof given !== 'object' || given === null) {
    throw new OptionError(`${where}: option shapes: expected shapes in a list or by name, got ${show(given)}`);
  }
  const shapes = new Map(entries.map(([name, x]): [string, readonly number[]] => [name, [x.length]]));
  for (const [name, shape] of Object.entries(given) as [string, unknown][]) {
    const x = entries.find(([known]) => known === name)?.[1];
    if (!x) throw new OptionError(`${where}: option shapes: there is no parameter ${name}`, { name });
    const dims = Array.isArray(shape) && shape.every((d) => Number.isSafeInteger(d) && d >= 0);
    if (!dims || sizeOf(shape) !== x.length) {
      const got = Array.isArray(shape) ? `[${shape}]` : show(shape);
      throw new ShapeError(`${where}: option shapes: expected a shape of ${x.length} elements for ${name}, got ${got}`, { name });
    }
    shapes.set(name, [...shape]);
  }
  return shapes;
}

/** Things whose names match a pattern. Throws OptionError if there is none, and for a function: it would look at parameters of a module. */
export function matchNames<T extends { readonly name: string }>(where: string, things: readonly T[], match: Match): T[] {
  const test = matcher(where, match as Pattern);
  const matched = things.filter(({ name }) => test(name));
  if (matched.length === 0) {
    throw new OptionError(
      `${where}: no parameter matches ${match}; there are ${things
        .map((t) => t.name)
        .slice(0, 20)
        .join(', ')}`,
    );
  }
  return matched;
}
