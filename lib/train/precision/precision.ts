// precision.ts: what rounding does to the loss and the gradients of a batch: kernels against loops in f64, and how large numbers get on the way.
import { OptionError } from '../../errors.ts';
import { type Graph, isLeaf, type State, type Tensor } from '../../ir/graph.ts';
import type { Data, Precision, RefArray } from '../../ir/op.ts';
import { checkRoom, type Purpose } from '../../native/room.ts';
import { rowsBetween } from '../feed/batch.ts';
import { isRows, likeSource, rowsOf, type Source } from '../feed/source.ts';
import type { Loop } from '../flow/effect.ts';
import { type Differentiated, dataSet, type GradientPrograms, type Moment } from '../programs/gradients.ts';
import { GRADIENTS, traceGradients } from '../step/step.ts';
import { Compared } from './compared.ts';
import { computeExactly, type Leaves, type Plan, planOf } from './exact.ts';
import type { Coarse, Computed, NormsByOrder, ScaledLoss, ValueRange } from './measured.ts';
import { type Extremes, FORMATS, infiniteFrom, powerOfTwo, Range } from './range.ts';
import { PrecisionReport } from './report.ts';

/** Options of `Trainer.precision`. */
export interface PrecisionOptions {
  /**
   * Rows of a batch. Default: the trainer's `batchSize`, or as many as are computed in f64 in a few seconds, if those are fewer.
   */
  readonly rows?: number;
  /** Batches, the first of the data in their order. Default 1. */
  readonly batches?: number;
  /** `train`: with dropout, augmentation and the statistics of the batch; `eval`: as `evaluate` computes the loss. Default `train`. */
  readonly mode?: 'train' | 'eval';
  /** Whether to measure products in bf16, too. Default: whether the trainer has them. */
  readonly bf16?: boolean;
}

/** What is asked for. */
export interface AskedPrecision {
  readonly rows: number | undefined;
  readonly batches: number;
  readonly mode: 'train' | 'eval';
  readonly bf16: boolean | undefined;
}

/** Of a model that is measured. */
export interface Rounded {
  readonly of: Differentiated;
  /** What a step multiplies the loss by, a power of two. */
  readonly lossScale: number;
  tracing<T>(trace: () => T): T;
  /** As of now. */
  read(states: readonly State[]): ReadonlyMap<State, Data>;
  /** Programs of kernels, to be disposed of. */
  gradients(precision: Precision, activations: Precision): GradientPrograms;
}

/** Floating-point operations that the loops do in a second, as convolutions go; those of products go twice as fast. */
const RATE = 2e8;
/** As many as take a few seconds are done unasked, as many as take minutes only where `rows` asks for them. */
const FEW_SECONDS = 3 * RATE;
const FEW_MINUTES = 180 * RATE;
/** What they may hold. */
const MUCH_MEMORY = 1 << 30;
const EXACT: Purpose = { what: 'computing in f64', advice: 'Fewer rows take less' };

/** A graph whose loss and gradients are computed in f64. */
interface Truth {
  readonly graph: Graph;
  readonly plan: Plan;
}

/**
 * @param batchSize of the trainer
 * @throws OptionError where the data have fewer rows, or where one row takes minutes and `rows` does not ask for it
 */
