// streaming.ts: metrics over arrays, batch by batch: each is the function of its name, run on the arrays.
import { OptionError } from '../errors.ts';
import type { Tensor } from '../ir/graph.ts';
import { show } from '../options.ts';
import type { Aggregate, Checked, Metric, Sums, Values } from './aggregate.ts';
import { ArrayRun, type Batch, Totals } from './arrays.ts';

/** A batch, and the function that measures it, which depends on its shape and the metric's own options. */
export interface Reading<M extends Checked = Checked> {
  readonly batch: Batch;
  readonly build: (x: Tensor, y: Tensor) => M;
}

/** What all have: batches are read, measured in a graph, and taken up. */
export abstract class Streaming<R = number, M extends Checked = Checked> implements Metric<R> {
  /** Of the class, for errors. */
  protected readonly op: string;
  readonly #options: string;
  readonly #measuring = new ArrayRun<M>();

  /** @param options what two that are merged have in common */
  constructor(op: string, options: object) {
    this.op = op;
    this.#options = Object.entries(options)
      .map(([key, value]) => `${key}: ${value}`)
      .sort()
      .join(', ');
  }

  update(predictions: Values, targets: Values): this {
    const { batch, build } = this.read(predictions, targets);
    if (batch.rows === 0) return this;
    const { sums, measured } = this.#measuring.run(batch, build);
    this.take(sums, measured);
    return this;
  }
  merge(other: this): this {
    const same = this.constructor;
    if (!(other instanceof same) || other.constructor !== same) {
      throw new OptionError(
        `${this.op}: merge: expected another ${this.op}, got ${other instanceof Streaming ? other.op : show(other)}`,
      );
    }
    if (other.#options !== this.#options) {
      throw new OptionError(`${this.op}: merge: expected one with the same options (${this.#options}), got (${other.#options})`);
    }
    this.join(other);
    return this;
  }
  abstract result(): R;
  abstract reset(): this;
  protected abstract read(predictions: Values, targets: Values): Reading<M>;
  protected abstract take(sums: Sums, measured: M): void;
  protected abstract join(other: this): void;
}

/** Those whose sums are added up as `evaluate` does. */
export abstract class Summing extends Streaming {
  #totals = new Totals();
  #metric: Aggregate | null = null;

  protected take(sums: Sums, { metric }: Checked): void {
    this.#metric = metric;
    this.#totals.add(metric, sums);
  }
  result(): number {
    return this.#metric ? this.#metric.finish(this.#totals.sums()) : Number.NaN;
  }
  reset(): this {
    this.#totals = new Totals();
    this.#metric = null;
    return this;
  }
  protected join(other: this): void {
    if (!other.#metric) return;
    this.#metric = other.#metric;
    this.#totals.add(other.#metric, other.#totals.sums());
  }
}
