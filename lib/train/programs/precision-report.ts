// precision-report.ts: what `trainer.precision` has found, what of it is wrong, and the tables that people read.
import { printAs } from '../../errors/inspect.ts';
import { count, short, table } from '../../text/format.ts';
import { type FormatShares, powerOfTwo } from './range.ts';

/** What rounding does to the gradient of a parameter. */
export interface ParameterPrecision {
  /** Its name in the model. */
  readonly name: string;
  /** How many elements it has. */
  readonly elements: number;
  /** 2-norm of its gradient, in f64 throughout. */
  readonly norm: number;
  /** 2-norm of what its gradient is off by, over `norm`: NaN where either is not finite, infinite where `norm` is 0 and it is off. */
  readonly error: number;
  /** What the element is off by that is off most, over the largest element. */
  readonly largestError: number;
  /** Cosine of the gradient and that in f64: 1 where they point the same way; NaN where one of them is 0. */
  readonly cosine: number;
  /** Share of the elements that became 0, of those that are not 0 in f64. */
  readonly lost: number;
  /** How many elements are not finite that are in f64. */
  readonly overflown: number;
  /** Whether f64 has no digit of it either, or hardly one: the terms of the gradient cancel to 0, but for rounding. */
  readonly cancels: boolean;
}

/** A loss and gradients, as kernels compute them, beside what they are in f64 throughout. */
export interface RoundingErrors {
  /** The loss, of the batch that is off most. */
  readonly loss: number;
  /** The same in f64 throughout. */
  readonly exactLoss: number;
  /** What it is off by, over what it is. */
  readonly lossError: number;
  /** What all gradients together are off by, over their norm. */
  readonly error: number;
  /** Their cosine with those in f64. */
  readonly cosine: number;
  /** What it does to the gradient of each parameter that is trained. */
  readonly parameters: readonly ParameterPrecision[];
}

/** A norm, and what it is off by, over what it is. */
export interface NormBy {
  /** The norm. */
  readonly norm: number;
  /** What it is off by, over the norm whose squares are added in f64. */
  readonly error: number;
}

/** The 2-norm of all gradients together, by how squares are added: of the batch where that matters most. */
export interface NormsByOrder {
  /** Of gradients that are computed in f64 throughout. */
  readonly exact: number;
  /** Of f32 gradients, whose squares are added in f64: what clipping goes by here. */
  readonly f64: number;
  /** Squares and sums in f32, each half alone and then the two. */
  readonly pairwise: NormBy;
  /** Squares and sums in f32, one after the other. */
  readonly forward: NormBy;
}

/** How large numbers are, in f64, and what formats of fewer bits do to them, as shares of those that are not 0. */
export interface ValueRange {
  /** How many there are. */
  readonly elements: number;
  /** How many of them are 0. */
  readonly zeros: number;
  /** How many are NaN or infinite: shares do not count them. */
  readonly notFinite: number;
  /** Size of the largest. */
  readonly largest: number;
  /** Size of the smallest that is not 0; 0 if there is none. */
  readonly smallest: number;
  /** What f32 does to them. */
  readonly f32: FormatShares;
  /** What bf16 does to them. */
  readonly bf16: FormatShares;
  /** What f16 would do to them, which nothing here computes with. */
  readonly f16: FormatShares;
}

/** What a scale of the loss does to numbers of the backward pass that are too small. */
export interface ScaledLoss {
  /** The format that holds them. */
  readonly format: 'f32' | 'f16';
  /**
   * The loss times 2^power leaves the most of them all digits, and makes none infinite: the smallest such, up to 2^100. 0: a scale changes nothing.
   */
  readonly power: number;
  /** What the format does to them without a scale. */
  readonly without: FormatShares;
  /** What it does to them with this one. */
  readonly withIt: FormatShares;
}

/** Something that precision does to a training. */
export interface PrecisionFinding {
  /** `warning`: what is computed is wrong. `remark`: what is worth knowing. */
  readonly level: 'warning' | 'remark';
  /** Which rule found it. */
  readonly code:
    | 'notFinite'
    | 'overflow'
    | 'underflow'
    | 'inaccurateGradient'
    | 'inaccurateLoss'
    | 'inaccurateBf16'
    | 'coarseData'
    | 'cancels'
    | 'normOrder';
  /** The parameters that it is about; none where it is about all. */
  readonly parameters: readonly string[];
  /** What it is, and what to do. */
  readonly text: string;
  /** An option of the trainer that mends it, with its value; null where there is none. */
  readonly cure: { readonly option: 'lossScale' | 'precision'; readonly value: number | string } | null;
}

