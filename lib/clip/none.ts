// none.ts: no clipping, measured or not.
import { checkBoolean } from '../options.ts';
import type { ClipPolicy } from './clip.ts';
import type { NonFiniteOptions } from './finite.ts';
import { checkPolicy, measureOnly } from './measure.ts';

export interface NoneOptions extends NonFiniteOptions {
  /** Measure the norm and look for what is not finite. Default true; false takes nothing: no statistic, no check, no cost. */
  readonly measure?: boolean;
}

/** Leave gradients alone. They are measured, and a step with a NaN is skipped, unless `measure` is false. */
export function none(options: NoneOptions = {}): ClipPolicy {
  const rules = checkPolicy('clip.none', options, ['measure']);
  const measure = checkBoolean('clip.none', 'measure', options.measure ?? true);
  return {
    name: 'none',
    maxSkips: measure ? rules.maxSkips : 0,
    build: (context) => (measure ? measureOnly(context, rules) : { stages: [], skip: null, report: {}, measure: false }),
  };
}
