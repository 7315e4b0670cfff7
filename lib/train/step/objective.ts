// objective.ts: a function of a batch that people write (loss, metric, prediction), called: what it does wrong is said in its own words.
import { GradclipError, OptionError } from '../../errors.ts';
import { explained } from '../../nn/module/calls.ts';
import { Module } from '../../nn/module/module.ts';
import type { Batch, Tensors } from '../feed/source.ts';

/**
 * What `f` makes of a batch. Where it fails and has read an array that the batch does not have, that is the error; it may read what is not there
 * and go on without.
 * @param where `loss`, or the name of a metric
 * @throws OptionError; GraphError for a call that is none
 */
export function ofBatch<M extends Module, T>(where: string, batch: Tensors, model: M, f: (batch: Batch, model: M) => T): T {
  const missed = new Set<string>();
  const watched = new Proxy(batch, {
    get(target, key, receiver) {
      if (typeof key === 'string' && !(key in target)) missed.add(key);
      return Reflect.get(target, key, receiver) as unknown;
    },
  });
  try {
    return f(watched as Batch, model);
  } catch (error) {
    const [name] = missed;
    if (name !== undefined && comesOfNothing(error)) {
      const known = Object.keys(batch);
      const text = `${where}: the batch has no array ${name}; it has ${known.join(', ')}${remedy(where, name, known)}`;
      throw new OptionError(text, { where, name, known }, { cause: error });
    }
    throw explained(error, model, (x) => x instanceof Module);
  }
}

function remedy(where: string, name: string, known: readonly string[]): string {
  if (where === 'predict' && name === 'x') return '; option predict of the trainer says what the model makes of them';
  if (name === 'forward') return `; it is called with the batch first: ({ ${known.join(', ')} }, model) => ...`;
  return known.every((key) => /^\d+$/.test(key)) ? '; a batch is an object of named arrays, such as { x, y }' : '';
}

/** Whether an error may come of undefined where a tensor is wanted. */
const comesOfNothing = (error: unknown): boolean =>
  error instanceof GradclipError ? /got (undefined|nothing)/.test(error.message) : error instanceof TypeError;
