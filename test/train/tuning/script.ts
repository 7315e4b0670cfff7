// script.ts: who decides by a script, at given steps: what must hold whoever decides is seen with it.
import type { BranchFacts, Decider, Decision, TunerAction } from '../../../lib/train/tuning/decider.ts';
import type { Measured } from '../../../lib/train/tuning/race.ts';
import type { TunerPlan } from '../../../lib/train/tuning/tuner.ts';

/** What is done, after so many steps tried. */
export type Script = readonly (readonly [tried: number, action: TunerAction])[];

/** Races with factors that bite or do not, in which the main branch changes, wins and loses; the factors of those who win are DECIDED. */
export const SCRIPT: Script = [
  [0, { kind: 'scout', factor: 0, steps: 3 }],
  [1, { kind: 'race', factors: [0.02, 0.3, 40], main: 1 }],
  [2, { kind: 'set', branch: 2, factor: 0.5 }],
  [2, { kind: 'measure', validate: true }],
  [2, { kind: 'drop', branches: [], main: 0 }],
  [3, { kind: 'drop', branches: [0], main: 2 }],
  [3, { kind: 'measure', validate: false }],
  [3, { kind: 'measure', validate: true }],
  [4, { kind: 'drop', branches: [2], main: 1 }],
  [5, { kind: 'set', branch: 0, factor: 2 }],
  [6, { kind: 'scout', factor: 0.1, steps: 30 }],
  [6, { kind: 'race', factors: [0.1, 5], main: 0 }],
  [7, { kind: 'set', branch: 1, factor: 0.05 }],
  [8, { kind: 'drop', branches: [0], main: 1 }],
];

/** Steps that it takes. */
export const SCRIPTED = 8;

export const DECIDED: readonly { readonly step: number; readonly factor: number }[] = [
  { step: 1, factor: 0.3 },
  { step: 5, factor: 2 },
  { step: 6, factor: 5 },
  { step: 7, factor: 0.05 },
];

interface State {
  readonly at: number;
  /** All that was told, by what told it: decisions may go by any of it. */
  readonly told: Readonly<Record<string, readonly number[]>>;
  readonly extra: number;
  readonly decisions: readonly Decision[];
}

export class Scripted implements Decider {
  /** Of all of them. */
  static script: Script = SCRIPT;
  /** The last one. */
  static last: Scripted | null = null;
  readonly #plan: TunerPlan;
  #at: number;
  #extra: number;
  readonly told: Record<string, number[]> = {};
  readonly decisions: Decision[] = [];

  constructor(plan: TunerPlan, state?: unknown) {
    this.#plan = plan;
    const { at, told, extra, decisions } = (state as State | undefined) ?? { at: 0, told: {}, extra: 0, decisions: [] };
    this.decisions.push(...decisions);
    this.#at = at;
    this.#extra = extra;
    for (const [key, values] of Object.entries(told)) this.told[key] = [...values];
    Scripted.last = this;
  }

  get extra(): number {
    return this.#extra;
  }

  until(tried: number): number {
    const next = Scripted.script[this.#at];
    return next ? Math.max(1, next[0] - tried) : Number.POSITIVE_INFINITY;
  }

  before(tried: number): TunerAction | null {
    const next = Scripted.script[this.#at];
    if (!next || next[0] > tried) return null;
    const [, action] = next;
    if (action.kind !== 'scout' && action.kind !== 'measure') this.#at++;
    if (action.kind === 'drop' || action.kind === 'set') this.#decide(tried);
    return action.kind === 'measure' ? { ...action, validate: action.validate && this.#plan.evaluation !== null } : action;
  }

  measured({ losses, moved }: Measured): void {
    this.#at++;
    this.#tell('losses', (losses ?? []).flat());
    this.#tell('moved', moved);
  }

  scouted({ losses, norms }: BranchFacts): void {
    this.#at++;
    this.#tell('scouted', [...Array.from(losses), ...Array.from(norms)]);
  }

  ran(branch: number, { losses, norms, after, clipped, failed }: BranchFacts): void {
    this.#extra += branch > 0 ? losses.length : 0;
    this.#tell(`losses of ${branch}`, Array.from(losses));
    this.#tell(`norms of ${branch}`, Array.from(norms));
    this.#tell(`norms after of ${branch}`, Array.from(after));
    const [clips] = this.told[`clipped of ${branch}`] ?? [0];
    this.told[`clipped of ${branch}`] = [clips! + clipped];
    if (failed) this.#tell('failed', [branch]);
  }

  allow(steps: number): void {
    this.told.allowed = [steps];
  }

  state(): State {
    return { at: this.#at, told: structuredClone(this.told), extra: this.#extra, decisions: [...this.decisions] };
  }

  /** Its reason is all that was told so far. */
  #decide(tried: number): void {
    const sums = Object.entries(this.told).map(([key, values]) => `${key} ${values.reduce((a, b) => a + b, 0)}`);
    const reason = sums.sort().join(', ');
    this.decisions.push({ step: tried, factor: this.#at, decided: tried, reason, judgedBy: 'batches', extra: this.#extra });
  }

  #tell(what: string, values: readonly number[]): void {
    this.told[what] = [...(this.told[what] ?? []), ...values];
  }
}
