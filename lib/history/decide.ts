// decide.ts: a policy's own graph, fed with norms in place of gradients: its decisions without any gradient, where norms are all it needs.
import type { ClipPolicy } from '../clip/clip.ts';
import { compile } from '../compile/compile.ts';
import { layoutOf } from '../compile/layout.ts';
import { rewrite } from '../compile/rewrite.ts';
import { dropUnused } from '../compile/simplify.ts';
import { OptionError } from '../errors.ts';
import { Graph, INPUT, isOp, type Node, STATE, type State, type Tensor } from '../ir/graph.ts';
import { ARRAYS, sizeOf } from '../ir/op.ts';
import { printGraph } from '../ir/print.ts';
import { squareOf } from '../math/index.ts';
import { allocate, CompiledProgram, STATUS, target } from '../native/program.ts';
import { isFinite as isFiniteEach, less, mul, notEqual, square, sub, where } from '../ops/elementwise/elementwise.ts';
import { type StageAttrs, stageOperands } from '../ops/gradient/stage.ts';
import { STATISTIC } from '../ops/gradient/statistics.ts';
import { concat, min, reshape, slice, sum } from '../ops/index.ts';
import { isUpdate, type UpdateAttrs } from '../ops/update/update.ts';
import { type Apply, buildApply } from '../optim/apply/apply.ts';
import { type Report, Reports } from '../optim/apply/report.ts';
import { sgd } from '../optim/rules/sgd.ts';
import { type History, twoNorms } from './history.ts';

/** The parameters that a policy is built for. */
export interface Shapes {
  readonly names: readonly string[];
  readonly shapes: readonly (readonly number[])[];
}

/** Inputs that stand for the gradients: squares of norms, and what is not finite. */
const EACH = 'squares';
const TOTAL = 'total';
const FIRST_BAD = 'first bad';
const BAD_COUNT = 'bad count';
const LOSS = 'loss';

interface Decision {
  readonly graph: Graph;
  readonly apply: Apply;
  /** Kinds of the stages that the update would apply. */
  readonly stages: ReadonlySet<string>;
  /** The update takes tensors that the policy made, in place of the gradients. */
  readonly replaces: boolean;
}

/** The graph of what the policy decides, in which sums of squares are inputs. Where it needs more, it still reads `gradient ...`. */
function decision(policy: ClipPolicy, { names, shapes }: Shapes): Decision {
  const graph = new Graph('train');
  const params = names.map((name, i) => ({
    name,
    state: { name: `parameter ${name}`, type: { dtype: 'f32', shape: shapes[i]! } } as State,
  }));
  const grads = params.map(({ name, state }) => graph.input(`gradient ${name}`, state.type, 'data'));
  const loss = graph.input(LOSS, { dtype: 'f64', shape: [] }, 'feed');
  const apply = buildApply({ graph, groups: [{ params, optimizer: sgd({ lr: 0 }) }], grads, policy, loss });
  const updated = new Set(params.map((p) => p.state));
  graph.assigns.splice(0, graph.assigns.length, ...graph.assigns.filter((a) => !updated.has(a.state)));
  const stages = new Set(graph.nodes.flatMap((node) => (isUpdate(node) ? node.attrs.stages.map((s) => s.kind as string) : [])));
  const index = new Map(names.map((name, i) => [`gradient ${name}`, i] as const));
  const replaces = graph.nodes.some((node) => isUpdate(node) && !gradientsOf(node).every((t) => isGradient(t.node)));
  const sizes = shapes.map(sizeOf);
  const seen = rewrite(dropUnused(graph), (node, to, moved) => {
    if (isOp(node, STATISTIC)) return fromNorms(node, new Norms(to, index, sizes), moved);
    if (isUpdate(node)) return measuredFromNorms(node, to, new Norms(to, index, sizes), moved);
    return null;
  });
  return { graph: dropUnused(seen), apply, stages, replaces };
}

const gradientsOf = ({ ins, attrs: { count } }: Node<UpdateAttrs>): readonly Tensor[] => ins.slice(count, 2 * count);

/** Squares of norms as inputs of a graph. */
class Norms {
  readonly graph: Graph;
  readonly #index: ReadonlyMap<string, number>;
  readonly #sizes: readonly number[];

  constructor(graph: Graph, index: ReadonlyMap<string, number>, sizes: readonly number[]) {
    this.graph = graph;
    this.#index = index;
    this.#sizes = sizes;
  }

