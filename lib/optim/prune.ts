// prune.ts: pruning while training: which weights become 0 for good, how many of them, and after which steps.
import { OptionError } from '../errors.ts';
import { pow } from '../math/index.ts';
import type { Match } from '../nn/module.ts';
import type { RowNorm } from '../ops/pruning.ts';
import { checkChoice, checkNumber, checkOptions } from '../options.ts';
import { checkLength, type Length } from './length.ts';

/** Made by `prune.magnitude` and `prune.rows`. */
export interface Prune {
  readonly name: string;
  /** Absent: all that are trained and have two dimensions or more. */
  readonly match?: Match;
  /** Elements, the smallest of all tensors together or of each; or rows. */
  readonly unit: 'global' | 'tensor' | 'rows';
  /** Of rows. */
  readonly norm: RowNorm;
  /** The share that is pruned after the update of this step (from 0); null where nothing new is pruned. */
  share(step: number): number | null;
}

export interface PruneSchedule {
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
  /** Exponent of the schedule. Default 3, the cubic one. */
  readonly power?: number;
}
const SCHEDULE = ['sparsity', 'initial', 'begin', 'end', 'every', 'power'];

export interface MagnitudeOptions extends PruneSchedule {
  /** Compare the elements of all tensors with one another, or within each tensor. Default `global`. */
  readonly scope?: 'global' | 'tensor';
  /** Which parameters. Default: all that are trained and have two dimensions or more, so no biases. */
  readonly match?: Match;
}

/**
 * Prune the elements with the smallest |p|; of equal ones the first, those pruned before in any case. Which these are agrees with
 * torch.nn.utils.prune.l1_unstructured (`tensor`) and global_unstructured (`global`).
 * @throws OptionError
 */
export function magnitude(options: MagnitudeOptions): Prune {
  checkOptions('prune.magnitude', options, [...SCHEDULE, 'scope', 'match']);
  const unit = checkChoice('prune.magnitude', 'scope', options.scope ?? 'global', ['global', 'tensor']);
  const { match } = options;
  return {
    name: 'prune.magnitude',
    unit,
    norm: 2,
    share: cubic('prune.magnitude', options),
    ...(match !== undefined && { match }),
  };
}

export interface RowsOptions extends PruneSchedule {
  /** Which weights lose rows. To be given: the rows of a last layer are the outputs of the model. */
  readonly match: Match;
  /** The norm that rows are compared by: 1, 2 or Infinity. Default 2. */
  readonly norm?: number;
}

/**
 * Prune the rows with the smallest norm of each weight, a row being dims 1..: in a Linear the weights of one output, and with it that output's
 * bias. Which these are agrees with torch.nn.utils.prune.ln_structured with dim 0, which leaves the bias alone. `savePruned` writes the
 * model without them.
 * @throws OptionError
 */
export function rows(options: RowsOptions): Prune {
  checkOptions('prune.rows', options, [...SCHEDULE, 'match', 'norm']);
  const { match, norm = 2 } = options;
  if (match === undefined) {
    throw new OptionError(
      'prune.rows: option match: expected the weights that lose rows (not those of the last layer), got nothing',
    );
  }
  if (norm !== 1 && norm !== 2 && norm !== Infinity) {
    throw new OptionError(`prune.rows: option norm: expected 1, 2 or Infinity, got ${String(norm)}`, { norm });
  }
  return {
    name: 'prune.rows',
    match,
    unit: 'rows',
    norm: norm === Infinity ? 'inf' : (norm as 1 | 2),
    share: cubic('prune.rows', options),
  };
}

/** s_f + (s_i - s_f)(1 - (t - begin) / (end - begin))^3 at every so many steps and at the end (Zhu and Gupta 2017). */
function cubic(where: string, options: PruneSchedule): (step: number) => number | null {
  const sparsity = checkNumber(where, 'sparsity', options.sparsity, { min: 0, max: 1 });
  const initial = checkNumber(where, 'initial', options.initial ?? 0, { min: 0, max: sparsity });
  const begin = checkLength(where, 'begin', options.begin ?? 0, 0);
  const end = options.end === undefined ? begin : checkLength(where, 'end', options.end, 0);
  if (typeof options.begin !== 'object' && typeof options.end === 'number') {
    checkNumber(where, 'end', options.end, { min: options.begin ?? 0, integer: true });
  }
  const every = checkLength(where, 'every', options.every ?? 100, 1);
  const power = checkNumber(where, 'power', options.power ?? 3, { above: 0 });
  return (step) => {
    const [first, last] = [begin(), end()];
    if (last < first) throw new OptionError(`${where}: option end: expected a step from ${first}, its begin, on, got ${last}`);
    if (step === last) return sparsity;
    if (step === first) return initial;
    if (step < first || step > last || (step - first) % every() !== 0) return null;
    return sparsity + (initial - sparsity) * pow(1 - (step - first) / (last - first), power);
  };
}
