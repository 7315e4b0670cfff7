// limits.ts: readers called with option `maxBytes`, where they take it.
import { signatures } from '../../../lib/options/index.ts';
import { MAX_BYTES } from '../spec.ts';

/** Option `maxBytes` of a reader, as users write it; nothing where it takes none. */
export const limitOf = (name: string): { readonly maxBytes?: number } =>
  'maxBytes' in (signatures.get(name)?.options ?? {}) ? { maxBytes: MAX_BYTES } : {};

/**
 * Call a reader with these arguments, and option `maxBytes` after them.
 * @param name as users write it
 * @param args as many as come before the options
 */
export function limited<A extends readonly unknown[], R>(name: string, read: (...args: A) => R, ...args: readonly unknown[]): R {
  const call = read as (...args: readonly unknown[]) => R;
  const limit = limitOf(name);
  return 'maxBytes' in limit ? call(...args, limit) : call(...args);
}
