// rates.ts: notices a learning rate that has become nothing beside what it was, a schedule of epochs that was given steps as a rule; and one that was
// 0 all along.
import type { ApplyGroup } from '../../optim/apply/apply.ts';
import type { Running } from '../loop/fit.ts';

/** Below this part of its largest value a rate moves no f32 weight any more that it moved before. */
const NOTHING = 1e-12;

/**
 * Told of each group's rate in each step, warns once for each group: when it is nothing in two steps in a row, since that of a cycle comes back.
 * Rates are compared with the one at step 0, or the largest since. What is 0 in all steps is left for the end of the run.
 */
export function watchRates(
  groups: readonly ApplyGroup[],
  { warnings, idle }: Pick<Running, 'warnings' | 'idle'>,
): (group: number, lr: number, step: number) => void {
  const largest: number[] = [];
  /** Of each group, the last step whose rate is nothing. */
  const last: { readonly step: number; readonly lr: number; readonly most: number }[] = [];
  return (i, lr, step) => {
    const { optimizer, params } = groups[i]!;
    const name = groups.length > 1 ? `${optimizer.name} of ${params[0]!.name}` : optimizer.name;
    // A schedule may begin at 0: a run of one step ends there.
    idle.set(name, lr === 0 && (idle.get(name) ?? true) && optimizer.lr(step + 1) === 0);
    const most = largest[i] ?? optimizer.lr(0);
    largest[i] = Math.max(most, lr);
    if (!(lr < NOTHING * most)) return;
    const before = last[i];
    last[i] = { step, lr, most };
    if (before?.step !== step - 1) return;
    const text =
      `${name}: the learning rate is ${before.lr} in step ${before.step}, after ${before.most}: nothing is learned any more. ` +
      'A schedule counts steps, which are updates; where it should count epochs, give { epochs: n } for a number of steps';
    warnings.add('vanishedRate', text, { name, step: before.step, rate: before.lr, from: before.most });
  };
}

/** At the end of a run. */
export function warnOfZeroRates({ warnings, idle, counters: { step } }: Running, tried: number): void {
  const steps = tried === 1 ? 'the only step' : `all ${tried} steps`;
  for (const [name, zero] of idle) {
    const text = `${name}: the learning rate was 0 in ${steps} of the run: nothing was learned. What shall stay as it is has requiresGrad = false`;
    if (zero) warnings.add('zeroRate', text, { name, step, tried });
  }
}
