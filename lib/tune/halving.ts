// halving.ts: which trial trains next, and how far: asynchronous successive halving, then repeated seeds of those that are left. No clock, no training.
import { pow } from '../math/index.ts';

/** Some steps of a trial under one seed. */
export interface Job {
  readonly trial: number;
  /** 0 is the seed that trials are compared by first; the others are of repetitions. */
  readonly repeat: number;
  /** Steps that it has had, and that it shall have had. */
  readonly from: number;
  readonly to: number;
}

/** What came of a job. */
export interface Outcome {
  /** What is made small; Infinity where the trial diverged or failed. */
  readonly score: number;
  /** Steps that were tried; fewer than asked for where it ended early. */
  readonly steps: number;
  /** It is over: it diverged, failed, or stopped improving. */
  readonly over: boolean;
  /** Its time was over before its steps: it says nothing. */
  readonly cut: boolean;
}

export interface HalvingPlan {
  /** Steps of a whole training of a trial; null: there is no such trial, and none after it. The first there is. */
  readonly lengthOf: (trial: number) => number | null;
  /** Trials that may begin. */
  readonly most: number;
  /** Of how many at a rung one goes on. */
  readonly reduction: number;
  /** Shares of the training after which trials are compared, with the whole one. */
  readonly rungs: number;
  /** Steps that all may take together. */
  readonly steps: number;
  /** How many are trained to the end, and with how many further seeds. */
  readonly finalists: number;
  readonly repeats: number;
  /** Trial 0 is what is in use now: one of two or more finalists, unless it diverges, so that what is found is compared with it. */
  readonly keeps: boolean;
}

/** Least steps of the first rung: before, a loss says little. */
const FIRST = 8;
/** The part of the steps that finalists may take. */
const FINALS = 2 / 3;

/** Steps after which a training of `length` is compared: length / reduction^k, rising. */
export function rungsOf(length: number, rungs: number, reduction: number): number[] {
  const at: number[] = [length];
  while (at.length < rungs) {
    const next = Math.ceil(length / pow(reduction, at.length) - 1e-9);
    if (next < Math.min(FIRST, length) || next >= at[0]!) break;
    at.unshift(next);
  }
  return at;
}

interface Standing {
  readonly rungs: readonly number[];
  /** Score at each rung that it has come to. */
  readonly scores: number[];
  /** The rung that it is sent to, or has come to. */
  sent: number;
  over: boolean;
}

/**
 * Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning, but that the order of decisions is that of the jobs that are
 * delivered, not of a clock: whoever delivers in a fixed order has a fixed outcome.
 */
export class Halving {
  readonly #plan: HalvingPlan;
  /** Finalists and repetitions that steps are kept for. */
  readonly #planned: readonly [number, number];
  readonly #standings: Standing[] = [];
  /** Score of the whole training by trial and repetition. */
  readonly #repeated = new Map<number, Map<number, number>>();
  #spent = 0;
  #promised = 0;
  #running = 0;
  #stage: 'search' | 'finals' | 'over' = 'search';
  #jobs: Job[] = [];
  #finalists: readonly number[] = [];
  #repeats = 0;
  /** Steps that are left for the finals, once the search is closed. */
  #left: number | null = null;

  constructor(plan: HalvingPlan) {
    this.#plan = plan;
    this.#planned = this.#wanted();
  }

  /** Steps so far, of jobs that were delivered. */
  get steps(): number {
    return this.#spent;
  }
  get stage(): 'search' | 'finals' | 'over' {
    return this.#stage;
  }
  /** Trials that are trained to the end, the best first; empty before. */
  get finalists(): readonly number[] {
    return this.#finalists;
  }
  /** Further seeds that finalists are trained with: fewer than asked for where the steps do not allow it. */
  get repeats(): number {
    return this.#repeats;
  }
  /** Trials that have begun. */
  get begun(): number {
    return this.#standings.length;
  }

  /** No more trials begin or go on: what is left of the budget is for the finals. @param steps that there are left for them */
  close(steps: number): void {
    this.#left ??= steps;
  }

