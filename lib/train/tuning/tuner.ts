// tuner.ts: who decides which factors are tried and which goes on.
import type { AutoDecision } from '../../clip/clip.ts';
import type { BranchFacts, Decider, TunerAction, TunerPlan } from './decider.ts';

interface State {
  next: number;
  began: number;
  factors: number[];
  alive: boolean[];
  sums: number[];
  measured: boolean;
  extra: number;
  factor: number;
  decisions: AutoDecision[];
}

const LENGTH = 12;
const EVERY = 40;

/** A stand-in: every 40 steps three factors race for 12. */
export class Tuner implements Decider {
  readonly #plan: TunerPlan;
  readonly #s: State;

  constructor(plan: TunerPlan, state?: unknown) {
    this.#plan = plan;
    this.#s = (state as State | undefined) ?? {
      next: plan.begin + 3,
      began: -1,
      factors: [],
      alive: [],
      sums: [],
      measured: false,
      extra: 0,
      factor: plan.factor,
      decisions: [],
    };
  }

  get decisions(): readonly AutoDecision[] {
    return this.#s.decisions;
  }
  get extra(): number {
    return this.#s.extra;
  }

  until(tried: number): number {
    const s = this.#s;
    return s.factors.length > 0 ? Math.max(1, s.began + LENGTH - tried) : Math.max(1, s.next - tried);
  }

  before(tried: number): TunerAction | null {
    const s = this.#s;
    if (s.factors.length === 0) {
      if (tried < s.next || tried === this.#plan.steps) return null;
      s.began = tried;
      s.factors = [s.factor / 3, s.factor, s.factor * 3];
      s.alive = [true, true, true];
      s.sums = [0, 0, 0];
      s.measured = false;
      return { kind: 'race', factors: [...s.factors], main: 1 };
    }
    if (tried < s.began + LENGTH && tried !== this.#plan.steps) return null;
    if (this.#plan.validates && !s.measured) return { kind: 'measure' };
    let best = s.alive.indexOf(true);
    for (const [i, alive] of s.alive.entries()) if (alive && s.sums[i]! < s.sums[best]!) best = i;
    s.factor = s.factors[best]!;
    const threshold = s.factor * this.#plan.threshold(s.began);
    const judgedBy = this.#plan.validates ? 'validation' : 'batches';
    s.decisions.push({
      step: s.began,
      factor: s.factor,
      threshold,
      reason: `the least of ${s.alive.length} losses`,
      judgedBy,
      extra: s.extra,
    });
    const branches = s.factors.map((_, i) => i).filter((i) => i !== best && s.alive[i]);
    s.factors = [];
    s.next = s.began + EVERY;
    return { kind: 'drop', branches, main: best };
  }

  measured(losses: readonly number[]): void {
    this.#s.sums = losses.map((loss) => (Number.isNaN(loss) ? Number.MAX_VALUE : loss));
    this.#s.measured = true;
  }

  scouted(): void {}

  ran(branch: number, { losses }: BranchFacts): void {
    const s = this.#s;
    if (s.factors.length === 0) return;
    s.extra += branch === 0 ? 0 : losses.length;
    for (const loss of losses) s.sums[branch]! += loss;
  }

  fell(branch: number): void {
    this.#s.alive[branch] = false;
  }

  allow(): void {}

  state(): unknown {
    return structuredClone(this.#s);
  }
}
