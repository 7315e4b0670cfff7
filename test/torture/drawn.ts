// drawn.ts: options of a function as its signature declares them: of those that may be left out, some, with values that change what is done.
import { type Fields, type Schema, signatures } from '../../lib/options/index.ts';
import type { Random } from './random.ts';
import type { Options } from './spec.ts';

/** By name, where values in the middle of what is allowed would do little in a few steps, or much too much. */
const VALUES: Readonly<Record<string, (r: Random) => unknown>> = {
  weightDecay: (r) => r.pick([0.01, 0.3]),
  betas: () => [0.5, 0.9],
  eps: () => undefined,
  normBounds: () => [0.1, 10],
  nonFinite: (r) => r.pick(['zero', 'propagate', 'skip']),
  maxSkips: (r) => r.pick([1, 2, Infinity]),
  threshold: (r) => r.pick([1e-3, 0.01, 0.1, 0.5, 1, 10]),
};

/** @param own what is drawn of the function itself */
export function drawOptions(r: Random, name: string, own: readonly string[] = []): Options {
  return some(r, signatures.get(name)!.options ?? {}, own);
}

/** Arguments in order, and the options after them. */
export function drawArgs(r: Random, name: string): readonly unknown[] {
  const { positional } = signatures.get(name)!;
  return [...Object.entries(positional).map(([key, { schema }]) => drawValue(r, key, schema)), drawOptions(r, name)];
}

function some(r: Random, fields: Fields, own: readonly string[]): Options {
  const drawn = Object.entries(fields).map(([key, { schema }]) => {
    const value = own.includes(key) || !r.chance(0.4) ? undefined : drawValue(r, key, schema);
    return [key, value] as const;
  });
  return Object.fromEntries(drawn.filter(([, value]) => value !== undefined));
}

function drawValue(r: Random, key: string, schema: Schema | null): unknown {
  return key in VALUES ? VALUES[key]!(r) : schema && fitting(r, schema);
}

/** A value that a schema allows; undefined where it says too little. */
function fitting(r: Random, schema: Schema): unknown {
  const { type, minimum, exclusiveMinimum, maximum, exclusiveMaximum, prefixItems, anyOf } = schema;
  const choices = schema.enum as readonly unknown[] | undefined;
  if (choices) return r.pick(choices);
  if (anyOf) return fitting(r, (anyOf as readonly Schema[])[0]!);
  if (type === 'boolean') return r.chance(0.5);
  if (prefixItems) {
    const items = (prefixItems as readonly Schema[]).map((one) => fitting(r, one));
    return items.includes(undefined) ? undefined : items;
  }
  const low = (minimum ?? exclusiveMinimum) as number | undefined;
  const high = (maximum ?? exclusiveMaximum) as number | undefined;
  if (low === undefined) return undefined;
  if (type === 'integer') return Math.min(low + r.between(1, 3), high ?? Number.POSITIVE_INFINITY);
  if (type !== 'number') return undefined;
  return high === undefined || high > 1e6 ? low + r.pick([0.01, 0.3]) : low + (high - low) * r.pick([0.25, 0.5, 0.9]);
}
