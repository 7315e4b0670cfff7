// step.ts: how a model becomes a program. Read this first: trace -> grad -> clip -> update -> compile, in these few lines.

import { type Backward, backward, endOf, zerosLike } from '../../autodiff/grad.ts';
import type { ClipPolicy, SampleTotals } from '../../clip/clip.ts';
import { Keeping } from '../../compile/keep.ts';
import { liveNodes } from '../../compile/simplify.ts';
import { OptionError } from '../../errors.ts';
import { Graph, inSection, type State, Tensor } from '../../ir/graph.ts';
import type { Precision } from '../../ir/op.ts';
import type { Aggregate } from '../../metrics/aggregate.ts';
import { type BindOptions, bindParameters, type Module, namesOf, type Parameter } from '../../nn/module/module.ts';
import { add, sqrt } from '../../ops/elementwise/elementwise.ts';
import { unscale as stage } from '../../ops/gradient/stage.ts';
import { statistic } from '../../ops/gradient/statistics.ts';
import type { Lookups } from '../../ops/rows/sparse-rows.ts';
import { type ApplyGroup, type ApplyStates, buildApply } from '../../optim/apply/apply.ts';
import { StepColumns } from '../../optim/apply/columns.ts';
import type { Finishing } from '../../optim/apply/finishing.ts';
import { denseOf, lookupsOf } from '../../optim/apply/lookups.ts';
import { LAYER_NORMS } from '../../optim/apply/report.ts';
import { DRAWN } from '../feed/poisson.ts';
import type { Sampled } from '../feed/shape.ts';
import type { Batch, Tensors } from '../feed/source.ts';
import type { Accumulators, Sums } from './accumulation.ts';
import type { Checkpointed } from './checkpointed.ts';
import type { Guarding } from './guarding.ts';
import type { LossScale } from './loss-scale.ts';
import { checkTraced, measure, scalar, type TracedMetric } from './measure.ts';
import { ofBatch } from './objective.ts';
import { type Penalties, penalize } from './penalties.ts';
import { lossBySamples, type Weighing, weighingOf } from './per-sample.ts';

/** A loss or metric over one batch: a scalar. `N` are the names of the batch's tensors. */
export type Objective<M, N extends string = string> = (batch: Batch<N>, model: M) => Tensor;
/** What is measured over a data set: a scalar, of which the mean over rows is taken, or what makes a number of all rows (`metrics.f1`). */
export type Measure<M, N extends string = string> = (batch: Batch<N>, model: M) => Tensor | Aggregate;

/** A loss, what it trains, and what is added to it. */
export interface LossSpec<M extends Module> {
  readonly model: M;
  readonly loss: Objective<M>;
  /** In the order in which policies see them. */
  readonly trained: readonly Parameter[];
  /** When a step may have several micro-batches. */
  readonly accumulators: Accumulators | null;
  readonly penalties: Penalties;
  readonly checkpointed: Checkpointed | null;
  /** Of the model's products; those of optimizers and policies are f32. */
  readonly precision: Precision;
  /** What is kept of the forward pass for the backward pass. */
  readonly activations: Precision;
}

export interface TrainSpec<M extends Module> extends Omit<LossSpec<M>, 'trained'> {
  readonly groups: readonly ApplyGroup[];
  /** Slots and policy state, shared by the programs of all batch sizes. */
  readonly states: ApplyStates;
  readonly policy: ClipPolicy;
  readonly finishing: Finishing;
  /** Report the 2-norm of each gradient, before the clip. */
  readonly perLayer: boolean;
  readonly scaling: LossScale | null;
  readonly guarding: Guarding | null;
  /** Where rows are drawn independently: how; null: batches are full. For a policy that weighs samples. */
  readonly sampled: Sampled | null;
  /** How much of the new weights enters their average in each step; null: there is none. */
  readonly ema: ((step: number) => number) | null;
}

/** States that parameters stand for in place of their own: averages. */
export type Stands = ReadonlyMap<Parameter, State>;

