// clipped.ts: gradients as a clip policy makes them, on the caller's own arrays, for whoever updates parameters by other means: `clip.apply`.
import { checkFixed, policy as policyField } from '../../clip/build.ts';
import type { ClipPolicy } from '../../clip/clip.ts';
import { compile } from '../../compile/compile.ts';
import { type Layout, layoutOf } from '../../compile/layout.ts';
import { dropUnused } from '../../compile/simplify.ts';
import { OptionError } from '../../errors.ts';
import { Graph, type State } from '../../ir/graph.ts';
import { graphKey } from '../../ir/print.ts';
import { addon, type NativeBlock } from '../../native/addon.ts';
import { allocate, CompiledProgram, STATUS, target } from '../../native/program.ts';
import { threadCount, threadsFor } from '../../native/threads.ts';
import { staged } from '../../ops/gradient/staged.ts';
import { update } from '../../ops/update/update.ts';
import { custom, type Field, options, signature, whole } from '../../options/index.ts';
import { type Apply, ApplyStates, buildApply, STATES, type Updatable } from '../apply/apply.ts';
import { EMA } from '../apply/average.ts';
import { fuse } from '../apply/build.ts';
import { StepColumns } from '../apply/columns.ts';
import { notFinite, type Report, Reports, tooManySkips } from '../apply/report.ts';
import type { GroupContext, GroupUpdate, Optimizer } from '../optimizer.ts';
import { arrays, checkArray, entriesOf, matchArrays, type Named, shapesField, shapesOf } from './arrays.ts';
import { Kept } from './kept.ts';
import { checkStates, filled, type OptimizerState, stateFields, zeros } from './states.ts';

/** Options of `clip.apply`. */
export interface ApplyOptions {
  /** The parameters of the gradients, given as these are: policies such as `agc` look at them. They are read, and not changed. Default: none. */
  readonly params?: Named<Float32Array>;
  /** What the last call gave as `state`: norms that an adaptive policy remembers, residuals, counters. Default: the policy begins. */
  readonly state?: OptimizerState;
  /** The step that thresholds which are functions see, from 0. Default: updates applied so far, which `state` counts. */
  readonly step?: number;
  /** The loss of the step, for policies that look at it. Default: it is not known. */
  readonly loss?: number;
  /** Shapes of the gradients, given as these are: for policies by rows or columns. Default: one dimension each. */
  readonly shapes?: Named<readonly number[]>;
  /** How many threads; results do not depend on it. Default: what affinity and container quota allow. */
  readonly threads?: number;
}

/** What `clip.apply` gives. */
export interface Applied<G extends Named<Float32Array> = Named<Float32Array>> {
  /** New arrays, in a list or by name as the gradients were given; null where the policy says to leave out this step. */
  readonly grads: { -readonly [K in keyof G]: Float32Array } | null;
  /** What the policy measured and did, as a step of a trainer reports it. */
  readonly report: Report;
  /** For the next call: what the policy remembers by `clip.<name>`, and the counters. A skipped step changes only these. */
  readonly state: OptimizerState;
}

const anyNumber: Field<number> = custom('a number', (given, place) => {
  if (typeof given === 'number') return given;
  throw place.wrong('a number', given);
});
const readApply = signature(
  'clip.apply',
  { grads: arrays, policy: policyField },
  options<ApplyOptions>()({
    params: arrays.optional(),
    state: stateFields.optional(),
    step: whole({ min: 0 }).optional(),
    loss: anyNumber.optional(),
    shapes: shapesField.default([]),
    threads: threadCount.optional(),
  }),
);

