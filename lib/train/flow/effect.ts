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

/** Within a loop: go on when it has been waited for. Nothing waits where a loop is driven at once. */
export function* waitFor(waits: Wait): Loop<void> {
  if (waits instanceof Promise) yield* perform<void>({ now: () => {}, later: () => waits });
}

/** At once, or when it has been waited for. */
export type Wait<T = void> = T | Promise<T>;

/** Go on with what may have to be waited for: at once where it is there. */
export function after<T, R>(value: Wait<T>, next: (value: T) => Wait<R>): Wait<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** Do one thing after the other. */
export function inOrder<T>(items: readonly T[], task: (item: T) => Wait): Wait {
  let waits: Promise<void> | null = null;
  for (const item of items) {
    const next: Wait = waits ? waits.then(() => task(item)) : task(item);
    if (next instanceof Promise) waits = next;
  }
  return waits ?? undefined;
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
