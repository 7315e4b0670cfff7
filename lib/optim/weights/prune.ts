// prune.ts: pruning while training: which weights become 0 for good, how many of them, and after which steps.
import { OptionError } from '../../errors.ts';
import { pow } from '../../math/index.ts';
import { match } from '../../nn/fields.ts';
import type { Match } from '../../nn/module/module.ts';
import type { RowNorm } from '../../ops/update/pruning.ts';
import { choice, custom, type Field, number, options, optionsOnly, type ValuesOf } from '../../options/index.ts';
import { type Length, length } from '../schedules/length.ts';

/** Made by `prune.magnitude` and `prune.rows`. */
export interface Prune {
  /** Which kind it is: `prune.magnitude` or `prune.rows`. */
  readonly name: string;
  /** The parameters that it is for. Absent: all that are trained and have two dimensions or more. */
  readonly match?: Match;
  /** What is pruned: elements, the smallest of all tensors together or of each; or rows. */
  readonly unit: 'global' | 'tensor' | 'rows';
  /** The norm that rows are compared by. */
  readonly norm: RowNorm;
  /** The share that is pruned after the update of this step (from 0); null where nothing new is pruned. */
  share(step: number): number | null;
}

/** How much is pruned, and after which steps: options that `prune.magnitude` and `prune.rows` share. */
export interface SparsityOptions {
  /** The share that is pruned in the end, from 0 to 1. */
  readonly sparsity: number;
  /** The share at the beginning. Default 0. */
  readonly initial?: number;
  /** The first step after whose update something is pruned. Default 0. */
  readonly begin?: Length;
  /** The last one. Default `begin`: all at once. */
  readonly end?: Length;
  /** Steps from one pruning to the next. Default 100. */
  readonly every?: Length;
  /** Exponent of the way there. Default 3, the cubic one. */
  readonly power?: number;
}
const share = number({ min: 0, max: 1 });
const sparsity = {
  sparsity: share,
  initial: share.default(0),
  begin: length(0).default(0),
  end: length(0).optional(),
  every: length(1).default(100),
  power: number({ above: 0 }).default(3),
} as const;

/** What the functions here make, as an option. */
export const pruneRule: Field<Prune> = custom('one such as prune.magnitude()', (given, place) => {
  const { name, unit, share } = (given ?? {}) as Partial<Prune>;
  const fits = typeof name === 'string' && ['global', 'tensor', 'rows'].includes(unit!) && typeof share === 'function';
  if (!fits) throw place.wrong('one such as prune.magnitude()', given);
  return given as Prune;
});

/** Options of `prune.magnitude`. */
export interface MagnitudeOptions extends SparsityOptions {
  /** Compare the elements of all tensors with one another, or within each tensor. Default `global`. */
  readonly scope?: 'global' | 'tensor';
  /** Which parameters. Default: all that are trained and have two dimensions or more, so no biases. */
  readonly match?: Match;
}

const readMagnitude = optionsOnly(
  'prune.magnitude',
  options<MagnitudeOptions>()({ ...sparsity, scope: choice('global', 'tensor').default('global'), match: match.optional() }),
);

/**
 * Prune the elements with the smallest |p|; of equal ones the first, those pruned before in any case. Which these are agrees with
 * torch.nn.utils.prune.l1_unstructured (`tensor`) and global_unstructured (`global`).
 * @throws OptionError
 */
export function magnitude(options: MagnitudeOptions): Prune {
  const { scope: unit, match, ...when } = readMagnitude(arguments);
  return {
    name: 'prune.magnitude',
    unit,
    norm: 2,
    share: cubic('prune.magnitude', when),
    ...(match !== undefined && { match }),
  };
}

/** Options of `prune.rows`. */
export interface RowsOptions extends SparsityOptions {
  /** Which weights lose rows. To be given: the rows of a last layer are the outputs of the model. */
  readonly match: Match;
  /** The norm that rows are compared by: 1, 2 or Infinity. Default 2. */
  readonly norm?: number;
}

const norm: Field<number> = custom(
  '1, 2 or Infinity',
  (value, place) => {
    if (value === 1 || value === 2 || value === Infinity) return value;
    // JSON has no infinity.
    if (value === 'inf') return Infinity;
    throw place.wrong('1, 2 or Infinity', value);
  },
  { anyOf: [{ enum: [1, 2, 'inf'] }, { type: 'number', exclusiveMinimum: Number.MAX_VALUE }] },
);
const losing = 'a pattern of the weights that lose rows (not those of the last layer) as string or RegExp, or a function';
const weights: Field<Match> = custom(
  losing,
  (value, place) => {
    if (value === undefined) throw place.wrong(losing, value);
    return match.read(value, place);
  },
  match.schema,
);
const readRows = optionsOnly('prune.rows', options<RowsOptions>()({ ...sparsity, match: weights, norm: norm.default(2) }));

/**
 * Prune the rows with the smallest norm of each weight, a row being dims 1..: in a Linear the weights of one output, and with it that output's
 * bias. Which these are agrees with torch.nn.utils.prune.ln_structured with dim 0, which leaves the bias alone. `savePruned` writes the
 * model without them.
 * @throws OptionError
 */
export function rows(options: RowsOptions): Prune {
  const { match, norm, ...when } = readRows(arguments);
  return {
    name: 'prune.rows',
    match,
    unit: 'rows',
    norm: norm === Infinity ? 'inf' : (norm as 1 | 2),
    share: cubic('prune.rows', when),
  };
}

/** s_f + (s_i - s_f)(1 - (t - begin) / (end - begin))^3 at every so many steps and at the end (Zhu and Gupta 2017). */
function cubic(where: string, when: ValuesOf<typeof sparsity>): (step: number) => number | null {
  const { sparsity, initial, begin, end = begin, every, power } = when;
  if (initial > sparsity) {
    throw new OptionError(`${where}: option initial: expected a number <= sparsity, got ${initial} and ${sparsity}`, {
      initial,
      sparsity,
    });
  }
  if (begin.fixed !== null && end.fixed !== null && end.fixed < begin.fixed) {
    throw new OptionError(`${where}: option end: expected a step from ${begin.fixed}, its begin, on, got ${end.fixed}`, {
      end: end.fixed,
    });
  }
  return (step) => {
    const [first, last] = [begin(), end()];
    if (last < first) throw new OptionError(`${where}: option end: expected a step from ${first}, its begin, on, got ${last}`);
    if (step === last) return sparsity;
    if (step === first) return initial;
    if (step < first || step > last || (step - first) % every() !== 0) return null;
    return sparsity + (initial - sparsity) * pow(1 - (step - first) / (last - first), power);
  };
}
