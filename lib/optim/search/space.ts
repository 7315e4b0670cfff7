// space.ts: what a search asks of who performs it: evaluations of loss and gradient, and work on vectors as long as all parameters together.

/** How a search goes about it. */
export interface SearchRule {
  /** Iterations of a step at most. */
  readonly maxIter: number;
  /** Evaluations of a step, after which it ends. */
  readonly maxEval: number;
  /** A step ends where no element of the gradient is larger. */
  readonly toleranceGrad: number;
  /** A step ends where loss or parameters change by less. */
  readonly toleranceChange: number;
  /** Pairs of steps and changes of the gradient that it remembers. */
  readonly historySize: number;
  /** How far an iteration goes. */
  readonly lineSearch: 'none' | 'strongWolfe';
}

/** What was found where the parameters are now; the gradient is vector `g`. */
export interface Evaluated {
  /** Infinity where loss or gradient are not finite. */
  readonly loss: number;
  /** Of the loss along `d`. */
  readonly slope: number;
  /** The largest absolute value of the gradient. */
  readonly largest: number;
}

/** What counts where loss or gradient are not finite. */
export const INFINITELY_BAD: Evaluated = {
  loss: Number.POSITIVE_INFINITY,
  slope: Number.NaN,
  largest: Number.POSITIVE_INFINITY,
};

/** Where a gradient lies: that of the last evaluation, that of where the iteration began, and two that a line search keeps. */
export type Place = 'g' | 'prev' | 'a' | 'b';

/** Work on vectors. Pairs are given in an order of their own: s is a step, y the change of the gradient over it. */
export type Task =
  /** The first pair becomes s = t d, y = g - prev; then d = -g. Gives `ys` and `yy`. Numbers: `t`. */
  | { readonly kind: 'pair' }
  /** d = -g. */
  | { readonly kind: 'downhill' }
  /** For pairs from the newest on: alpha = rho (s d), d -= alpha y. Numbers: `rho.0` and so on; gives `alpha.0` and so on. */
  | { readonly kind: 'down'; readonly pairs: number }
  /** d *= scale; for pairs from the oldest on: d += s (alpha - rho (y d)). Numbers: `scale`, `rho.0`, `alpha.0` and so on. */
  | { readonly kind: 'up'; readonly pairs: number }
  /** prev = g, start = the parameters. Gives `slope` of g along d, `largest` of d, and `sum` of absolute values of g. */
  | { readonly kind: 'begin' }
  /** The parameters become start + t d. Numbers: `t`. */
  | { readonly kind: 'move' }
  /** The parameters become start. */
  | { readonly kind: 'back' }
  /** One gradient becomes another. */
  | { readonly kind: 'copy'; readonly from: Place; readonly to: Place };

export type Numbers = Readonly<Record<string, number>>;

/** Who performs a search: generators that yield what is to be done now or later. */
export interface Space<E> {
  evaluate(): Generator<E, Evaluated, unknown>;
  /** @param pairs by their places in memory, in the order in which the task takes them */
  do(task: Task, numbers?: Numbers, pairs?: readonly number[]): Generator<E, Numbers, unknown>;
}

/** Pairs that one task takes: each is some operations, and what is compiled for them. */
export const MOST_PAIRS = 16;