/**
 * Gradients as a clip policy makes them, on arrays of your own: for an update rule that is not of this library. The bits are those that the update of
 * a trainer sees, on any number of threads; inputs stay as they are. What an adaptive policy remembers comes out as `state` and goes into the next call.
 *
 * ```ts
 * let state: optim.OptimizerState | undefined;
 * for (const grads of steps) {
 *   const clipped = clip.apply(grads, policy, { state });
 *   state = clipped.state;
 *   if (clipped.grads) myUpdate(clipped.grads);
 * }
 * ```
 *
 * Where the policy skips the step (a gradient has a NaN, or `spikeSkip` found a spike), `grads` is null and `report.skipped` true: there is nothing
 * to update with. `nonFinite: 'propagate'` lets such gradients through, as PyTorch's `clip_grad_norm_` does. A call with the policy of the one
 * before, or with an equal one, and arrays of the same sizes compiles nothing.
 *
 * @param grads Float32Arrays, in a list or by name, as `optimizer.bind(...).step` takes them
 * @param policy what is done to them, such as `clip.globalNorm(1)`
 * @throws OptionError, also where the policy looks at parameters and option `params` is not given; DTypeError for what is no Float32Array;
 * ShapeError where sizes do not fit; CheckpointError where `state` is not of this policy and these arrays; NonFiniteError and SkipError as the
 * policy says, after `maxSkips` skipped steps in a row
 * @see torch.nn.utils.clip_grad_norm_, of any policy, and into new arrays
 */
export function apply<G extends Named<Float32Array>>(grads: G, policy: ClipPolicy, options: ApplyOptions = {}): Applied<G> {
  const where = 'clip.apply';
  const given = readApply(arguments);
  checkFixed(`${where}: argument policy`, policy);
  const entries = entriesOf(where, given.grads);
  if (entries.length === 0) throw new OptionError(`${where}: expected at least one gradient, got none`);
  for (const [name, x] of entries) checkArray(where, name, x);
  const names = entries.map(([name]) => name);
  const lengths = entries.map(([, x]) => x.length);
  const shapes = [...shapesOf(where, entries, given.shapes).values()];
  const params = given.params ? matchArrays(where, names, lengths, given.params, 'parameter') : null;

  const plan = planFor(policy, names, shapes, given.loss !== undefined);
  const { made, apply, loss } = plan;
  if (made.reads.length > 0 && !params) {
    throw new OptionError(`${where}: policy ${policy.name} looks at parameters: give option params`, { policy: policy.name });
  }
  if (given.state) checkStates(`${where}: option state`, plan.states, given.state.tensors);
  for (const state of plan.states) write(made, state, given.state?.tensors[state.name] ?? filled(state));
  loss.value = given.loss ?? Number.NaN;

  const { attempt = given.step ?? 0, skips = 0 } = given.state ?? {};
  const step = given.step ?? given.state?.step ?? 0;
  const { program } = made.compiled;
  const outs = lengths.map((n) => new Float32Array(n));
  const blocks = [made.memory, ...outs, ...made.reads.map((t) => params![t]!), ...entries.map(([, x]) => x)];
  const bound = made.compiled.bind(blocks, { what: where });
  try {
    const result = bound.runSync({
      ...{ steps: 1, micros: 1, step: apply.fillRows(program.step, step, 1), seed: 0n },
      ...{ attempt, stepCount: step, skips, maxSkips: policy.maxSkips },
      threads: threadsFor(program, given.threads ?? addon().threads.count),
    });
    if (result.status === STATUS.nonFinite) {
      throw notFinite(where, names[result.position] ?? null, { step, attempt: result.attempt, skips: result.skips });
    }
    const { columns, bytes: rowBytes } = program.report;
    const reports = new Reports({ rows: result.report, length: 1, columns, rowBytes, names, attempt, perStep: 1, step });
    const report = { ...reports.at(0), loss: loss.value };
    if (result.status === STATUS.tooManySkips) throw tooManySkips(where, report, result.skips);
    const tensors = Object.fromEntries(plan.states.map((state) => [state.name, read(made, state)]));
    const clipped = Array.isArray(given.grads) ? outs : Object.fromEntries(names.map((name, i) => [name, outs[i]!]));
    return {
      grads: report.skipped ? null : (clipped as Applied<G>['grads']),
      report,
      state: { step: result.stepCount, attempt: result.attempt, skips: result.skips, tensors },
    };
  } finally {
    bound.dispose();
  }
}

/** A compiled program and the memory of what the policy remembers. */
interface Made {
  readonly compiled: CompiledProgram;
  readonly memory: NativeBlock;
  /** Where in it each state lies, by name. */
  readonly offsets: ReadonlyMap<string, number>;
  /** Which parameters the policy looks at. */
  readonly reads: readonly number[];
}

/** A policy for gradients of some names and shapes. */
interface Plan {
  readonly key: string;
  readonly apply: Apply;
  /** What the policy remembers. */
  readonly states: readonly State[];
  readonly loss: { value: number };
  readonly made: Made;
}

