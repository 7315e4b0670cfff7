// compare.ts: how far our values are from PyTorch's in f64, tensor by tensor.
import type { Values } from './ours.ts';

/** What PyTorch computes in f64, and how far its own f32 is from that, by the names of `Values`. */
export interface Truth {
  readonly values: ReadonlyMap<string, ArrayLike<number>>;
  readonly errors: Readonly<Record<string, number>>;
}

export interface Difference {
  readonly name: string;
  /** Norm of the difference over the norm of the truth. */
  readonly error: number;
  readonly limit: number;
}

export function compare(ours: Values, truth: Truth): Difference[] {
  const names = [...truth.values.keys()];
  const missing = [...names.filter((n) => !ours.has(n)), ...[...ours.keys()].filter((n) => !truth.values.has(n))];
  if (missing.length > 0) throw new Error(`one side has not ${missing.join(', ')}`);
  return names.map((name) => {
    const error = normwise(name, ours.get(name)!, truth.values.get(name)!);
    return { name, error, limit: Math.max(1e-5, 2 * truth.errors[name]!) };
  });
}

function normwise(name: string, got: ArrayLike<number>, want: ArrayLike<number>): number {
  if (got.length !== want.length) throw new Error(`${name}: expected ${want.length} elements, got ${got.length}`);
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < want.length; i++) {
    difference += (got[i]! - want[i]!) ** 2;
    norm += want[i]! ** 2;
  }
  return difference === 0 ? 0 : Math.sqrt(difference / norm);
}
