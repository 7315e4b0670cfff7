// opentelemetry.test.ts: instruments of a real meter of OpenTelemetry: its in-memory exporter has what the reports of runs have, with names and units.
import {
  AggregationTemporality,
  DataPointType,
  type HistogramMetricData,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
  type SumMetricData,
} from '@opentelemetry/sdk-metrics';
import { expect, it } from 'vitest';
import { callbacks, clip } from '../../lib/index.ts';
import { data, make, seeing, validation } from './kit.ts';

/** A meter, and what was exported of it last. */
function metering() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  const exported = async () => {
    await reader.forceFlush();
    return exporter.getMetrics().at(-1)!.scopeMetrics[0]!.metrics;
  };
  return { meter: provider.getMeter('training'), exported, end: () => provider.shutdown() };
}

it.each(['fit', 'fitSync'] as const)('%s: what the exporter has is what the reports have', async (how) => {
  const { meter, exported, end } = metering();
  const { seen, callback } = seeing();
  using trainer = make({ clip: clip.globalNorm(0.4) });
  const labels = { model: 'prices' };
  await trainer[how](data, { epochs: 2, validation, callbacks: [callback, callbacks.openTelemetry(meter, { labels })] });
  const all = await exported();
  const of = (name: string) => all.find((m) => m.descriptor.name === `gradclip.train.${name}`)!;
  const value = (name: string): unknown => of(name).dataPoints[0]!.value;
  const { reports } = seen;
  expect(value('steps')).toBe(14);
  expect(value('clipped_steps')).toBe(reports.filter((r) => r.clipped).length);
  expect([value('epochs'), value('runs'), value('failed_runs'), value('running')]).toEqual([2, 1, 0, 0]);
  expect([value('loss'), value('learning_rate'), value('threshold'), value('step')]).toEqual([
    reports.at(-1)!.loss,
    0.05,
    0.4,
    14,
  ]);
  expect(value('validation.loss')).toBe(seen.validations.at(-1)!.loss);
  expect(of('steps').dataPoints[0]!.attributes).toEqual(labels);
  expect((of('steps') as SumMetricData).isMonotonic).toBe(true);
  expect((of('running') as SumMetricData).isMonotonic).toBe(false);
  expect(of('loss').dataPointType).toBe(DataPointType.GAUGE);
  expect([of('steps').descriptor.unit, of('step_seconds').descriptor.unit]).toEqual(['{step}', 's']);
  const { count, sum, buckets } = (of('grad_norm') as HistogramMetricData).dataPoints[0]!.value;
  expect(count).toBe(14);
  expect(sum).toBeCloseTo(
    reports.reduce((total, r) => total + r.norm, 0),
    10,
  );
  expect(buckets.boundaries).toEqual(Array.from({ length: 25 }, (_, i) => 2 ** (i - 10)));
  expect(buckets.counts).toEqual(
    [...buckets.boundaries, Infinity].map((end, i) => {
      const from = buckets.boundaries[i - 1] ?? -Infinity;
      return reports.filter((r) => r.norm <= end && r.norm > from).length;
    }),
  );
  expect((of('step_seconds') as HistogramMetricData).dataPoints[0]!.value.count).toBe(14);
  await end();
});

it('several trainers of one meter: by their labels, and from fit to fit', async () => {
  const { meter, exported, end } = metering();
  using one = make();
  using two = make();
  const [a, b] = ['a', 'b'].map((model) => callbacks.openTelemetry(meter, { labels: { model } }));
  await Promise.all([one.fit(data, { steps: 5, callbacks: [a!] }), two.fit(data, { steps: 7, callbacks: [b!] })]);
  await one.fit(data, { steps: 2, callbacks: [a!] });
  const points = (await exported()).find((m) => m.descriptor.name === 'gradclip.train.steps')!.dataPoints;
  expect(Object.fromEntries(points.map(({ attributes, value }) => [attributes.model, value]))).toEqual({ a: 7, b: 7 });
  await end();
});

it('what is no meter, and one that is too old', () => {
  expect(() => callbacks.openTelemetry({} as never)).toThrow(
    'argument meter: expected a Meter of @opentelemetry/api, 1.9 or later',
  );
  const old = { createCounter() {}, createUpDownCounter() {}, createHistogram() {} };
  expect(() => callbacks.openTelemetry(old as never)).toThrow(/which has no createGauge/);
});