export function* measurePrecision(
  model: Rounded,
  { source, coarse }: GivenRows,
  asked: AskedPrecision,
  batchSize: number,
  moment: Moment,
): Loop<PrecisionReport> {
  const { batches, mode } = asked;
  const began = performance.now();
  const { truth, rows } = truthOf(model, source, asked, batchSize);
  const { precision, activations } = model.of;
  const bf16 = asked.bf16 ?? precision === 'bf16';
  const trained = model.of.trained.map((p) => ({ name: model.of.names.get(p)![0]!, size: p.size }));
  const compared = { f32: new Compared(trained), bf16: bf16 ? new Compared(trained) : null, scaled: new Compared(trained) };
  const spread = { weights: new Range(), activations: new Range(), gradients: new Range() };
  for (const p of model.read(model.of.trained.map((p) => p.state)).values()) spread.weights.add(p as RefArray);
  const places = new Places();
  let norms: NormsByOrder | null = null;
  const programs = {
    f32: model.gradients('f32', 'f32'),
    bf16: bf16 ? model.gradients('bf16', activations) : null,
  };
  function* take(of: GradientPrograms, part: Source, scale: number): Loop<Computed> {
    const options = { batchSize: rows, mode, penalties: true, scale };
    const { loss, gradients } = yield* of.take(dataSet(part, false), options, moment, false);
    return { loss, gradients: trained.map(({ name }) => Float64Array.from(gradients.get(name)!.data, (g) => g / scale)) };
  }
  const exact: Computed[] = [];
  try {
    for (let b = 0; b < batches; b++) {
      const part = partOf(source, b * rows, rows);
      // The kernels first: they say what is wrong with the data.
      const f32 = yield* take(programs.f32, part, model.lossScale);
      const found = yield* computedExactly(truth, model, part, moment, spread, places);
      exact.push(found);
      compared.f32.add(f32, found);
      if (programs.bf16) compared.bf16!.add(yield* take(programs.bf16, part, model.lossScale), found);
      const here = normsOf(f32, found);
      if (!norms || here.forward.error > norms.forward.error) norms = here;
    }
    const scaled = scaledOf(spread.gradients);
    const best = scaled.find(({ format }) => format === 'f32')!;
    // Where f32 loses gradients, it is tried whether a scale of the loss brings them back.
    const tries = powerOfTwo(best.power) > model.lossScale;
    if (tries) {
      for (let b = 0; b < batches; b++) {
        const found = yield* take(programs.f32, partOf(source, b * rows, rows), powerOfTwo(best.power));
        compared.scaled.add(found, exact[b]!);
      }
    }
    return new PrecisionReport({
      rows,
      batches,
      mode,
      f32: compared.f32.result(),
      bf16: compared.bf16?.result() ?? null,
      norms: norms!,
      values: {
        weights: spreadOf(spread.weights),
        activations: spreadOf(spread.activations),
        gradients: spreadOf(spread.gradients),
      },
      scaled,
      withScale: tries ? compared.scaled.result() : null,
      places: places.found,
      lossScale: model.lossScale,
      coarse,
      flops: batches * truth.plan.flops,
      ms: performance.now() - began,
    });
  } finally {
    programs.f32.dispose();
    programs.bf16?.dispose();
  }
}

/** The graph, on as many rows as may be. */
function truthOf(
  model: Rounded,
  source: Source,
  { rows: wanted, batches, mode }: AskedPrecision,
  batchSize: number,
): { truth: Truth; rows: number } {
  const most = Math.floor(source.length / batches);
  if (most === 0 || (wanted ?? 0) > most) {
    const option = most === 0 ? 'batches' : 'rows';
    const value = most === 0 ? batches : wanted;
    const each = batches > 1 ? ` for each of ${batches} batches` : '';
    const text = `Trainer.precision: option ${option}: the data have ${source.length} rows: expected at most ${most || source.length}${most === 0 ? '' : each}, got ${value}`;
    throw new OptionError(text, { option, value, rows: source.length });
  }
  const rows = wanted ?? Math.min(batchSize, most);
  const truth = traced(model, source, rows, mode);
  const { flops, bytes } = truth.plan;
  if (wanted !== undefined) {
    checkRoom(EXACT, bytes);
    return { truth, rows };
  }
  const part = Math.min(FEW_SECONDS / (batches * flops), MUCH_MEMORY / bytes);
  if (part >= 1) return { truth, rows };
  // Batch norms have no statistics of one row.
  const fewer = Math.min(rows, Math.max(2, Math.floor(rows * part)));
  const smaller = traced(model, source, fewer, mode);
  const takes = batches * smaller.plan.flops;
  if (takes > FEW_MINUTES) {
    const minutes = Math.ceil(takes / RATE / 60);
    const text = `Trainer.precision: ${fewer} rows take some ${minutes} minutes in f64: option rows asks for as many as you will wait for`;
    throw new OptionError(text, { option: 'rows', flops: takes });
  }
  checkRoom(EXACT, smaller.plan.bytes);
  return { truth: smaller, rows: fewer };
}

