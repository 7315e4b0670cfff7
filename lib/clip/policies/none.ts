// none.ts: no clipping, measured or not.
import { bool, options, optionsOnly } from '../../options/index.ts';
import type { ClipPolicy } from '../clip.ts';
import { nonFiniteFields } from '../fields.ts';
import { type NonFiniteOptions, ruleOf } from '../finite.ts';
import { measureOnly } from '../measure.ts';

/** Options of `clip.none`. */
export interface NoneOptions extends NonFiniteOptions {
  /** Measure the norm and look for what is not finite. Default true; false takes nothing: no statistic, no check, no cost. */
  readonly measure?: boolean;
}

const readNone = optionsOnly('clip.none', options<NoneOptions>()({ ...nonFiniteFields, measure: bool.default(true) }));

/**
 * Leave gradients alone. They are measured, and a step with a NaN is skipped, unless `measure` is false.
 * @throws OptionError
 * @see gradclip: gradients as they are
 */
export function none(options: NoneOptions = {}): ClipPolicy {
  const { measure, ...given } = readNone(arguments);
  const rules = ruleOf(given);
  return {
    name: 'none',
    maxSkips: measure ? rules.maxSkips : 0,
    build: (context) => (measure ? measureOnly(context, rules) : { stages: [], skip: null, report: {}, measure: false }),
  };
}
