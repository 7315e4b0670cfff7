// prometheus.ts: `callbacks.prometheus`: what runs do as metrics in a registry of prom-client, which the caller has.
import { OptionError } from '../errors.ts';
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
import { PrometheusMetric } from './prometheus-metric.ts';
import { sink } from './sink.ts';

/** What is used of a `Registry` of prom-client. */
export interface PrometheusRegistry {
  /** The metric of a name, if there is one. */
  getSingleMetric(name: string): unknown;
  /** Takes a metric, which then is in what `metrics()` gives. */
  registerMetric(metric: object): void;
}

const registry: Field<PrometheusRegistry> = custom('a Registry of prom-client', (value, place) => {
  const { getSingleMetric, registerMetric } = (value ?? {}) as Partial<PrometheusRegistry>;
  if (typeof getSingleMetric === 'function' && typeof registerMetric === 'function') return value as PrometheusRegistry;
  throw place.wrong('a Registry of prom-client', value);
});

const readPrometheus = signature('callbacks.prometheus', { registry }, measureOptions);

/**
 * Count what runs do, for Prometheus: metrics in a registry of prom-client 14 or 15, `gradclip_train_...`. Counters: `steps_total`, `clipped_steps_total`,
 * `skipped_steps_total`, `epochs_total`, `runs_total`, `failed_runs_total`, `guard_events_total`, `warnings_total`. Gauges: `loss`, `learning_rate`, `threshold`,
 * `step` (updates since the training began, whichever process did them), `last_step_timestamp_seconds`, `running`, and `validation_loss` with metrics beside
 * it. Histograms: `grad_norm` before the clip, `step_seconds`. Counters count from 0 in each process, as Prometheus expects it.
 *
 * ```ts
 * import { register } from 'prom-client';
 * await trainer.fit(data, { callbacks: [callbacks.prometheus(register, { labels: { model: 'prices' } })] });
 * ```
 *
 * One registry takes the runs of several trainers, also at once: give them labels, else they add up. The metrics are made when a run begins, and stay.
 * @throws OptionError; by a run, before its first step, where the registry has a metric of such a name that somebody else has made, or one with other buckets
 * @see gradclip: prom-client knows nothing of training
 */
export function prometheus(registry: PrometheusRegistry, options: MeasureOptions = {}): Callback {
  const read = readPrometheus(arguments);
  const where = 'callbacks.prometheus';
  const given = labelsOf(read.labels);
  return sink({ where, ifFails: read.ifFails }, (run) => {
    // All are looked at first: where one is refused, the registry stays as it is.
    const metrics = new Map(
      measuresOf(where, run, nameOf).map((measure) => {
        const bounds = measure.kind === 'histogram' ? boundsOf(measure, read) : [];
        const metric = metricIn(registry, nameOf(measure), bounds) ?? new PrometheusMetric(nameOf(measure), measure, bounds);
        return [measure.name, metric] as const;
      }),
    );
    for (const metric of metrics.values()) if (!registry.getSingleMetric(metric.name)) registry.registerMetric(metric);
    const of = ({ name }: Measure): PrometheusMetric => metrics.get(name)!;
    const to: Instruments = {
      add: (measure, n) => of(measure).add(given, n),
      set: (measure, value) => of(measure).set(given, value),
      record: (measure, value, n) => of(measure).record(given, value, n),
    };
    return measuring(run, to);
  });
}

/** Letters, digits and `_`; of counters, with what Prometheus wants at their end. */
function nameOf({ name, kind }: Measure): string {
  return `gradclip_train_${name.replaceAll(/[^a-zA-Z0-9_]/g, '_')}${kind === 'counter' ? '_total' : ''}`;
}

/** The one of ours that is there; null: there is none. @throws OptionError where there is another */
function metricIn(registry: PrometheusRegistry, name: string, bounds: readonly number[]): PrometheusMetric | null {
  const there = registry.getSingleMetric(name);
  if (there === undefined || there === null) return null;
  const ours = PrometheusMetric.isOne(there);
  if (ours && String(there.bounds) === String(bounds)) return there;
  const how = ours
    ? 'with other buckets: give both runs the same'
    : 'which another part of the program has made: give a registry of its own';
  throw new OptionError(`callbacks.prometheus: the registry has a metric ${name} already, ${how}`, { value: name });
}