function traced({ of, tracing }: Rounded, source: Source, rows: number, mode: 'train' | 'eval'): Truth {
  const { prepare, ...spec } = of;
  // What is computed again gives the same once more.
  const exactly = { ...spec, precision: 'f32', activations: 'f32', checkpointed: null, accumulators: null } as const;
  const graph = tracing(() => traceGradients(exactly, mode, rows, (graph) => prepare(source.trace(graph, rows))));
  const names = ['loss', ...of.trained.map((_, i) => GRADIENTS.of(i))];
  return { graph, plan: planOf(names.map((name) => graph.outputs.get(name)!)) };
}

/** The data that are measured. */
export interface GivenRows {
  /** Of which nobody changes the arrays. */
  readonly source: Source;
  readonly coarse: readonly Coarse[];
}

/** So many rows of the data, or all that there are, copied: whoever gave them may change them before they are read. */
export function givenRows(source: Source, count: number): GivenRows {
  const copied = (data: Source['data']): Source['data'] =>
    new Map([...data].map(([name, a]) => [name, { ...a, data: a.data.slice() }]));
  if (!isRows(source)) {
    return { source: partOf({ ...source, data: copied(source.data) }, 0, source.length), coarse: [] };
  }
  const rows = copied(rowsBetween(source.data, 0, Math.min(count, source.length)));
  return { source: rowsOf(rows), coarse: source.length < LEAST_ROWS ? [] : coarseIn(source.data) };
}

/** Some rows of a source, in order. */
function partOf(source: Source, first: number, count: number): Source {
  if (isRows(source)) return rowsOf(rowsBetween(source.data, first, count));
  const part: Source = {
    data: source.data,
    length: count,
    epoch: (size) => source.epoch(size),
    trace: (graph, rows) => source.trace(graph, rows),
    fill: (row, at) => source.fill(row, at),
    fillInOrder: (row, start) => source.fillInOrder(row, first + start),
  };
  return likeSource(part, source);
}

function* computedExactly(
  { graph, plan }: Truth,
  model: Rounded,
  source: Source,
  { seed, attempt }: Moment,
  spread: Readonly<Record<'activations' | 'gradients', Range>>,
  places: Places,
): Loop<Computed> {
  const states = model.read(graph.states);
  const leaves: Leaves = {
    state: (state) => states.get(state)! as RefArray,
    input({ name, role, type }) {
      if (role === 'data') return source.data.get(name)!.data as RefArray;
      const row = new Int32Array(type.shape[0]!);
      source.fillInOrder(row, 0);
      return row;
    },
  };
  const context = { seed, attempt, micro: 0, micros: 1 };
  const values = yield* computeExactly(plan, leaves, context, (t, found) => {
    const { node } = t;
    if (t.dtype !== 'f32' || isLeaf(node) || node.op.alias || node.section !== 'micro' || node.op.saved?.includes(t.index))
      return;
    places.look(t, spread[node.gradientOf ? 'gradients' : 'activations'].add(found));
  });
  const at = (name: string): RefArray => values.get(graph.outputs.get(name)!)!;
  return { loss: at('loss')[0]!, gradients: model.of.trained.map((_, i) => at(GRADIENTS.of(i)) as Float64Array) };
}

/** Columns of arrays in f32 whose numbers are so far from 0 that few steps of f32 lie between the smallest and the largest. */
function coarseIn(arrays: Source['data']): Coarse[] {
  return [...arrays].flatMap(([array, { data, shape }]) => {
    if (!(data instanceof Float32Array)) return [];
    const width = data.length / shape[0]!;
    return Array.from({ length: width }, (_, column): Coarse => {
      let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
      for (let i = column; i < data.length; i += width) {
        min = Math.min(min, data[i]!);
        max = Math.max(max, data[i]!);
      }
      return { array, column, min, max, step: stepAt(Math.max(-min, max)) };
    }).filter(({ min, max, step }) => max > min && max - min < FEW_STEPS * step);
  });
}

