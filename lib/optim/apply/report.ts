// report.ts: what a step tells. Rows stay columns of one buffer; objects are made when somebody reads them.
import type { Column } from '../../compile/program.ts';
import { NonFiniteError, SkipError } from '../../errors.ts';
import { sizeOf } from '../../ir/op.ts';
import { SQUARES } from '../limits.ts';

/** What one step reports, of a trainer or of a standalone optimizer. */
export interface Report {
  /** Batches drawn before this step: skipped steps count. */
  readonly attempt: number;
  /** Updates applied before this step: the number that schedules see. */
  readonly step: number;
  /** Of the step: over all that counts in its micro-batches, if there are several. NaN where gradients come from elsewhere. */
  readonly loss: number;
  /** What guards found in this step; absent without guards. */
  readonly guards?: readonly GuardHit[];
  /** What the gradient was multiplied by in the backward pass; absent without `lossScale`. */
  readonly lossScale?: number;
  /** What regularization adds to the loss, of which `loss` has nothing; absent without. */
  readonly penalty?: number;
  /** Norm of the gradient before clipping, as the policy measures it; NaN if nothing is measured. */
  readonly norm: number;
  /** What the gradient was multiplied by; the smallest, where there are several; 0 in a skipped step. */
  readonly scale: number;
  /** Norm of what the optimizer got; 0 in a skipped step, NaN if nothing is measured. */
  readonly normAfter: number;
  /** The threshold of the step; Infinity if there is none. */
  readonly threshold: number;
  /** Whether the policy changed the gradient. */
  readonly clipped: boolean;
  /** The fraction of the elements of the gradient that the policy changed, 0 to 1. */
  readonly clippedFraction: number;
  /** The step was left out: the gradient was not finite, or beyond what the optimizer can square, or a policy or guard said so. */
  readonly skipped: boolean;
  /** Name of the first tensor with a non-finite gradient, or null. */
  readonly nonFinite: string | null;
  /** How many tensors had one. */
  readonly nonFiniteCount: number;
  /** Where something is pruned: the share that was, before this step, of the weights that `prune` is for. */
  readonly sparsity?: number;
}

/**
 * What a guard does. `warn`: it is in the step's report and in the result, and `onGuard` is called. `skip`: also, the step changes nothing.
 * `rollback`: the run goes back to the last snapshot and on with the next batch. `stop`: the run ends with a GuardError, before anything is
 * updated.
 */
export type GuardAction = 'warn' | 'skip' | 'rollback' | 'stop';

/** What a guard found in a step: a parameter or a module, and what was measured of it. */
export interface GuardHit {
  /** Which guard it was: `guard.loss` and so on. */
  readonly guard: string;
  /** What the guard does about it. */
  readonly action: GuardAction;
  /** The parameter or module; `loss`, or `model`. */
  readonly name: string;
  /** What was measured of it; of outputs in a step of several micro-batches the mean over those where it was wrong. */
  readonly value: number;
}

/** A guard, and all that it may name. */
export interface GuardNames {
  readonly label: string;
  readonly action: GuardAction;
  readonly names: readonly string[];
}

/** Why a step was skipped that no guard found fault with, and whose gradient is finite. */
export function whyLeftOut({ norm, threshold }: Pick<Report, 'norm' | 'threshold'>): string {
  if (norm <= SQUARES || norm > threshold) return `the policy left out a gradient of norm ${norm}, threshold ${threshold}`;
  return `the gradient has a norm of ${norm}, beyond what the optimizer can square (${SQUARES.toExponential(1)}): clip it`;
}

/** Why a run ends whose last step was the last of too many that were skipped. `where` names the caller, `why` what was found of it. */
export function tooManySkips(
  where: string,
  last: Report,
  skips: number,
  why: { readonly text: string; readonly culprit: object | null } | null = null,
): NonFiniteError | SkipError {
  const { nonFinite: tensor, step, attempt, norm, threshold } = last;
  if (tensor !== null) {
    const text = `${where}: ${skips} steps in a row had a non-finite gradient, the last in ${tensor}${why?.text ?? ''}`;
    return new NonFiniteError(text, { tensor, step, attempt, skips, ...(why?.culprit && { culprit: why.culprit }) });
  }
  const text = `${where}: ${skips} steps in a row were skipped, the last since ${whyLeftOut(last)}${why?.text ?? ''}`;
  return new SkipError(text, { step, attempt, skips, norm, threshold });
}

