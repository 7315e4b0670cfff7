// clip.ts: the contract of a clip policy. A policy measures gradients and decides; what it decides is applied inside the optimizer's
// update, stage by stage, so gradients are never rewritten in memory.
import type { Graph, State, Tensor } from '../ir/graph.ts';
import type { Data, TensorType } from '../ir/op.ts';
import type { Stage } from '../ops/gradient/stage.ts';
import { custom, perStep, signature, text } from '../options/index.ts';

/** What a step reports of its clipping: f64 scalars. What a policy leaves out has the default of optim/apply/report.ts. */
export interface ClipColumns {
  /** Norm of all gradients before the policy, a scalar. */
  readonly norm?: Tensor;
  /** Norm of all gradients after the policy, a scalar. */
  readonly normAfter?: Tensor;
  /** What gradients are multiplied by, a scalar; the smallest where each tensor has its own. */
  readonly scale?: Tensor;
  /** What the norm was compared with, a scalar. */
  readonly threshold?: Tensor;
  /** A scalar, not 0 if the policy changed anything. */
  readonly clipped?: Tensor;
  /** The fraction of elements that the policy changed, a scalar, where that is neither none nor all. */
  readonly clippedFraction?: Tensor;
  /** Index of the first tensor with a NaN or an infinity, a scalar; -1: none. */
  readonly firstBad?: Tensor;
  /** How many tensors have a NaN or an infinity, a scalar. */
  readonly badCount?: Tensor;
}

/** What a rule of `ClipPolicy.perSample` has to go by, in each micro-batch. */
export interface SampleContext {
  /** What the rule adds its nodes to. */
  readonly graph: Graph;
  /** Of each parameter, the square of the 2-norm of each sample's gradient, f64 [samples]. */
  readonly squares: readonly Tensor[];
  /** f64 [samples], 1 for samples and 0 for rows that only fill the micro-batch up; null: all are samples. */
  readonly counts: Tensor | null;
  /** An f64 scalar with a value of its own in each step. @shape scalar */
  perStep(name: string, value: (step: number) => number): Tensor;
  /** Memory of the policy's own, as it was before the step. */
  state(name: string, type: TensorType, init?: (out: Data) => void): State;
  /** The sum of a value over the micro-batches of the step: valid where the step is applied. @shape value [...] -> [...] */
  sum(name: string, value: Tensor): Tensor;
}

/** What a rule of `ClipPolicy.perSample` has decided. */
export interface SampleWeights {
  /** What the gradient of each sample is multiplied by, f64 [samples]: one for all parameters, or one for each. 0: nothing of the sample is read. */
  readonly weights: readonly Tensor[];
  /** f64 scalars of the whole step, for `build`. */
  readonly totals: Omit<SampleTotals, 'expected'>;
}

/** What became of the samples of a step: f64 scalars. */
export interface SampleTotals {
  /** What norms were compared with, a scalar. */
  readonly threshold: Tensor;
  /** How many samples there are, a scalar. */
  readonly count: Tensor;
  /** How many of them were clipped, a scalar. */
  readonly clipped: Tensor;
  /** How many have a gradient that is not finite, a scalar. */
  readonly bad: Tensor;
  /** How many have a norm of the threshold at most, a scalar. */
  readonly below: Tensor;
  /** The sum of the norms of those that are finite, a scalar. */
  readonly norms: Tensor;
  /** The samples that a step is expected to have, which its sum is divided by, a scalar. */
  readonly expected: Tensor;
}

/** How the gradients of samples are weighed before they are summed. */
export interface PerSampleRule {
  /** Deviation of the noise, in thresholds; 0: there is none. */
  readonly noise: number;
  /** Whether the noise is keyed by the system, or by the trainer's seed. */
  readonly secure: boolean;
  /** One norm of all parameters of a sample, or one for each. */
  readonly layers: 'flat' | 'each';
  /** Decides, in each micro-batch, what the gradients of its samples are multiplied by. */
  weigh(context: SampleContext): SampleWeights;
}

/** What a policy has to go by. */
export interface ClipContext {
  /** What the policy adds its nodes to. */
  readonly graph: Graph;
  /** Parameters of all groups, in one order, each of its own shape. */
  readonly params: readonly Tensor[];
  /** Their final gradients, each of its parameter's shape. */
  readonly grads: readonly Tensor[];
  /** Names of the parameters. */
  readonly names: readonly string[];
  /** All names of each, the first one first: tied parameters have several. Absent: they have one. */
  readonly allNames?: readonly (readonly string[])[];
  /** f64 scalar; absent where gradients come from elsewhere. */
  readonly loss: Tensor | null;
  /** What earlier policies of a chain decided: measure gradients through these. */
  readonly stages: readonly Stage[];
  /** Of gradients that are sums over samples, weighed by the policy's own rule: what became of the samples. Absent: they are not. */
  readonly samples?: SampleTotals;
  /** Where these are a group's gradients, but norms of "all" are of these, each of its own shape. */
  readonly all?: { readonly grads: readonly Tensor[]; readonly stages: readonly Stage[] };
  /**
   * An f64 scalar with a value of its own in each step.
   * @shape scalar
   */
  perStep(name: string, value: (step: number) => number): Tensor;
  /** Memory of the policy's own. Assign its next value with `graph.assign`: a skipped step leaves it alone. */
  state(name: string, type: TensorType, init?: (out: Data) => void, options?: Pick<State, 'secret'>): State;
}

