// rules.ts: how clip.auto spends its budget. Chosen on the laboratory's networks (`gradclip lab --policies auto` shows what it comes to), and then tried on
// twelve that were held out (`--workloads held-out`).

/** Lengths and places are shares of the run. */
export interface TunerRules {
  /** How long the scout looks at gradients of the first weights. */
  readonly scout: number;
  /** When thresholds race first. */
  readonly begin: number;
  /** Factors of that race, of the one that just bites, in falling order; how long its legs are, and how many go on after each. */
  readonly first: readonly number[];
  readonly legs: readonly number[];
  readonly keep: readonly number[];
  /** When the threshold of now races against a guard by the norms of now, and how long. */
  readonly again: readonly number[];
  readonly leg: number;
  /** The last race: one branch holds its threshold, that of the other falls to 0 in so many pieces. */
  readonly last: number;
  readonly pieces: number;
  /**
   * A larger threshold may be behind by this share of what has been gained so far, at the beginning of the run, and by less and less. Small thresholds
   * gain at once, as small learning rates do, and lose later.
   */
  readonly tolerance: number;
  /** And by so many standard errors of the difference, but no more than this share of the loss at the start. */
  readonly errors: number;
  readonly noise: number;
  /** A threshold of so many medians of the norms guards against spikes, and follows the norms, looked at so often. */
  readonly guard: number;
  readonly watch: number;
  /** It rises to so many times what the last race has chosen, and no further: norms that explode must not carry it with them. */
  readonly rise: number;
  /** Norms that the median is of. */
  readonly recent: number;
  /** Of the losses of a leg, the last part counts; of differences, the smallest and the largest do not. */
  readonly tail: number;
  readonly trim: number;
}

export const RULES: TunerRules = {
  scout: 0.01,
  begin: 0,
  first: [1.2, 0.4, 0.13],
  legs: [0.015, 0.025],
  keep: [2, 1],
  again: [0.15, 0.35],
  leg: 0.015,
  last: 0.2,
  pieces: 10,
  tolerance: 0.2,
  errors: 1,
  noise: 0.02,
  guard: 1.2,
  watch: 0.025,
  rise: 2,
  recent: 60,
  tail: 0.6,
  trim: 0.15,
};

/** The budget that the rules are for; another one stretches their lengths. */
export const USUAL_BUDGET = 0.3;
