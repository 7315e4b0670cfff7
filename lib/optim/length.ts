// length.ts: lengths of schedules, in steps or in epochs.
import { OptionError } from '../errors.ts';
import { checkNumber, checkOptions, show } from '../options.ts';

/** So many steps, which are updates; or so many epochs of the data that a trainer's `fit` is given, parts of them too. */
export type Length = number | { readonly epochs: number };

/** Updates in an epoch of the fit for which schedules are asked now. Null: nobody knows. */
let epoch: number | null = null;

/** What `work` gives, while schedules take an epoch to have `steps` updates; null where that is not known. */
export function inEpochs<T>(steps: number | null, work: () => T): T {
  const before = epoch;
  epoch = steps;
  try {
    return work();
  } finally {
    epoch = before;
  }
}

/**
 * A length as steps, at least `min` of them. Epochs become steps when a schedule is asked, rounded to the nearest.
 * @throws OptionError; the function too, where an epoch has no known length
 */
export function checkLength(where: string, option: string, value: unknown, min: 0 | 1): () => number {
  if (typeof value !== 'object' || value === null) {
    const steps = checkNumber(where, option, value, { min, integer: true });
    return () => steps;
  }
  checkOptions(`${where}: option ${option}`, value, ['epochs']);
  const rule = min === 0 ? { min: 0 } : { above: 0 };
  const epochs = checkNumber(`${where}: option ${option}`, 'epochs', (value as { epochs?: unknown }).epochs, rule);
  return () => {
    if (epoch === null) {
      const why = 'only a fit on data that is no stream knows how many steps an epoch has';
      throw new OptionError(`${where}: option ${option}: expected steps, got { epochs: ${epochs} }: ${why}`, {
        where,
        option,
        value,
      });
    }
    return Math.max(min, Math.round(epochs * epoch));
  };
}

/** Lengths from the first step, in rising order. Steps and epochs may stand side by side. @throws OptionError */
export function checkMilestones(where: string, value: unknown, rule: { readonly repeats: boolean }): () => readonly number[] {
  const wrong = new OptionError(`${where}: option milestones: expected whole numbers in rising order, got ${show(value)}`, {
    where,
    option: 'milestones',
    value,
  });
  if (!Array.isArray(value)) throw wrong;
  const lengths = value.map((m, i) => checkLength(where, `milestones[${i}]`, m, 0));
  const inOrder = (given: readonly number[]): boolean =>
    given.every((m, i) => i === 0 || (rule.repeats ? m >= given[i - 1]! : m > given[i - 1]!));
  const steps = value.filter((m) => typeof m === 'number');
  const epochs = value.filter((m) => typeof m !== 'number').map((m) => m.epochs);
  if (!inOrder(steps) || !inOrder(epochs)) throw wrong;
  if (epochs.length === 0) return () => steps;
  return () => {
    const given = lengths.map((length) => length());
    // Two may fall on one step, where an epoch is short.
    if (given.some((m, i) => i > 0 && m < given[i - 1]!)) {
      throw new OptionError(`${where}: option milestones: expected steps in rising order, got ${given.join(', ')}`, { value });
    }
    return given;
  };
}
