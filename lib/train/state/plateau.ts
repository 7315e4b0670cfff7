// plateau.ts: lower the learning rate when the validation stops improving. The only schedule that looks back: its few numbers are a state
// of the trainer, and so part of every checkpoint.
import type { State } from '../../ir/graph.ts';
import { choice, type Field, number, options, Place, text, whole } from '../../options/index.ts';

/** When the learning rate falls: `plateau` of a trainer. */
export interface PlateauOptions<K extends string = never> {
  /** What is looked at: `loss` or the name of a metric. Default `loss`. */
  readonly metric?: 'loss' | K;
  /** Whether lower or higher values are better. Default `min` for the loss, `max` for other metrics. */
  readonly mode?: 'min' | 'max';
  /** What the learning rates are multiplied by each time. Default 0.1. */
  readonly factor?: number;
  /** Validations without improvement that are let pass. Default 10. */
  readonly patience?: number;
  /** Smallest improvement that counts, as `thresholdMode` says. Default 1e-4. */
  readonly threshold?: number;
  /** Whether `threshold` is a part of the size of the best value (`rel`), or a difference (`abs`). Default 'rel'. */
  readonly thresholdMode?: 'rel' | 'abs';
  /** Validations after a reduction that are not counted. Default 0. */
  readonly cooldown?: number;
  /** Learning rates are not lowered below this. Default 0. */
  readonly min?: number;
  /** A reduction that would change no learning rate by more than this is not made. Default 1e-8. */
  readonly eps?: number;
}

type Rule = Required<PlateauOptions<string>>;

/** As an option. Which metrics there are, the trainer knows. */
export const plateau: Field<PlateauOptions<string>, Rule> = options<PlateauOptions<string>>()({
  metric: text.default('loss'),
  mode: choice('min', 'max').optional(),
  factor: number({ above: 0, below: 1 }).default(0.1),
  patience: whole({ min: 0 }).default(10),
  threshold: number({ min: 0 }).default(1e-4),
  thresholdMode: choice('rel', 'abs').default('rel'),
  cooldown: whole({ min: 0 }).default(0),
  min: number({ min: 0 }).default(0),
  eps: number({ min: 0 }).default(1e-8),
}).map(({ mode, ...rule }) => ({ ...rule, mode: mode ?? (rule.metric === 'loss' ? 'min' : 'max') }));

/** Where its numbers are. */
const AT = { factor: 0, best: 1, bad: 2, cooldown: 3 } as const;

/** As torch.optim.lr_scheduler.ReduceLROnPlateau for values above 0, but what it lowers may itself be a schedule: it keeps a factor. */
export class Plateau {
  readonly options: PlateauOptions<string>;
  readonly metric: string;
  /** Factor so far, best value, validations without improvement, and those left that are not counted. */
  readonly values: Float64Array;
  readonly state: State;
  readonly #rule: Rule;

  /** @throws OptionError */
  constructor(options: PlateauOptions<string>) {
    this.#rule = plateau.read(options, new Place('Trainer', 'option', 'plateau'));
    this.options = options;
    this.metric = this.#rule.metric;
    const first = [1, this.#rule.mode === 'min' ? Infinity : -Infinity, 0, 0];
    this.values = Float64Array.from(first);
    this.state = { name: 'train.plateau', type: { dtype: 'f64', shape: [4] }, init: (out) => out.set(first) };
  }

  /** A learning rate as it is lowered now. */
  rate(lr: number): number {
    return this.#lowered(lr, this.values[AT.factor]!);
  }

  /** Take in what a validation gave. `rates` are the learning rates of all groups, before they are lowered. */
  see(value: number, rates: readonly number[]): void {
    const { values } = this;
    const { factor, patience, cooldown, eps } = this.#rule;
    if (this.#better(value, values[AT.best]!)) {
      values[AT.best] = value;
      values[AT.bad] = 0;
    } else values[AT.bad]!++;
    if (values[AT.cooldown]! > 0) {
      values[AT.cooldown]!--;
      values[AT.bad] = 0;
    }
    if (values[AT.bad]! <= patience) return;
    const next = values[AT.factor]! * factor;
    if (rates.some((lr) => this.rate(lr) - this.#lowered(lr, next) > eps)) values[AT.factor] = next;
    values[AT.cooldown] = cooldown;
    values[AT.bad] = 0;
  }

  #lowered(lr: number, factor: number): number {
    return Math.min(lr, Math.max(lr * factor, this.#rule.min));
  }

  /** A part of the best value is one of its size, whatever its sign: a loss may lie below 0 (PyTorch multiplies it, so that equal is better there). */
  #better(value: number, best: number): boolean {
    const { mode, threshold, thresholdMode } = this.#rule;
    const sign = mode === 'min' ? -1 : 1;
    if (!Number.isFinite(best)) return sign * (value - best) > 0;
    const least = thresholdMode === 'rel' ? best * (1 + sign * Math.sign(best) * threshold) : best + sign * threshold;
    return sign * (value - least) > 0;
  }
}
