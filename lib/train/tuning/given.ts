// given.ts: factors that are given: what another run has decided is done again, without trials.
import type { AutoStep } from '../../clip/clip.ts';
import type { Decider, Decision, TunerAction } from './decider.ts';

export class GivenFactors implements Decider {
  readonly extra = 0;
  readonly #steps: readonly AutoStep[];
  #done: number;

  /** @param state how many were done */
  constructor(steps: readonly AutoStep[], state: unknown = 0) {
    this.#steps = steps;
    this.#done = Math.min(steps.length, Number.isSafeInteger(state) ? (state as number) : 0);
  }

  get decisions(): readonly Decision[] {
    const done = this.#steps.slice(0, this.#done);
    return done.map(({ step, factor }) => ({ step, factor, decided: step, reason: 'given', judgedBy: 'given', extra: 0 }));
  }

  until(tried: number): number {
    const next = this.#steps[this.#done];
    return next ? Math.max(1, next.step - tried) : Number.POSITIVE_INFINITY;
  }

  before(tried: number): TunerAction | null {
    let last: AutoStep | null = null;
    for (let next = this.#steps[this.#done]; next && next.step <= tried; next = this.#steps[this.#done]) {
      this.#done++;
      last = next;
    }
    return last && { kind: 'set', branch: 0, factor: last.factor };
  }

  measured(): void {}
  scouted(): void {}
  ran(): void {}

  state(): unknown {
    return this.#done;
  }
}
