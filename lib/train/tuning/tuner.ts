// tuner.ts: what clip.auto decides: when thresholds race, which of them go on, and how the last ones end a run. No clock, no memory but its state: what it
// is told decides alone, so a run that goes on decides the same.

/** What a run is to be, as far as anybody knows. */
export interface TunerPlan {
  /** Steps of the whole run; null: nobody knows. */
  readonly steps: number | null;
  /** Extra steps that trials may take, as a share of those of the run. */
  readonly budget: number;
  /** What it costs to have one branch measured on a validation set, in steps; null: there is no such set. */
  readonly evaluation: number | null;
}

/** What comes next. Branches are counted from 0 within a race; outside of one, branch 0 is the run. */
export type TunerAction =
  /** Run the batches of the next steps with this factor, tell it, and put all back. */
  | { readonly kind: 'scout'; readonly factor: number; readonly steps: number }
  /** From the values of now, go on with each of these. */
  | { readonly kind: 'race'; readonly factors: readonly number[]; readonly main: number }
  | { readonly kind: 'measure'; readonly validate: boolean }
  | { readonly kind: 'drop'; readonly branches: readonly number[]; readonly main: number }
  | { readonly kind: 'set'; readonly branch: number; readonly factor: number };

/** What some steps of a branch told. */
export interface BranchFacts {
  readonly losses: ArrayLike<number>;
  /** Before the policy. */
  readonly norms: ArrayLike<number>;
  /** After it. */
  readonly after: ArrayLike<number>;
  /** How many steps the policy changed. */
  readonly clipped: number;
  /** It went where no run can go on: too many skips, an error. */
  readonly failed: boolean;
}

/** Of the branches of a race, one after the other. */
export interface Measured {
  /** On blocks of the validation set, the same for all; of a branch that is out, none. Null where nothing was asked for. */
  readonly losses: readonly (readonly number[])[] | null;
  /** How far its weights are from where they were when the race began: the 2-norm of the difference. */
  readonly moved: readonly number[];
}

/** What was decided, as the record has it. */
export interface AutoDecision {
  /** The factor holds from this step of the run on. */
  readonly step: number;
  readonly factor: number;
  /** When it was decided: the steps between were those of a race. */
  readonly decided: number;
  readonly reason: string;
  readonly judgedBy: 'validation' | 'batches' | 'norms';
  /** Extra steps so far. */
  readonly extra: number;
}

/** How a branch's factor falls to 0 at the end of a run: in pieces. */
interface Fall {
  readonly top: number;
  piece: number;
}

interface Branch {
  factor: number;
  alive: boolean;
  failed: boolean;
  /** Of this leg. */
  losses: number[];
  norms: number[];
  /** Steps of this race that the policy changed. */
  clipped: number;
  fall: Fall | null;
  /** Factors, and the steps from which they hold. */
  readonly course: [step: number, factor: number][];
}

interface Race {
  readonly kind: 'first' | 'again' | 'last';
  readonly from: number;
  readonly legs: readonly number[];
  readonly keep: readonly number[];
  leg: number;
  end: number;
  main: number;
  readonly branches: Branch[];
}

interface State {
  /** Norm of the first gradients, and the factor that would just bite them. */
  norm: number | null;
  bites: number | null;
  /** Loss before the first step. */
  start: number;
  factor: number;
  /** The factor guards against spikes: it follows the norms. */
  guards: boolean;
  /** Steps that trials have taken. */
  extra: number;
  /** Norms of the last steps of the run. */
  norms: number[];
  losses: number[];
  clipped: number;
  /** Median of norms at the last decision. */
  settled: number;
  races: number;
  race: Race | null;
  searching: { low: number; high: number; at: number; tries: number } | null;
  decisions: AutoDecision[];
}

/** How a tuner spends its budget; as shares of the run. @internal for the bench that chose them */
export interface TunerRules {
  /** Steps of the scout. */
  readonly scout: number;
  /** Factors of the first race, of the one that just bites. */
  readonly first: readonly number[];
  /** Steps of its legs, and who goes on after each. */
  readonly legs: readonly number[];
  readonly keep: readonly number[];
  /** When thresholds race again, with which factors, how long. */
  readonly again: readonly number[];
  readonly around: readonly number[];
  readonly leg: number;
  /** The last race, in which one falls to 0. */
  readonly last: number;
  readonly pieces: number;
  /** A larger threshold may be behind by this share of what has been gained, at the beginning; nothing at the end. */
  readonly tolerance: number;
  readonly noise: number;
  /** No threshold stays above the median norm by more. */
  readonly cap: number;
  readonly watch: number;
  readonly trim: number;
  readonly tail: number;
  readonly validate: readonly string[];
}

