// ema.ts: averages of the parameters over the updates, kept beside them: an exponential moving average, or the plain mean (SWA).
import { OptionError } from '../errors.ts';
import type { Graph, State } from '../ir/graph.ts';
import { UPDATE_EMA } from '../ops/rules/index.ts';
import { update } from '../ops/update.ts';
import { checkNumber, checkOptions, checkPerStep, type PerStep, show } from '../options.ts';
import type { ApplyStates, Updatable } from './apply.ts';
import type { StepColumns } from './columns.ts';
import type { Finishing } from './finishing.ts';

export interface EMAOptions {
  /** What is kept of the average in each update of it, a number or a schedule, or `mean`: all updates weigh the same. Default 0.999. */
  readonly decay?: PerStep | 'mean';
  /** The first update that is averaged, which the average then equals. Default 0. */
  readonly start?: number;
  /** Updates from one that is averaged to the next. Default 1. */
  readonly every?: number;
}

/** How much of the new parameters enters the average in each step. Throws OptionError. */
export function emaWeight(where: string, options: EMAOptions): (step: number) => number {
  checkOptions(where, options, ['decay', 'start', 'every']);
  const start = checkNumber(where, 'start', options.start ?? 0, { min: 0, integer: true });
  const every = checkNumber(where, 'every', options.every ?? 1, { min: 1, integer: true });
  const given = options.decay ?? 0.999;
  if (typeof given === 'string' && given !== 'mean') {
    throw new OptionError(`${where}: option decay: expected a number, a schedule or mean, got ${show(given)}`, { value: given });
  }
  const decay = given === 'mean' ? null : checkPerStep(where, 'decay', given, { min: 0, max: 1 });
  return (step) => {
    const since = step - start;
    if (since < 0 || since % every !== 0) return 0;
    if (since === 0) return 1;
    return decay ? 1 - decay(step) : 1 / (since / every + 1);
  };
}

/** The state that holds the average of a parameter. */
export function emaState(states: ApplyStates, { name, state }: Updatable): State {
  return states.of(`ema.${name}`, state.type, state.init);
}

/** Average what the graph assigns to the parameters: in place, after all updates, and not in a skipped step. What is pruned is 0 in the average too. */
export function buildEma(
  graph: Graph,
  params: readonly Updatable[],
  states: ApplyStates,
  columns: StepColumns,
  weight: (step: number) => number,
  finishing?: Finishing,
): void {
  const next = new Map(graph.assigns.map((a) => [a.state, a.value]));
  const averages = params.map((p) => emaState(states, p));
  const updated = update(UPDATE_EMA, 0, {
    params: averages.map((s) => graph.state(s)),
    grads: params.map((p) => next.get(p.state)!),
    slots: [],
    hyper: columns.of('ema.weight', [1], (step, out) => {
      out[0] = weight(step);
    }),
    stages: [],
    measure: false,
    finish: finishing?.ofAverage(params, next) ?? null,
  });
  for (const [t, state] of averages.entries()) graph.assign(state, updated.params[t]!);
}
