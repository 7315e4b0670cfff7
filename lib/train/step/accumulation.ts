// accumulation.ts: one step of several micro-batches: sums over them, each weighed by what counts in it, divided once at the end.
import { type Backward, backward } from '../../autodiff/grad.ts';
import { OptionError } from '../../errors.ts';
import { type Graph, inSection, type State, type Tensor } from '../../ir/graph.ts';
import { bytesOf, type Precision, type TensorType } from '../../ir/op.ts';
import type { Aggregation, BindOptions, Buffer } from '../../nn/module/module.ts';
import { add, div, equal, mul, sub } from '../../ops/elementwise/elementwise.ts';
import { castTo } from '../../ops/elementwise/map.ts';
import { scatterAdd } from '../../ops/rows/gather.ts';
import { lookupRows } from '../../ops/rows/sparse-rows.ts';
import { accumulate, hold, type SumAttrs } from '../../ops/step/accumulate.ts';
import { rowsOfStep, type StepRows } from '../../ops/step/rows-of-step.ts';
import { SMALL, sync } from '../../ops/step/sync.ts';
import { levelsOf } from '../../ops/step/tree.ts';
import { lookupsOf } from '../../optim/apply/lookups.ts';
import { partsOf } from './weighing.ts';

/** States that live from one micro-batch of a step to the next, the same in the programs of all batch sizes. */
export class Accumulators {
  /** Whether this process is of a group. */
  readonly shared: boolean;
  /** Whether there are others in the group. */
  readonly others: boolean;
  /** Whether they wait for each other where layers ask for what all of them have come to. */
  readonly staged: boolean;
  /** The most micro-batches of this process. */
  readonly own: number;
  /** Large gradients travel as bf16. */
  readonly rounded: boolean;
  readonly #micros: number;
  /** What each micro-batch leaves in a buffer for the next; null: they are not one after the other. */
  readonly #pending: ReadonlyMap<Buffer, State> | null;
  readonly #sums = new Map<string, State>();
  readonly #rows = new Map<string, StepRows<State>>();
  readonly #graphs = new WeakMap<Graph, Sums>();

  /**
   * @param micros the most micro-batches of a step
   * @param of processes that have some of them, null: there are no others; whether they wait for each other; what large gradients travel as
   */
  constructor(micros: number, buffers: Iterable<Buffer>, of: MicroBatches = { processes: null, staged: false }) {
    const { processes, staged, wire = 'f32' } = of;
    this.rounded = wire === 'bf16';
    this.shared = processes !== null;
    this.others = processes !== null && processes > 1;
    this.staged = staged;
    this.own = Math.ceil(micros / (processes ?? 1));
    this.#micros = micros;
    const pendingOf = (b: Buffer): [Buffer, State] => [b, { name: `pending ${b.name}`, type: b.state.type, transient: true }];
    this.#pending = this.shared || staged ? null : new Map(Array.from(buffers, pendingOf));
  }

  /** The sums of a graph for micro-batches of `rows` rows. */
  of(graph: Graph, rows: number): Sums {
    let sums = this.#graphs.get(graph);
    if (!sums) {
      sums = new Sums(graph, graph.scalar(rows, 'f64'), this);
      this.#graphs.set(graph, sums);
    }
    return sums;
  }

  /** What layers of such a graph may ask for, and how buffers are bound in it. */
  binding(graph: Graph, rows: number): BindOptions {
    if (this.staged) graph.overStep = (x) => this.of(graph, rows).overStep(x);
    if (this.#pending) return { pending: this.#pending };
    return {
      join: ({ name, state, aggregation }, value) => this.of(graph, rows).joined(name, aggregation, graph.state(state), value),
    };
  }

  /** Partial sums of what is of that type in each micro-batch. */
  state(name: string, { dtype, shape }: TensorType): State {
    return this.#named(`sum of ${name}`, { dtype, shape: [levelsOf(this.own), ...shape] });
  }

  /** The sum over the step. */
  whole(name: string, type: TensorType): State {
    return this.#named(`whole sum of ${name}`, type);
  }

  #named(name: string, type: TensorType): State {
    let state = this.#sums.get(name);
    if (!state) {
      state = { name, type, transient: true };
      this.#sums.set(name, state);
    }
    return state;
  }

