// rules.ts: how clip.auto spends its budget. Chosen on the laboratory's workloads (`npm run -s measure:auto` shows what they come to), and held to others.

export interface TunerRules {
  /** How long the scout looks at gradients of the first weights; like all lengths here, as a share of the run. */
  readonly scout: number;
  /** When thresholds race first. */
  readonly begin: number;
  /** Factors of the first race, of the one that just bites, in falling order. */
  readonly first: readonly number[];
  /** How long its legs are, and how many go on after each. */
  readonly legs: readonly number[];
  readonly keep: readonly number[];
  /** When the threshold races against others, how long, and these, of the factor that just bites by then. */
  readonly again: readonly number[];
  readonly leg: number;
  readonly around: readonly number[];
  /** The last race: one branch holds its threshold, the threshold of the other falls to 0 in so many pieces. */
  readonly last: number;
  readonly pieces: number;
  /** A larger threshold may be behind by this share of what has been gained so far: at the beginning of the run, and less and less. */
  readonly tolerance: number;
  /** And by so many standard errors of the difference, but no more than this share of the loss at the start. */
  readonly errors: number;
  readonly noise: number;
  /** A threshold at so many medians of the norms guards against spikes, and follows the norms, looked at so often. */
  readonly guard: number;
  readonly watch: number;
  /** It rises to so many times what the last race has chosen, and no further. */
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
  first: [1.5, 0.5, 0.16, 0.05],
  legs: [0.01, 0.01, 0.025],
  keep: [3, 2, 1],
  again: [0.25, 0.55],
  leg: 0.015,
  around: [1.5, 0.4],
  last: 0.14,
  pieces: 10,
  tolerance: 0.2,
  errors: 1,
  noise: 0.02,
  guard: 1.5,
  watch: 0.025,
  rise: 2,
  recent: 60,
  tail: 0.6,
  trim: 0.15,
};

/** The budget that the rules are for; another one stretches their lengths. */
export const USUAL_BUDGET = 0.3;
