// culprit.ts: why the gradients of a step were not finite: what of its batch is not, or which weight, or neither. Looked for when it has happened.

import type { ClipPolicy } from '../../clip/clip.ts';
import { sizeOf } from '../../ir/op.ts';
import { indicesOf } from '../../ops/reduce/describe.ts';
import type { Report, Reports } from '../../optim/apply/report.ts';
import { batchesOf, type Chunk, type DrawnBatch } from '../feed/feeder.ts';
import type { NdArray } from '../feed/source.ts';
import { type Effect, type Loop, perform } from '../flow/effect.ts';
import type { Running } from '../flow/running.ts';
import { ofExample, placeOf } from '../programs/located.ts';

export interface Culprit {
  readonly kind: 'input' | 'weight' | 'gradient';
  /** Of the array or the parameter. */
  readonly name: string;
  /** For people: `x: NaN at row 1, column 1`. */
  readonly text: string;
  /** NaN or an infinity; its indices in the array, the row first. None of a gradient. */
  readonly value?: number;
  readonly position?: readonly number[];
}

/** What a step leaves to be looked at. */
export interface Evidence {
  readonly batches: readonly DrawnBatch[];
  /** Weights as they were before the step; empty where they are not known. */
  readonly weights: ReadonlyMap<string, NdArray>;
  /** Null of a step that ended the run. */
  readonly report: Report | null;
}

/** The first input that is not finite, else the first weight, else the gradient that the report names. */
export function culpritOf({ batches, weights, report }: Evidence): Culprit | null {
  for (const { arrays, rows, of, examples } of batches) {
    for (const [name, array] of arrays) {
      const bad = firstBad(array, rows);
      const found = bad && { ...bad, position: ofExample(bad.position, examples) };
      if (found) return { kind: 'input', name, text: `${name}: ${found.value} at ${placeOf(found.position)}${of}`, ...found };
    }
  }
  for (const [name, array] of weights) {
    const found = firstBad(array, null);
    if (found) return { kind: 'weight', name, text: `${name}: the weight at [${found.position}] is ${found.value}`, ...found };
  }
  if (!report?.nonFinite) return null;
  const { nonFinite: name, nonFiniteCount: count, loss } = report;
  const which = count > 1 ? `gradients of ${name} and ${count - 1} more are` : `gradient of ${name} is`;
  const known = weights.size > 0 ? 'inputs and weights are finite' : 'inputs are finite';
  return { kind: 'gradient', name, text: `${known}, the loss is ${loss}, but the ${which} not finite` };
}

function firstBad({ data, shape }: NdArray, rows: Int32Array | null): { value: number; position: readonly number[] } | null {
  // A caller may have given the memory of a batch away since.
  if (!(data instanceof Float32Array || data instanceof Float64Array) || data.length < sizeOf(shape)) return null;
  const width = sizeOf(shape.slice(1));
  const count = rows?.length ?? shape[0] ?? 1;
  for (let k = 0; k < count; k++) {
    const start = (rows ? rows[k]! : k) * width;
    for (let i = start; i < start + width; i++) {
      if (!Number.isFinite(data[i])) return { value: data[i]!, position: indicesOf(i, shape) };
    }
  }
  return null;
}

// A threshold that comes from fewer steps is hardly one.
const YOUNG = 10;

/** What to do where a run has gone wrong after a few updates, and thresholds came from those alone. */
export function afterYoung({ unboundedAtFirst: bound }: Pick<ClipPolicy, 'unboundedAtFirst'>, step: number): string {
  if (bound === undefined || step === 0 || step > YOUNG) return '';
  const past = step === 1 ? 'one step' : `${step} steps`;
  return `; the clip policy had ${past} to make a threshold of: ${bound} bounds it from the first step on`;
}

/** Looks at steps that were not finite: at the first of a run, which is reported, and at one that ends it. */
export class Inquiry {
  readonly #running: Running;
  readonly #weights: Effect<ReadonlyMap<string, NdArray>>;
  readonly #policy: Pick<ClipPolicy, 'unboundedAtFirst'>;
  readonly #scaleAdapts: boolean;
  #told: { readonly culprit: Culprit; readonly step: number } | null = null;

  /**
   * @param weights values of all parameters by name
   * @param scaleAdapts a step whose scaled gradients overflow is what lowers the scale, and nothing to report
   */
  constructor(
    running: Running,
    weights: Effect<ReadonlyMap<string, NdArray>>,
    policy: Pick<ClipPolicy, 'unboundedAtFirst'>,
    scaleAdapts: boolean,
  ) {
    this.#running = running;
    this.#weights = weights;
    this.#policy = policy;
    this.#scaleAdapts = scaleAdapts;
  }

  /** Warn of step `at` of a chunk, if it is the first of the run that was not finite. */
  *tell(chunk: Chunk, reports: Reports, at: number): Loop<void> {
    if (this.#told) return;
    const culprit = yield* this.#look(chunk, reports, at);
    const { attempt, step, skipped, loss, lossScale = 1 } = reports.at(at);
    if (!culprit || (culprit.kind === 'gradient' && this.#scaleAdapts && lossScale > 1)) return;
    this.#told = { culprit, step };
    const { text, ...details } = culprit;
    const what = skipped ? `batch ${attempt} was skipped` : `the loss of batch ${attempt} is ${loss}`;
    const advice = culprit.kind === 'input' ? '' : afterYoung(this.#policy, step);
    this.#running.warnings.add('nonFinite', `${text}; ${what}${advice}`, { ...details, step, attempt });
  }

  /** Of the run's last step, at place `at` in its chunk: the one that was reported, if nothing was updated since. */
  *ofEnd(chunk: Chunk, reports: Reports, at: number): Loop<Culprit | null> {
    if (this.#told?.step === this.#running.counters.step) return this.#told.culprit;
    return yield* this.#look(chunk, reports, at);
  }

  *#look(chunk: Chunk, reports: Reports, at: number): Loop<Culprit | null> {
    const batches = batchesOf(chunk, at);
    const unchanged = reports
      .column('skipped')
      .subarray(at)
      .every((skipped) => skipped === 1);
    const weights = unchanged ? yield* perform(this.#weights) : new Map<string, NdArray>();
    return culpritOf({ batches, weights, report: at < reports.length ? reports.at(at) : null });
  }
}