// Programs of the last graphs, which policies that compute the same share; and of each policy the last plan.
const programs = new Kept<string, Made>(8);
const plans = new WeakMap<ClipPolicy, Plan>();

function planFor(policy: ClipPolicy, names: readonly string[], shapes: readonly (readonly number[])[], knowsLoss: boolean): Plan {
  const key = JSON.stringify([names, shapes, knowsLoss]);
  const known = plans.get(policy);
  if (known?.key === key) return known;

  const graph = new Graph('train');
  const params = names.map((name, t): Updatable => ({ name, state: { name, type: { dtype: 'f32', shape: shapes[t]! } } }));
  const inputs = params.map(({ state }, t) => graph.input(`grad.${t}`, state.type, 'data'));
  const loss = { value: Number.NaN };
  const columns = new StepColumns(graph);
  const lossNow = columns.of('loss', [], (_, out) => {
    out[0] = loss.value;
  });
  const states = new ApplyStates();
  const groups = [{ params, optimizer: WRITES_OUT }];
  const given = { graph, groups, grads: inputs, policy, states, columns };
  const apply = buildApply(knowsLoss ? { ...given, loss: lossNow } : given);
  const outs = params.map(({ name, state }) => states.of(`optim.${name}.${CLIPPED}`, state.type));
  const ofParams = new Set(params.map((p) => p.state));
  graph.assigns.splice(0, graph.assigns.length, ...graph.assigns.filter((a) => !ofParams.has(a.state)));
  const needed = dropUnused(graph);
  const own = needed.states.filter((s) => !ofParams.has(s) && !outs.includes(s));
  const reads = [...params.keys()].filter((t) => needed.states.includes(params[t]!.state));
  const made = programs.get(`${JSON.stringify(shapes)} ${graphKey(needed)}`, () => {
    const layout = layoutFor(
      own,
      outs,
      reads.map((t) => params[t]!.state),
    );
    const compiled = new CompiledProgram(compile(needed, { ...target(), layout }));
    const memory = allocate(Math.max(1, layout.blocks[0]!.bytes), STATES);
    return { compiled, memory, offsets: new Map(own.map((s) => [s.name, layout.states.get(s)!.offset])), reads };
  });
  const plan = { key, apply, states: own, loss, made };
  plans.set(policy, plan);
  return plan;
}

const CLIPPED = 'clipped';

/** In place of an optimizer: leaves parameters alone, and writes what an update would see of the gradients into a slot. */
const WRITES_OUT: Optimizer = {
  name: 'clip.apply',
  rowwise: false,
  lr: () => 0,
  slots: (type) => [{ name: CLIPPED, type }],
  build: fuse(writeOut),
  bind() {
    throw new OptionError('clip.apply: it is no optimizer');
  },
};

function writeOut({ graph, params, grads, stages, measure }: GroupContext): GroupUpdate {
  const values = stages.length > 0 ? staged(graph, grads, stages) : grads;
  const slots = values.map((v) => [v]);
  if (!measure) return { params, slots };
  // Updates measure what stages do: one that nobody takes the values of.
  const hyper = graph.constant(Float64Array.of(1), [1], 'f64');
  const { measured } = update(EMA, 'ema', { params: grads, grads, slots: [], hyper, stages, measure });
  return { params, slots, measured: measured ? [measured] : [] };
}

/** Block 0 for what the policy remembers, then one for each array that is written, each parameter that is read, and each gradient. */
function layoutFor(kept: readonly State[], outs: readonly State[], params: readonly State[]): Layout {
  const bytes = (s: State): number => 4 * s.type.shape.reduce((n, d) => n * d, 1);
  const given = [...outs, ...params].map((s) => ({ name: s.name, bytes: bytes(s), states: new Map([[s, 0]]) }));
  return layoutOf(
    kept,
    outs.map((s, t) => ({ name: `grad.${t}`, bytes: bytes(s) })),
    given,
  );
}

function write({ memory, offsets }: Made, state: State, data: ReturnType<typeof zeros>): void {
  memory.write(offsets.get(state.name)!, data);
}

function read({ memory, offsets }: Made, state: State): ReturnType<typeof zeros> {
  const data = zeros(state);
  memory.read(offsets.get(state.name)!, data);
  return data;
}
