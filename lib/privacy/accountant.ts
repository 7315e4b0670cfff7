// accountant.ts: what users have: epsilon of a training that is planned or under way, the noise for an epsilon, and how many more steps a budget has.
import { printAs } from '../errors/inspect.ts';
import { exp, log } from '../math/index.ts';
import { choice, list, number, object, options, optionsOnly, Place, show, signature, whole } from '../options/index.ts';
import { lowerEpsilon, ROUGHLY, upperEpsilon } from './pld.ts';
import { composed, curveOf, epsilonOf, ORDERS, type Phase, restOf } from './rdp.ts';

/**
 * How epsilon is computed: `'rdp'`, Rényi differential privacy with the improved conversion, in milliseconds; or `'pld'`, the distribution of the privacy
 * loss itself, often 5 to 40 percent less, in tenths of a second. Both are bounds: the true epsilon is no larger.
 */
export type AccountantName = 'rdp' | 'pld';

/** A number of steps that are alike, as `privacy.epsilon` and `privacy.Accountant.add` take it. */
export interface PrivacySteps {
  /** The probability with which a row is in a batch: the expected batch over the rows there are. */
  readonly q: number;
  /** Noise as a multiple of the clip: the standard deviation of what is added to the sum of clipped gradients, over the clip. 0: none. */
  readonly sigma: number;
  /** How many steps, whatever came of them: steps of an empty batch, or that were skipped, count. */
  readonly steps: number;
}

/** Options of `privacy.epsilon`. */
export interface EpsilonOptions extends PrivacySteps {
  /** The probability that is left to chance. Below 1 over the rows there are, 1e-5 for 60,000 rows. */
  readonly delta: number;
  /** How it is computed. Default 'rdp'. */
  readonly accountant?: AccountantName;
}

/** Options of `privacy.bounds`. */
export interface BoundsOptions extends PrivacySteps {
  /** The probability that is left to chance. */
  readonly delta: number;
}

/** What `privacy.bounds` gives. */
export interface EpsilonBounds {
  /** The true epsilon is no less. */
  readonly lower: number;
  /** The true epsilon is no more. */
  readonly upper: number;
}

/** Options of `privacy.sigmaFor`. */
export interface SigmaOptions {
  /** The epsilon that all steps together may come to. */
  readonly epsilon: number;
  /** The probability that is left to chance. */
  readonly delta: number;
  /** The probability with which a row is in a batch: the expected batch over the rows there are. */
  readonly q: number;
  /** How many steps there will be. */
  readonly steps: number;
  /** How epsilon is computed. Default 'rdp'. */
  readonly accountant?: AccountantName;
}

/** Options of `privacy.Accountant`. */
export interface AccountantOptions {
  /** How epsilon is computed. Default 'rdp'. */
  readonly accountant?: AccountantName;
}

/** Options of `privacy.Accountant.epsilon`. */
export interface SpentOptions {
  /** The probability that is left to chance. */
  readonly delta: number;
}

/** Options of `privacy.Accountant.stepsWithin`. */
export interface WithinOptions {
  /** The epsilon that all steps together may come to, those before included. */
  readonly epsilon: number;
  /** The probability that is left to chance. */
  readonly delta: number;
  /** The probability with which a row is in a batch, in the steps to come. */
  readonly q: number;
  /** Noise as a multiple of the clip, in the steps to come. */
  readonly sigma: number;
}

/** An accountant as plain JSON. */
export interface AccountantJSON {
  /** How epsilon is computed. */
  readonly accountant: AccountantName;
  /** What was added, in order; neighbors that are alike are one. */
  readonly phases: readonly PrivacySteps[];
}

const q = number({ min: 0, max: 1 });
const sigma = number({ min: 0 });
const steps = whole({ min: 0 });
const delta = number({ above: 0, below: 1 });
const budget = number({ above: 0 });
const kind = choice('rdp', 'pld').default('rdp');

const readEpsilon = optionsOnly('privacy.epsilon', options<EpsilonOptions>()({ q, sigma, steps, delta, accountant: kind }));
const readBounds = optionsOnly('privacy.bounds', options<BoundsOptions>()({ q, sigma, steps, delta }));
const readSigma = optionsOnly(
  'privacy.sigmaFor',
  options<SigmaOptions>()({ epsilon: budget, delta, q, steps, accountant: kind }),
);

