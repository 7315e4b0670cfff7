// pool-attrs.ts: the attributes of pooling and its gradients.
import type { Pair } from './windows.ts';

/** Elements `from` to below `end` of a dimension, and for how many they count. Neither falls from one window to the next. */
export type Span = readonly [from: number, end: number, count: number];

/** A window is a span of rows by a span of columns, so both kinds of average pooling are lists of spans. */
export interface AvgPoolAttrs {
  readonly rows: readonly Span[];
  readonly columns: readonly Span[];
  /** What to divide by in place of the counts; 0: the counts. */
  readonly divisor: number;
}
export interface AvgPoolGradAttrs extends AvgPoolAttrs {
  /** Height and width of x. */
  readonly size: Pair;
}

export interface MaxPoolAttrs {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly dilation: Pair;
  readonly ceil: boolean;
  /** Of relu(x), which is relu of the largest of x; no gradient where that is not above 0. */
  readonly relu: boolean;
}
export interface MaxPoolGradAttrs extends MaxPoolAttrs {
  /** Height and width of x. */
  readonly size: Pair;
}
