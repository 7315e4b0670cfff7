// tune.ts: `tune`: a search for parameters, from its options to its result.
import { OptionError } from '../errors.ts';
import { runtime } from '../native/runtime.ts';
import { threadCount } from '../native/threads.ts';
import {
  bool,
  choice,
  custom,
  either,
  type Field,
  fn,
  list,
  options,
  optionsOnly,
  Place,
  text,
  whole,
} from '../options/index.ts';
import { type AbortSignalLike, abortSignal } from '../train/flow/halt.ts';
import { seconds } from '../train/given.ts';
import type { Params } from './pool.ts';
import type { TuneResult } from './result.ts';
import { type SearchOptions, search } from './search.ts';
import { type ParamsOf, type Space, spaceField } from './space.ts';
import type { TuneEvent, TuneLogger } from './told.ts';
import { checkParams, type Trial } from './trial.ts';

/** How long a search may be: whichever is over first. */
export interface TuneBudget {
  /** Steps of all trainings together, those of repeated seeds too. Default: no limit. */
  readonly steps?: number;
  /** Seconds of all; its decisions then depend on the clock, and another call may end otherwise. Default: no limit. */
  readonly seconds?: number;
  /** Trials that begin. Default: no limit. */
  readonly trials?: number;
}

/** Options of `tune`. `S`: the space. */
export interface TuneOptions<S extends Space = Space> {
  /**
   * Gives a trainer and its data for parameters and a seed, made anew each time: `seed` is what weights, order of rows and dropout should be keyed by. Or the
   * URL of a module that exports such a function as `make`, or as its default: its trials then train side by side, in threads of their own, which is faster
   * for small models. Give such trainers `threads: 1`.
   */
  readonly make:
    | ((params: ParamsOf<S>, seed: number) => Trial | Promise<Trial>)
    | { readonly href: string; readonly protocol: string };
  /** What is sought, by name: what the functions of `space` make. */
  readonly space: S;
  /** Steps of a whole training of one trial. */
  readonly steps: number;
  /** How long the search may be. Default: the steps of 20 whole trainings. */
  readonly budget?: TuneBudget;
  /**
   * Parameters to begin with, one or a list: what is in use now. They need not lie within the bounds. The first of them is among the finalists whatever others
   * do, unless it diverges, so that the result tells whether what was found is better than it. Default: none.
   */
  readonly first?: ParamsOf<S> | readonly ParamsOf<S>[];
  /** What trials are compared by, on the validation set: `loss`, or the name of a metric of the trainer. Default `loss`. */
  readonly metric?: string;
  /** Whether lower or higher values are better. Default `min` for the loss, `max` for other metrics. */
  readonly mode?: 'min' | 'max';
  /** Further seeds that each finalist is trained with. 0: none, and nothing tells whether a difference is noise. Default 3. */
  readonly seeds?: number;
  /** Trials that are trained to the end and compared there; fewer where the budget does not allow it, which a warning says. Default 3. */
  readonly finalists?: number;
  /** Of how many trials at a rung one goes on, and how many times as long. Default 3. */
  readonly reduction?: number;
  /** Places where trials are compared, the end among them: with 4 and a reduction of 3 after 1/27, 1/9 and 1/3 of their steps. Default 4. */
  readonly rungs?: number;
  /** Keys which parameters are tried; trials are made with it, repeated ones with those after it. Default 0. */
  readonly seed?: number;
  /**
   * Trials that are under way at the same time as far as decisions go: they are made as so many workers would meet them that are equally fast. So the result
   * depends on this number, and not on threads and their speed. Default 4.
   */
  readonly jobs?: number;
  /** Threads that train trials, with a module as `make`. Results do not depend on it. Default: `jobs`, but at most what affinity and container quota allow. */
  readonly threads?: number;
  /** Write a line of JSON for each training that is done, from one rung to the next, and beside it a folder with the state of those that may go on. Default: no file. */
  readonly file?: string;
  /**
   * Go on with `file`, where there is one: what it has is not trained again. With a budget in steps or trials the result is that of a search that was not interrupted.
   * A larger budget goes on farther. Default false.
   */
  readonly resume?: boolean;
  /** Aborting ends the trainings after their steps; the file stays to be resumed. Default: none. */
  readonly signal?: AbortSignalLike;
  /** Called when a training has come to its rung, in the order of decisions. Default: nobody is. */
  readonly onTrial?: (event: TuneEvent<ParamsOf<S>>) => unknown;
  /** Told what `result.warnings` lists, as it is found: a function, or an object with a method `warn`. Default: nobody is. */
  readonly logger?: TuneLogger;
}

const positive = whole({ min: 1 });
export const budgetField: Field<TuneBudget, { steps: number | null; seconds: number | null; trials: number | null }> =
  options<TuneBudget>()({
    steps: positive.or(null),
    seconds: seconds.or(null),
    trials: positive.or(null),
  });