  /** What a free worker does now; null: nothing, until a job is delivered, or for good where none is running. */
  next(): Job | null {
    if (this.#stage === 'search') {
      const job = this.#left !== null ? null : (this.#promotion() ?? this.#fresh());
      if (job) return this.#start(job);
      if (this.#running > 0) return null;
      this.#toFinals();
    }
    const job = this.#jobs.shift();
    if (job) return this.#start(job);
    if (this.#running === 0) this.#stage = 'over';
    return null;
  }

  deliver(job: Job, { score, steps, over, cut }: Outcome): void {
    this.#running--;
    this.#promised -= job.to - job.from;
    this.#spent += steps;
    if (cut) return;
    if (job.repeat > 0) {
      this.#repeatsOf(job.trial).set(job.repeat, score);
      return;
    }
    const standing = this.#standings[job.trial]!;
    // What is over is what it is at all rungs to come.
    const last = over ? standing.rungs.length - 1 : standing.sent;
    for (let rung = standing.scores.length; rung <= last; rung++) standing.scores.push(score);
    if (over) standing.over = true;
    if (standing.scores.length === standing.rungs.length) this.#repeatsOf(job.trial).set(0, score);
  }

  /** Scores of whole trainings by repetition. */
  wholeOf(trial: number): ReadonlyMap<number, number> {
    return this.#repeated.get(trial) ?? new Map();
  }

  /** All trials, the best first: finalists, then by the rung that they came to and their score there. */
  ranking(): number[] {
    const best = this.#finalists;
    const others = this.#standings.map((_, trial) => trial).filter((trial) => !best.includes(trial));
    return [...best, ...this.#inOrder(others)];
  }

  /**
   * The best first. Who came farther stands before others, since what few steps tell is not much; but who came to the last rung but one, and was better there
   * than some that have gone on, stands before these.
   */
  #inOrder(trials: readonly number[]): number[] {
    const at = (trial: number): Standing => this.#standings[trial]!;
    const last = (trial: number): number => at(trial).scores.at(-1) ?? Infinity;
    const bad = trials.filter((trial) => !Number.isFinite(last(trial)));
    const good = trials.filter((trial) => Number.isFinite(last(trial)));
    const came = (trial: number): number => at(trial).scores.length;
    const sorted = good.filter((trial) => !at(trial).over).sort((a, b) => came(b) - came(a) || last(a) - last(b) || a - b);
    const order: number[] = [];
    const insert = (trial: number, better: (other: number) => boolean): void => {
      const place = order.findIndex(better);
      order.splice(place < 0 ? order.length : place, 0, trial);
    };
    for (const trial of sorted) {
      const { scores, rungs } = at(trial);
      const rung = rungs.length - 2;
      const near = rung >= 0 && came(trial) === rungs.length - 1;
      insert(trial, (other) => near && came(other) > came(trial) && scores[rung]! < at(other).scores[rung]!);
    }
    // What ended early does not become better any more, so others stand beside it as they are now.
    const ended = good.filter((trial) => at(trial).over).sort((a, b) => last(a) - last(b) || a - b);
    for (const trial of ended) insert(trial, (other) => last(trial) < last(other));
    return [...order, ...bad.sort((a, b) => a - b)];
  }

  #repeatsOf(trial: number): Map<number, number> {
    const known = this.#repeated.get(trial);
    if (known) return known;
    const made = new Map<number, number>();
    this.#repeated.set(trial, made);
    return made;
  }

  #start(job: Job): Job {
    this.#running++;
    this.#promised += job.to - job.from;
    return job;
  }

