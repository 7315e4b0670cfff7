// rates.ts: notices a learning rate that has become nothing beside what it was, a schedule of epochs that was given steps as a rule; and one that was
// 0 all along.
import type { ApplyGroup } from '../../optim/apply/apply.ts';
import type { Warnings } from '../flow/warnings.ts';

/** Below this part of its largest value a rate moves no f32 weight any more that it moved before. */
const NOTHING = 1e-12;

/**
 * Given each group's rate in each step of a run, warns once for each group: when it is nothing in two steps in a row, since that of a cycle comes
 * back. Rates are compared with the one at step 0, or the largest since. What is 0 in all steps is left for the end of the run.
 */
export class Rates {
  readonly #groups: readonly ApplyGroup[];
  readonly #warnings: Warnings;
  /** Groups by name: whether their learning rate was 0 in every step so far. */
  readonly #idle = new Map<string, boolean>();
  readonly #largest: number[] = [];
  /** Of each group, the last step whose rate is nothing. */
  readonly #last: { readonly step: number; readonly lr: number; readonly most: number }[] = [];

  constructor(groups: readonly ApplyGroup[], warnings: Warnings) {
    this.#groups = groups;
    this.#warnings = warnings;
  }

  see(group: number, lr: number, step: number): void {
    const { optimizer, params } = this.#groups[group]!;
    const name = this.#groups.length > 1 ? `${optimizer.name} of ${params[0]!.name}` : optimizer.name;
    // A schedule may begin at 0: a run of one step ends there.
    this.#idle.set(name, lr === 0 && (this.#idle.get(name) ?? true) && optimizer.lr(step + 1) === 0);
    const most = this.#largest[group] ?? optimizer.lr(0);
    this.#largest[group] = Math.max(most, lr);
    if (!(lr < NOTHING * most)) return;
    const before = this.#last[group];
    this.#last[group] = { step, lr, most };
    if (before?.step !== step - 1) return;
    const text =
      `${name}: the learning rate is ${before.lr} in step ${before.step}, after ${before.most}: nothing is learned any more. ` +
      'A schedule counts steps, which are updates; where it should count epochs, give { epochs: n } for a number of steps';
    this.#warnings.add('vanishedRate', text, { name, step: before.step, rate: before.lr, from: before.most });
  }

  /** At the end of a run that has tried so many steps. @param step updates */
  end(step: number, tried: number): void {
    const steps = tried === 1 ? 'the only step' : `all ${tried} steps`;
    for (const [name, zero] of this.#idle) {
      const text = `${name}: the learning rate was 0 in ${steps} of the run: nothing was learned. What shall stay as it is has requiresGrad = false`;
      if (zero) this.#warnings.add('zeroRate', text, { name, step, tried });
    }
  }
}