export const RULES: TunerRules = {
  scout: 0.01,
  first: [1.8, 0.6, 0.2, 0.06],
  legs: [0.01, 0.02, 0.04],
  keep: [3, 2, 1],
  again: [0.45],
  around: [1.8, 0.6, 0.2],
  leg: 0.025,
  last: 0.12,
  pieces: 10,
  tolerance: 0.2,
  noise: 0.003,
  cap: 1.8,
  watch: 0.025,
  trim: 0.15,
  tail: 0.6,
  validate: ['last'],
};

/** As if nothing were clipped. */
const OPEN = 1e30;
const LOST = 1e300;
const KEPT = 200;

export class Tuner {
  readonly #plan: TunerPlan;
  readonly #rules: TunerRules;
  readonly #state: State;
  #measured: Measured | null = null;

  constructor(plan: TunerPlan, state: unknown = null, rules: TunerRules = RULES) {
    this.#plan = plan;
    this.#rules = rules;
    this.#state = (state as State | null) ?? {
      norm: null,
      bites: null,
      start: 0,
      factor: OPEN,
      guards: false,
      extra: 0,
      norms: [],
      losses: [],
      clipped: 0,
      settled: 0,
      races: 0,
      race: null,
      searching: null,
      decisions: [],
    };
  }

  state(): unknown {
    return structuredClone(this.#state);
  }

  get decisions(): readonly AutoDecision[] {
    return this.#state.decisions;
  }

  get extra(): number {
    return this.#state.extra;
  }

  /** Steps until it is to be asked again. */
  until(tried: number): number {
    const { race } = this.#state;
    const stops: number[] = [this.#steps];
    if (race) {
      stops.push(race.end);
      for (const b of race.branches) if (b.alive && b.fall) stops.push(this.#pieceEnd(race, b.fall.piece));
    } else stops.push(...this.#points());
    return Math.max(1, Math.min(...stops.filter((s) => s > tried)) - tried);
  }

  scouted({ losses, norms, after }: Pick<BranchFacts, 'losses' | 'norms' | 'after'>): void {
    const s = this.#state;
    const finite = Array.from(norms).filter((x) => Number.isFinite(x) && x > 0);
    if (s.norm === null) {
      s.norm = median(finite) || 1;
      s.start = mean(Array.from(losses).filter(Number.isFinite));
      s.extra += losses.length;
      s.searching = { low: 0, high: 0, at: s.norm / 2, tries: 0 };
      return;
    }
    s.extra += 1;
    this.#search((after[0] ?? 0) / (norms[0] ?? 1));
  }

  measured(found: Measured): void {
    this.#measured = found;
    const { race } = this.#state;
    if (found.losses) this.#state.extra += (this.#plan.evaluation ?? 0) * race!.branches.filter((b) => b.alive).length;
  }

  ran(branch: number, { losses, norms, clipped, failed }: BranchFacts): void {
    const s = this.#state;
    if (!s.race) {
      this.#follow(norms, losses);
      return;
    }
    const b = s.race.branches[branch]!;
    b.losses.push(...Array.from(losses));
    b.norms.push(...Array.from(norms));
    b.clipped += clipped;
    b.failed ||= failed || b.losses.some((x) => !Number.isFinite(x));
    if (branch !== s.race.main) s.extra += losses.length;
  }

  before(tried: number): TunerAction | null {
    const s = this.#state;
    if (s.norm === null) return { kind: 'scout', factor: 0, steps: clamp(Math.round(this.#rules.scout * this.#steps), 1, 10) };
    if (s.searching) return { kind: 'scout', factor: s.searching.at, steps: 1 };
    if (s.race) {
      if (tried >= s.race.end) return this.#judge(tried);
      return this.#piece(s.race, tried);
    }
    if (s.races === 0) return this.#first(tried);
    return this.#next(tried);
  }

  get #steps(): number {
    return this.#plan.steps ?? 1000;
  }

  #share(x: number): number {
    return Math.max(2, Math.round(x * this.#steps));
  }

  #points(): number[] {
    const { again, last } = this.#rules;
    const watched =
      this.#rules.watch > 0
        ? Array.from({ length: Math.floor(1 / this.#rules.watch) }, (_, k) => Math.round(k * this.#rules.watch * this.#steps))
        : [];
    return [...again.map((at) => Math.round(at * this.#steps)), this.#steps - this.#share(last), ...watched];
  }

  /** Find a factor that halves gradients, about. */
  #search(left: number): void {
    const s = this.#state;
    const { searching } = s;
    const { at } = searching!;
    searching!.tries++;
    if ((left > 0.3 && left < 0.7) || searching!.tries > 12) {
      s.bites = 2 * at;
      s.searching = null;
      return;
    }
    if (left >= 0.7) searching!.high = at;
    else searching!.low = at;
    const { low, high } = searching!;
    searching!.at = low === 0 ? high / 8 : high === 0 ? low * 8 : Math.sqrt(low * high);
  }

  #follow(norms: ArrayLike<number>, losses: ArrayLike<number>): void {
    const s = this.#state;
    s.norms.push(...Array.from(norms).filter(Number.isFinite));
    s.losses.push(...Array.from(losses).filter(Number.isFinite));
    s.norms.splice(0, Math.max(0, s.norms.length - KEPT));
    s.losses.splice(0, Math.max(0, s.losses.length - KEPT));
  }

  /** The factor that would just bite the gradients of now. */
  get #bitesNow(): number {
    const s = this.#state;
    return (s.bites! * median(s.norms.slice(-60))) / s.norm!;
  }

  #begin(
    kind: Race['kind'],
    tried: number,
    factors: readonly (number | Fall)[],
    main: number,
    legs: readonly number[],
    keep: readonly number[],
  ): TunerAction {
    const { pieces } = this.#rules;
    const branches = factors.map((given): Branch => {
      const fall = typeof given === 'number' ? null : given;
      const factor = typeof given === 'number' ? given : given.top * (1 - 0.5 / pieces);
      return { factor, alive: true, failed: false, losses: [], norms: [], clipped: 0, fall, course: [[tried, factor]] };
    });
    this.#state.race = { kind, from: tried, legs, keep, leg: 0, end: tried + legs[0]!, main, branches };
    this.#state.races++;
    return { kind: 'race', factors: branches.map((b) => b.factor), main };
  }

  #first(tried: number): TunerAction {
    const { first, legs, keep } = this.#rules;
    const factors = first.map((x) => x * this.#state.bites!);
    return this.#begin(
      'first',
      tried,
      factors,
      0,
      legs.map((x) => this.#share(x)),
      keep,
    );
  }

  #next(tried: number): TunerAction | null {
    const { around, leg, last, cap, again } = this.#rules;
    const s = this.#state;
    const bites = this.#bitesNow;
    if (last > 0 && tried === this.#steps - this.#share(last)) {
      const top = Math.min(s.factor, bites);
      return this.#begin('last', tried, [s.factor, { top, piece: 0 }], 0, [this.#steps - tried], [1]);
    }
    if (again.some((at) => Math.round(at * this.#steps) === tried)) {
      // The threshold of now races with others around the norms of now.
      const others = around.map((x) => x * bites).filter((x) => x < s.factor * 0.75 || x > s.factor * 1.34);
      const factors = [s.factor, ...others].sort((a, b) => b - a);
      return this.#begin('again', tried, factors, factors.indexOf(s.factor), [this.#share(leg)], [1]);
    }
    if (s.guards) {
      const factor = cap * bites;
      if (factor > s.factor * 1.2 || factor < s.factor / 1.2) {
        s.factor = factor;
        s.decisions.push({ step: tried, factor, decided: tried, judgedBy: 'norms', reason: 'watch', extra: s.extra });
        return { kind: 'set', branch: 0, factor };
      }
    }
    return null;
  }

  #pieceEnd(race: Race, piece: number): number {
    return race.from + Math.ceil(((this.#steps - race.from) * (piece + 1)) / this.#rules.pieces);
  }

  #piece(race: Race, tried: number): TunerAction | null {
    const { pieces } = this.#rules;
    for (const [branch, b] of race.branches.entries()) {
      if (!b.alive || !b.fall || tried < this.#pieceEnd(race, b.fall.piece) || b.fall.piece + 1 >= pieces) continue;
      b.fall.piece++;
      b.factor = b.fall.top * (1 - (b.fall.piece + 0.5) / pieces);
      b.course.push([tried, b.factor]);
      return { kind: 'set', branch, factor: b.factor };
    }
    return null;
  }

  #judge(tried: number): TunerAction {
    const s = this.#state;
    const race = s.race!;
    const validates = this.#plan.evaluation !== null && this.#rules.validate.includes(race.kind);
    if (!this.#measured) return { kind: 'measure', validate: validates };
    const { moved, losses } = this.#measured;
    this.#measured = null;
    const seen = race.branches.map((b, i) => {
      if (losses) return losses[i]!;
      return b.losses.slice(-Math.ceil(b.losses.length * this.#rules.tail));
    });
    const whole = race.branches.flatMap((b, i) => (b.alive && !b.failed && seen[i]!.every(Number.isFinite) ? [i] : []));
    const ref = whole.includes(race.main) ? race.main : whole[0];
    const score = race.branches.map((b, i) => {
      if (!b.alive) return Number.POSITIVE_INFINITY;
      if (!whole.includes(i)) return LOST;
      return (
        mean(seen[ref!]!) +
        trimmed(
          seen[i]!.map((x, k) => x - seen[ref!]![k]!),
          this.#rules.trim,
        )
      );
    });
    const alive = race.branches.flatMap((b, i) => (b.alive ? [i] : []));
    const best = Math.min(...alive.map((i) => score[i]!));
    const left = 1 - tried / this.#steps;
    const gained = Math.max(0, s.start - best);
    const first = alive.find((i) => score[i] === best)!;
    // What a smaller threshold gains by smaller steps alone it has borrowed from later.
    const behind = (i: number): number =>
      best +
      left * this.#rules.tolerance * gained * Math.max(0, 1 - moved[first]! / moved[i]!) +
      (left > 0 ? this.#rules.noise * Math.abs(s.start) * (1 - Math.min(1, moved[first]! / moved[i]!)) : 0);
    const byScore = [...alive].sort((a, b) => score[a]! - score[b]!);
    const eligible = alive
      .filter((i) => score[i]! <= behind(i))
      .sort((a, b) => race.branches[b]!.factor - race.branches[a]!.factor);
    const keep: number[] = [];
    for (const i of [eligible[0]!, byScore[0]!, ...eligible, ...byScore]) {
      const idle = race.branches[i]!.clipped === 0;
      if (keep.includes(i) || (idle && keep.some((k) => race.branches[k]!.clipped === 0))) continue;
      if (keep.length < race.keep[race.leg]!) keep.push(i);
    }
    const main = keep[0]!;
    const dropped = alive.filter((i) => !keep.includes(i));
    for (const i of dropped) race.branches[i]!.alive = false;
    race.leg++;
    race.main = main;
    const b = race.branches[main]!;
    if (keep.length > 1) {
      race.end = tried + race.legs[race.leg]!;
      for (const k of keep) {
        race.branches[k]!.losses = [];
      }
    } else {
      s.factor = b.factor;
      s.race = null;
      this.#follow(b.norms, b.losses);
      s.guards = race.kind !== 'last' && b.factor >= 1.2 * this.#bitesNow;
      for (const [step, factor] of b.course)
        s.decisions.push({
          step,
          factor,
          decided: tried,
          judgedBy: validates ? 'validation' : 'batches',
          reason: `${race.kind}: ${score.map((x) => x.toPrecision(4)).join(' ')}`,
          extra: s.extra,
        });
    }
    return { kind: 'drop', branches: dropped, main };
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}
/** The mean without the largest and the smallest. */
function trimmed(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const off = Math.floor(sorted.length * share);
  return mean(sorted.slice(off, sorted.length - off));
}
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);
const clamp = (x: number, low: number, high: number): number => Math.min(high, Math.max(low, x));
