// search.ts: a search as it runs: jobs given to whoever does them, their outcomes delivered in an order that no clock decides.
import { AbortError, NonFiniteError, OptionError } from '../errors.ts';
import { count } from '../text/format.ts';
import type { AbortSignalLike } from '../train/flow/halt.ts';
import { Halton } from './halton.ts';
import { Halving, type Job, rungsOf } from './halving.ts';
import { TuneLog } from './log.ts';
import { type Doer, Here, type Module, type Params, Threads } from './pool.ts';
import { comparisonsOf, type TuneResult, type TuneRung, type TuneSeed, type TuneTrial, tiedOf, verdictOf } from './result.ts';
import { type Domain, domainJson, type Space, valueAt } from './space.ts';
import type { TuneEvent, TuneLogger } from './told.ts';
import type { Measured, Metric } from './trial.ts';

export interface SearchOptions {
  readonly space: Space;
  readonly first: readonly Params[];
  readonly metric: Metric;
  /** What is drawn as a trial has it: without what it has no use for. */
  readonly settle: (params: Params) => Params;
  /** Steps of a whole training with these parameters. */
  readonly lengthOf: (params: Params) => number;
  readonly budget: { readonly steps: number | null; readonly seconds: number | null; readonly trials: number | null };
  readonly seeds: number;
  readonly finalists: number;
  readonly reduction: number;
  readonly rungs: number;
  readonly seed: number;
  readonly jobs: number;
  readonly threads: number;
  /** A function of this thread, or where threads find one. */
  readonly make: ((params: Params, seed: number) => unknown) | Module;
  readonly file: string | null;
  readonly resume: boolean;
  /** What a file is of, beside space and seed. */
  readonly of: unknown;
  readonly signal: AbortSignalLike | null;
  readonly onTrial: (event: TuneEvent) => unknown;
  readonly logger: TuneLogger | null;
}

/** Of a budget in seconds the part that the search has; the rest is for finalists. */
const SEARCH_PART = 0.45;
/** Of the time that is left, what finalists are planned for. */
const PLANNED = 0.9;
/** Points that are drawn at most for parameters that were not tried yet. */
const MOST_DRAWN = 10_000;

/** What is known of a trial beside its place in the race. */
interface Known {
  readonly rungs: TuneRung[];
  readonly seeds: TuneSeed[];
  metrics: Readonly<Record<string, number>> | null;
  reason: string | null;
  diverged: boolean;
  steps: number;
  /** Of the first seed. */
  own: number;
  clipped: number;
  seconds: number;
}

export async function search(options: SearchOptions): Promise<TuneResult> {
  return await new Search(options).run();
}

class Search {
  readonly #options: SearchOptions;
  readonly #params: Params[] = [];
  readonly #halton: Halton;
  readonly #seen = new Set<string>();
  #drawn = 0;
  #exhausted = false;
  readonly #known: Known[] = [];
  readonly #memory = new Map<string, Uint8Array>();
  readonly #warnings: string[] = [];
  readonly #started: number = Date.now();
  readonly #aborting = new AbortController();
  #log: TuneLog | null = null;
  #timeOver = false;

  constructor(options: SearchOptions) {
    this.#options = options;
    this.#halton = new Halton(Object.keys(options.space).length, BigInt(options.seed));
  }

  async run(): Promise<TuneResult> {
    const { signal, file, resume, make, threads, budget } = this.#options;
    const abort = (): void => this.#aborting.abort(signal?.reason);
    if (signal?.aborted) abort();
    this.#check();
    signal?.addEventListener('abort', abort);
    let doer: Doer | null = null;
    let done = false;
    try {
      if (file !== null) this.#log = await TuneLog.open(file, this.#header, resume);
      doer = typeof make === 'function' ? new Here(make, this.#aborting.signal) : new Threads(make, threads);
      const halving = this.#halving();
      await this.#race(halving, doer);
      halving.settle();
      done = true;
      return this.#result(halving);
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#aborting.abort();
      await doer?.close();
      // Of a budget that may be larger next time, states are wanted then: they are not of one in steps that is used up.
      await this.#log?.close(done && budget.seconds === null);
    }
  }

  #check(): void {
    const { signal } = this.#aborting;
    if (signal.aborted) throw new AbortError('tune: was aborted', {}, { cause: signal.reason });
  }