/** Why a run ends whose policy lets no step with such a gradient pass. */
export function notFinite(
  where: string,
  tensor: string | null,
  at: { readonly step: number; readonly attempt: number; readonly skips: number },
): NonFiniteError {
  return new NonFiniteError(`${where}: the gradient of ${tensor ?? 'an unknown tensor'} is not finite`, { tensor, ...at });
}

export interface ReportsInit {
  readonly rows: ArrayBuffer;
  readonly length: number;
  readonly columns: readonly Column[];
  readonly rowBytes: number;
  /** Names of the parameters, in the order of the policy's gradients. */
  readonly names: readonly string[];
  /** Counters before the first row, and batches drawn per step. */
  readonly attempt: number;
  readonly perStep: number;
  readonly step: number;
  readonly guards?: readonly GuardNames[];
  /** What the steps took together; not given: nobody has measured it. */
  readonly seconds?: number;
  /** Rows of data that a step was computed of. Default: nobody has counted them. */
  readonly stepRows?: number;
}

/** Of the columns that were asked for last: chunks of one program follow each other. */
let known: { readonly columns: readonly Column[]; readonly offsets: ReadonlyMap<string, number> } | null = null;
function offsetsOf(columns: readonly Column[]): ReadonlyMap<string, number> {
  if (known?.columns !== columns) known = { columns, offsets: new Map(columns.map((c) => [c.name, c.offset / 8])) };
  return known.offsets;
}

/** What of a report is a number or a flag, and of every step. */
export type ReportNumber =
  | 'step'
  | 'loss'
  | 'norm'
  | 'scale'
  | 'normAfter'
  | 'threshold'
  | 'clipped'
  | 'clippedFraction'
  | 'skipped';

/** What stands for a column that the program does not compute; of `clippedFraction` it is that of `clipped`. */
const MISSING = {
  ...{ loss: Number.NaN, norm: Number.NaN, scale: 1, normAfter: Number.NaN, threshold: Number.POSITIVE_INFINITY },
  ...{ clipped: 0, skipped: 0 },
} as const;

/** What the update measures: it is not written in a skipped step. */
const OF_UPDATE: ReadonlySet<string> = new Set(['scale', 'normAfter', 'clipped', 'clippedFraction']);

/** The column that has the norms of all parameters. */
export const LAYER_NORMS = 'layerNorms';

/** The rows of one chunk of steps. */
export class Reports implements Iterable<Report> {
  readonly length: number;
  readonly #init: ReportsInit;
  readonly #values: Float64Array;
  /** Of the steps that there are: an array is made once, and not for each column. */
  readonly #whole: Float64Array;
  readonly #offsets: ReadonlyMap<string, number>;

  constructor(init: ReportsInit) {
    this.length = init.length;
    this.#init = init;
    this.#values = new Float64Array(init.rows);
    const whole = (init.length * init.rowBytes) / 8;
    this.#whole = whole === this.#values.length ? this.#values : this.#values.subarray(0, whole);
    this.#offsets = offsetsOf(init.columns);
  }

  /** One column as numbers; NaN where the program does not compute it. */
  column(name: string): Float64Array {
    const out = new Float64Array(this.length).fill(Number.NaN);
    const { values, start, stride } = this.strided(name);
    for (let i = 0, at = start; at < values.length; i++, at += stride) out[i] = values[at]!;
    return out;
  }

