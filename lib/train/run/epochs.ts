// epochs.ts: what a run measures on its way, and how its epochs end.

import { after, type Loop, perform, type Wait, waitFor } from '../flow/effect.ts';
import type { Metrics } from '../flow/progress.ts';
import type { Running } from '../flow/running.ts';
import type { Evaluation } from '../programs/evaluate.ts';
import type { Current } from '../state/current.ts';
import type { Tally } from '../watch/tally.ts';
import type { Watchers } from '../watch/watcher.ts';
import type { Trials } from './trials.ts';

interface Measured {
  readonly metrics: Metrics<string>;
  /** Of other branches of a race. */
  readonly others: Parameters<Trials['validated']>[0];
}

export class Epochs {
  readonly #current: Current;
  readonly #running: Running;
  readonly #watchers: Watchers;
  readonly #tally: Tally;
  readonly #evaluation: Evaluation | null;
  readonly #trials: Trials | null;

  /**
   * @param evaluation of the validation set; null: there is none
   * @param trials those of a policy that finds its threshold; null: it does not
   */
  constructor(
    current: Current,
    running: Running,
    watchers: Watchers,
    tally: Tally,
    { evaluation, trials }: { readonly evaluation: Evaluation | null; readonly trials: Trials | null },
  ) {
    this.#trials = trials;
    this.#current = current;
    this.#running = running;
    this.#watchers = watchers;
    this.#tally = tally;
    this.#evaluation = evaluation;
  }

  /** Measure between two steps of an epoch. */
  *validate(): Loop<void> {
    const { access } = this.#current;
    const measured = yield* this.#measure(this.#evaluation!);
    if (measured === null) return;
    yield* perform(access.inTurn(() => after(this.#measured(measured), () => this.#running.validated())));
    yield* waitFor(this.#watchers.told());
  }

  /** An epoch that is over is ended once, in one turn: until then a checkpoint has it still before its end. */
  *end(): Loop<void> {
    const { access } = this.#current;
    const [running, watchers, tally] = [this.#running, this.#watchers, this.#tally];
    // Of an epoch of which nothing was seen, as after a file of an earlier version, there is nothing to tell.
    const evaluation = running.validatesEpochs && tally.begun ? this.#evaluation : null;
    const startEpoch = (): void => this.#start();
    if (evaluation) yield* perform(access.inTurn(startEpoch));
    const measured = evaluation ? yield* this.#measure(evaluation) : null;
    if (evaluation && measured === null) return;
    const end = (): Wait => {
      if (!evaluation) startEpoch();
      const epoch = running.endEpoch();
      return tally.begun ? watchers.tell('epoch', tally.endEpoch(epoch, measured?.metrics ?? null)) : undefined;
    };
    yield* perform(access.inTurn(() => after(measured ? this.#measured(measured) : undefined, end)));
    yield* waitFor(watchers.told());
  }

  /** In a turn: the epoch under way had other data, and begins anew. */
  beginAnew(): void {
    this.#start();
    this.#tally.forgetEpoch();
    this.#running.anew();
  }

  /** It is known only now that it does. */
  *anew(): Loop<void> {
    yield* perform(this.#current.access.inTurn(() => this.beginAnew()));
  }

  #start(): void {
    this.#current.setup.startEpoch();
    this.#trials?.startEpoch();
  }

  /** Null: the run shall end. */
  *#measure(evaluation: Evaluation): Loop<Measured | null> {
    const { access, options } = this.#current;
    const step = `${this.#running.counters.step}`;
    const sharing = options.group ? { group: options.group, where: 'validation', facts: { place: 'a validation', step } } : null;
    const metrics = yield* evaluation.measure(access, this.#running.halt, null, sharing);
    const others = metrics && this.#trials ? yield* this.#trials.others() : [];
    return metrics && others && { metrics, others };
  }

  #measured({ metrics, others }: Measured): Wait {
    const { warnings, counters } = this.#running;
    for (const [name, value] of Object.entries(metrics)) {
      if (!Number.isNaN(value)) continue;
      const { step } = counters;
      warnings.add('metricNaN', `validation: ${name} is NaN after ${step} updates`, { name, step });
    }
    return after(this.#watchers.tell('validation', metrics), () => this.#trials?.validated(others));
  }
}