/** By either way, of all that was done. */
function spent(accountant: AccountantName, phases: readonly Phase[], d: number, apart?: number): number {
  if (phases.every(({ q, steps }) => q === 0 || steps === 0)) return 0;
  return accountant === 'pld' ? upperEpsilon(phases, d, apart) : epsilonOf(composed(phases), d).epsilon;
}

/**
 * The epsilon of steps whose gradients were clipped sample by sample, each row in each batch with probability `q` (Poisson sampling), with noise of `sigma`
 * times the clip on their sum. It holds for a row that is added or taken away. Infinity without noise, 0 where no row is ever looked at.
 *
 * ```ts
 * privacy.epsilon({ q: 256 / 60_000, sigma: 1.1, steps: 14_040, delta: 1e-5 }); // 2.594...
 * ```
 * @throws OptionError
 * @see Mironov, Talwar, Zhang 2019, Rényi Differential Privacy of the Sampled Gaussian Mechanism; Balle et al. 2020, Hypothesis Testing Interpretations and
 * Rényi Differential Privacy; Doroshenko et al. 2022, Connect the Dots
 */
export function epsilon(options: EpsilonOptions): number {
  const { delta: d, accountant, ...phase } = readEpsilon(arguments);
  return spent(accountant, [phase], d);
}

/**
 * Between which numbers the true epsilon of such steps lies, by the distribution of the privacy loss: one of steps that are a little more private, one of steps
 * that are a little less. The larger one is what `privacy.epsilon` gives with `accountant: 'pld'`. For no privacy to speak of, an epsilon beyond 10,000, the
 * lower one is 0.
 * @throws OptionError
 * @see Doroshenko et al. 2022, Connect the Dots: Tighter Discrete Approximations of Privacy Loss Distributions
 */
export function bounds(options: BoundsOptions): EpsilonBounds {
  const { delta: d, ...phase } = readBounds(arguments);
  return { lower: lowerEpsilon([phase], d), upper: upperEpsilon([phase], d) };
}

/** Sigma is looked for from this one to its inverse. */
const LEAST = 1e-6;

/**
 * The least noise, as a multiple of the clip, with which so many steps stay within an epsilon: `epsilon` with it is no more, and by next to nothing less. 0 where
 * none is needed, since there are no steps, or no rows in them.
 *
 * ```ts
 * const noise = privacy.sigmaFor({ epsilon: 3, delta: 1e-5, q: 256 / 60_000, steps: 14_040 });
 * ```
 * @throws OptionError also where no noise is enough: by `'rdp'` epsilon cannot be shown to be below about 0.01
 * @see Mironov, Talwar, Zhang 2019, Rényi Differential Privacy of the Sampled Gaussian Mechanism
 */
export function sigmaFor(options: SigmaOptions): number {
  const { epsilon: most, delta: d, accountant, ...phase } = readSigma(arguments);
  if (phase.q === 0 || phase.steps === 0) return 0;
  const rest = (name: AccountantName, s: number, apart?: number): number =>
    spent(name, [{ ...phase, sigma: s }], d, apart) - most;
  const rdp = crossing((s) => rest('rdp', s), LEAST, 1 / LEAST, 1e-12);
  if (accountant === 'rdp') {
    if (rdp !== null) return rdp;
    const least = spent('rdp', [{ ...phase, sigma: 1 / LEAST }], d);
    const hint = `expected one that noise can bring about, got ${show(most)}: by accountant 'rdp' epsilon stays above ${least} at delta ${d}`;
    throw new Place('privacy.sigmaFor', 'option', 'epsilon').refuse(`${hint}; 'pld' shows less`, { value: most });
  }
  // By the loss itself it is no more noise, and most often not much less: at first about, then as exact as it can be.
  const low = rdp === null ? LEAST : Math.max(LEAST, rdp / 2);
  const about = crossing((s) => rest('pld', s, ROUGHLY), low, rdp ?? 1 / LEAST, 1e-5);
  const found = about === null ? null : crossing((s) => rest('pld', s), about * 0.999, about * 1.0001, 1e-7);
  if (found !== null) return found;
  throw new Place('privacy.sigmaFor', 'option', 'epsilon').refuse(
    `expected one that noise below ${1 / LEAST} can bring about, got ${show(most)}`,
    { value: most },
  );
}