  /**
   * Places for rows of which each micro-batch has up to `most`. Where those of before have fewer, there are larger ones from here on.
   * @param row dimensions of a row
   */
  rows(name: string, most: number, row: readonly number[]): StepRows<State> {
    const before = this.#rows.get(name);
    if (before && before.ids.type.shape[1]! >= most) return before;
    const state = (what: string, type: TensorType, replaces: State | undefined): State => {
      return { name: `${what} of ${name}`, type, transient: true, ...(replaces && { replaces }) };
    };
    const places = [this.#micros, most];
    const states = {
      rows: state('rows', { dtype: 'f32', shape: [...places, ...row] }, before?.rows),
      ids: state('places', { dtype: 'i32', shape: places }, before?.ids),
    };
    this.#rows.set(name, states);
    return states;
  }
}

/** What is special about the micro-batches of a step. */
interface MicroBatches {
  readonly processes: number | null;
  readonly staged: boolean;
  readonly wire?: Precision | undefined;
}

/** A loss over all that counts in a step, and what `backward` gives of it. */
export interface LossOfStep extends Backward {
  readonly total: Tensor;
}

/** Sums over the micro-batches of a step, in a graph. Their values are valid in the `apply` section. */
export class Sums {
  readonly #graph: Graph;
  readonly #rows: Tensor;
  readonly #states: Accumulators;
  readonly #counts = new Map<Tensor, Count>();
  /** Sums that micro-batches wait for, so far. */
  #waits = 0;

  constructor(graph: Graph, rows: Tensor, states: Accumulators) {
    this.#graph = graph;
    this.#rows = rows;
    this.#states = states;
  }

