// length.ts: lengths of schedules, in steps or in epochs.
import { custom, type Field, list, number, options, whole } from '../../options/index.ts';

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

/** Updates in an epoch, as schedules that are asked now take it; null where that is not known. */
export const epochNow = (): number | null => epoch;

/** A length as steps. */
export interface Steps {
  /** Asked when a schedule is. @throws OptionError where an epoch has no known length */
  (): number;
  /** What they are where they are not given in epochs. */
  readonly fixed: number | null;
}

/** A length of at least `min` steps. Epochs become steps when a schedule is asked, rounded to the nearest. */
export function length(min: 0 | 1): Field<Length, Steps> {
  const steps = whole({ min });
  const epochs = options<{ readonly epochs: number }>()({ epochs: number(min === 0 ? { min: 0 } : { above: 0 }) });
  const expected = `${steps.expected}, or { epochs }`;
  return custom(
    expected,
    (value, place) => {
      if (typeof value === 'number') {
        const fixed = steps.read(value, place);
        return Object.assign(() => fixed, { fixed });
      }
      if (typeof value !== 'object' || value === null || Array.isArray(value)) throw place.wrong(expected, value);
      const given = epochs.read(value, place).epochs;
      const ask = (): number => {
        if (epoch !== null) return Math.max(min, Math.round(given * epoch));
        const why = 'only a fit on data that is no stream knows how many steps an epoch has';
        throw place.refuse(`expected steps, got { epochs: ${given} }: ${why}`, { value });
      };
      return Object.assign(ask, { fixed: null });
    },
    { anyOf: [steps.schema, epochs.schema] },
  );
}

/** Lengths from the first step, in rising order. Steps and epochs may stand side by side. */
export function milestones(rule: { readonly repeats: boolean }): Field<readonly Length[], () => readonly number[]> {
  const lengths = list(length(0));
  return custom(
    'whole numbers in rising order',
    (value, place) => {
      const wrong = place.wrong('whole numbers in rising order', value);
      if (!Array.isArray(value)) throw wrong;
      const asked = lengths.read(value, place);
      const inOrder = (given: readonly number[]): boolean =>
        given.every((m, i) => i === 0 || (rule.repeats ? m >= given[i - 1]! : m > given[i - 1]!));
      const steps = value.filter((m) => typeof m === 'number');
      const epochs = value.filter((m) => typeof m !== 'number').map((m) => m.epochs);
      if (!inOrder(steps) || !inOrder(epochs)) throw wrong;
      if (epochs.length === 0) return () => steps;
      return () => {
        const given = asked.map((ask) => ask());
        // Two may fall on one step, where an epoch is short.
        if (given.some((m, i) => i > 0 && m < given[i - 1]!)) {
          throw place.refuse(`expected steps in rising order, got ${given.join(', ')}`, { value });
        }
        return given;
      };
    },
    lengths.schema,
  );
}
