// tuner.ts: what clip.auto decides: when factors race, which goes on, how the threshold follows the norms, and how a run ends. Pure: what it learns decides
// alone, by no clock and whatever the chunks are, so a run that goes on after a stop decides the same.
import { mean, median } from '../../history/numbers.ts';
import type { BranchFacts, Decider, Decision, TunerAction } from './decider.ts';
import { type Branch, type Fall, judge, type Measured, type Race } from './race.ts';
import { RULES, type TunerRules, USUAL_BUDGET } from './rules.ts';

/** What a run is to be, as far as anybody knows. Steps are those tried, of all runs of the trainer. */
export interface TunerPlan {
  /** Where the run begins. */
  readonly begin: number;
  /** Where it ends; null: nobody knows. */
  readonly end: number | null;
  /** Steps that trials may take, as a share of those of the run; null: what `allow` says. */
  readonly budget: number | null;
  /** What it costs to measure one branch on the validation set, in steps; null: there is no such set. */
  readonly evaluation: number | null;
}

/** JSON. */
interface State {
  readonly begin: number;
  /** Steps that the run is thought to have, where nobody knows. */
  horizon: number;
  /** Norm of the gradients at the first weights; null: nobody has looked yet. */
  norm: number | null;
  /** The factor that would just bite them; null: it is looked for. */
  bites: number | null;
  /** Factors that clip too much and too little, and the next to be tried. */
  search: { low: number; high: number; at: number; tries: number };
  /** Loss before the first step. */
  start: number;
  factor: number;
  /** The factor that the last race has chosen, or that a guard began with. */
  raced: number;
  /** The threshold guards against spikes, and follows the norms. */
  guards: boolean;
  /** Steps that trials have taken, in all runs and in those before this one, and may take in this one. */
  extra: number;
  readonly earlier: number;
  allowed: number;
  /** Of the last steps of the run. */
  norms: number[];
  races: number;
  race: Race | null;
  decisions: Decision[];
}

/** A run of unknown length is thought to have so many steps at first, then twice as many, and so on. */
const HORIZON = 512;
const GROWS_AT = 0.9;
/** No leg, and no last race, is shorter. */
const SHORTEST = { leg: 2, last: 4 } as const;
const SCOUTS = 10;
const TRIES = 12;
/** Of a gradient, what is left where it counts as bitten. */
const HALF = { low: 0.3, high: 0.7 } as const;
/** What the first race may take of the budget, and each of the later ones but the last, which gets the rest. */
const PART = { first: 0.45, again: 0.15 } as const;
/** A threshold that follows the norms moves when it is off by this factor. */
const OFF = 1.2;
/** Factors within this ratio are one. */
const SAME = 1.34;

export class Tuner implements Decider {
  readonly #plan: TunerPlan;
  readonly #rules: TunerRules;
  readonly #state: State;
  #measured: Measured | null = null;

  /** @param state what another has given, to go on from there */
  constructor(plan: TunerPlan, state: unknown = null, rules: TunerRules = RULES) {
    this.#plan = plan;
    this.#rules = rules;
    const before = structuredClone(state) as State | null;
    // What was decided and spent is of the whole training.
    const { decisions = [], extra = 0 } = before ?? {};
    const fresh: State = {
      begin: plan.begin,
      horizon: HORIZON,
      norm: null,
      bites: null,
      search: { low: 0, high: 0, at: 0, tries: 0 },
      start: 0,
      factor: 1,
      raced: 1,
      guards: false,
      extra,
      earlier: extra,
      allowed: 0,
      norms: [],
      races: 0,
      race: null,
      decisions,
    };
    if (before?.begin === plan.begin) this.#state = before;
    // Another run: it finds its threshold anew, but ends a race that it finds.
    else this.#state = before?.race ? { ...before, begin: plan.begin, earlier: extra, races: 1 } : fresh;
  }

  get decisions(): readonly Decision[] {
    return this.#state.decisions;
  }

  get extra(): number {
    return this.#state.extra;
  }

