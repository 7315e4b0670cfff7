// tree.ts: what hangs on a module: modules, parameters and buffers, in its fields, in arrays and in objects, with their paths.
import { Buffer } from './buffer.ts';
import { Parameter } from './parameter.ts';

/** How a module is printed; lib/nn/module/module.ts has the class. */
interface Branch {
  parts(): Iterable<readonly [string, unknown]>;
}

/** A module, parameter or buffer, and its path. */
export type Found = readonly [path: string, value: Branch | Parameter | Buffer];

/**
 * Everything on the tree under `root`, itself first as ''. What hangs in several places comes once for each.
 * @param isModule tells modules from other objects
 */
export function* walk(root: Branch, isModule: (x: unknown) => x is Branch): IterableIterator<Found> {
  yield* branch('', root, isModule, []);
}

/** `above` are the modules and arrays on the way here: a child that refers to its parent is not followed. */
function* branch(
  path: string,
  value: unknown,
  isModule: (x: unknown) => x is Branch,
  above: readonly unknown[],
): IterableIterator<Found> {
  if (value instanceof Parameter || value instanceof Buffer) {
    yield [path, value];
    return;
  }
  if (above.includes(value)) return;
  if (isModule(value)) yield [path, value];
  const parts = isModule(value) ? value.parts() : isContainer(value) ? Object.entries(value) : [];
  const deeper = [...above, value];
  for (const [name, part] of parts) yield* branch(path ? `${path}.${name}` : name, part, isModule, deeper);
}

/** Arrays and plain objects. Typed arrays, maps, tensors and other instances hold no parameters to be found. */
export function isContainer(value: unknown): value is object {
  if (Array.isArray(value)) return true;
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as unknown;
  return prototype === Object.prototype || prototype === null;
}