  /**
   * One column where it lies: values[start], values[start + stride] and so on to the end; none where the program does not compute it.
   * To be read in a loop: a function called for each number would be given a new object each time.
   */
  strided(name: string): { readonly values: Float64Array; readonly start: number; readonly stride: number } {
    const stride = this.#init.rowBytes / 8;
    const values = this.#whole;
    return { values, start: this.#offsets.get(name) ?? values.length, stride };
  }

  /** A column of several numbers in row i, where it lies; empty where the program does not compute it. */
  vector(name: string, i: number): Float64Array {
    const column = this.#init.columns.find((c) => c.name === name);
    if (!column) return new Float64Array(0);
    const start = (i * this.#init.rowBytes + column.offset) / 8;
    return this.#values.subarray(start, start + sizeOf(column.type.shape));
  }

  /** One number of each step, as its report has it; of flags 0 or 1. No object is made for a step. */
  numbers(name: ReportNumber): Float64Array {
    const { length } = this;
    const skipped = this.strided('skipped');
    if (name === 'step') {
      const steps = new Float64Array(length);
      let step = this.#init.step;
      for (let i = 0, at = skipped.start; i < length; i++, at += skipped.stride) {
        steps[i] = step;
        if (!(at < skipped.values.length && skipped.values[at] !== 0)) step++;
      }
      return steps;
    }
    if (name === 'clippedFraction' && !this.#offsets.has(name)) return this.numbers('clipped');
    const missing = name === 'clippedFraction' ? 0 : MISSING[name];
    const out = new Float64Array(length).fill(missing);
    const { values, start, stride } = this.strided(name);
    for (let i = 0, at = start; at < values.length; i++, at += stride) out[i] = values[at]!;
    if (name === 'clipped' || name === 'skipped') for (let i = 0; i < length; i++) out[i] = out[i] === 0 ? 0 : 1;
    if (!OF_UPDATE.has(name)) return out;
    for (let i = 0, at = skipped.start; at < skipped.values.length; i++, at += skipped.stride) {
      if (skipped.values[at] !== 0) out[i] = 0;
    }
    return out;
  }

  /** What the steps took together; NaN where nobody has measured it. */
  get seconds(): number {
    return this.#init.seconds ?? Number.NaN;
  }

  /** Rows of data that the steps were computed of, together; NaN where nobody has counted them. */
  get rows(): number {
    return (this.#init.stepRows ?? Number.NaN) * this.length;
  }

  /** The norms of all parameters in row i, a copy; empty where the program does not compute them. */
  layerNorms(i: number): Float64Array {
    return this.vector(LAYER_NORMS, i).slice();
  }

  /** Batches drawn before row i. */
  attemptAt(i: number): number {
    return this.#init.attempt + i * this.#init.perStep;
  }

  at(i: number): Report {
    const { values, start, stride } = this.strided('skipped');
    const end = Math.min(values.length, i * stride);
    let step = this.#init.step + i;
    for (let at = start; at < end; at += stride) if (values[at] !== 0) step--;
    return this.#row(i, step);
  }

  *[Symbol.iterator](): Iterator<Report> {
    let step = this.#init.step;
    for (let i = 0; i < this.length; i++) {
      const report = this.#row(i, step);
      yield report;
      if (!report.skipped) step++;
    }
  }

  #value(name: string, row: number, missing: number): number {
    const offset = this.#offsets.get(name);
    return offset === undefined ? missing : this.#values[(row * this.#init.rowBytes) / 8 + offset]!;
  }

  #guards(guards: readonly GuardNames[], row: number): GuardHit[] {
    return guards.flatMap(({ label, action, names }, g) => {
      const at = this.#value(`guard.${g}`, row, -1);
      return at < 0 ? [] : [{ guard: label, action, name: names[at]!, value: this.#value(`guard.${g}.value`, row, Number.NaN) }];
    });
  }

  #skipped(row: number): boolean {
    return this.#value('skipped', row, 0) !== 0;
  }

  #row(i: number, step: number): Report {
    const skipped = this.#skipped(i);
    const bad = this.#value('firstBad', i, -1);
    const applied = (name: string, missing: number): number => (skipped ? 0 : this.#value(name, i, missing));
    const clipped = applied('clipped', MISSING.clipped);
    return {
      attempt: this.attemptAt(i),
      step,
      loss: this.#value('loss', i, MISSING.loss),
      norm: this.#value('norm', i, MISSING.norm),
      scale: applied('scale', MISSING.scale),
      normAfter: applied('normAfter', MISSING.normAfter),
      threshold: this.#value('threshold', i, MISSING.threshold),
      clipped: clipped !== 0,
      clippedFraction: applied('clippedFraction', clipped),
      skipped,
      nonFinite: bad >= 0 ? (this.#init.names[bad] ?? null) : null,
      nonFiniteCount: this.#value('badCount', i, 0),
      ...(this.#init.guards && { guards: this.#guards(this.#init.guards, i) }),
      ...(this.#offsets.has('lossScale') && { lossScale: this.#value('lossScale', i, 1) }),
      ...(this.#offsets.has('penalty') && { penalty: this.#value('penalty', i, 0) }),
      ...(this.#offsets.has('sparsity') && { sparsity: this.#value('sparsity', i, 0) }),
    };
  }
}