/** What a policy has decided. */
export interface Clipped {
  /** To be applied after `context.stages`; where there are `grads`, to those. */
  readonly stages: readonly Stage[];
  /**
   * Tensors in place of the gradients and of their shapes, as `context.stages` and the policy made them: for policies
   * that add something of their own.
   */
  readonly grads?: readonly Tensor[];
  /** What the step's report has about it. */
  readonly report: ClipColumns;
  /** f64 scalar, not 0 to skip the step; null: the policy never skips. */
  readonly skip: Tensor | null;
  /** Let the update measure what the stages did (norm before, norm after, elements changed) and report that. */
  readonly measure: boolean;
}

/** How `clip.auto` goes about it, as it was asked to. */
export interface AutoPlan {
  /** Steps of trials, as a fraction of the steps of the run. */
  readonly budget: number;
  /** Seconds of trials, in place of that; null: the budget says. */
  readonly seconds: number | null;
  /** What is done in place of trials; null: trials are made. */
  readonly decisions: readonly AutoStep[] | null;
  /** The threshold that the policy has of its own in a step, before the factor; known once it was built. */
  own(step: number): number;
}

/** A factor, and the step from which on thresholds are multiplied by it. */
export interface AutoStep {
  /** Steps tried before it holds. */
  readonly step: number;
  /** What thresholds are multiplied by from then on. */
  readonly factor: number;
}

/** What `clip.auto` has decided: from which step on which factor, and why. */
export interface AutoDecision extends AutoStep {
  /** What the policy's threshold became by it, in that step. */
  readonly threshold: number;
  /** Steps tried when it was decided: those between were steps of a race that it has won. */
  readonly decided: number;
  /** Why it was decided, in words for people. */
  readonly reason: string;
  /** What it goes by: the loss over the validation set, that of the batches that came, or norms that have moved; `given`: it was asked for. */
  readonly judgedBy: 'validation' | 'batches' | 'norms' | 'given';
  /** Steps of trials up to then, with what validations of branches took. */
  readonly extra: number;
}

/** A rule of clipping: what an optimizer, a trainer or `replay` is given. */
export interface ClipPolicy {
  /** As errors and reports have it. */
  readonly name: string;
  /** So many skipped steps in a row end the run with a NonFiniteError (a SkipError, where the gradients were finite); 0: never. */
  readonly maxSkips: number;
  /** Its threshold comes from steps before and has no other bound: what would bound it from the first step on. A run that dies young gets a warning with it. */
  readonly unboundedAtFirst?: string;
  /** Its threshold, or what it skips, comes from norms of steps before. */
  readonly followsNorms?: boolean;
  /** Names by which it asks `perStep` for its thresholds, the one that it reports first: what `clip.auto` multiplies. Absent or empty: it has none, or only measures. */
  readonly thresholds?: readonly string[];
  /** Who moves its threshold while a fit is on: of `clip.auto`, and of what holds one. Absent: nobody does. */
  readonly auto?: AutoPlan;
  /** How samples are weighed before their gradients are summed. Absent: they count alike. */
  readonly perSample?: PerSampleRule;
  /** Adds what the policy measures and decides to the graph of a step. */
  build(context: ClipContext): Clipped;
}

const readThresholdOf = signature('clip.parts.thresholdOf', {
  context: custom('the context that build is given', (value, place) => {
    if (typeof (value as Partial<ClipContext> | null)?.perStep === 'function') return value as ClipContext;
    throw place.wrong('the context that build is given', value);
  }),
  name: text,
  value: perStep({ infinite: true }),
});

/**
 * A threshold as a tensor: a column of the step row, so that another one compiles nothing. `Infinity` is a constant: it means read-only.
 * @shape f64 scalar
 * @throws OptionError
 */
export function thresholdOf(c: ClipContext, name: string, value: number | ((step: number) => number)): Tensor {
  readThresholdOf(arguments);
  if (value === Number.POSITIVE_INFINITY) return c.graph.scalar(value, 'f64');
  return c.perStep(name, typeof value === 'number' ? () => value : value);
}