  /** Divided by what counts, where that is given and not 0. */
  sum(name: string, value: Tensor, count?: Count, attrs: SumAttrs = {}): Tensor {
    if (!this.#states.shared) return accumulate(this.#graph, this.#states.state(name, value.type), value, count?.divisor());
    // What others have of it is not there before the last micro-batch of each.
    return sync(this.#ownSum(name, value, attrs), count?.own, attrs);
  }

  /** The sum over all micro-batches, before any of them goes on. In the same order in the graphs of all sizes of batches. */
  overStep(x: Tensor): Tensor {
    const graph = this.#graph;
    const name = `statistic ${this.#waits++}`;
    const own = inSection(graph, 'micro', () => accumulate(graph, this.#states.state(name, x.type), x));
    const all = this.#states.shared ? sync(own, undefined, {}, 'joint') : own;
    return inSection(graph, 'joint', () => hold(graph, this.#states.whole(name, x.type), all));
  }

  /** Over the micro-batches of this process. */
  #ownSum(name: string, value: Tensor, attrs: SumAttrs = {}): Tensor {
    // One is the whole sum; what travels as bf16 is rounded where others take it.
    if (this.#states.others && this.#states.own === 1) return value;
    return accumulate(this.#graph, this.#states.state(name, value.type), value, undefined, attrs);
  }

  /** Of a gradient: as bf16, if that is wanted, where it does not travel with all that is small. */
  #travels({ type }: Tensor): SumAttrs {
    return { rounded: this.#states.rounded && type.dtype === 'f32' && bytesOf(type) > SMALL };
  }

  /** The same of the gradient of a table that is updated by rows: as large as the table for whoever reads it so, and made of the rows that were looked up. */
  #sumOfRows(name: string, parameter: string, gradient: Tensor, count: Count): Tensor {
    const [rows, ...row] = gradient.shape as [number, ...number[]];
    const found = lookupRows(lookupsOf(parameter, gradient), rows);
    const states = this.#states.rows(name, Math.min(found.ids.shape[0]!, rows), row);
    const all = rowsOfStep(this.#graph, states, { rows: found.values, ids: found.ids }, rows, this.#states.shared);
    return inSection(this.#graph, 'apply', () =>
      scatterAdd(div(all.rows, castTo(count.divisor(), 'f32')), all.ids, { rows, padding: rows }),
    );
  }

  /**
   * The mean of a loss over all that counts in the step, and its gradients with respect to `wrt`: those of the batch that all micro-batches
   * together are.
   * @param names of `wrt`
   * @param seed f64 scalar that gradients are multiplied by
   * @param byRows whether each is a table that is updated by rows
   * @throws OptionError if what it divides by depends on `wrt`
   */
  loss(
    loss: Tensor,
    names: readonly string[],
    wrt: readonly Tensor[],
    seed: Tensor | null,
    byRows: readonly boolean[] = [],
  ): LossOfStep {
    const parts = partsOf(loss).map((p, i, { length }) => {
      const part = length > 1 ? ` of part ${i}` : '';
      const count = p.count ? this.#count(`what counts${part}`, p.count) : this.#count('rows', this.#rows);
      const total = p.count ? p.total : mul(p.mean, this.#rows);
      const learned = p.count ? names[backward(p.count, wrt).gradients.findIndex((g) => g !== null)] : undefined;
      if (learned !== undefined) {
        const text = `Trainer: option accumulate: the loss divides by weights that depend on ${learned}: what counts must be known before the step`;
        throw new OptionError(text, { option: 'accumulate', name: learned });
      }
      const { gradients, ends } = backward(total, wrt, seed ? { seed } : {});
      return {
        total: this.sum(`loss${part}`, total, count),
        gradients: gradients.map((g, k) => {
          const name = `gradient ${names[k]}${part}`;
          return g && (byRows[k] ? this.#sumOfRows(name, names[k]!, g, count) : this.sum(name, g, count, this.#travels(g)));
        }),
        ends,
      };
    });
    return inSection(this.#graph, 'apply', () =>
      parts.reduce((a, b) => ({
        total: add(a.total, b.total),
        gradients: a.gradients.map((g, k) => (g && b.gradients[k] ? add(g, b.gradients[k]) : (g ?? b.gradients[k]!))),
        ends: [...a.ends, ...b.ends],
      })),
    );
  }

  /**
   * What all micro-batches make of a value that each of them has computed from what was there before the step: in f64, so that values that are all the
   * same stay that.
   */
  joined(name: string, aggregation: Aggregation, before: Tensor, value: Tensor): Tensor {
    const wide = castTo(value, 'f64');
    const from = castTo(before, 'f64');
    const isMean = aggregation === 'mean';
    const total = this.sum(`buffer ${name}`, isMean ? mul(wide, this.#rows) : sub(wide, from));
    const count = isMean ? this.#count('rows', this.#rows) : null;
    return inSection(this.#graph, 'apply', () => castTo(count ? div(total, count.divisor()) : add(from, total), value.dtype));
  }

  #count(name: string, count: Tensor): Count {
    let found = this.#counts.get(count);
    if (!found) {
      const own = this.#ownSum(name, count);
      found = new Count(own, this.#states.shared);
      this.#counts.set(count, found);
    }
    return found;
  }
}

/** What counts in a step, f64. */
class Count {
  /** In the micro-batches of this process. */
  readonly own: Tensor;
  readonly #shared: boolean;
  #divisor: Tensor | null = null;

  constructor(own: Tensor, shared: boolean) {
    this.own = own;
    this.#shared = shared;
  }

  /** In all of them; 1 where nothing counts, and all that it divides is 0. */
  divisor(): Tensor {
    if (this.#divisor) return this.#divisor;
    const { graph, section } = this.own.node;
    const total = this.#shared ? sync(this.own) : this.own;
    this.#divisor = inSection(graph, this.#shared ? 'apply' : section, () => add(total, equal(total, 0)));
    return this.#divisor;
  }
}
