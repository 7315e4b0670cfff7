// bound.ts: a standalone optimizer, on the caller's own arrays: the same graph, compiler and kernels as a trainer's, without a model.
import { checkFixed, policy } from '../../clip/build.ts';
import type { ClipPolicy } from '../../clip/clip.ts';
import { none } from '../../clip/policies/none.ts';
import { compile } from '../../compile/compile.ts';
import { type Layout, layoutOf } from '../../compile/layout.ts';
import { DetachedError, DisposedError, OptionError } from '../../errors.ts';
import { Graph, type State } from '../../ir/graph.ts';
import type { Data, Precision } from '../../ir/op.ts';
import { addon, type NativeBlock, type RunResult } from '../../native/addon.ts';
import { allocate, type BoundProgram, CompiledProgram, STATUS, target } from '../../native/program.ts';
import { threadCount, threadsFor } from '../../native/threads.ts';
import { choice, options, optionsOnly, signature } from '../../options/index.ts';
import { type Apply, ApplyStates, buildApply, STATES } from '../apply/apply.ts';
import { Finishing } from '../apply/finishing.ts';
import { notFinite, type Report, Reports, tooManySkips } from '../apply/report.ts';
import type { Optimizer } from '../optimizer.ts';
import { type ConstraintRule, constraintRules } from '../weights/constraint.ts';
import { type EMAOptions, ema, emaState } from '../weights/ema.ts';
import {
  arrays,
  checkArray,
  checkDisjoint,
  entriesOf,
  matchArrays,
  matchNames,
  type Named,
  sameArrays,
  shapesField,
  shapesOf,
} from './arrays.ts';
import { checkStates, filled, type OptimizerState, stateFields, zeros } from './states.ts';

// Sets of gradient arrays whose addresses are kept at hand.
const KEPT = 4;

/** Options of `optim.Optimizer.bind`. */
export interface BindOptions {
  /**
   * What is done to gradients first. Default: `clip.none()`, by which they are measured, and a step with a NaN is
   * skipped.
   */
  readonly clip?: ClipPolicy;
  /** How many threads; results do not depend on it. Default: what affinity and container quota allow. */
  readonly threads?: number;
  /** Keep an average of the parameters over the steps, which `average` gives. Default: none. */
  readonly ema?: EMAOptions;
  /** What parameters are held to, by name (of a list: by position) or pattern. Default: nothing. */
  readonly constraints?: readonly ConstraintRule[];
  /** Shapes of parameters, as the parameters are given: for what looks at rows. Default: one dimension each. */
  readonly shapes?: Named<readonly number[]>;
  /** What products of the optimizer take their operands as: those of Muon. Default `'f32'`. */
  readonly precision?: Precision;
}

interface Binding {
  readonly grads: readonly Float32Array[];
  readonly program: BoundProgram;
}

/** What `bind` is given, checked. */
interface Bound {
  readonly params: Named<Float32Array>;
  readonly clip: ClipPolicy;
  readonly threads: number | undefined;
  readonly ema: ((step: number) => number) | undefined;
  readonly constraints: readonly ConstraintRule[];
  readonly shapes: Named<readonly number[]>;
  readonly precision: Precision;
}
export const readBind: (given: ArrayLike<unknown>) => Bound = signature(
  'Optimizer.bind',
  { params: arrays },
  options<BindOptions>()({
    clip: policy.default(none()),
    threads: threadCount.optional(),
    ema: ema.optional(),
    constraints: constraintRules.default([]),
    shapes: shapesField.default([]),
    precision: choice('f32', 'bf16').default('f32'),
  }),
);
const readStep = signature('BoundOptimizer.step', { grads: arrays });
const readNothing = (name: string) => signature(`BoundOptimizer.${name}`, {});
const readAverage = readNothing('average');
const readState = readNothing('state');
const readDispose = readNothing('dispose');
const readLoad = optionsOnly('BoundOptimizer.load', stateFields);

/** Steps the caller's parameters with the caller's gradients. Made by `optimizer.bind`. */
export class BoundOptimizer {
  readonly #where: string;
  readonly #names: readonly string[];
  readonly #params: readonly Float32Array[];
  readonly #lengths: readonly number[];
  readonly #policy: ClipPolicy;
  readonly #threads: number;
  readonly #apply: Apply;
  readonly #program: CompiledProgram;
  readonly #layout: Layout;
  /** Slots and policy state. */
  readonly #states: readonly State[];
  readonly #memory: NativeBlock;
  readonly #averages: readonly State[] | null;
  #bindings: Binding[] = [];
  #counters = { step: 0, attempt: 0, skips: 0 };
  #lastThreads = 0;
  #disposed = false;

