// early-stop.ts: the end of a run whose validation stops improving, and the best weights, which are the model's when the run has ended.

import type { State } from '../../ir/graph.ts';
import type { Data } from '../../ir/op.ts';
import { after, type Wait } from '../flow/effect.ts';
import type { Kept } from '../flow/kept.ts';
import { unreadable } from '../flow/kept.ts';
import type { Metrics, StopReason } from '../flow/progress.ts';
import type { Host, Watcher } from './watcher.ts';

/** When a run ends whose validation stops improving: `earlyStop` of `Trainer.fit`. */
export interface EarlyStop<K extends string = never> {
  /** Validations without improvement before the run ends. */
  readonly patience: number;
  /** Smallest change that counts. Default 0. */
  readonly minDelta?: number;
  /** What is looked at: `loss` or the name of a metric. Default `loss`. */
  readonly metric?: 'loss' | K;
  /** Whether lower or higher values are better. Default `min` for the loss, `max` for other metrics. */
  readonly mode?: 'min' | 'max';
}

interface Standing {
  readonly best: Metrics<string> | null;
  readonly misses: number;
  /** It has ended a run: the next one begins afresh. */
  readonly done: boolean;
}

function isStanding(state: unknown): state is Standing {
  const { best, misses, done } = (state ?? {}) as Partial<Standing>;
  const measured = best === null || (typeof best === 'object' && Object.values(best).every((v) => typeof v === 'number'));
  return measured && Number.isSafeInteger(misses) && typeof done === 'boolean';
}

type Values = ReadonlyMap<State, Data>;

/**
 * While a run is on, the best weights are kept beside the model's; when it has ended, those that the run came to are kept, and the model has the best.
 * A run that goes on begins with what the last one came to: so it is the run that did not end.
 */
export class EarlyStopping implements Watcher {
  readonly name = 'earlyStop';
  readonly key: string;
  readonly #rule: Required<EarlyStop<string>>;
  readonly #host: Host;
  /** What is brought back. */
  readonly #states: readonly State[];
  readonly #resumed: boolean;
  #standing: Standing = { best: null, misses: 0, done: false };
  #bestValues: Values | null = null;
  /** Of a run that has ended: what it came to. */
  #last: Values | null = null;

  /**
   * @param data what is validated, and of what weights: another set is measured afresh
   * @param resumed the run goes on: one that was ended stays so
   */
  constructor(rule: EarlyStop<string>, host: Host, states: readonly State[], data: string, resumed: boolean) {
    const { patience, minDelta = 0, metric = 'loss', mode = metric === 'loss' ? 'min' : 'max' } = rule;
    this.#rule = { patience, minDelta, metric, mode };
    this.key = JSON.stringify([metric, mode, minDelta, data]);
    this.#host = host;
    this.#states = states;
    this.#resumed = resumed;
  }

  /** The best that a validation gave; its weights are the model's when the run has ended. */
  get best(): Metrics<string> | null {
    return this.#standing.best;
  }

  restore({ state, values = {} }: Kept): void {
    if (!isStanding(state)) throw unreadable(this.name);
    const standing = state;
    if (standing.done && !this.#resumed) return;
    const [best, last] = ['best', 'last'].map((set) => values[set] && this.#host.found(values[set], this.#states));
    // What belongs to other states is of a model that is no more.
    if (best === null || last === null) return;
    this.#standing = standing;
    this.#bestValues = best ?? null;
    this.#last = last ?? null;
  }

  start(): Wait {
    const last = this.#last;
    // Where there is a best one and no values of it, they are the model's.
    if (!this.best || this.#bestValues) return;
    return after(this.#host.read(this.#states), (best) => {
      if (last) this.#host.write(last);
      this.#bestValues = best;
      this.#last = null;
    });
  }

  stop(): StopReason | null {
    return this.#standing.misses >= this.#rule.patience ? 'earlyStop' : null;
  }

  /** Is it the best so far? NaN never is. */
  validation(metrics: Metrics<string>): Wait {
    const { best, misses } = this.#standing;
    const { metric, mode, minDelta } = this.#rule;
    const value = metrics[metric as 'loss'];
    const sign = mode === 'min' ? -1 : 1;
    const better = best ? sign * (value - best[metric as 'loss']) > minDelta : !Number.isNaN(value);
    if (!better) {
      this.#standing = { best, misses: misses + 1, done: false };
      return;
    }
    return after(this.#host.read(this.#states), (values) => {
      this.#bestValues = values;
      this.#standing = { best: metrics, misses: 0, done: false };
    });
  }

  end(): Wait {
    const best = this.#bestValues;
    if (!best) return;
    const done = this.stop() !== null;
    return after(this.#host.read(this.#states), (last) => {
      this.#host.write(best);
      this.#standing = { ...this.#standing, done };
      this.#last = done ? null : last;
      this.#bestValues = null;
    });
  }

  state(): Omit<Kept, 'key'> {
    const [set, values] = this.#last ? ['last', this.#last] : ['best', this.#bestValues];
    return { state: this.#standing, ...(values && { values: { [set as string]: this.#host.named(values) } }) };
  }
}