/** What was measured. */
export interface Measured {
  readonly rows: number;
  readonly batches: number;
  readonly mode: 'train' | 'eval';
  readonly f32: RoundingErrors;
  readonly bf16: RoundingErrors | null;
  readonly norms: NormsByOrder;
  readonly values: Readonly<Record<'weights' | 'activations' | 'gradients', ValueRange>>;
  readonly scaled: readonly ScaledLoss[];
  readonly withScale: RoundingErrors | null;
  readonly places: Readonly<Record<'above f32' | 'small in f32' | 'not finite', string | null>>;
  readonly lossScale: number;
  readonly coarse: readonly Coarse[];
  readonly flops: number;
  readonly ms: number;
}

/** A column of the data that f32 holds few digits of. */
export interface Coarse {
  readonly array: string;
  readonly column: number;
  readonly min: number;
  readonly max: number;
  /** From one number of f32 to the next, there. */
  readonly step: number;
}

/** A loss and gradients. */
export interface Computed {
  readonly loss: number;
  /** In the order of the parameters. */
  readonly gradients: readonly Float64Array[];
}

// ---- comparing -----------------------------------------------------------------------------------------------------
// Where f64 is right to 2^-53 and f32 to 2^-24 of the terms of a sum, a sum that is off by this in f32 has a digit or two in f64.
const NOTHING_LEFT = 1e6;

interface Sums {
  errors: number;
  squares: number;
  own: number;
  product: number;
  largest: number;
  largestError: number;
  lost: number;
  notZero: number;
  overflown: number;
}
const none = (): Sums => ({
  ...{ errors: 0, squares: 0, own: 0, product: 0, largest: 0, largestError: 0, lost: 0, notZero: 0, overflown: 0 },
});

/** Compares the gradients of batch after batch. */
export class Compared {
  readonly #trained: readonly { readonly name: string; readonly size: number }[];
  readonly #sums: readonly Sums[];
  #loss: Pick<RoundingErrors, 'loss' | 'exactLoss' | 'lossError'> | null = null;

  constructor(trained: readonly { readonly name: string; readonly size: number }[]) {
    this.#trained = trained;
    this.#sums = trained.map(none);
  }

  add(found: Computed, exact: Computed): void {
    const off = Math.abs(found.loss - exact.loss);
    const lossError = off === 0 ? 0 : off / Math.abs(exact.loss);
    if (!this.#loss || !(lossError <= this.#loss.lossError)) {
      this.#loss = { loss: found.loss, exactLoss: exact.loss, lossError };
    }
    for (const [i, s] of this.#sums.entries()) {
      const [f, g] = [found.gradients[i]!, exact.gradients[i]!];
      for (let j = 0; j < g.length; j++) {
        const [a, b] = [f[j]!, g[j]!];
        const e = Math.abs(a - b);
        s.errors += e * e;
        s.squares += b * b;
        s.own += a * a;
        s.product += a * b;
        if (e > s.largestError) s.largestError = e;
        if (Math.abs(b) > s.largest) s.largest = Math.abs(b);
        if (b !== 0) {
          s.notZero++;
          if (a === 0) s.lost++;
        }
        if (!Number.isFinite(a) && Number.isFinite(b)) s.overflown++;
      }
    }
  }

  result(): RoundingErrors {
    const all = none();
    for (const s of this.#sums) for (const key of ['errors', 'squares', 'own', 'product'] as const) all[key] += s[key];
    return {
      ...this.#loss!,
      error: errorOf(all),
      cosine: cosineOf(all),
      parameters: this.#trained.map(({ name, size }, i): ParameterPrecision => {
        const s = this.#sums[i]!;
        const error = errorOf(s);
        return {
          name,
          elements: size,
          norm: Math.sqrt(s.squares),
          error,
          largestError: over(s.largestError, s.largest),
          cosine: cosineOf(s),
          lost: s.notZero === 0 ? 0 : s.lost / s.notZero,
          overflown: s.overflown,
          cancels: error > NOTHING_LEFT && s.overflown === 0,
        };
      }),
    };
  }
}

