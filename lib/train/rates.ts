// rates.ts: notices a learning rate that has become nothing beside what it was: a schedule of epochs that was given steps, as a rule.
import type { ApplyGroup } from '../optim/apply.ts';
import type { Running } from './fit.ts';

/** Below this part of its largest value a rate moves no f32 weight any more that it moved before. */
const NOTHING = 1e-12;

/**
 * Told of each group's rate in each step, warns once for each group: when it is nothing in two steps in a row, since that of a cycle comes back.
 * Rates are compared with the one at step 0, or the largest since.
 */
export function watchRates(
  groups: readonly ApplyGroup[],
  { warnings }: Pick<Running, 'warnings'>,
): (group: number, lr: number, step: number) => void {
  const largest: number[] = [];
  /** Of each group, the last step whose rate is nothing. */
  const last: { readonly step: number; readonly lr: number; readonly most: number }[] = [];
  return (i, lr, step) => {
    const { optimizer, params } = groups[i]!;
    const most = largest[i] ?? optimizer.lr(0);
    largest[i] = Math.max(most, lr);
    if (!(lr < NOTHING * most)) return;
    const before = last[i];
    last[i] = { step, lr, most };
    if (before?.step !== step - 1) return;
    const name = groups.length > 1 ? `${optimizer.name} of ${params[0]!.name}` : optimizer.name;
    const text =
      `${name}: the learning rate is ${before.lr} in step ${before.step}, after ${before.most}: nothing is learned any more. ` +
      'A schedule counts steps, which are updates; where it should count epochs, give { epochs: n } for a number of steps';
    warnings.add('vanishedRate', text, { name, step: before.step, rate: before.lr, from: before.most });
  };
}
