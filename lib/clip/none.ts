// none.ts: no clipping, measured or not.
import { checkBoolean, checkOptions } from '../options.ts';
import type { ClipPolicy } from './clip.ts';
import { guard, NON_FINITE_OPTIONS, type NonFiniteOptions } from './finite.ts';
import { measureOnly } from './norm.ts';

export interface NoneOptions extends NonFiniteOptions {
  /** Measure the norm and look for what is not finite. Default true; false takes nothing: no statistic, no check, no cost. */
  readonly measure?: boolean;
}

/** Leave gradients alone. They are measured, and a step with a NaN is skipped, unless `measure` is false. */
export function none(options: NoneOptions = {}): ClipPolicy {
  checkOptions('clip.none', options, ['measure', ...NON_FINITE_OPTIONS]);
  const measure = checkBoolean('clip.none', 'measure', options.measure ?? true);
  const rules = guard('clip.none', options);
  return {
    name: 'none',
    maxSkips: measure ? rules.maxSkips : 0,
    build: (context) => (measure ? measureOnly(context, 2, rules) : { stages: [], skip: null, report: {}, measure: false }),
  };
}
