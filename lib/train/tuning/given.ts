// given.ts: factors that are given: what another run has decided is done again, without trials.
import type { AutoDecision, AutoStep } from '../../clip/clip.ts';
import type { Decider, TunerAction, TunerPlan } from './decider.ts';

export class GivenFactors implements Decider {
  readonly extra = 0;
  readonly decisions: AutoDecision[] = [];
  readonly #steps: readonly AutoStep[];
  readonly #plan: TunerPlan;
  #done: number;

  /** @param state how many were done */
  constructor(steps: readonly AutoStep[], plan: TunerPlan, state: unknown = 0) {
    this.#steps = steps;
    this.#plan = plan;
    this.#done = Math.min(steps.length, Number.isSafeInteger(state) ? (state as number) : 0);
    for (let i = 0; i < this.#done; i++) this.#tell(steps[i]!);
  }

  until(tried: number): number {
    const next = this.#steps[this.#done];
    return next ? Math.max(1, next.step - tried) : Number.POSITIVE_INFINITY;
  }

  before(tried: number): TunerAction | null {
    let last: AutoStep | null = null;
    for (let next = this.#steps[this.#done]; next && next.step <= tried; next = this.#steps[this.#done]) {
      this.#done++;
      this.#tell(next);
      last = next;
    }
    return last && { kind: 'set', branch: 0, factor: last.factor };
  }

  measured(): void {}
  scouted(): void {}
  ran(): void {}
  fell(): void {}
  allow(): void {}

  state(): unknown {
    return this.#done;
  }

  #tell({ step, factor }: AutoStep): void {
    const threshold = factor * this.#plan.threshold(step);
    this.decisions.push({ step, factor, threshold, reason: 'given', judgedBy: 'given', extra: 0 });
  }
}