  state(): unknown {
    return structuredClone(this.#state);
  }

  allow(steps: number): void {
    this.#state.allowed = steps;
  }

  until(tried: number): number {
    const { race } = this.#state;
    const stops = race
      ? [race.end, ...race.branches.flatMap((b) => (b.alive && b.fall ? [pieceEnd(race, b.fall, this.#rules)] : []))]
      : this.#points();
    const next = Math.min(...[...stops, this.#end].filter((stop) => stop > tried));
    return next === Number.POSITIVE_INFINITY ? next : next - tried;
  }

  scouted({ losses, norms, after }: BranchFacts): void {
    const s = this.#state;
    s.extra += losses.length;
    if (s.norm === null) {
      const found = Array.from(norms).filter((x) => x > 0 && Number.isFinite(x));
      const known = Array.from(losses).filter(Number.isFinite);
      s.norm = found.length > 0 ? median(found) : 1;
      s.start = known.length > 0 ? mean(known) : 0;
      // Where there is no norm, the policy's own threshold is all that is known of the scale.
      if (found.length === 0) s.bites = 1;
      else s.search.at = s.norm / 2;
      return;
    }
    this.#search(after[0]! / norms[0]!);
  }

  measured(found: Measured): void {
    this.#measured = found;
    const { race } = this.#state;
    if (found.losses) this.#state.extra += (this.#plan.evaluation ?? 0) * race!.branches.filter((b) => b.alive).length;
  }

  ran(branch: number, { losses, norms, clipped, failed }: BranchFacts): void {
    const s = this.#state;
    if (!s.race) {
      this.#follow(Array.from(norms));
      return;
    }
    const b = s.race.branches[branch]!;
    b.losses.push(...Array.from(losses));
    b.norms.push(...Array.from(norms));
    b.clipped += clipped;
    b.failed ||= failed;
    if (branch !== s.race.main) s.extra += losses.length;
  }

  before(tried: number): TunerAction | null {
    const s = this.#state;
    if (s.race) return tried >= Math.min(s.race.end, this.#end) ? this.#judge(s.race, tried) : this.#fall(s.race, tried);
    if (tried >= this.#end) return null;
    // Whoever asks in between has a chunk that ended early: what is decided does not depend on that, but for the clock of a budget in seconds.
    if (this.#plan.budget !== null && s.norm !== null && s.bites !== null && !this.#points().includes(tried)) return null;
    this.#grow(tried);
    if (s.norm === null) {
      const steps = Math.round(this.#rules.scout * this.#length);
      return { kind: 'scout', factor: 0, steps: Math.min(Math.max(1, steps), SCOUTS, this.#end - tried) };
    }
    if (s.bites === null) return { kind: 'scout', factor: s.search.at, steps: 1 };
    return this.#next(tried);
  }

  get #end(): number {
    return this.#plan.end ?? Number.POSITIVE_INFINITY;
  }

  /** Steps of the run. */
  get #length(): number {
    return this.#plan.end === null ? this.#state.horizon : this.#plan.end - this.#plan.begin;
  }

  #grow(tried: number): void {
    while (this.#plan.end === null && tried - this.#plan.begin >= GROWS_AT * this.#state.horizon) this.#state.horizon *= 2;
  }

  /** Steps that trials of this run have taken. */
  get #spent(): number {
    return this.#state.extra - this.#state.earlier;
  }

  /** Steps that trials may take. */
  get #allowed(): number {
    const { budget } = this.#plan;
    return budget === null ? this.#state.allowed : budget * this.#length;
  }

  /** Lengths of races, as steps: a larger budget stretches them. */
  #steps(share: number): number {
    return Math.round((share * this.#allowed) / USUAL_BUDGET);
  }

  #at(share: number): number {
    return this.#plan.begin + Math.round(share * this.#length);
  }

  /** Steps of the last race: what is left of the budget; 0: there is none. */
  get #last(): number {
    const left = Math.floor(this.#allowed - this.#spent - 2 * (this.#plan.evaluation ?? 0));
    const steps = Math.min(this.#steps(this.#rules.last), left, Math.floor(this.#length / 2));
    return this.#plan.end === null || steps < SHORTEST.last ? 0 : steps;
  }

  #points(): number[] {
    const { again, watch } = this.#rules;
    const { guards, races } = this.#state;
    // A threshold that has won a race follows no norms: then there is nothing to watch, but how long a run is that nobody knows.
    const watches = guards || races === 0 || this.#plan.end === null;
    const watched = Array.from({ length: watches ? Math.ceil(1 / watch) : 0 }, (_, k) => this.#at(k * watch));
    return [this.#at(this.#rules.begin), ...again.map((x) => this.#at(x)), ...watched, this.#end - this.#last];
  }

  /** Look for a factor that halves the gradients, about: twice as large, it just bites. */
  #search(left: number): void {
    const s = this.#state;
    const { search } = s;
    search.tries++;
    if (!Number.isFinite(left)) s.bites = 1;
    else if ((left > HALF.low && left < HALF.high) || search.tries >= TRIES) s.bites = 2 * search.at;
    else if (left >= HALF.high) search.high = search.at;
    else search.low = search.at;
    const { low, high } = search;
    search.at = low === 0 ? high / 8 : high === 0 ? low * 8 : Math.sqrt(low * high);
  }

  #follow(norms: readonly number[]): void {
    const s = this.#state;
    s.norms = [...s.norms, ...norms.filter((x) => x > 0 && Number.isFinite(x))].slice(-this.#rules.recent);
  }

  /** The factor that would just bite the gradients of now. */
  get #bitesNow(): number {
    const { bites, norm, norms } = this.#state;
    return norms.length > 0 ? (bites! * median(norms)) / norm! : bites!;
  }

  #next(tried: number): TunerAction | null {
    const s = this.#state;
    const { first, legs, keep, again, leg, guard } = this.#rules;
    const bites = this.#bitesNow;
    // Until thresholds have raced, a guard by the norms.
    if (s.races === 0 && !s.guards) {
      s.raced = guard * bites;
      return this.#move(tried, s.raced, 'a guard against spikes, by the norms of the first batches');
    }
    if (s.races === 0 && tried >= this.#at(this.#rules.begin)) {
      const race = this.#begin(
        'first',
        tried,
        first.map((x) => x * bites),
        0,
        this.#fit(legs, [first.length, ...keep], PART.first),
        keep,
      );
      if (race) return race;
    }
    // The clock may have moved where it begins.
    if (this.#last > 0 && tried >= this.#end - this.#last) {
      const top = Math.min(s.factor, bites);
      return this.#begin('last', tried, [s.factor, { top, piece: 0 }], 0, [this.#end - tried], [1]);
    }
    if (s.races > 0 && again.some((x) => this.#at(x) === tried)) {
      const other = guard * bites;
      const differs = other * SAME < s.factor || other > s.factor * SAME;
      const factors = [s.factor, other].sort((a, b) => b - a);
      const race =
        differs && this.#begin('again', tried, factors, factors.indexOf(s.factor), this.#fit([leg], [2, 1], PART.again), [1]);
      if (race) return race;
    }
    const factor = Math.min(guard * bites, this.#rules.rise * s.raced);
    if (!s.guards || (factor < s.factor * OFF && factor > s.factor / OFF)) return null;
    return this.#move(
      tried,
      factor,
      `a guard against spikes, and norms are ${(factor / s.factor).toPrecision(2)} times what they were`,
    );
  }

  #move(tried: number, factor: number, reason: string): TunerAction {
    const s = this.#state;
    s.factor = factor;
    s.guards = true;
    s.decisions.push({ step: tried, factor, decided: tried, judgedBy: 'norms', reason, extra: s.extra });
    return { kind: 'set', branch: 0, factor };
  }

  /** Legs of a race as steps, within a part of the budget; none where that is too little. @param branches in each leg */
  #fit(legs: readonly number[], branches: readonly number[], part: number): readonly number[] {
    const steps = legs.map((x) => Math.max(SHORTEST.leg, this.#steps(x)));
    const cost = steps.reduce((sum, n, i) => sum + n * (branches[i]! - 1), 0);
    const left = Math.min(part * this.#allowed, this.#allowed - this.#spent);
    return cost <= Math.max(left, 0) ? steps : [];
  }

  /** Null where there are no legs. */
  #begin(
    kind: Race['kind'],
    tried: number,
    factors: readonly (number | Fall)[],
    main: number,
    legs: readonly number[],
    keep: readonly number[],
  ): TunerAction | null {
    if (legs.length === 0) return null;
    const branches = factors.map((given): Branch => {
      const fall = typeof given === 'number' ? null : given;
      const factor = typeof given === 'number' ? given : fallen(given, this.#rules);
      return {
        factor,
        alive: true,
        failed: false,
        losses: [],
        score: null,
        norms: [],
        clipped: 0,
        fall,
        course: [[tried, factor]],
      };
    });
    this.#state.race = { kind, from: tried, legs, keep, leg: 0, end: tried + legs[0]!, main, branches };
    this.#state.races++;
    return { kind: 'race', factors: branches.map((b) => b.factor), main };
  }

  /** The next piece of a factor that falls, where its time has come. */
  #fall(race: Race, tried: number): TunerAction | null {
    for (const [branch, b] of race.branches.entries()) {
      if (!b.alive || !b.fall || tried < pieceEnd(race, b.fall, this.#rules) || b.fall.piece + 1 >= this.#rules.pieces) continue;
      b.fall.piece++;
      b.factor = fallen(b.fall, this.#rules);
      b.course.push([tried, b.factor]);
      return { kind: 'set', branch, factor: b.factor };
    }
    return null;
  }

  /** The end of a leg, and of the race where one branch is left. */
  #judge(race: Race, tried: number): TunerAction {
    const s = this.#state;
    const validates = race.kind === 'last' && this.#plan.evaluation !== null;
    if (!this.#measured) return { kind: 'measure', validate: validates };
    const measured = this.#measured;
    this.#measured = null;
    const left = 1 - (tried - this.#plan.begin) / this.#length;
    const { keep, dropped, losses, best } = judge(race, measured, { start: s.start, left, rules: this.#rules });
    const main = keep[0]!;
    for (const [i, b] of race.branches.entries()) if (b.alive) b.score = losses[i]!;
    const winner = race.branches[main]!;
    if (keep.length === 1) {
      const reason = reasonOf(race, [main, best], tried, validates);
      const terms = { decided: tried, judgedBy: validates ? 'validation' : 'batches', reason, extra: s.extra } as const;
      s.decisions.push(...winner.course.map(([step, factor]) => ({ step, factor, ...terms })));
      s.factor = winner.factor;
      s.raced = winner.factor;
      s.race = null;
      this.#follow(winner.norms);
      s.guards = race.kind !== 'last' && winner.factor * OFF >= this.#rules.guard * this.#bitesNow;
    } else {
      for (const i of dropped) race.branches[i]!.alive = false;
      for (const i of keep) race.branches[i]!.losses = [];
      race.main = main;
      race.leg++;
      race.end = tried + race.legs[race.leg]!;
    }
    return { kind: 'drop', branches: dropped, main };
  }
}

const pieceEnd = ({ from, legs }: Race, { piece }: Fall, { pieces }: TunerRules): number =>
  from + Math.ceil((legs[0]! * (piece + 1)) / pieces);

/** In the middle of its piece. */
const fallen = ({ top, piece }: Fall, { pieces }: TunerRules): number => top * (1 - (piece + 0.5) / pieces);

/** For people. @param best of the lowest loss, of which the larger one that is kept may be behind a little */
function reasonOf(
  { kind, from, branches }: Race,
  [main, best]: readonly [number, number],
  tried: number,
  validates: boolean,
): string {
  const short = (x: number): string => String(Number(x.toPrecision(3)));
  const name = ({ factor, fall }: Branch): string => (fall ? `${short(fall.top)} falling to 0` : short(factor));
  const told = branches.map((b) => `${name(b)}: ${b.score === null ? 'diverged' : short(b.score)}`);
  const race = kind === 'last' ? 'the last race' : 'a race';
  const where = validates ? 'loss on the validation set' : 'loss over the batches';
  const why =
    main === best ? 'has the lowest loss' : 'goes on, being larger: a smaller one that is ahead by so little loses later';
  return `${race}, steps ${from} to ${tried}, ${where} by factor: ${told.join(', ')}; ${name(branches[main]!)} ${why}`;
}