  get #header(): Parameters<typeof TuneLog.open>[1] {
    const { space, first, seed, metric, of } = this.#options;
    const json = Object.fromEntries(Object.entries(space).map(([name, domain]) => [name, domainJson(domain)]));
    return { space: json, first, seed, ...metric, of };
  }

  #halving(): Halving {
    const { budget, reduction, rungs, finalists, seeds, first } = this.#options;
    const lengthOf = (trial: number): number | null => {
      const params = this.#paramsOf(trial);
      return params && this.#options.lengthOf(params);
    };
    const length = lengthOf(0)!;
    const got = rungsOf(length, rungs, reduction).length;
    if (got < rungs)
      this.#warn(
        `option rungs: ${count(length)} steps of a training have ${got} rungs, not ${rungs}: the first would be too short`,
      );
    const plan = { lengthOf, reduction, rungs, finalists, repeats: seeds, keeps: first.length > 0 };
    return new Halving({ ...plan, most: budget.trials ?? Infinity, steps: budget.steps ?? Infinity });
  }

  /** Jobs are begun, and delivered, as workers would that take as long as a job has steps. */
  async #race(halving: Halving, doer: Doer): Promise<void> {
    const { jobs } = this.#options;
    let now = 0;
    let running: { readonly job: Job; readonly end: number; readonly outcome: Promise<Measured> }[] = [];
    let finals = false;
    for (;;) {
      this.#check();
      this.#watchTime(halving);
      while (running.length < jobs) {
        const job = halving.next();
        if (!job) break;
        const outcome = this.#do(job, doer);
        // Whoever waits for another one meanwhile hears of it later.
        outcome.catch(() => {});
        running.push({ job, end: now + job.to - job.from, outcome });
      }
      if (!finals && halving.stage !== 'search') {
        finals = true;
        this.#tellFinals(halving);
      }
      if (running.length === 0) return;
      const first = running.reduce((a, b) => (b.end < a.end ? b : a));
      const measured = await first.outcome;
      running = running.filter((one) => one !== first);
      now = first.end;
      halving.deliver(first.job, measured);
      await this.#tell(first.job, measured, halving);
    }
  }

  /** Of a budget in seconds: when the search ends, and how many steps are left then. */
  #watchTime(halving: Halving): void {
    const { seconds } = this.#options.budget;
    if (seconds === null || this.#timeOver || this.#elapsed < SEARCH_PART * seconds) return;
    this.#timeOver = true;
    const rate = halving.steps / Math.max(this.#elapsed, 1e-3);
    halving.close(rate * Math.max(0, seconds - this.#elapsed) * PLANNED);
  }

  get #elapsed(): number {
    return (Date.now() - this.#started) / 1000 + (this.#log?.seconds ?? 0);
  }

  async #do(job: Job, doer: Doer): Promise<Measured> {
    const { budget, metric, seed } = this.#options;
    const params = this.#params[job.trial]!;
    const before = this.#log?.known(job, params);
    if (before) return before;
    const state = job.from === 0 ? null : await this.#state(job);
    if (job.from > 0 && !state)
      this.#warn(
        `trial ${job.trial}: its state after ${count(job.from)} steps is not there: it is trained again from its beginning`,
      );
    const deadline = budget.seconds === null ? null : Date.now() + 1000 * (budget.seconds - this.#elapsed);
    const task = { job, params, seed: seed + job.repeat, state, keep: job.to < this.#length(job.trial), metric, deadline };
    const done = await doer.run({ ...task, strict: job.trial === 0 });
    const { measured } = done;
    if (measured.cut) return measured;
    if (this.#log) await this.#log.write({ ...job, params, measured, at: this.#elapsed }, done.state);
    else {
      this.#memory.delete(stateKey(job.trial, job.from));
      if (done.state) this.#memory.set(stateKey(job.trial, job.to), done.state);
    }
    return measured;
  }

  async #state(job: Job): Promise<Uint8Array | null> {
    return this.#log ? await this.#log.state(job) : (this.#memory.get(stateKey(job.trial, job.from)) ?? null);
  }

  #length(trial: number): number {
    return this.#options.lengthOf(this.#params[trial]!);
  }

  /** Parameters of a trial: those to begin with, then what is drawn and was not tried; null: there are no others. */
  #paramsOf(trial: number): Params | null {
    const { first, space } = this.#options;
    while (this.#params.length <= trial) {
      const given = first[this.#params.length];
      const params = given ?? this.#draw(space);
      if (!params) return null;
      this.#seen.add(JSON.stringify(params));
      this.#params.push(params);
    }
    return this.#params[trial]!;
  }

  #draw(space: Space): Params | null {
    const { settle } = this.#options;
    const names = Object.keys(space);
    const all = names.reduce((n, name) => n * sizeOf(space[name]!), 1);
    if (this.#exhausted) return null;
    for (let i = 0; i < MOST_DRAWN && this.#seen.size < all + this.#options.first.length; i++) {
      const point = this.#halton.at(this.#drawn++);
      const params = settle(Object.fromEntries(names.map((name, d) => [name, valueAt(space[name]!, point[d]!)])));
      if (!this.#seen.has(JSON.stringify(params))) return params;
    }
    this.#exhausted = true;
    return null;
  }

  #warn(message: string): void {
    if (this.#warnings.includes(message)) return;
    this.#warnings.push(message);
    const { logger } = this.#options;
    if (typeof logger === 'function') logger(message);
    else logger?.warn(message);
  }

  #tellFinals(halving: Halving): void {
    const { finalists, seeds } = this.#options;
    const able = Math.min(finalists, halving.begun);
    if (halving.finalists.length === 0) return;
    if (halving.finalists.length < able) {
      this.#warn(
        `option finalists: ${halving.finalists.length} of ${finalists}: for more the budget is too small, or others diverged`,
      );
    }
    if (halving.repeats < seeds && able > 1) {
      this.#warn(`option seeds: finalists have ${halving.repeats} further seeds, not ${seeds}: for more the budget is too small`);
    }
  }

  async #tell(job: Job, measured: Measured, halving: Halving): Promise<void> {
    if (measured.cut) return;
    const { metric, seed } = this.#options;
    const known = this.#knownOf(job.trial);
    const value = measured.metrics === null ? Number.NaN : measured.metrics[metric.metric]!;
    known.steps += measured.steps;
    known.seconds += measured.seconds;
    if (job.repeat === 0) {
      known.own += measured.steps;
      known.clipped += measured.clipped;
      known.metrics = measured.metrics;
      known.reason = measured.reason;
      known.diverged = measured.metrics === null;
      if (measured.metrics) known.rungs.push({ step: measured.over ? job.from + measured.steps : job.to, value });
    }
    if (job.to === this.#length(job.trial) || measured.over) known.seeds.push({ seed: seed + job.repeat, value });
    const { trial } = job;
    const params = this.#params[trial]!;
    const at = { step: job.to, length: this.#length(trial), stage: halving.finalists.length > 0 ? 'finals' : 'search' } as const;
    const event = {
      trial,
      params,
      seed: seed + job.repeat,
      ...at,
      value,
      reason: measured.reason,
      steps: halving.steps,
      seconds: this.#elapsed,
    };
    await this.#options.onTrial(event);
  }

  #knownOf(trial: number): Known {
    const nothing = { metrics: null, reason: null, diverged: false, steps: 0, own: 0, clipped: 0, seconds: 0 };
    this.#known[trial] ??= { rungs: [], seeds: [], ...nothing };
    return this.#known[trial];
  }

  #result(halving: Halving): TuneResult {
    const { metric, budget, first } = this.#options;
    const trials = halving.ranking().map((trial) => this.#trial(trial, halving.finalists.includes(trial)));
    const finalists = trials.filter(({ status }) => status === 'finalist');
    const [best] = finalists;
    if (!best) {
      if (trials.every(({ steps }) => steps === 0) && this.#timeOver) {
        throw new OptionError(`tune: option budget: ${budget.seconds} seconds are over before a trial was compared`, {
          option: 'budget',
        });
      }
      const why = trials.find(({ reason }) => reason !== null)?.reason;
      throw new NonFiniteError(`tune: every one of ${trials.length} trials diverged or failed; trial 0: ${why}`, {
        trials: trials.length,
      });
    }
    for (const { number, seeds } of finalists) {
      const values = new Set(seeds.map(({ value }) => value));
      if (seeds.length > 1 && values.size === 1) {
        this.#warn(`trial ${number}: ${seeds.length} seeds gave the same to the last bit: does make pass its seed on?`);
      }
    }
    const comparisons = comparisonsOf(finalists, metric.mode);
    const tied = tiedOf(finalists, comparisons);
    const given = first.length > 0 ? trials.find(({ number }) => number === 0)! : null;
    return {
      best,
      trials,
      comparisons,
      tied,
      verdict: verdictOf({ ...metric, finalists, comparisons, tied, given }),
      stopReason: this.#timeOver ? 'seconds' : this.#exhausted ? 'space' : trials.length === budget.trials ? 'trials' : 'steps',
      steps: trials.reduce((n, { steps }) => n + steps, 0),
      seconds: this.#elapsed,
      warnings: this.#warnings,
    };
  }

  #trial(number: number, finalist: boolean): TuneTrial {
    const known = this.#knownOf(number);
    const { rungs, seeds, metrics, reason, diverged, steps, own, clipped, seconds } = known;
    const inOrder = [...seeds].sort((a, b) => a.seed - b.seed);
    const mean = inOrder.reduce((sum, { value }) => sum + value, 0) / inOrder.length;
    const value = diverged ? Number.NaN : finalist && inOrder.length > 0 ? mean : (rungs.at(-1)?.value ?? Number.NaN);
    const bad = own === 0 ? 'failed' : 'diverged';
    return {
      number,
      params: this.#params[number]!,
      status: finalist ? 'finalist' : diverged ? bad : 'out',
      reason,
      rungs,
      seeds: inOrder,
      value,
      metrics,
      steps,
      length: this.#length(number),
      clipped: own === 0 ? 0 : clipped / own,
      seconds,
    };
  }
}

/** Values that a domain has. */
function sizeOf({ kind, values }: Domain): number {
  if (kind === 'choice') return new Set(values.map((value) => JSON.stringify(value))).size;
  const [min, max] = values as [number, number];
  return kind === 'integer' ? max - min + 1 : Infinity;
}

const stateKey = (trial: number, step: number): string => `${trial} ${step}`;