/**
 * Where a function that falls becomes 0, from the side where it is not above: to so many parts of itself. What is found is never above 0. Null where it is above
 * 0 at `high`; where it is not above 0 at `low`, smaller places are looked at.
 */
function crossing(f: (x: number) => number, low: number, high: number, exact: number): number | null {
  let [a, fa] = [low, f(low)];
  while (fa <= 0 && a > LEAST) {
    [high, a] = [a, a / 2];
    fa = f(a);
  }
  if (fa <= 0) return a;
  let fb = f(high);
  let b = high;
  if (fb > 0) return null;
  // In log x, where it is nearly straight: by the false position, with halves where that does not move one end (Illinois).
  let [ga, gb] = [measure(fa), measure(fb)];
  for (let i = 0; i < 200 && b / a - 1 > exact; i++) {
    const share = i % 4 === 3 ? 0.5 : ga / (ga - gb);
    const inside = Math.min(0.999, Math.max(0.001, share));
    const x = exp(log(a) + inside * (log(b) - log(a)));
    if (!(x > a && x < b)) break;
    const fx = f(x);
    if (fx > 0) {
      [a, fa, ga] = [x, fx, measure(fx)];
      gb /= 2;
    } else {
      [b, fb, gb] = [x, fx, measure(fx)];
      ga /= 2;
    }
    if (fb === 0) break;
  }
  return b;
}

/** Of what may be infinite or huge, on one side. */
const measure = (x: number): number => Math.max(-1e3, Math.min(1e3, x));

const readAccountant = optionsOnly('privacy.Accountant', options<AccountantOptions>()({ accountant: kind }));
const readAdd = optionsOnly('privacy.Accountant.add', options<PrivacySteps>()({ q, sigma, steps }));
const readSpent = optionsOnly('privacy.Accountant.epsilon', options<SpentOptions>()({ delta }));
const readWithin = optionsOnly('privacy.Accountant.stepsWithin', options<WithinOptions>()({ epsilon: budget, delta, q, sigma }));

/**
 * What several phases of steps have spent together: a training whose noise, batch or data changed on the way, or which goes on. A plain value, `toJSON`, is all
 * there is to keep; `privacy.fromJSON` makes it an accountant again.
 *
 * ```ts
 * const spent = new privacy.Accountant({ accountant: 'pld' });
 * spent.add({ q: 0.01, sigma: 1, steps: 1000 }).add({ q: 0.02, sigma: 1.2, steps: 500 });
 * spent.epsilon({ delta: 1e-5 });
 * ```
 * @throws OptionError
 * @see Opacus, `opacus.accountants.RDPAccountant`
 */
export class Accountant {
  /** How epsilon is computed. */
  readonly accountant: AccountantName;
  readonly #phases: PrivacySteps[] = [];

  /** @throws OptionError */
  constructor(options: AccountantOptions = {}) {
    this.accountant = readAccountant(arguments).accountant;
  }

  static {
    printAs(Accountant, function () {
      const steps = this.#phases.reduce((sum, phase) => sum + phase.steps, 0);
      return `Accountant by ${this.accountant}: ${steps} steps in ${this.#phases.length} phases`;
    });
  }

  /** What was added, in order; neighbors that are alike are one. */
  get phases(): readonly PrivacySteps[] {
    return this.#phases.map((phase) => ({ ...phase }));
  }

  /** Count steps. @returns this accountant @throws OptionError */
  add(phase: PrivacySteps): this {
    const { q, sigma, steps } = readAdd(arguments);
    const last = this.#phases.at(-1);
    if (steps === 0) return this;
    if (last && last.q === q && last.sigma === sigma) {
      const sum = readSum(last.steps + steps);
      this.#phases[this.#phases.length - 1] = { q, sigma, steps: sum };
    } else this.#phases.push({ q, sigma, steps });
    return this;
  }

