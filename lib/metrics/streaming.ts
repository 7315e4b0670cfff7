// streaming.ts: metrics over arrays, batch by batch: each is the function of its name, run on the arrays.
import { printAs } from '../errors/inspect.ts';
import { OptionError } from '../errors.ts';
import type { Tensor } from '../ir/graph.ts';
import { shape } from '../ops/args.ts';
import { custom, type Field, type OptionsField, optionsOnly, type Reader, show, signature } from '../options/index.ts';
import type { Aggregate, Checked, Metric, Sums, Values } from './aggregate.ts';
import { ArrayRun, type Batch, Totals } from './arrays.ts';

/** A batch, and the function that measures it, which depends on its shape and the metric's own options. */
export interface Reading<M extends Checked = Checked> {
  readonly batch: Batch;
  readonly build: (x: Tensor, y: Tensor) => M;
}

const isArray = (x: unknown): boolean => Array.isArray(x) || (ArrayBuffer.isView(x) && !(x instanceof DataView));
const VALUES = 'numbers in an array, or { data, shape }';
const values: Field<Values> = custom(VALUES, (value, place) => {
  if (isArray(value)) return value as Values;
  const { data, shape: dims } = (value ?? {}) as { readonly data?: unknown; readonly shape?: unknown };
  if (typeof value !== 'object' || !isArray(data)) throw place.wrong(VALUES, value);
  shape.read(dims, place.key('shape'));
  return value as Values;
});
const another: Field<unknown> = custom('a metric', (value, place) => {
  if (!(value instanceof Streaming)) throw place.wrong('a metric', value);
  return value;
});

/** A class of metrics: its name, and the readers of what it and its methods take. */
export interface Kind<O> {
  readonly name: string;
  readonly made: Reader<Record<never, never>, O>;
  readonly update: Reader<{ readonly predictions: Field<Values>; readonly targets: Field<Values> }, unknown>;
  readonly merge: Reader<{ readonly other: Field<unknown> }, unknown>;
  readonly result: Reader<Record<never, never>, unknown>;
  readonly reset: Reader<Record<never, never>, unknown>;
}
export const kind = <O, V>(name: string, options: OptionsField<O, V>): Kind<V> => ({
  name,
  made: optionsOnly(`metrics.${name}`, options),
  update: signature(`metrics.${name}.update`, { predictions: values, targets: values }),
  merge: signature(`metrics.${name}.merge`, { other: another }),
  result: signature(`metrics.${name}.result`, {}),
  reset: signature(`metrics.${name}.reset`, {}),
});

/** What all have: batches are read, measured in a graph, and taken up. */
export abstract class Streaming<R = number, M extends Checked = Checked> implements Metric<R> {
  protected readonly kind: Kind<object>;
  /** Of the class, for errors. */
  protected readonly op: string;
  readonly #options: string;
  readonly #measuring = new ArrayRun<M>();

  /** @param read the options: what two that are merged have in common */
  constructor(kind: Kind<object>, read: object) {
    this.kind = kind;
    this.op = kind.name;
    this.#options = Object.entries(read)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${key}: ${value}`)
      .sort()
      .join(', ');
  }

  static {
    printAs<Streaming<unknown>>(Streaming, function (inspect) {
      return `${this.op}(${this.#options}): ${inspect(this.result())}`;
    });
  }

  update(predictions: Values, targets: Values): this {
    this.kind.update(arguments);
    const { batch, build } = this.read(predictions, targets);
    if (batch.rows === 0) return this;
    const { sums, measured } = this.#measuring.run(batch, build);
    this.take(sums, measured);
    return this;
  }
  merge(other: this): this {
    this.kind.merge(arguments);
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

/** How arrays are read as a batch, under the name of the class. */
export type Read = (op: string, predictions: Values, targets: Values) => Reading;

/** Those whose sums are added up as `evaluate` does. */
export abstract class Summing extends Streaming {
  readonly #read: Read;
  #totals = new Totals();
  #metric: Aggregate | null = null;

  constructor(kind: Kind<object>, options: object, read: Read) {
    super(kind, options);
    this.#read = read;
  }

  protected read(predictions: Values, targets: Values): Reading {
    return this.#read(this.op, predictions, targets);
  }
  protected take(sums: Sums, { metric }: Checked): void {
    this.#metric = metric;
    this.#totals.add(metric, sums);
  }
  result(): number {
    this.kind.result(arguments);
    return this.#metric ? this.#metric.finish(this.#totals.sums()) : Number.NaN;
  }
  reset(): this {
    this.kind.reset(arguments);
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