/** What is known of a step beside its graph. */
export interface TracedStep {
  readonly unreached: readonly Unreached[];
  readonly precision: Precision;
  /** Whether there is a product that takes its operands so. */
  readonly multiplies: boolean;
  /** Whether anything is kept for the backward pass as bf16; null: nothing is to be. */
  readonly keeps: boolean | null;
  /** What tells the graph from others, where processes train together. */
  readonly digest?: string;
}

/** A trained parameter that the loss cannot move: the op that has no gradient, or null where the loss does not depend on it. */
export interface Unreached {
  readonly name: string;
  readonly op: string | null;
}

/** The loss of a batch that `trace` declares, f64. */
export function traceLoss<M extends Module>(
  graph: Graph,
  model: M,
  loss: Objective<M>,
  trace: (graph: Graph) => Tensors,
  options: BindOptions = {},
): Tensor {
  return withParameters(graph, model, options, () => scalar('loss', ofBatch('loss', batchOf(graph, trace), model, loss)));
}

/** The same in a graph whose gradients are taken. */
export function traceTrained<M extends Module>(
  graph: Graph,
  { model, loss, checkpointed, activations }: Pick<LossSpec<M>, 'model' | 'loss' | 'checkpointed' | 'activations'>,
  trace: (graph: Graph) => Tensors,
  binding: BindOptions = {},
): Tensor {
  graph.activations = activations;
  const build = (): Tensor => traceLoss(graph, model, loss, trace, binding);
  return checkpointed ? checkpointed.during(graph, build) : build();
}

/** The loss of a step and its gradients, as policies see them. */
export interface LossOfStep {
  readonly total: Tensor;
  readonly grads: readonly Tensor[];
  /** Of tables that are updated by rows: what their gradients are made of. */
  readonly lookups: readonly (Lookups | null)[];
  readonly unreached: readonly Unreached[];
  readonly sums: Sums | null;
  /** What became of samples that are weighed one by one; null: they are not. */
  readonly samples: SampleTotals | null;
}

/**
 * The gradients of a step, with those of penalties: the loss and the penalty are outputs.
 * @param loss of a micro-batch of `rows` rows, f64
 * @param seed f64 scalar that gradients are multiplied by
 */
export function differentiate(
  loss: Tensor,
  rows: number,
  { trained, accumulators, penalties }: Pick<LossSpec<Module>, 'trained' | 'accumulators' | 'penalties'>,
  seed: Tensor | null,
  weighing: Weighing | null = null,
): LossOfStep {
  const { graph } = loss;
  const params = trained.map((p) => graph.state(p.state));
  const sums = accumulators?.of(graph, rows) ?? null;
  const names = trained.map((p) => p.name);
  const byRows = trained.map((p) => p.sparse);
  const ofSamples = weighing && lossBySamples(loss, rows, names, params, weighing, sums);
  const found =
    ofSamples ??
    (sums ? sums.loss(loss, names, params, seed, byRows) : { total: loss, ...backward(loss, params, seed ? { seed } : {}) });
  const unreached = unreachedOf(trained, params, found);
  const { total } = found;
  const gradients = found.gradients.map((g, i) => g ?? zerosLike(params[i]!));
  // Gradients of tables that are updated by rows: what several lookups give is joined first.
  const lookups = inSection(graph, sums ? 'apply' : graph.section, () =>
    trained.map((p, i) => {
      const found = p.sparse ? lookupsOf(p.name, gradients[i]!) : null;
      if (found && gradients[i]!.node.ins[0] !== found.values) gradients[i] = denseOf(found, trained[i]!.shape[0]!);
      return found;
    }),
  );
  inSection(graph, 'apply', () => graph.output('loss', total));
  const penalized = penalties.length > 0 ? penalize(graph, penalties, trained, gradients, seed) : null;
  if (penalized) graph.output('penalty', penalized.penalty);
  return { total, grads: penalized?.grads ?? gradients, lookups, unreached, sums, samples: ofSamples?.samples ?? null };
}

