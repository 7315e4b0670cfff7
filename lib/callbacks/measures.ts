// measures.ts: what a run tells to whoever measures processes: names, units and kinds, the same for Prometheus and OpenTelemetry, and when each changes.
import { OptionError } from '../errors.ts';
import { custom, type Field, list, number, type OptionsField, options, text } from '../options/index.ts';
import type { CallbackRun } from '../train/watch/callback.ts';
import { type Following, type IfFails, ifFails } from './sink.ts';

/** `updown`: goes up and down by what is added, as a count of runs that are on. */
export type MeasureKind = 'counter' | 'updown' | 'gauge' | 'histogram';

export interface Measure {
  /** Words with `_` between them. */
  readonly name: string;
  readonly kind: MeasureKind;
  /** As the Unified Code for Units of Measure has it: `s`, `{step}`; 1: none. */
  readonly unit: string;
  readonly help: string;
}

const measure = (name: string, kind: MeasureKind, unit: string, help: string): Measure => ({ name, kind, unit, help });

type Known =
  | ('loss' | 'steps' | 'clipped' | 'skipped' | 'epochs' | 'norm' | 'seconds' | 'threshold')
  | ('rate' | 'step' | 'lastStep' | 'running' | 'runs' | 'failed' | 'guards' | 'warnings');

/** Each by what it is called here. */
export const MEASURES: Readonly<Record<Known, Measure>> = {
  loss: measure('loss', 'gauge', '1', 'Training loss of the last step that has a finite one'),
  steps: measure('steps', 'counter', '{step}', 'Steps tried: those applied, and those skipped'),
  clipped: measure('clipped_steps', 'counter', '{step}', 'Steps whose gradient the policy changed'),
  skipped: measure('skipped_steps', 'counter', '{step}', 'Steps that were left out'),
  epochs: measure('epochs', 'counter', '{epoch}', 'Epochs that have ended'),
  norm: measure('grad_norm', 'histogram', '1', 'Norm of the gradient before clipping'),
  seconds: measure('step_seconds', 'histogram', 's', 'Time of a step, the mean of those that were run together'),
  threshold: measure('threshold', 'gauge', '1', 'Threshold of the clip policy'),
  rate: measure('learning_rate', 'gauge', '1', 'Learning rate of the last group of parameters, that of the optimizer'),
  step: measure('step', 'gauge', '{step}', 'Updates applied since the training began, whichever process did them'),
  lastStep: measure('last_step_timestamp_seconds', 'gauge', 's', 'When steps were last done, in seconds since 1970'),
  running: measure('running', 'updown', '{run}', 'Runs that are on'),
  runs: measure('runs', 'counter', '{run}', 'Runs that have ended, in whatever way'),
  failed: measure('failed_runs', 'counter', '{run}', 'Runs that have ended with an error; one that was aborted has not'),
  guards: measure('guard_events', 'counter', '{event}', 'What guards have found'),
  warnings: measure('warnings', 'counter', '{warning}', 'Warnings of runs'),
};

export const validationMeasure = (name: string): Measure =>
  measure(`validation_${name}`, 'gauge', '1', `What the last validation measured: ${name}`);

/** Each twice the one before. */
function doubling(first: number, count: number): number[] {
  const all = [first];
  while (all.length < count) all.push(2 * all.at(-1)!);
  return all;
}

/** Powers of two: 2^-10 to 2^14. */
const NORM: readonly number[] = doubling(2 ** -10, 25);
/** Powers of two: 15 us to 32 s. */
const SECONDS: readonly number[] = doubling(2 ** -16, 22);

/** Upper ends of the buckets of a histogram. */
export function boundsOf(
  measure: Measure,
  { normBuckets = NORM, secondsBuckets = SECONDS }: Pick<ReadMeasures, 'normBuckets' | 'secondsBuckets'>,
): readonly number[] {
  return measure === MEASURES.norm ? normBuckets : secondsBuckets;
}

/** Upper ends of buckets, in order. */
export const buckets: Field<readonly number[]> = custom(
  'numbers that increase',
  (value, place) => {
    const read = list(number(), { min: 1 }).read(value, place);
    if (read.some((n, i) => i > 0 && n <= read[i - 1]!)) throw place.wrong('numbers that increase', value);
    return read;
  },
  { type: 'array', items: { type: 'number' }, minItems: 1 },
);

/** What distinguishes the runs of a process. */
export interface RunLabels {
  /** Which model is trained. Default: none is named. */
  readonly model?: string;
  /** Which training it is, or what it is for. Default: none is named. */
  readonly run?: string;
}

/** As an option. */
export const labels: Field<RunLabels, unknown> = options<RunLabels>()({ model: text.optional(), run: text.optional() });

