// predicting.ts: what computes the outputs of functions that users give, call by call: kept by the function itself, of the last few of them.
import type { Module } from '../../nn/module/module.ts';
import type { Weights } from '../options.ts';
import type { Output } from '../step/step.ts';
import type { Predictions } from './predict.ts';

/** Functions whose programs are kept: who writes one anew for each call has them compiled for each. */
const MOST = 16;

/** What is to be computed. */
export interface Wanted {
  /** What it is called in errors. */
  readonly where: string;
  /** null: what option `predict` of the trainer says. */
  readonly output: Output<Module> | null;
  readonly weights: Weights;
  /** Drop as in training. */
  readonly dropout: boolean;
}

export class Predicting {
  readonly #make: (wanted: Wanted) => Predictions;
  /** The least recently used function first. */
  readonly #kept = new Map<Output<Module> | null, Map<string, Predictions>>();

  constructor(make: (wanted: Wanted) => Predictions) {
    this.#make = make;
  }

  of(wanted: Wanted): Predictions {
    const { output, weights, dropout } = wanted;
    const kept = this.#kept.get(output) ?? new Map<string, Predictions>();
    this.#kept.delete(output);
    this.#kept.set(output, kept);
    if (this.#kept.size > MOST) this.#drop(this.#kept.keys().next().value!);
    const key = `${weights} ${dropout}`;
    let predictions = kept.get(key);
    if (!predictions) {
      predictions = this.#make(wanted);
      kept.set(key, predictions);
    }
    return predictions;
  }

  /** All of it is dropped. */
  dispose(): void {
    for (const predictions of this.#all) predictions.dispose();
    this.#kept.clear();
  }

  get #all(): Predictions[] {
    return [...this.#kept.values()].flatMap((kept) => [...kept.values()]);
  }

  /** Those in use are compiled once more for what is left of their rows. */
  #drop(output: Output<Module> | null): void {
    for (const predictions of this.#kept.get(output)!.values()) predictions.forget();
    this.#kept.delete(output);
  }
}
