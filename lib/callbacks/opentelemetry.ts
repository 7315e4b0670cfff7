// opentelemetry.ts: `callbacks.openTelemetry`: what runs do as instruments of a meter of OpenTelemetry, which the caller has.
import { custom, type Field, signature } from '../options/index.ts';
import type { Callback } from '../train/watch/callback.ts';
import {
  boundsOf,
  type Instruments,
  labelsOf,
  type Measure,
  type MeasureOptions,
  measureOptions,
  measuresOf,
  measuring,
} from './measures.ts';
import { sink } from './sink.ts';

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

const MAKERS = ['createCounter', 'createUpDownCounter', 'createGauge', 'createHistogram'] as const;
const METER = 'a Meter of @opentelemetry/api, 1.9 or later';

const meter: Field<OpenTelemetryMeter> = custom(METER, (value, place) => {
  const given = (value ?? {}) as Partial<Record<string, unknown>>;
  const missing = MAKERS.find((maker) => typeof given[maker] !== 'function');
  if (missing === undefined) return value as OpenTelemetryMeter;
  throw place.wrong(METER, value, typeof given.createCounter === 'function' ? `, which has no ${missing}` : '');
});

const readOpenTelemetry = signature('callbacks.openTelemetry', { meter }, measureOptions);

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
export function openTelemetry(meter: OpenTelemetryMeter, options: MeasureOptions = {}): Callback {
  const read = readOpenTelemetry(arguments);
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
