// inspect.ts: what `console.log` prints of an object, in place of its fields. It asks the object, so nothing of Node is imported.

import { visible } from './visible.ts';

const CUSTOM = Symbol.for('nodejs.util.inspect.custom');

/** Of `outer` both would color: it brings the function that does. */
const PLAIN = { colors: false, stylize: (text: string): string => text };

/** `util.inspect`, with the options of the call that is being answered. */
export type Inspect = (value: unknown, options?: object) => string;

/** Let `console.log` print of objects of a class, and of classes made of it, what `text` gives. */
export function printAs<T>(Class: { readonly prototype: T & object }, text: (this: T, inspect: Inspect) => string): void {
  const value = function (this: T, _: number, outer: object, inspect: (value: unknown, options: object) => string): string {
    // Without colors, which are control characters as those of a name would be.
    return visible(
      text.call(this, (x, options) => inspect(x, { ...outer, ...PLAIN, ...options })),
      '\n',
    );
  };
  Object.defineProperty(Class.prototype, CUSTOM, { value, configurable: true, writable: true });
}

/** The same of one object. @returns the object */
export function printed<T extends object>(object: T, text: () => string): T {
  Object.defineProperty(object, CUSTOM, { value: () => visible(text(), '\n'), configurable: true, writable: true });
  return object;
}
