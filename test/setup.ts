// setup.ts: in every test file, typed arrays are compared as memory first: element by element, as toEqual does it, takes most of a test's time.
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';

expect.addEqualityTesters([
  (a: unknown, b: unknown): boolean | undefined =>
    // What differs is left to toEqual, which says where.
    ArrayBuffer.isView(a) && ArrayBuffer.isView(b) && isDeepStrictEqual(a, b) ? true : undefined,
]);