  /** Numbers of the gradients that these are; null if one is none, or is changed other than by a factor before it is measured. */
  indices(xs: readonly Tensor[]): number[] | null {
    const found = xs.map((t) => (isOp(t.node, INPUT) ? this.#index.get(t.node.attrs.name) : undefined));
    return found.includes(undefined) ? null : (found as number[]);
  }

  #feed(name: string, shape: readonly number[]): Tensor {
    return this.graph.input(name, { dtype: 'f64', shape }, 'feed');
  }

  /** Are these all gradients, in order? */
  #isAll(at: readonly number[]): boolean {
    return at.length === this.#sizes.length && at.every((i, k) => i === k);
  }

  each(at: readonly number[]): Tensor {
    const all = this.#feed(EACH, [this.#sizes.length]);
    return this.#isAll(at) ? all : pick(all, at);
  }

  /** The squares after stages that multiply, of each and together. */
  staged(at: readonly number[], stages: readonly StageAttrs[], operands: readonly Tensor[]): { each: Tensor; total: Tensor } {
    const scales = stages.filter((s) => s.kind === 'scale');
    const factors = scales.map((s, k) => square(placed(s, operands[k]!, at.length, this.graph)));
    const each = factors.reduce((x, f) => mul(x, f), this.each(at));
    const whole = this.#isAll(at) && scales.every((s) => s.at === 'one');
    const total = whole ? factors.reduce((x, f) => mul(x, f), this.#feed(TOTAL, [])) : sum(each);
    return { each, total };
  }

  /** How many elements the stages change. */
  changed(at: readonly number[], stages: readonly StageAttrs[], operands: readonly Tensor[]): Tensor {
    const scales = stages.filter((s) => s.kind === 'scale');
    const factors = scales.map((s, k) => placed(s, operands[k]!, at.length, this.graph));
    const product = factors.reduce((a, b) => mul(a, b), this.graph.scalar(1, 'f64'));
    const sizes = at.map((i) => this.#sizes[i]!);
    return sum(mul(notEqual(product, 1), this.graph.constant(Float64Array.from(sizes), [sizes.length], 'f64')));
  }

  bad(at: readonly number[]): { first: Tensor; count: Tensor } {
    if (this.#isAll(at)) return { first: this.#feed(FIRST_BAD, []), count: this.#feed(BAD_COUNT, []) };
    const n = at.length;
    const flags = sub(1, isFiniteEach(this.each(at)));
    const places = this.graph.constant(Float64Array.from(at.keys()), [n], 'f64');
    const least = min(where(flags, places, n));
    return { first: where(less(least, n), least, -1), count: sum(flags) };
  }
}

const MULTIPLIES: ReadonlySet<string> = new Set(['scale', 'zeroNonFinite']);

function fromNorms(
  node: Node<unknown> & { readonly attrs: { readonly kind: string; readonly stages: readonly StageAttrs[] } },
  norms: Norms,
  moved: (t: Tensor) => Tensor,
): readonly Tensor[] | null {
  const { kind, stages } = node.attrs;
  if (kind !== 'sumSquares' || !stages.every((s) => MULTIPLIES.has(s.kind))) return null;
  const count = node.ins.length - stageOperands(stages);
  const at = norms.indices(node.ins.slice(0, count));
  if (!at) return null;
  const { each, total } = norms.staged(at, stages, node.ins.slice(count).map(moved));
  const { first, count: badCount } = norms.bad(at);
  return [each, total, first, badCount];
}

/** What an update measured: sums of squares before and after its stages, and the number of elements that they changed. */
function measuredFromNorms(
  node: Node<UpdateAttrs>,
  to: Graph,
  norms: Norms,
  moved: (t: Tensor) => Tensor,
): readonly Tensor[] | null {
  const { count, stages } = node.attrs;
  const at = norms.indices(gradientsOf(node));
  if (!at) return null;
  const before = norms.staged(at, [], []).total;
  if (!stages.every((s) => MULTIPLIES.has(s.kind))) {
    const outs = to.copy(node, node.ins.map(moved)).outs;
    return [...outs.slice(0, -3), before, ...outs.slice(-2)];
  }
  const operands = node.ins.slice(2 * count + 1).map(moved);
  const after = norms.staged(at, stages, operands).total;
  // Nothing asks for the parameters any more.
  return [...new Array<Tensor>(node.outs.length - 3), before, after, norms.changed(at, stages, operands)];
}

/** An operand of a stage as one value per gradient, or one for all. */
function placed({ at }: StageAttrs, operand: Tensor, count: number, graph: Graph): Tensor {
  if (at === 'one') return operand.shape.length === 0 ? operand : pick(operand, [0]);
  const places = at === 'each' ? Array.from({ length: count }, (_, t) => t) : at;
  if (places.every((p, k) => p === k) && operand.shape[0] === count) return operand;
  const one = graph.constant(Float64Array.of(1), [1], 'f64');
  return concat(
    places.map((p) => (p < 0 ? one : slice(reshape(operand, [sizeOf(operand.shape)]), { axis: 0, start: p, end: p + 1 }))),
  );
}

function pick(all: Tensor, at: readonly number[]): Tensor {
  return concat(at.map((i) => slice(all, { axis: 0, start: i, end: i + 1 })));
}

/** Is the reported norm the 2-norm of all gradients? */
export function reportsTwoNorm(policy: ClipPolicy, shapes: Shapes): boolean {
  // Its column is a mean over samples, and their gradients are in no graph of this kind.
  if (policy.perSample) return false;
  const { graph } = decision(policy, shapes);
  const norm = graph.outputs.get('norm');
  if (!norm) return false;
  const above = new Set<Node>();
  const walk = (node: Node): void => {
    if (above.has(node)) return;
    above.add(node);
    for (const t of node.ins) walk(t.node);
  };
  walk(norm.node);
  return ![...above].some((node) => isGradient(node)) && [...above].some((node) => isOp(node, INPUT));
}

const isGradient = (node: Node): boolean => isOp(node, INPUT) && node.attrs.name.startsWith('gradient ');
const isParameter = (node: Node): boolean => isOp(node, STATE) && node.attrs.state.name.startsWith('parameter ');

/** What a policy would have done, step by step; or why nobody can tell. */
export interface Decided {
  readonly reports: readonly Report[];
  /** Why the run would have ended at the last of these steps; null if it would not. */
  readonly ended: string | null;
  /** Why there are no reports, or why they may differ from what a run would have told; null if there is no reason. */
  readonly reason: string | null;
}

const none = (reason: string): Decided => ({ reports: [], ended: null, reason });

export function decide(policy: ClipPolicy, history: History): Decided {
  if (policy.auto) return none('it finds its threshold by trials of a fit: replay its policy');
  const known = shapesOf(history);
  // Where nobody says what the parameters are, two of them: a policy that treats each separately, or asks for their sizes, shows it.
  const stand = (size: number): Shapes => ({ names: ['a', 'b'], shapes: [[size], [size]] });
  let made: Decision;
  try {
    // What a policy asks for does not depend on how large parameters are, and one that goes by rows or columns lists them all.
    const wrong = known && missing(decision(policy, fewElements(known)), history);
    if (wrong) return none(wrong);
    made = decision(policy, known ?? stand(1));
  } catch (error) {
    // Such as groups by names that the history does not have.
    if (error instanceof OptionError) return none(error.message);
    throw error;
  }
  const wrong = missing(made, history);
  if (wrong) return none(wrong);
  if (!known && printGraph(made.graph) !== printGraph(decision(policy, stand(2)).graph)) {
    return none('it asks for the sizes of parameters, which the history does not have');
  }
  const random = [...made.graph.nodes].some((node) => 'key' in (node.attrs as object));
  return {
    ...run(made, policy.maxSkips, known ?? stand(1), history),
    reason: random ? 'it draws at random: other numbers than in a run' : null,
  };
}

/** The same parameters with at most two rows and columns. */
function fewElements({ names, shapes }: Shapes): Shapes {
  return { names, shapes: shapes.map((shape) => shape.map((d) => Math.min(d, 2))) };
}

function shapesOf({ header, layers }: History): Shapes | null {
  if (layers) return layers;
  if (!header) return null;
  return { names: header.parameters.map((p) => p.name), shapes: header.parameters.map((p) => p.shape) };
}

/** What a policy asks for that the history does not have. */
function missing({ graph, stages, replaces }: Decision, history: History): string | null {
  const alien = [...stages].filter((kind) => !MULTIPLIES.has(kind));
  if (alien.length > 0) return `it changes elements one by one (${alien.join(', ')}): norms do not tell what comes of them`;
  if (replaces) return 'it makes other tensors of the gradients: norms do not tell what comes of them';
  const reader = graph.nodes.find((node) => node.ins.some((t) => isGradient(t.node)));
  if (reader) {
    const kind = isOp(reader, STATISTIC) ? `${reader.attrs.kind} of ` : '';
    return `it reads ${kind}the elements of gradients (${reader.op.name}), of which the history has 2-norms only`;
  }
  if (graph.nodes.some(isParameter)) return 'it reads the parameters, which the history does not have';
  const asks = new Set(graph.nodes.flatMap((node) => (isOp(node, INPUT) ? [node.attrs.name] : [])));
  const { layers, loss } = history;
  const norm = twoNorms(history);
  if (asks.has(EACH) && !layers) return 'it needs the norm of each tensor: record with perLayer: true';
  if (asks.has(TOTAL) && !norm) return 'the recorded norm is not the 2-norm of all gradients';
  if (asks.has(LOSS) && loss.every(Number.isNaN)) return 'it needs the loss, which the history does not have';
  if (stages.has('zeroNonFinite') && !norm?.every(Number.isFinite)) {
    return 'it makes zeros of what is not finite: the history does not tell the norm of the rest';
  }
  return null;
}

// Steps of one native call: bounds the memory of feed rows and reports.
const CHUNK = 4096;

function run({ graph, apply }: Decision, maxSkips: number, { names }: Shapes, history: History): Omit<Decided, 'reason'> {
  const layout = layoutOf(graph.states, []);
  const memory = allocate(Math.max(1, layout.blocks[0]!.bytes));
  for (const state of graph.states) {
    const data = new ARRAYS[state.type.dtype](sizeOf(state.type.shape));
    state.init?.(data);
    memory.write(layout.states.get(state)!.offset, data);
  }
  const compiled = compile(graph, { ...target(), layout });
  const program = new CompiledProgram(compiled).bind([memory]);
  const reports: Report[] = [];
  let counters = { attempt: 0, stepCount: 0, skips: 0 };
  let ended: string | null = null;
  for (let from = 0; from < history.length && ended === null; from += CHUNK) {
    const steps = Math.min(CHUNK, history.length - from);
    const { stepCount } = counters;
    const result = program.runSync({
      ...{ steps, micros: 1, seed: 0n, maxSkips, threads: 1 },
      ...counters,
      feed: feedOf(compiled.feed, history, from, steps, names),
      step: apply.fillRows(compiled.step, stepCount, steps),
    });
    const { report: rows, tried: length } = result;
    const { columns, bytes: rowBytes } = compiled.report;
    reports.push(...new Reports({ rows, length, columns, rowBytes, names, attempt: from, perStep: 1, step: stepCount }));
    counters = { attempt: result.attempt, stepCount: result.stepCount, skips: result.skips };
    if (result.status === STATUS.tooManySkips) ended = `${result.skips} skipped steps in a row`;
    if (result.status === STATUS.nonFinite) ended = 'a gradient that is not finite';
  }
  program.dispose();
  memory.dispose();
  return { reports, ended };
}

function feedOf(
  feed: { readonly bytes: number; readonly columns: readonly { readonly name: string; readonly offset: number }[] },
  history: History,
  from: number,
  steps: number,
  names: readonly string[],
): Uint8Array {
  const bytes = new Uint8Array(steps * feed.bytes);
  const values = new Float64Array(bytes.buffer);
  const { loss, layers, nonFinite, nonFiniteCount } = history;
  const norm = twoNorms(history) ?? history.norm;
  for (const { name, offset } of feed.columns) {
    for (let k = 0; k < steps; k++) {
      const i = from + k;
      const at = (k * feed.bytes + offset) / 8;
      const isBad = !Number.isFinite(norm[i]!);
      if (name === EACH) {
        const n = layers!.names.length;
        for (let l = 0; l < n; l++) values[at + l] = squareOf(layers!.norms[i * n + l]!);
      } else if (name === TOTAL) values[at] = squareOf(norm[i]!);
      else if (name === LOSS) values[at] = loss[i]!;
      else if (name === FIRST_BAD) values[at] = isBad ? Math.max(0, names.indexOf(nonFinite[i] ?? '')) : -1;
      else values[at] = isBad ? nonFiniteCount[i]! || 1 : 0;
    }
  }
  return bytes;
}
