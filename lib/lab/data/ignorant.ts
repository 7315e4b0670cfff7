// ignorant.ts: what those lose on a set of data who know nothing but the best constant: computed from the set.

import { DataError } from '../../errors.ts';
import { log } from '../../math/index.ts';
import type { LabSet } from '../workload.ts';

/** The numbers of one array of a set, flat. */
export function numbersOf(set: LabSet, name: string): ArrayLike<number> {
  const found =
    'trace' in set && typeof set.trace === 'function'
      ? (set as { data: ReadonlyMap<string, unknown> }).data.get(name)
      : (set as Record<string, unknown>)[name];
  const data = ArrayBuffer.isView(found) ? found : (found as { readonly data?: unknown } | undefined)?.data;
  if (!ArrayBuffer.isView(data)) throw new DataError(`lab: expected an array ${name} in a workload's data`, { name });
  return data as unknown as ArrayLike<number>;
}

/** Cross-entropy of classes whose shares are known: their entropy, in nats. */
export function entropy(labels: ArrayLike<number>): number {
  const counts = new Map<number, number>();
  for (let i = 0; i < labels.length; i++) counts.set(labels[i]!, (counts.get(labels[i]!) ?? 0) + 1);
  let sum = 0;
  for (const count of counts.values()) sum -= (count / labels.length) * log(count / labels.length);
  return sum;
}

/** Mean square of what differs from the mean of its column. @param columns of a row */
export function variance(targets: ArrayLike<number>, columns = 1): number {
  let sum = 0;
  const rows = targets.length / columns;
  for (let c = 0; c < columns; c++) {
    let mean = 0;
    for (let r = 0; r < rows; r++) mean += targets[r * columns + c]!;
    mean /= rows;
    for (let r = 0; r < rows; r++) sum += (targets[r * columns + c]! - mean) * (targets[r * columns + c]! - mean);
  }
  return sum / targets.length;
}

/** Of a workload whose targets are classes, y. */
export const ofClasses = ({ test }: { readonly test: LabSet }): number => entropy(numbersOf(test, 'y'));
/** Of a workload of one target, y. */
export const ofNumbers = ({ test }: { readonly test: LabSet }): number => variance(numbersOf(test, 'y'));
/** Of a text. */
export const ofText = ({ test }: { readonly test: LabSet }): number => entropy(numbersOf(test, 'tokens'));
