// ema.ts: averages of the parameters over the updates, kept beside them: an exponential moving average, or the plain mean (SWA).
import type { Graph, State, Tensor } from '../../ir/graph.ts';
import { choice, either, type Field, options, type PerStep, Place, perStep, whole } from '../../options/index.ts';
import type { ApplyStates, Updatable } from '../apply/apply.ts';
import { average } from '../apply/average.ts';
import type { StepColumns } from '../apply/columns.ts';
import type { Finishing } from '../apply/finishing.ts';

/** How weights are averaged: `ema` of a trainer. */
export interface EMAOptions {
  /** What is kept of the average in each update of it, a number or a schedule, or `mean`: all updates weigh the same. Default 0.999. */
  readonly decay?: PerStep | 'mean';
  /**
   * The first update that is averaged, which the average then equals; `'weights'`: the average begins as the weights that there are before the
   * first update, of which all updates then keep `decay`, as a target network does. Default 0.
   */
  readonly start?: number | 'weights';
  /** Updates from one that is averaged to the next. Default 1. */
  readonly every?: number;
}

/** How much of the new parameters enters the average in each step. */
export const ema: Field<EMAOptions, (step: number) => number> = options<EMAOptions>()({
  decay: either(perStep({ min: 0, max: 1 }), choice('mean')).default(0.999),
  start: either(whole({ min: 0 }), choice('weights')).default(0),
  every: whole({ min: 1 }).default(1),
}).map(({ decay, start, every }) => (step) => {
  const weights = start === 'weights';
  const since = step - (weights ? 0 : start);
  if (since < 0 || since % every !== 0) return 0;
  if (since === 0 && !weights) return 1;
  return decay === 'mean' ? 1 / (since / every + (weights ? 2 : 1)) : 1 - decay(step);
});

/** Throws OptionError. */
export function emaWeight(where: string, options: unknown): (step: number) => number {
  return ema.read(options, new Place(where, 'option', ''));
}

/** The state that holds the average of a parameter. */
export function emaState(states: ApplyStates, { name, state }: Updatable): State {
  return states.of(`ema.${name}`, state.type, state.init);
}

/**
 * Average the parameters: in place, after all updates, and not in a skipped step. What is pruned is 0 in the average too.
 * @param next their values
 */
export function buildEma(
  graph: Graph,
  params: readonly Updatable[],
  next: ReadonlyMap<State, Tensor>,
  states: ApplyStates,
  columns: StepColumns,
  weight: (step: number) => number,
  finishing?: Finishing,
): void {
  const averages = params.map((p) => emaState(states, p));
  // Those of masks, which what follows the updates has assigned.
  const assigned = new Map([...graph.assigns.map((a) => [a.state, a.value] as const), ...next]);
  const updated = average(
    averages.map((s) => graph.state(s)),
    params.map((p) => next.get(p.state)!),
    columns.of('ema.weight', [1], (step, out) => {
      out[0] = weight(step);
    }),
    finishing?.ofAverage(params, assigned),
  );
  for (const [t, state] of averages.entries()) graph.assign(state, updated[t]!);
}