/** The graph of one training step on batches of `rows` rows that `trace` declares. */
export function traceTrain<M extends Module>(
  spec: TrainSpec<M>,
  rows: number,
  trace: (graph: Graph) => Tensors,
): { graph: Graph; extra: TracedStep } {
  const graph = graphOf('train', spec.precision);
  const { groups, states, policy, finishing, ema, scaling, guarding, accumulators } = spec;
  const columns = new StepColumns(graph);
  const drawn = spec.sampled
    ? {
        counts: graph.input(DRAWN, { dtype: 'f64', shape: [rows] }, 'feed'),
        expected: graph.scalar(spec.sampled.expected, 'f64'),
      }
    : undefined;
  const weighing = policy.perSample ? weighingOf(policy.perSample, columns, states, drawn) : null;
  const forward = (): Tensor => traceTrained(graph, spec, trace, accumulators?.binding(graph, rows));
  const watched = guarding?.watch(forward);
  const loss = watched ? watched.result : forward();
  const seed = scaling?.seed(graph) ?? null;
  const trained = groups.flatMap((g) => g.params);
  const { total, grads, lookups, unreached, sums, samples } = differentiate(loss, rows, { ...spec, trained }, seed, weighing);
  const overflow = scaling?.overflow(graph, grads) ?? null;
  const unscale = scaling?.inverse(graph) ?? null;
  const stages = unscale ? [stage(unscale)] : [];
  const guarded = guarding?.build(watched!.seen, total, grads, stages, sums) ?? null;
  const skip = overflow && guarded ? inSection(graph, 'apply', () => add(overflow, guarded)) : (overflow ?? guarded);
  const shared = {
    graph,
    groups,
    allNames: namesOf(spec.model),
    states,
    grads,
    policy,
    loss: total,
    finishing,
    ema,
    skip,
    unscale,
    lookups,
    columns,
    samples,
  };
  graph.precision = 'f32';
  buildApply(shared);
  scaling?.adapt(graph, overflow);
  if (spec.perLayer) {
    // Where the policy has measured the same, the compiler takes that.
    inSection(graph, 'apply', () => graph.output(LAYER_NORMS, sqrt(statistic(grads, { kind: 'sumSquares', stages }).each)));
  }
  const multiplies = graph.nodes.some(({ op, section }) => op.multiplies && section === 'micro');
  const keeps = spec.activations === 'f32' ? null : new Keeping(graph, liveNodes(graph)).kept.length > 0;
  return { graph, extra: { unreached, precision: spec.precision, multiplies, keeps } };
}

/** Columns of the report of `traceGradients`, beside `loss` and `penalty`. */
export const GRADIENTS = {
  of: (i: number): string => `gradient ${i}`,
  norm: 'norm',
  norms: 'norms',
} as const;

/**
 * The graph of loss and gradients of one step on batches of `rows` rows, which updates nothing.
 * @param mode `train`: as a step of training has them; `eval`: without what is random, and with running statistics
 * @param scale what the loss is multiplied by before its gradients are taken, which have that factor then
 */
export function traceGradients<M extends Module>(
  spec: LossSpec<M>,
  mode: 'train' | 'eval',
  rows: number,
  trace: (graph: Graph) => Tensors,
  scale: number = 1,
): Graph {
  const graph = graphOf(mode, spec.precision);
  const loss = traceTrained(graph, spec, trace, mode === 'train' ? spec.accumulators?.binding(graph, rows) : {});
  const { grads } = differentiate(loss, rows, spec, scale === 1 ? null : graph.scalar(scale, 'f64'));
  inSection(graph, 'apply', () => {
    const squares = statistic(grads, { kind: 'sumSquares' });
    graph.output(GRADIENTS.norm, sqrt(squares.total));
    graph.output(GRADIENTS.norms, sqrt(squares.each));
    for (const [i, g] of grads.entries()) graph.output(GRADIENTS.of(i), g);
  });
  // What goes from one micro-batch to the next is kept; what layers would keep for the next step (running statistics) is not.
  graph.assigns.splice(0, graph.assigns.length, ...graph.assigns.filter(({ state }) => state.transient));
  return graph;
}