  /** Steps that the search may still take, what finalists need left aside. */
  #room(): number {
    const { steps } = this.#plan;
    return steps === Infinity ? Infinity : steps - this.#spent - this.#promised - this.#costOf(this.#good(), ...this.#planned);
  }

  /** The best of the highest rung of which one may go on. */
  #promotion(): Job | null {
    const { rungs: count, reduction } = this.#plan;
    const room = this.#room();
    for (let rung = count - 2; rung >= 0; rung--) {
      const there = this.#standings.flatMap((s, trial) => (s.scores.length > rung && s.rungs.length > rung + 1 ? [trial] : []));
      const best = there
        .sort((a, b) => this.#standings[a]!.scores[rung]! - this.#standings[b]!.scores[rung]! || a - b)
        .slice(0, Math.floor(there.length / reduction));
      for (const trial of best) {
        const standing = this.#standings[trial]!;
        if (standing.sent > rung || standing.over || !Number.isFinite(standing.scores[rung]!)) continue;
        const job = { trial, repeat: 0, from: standing.rungs[rung]!, to: standing.rungs[rung + 1]! };
        if (job.to - job.from > room) continue;
        standing.sent = rung + 1;
        return job;
      }
    }
    return null;
  }

  #fresh(): Job | null {
    const trial = this.#standings.length;
    const { most, lengthOf, rungs, reduction } = this.#plan;
    if (trial >= most) return null;
    const length = lengthOf(trial);
    if (length === null) return null;
    const at = rungsOf(length, rungs, reduction);
    // The first is trained whatever the budget says: there must be something to tell.
    if (trial > 0 && at[0]! > this.#room()) return null;
    this.#standings.push({ rungs: at, scores: [], sent: 0, over: false });
    return { trial, repeat: 0, from: 0, to: at[0]! };
  }

  /** Those that did not diverge, the best first. */
  #good(): number[] {
    const trials = this.#standings.flatMap(({ scores }, trial) => (Number.isFinite(scores.at(-1) ?? Infinity) ? [trial] : []));
    return this.#inOrder(trials);
  }

  /** The first `count` of these; what is in use now has the place of the last of them where it is none. */
  #finalistsOf(good: readonly number[], count: number): readonly number[] {
    const best = good.slice(0, count);
    if (!this.#plan.keeps || count < 2 || best.includes(0) || !good.includes(0)) return best;
    return [...best.slice(0, -1), 0];
  }

  /** Steps to the end of so many finalists out of these, and of their repetitions. */
  #costOf(good: readonly number[], count: number, repeats: number): number {
    const whole = this.#plan.lengthOf(0)!;
    const finalists = this.#finalistsOf(good, count);
    let steps = 0;
    for (let i = 0; i < count; i++) {
      const standing = finalists[i] === undefined ? null : this.#standings[finalists[i]!]!;
      const length = standing?.rungs.at(-1) ?? whole;
      steps += length * (repeats + 1) - (standing?.over ? length : (standing?.rungs[standing.scores.length - 1] ?? 0));
    }
    return steps;
  }

  /** Finalists and repetitions that the budget is enough for, if they have come to the last rung but one by then. */
  #wanted(): readonly [number, number] {
    const { steps, reduction, rungs } = this.#plan;
    const had = rungs > 1 ? 1 / reduction : 0;
    const whole = this.#plan.lengthOf(0)!;
    for (const [count, repeats] of wishes(this.#plan)) {
      if (count * (repeats + 1 - had) * whole <= FINALS * steps) return [count, repeats];
    }
    return [1, 0];
  }

  #toFinals(): void {
    this.#stage = 'finals';
    const left = this.#left ?? this.#plan.steps - this.#spent;
    const good = this.#good();
    let chosen: readonly [number, number] | null = null;
    for (const wish of wishes(this.#plan)) {
      if (this.#costOf(good, ...wish) > left) continue;
      chosen = wish;
      break;
    }
    const [count, repeats] = chosen ?? [1, 0];
    // One that came late may have overtaken those for which steps were kept: where there are none left for it, the best that there are some for.
    const fits = chosen ? good : good.filter((trial) => this.#costOf([trial], 1, 0) <= left);
    const finalists = this.#finalistsOf(fits.length > 0 ? fits : good, count);
    this.#finalists = finalists;
    // One that nothing is compared with needs no repetitions.
    this.#repeats = finalists.length > 1 ? repeats : 0;
    for (const trial of this.#finalists) {
      const { scores, rungs, over } = this.#standings[trial]!;
      const rung = scores.length - 1;
      if (!over && rung + 1 < rungs.length) {
        this.#jobs.push({ trial, repeat: 0, from: rungs[rung]!, to: rungs.at(-1)! });
        this.#standings[trial]!.sent = rungs.length - 1;
      }
    }
    for (let repeat = 1; repeat <= this.#repeats; repeat++) {
      for (const trial of this.#finalists) this.#jobs.push({ trial, repeat, from: 0, to: this.#standings[trial]!.rungs.at(-1)! });
    }
  }

  /** The finalists by the mean of all their whole trainings; those without any, whose time was over, stay behind them. */
  settle(): void {
    const mean = (trial: number): number => {
      const all = [...this.wholeOf(trial).values()];
      return all.length === 0 ? Infinity : all.reduce((a, b) => a + b, 0) / all.length;
    };
    const before = this.#finalists;
    const means = before.map(mean);
    const order = before.map((_, i) => i).sort((a, b) => (means[a] === means[b] ? a - b : means[a]! - means[b]!));
    this.#finalists = order.map((i) => before[i]!);
  }
}

/** Finalists and repetitions that are wanted, and less where that is too much: fewer finalists, then fewer repetitions of two. */
function* wishes({ finalists, repeats }: HalvingPlan): Generator<readonly [number, number]> {
  const least = Math.min(2, finalists);
  for (let n = finalists; n >= least; n--) yield [n, repeats];
  for (let r = repeats - 1; r >= 0; r--) yield [least, r];
}