/** Less than the digits of bf16. */
const FEW_STEPS = 256;
/** Of fewer rows some lie close together by chance. */
const LEAST_ROWS = 16;

/** From a number of f32 to the next larger one. */
function stepAt(x: number): number {
  const next = Float32Array.of(x);
  new Uint32Array(next.buffer)[0]!++;
  return next[0]! - x;
}

/** Where numbers are first too large or too small, in the order in which things are computed. */
class Places {
  readonly found: Record<'above f32' | 'small in f32' | 'not finite', string | null> = {
    'above f32': null,
    'small in f32': null,
    'not finite': null,
  };

  look(t: Tensor, { largest, smallest, notFinite }: Extremes): void {
    const { found } = this;
    if (notFinite > 0) found['not finite'] ??= placeOf(t);
    if (largest >= INFINITE) found['above f32'] ??= placeOf(t);
    if (smallest < SMALL) found['small in f32'] ??= placeOf(t);
  }
}

const INFINITE = infiniteFrom('f32');
const SMALL = powerOfTwo(FORMATS.f32.least);

function placeOf({ node }: Tensor): string {
  const { gradientOf, layer, op } = node;
  const what = gradientOf ? `the gradient of ${gradientOf.op.name}` : op.name;
  return layer === '' ? what : `${what} in ${layer}`;
}

const spreadOf = (range: Range): ValueRange => ({
  elements: range.elements,
  zeros: range.zeros,
  notFinite: range.notFinite,
  largest: range.largest,
  smallest: range.counted === 0 ? 0 : range.smallest,
  f32: range.held('f32'),
  bf16: range.held('bf16'),
  f16: range.held('f16'),
});

/** The scale of the loss that leaves most numbers their digits: of several the smallest. */
function scaledOf(gradients: Range): ScaledLoss[] {
  return (['f32', 'f16'] as const).map((format): ScaledLoss => {
    const most = gradients.room(format, MOST_POWER);
    const least = gradients.held(format, most).below;
    let power = 0;
    while (power < most && gradients.held(format, power).below > least) power++;
    return { format, power, without: gradients.held(format), withIt: gradients.held(format, power) };
  });
}

/** Of option `lossScale`. */
const MOST_POWER = 100;

/** The 2-norm of all gradients together, squares added in several ways. */
function normsOf(f32: Computed, exact: Computed): NormsByOrder {
  const all = f32.gradients;
  const wide = Math.sqrt(sumOfSquares(all));
  const from = (norm: number): { norm: number; error: number } => ({
    norm,
    error: norm === wide ? 0 : Math.abs(norm - wide) / wide,
  });
  return {
    exact: Math.sqrt(sumOfSquares(exact.gradients)),
    f64: wide,
    pairwise: from(Math.fround(Math.sqrt(pairwise(joined(all))))),
    forward: from(Math.fround(Math.sqrt(forward(all)))),
  };
}

function sumOfSquares(gradients: readonly Float64Array[]): number {
  let sum = 0;
  for (const g of gradients) for (let i = 0; i < g.length; i++) sum += g[i]! * g[i]!;
  return sum;
}

/** As a loop over f32 adds. */
function forward(gradients: readonly Float64Array[]): number {
  let sum = 0;
  for (const g of gradients) for (let i = 0; i < g.length; i++) sum = Math.fround(sum + Math.fround(g[i]! * g[i]!));
  return sum;
}

function joined(gradients: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(gradients.reduce((n, g) => n + g.length, 0));
  let at = 0;
  for (const g of gradients) {
    all.set(g, at);
    at += g.length;
  }
  return all;
}

/** In f32, each half alone, and then the two. */
function pairwise(values: Float64Array, begin: number = 0, end: number = values.length): number {
  if (end - begin <= 1) return begin < end ? Math.fround(values[begin]! * values[begin]!) : 0;
  const middle = (begin + end) >>> 1;
  return Math.fround(pairwise(values, begin, middle) + pairwise(values, middle, end));
}