const over = (a: number, b: number): number => (a === 0 ? 0 : a / b);
const errorOf = ({ errors, squares }: Sums): number => over(Math.sqrt(errors), Math.sqrt(squares));
const cosineOf = ({ product, own, squares }: Sums): number =>
  Math.max(-1, Math.min(1, product / Math.sqrt(own) / Math.sqrt(squares)));

// ---- judging -------------------------------------------------------------------------------------------------------
/** A gradient that is off by more than this part of its norm: of those of healthy networks none is off by 1e-4. */
const WRONG = 1e-2;
/** The same of a loss; and below this much whatever the loss is. */
const WRONG_LOSS = 1e-3;
const SMALL_LOSS = 1e-6;
/** bf16 turns a gradient; where by more than 8 degrees. */
const TURNED = 0.99;
/** A norm that is off by more changes what a clip leaves in the third digit. */
const OFF_NORM = 1e-3;
/** Share of a gradient's elements that become 0. */
const LOST = 0.01;

function findingsOf(m: Measured): PrecisionFinding[] {
  const { f32, bf16, norms, places } = m;
  const found: PrecisionFinding[] = [];
  const add = (
    level: PrecisionFinding['level'],
    code: PrecisionFinding['code'],
    of: readonly ParameterPrecision[],
    text: string,
    cure: PrecisionFinding['cure'] = null,
  ): void => void found.push({ level, code, parameters: of.map((p) => p.name), text, cure });

  const notFinite = !(Number.isFinite(f32.exactLoss) && f32.parameters.every((p) => Number.isFinite(p.norm)));
  if (notFinite) {
    const where = places['not finite'];
    const text = `loss or gradients are NaN or infinite in f64, too${where === null ? '' : `, first of all what ${where} gives`}: that is no matter of precision; trainer.inspect, or debug: true, shows where it begins`;
    add('warning', 'notFinite', [], text);
    return found;
  }
  const [coarse] = m.coarse;
  if (coarse) {
    const { array, column, min, max, step } = coarse;
    const text = `column ${column} of ${array} lies between ${min} and ${max}, where f32 has steps of ${short(step)}${others(m.coarse, 'are as coarse')}: the data lose digits before anything is computed; subtract what they have in common before they are given`;
    add('warning', 'coarseData', [], text);
  }
  const overflown = f32.parameters.filter((p) => p.overflown > 0);
  if (overflown.length > 0 || !Number.isFinite(f32.loss)) {
    const where = places['above f32'];
    const largest = Math.max(m.values.activations.largest, m.values.gradients.largest);
    const what = where === null ? 'something on the way' : `what ${where} gives`;
    add(
      'warning',
      'overflow',
      overflown,
      `f32 ends at 3.4e38, and ${what} is larger (up to ${short(largest)}): in f32 ${overflown.length > 0 ? `the gradient of ${listed(overflown)}` : 'the loss'} is not finite, though it is in f64; smaller weights or inputs, or a norm layer before it, keep it within`,
    );
  }
  const { power } = m.scaled.find(({ format }) => format === 'f32')!;
  const then = new Map(m.withScale?.parameters.map((p) => [p.name, p.error]));
  // Where some numbers on the way back are too small for f32, and a scale of the loss mends a gradient, that was why.
  const small = m.values.gradients.f32.below > 0;
  const mended = (p: ParameterPrecision): boolean => (then.get(p.name) ?? Infinity) < WRONG;
  const lost = f32.parameters.filter(
    (p) => small && p.overflown === 0 && !p.cancels && (p.lost > LOST || (p.error > WRONG && mended(p))),
  );
  if (lost.length > 0) {
    const worst = most(lost, (p) => p.lost);
    const where = places['small in f32'];
    const left = Math.max(...lost.map((p) => then.get(p.name) ?? Infinity));
    const cures = left < WRONG;
    const cure = cures
      ? `; with lossScale: 2 ** ${power} they are off by ${short(left)} at most, measured`
      : '; no scale of the loss brings all of them back';
    const begins = where === null ? '' : `, from ${where} on`;
    const what =
      worst.lost > 0
        ? `${share(worst.lost)} of the elements of ${worst.name} become 0`
        : `those of ${worst.name} are off by ${size(worst.error)}`;
    add(
      'warning',
      'underflow',
      lost,
      `gradients are too small for f32${begins}: ${what}${others(lost, 'lose some')}${cure}`,
      cures ? { option: 'lossScale', value: powerOfTwo(power) } : null,
    );
  }
  const wrong = f32.parameters.filter((p) => p.error > WRONG && p.overflown === 0 && !p.cancels && !lost.includes(p));
  if (wrong.length > 0) {
    const worst = most(wrong, (p) => p.error);
    add(
      'warning',
      'inaccurateGradient',
      wrong,
      `the gradient of ${worst.name} is off by ${size(worst.error)} of its norm (cosine ${cosine(worst.cosine)})${others(wrong, `by more than ${share(WRONG)}`)}: large terms cancel on the way; inputs around 0, a bias taken off first, or sums of fewer terms keep more digits`,
    );
  }
  const off = Math.abs(f32.loss - f32.exactLoss);
  if (Number.isFinite(f32.loss) && f32.lossError > WRONG_LOSS && off > SMALL_LOSS) {
    add(
      'warning',
      'inaccurateLoss',
      [],
      `the loss is ${f32.loss} in f32 and ${f32.exactLoss} in f64: off by ${size(f32.lossError)}`,
    );
  }
  const turned = (bf16?.parameters ?? []).filter((p) => {
    const here = f32.parameters.find(({ name }) => name === p.name)!;
    return p.error > 0 && !(p.cosine >= TURNED) && !here.cancels && here.error <= WRONG;
  });
  if (turned.length > 0) {
    const worst = most(turned, (p) => p.error);
    add(
      'warning',
      'inaccurateBf16',
      turned,
      `products in bf16 turn the gradient of ${worst.name} (cosine ${cosine(worst.cosine)} with that in f64, off by ${size(worst.error)} of its norm)${others(turned, 'turned by more than 8 degrees')}: precision: 'f32' does not`,
      { option: 'precision', value: 'f32' },
    );
  }
  const cancels = f32.parameters.filter((p) => p.cancels);
  if (cancels.length > 0) {
    add(
      'remark',
      'cancels',
      cancels,
      `${listed(cancels)}: the gradient is 0 but for rounding, since its terms cancel, as those of a bias before a norm layer do: a layer with bias: false computes the same, and Adam and its like make steps of rounding of it`,
    );
  }
  if (norms.forward.error > OFF_NORM || norms.pairwise.error > OFF_NORM) {
    const { forward, pairwise } = norms;
    const worse = forward.error > pairwise.error ? forward : pairwise;
    add(
      'remark',
      'normOrder',
      [],
      `the norm of all gradients is ${figure(norms.f64)}, but ${figure(worse.norm)} where squares are added in f32${worse === forward ? ', one after the other' : ', pairwise'}: a clip by such a norm does something else; here squares are added in f64`,
    );
  }
  return found;
}

