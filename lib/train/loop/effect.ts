// effect.ts: one training loop for both worlds. Loops are generators that yield effects; a driver performs them now or later.

/** Something that can be done at once (blocking) or awaited. */
export interface Effect<T> {
  readonly now: () => T;
  readonly later: () => Promise<T>;
}

export type Loop<R> = Generator<Effect<unknown>, R, unknown>;

/** Within a loop: `const result = yield* perform(effect)`. */
export function* perform<T>(effect: Effect<T>): Loop<T> {
  return (yield effect) as T;
}

export function driveSync<R>(loop: Loop<R>): R {
  let next = loop.next();
  while (!next.done) {
    let value: unknown;
    try {
      value = next.value.now();
    } catch (error) {
      next = loop.throw(error);
      continue;
    }
    next = loop.next(value);
  }
  return next.value;
}

export async function drive<R>(loop: Loop<R>): Promise<R> {
  let next = loop.next();
  while (!next.done) {
    let value: unknown;
    try {
      value = await next.value.later();
    } catch (error) {
      next = loop.throw(error);
      continue;
    }
    next = loop.next(value);
  }
  return next.value;
}

/** Do `last` when the result is there, or the error: at once, or when a promise settles. */
export function settle<R>(work: () => R, last: () => void): R {
  let result: R;
  try {
    result = work();
  } catch (error) {
    last();
    throw error;
  }
  if (result instanceof Promise) return result.finally(last) as R;
  last();
  return result;
}
