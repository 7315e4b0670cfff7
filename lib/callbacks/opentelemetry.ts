// opentelemetry.ts: `callbacks.openTelemetry`: what runs do as instruments of a meter of OpenTelemetry, which the caller has.
import { custom, type Field, options, signature } from '../options/index.ts';
import type { Callback } from '../train/watch/callback.ts';
import {
  boundsOf,
  buckets,
  type Instruments,
  labels,
  labelsOf,
  type Measure,
  measuresOf,
  measuring,
  type RunLabels,
} from './measures.ts';
import { type IfFails, ifFails, sink } from './sink.ts';

/** Labels of OpenTelemetry. */
type Attributes = Record<string, string>;

/** How an instrument is described when it is made. */
export interface OpenTelemetryInstrument {
  /** What it measures. */
  readonly description: string;
  /** In which unit: `s`, `{step}`. */
  readonly unit: string;
  /** Of a histogram: upper ends of its buckets, where no view says others. */
  readonly advice?: { explicitBucketBoundaries: number[] };
}

/** What is used of a `Meter` of `@opentelemetry/api`, 1.9 or later. */
export interface OpenTelemetryMeter {
  /** Makes what counts up. */
  createCounter(name: string, options: OpenTelemetryInstrument): { add(value: number, attributes: Attributes): void };
  /** Makes what counts up and down. */
  createUpDownCounter(name: string, options: OpenTelemetryInstrument): { add(value: number, attributes: Attributes): void };
  /** Makes what has a value that is set. */
  createGauge(name: string, options: OpenTelemetryInstrument): { record(value: number, attributes: Attributes): void };
  /** Makes what counts values by their size. */
  createHistogram(name: string, options: OpenTelemetryInstrument): { record(value: number, attributes: Attributes): void };
}

/** Options of `callbacks.openTelemetry`. */
export interface OpenTelemetryOptions {
  /** Attributes that distinguish these runs from others: `{ model: 'prices', run: 'nightly' }`. Default: none. */
  readonly labels?: RunLabels;
  /** Upper ends of the buckets of `gradclip.train.grad_norm`, as numbers that increase. Default: powers of two from 2^-10 to 2^14. */
  readonly normBuckets?: readonly number[];
  /** Upper ends of the buckets of `gradclip.train.step_seconds`, in seconds. Default: powers of two from 15 us to 32 s. */
  readonly secondsBuckets?: readonly number[];
  /** What becomes of the run where an instrument fails: `warn` or `stop`. Default 'warn'. */
  readonly ifFails?: IfFails;
}

const MAKERS = ['createCounter', 'createUpDownCounter', 'createGauge', 'createHistogram'] as const;
const METER = 'a Meter of @opentelemetry/api, 1.9 or later';

const meter: Field<OpenTelemetryMeter> = custom(METER, (value, place) => {
  const given = (value ?? {}) as Partial<Record<string, unknown>>;
  const missing = MAKERS.find((maker) => typeof given[maker] !== 'function');
  if (missing === undefined) return value as OpenTelemetryMeter;
  throw place.wrong(METER, value, typeof given.createCounter === 'function' ? `, which has no ${missing}` : '');
});

const readOpenTelemetry = signature(
  'callbacks.openTelemetry',
  { meter },
  options<OpenTelemetryOptions>()({
    labels: labels.default({}),
    normBuckets: buckets.optional(),
    secondsBuckets: buckets.optional(),
    ifFails,
  }),
);

/**
 * Count what runs do, for OpenTelemetry: instruments of a meter, called as the metrics of `callbacks.prometheus` with dots: `gradclip.train.loss`, `gradclip.train.steps`,
 * `gradclip.train.grad_norm` and so on, with units. Where they go, the program's own MeterProvider decides.
 *
 * ```ts
 * const meter = metrics.getMeter('training');
 * await trainer.fit(data, { callbacks: [callbacks.openTelemetry(meter, { labels: { model: 'prices' } })] });
 * ```
 * @throws OptionError; by a run, before its first step, where two metrics of a trainer would have one name
 * @see gradclip: OpenTelemetry has no conventions of its own for training
 */
export function openTelemetry(meter: OpenTelemetryMeter, options: OpenTelemetryOptions = {}): Callback {
  const read = readOpenTelemetry(arguments) as OpenTelemetryOptions & Required<Pick<OpenTelemetryOptions, 'labels' | 'ifFails'>>;
  const where = 'callbacks.openTelemetry';
  const attributes = labelsOf(read.labels);
  return sink({ where, ifFails: read.ifFails }, (run) => {
    const adders = new Map<string, ReturnType<OpenTelemetryMeter['createCounter']>>();
    const recorders = new Map<string, ReturnType<OpenTelemetryMeter['createHistogram']>>();
    for (const measure of measuresOf(where, run, nameOf)) {
      const [name, told] = [nameOf(measure), { description: measure.help, unit: measure.unit }];
      if (measure.kind === 'counter') adders.set(measure.name, meter.createCounter(name, told));
      else if (measure.kind === 'updown') adders.set(measure.name, meter.createUpDownCounter(name, told));
      else if (measure.kind === 'gauge') recorders.set(measure.name, meter.createGauge(name, told));
      else {
        const advice = { explicitBucketBoundaries: [...boundsOf(measure, read)] };
        recorders.set(measure.name, meter.createHistogram(name, { ...told, advice }));
      }
    }
    const to: Instruments = {
      add: ({ name }, n) => adders.get(name)!.add(n, attributes),
      set: ({ name }, value) => recorders.get(name)!.record(value, attributes),
      record: ({ name }, value, n) => {
        for (let i = 0; i < n; i++) recorders.get(name)!.record(value, attributes);
      },
    };
    return measuring(run, to);
  });
}

/** Letters, digits and `_`, with dots between what it is of. */
function nameOf({ name }: Measure): string {
  return `gradclip.train.${name.replace('validation_', 'validation.').replaceAll(/[^a-zA-Z0-9_.]/g, '_')}`;
}