const most = <T>(items: readonly T[], of: (item: T) => number): T => items.reduce((a, b) => (of(b) > of(a) ? b : a));
const others = (all: readonly unknown[], what: string): string =>
  all.length === 1 ? '' : `, and ${count(all.length - 1)} more ${what}`;
const FEW = 3;
const listed = (all: readonly ParameterPrecision[]): string => {
  const names = all
    .slice(0, FEW)
    .map((p) => p.name)
    .join(', ');
  return all.length > FEW ? `${names} and ${count(all.length - FEW)} more` : names;
};
const share = (x: number): string => {
  if (x === 0) return '0';
  const part = 100 * x;
  return part < 0.005 ? '< 0.01 %' : part > 99.995 && part < 100 ? '> 99.99 %' : `${Number(part.toPrecision(3))} %`;
};
const size = (x: number): string => (x >= 1e-3 && x < 10 ? share(x) : Number.isFinite(x) ? `${short(x)} times` : 'all');
const figure = (x: number): string => (Number.isFinite(x) ? String(Number(x.toPrecision(6))) : 'infinite');
const cosine = (x: number): string => (Number.isNaN(x) ? '-' : x > 0.9999995 ? '1' : String(Number(x.toPrecision(6))));
const error = (x: number): string => (Number.isNaN(x) ? 'not finite' : short(x));

