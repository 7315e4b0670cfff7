// per-sample.ts: the gradients of a step as sums of those of samples by weights: a backward pass that only measures, the weights, and one that sums.
import { type Backward, backward } from '../../autodiff/grad.ts';
import { Leaving, SamplesOf } from '../../autodiff/samples.ts';
import type { ClipPolicy, PerSampleRule, SampleContext, SampleTotals } from '../../clip/clip.ts';
import { OptionError } from '../../errors.ts';
import { type Graph, inSection, type Tensor } from '../../ir/graph.ts';
import type { Parameter } from '../../nn/module/module.ts';
import { add, div, equal, mul, where } from '../../ops/elementwise/elementwise.ts';
import { castTo } from '../../ops/elementwise/map.ts';
import { sum } from '../../ops/reduce/reduce.ts';
import { stopGradient } from '../../ops/step/stop.ts';
import type { ApplyStates } from '../../optim/apply/apply.ts';
import type { StepColumns } from '../../optim/apply/columns.ts';
import type { Sums } from './accumulation.ts';
import { partsOf } from './weighing.ts';

/** What weighs the samples, and what it is given. */
export interface Weighing extends Pick<SampleContext, 'perStep' | 'state' | 'counts'> {
  readonly rule: PerSampleRule;
  /** The samples that a batch is expected to have, an f64 scalar; null: those that it has. */
  readonly expected: Tensor | null;
}

/** As `Sums.loss`, and what became of the samples. */
export interface LossOfSamples extends Backward {
  readonly total: Tensor;
  readonly samples: SampleTotals;
}

/**
 * What each sample loses: the loss of a batch of it alone, f64 [rows].
 * @throws GraphError where what a sample loses depends on others
 */
export function lossesOf(loss: Tensor, samples: SamplesOf): Tensor {
  const each = partsOf(loss).map((part) => {
    if (!part.count) return mul(ofEach(part.mean, samples), samples.count);
    const own = ofEach(part.total, samples);
    if (samples.lies(part.count) !== 'sum') return mul(own, div(samples.count, part.count));
    const counts = samples.summands(part.count);
    return div(own, add(counts, equal(counts, 0)));
  });
  return castTo(
    each.reduce((a, b) => add(a, b)),
    'f64',
  );
}

function ofEach(t: Tensor, samples: SamplesOf): Tensor {
  if (samples.lies(t) === 'sum') return samples.summands(t);
  const text = 'Trainer: option clip: clip.perSample: expected a loss that is a mean over the rows of the batch';
  throw new OptionError(`${text}; what is the same for all of them (a penalty on weights) is of option regularize`, {
    option: 'clip',
  });
}

/**
 * The mean of the losses of all samples of a step, and the sum of their gradients by weights, divided by how many are expected.
 * @param loss of a micro-batch of `rows` rows
 * @param names of `wrt`
 */
export function lossBySamples(
  loss: Tensor,
  rows: number,
  names: readonly string[],
  wrt: readonly Tensor[],
  { rule, counts, expected, ...memory }: Weighing,
  sums: Sums | null,
): LossOfSamples {
  const { graph } = loss;
  const samples = new SamplesOf(rows);
  for (const { state, value } of graph.assigns) {
    if (samples.lies(value) === null) continue;
    const text = `Trainer: option clip: clip.perSample: ${state.name} carries something of the samples of a batch to the next`;
    throw new OptionError(text, { option: 'clip', name: state.name });
  }
  const losses = lossesOf(loss, samples);
  // What is alike for all samples is still each one's own.
  const own = graph.constant(new Float64Array(rows).fill(1), [rows], 'f64');
  samples.inFront(own);
  // As soon as a gradient is known, since what it is made of is not kept for long.
  const measuredOf = new Map<number, Tensor>();
  const whole = (i: number, gradient: Tensor): void => void measuredOf.set(i, samples.squares(gradient));
  const measured = backward(sum(mul(losses, own)), wrt, { whole });
  const squares = [...measuredOf].sort(([i], [j]) => i - j).map(([, found]) => found);
  const total = (name: string, value: Tensor): Tensor => (sums ? sums.sum(name, value) : value);
  const decided = rule.weigh({ graph, squares, counts, sum: total, ...memory });
  const weights = decided.weights.map((w) => stopGradient(w));
  const has = counts ? sum(counts, { dtype: 'f64' }) : graph.scalar(rows, 'f64');
  const all = total('samples', has);
  const divisor = expected ?? all;
  const early = sums === null;
  const by = (w: Tensor): Tensor => (early ? div(w, divisor) : w);
  const late = (g: Tensor, name: string): Tensor => {
    if (early) return g;
    const whole = total(`gradient ${name}`, g);
    return inSection(graph, 'apply', () => mul(whole, castTo(div(1, divisor), 'f32')));
  };
  const summed = summedBy(weights.map(by), { measured, wrt, losses, samples });
  const gradients = summed.map((g, i) => g && late(g, names[i]!));
  // One that is not finite says nothing of the others.
  const finite = equal(mul(losses, 0), 0);
  const known = counts ? mul(finite, counts) : finite;
  const lost = total('loss', sum(where(known, losses, 0), { dtype: 'f64' }));
  const of = total('losses', sum(known, { dtype: 'f64' }));
  const mean = inSection(graph, sums ? 'apply' : 'micro', () => div(lost, add(of, equal(of, 0))));
  return { total: mean, gradients, ends: measured.ends, samples: { ...decided.totals, expected: divisor } };
}