const makeField: Field<TuneOptions['make']> = custom(
  'a function of parameters and seed, or the URL of a module',
  (value, place) => {
    if (value instanceof URL) return value;
    return fn<(params: Params, seed: number) => Trial>('a function of parameters and seed, or the URL of a module').read(
      value,
      place,
    );
  },
);
const given = custom<Params>('a value for each parameter', (value) => value as Params);
const logger = custom<TuneLogger>('a function or an object with a method warn', (value, place) => {
  if (typeof (value as { warn?: unknown } | null | undefined)?.warn === 'function') return value as TuneLogger;
  return fn<(message: string) => void>('a function or an object with a method warn').read(value, place);
});

/** Of what a search is made up, beside what is sought: its numbers. */
interface SearchFields {
  readonly seeds: Field<number, number, false>;
  readonly finalists: Field<number, number, false>;
  readonly reduction: Field<number, number, false>;
  readonly rungs: Field<number, number, false>;
  readonly jobs: Field<number, number, false>;
}
export const SEARCH: SearchFields = {
  seeds: whole({ min: 0, max: 100 }).default(3),
  finalists: whole({ min: 1, max: 100 }).default(3),
  reduction: whole({ min: 2, max: 100 }).default(3),
  rungs: whole({ min: 1, max: 12 }).default(4),
  jobs: whole({ min: 1, max: 256 }).default(4),
};

const readTune = optionsOnly(
  'tune',
  options<TuneOptions>()({
    make: makeField,
    space: spaceField,
    steps: positive,
    budget: budgetField.optional(),
    first: either(
      list(given),
      given.map((one) => [one]),
    ).default([]),
    metric: text.default('loss'),
    mode: choice('min', 'max').optional(),
    ...SEARCH,
    seed: whole({ min: 0, max: 2 ** 52 }).default(0),
    threads: threadCount.optional(),
    file: text.optional(),
    resume: bool.default(false),
    signal: abortSignal.optional(),
    onTrial: fn<NonNullable<TuneOptions['onTrial']>>().optional(),
    logger: logger.optional(),
  }),
);

/** Whole trainings that a search may take where nobody says. */
export const TRAININGS = 20;

/**
 * Seek the best of many parameters: rates, thresholds, policies, sizes. Many trials train for some steps; the better ones go on, and of these the best to the end
 * (asynchronous successive halving), where further seeds tell whether they differ by more than noise. Nothing is trained twice: a trial that goes on does so,
 * to the bit, where it was.
 *
 * ```ts
 * const { best, verdict } = await tune({
 *   space: { lr: space.log(1e-4, 1), threshold: space.log(0.01, 10) },
 *   make: ({ lr, threshold }, seed) => ({
 *     trainer: new Trainer({ model: new Net(), loss, optimizer: optim.sgd({ lr }), clip: clip.globalNorm(threshold), seed }),
 *     data: train,
 *     validation,
 *   }),
 *   steps: 1000,
 * });
 * ```
 * @returns the best parameters, all trials, and what is noise
 * @throws (rejects) OptionError, also where `file` is of another search; NonFiniteError where every trial diverged; AbortError; BusyError where another search writes `file`; DataError for a file that is
 * not one of a search, or cannot be written; and what `make` and trainers throw, but for parameters that do not go together: that trial has failed
 * @see Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning
 */
export async function tune<const S extends Space>(options: TuneOptions<S>): Promise<TuneResult<ParamsOf<S>>> {
  const asked = readTune(arguments);
  const { make, space, budget, metric, mode, threads, resume, file, ...rest } = asked;
  const names = Object.keys(space);
  const place = new Place('tune', 'option', 'first');
  const first = asked.first.map((params, i) => checkParams(params, names, place.item(i)));
  if (resume && file === undefined)
    throw new OptionError('tune: option resume: goes on with option file, which is not given', { option: 'resume' });
  if (threads !== undefined && threads > 1 && !(make instanceof URL)) {
    const text = 'tune: option threads: trials of a function train in this thread; the URL of a module has them side by side';
    throw new OptionError(text, { option: 'threads', value: threads });
  }
  const chosen: SearchOptions = {
    ...rest,
    space,
    first,
    metric: { metric, mode: mode ?? (metric === 'loss' ? 'min' : 'max') },
    settle: (params) => params,
    lengthOf: () => asked.steps,
    budget: budget ?? { steps: TRAININGS * asked.steps, seconds: null, trials: null },
    threads: make instanceof URL ? (threads ?? Math.min(asked.jobs, runtime().threads.count)) : 1,
    make: make instanceof URL ? { url: make.href, data: null } : (make as (params: Params, seed: number) => unknown),
    file: file ?? null,
    resume,
    of: { steps: asked.steps },
    signal: asked.signal ?? null,
    onTrial: (asked.onTrial as SearchOptions['onTrial'] | undefined) ?? (() => {}),
    logger: asked.logger ?? null,
  };
  return (await search(chosen)) as TuneResult<ParamsOf<S>>;
}