// ---- showing -------------------------------------------------------------------------------------------------------
/** Parameters of a table: of more, those that are off most. */
const SHOWN = 12;

/** What `trainer.precision` gives. `String(...)` and `console.log` show tables, and below them what they say. */
export class PrecisionReport {
  /** How many rows a batch has. */
  readonly rows: number;
  /** How many batches were computed. */
  readonly batches: number;
  /** As a step of training has them, or as `evaluate`. */
  readonly mode: 'train' | 'eval';
  /** The trainer's `lossScale`, as of now: gradients in f32 and bf16 are computed with it. 1: it has none. */
  readonly lossScale: number;
  /** What f32 does to loss and gradients. */
  readonly f32: RoundingErrors;
  /** The same with products in bf16; null where that was not asked for. */
  readonly bf16: RoundingErrors | null;
  /** The norm of all gradients, by how squares are added. */
  readonly norms: NormsByOrder;
  /** How large weights are, what the forward pass computes, and what the backward pass does. */
  readonly values: Readonly<Record<'weights' | 'activations' | 'gradients', ValueRange>>;
  /** What scales of the loss would change, in f32 and in f16. */
  readonly scaled: readonly ScaledLoss[];
  /** What f32 does to loss and gradients under the scale that `scaled` says; null where it says none. */
  readonly withScale: RoundingErrors | null;
  /** What is worth knowing, warnings first. */
  readonly findings: readonly PrecisionFinding[];
  /** One line: whether f32 loses anything that matters. */
  readonly verdict: string;
  /** Floating-point operations in f64, of all batches. */
  readonly flops: number;
  /** Milliseconds that all of it took. */
  readonly ms: number;

  constructor(measured: Measured) {
    this.rows = measured.rows;
    this.batches = measured.batches;
    this.mode = measured.mode;
    this.lossScale = measured.lossScale;
    this.f32 = measured.f32;
    this.bf16 = measured.bf16;
    this.norms = measured.norms;
    this.values = measured.values;
    this.scaled = measured.scaled;
    this.withScale = measured.withScale;
    this.findings = findingsOf(measured);
    this.verdict = verdictOf(this);
    this.flops = measured.flops;
    this.ms = measured.ms;
  }

  /** Those of the findings that say that something is wrong. */
  get warnings(): readonly PrecisionFinding[] {
    return this.findings.filter(({ level }) => level === 'warning');
  }

  /** The tables as text, each with a line that says what it means, and the verdict. */
  toString(): string {
    const { rows, batches, mode, f32, bf16 } = this;
    const batch = `${batches === 1 ? 'a batch' : `${count(batches)} batches`} of ${count(rows)} ${rows === 1 ? 'row' : 'rows'}`;
    const scale = this.lossScale === 1 ? '' : ` (lossScale ${this.lossScale})`;
    const as = mode === 'train' ? 'as the next step of training' : 'as evaluate';
    const findings = this.findings.map(({ level, text }) => `- ${level}: ${text}`);
    return [
      `${batch}, computed ${as} would${scale}, and once more in f64`,
      '',
      ...roundingLines('f32', f32),
      ...(bf16 ? ['', ...roundingLines('bf16', bf16)] : []),
      '',
      ...this.#normLines(),
      '',
      ...this.#valueLines(),
      '',
      ...this.#scaleLines(),
      '',
      this.verdict,
      ...findings,
    ].join('\n');
  }