/** @throws OptionError if no parameter is reached */
function unreachedOf(trained: readonly Parameter[], params: readonly Tensor[], { gradients, ends }: Backward): Unreached[] {
  const unreached = trained.flatMap(({ name }, i) =>
    gradients[i] ? [] : [{ name, op: endOf(params[i]!, ends)?.op.name ?? null }],
  );
  if (unreached.length < trained.length) return unreached;
  const op = unreached.find((u) => u.op !== null)?.op;
  const why = op
    ? `what it makes of them goes through ${op}, which passes no gradient on: train with a loss such as loss.crossEntropy, and give what counts to metrics`
    : `it depends on none of them (${trained.map((p) => p.name).join(', ')})`;
  throw new OptionError(`Trainer: option loss: it can move no trained parameter: ${why}`, { option: 'loss', op: op ?? null });
}

/** What a graph computes with that updates nothing. */
export interface Evaluated {
  readonly stands?: Stands | undefined;
  readonly precision: Precision;
}

/** The graph that measures a batch: loss and metrics, without dropout; and how the columns of all batches become numbers. */
export function traceEvaluate<M extends Module>(
  model: M,
  measures: Readonly<Record<string, Measure<M>>>,
  trace: (graph: Graph) => Tensors,
  { stands, precision }: Evaluated,
): { graph: Graph; extra: readonly TracedMetric[] } {
  const graph = graphOf('eval', precision);
  const extra = withParameters(graph, model, { stands }, () => {
    const batch = batchOf(graph, trace);
    return Object.entries(measures).map(([name, f]) => measure(graph, name, ofBatch(name, batch, model, f)));
  });
  return { graph, extra };
}

/** A tensor, or several by name: what is computed of a batch without a loss. */
export type Output<M> = (batch: Batch, model: M) => Tensor | Readonly<Record<string, Tensor>>;

/**
 * The graph that computes a function's tensors for a batch, and the names of its outputs by those of the tensors; '' of one without a name.
 * @param dropout drop as in training
 * @param forAnyRows it is written down
 */
export function traceOutputs<M extends Module>(
  where: string,
  model: M,
  output: Output<M>,
  trace: (graph: Graph) => Tensors,
  { stands, precision, dropout = false, forAnyRows = false }: Evaluated & Partial<Pick<Graph, 'dropout' | 'forAnyRows'>>,
): { graph: Graph; extra: ReadonlyMap<string, string> } {
  const graph = graphOf('eval', precision);
  graph.dropout = dropout;
  graph.forAnyRows = forAnyRows;
  const extra = new Map<string, string>();
  withParameters(graph, model, { stands }, () => {
    const given = ofBatch(where, batchOf(graph, trace), model, output);
    for (const [name, t] of given instanceof Tensor ? [['', given] as const] : byName(where, given)) {
      const column = name === '' ? 'output' : `output ${name}`;
      graph.output(column, t);
      extra.set(name, column);
    }
  });
  return { graph, extra };
}

/** @throws OptionError for what is no object of tensors, or an empty one */
function byName(where: string, given: unknown): [string, Tensor][] {
  const tensors = typeof given === 'object' && given !== null && !Array.isArray(given) ? given : {};
  const entries = Object.entries(tensors);
  const right = entries.length > 0 && entries.every(([name, t]) => name !== '' && t instanceof Tensor);
  checkTraced(where, 'a Tensor, or an object of Tensors by name', given, right);
  return entries as [string, Tensor][];
}

/** What `trace` declares, called by its names wherever it is shown. */
function batchOf(graph: Graph, trace: (graph: Graph) => Tensors): Tensors {
  const batch = trace(graph);
  for (const [name, t] of Object.entries(batch)) t.origin ??= `batch ${name}`;
  return batch;
}

/** A graph whose products take their operands so. */
export function graphOf(mode: 'train' | 'eval', precision: Precision): Graph {
  const graph = new Graph(mode);
  graph.precision = precision;
  return graph;
}

function withParameters<T>(graph: Graph, model: Module, options: BindOptions, build: () => T): T {
  const unbind = bindParameters(graph, model, options);
  try {
    return build();
  } finally {
    unbind();
  }
}
