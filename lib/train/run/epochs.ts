// epochs.ts: what a run measures on its way, and how its epochs end.

import { after, type Loop, perform, type Wait, waitFor } from '../flow/effect.ts';
import type { Metrics } from '../flow/progress.ts';
import type { Running } from '../flow/running.ts';
import type { Evaluation } from '../programs/evaluate.ts';
import type { Current } from '../state/current.ts';
import type { Tally } from '../watch/tally.ts';
import type { Watchers } from '../watch/watcher.ts';

export class Epochs {
  readonly #current: Current;
  readonly #running: Running;
  readonly #watchers: Watchers;
  readonly #tally: Tally;
  readonly #evaluation: Evaluation | null;

  /** @param evaluation of the validation set; null: there is none */
  constructor(current: Current, running: Running, watchers: Watchers, tally: Tally, evaluation: Evaluation | null) {
    this.#current = current;
    this.#running = running;
    this.#watchers = watchers;
    this.#tally = tally;
    this.#evaluation = evaluation;
  }

  /** Measure between two steps of an epoch. */
  *validate(): Loop<void> {
    const { access } = this.#current;
    const metrics = yield* this.#evaluation!.measure(access, this.#running.halt);
    if (metrics === null) return;
    yield* perform(access.inTurn(() => after(this.#measured(metrics), () => this.#running.validated())));
    yield* waitFor(this.#watchers.told());
  }

  /** An epoch that is over is ended once, in one turn: until then a checkpoint has it still before its end. */
  *end(): Loop<void> {
    const { access, setup } = this.#current;
    const [running, watchers, tally] = [this.#running, this.#watchers, this.#tally];
    // Of an epoch of which nothing was seen, as after a file of an earlier version, there is nothing to tell.
    const evaluation = running.validatesEpochs && tally.begun ? this.#evaluation : null;
    if (evaluation) yield* perform(access.inTurn(() => setup.startEpoch()));
    const metrics = evaluation ? yield* evaluation.measure(access, running.halt) : null;
    if (evaluation && metrics === null) return;
    const end = (): Wait => {
      if (!evaluation) setup.startEpoch();
      const epoch = running.endEpoch();
      return tally.begun ? watchers.tell('epoch', tally.endEpoch(epoch, metrics)) : undefined;
    };
    yield* perform(access.inTurn(() => after(metrics ? this.#measured(metrics) : undefined, end)));
    yield* waitFor(watchers.told());
  }

  #measured(metrics: Metrics<string>): Wait {
    const { warnings, counters } = this.#running;
    for (const [name, value] of Object.entries(metrics)) {
      if (!Number.isNaN(value)) continue;
      const { step } = counters;
      warnings.add('metricNaN', `validation: ${name} is NaN after ${step} updates`, { name, step });
    }
    return this.#watchers.tell('validation', metrics);
  }
}
