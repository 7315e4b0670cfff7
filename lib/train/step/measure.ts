// measure.ts: how what is measured of batches becomes numbers of a data set: means over rows, or sums that are finished at the end.
import { OptionError, ShapeError } from '../../errors.ts';
import { type Graph, Tensor } from '../../ir/graph.ts';
import { sizeOf, typeName } from '../../ir/op.ts';
import type { Aggregate } from '../../metrics/aggregate.ts';
import { cast } from '../../ops/elementwise/elementwise.ts';
import { show } from '../../options/index.ts';
import { partsOf } from './weighing.ts';

/** One measured number: the columns of a report it is made of. */
export interface TracedMetric {
  readonly name: string;
  readonly columns: readonly MetricColumn[];
  finish(sums: Readonly<Record<string, Float64Array>>): number;
}
export interface MetricColumn {
  /** Name of the report's column, and by which `finish` knows it. */
  readonly column: string;
  readonly key: string;
  readonly elements: number;
  /** `rows`: summed, times the rows of the batch; `sum`: summed; `keep`: one batch's after the other's. */
  readonly kind: 'rows' | 'sum' | 'keep';
}

/** Make columns of what a loss or metric gave. */
export function measure(graph: Graph, name: string, given: Tensor | Aggregate): TracedMetric {
  const known = given instanceof Tensor || typeof (given as Aggregate | null)?.finish === 'function';
  checkTraced(name, 'a scalar Tensor, or what metrics such as metrics.f1 give', given, known);
  const column = (key: string, t: Tensor, kind: MetricColumn['kind']): MetricColumn => {
    const column = kind === 'rows' ? name : `${name}/${key}`;
    checkTraced(`${name}: ${key}`, 'a tensor of f64', t, t instanceof Tensor);
    if (t.dtype !== 'f64') throw new ShapeError(`${name}: expected f64 for ${key}, got ${typeName(t.type)}`, { name });
    graph.output(column, t);
    return { column, key, elements: sizeOf(t.shape), kind };
  };
  if (given instanceof Tensor) {
    // Of integers, too: how many labels are right.
    const parts = partsOf(scalar(name, given.shape.length === 0 ? cast(given, 'f64') : given));
    const faults = parts.flatMap((p) => (p.count ? p.faults : []));
    const columns = parts.map((p, i) =>
      p.count ? [column(`total ${i}`, p.total, 'sum'), column(`count ${i}`, p.count, 'sum')] : [column('mean', p.mean, 'rows')],
    );
    const found = faults.map((fault, i) => column(`fault ${i}`, fault.found, 'keep'));
    const finish: TracedMetric['finish'] = (values) => {
      for (const [i, fault] of faults.entries()) fault.check(values[`fault ${i}`]!);
      return (
        columns
          .map((list) => list.map(({ key }) => values[key]![0]!) as [number, number?])
          // Where nothing counts, the sum itself, as in a batch.
          .reduce((sum, [total, count = 1]) => sum + total / (count === 0 ? 1 : count), 0)
      );
    };
    return { name, columns: [...columns.flat(), ...found], finish };
  }
  const columns = [
    ...Object.entries(given.summed ?? {}).map(([key, t]) => column(key, t, 'sum')),
    ...Object.entries(given.kept ?? {}).map(([key, t]) => column(key, t, 'keep')),
  ];
  return { name, columns, finish: given.finish };
}

/** What a loss or metric gave, if it is one of what it may give. @throws OptionError */
export function checkTraced<T>(name: string, expected: string, given: T, fits: boolean): T {
  if (fits) return given;
  const promise = typeof (given as { then?: unknown } | null)?.then === 'function';
  // Nobody waits for it: what it rejects with would end the process.
  if (promise) (given as PromiseLike<unknown>).then(undefined, () => {});
  const hint = promise
    ? '; a model is traced, not run: there is nothing to wait for'
    : given === undefined
      ? '; is a return missing?'
      : '';
  throw new OptionError(`${name}: expected ${expected}, got ${show(given)}${hint}`, { name });
}

/** A loss or metric as f64. @throws OptionError if it is no tensor; ShapeError if it is no scalar */
export function scalar(name: string, given: Tensor): Tensor {
  const t = checkTraced(name, 'a scalar Tensor', given, given instanceof Tensor);
  if (t.shape.length !== 0 || (t.dtype !== 'f32' && t.dtype !== 'f64')) {
    throw new ShapeError(`${name}: expected a scalar of f32 or f64, got ${typeName(t.type)}`, { name });
  }
  return t.dtype === 'f64' ? t : cast(t, 'f64');
}

/** The sums over all batches seen so far. */
export class Gathering {
  readonly #summed = new Map<string, Float64Array>();
  readonly #kept = new Map<string, number[]>();
  #rows = 0;
  #measured: readonly TracedMetric[] = [];

  /**
   * @param at values of a column of the batch
   * @throws ShapeError if what is summed is not of one size in all batches
   */
  add(measured: readonly TracedMetric[], rows: number, at: (column: string, elements: number) => Float64Array): void {
    this.#measured = measured;
    this.#rows += rows;
    for (const { name, column, key, elements, kind } of measured.flatMap((m) => m.columns.map((c) => ({ ...c, name: m.name })))) {
      const values = at(column, elements);
      if (kind === 'keep') {
        const kept = this.#kept.get(column) ?? [];
        for (const v of values) kept.push(v);
        this.#kept.set(column, kept);
        continue;
      }
      const sums = this.#summed.get(column) ?? new Float64Array(elements);
      if (sums.length !== elements) {
        const text = `${name}: expected ${key} to have one size in all batches, got ${sums.length} and ${elements}: sum over rows, or keep them`;
        throw new ShapeError(text, { name, key });
      }
      const weight = kind === 'rows' ? rows : 1;
      for (let i = 0; i < elements; i++) sums[i]! += weight * values[i]!;
      this.#summed.set(column, sums);
    }
  }

  /** Loss and metrics by name. */
  finish(): Record<string, number> {
    const of = ({ column, kind }: MetricColumn): Float64Array => {
      if (kind === 'keep') return Float64Array.from(this.#kept.get(column)!);
      const sums = this.#summed.get(column)!;
      return kind === 'rows' ? sums.map((v) => v / this.#rows) : sums;
    };
    return Object.fromEntries(
      this.#measured.map(({ name, columns, finish }) => {
        const value: unknown = finish(Object.fromEntries(columns.map((c) => [c.key, of(c)])));
        if (typeof value === 'number') return [name, value];
        throw new OptionError(`${name}: finish: expected a number, got ${show(value)}`, { name });
      }),
    );
  }
}