  /** What all steps together have spent, no less than the true epsilon. @throws OptionError */
  epsilon(options: SpentOptions): number {
    const { delta } = readSpent(arguments);
    return spent(this.accountant, this.#phases, delta);
  }

  /**
   * How many more steps a budget has: with one more `epsilon` would be above it. 0 where it is spent, Infinity where steps cost nothing.
   * @throws OptionError
   */
  stepsWithin(options: WithinOptions): number {
    const { epsilon, delta, q, sigma } = readWithin(arguments);
    const after = (steps: number, apart?: number): number =>
      spent(this.accountant, [...this.#phases, { q, sigma, steps }], delta, apart) - epsilon;
    if (after(0) > 0) return 0;
    const least = rdpSteps(this.#phases, { q, sigma, epsilon, delta });
    if (this.accountant === 'rdp') return nearby((steps) => after(steps) <= 0, least);
    if (least === Infinity) return least;
    // By the loss itself it is at least as many: how many about, then exactly.
    const about = mostSteps((steps) => after(steps, ROUGHLY), least, 2 * least + 1);
    return mostSteps(after, about, Math.ceil(about * 1.005) + 1);
  }

  /** What `privacy.fromJSON` makes the same accountant of. */
  toJSON(): AccountantJSON {
    return { accountant: this.accountant, phases: this.phases };
  }
}

const MOST_STEPS = 2 ** 40;

/** The most steps for which a function that grows is not above 0. @param low for which it is not @param high for which it may be */
function mostSteps(f: (steps: number) => number, low: number, high: number): number {
  let [a, b, fa, fb] = [low, high, f(low), f(high)];
  for (; fb <= 0; fb = f(b)) {
    [a, fa] = [b, fb];
    if (a > MOST_STEPS) return a;
    b *= 2;
  }
  // Nearly straight: the false position, with halves in turn.
  for (let i = 0; b - a > 1; i++) {
    const share = i % 3 === 2 || fa > 0 ? 0.5 : -fa / (Math.min(fb, 1e6) - fa);
    const n = Math.min(b - 1, Math.max(a + 1, Math.round(a + share * (b - a))));
    const fn = f(n);
    if (fn <= 0) [a, fa] = [n, fn];
    else [b, fb] = [n, fn];
  }
  return a;
}

/** Counts are whole as long as f64 holds them. */
function readSum(sum: number): number {
  return steps.read(sum, new Place('privacy.Accountant.add', 'option', 'steps'));
}

/** By moments: for each order the most steps, and of these the most; without what rounding may have taken. */
function rdpSteps(phases: readonly Phase[], { q, sigma, epsilon, delta }: WithinOptions): number {
  const before = composed(phases);
  const curve = curveOf(q, sigma);
  let most = 0;
  for (const [i, order] of ORDERS.entries()) {
    const left = epsilon - restOf(order, delta) - before[i]!;
    if (left >= 0) most = Math.max(most, curve[i] === 0 ? Infinity : Math.floor(left / curve[i]!));
  }
  return most > Number.MAX_SAFE_INTEGER ? Infinity : most;
}

/** A number of steps that is right but for rounding, made right: of many steps that is more than a few. */
function nearby(fits: (steps: number) => boolean, steps: number): number {
  if (steps === Infinity) return steps;
  // From strides that double, between a number that fits and one that does not.
  let [low, high] = [steps, steps + 1];
  for (let stride = 1; low > 0 && !fits(low); stride *= 2) [low, high] = [Math.max(0, low - stride), low];
  for (let stride = 1; high <= Number.MAX_SAFE_INTEGER && fits(high); stride *= 2) [low, high] = [high, high + stride];
  if (high > Number.MAX_SAFE_INTEGER) return low;
  while (high - low > 1) {
    const middle = low + Math.floor((high - low) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

const plain = object<AccountantJSON>({
  accountant: choice('rdp', 'pld'),
  phases: list(object<PrivacySteps>({ q, sigma, steps })),
});
const readFromJson = signature('privacy.fromJSON', { json: plain });

/**
 * The accountant that `toJSON` was called of, as after `JSON.parse`.
 * @param json the plain value
 * @throws OptionError for what is none
 */
export function fromJSON(json: AccountantJSON): Accountant {
  const { json: read } = readFromJson(arguments);
  const made = new Accountant({ accountant: read.accountant });
  for (const phase of read.phases) made.add(phase);
  return made;
}