/** Options of callbacks that count what runs do: `callbacks.prometheus` and `callbacks.openTelemetry`. */
export interface MeasureOptions {
  /** What distinguishes these runs from others that are counted in the same place: `{ model: 'prices', run: 'nightly' }`. Default: nothing. */
  readonly labels?: RunLabels;
  /** Upper ends of the buckets of `grad_norm`, as numbers that increase. Default: powers of two from 2^-10 to 2^14. */
  readonly normBuckets?: readonly number[];
  /** Upper ends of the buckets of `step_seconds`, in seconds. Default: powers of two from 15 us to 32 s. */
  readonly secondsBuckets?: readonly number[];
  /** What becomes of the run where what counts fails: `warn` or `stop`. Default 'warn'. */
  readonly ifFails?: IfFails;
}

export interface ReadMeasures {
  readonly labels: RunLabels;
  readonly normBuckets: readonly number[] | undefined;
  readonly secondsBuckets: readonly number[] | undefined;
  readonly ifFails: IfFails;
}

/** As they are read. */
export const measureOptions: OptionsField<MeasureOptions, ReadMeasures> = options<MeasureOptions>()({
  labels: labels.default({}) as Field<RunLabels, RunLabels, false>,
  normBuckets: buckets.optional(),
  secondsBuckets: buckets.optional(),
  ifFails,
});

/** Labels that are given. */
export function labelsOf({ model, run }: RunLabels): Record<string, string> {
  return { ...(model !== undefined && { model }), ...(run !== undefined && { run }) };
}

/** Where measures go. */
export interface Instruments {
  /** Of counters, and what goes up and down. */
  add(measure: Measure, n: number): void;
  set(measure: Measure, value: number): void;
  /** @param n how many have this value */
  record(measure: Measure, value: number, n: number): void;
}

/** Tell instruments what a run does: within a chunk of steps, counters once, distributions for each step. */
export function measuring(run: CallbackRun, to: Instruments): Following {
  const m = MEASURES;
  to.add(m.running, 1);
  to.set(m.step, run.counters.step);
  // There from the start: a rate of what begins with 1 misses the first.
  for (const counter of [m.steps, m.clipped, m.skipped, m.epochs, m.runs, m.failed, m.guards, m.warnings]) to.add(counter, 0);
  return {
    steps(steps) {
      const [losses, thresholds] = [steps.numbers('loss'), steps.numbers('threshold')];
      for (const norm of steps.numbers('norm')) if (Number.isFinite(norm)) to.record(m.norm, norm, 1);
      const sum = (flags: Float64Array): number => flags.reduce((n, flag) => n + flag, 0);
      to.add(m.steps, steps.length);
      to.add(m.clipped, sum(steps.numbers('clipped')));
      to.add(m.skipped, sum(steps.numbers('skipped')));
      if (Number.isFinite(steps.seconds)) to.record(m.seconds, steps.seconds / steps.length, steps.length);
      const loss = losses.findLast(Number.isFinite);
      if (loss !== undefined) to.set(m.loss, loss);
      const threshold = thresholds.at(-1)!;
      if (Number.isFinite(threshold)) to.set(m.threshold, threshold);
      const rate = run.ratesAt(steps.numbers('step').at(-1)!).at(-1);
      if (rate !== undefined) to.set(m.rate, rate);
      to.set(m.step, run.counters.step);
      to.set(m.lastStep, Date.now() / 1000);
    },
    validation(metrics) {
      for (const [name, value] of Object.entries(metrics)) to.set(validationMeasure(name), value);
    },
    epoch: () => to.add(m.epochs, 1),
    guard: () => to.add(m.guards, 1),
    warning: () => to.add(m.warnings, 1),
    end(result, error) {
      to.add(m.running, -1);
      to.add(m.runs, 1);
      if (!result && (error as { code?: unknown } | null)?.code !== 'ABORT_ERR') to.add(m.failed, 1);
    },
  };
}

/** All measures of a run, for instruments that are made beforehand. @throws OptionError where two would have one name */
export function measuresOf(where: string, { measures }: CallbackRun, nameOf: (measure: Measure) => string): Measure[] {
  const all = [...Object.values(MEASURES), ...measures.map(validationMeasure)];
  const names = new Map<string, Measure>();
  for (const one of all) {
    const before = names.get(nameOf(one));
    if (before) {
      const text = `${where}: ${before.name} and ${one.name} would both be called ${nameOf(one)}: name the metric in another way`;
      throw new OptionError(text, { value: one.name });
    }
    names.set(nameOf(one), one);
  }
  return all;
}