  #normLines(): string[] {
    const { exact, f64, pairwise, forward } = this.norms;
    const row = (what: string, norm: number, off: number): string[] => [what, norm.toPrecision(8), error(off)];
    return [
      'Norm of all gradients together, by how their squares are added: what a clip by norm compares with its threshold',
      ...table(
        [
          ['  squares added', 'norm', 'off by'],
          row('  in f64, of gradients in f64', exact, over(Math.abs(exact - f64), f64)),
          row('  in f64, of gradients in f32: as here', f64, 0),
          row('  in f32, pairwise', pairwise.norm, pairwise.error),
          row('  in f32, one after the other', forward.norm, forward.error),
        ],
        ['left', 'right', 'right'],
      ),
    ];
  }

  #valueLines(): string[] {
    const { weights, activations, gradients } = this.values;
    const line = (what: string, of: (range: ValueRange) => string): string[] => [
      `  ${what}`,
      ...[weights, activations, gradients].map(of),
    ];
    return [
      'How large numbers are, and the share of them (but zeros) that formats cannot hold',
      ...table(
        [
          ['', 'weights', 'forward pass', 'backward pass'],
          line('how many', (v) => count(v.elements)),
          line('of them 0', (v) => count(v.zeros)),
          line('largest', (v) => short(v.largest)),
          line('smallest but 0', (v) => short(v.smallest)),
          line('f32: too small for all digits', (v) => share(v.f32.below)),
          line('f32: becomes 0', (v) => share(v.f32.lost)),
          line('f32: becomes infinite', (v) => share(v.f32.above)),
          line('bf16: becomes 0', (v) => share(v.bf16.lost)),
          line('f16: too small for all digits', (v) => share(v.f16.below)),
          line('f16: becomes 0', (v) => share(v.f16.lost)),
          line('f16: becomes infinite', (v) => share(v.f16.above)),
        ],
        ['left', 'right', 'right', 'right'],
      ),
    ];
  }

  #scaleLines(): string[] {
    const rows = this.scaled.map(({ format, power, without, withIt }) => [
      `  ${format}`,
      ...[without.below, without.lost].map(share),
      ...(power === 0 ? ['none', '', ''] : [`2 ** ${power}`, share(withIt.below), share(withIt.lost)]),
    ]);
    return [
      'What a scale of the loss would change (option lossScale): the share of the backward pass that is too small',
      ...table(
        [['  in', 'lose digits', 'become 0', 'scale', 'lose digits', 'become 0'], ...rows],
        ['left', 'right', 'right', 'right', 'right', 'right'],
      ),
    ];
  }
}

printAs(PrecisionReport, function () {
  return this.toString();
});

function roundingLines(format: string, r: RoundingErrors): string[] {
  const { parameters } = r;
  const rank = (p: ParameterPrecision): number => (Number.isNaN(p.error) ? Infinity : p.cancels ? -1 : p.error);
  const worst = parameters.length <= SHOWN ? null : new Set([...parameters].sort((a, b) => rank(b) - rank(a)).slice(0, SHOWN));
  const shown = parameters.filter((p) => !worst || worst.has(p));
  const rest = worst ? parameters.filter((p) => !worst.has(p)) : [];
  const row = (p: ParameterPrecision): string[] => [
    `  ${p.name}`,
    count(p.elements),
    short(p.norm),
    ...(p.cancels ? ['rounding', '', ''] : [error(p.error), error(p.largestError), cosine(p.cosine)]),
  ];
  const most = rest.reduce((a, p) => Math.max(a, rank(p)), 0);
  return [
    `Gradients in ${format}: off by, over what they are in f64: all elements together (2-norms), and the one that is off most`,
    ...table(
      [
        ['  parameter', 'elements', 'norm', 'off by', 'at most', 'cosine'],
        ...shown.map(row),
        ...(rest.length > 0 ? [[`  ${count(rest.length)} more`, '', '', `<= ${short(most)}`]] : []),
        ['  all', count(parameters.reduce((n, p) => n + p.elements, 0)), '', error(r.error), '', cosine(r.cosine)],
      ],
      ['left', 'right', 'right', 'right', 'right', 'right'],
    ),
    `Loss in ${format}: ${r.loss.toPrecision(9)}, in f64 ${r.exactLoss.toPrecision(9)}, off by ${error(r.lossError)}`,
  ];
}

function verdictOf({ f32, bf16, findings }: Pick<PrecisionReport, 'f32' | 'bf16' | 'findings'>): string {
  const warnings = findings.filter(({ level }) => level === 'warning');
  const one = warnings.length === 1;
  if (warnings.length > 0) return `precision loses something here: ${one ? '1 warning' : `${count(warnings.length)} warnings`}`;
  const right = f32.parameters.filter((p) => !p.cancels);
  const worst =
    right.length === 0
      ? ''
      : ` (${most(right, (p) => p.error).name}, which is off most, to ${short(most(right, (p) => p.error).error)})`;
  return `f32 loses nothing that matters here: gradients are right to ${short(f32.error)} of their norm${worst}, the loss to ${short(f32.lossError)}${bf16 ? `; with products in bf16 gradients are right to ${size(bf16.error)}` : ''}`;
}