interface Measured {
  readonly measured: Backward;
  readonly wrt: readonly Tensor[];
  readonly losses: Tensor;
  readonly samples: SamplesOf;
}

/** One weight for all gradients of a sample: a second pass from the losses. One for each gradient: the sums alone are taken once more. */
function summedBy(weights: readonly Tensor[], { measured, wrt, losses, samples }: Measured): readonly (Tensor | null)[] {
  const [only] = weights;
  if (weights.length === 1) {
    return backward(sum(mul(losses, only!)), wrt, { reading: new Leaving(samples, only!) }).gradients;
  }
  let at = 0;
  return measured.gradients.map((g) => g && samples.weighed(g, weights[at++]!));
}

/** How the samples of a batch are weighed. */
export function weighingOf(
  rule: PerSampleRule,
  columns: StepColumns,
  states: ApplyStates,
  drawn: Pick<Weighing, 'counts' | 'expected'> = { counts: null, expected: null },
): Weighing {
  return {
    rule,
    ...drawn,
    perStep: (name, value) =>
      columns.of(`clip.${name}`, [], (step, out) => {
        out[0] = value(step);
      }),
    state: (name, type, init) => states.of(`clip.${name}`, type, init),
  };
}

/** What `build` of a policy is given where there is no batch: what it declares is what it declares of one. */
export function totalsOfNone(
  graph: Graph,
  rule: PerSampleRule,
  parameters: number,
  columns: StepColumns,
  states: ApplyStates,
): SampleTotals {
  const squares = Array.from({ length: parameters }, (_, i) => graph.input(`squares ${i}`, { dtype: 'f64', shape: [1] }, 'feed'));
  const { totals } = rule.weigh({ graph, squares, sum: (_, value) => value, ...weighingOf(rule, columns, states) });
  return { ...totals, expected: graph.scalar(1, 'f64') };
}

/** @throws OptionError for what reads numbers of samples that the noise of a policy is to hide. @param what these are */
export function checkHidden({ name, perSample }: ClipPolicy, what: string): void {
  if (!perSample || perSample.noise === 0) return;
  throw new OptionError(`${what} what the noise of ${name} is to hide; without noise (option noise: 0) it may be asked`, {
    policy: name,
  });
}

/** Options of a trainer. */
interface Beside {
  readonly clip?: ClipPolicy | undefined;
  readonly lossScale?: unknown;
  readonly guards?: readonly unknown[] | undefined;
}

/** @throws OptionError for options of a trainer that do not go with gradients of samples */
export function checkPerSample({ clip, lossScale, guards = [] }: Beside, trained: readonly Parameter[]): void {
  if (!clip?.perSample) return;
  const { noise } = clip.perSample;
  const sparse = trained.find((p) => p.sparse)?.name;
  const found = {
    lossScale: lossScale !== undefined && 'gradients of samples are not scaled',
    guards: guards.length > 0 && noise > 0 && 'they look at what its noise is to hide',
    [`sparse of ${sparse}`]: sparse !== undefined && 'a table gets a gradient in all rows',
  };
  for (const [option, why] of Object.entries(found)) {
    if (why) throw new OptionError(`Trainer: option ${option}: ${clip.name}: ${why}`, { option, policy: clip.name });
  }
}
