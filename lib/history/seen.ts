// seen.ts: what the rules of the warnings go by.
import type { History } from './history.ts';
import type { Learning } from './learning.ts';
import type { Tail } from './tail.ts';

export interface Seen {
  readonly history: History;
  /** Indices of the steps looked at. */
  readonly at: readonly number[];
  readonly rate: number;
  readonly norms: Readonly<Record<'median' | 'p99' | 'max', number>>;
  /** Norms over the median of their tenth of the steps. */
  readonly spread: readonly number[];
  readonly tail: Tail | null;
  /** Whether the norms have a heavy tail. */
  readonly isHeavy: boolean;
  readonly learning: Learning;
  /** The quantile of the norms for the wanted rate, whether it is advice or not. */
  readonly wanted: number;
  /** For the wanted rate; null where there is none to give. */
  readonly threshold: number | null;
  readonly eps: number | undefined;
  readonly elements: number | undefined;
}
