// prometheus-metric.ts: a metric as a registry of prom-client takes it, made without prom-client: name, help, kind, and its values whenever it is asked.
import type { Measure } from './measures.ts';

export type Labels = Readonly<Record<string, string>>;

/** How prom-client puts together what the processes of a cluster have. */
type Aggregator = 'sum' | 'average';

/** A value as a registry writes it. */
interface Sample {
  readonly labels: Record<string, string | number>;
  readonly value: number;
  /** Of a histogram: its name with `_bucket`, `_sum` or `_count`. */
  readonly metricName?: string;
}

/** What the runs of the same labels have. */
interface Series {
  readonly labels: Labels;
  /** Of counters and gauges; null: a gauge that was not set. */
  value: number | null;
  /** Of a histogram: how many are in each bucket and in none of those before it; the last has those beyond all. */
  readonly counts: number[];
  sum: number;
}

const OURS = 'gradclip 1';

export class PrometheusMetric {
  /** Which registries change: OpenMetrics has no `_total` in the name of a counter. */
  name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly aggregator: Aggregator;
  /** Upper ends of the buckets of a histogram. */
  readonly bounds: readonly number[];
  /** Tells a metric of ours, also one of another copy of the library. */
  readonly madeBy: string = OURS;
  readonly #series = new Map<string, Series>();

  constructor(name: string, { kind, help }: Measure, bounds: readonly number[]) {
    this.name = name;
    this.help = help;
    this.type = kind === 'updown' ? 'gauge' : kind;
    // The loss of two processes is not the sum of both.
    this.aggregator = kind === 'gauge' ? 'average' : 'sum';
    this.bounds = bounds;
  }

  static isOne(metric: unknown): metric is PrometheusMetric {
    return (metric as { readonly madeBy?: unknown } | null | undefined)?.madeBy === OURS;
  }

  add(labels: Labels, n: number): void {
    const series = this.#of(labels);
    series.value = (series.value ?? 0) + n;
  }

  set(labels: Labels, value: number): void {
    this.#of(labels).value = value;
  }

  record(labels: Labels, value: number, n: number): void {
    const series = this.#of(labels);
    let bucket = 0;
    while (bucket < this.bounds.length && value > this.bounds[bucket]!) bucket++;
    series.counts[bucket]! += n;
    series.sum += value * n;
  }

  /** What a registry asks for. */
  async get(): Promise<{ name: string; help: string; type: string; aggregator: string; values: Sample[] }> {
    const { name, help, type, aggregator } = this;
    return { name, help, type, aggregator, values: [...this.#series.values()].flatMap((series) => this.#samples(series)) };
  }

  /** `registry.resetMetrics()`: what counts begins at 0 again, what was set is not any more. */
  reset(): void {
    this.#series.clear();
  }

  #samples({ labels, value, counts, sum }: Series): Sample[] {
    if (this.type !== 'histogram') return value === null ? [] : [{ labels: { ...labels }, value }];
    let below = 0;
    const buckets = counts.map((n, i) => {
      below += n;
      const le = i < this.bounds.length ? this.bounds[i]! : '+Inf';
      return { labels: { le, ...labels }, value: below, metricName: `${this.name}_bucket` };
    });
    const rest = { labels: { ...labels } };
    return [
      ...buckets,
      { ...rest, value: sum, metricName: `${this.name}_sum` },
      { ...rest, labels: { ...labels }, value: below, metricName: `${this.name}_count` },
    ];
  }

  #of(labels: Labels): Series {
    const key = JSON.stringify(labels);
    let series = this.#series.get(key);
    if (!series) {
      series = { labels, value: null, counts: new Array<number>(this.bounds.length + 1).fill(0), sum: 0 };
      this.#series.set(key, series);
    }
    return series;
  }
}