  constructor(optimizer: Optimizer, bound: Bound) {
    const { params, clip, threads = addon().threads.count, ema = null, constraints } = bound;
    this.#where = optimizer.name;
    const where = `${optimizer.name}.bind`;
    if (optimizer.search) {
      const text = `${where}: it evaluates the loss several times in a step, and a bound optimizer is given one gradient: use bindClosure`;
      throw new OptionError(text, { optimizer: optimizer.name });
    }
    checkFixed(`${where}: option clip`, clip);
    this.#policy = clip;
    const entries = entriesOf(where, params);
    if (entries.length === 0) throw new OptionError(`${where}: expected at least one parameter, got none`);
    for (const [name, x] of entries) checkArray(where, name, x);
    checkDisjoint(where, entries);
    this.#names = entries.map(([name]) => name);
    this.#params = entries.map(([, x]) => x);
    this.#lengths = this.#params.map((x) => x.length);

    const graph = new Graph('train');
    const shapes = shapesOf(where, entries, bound.shapes);
    const targets = entries.map(([name, x]) => {
      const state: State = { name, type: { dtype: 'f32', shape: shapes.get(name)! }, init: (out) => out.set(x) };
      return { name, state };
    });
    const grads = targets.map(({ state }, i) => graph.input(`grad.${i}`, state.type, 'data'));
    const states = new ApplyStates();
    this.#averages = ema ? targets.map((t) => emaState(states, t)) : null;
    const finishing = new Finishing(where, targets, states, (at, match) => matchNames(at, targets, match), { constraints });
    const groups = [{ params: targets, optimizer }];
    graph.precision = bound.precision;
    this.#apply = buildApply({ graph, groups, grads, policy: this.#policy, states, ema, finishing });
    if (bound.precision === 'bf16' && !graph.nodes.some(({ op }) => op.multiplies)) {
      throw new OptionError(`${where}: option precision: bf16 has no effect: this optimizer has no products`, {
        option: 'precision',
        optimizer: optimizer.name,
      });
    }
    const given = new Set(targets.map((t) => t.state));
    this.#states = graph.states.filter((s) => !given.has(s));
    this.#layout = layoutFor(
      this.#states,
      targets.map((t) => t.state),
      this.#lengths,
    );
    const program = compile(graph, { ...target(), layout: this.#layout });
    this.#threads = threadsFor(program, threads);
    this.#program = new CompiledProgram(program);
    this.#memory = allocate(Math.max(1, this.#layout.blocks[0]!.bytes), STATES);
    for (const state of this.#states) if (state.init) this.#write(state, filled(state));
  }

  /** Updates applied, steps tried, and steps skipped in a row. */
  get counters(): { readonly step: number; readonly attempt: number; readonly skips: number } {
    return { ...this.#counters };
  }

  /**
   * Threads that the last step had, 0 before the first. Fewer than asked for where the parameters are too few to share, where runs beside it
   * had them, and where the system gave no more.
   */
  get threads(): number {
    return this.#lastThreads;
  }

  /**
   * One update, in place, with gradients given as the parameters were (in a list, or by name). The first step with other arrays than
   * the ones before costs some microseconds more. Throws NonFiniteError as the clip policy says; then nothing was updated.
   */
  step(grads: Named<Float32Array>): Report {
    this.#check();
    // What is wrong of the gradients is seen when they are bound.
    if (arguments.length !== 1) readStep(arguments);
    const bound = this.#boundTo(grads);
    const { step, attempt, skips } = this.#counters;
    const { program } = bound;
    const result = bound.runSync({
      steps: 1,
      micros: 1,
      step: this.#apply.fillRows(program.step, step, 1),
      seed: 0n,
      attempt,
      stepCount: step,
      skips,
      maxSkips: this.#policy.maxSkips,
      threads: this.#threads,
    });
    this.#counters = { step: result.stepCount, attempt: result.attempt, skips: result.skips };
    this.#lastThreads = result.threads;
    if (result.status === STATUS.nonFinite) {
      const { skips, attempt } = this.#counters;
      throw notFinite(`${this.#where}.step`, this.#names[result.position] ?? null, { step, attempt, skips });
    }
    const reports = new Reports({
      rows: result.report,
      length: result.tried,
      columns: program.report.columns,
      rowBytes: program.report.bytes,
      names: this.#names,
      attempt,
      perStep: 1,
      step,
    });
    return this.#outcome(result, reports.at(0));
  }

  /**
   * A copy of the averages that option `ema` keeps, by name.
   * @throws OptionError without it
   */
  average(): Record<string, Float32Array> {
    readAverage(arguments);
    this.#check();
    if (!this.#averages) throw new OptionError(`${this.#where}.average: expected option ema to be given to bind`);
    return Object.fromEntries(this.#averages.map((state, i) => [this.#names[i]!, this.#read(state) as Float32Array]));
  }

  /** Those that a copy of them all has. */
  get #lasting(): readonly State[] {
    return this.#states.filter(({ secret }) => !secret);
  }

  /** A copy of slots, policy state and counters. */
  state(): OptimizerState {
    readState(arguments);
    this.#check();
    const tensors = Object.fromEntries(this.#lasting.map((state) => [state.name, this.#read(state)]));
    return { ...this.#counters, tensors };
  }

  /**
   * Go on from what `state` gave.
   * @throws OptionError; CheckpointError where names or sizes differ; then nothing has changed
   */
  load(saved: OptimizerState): void {
    this.#check();
    const where = `${this.#where}.load`;
    const { step, attempt, skips, tensors } = readLoad(arguments);
    checkStates(where, this.#lasting, tensors);
    for (const state of this.#states) this.#write(state, state.secret ? filled(state) : tensors[state.name]!);
    this.#counters = { step, attempt, skips };
  }

  /** Free native memory now. The parameters stay. */
  dispose(): void {
    readDispose(arguments);
    if (this.#disposed) return;
    this.#disposed = true;
    for (const { program } of this.#bindings) program.dispose();
    this.#bindings = [];
    this.#memory.dispose();
  }

  /** As `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #check(): void {
    if (this.#disposed) throw new DisposedError(`${this.#where}: the optimizer was disposed`);
  }

  /** The program with the addresses of these gradients. */
  #boundTo(given: Named<Float32Array>): BoundProgram {
    const isObject = typeof given === 'object' && given !== null;
    const at = isObject ? this.#bindings.findIndex((b) => sameArrays(b.grads, this.#names, given)) : -1;
    const known = this.#bindings[at];
    if (known) {
      if (at > 0) this.#bindings = [known, ...this.#bindings.filter((b) => b !== known)];
      return known.program;
    }
    const where = `${this.#where}.step`;
    const grads = matchArrays(where, this.#names, this.#lengths, given);
    for (const [i, p] of this.#params.entries()) {
      if (p.length !== this.#lengths[i]) throw new DetachedError(`${where}: parameter ${this.#names[i]} has lost its memory`);
    }
    const named = (what: string, xs: readonly Float32Array[]) => xs.map((x, i) => [`${what} ${this.#names[i]}`, x] as const);
    checkDisjoint(where, [...named('parameter', this.#params), ...named('the gradient of', grads)]);
    const program = this.#program.bind([this.#memory, ...this.#params, ...grads], { what: 'a step of the optimizer' });
    for (const old of this.#bindings.splice(KEPT - 1)) old.program.dispose();
    this.#bindings.unshift({ grads, program });
    return program;
  }

  #outcome(result: RunResult, report: Report): Report {
    if (result.status === STATUS.tooManySkips) throw tooManySkips(`${this.#where}.step`, report, this.#counters.skips);
    return report;
  }

  #read(state: State): Data {
    const data = zeros(state);
    this.#memory.read(this.#layout.states.get(state)!.offset, data);
    return data;
  }

  #write(state: State, data: Data): void {
    this.#memory.write(this.#layout.states.get(state)!.offset, data);
  }
}

/** Block 0 for what the optimizer keeps, then one for each parameter and one for each gradient. */
function layoutFor(kept: readonly State[], params: readonly State[], lengths: readonly number[]): Layout {
  return layoutOf(
    kept,
    params.map((_, i) => ({ name: `grad.${i}`, bytes: 4 * lengths[i]! })),
    params.map((p, i) => ({ name: `parameter ${p.name}`, bytes: 4 * lengths[i]!, states: new Map([[p, 0]]) })),
  );
}
