// accumulation.ts: one step of several micro-batches: sums over them, each weighed by what counts in it, divided once at the end.
import { type Backward, backward } from '../../autodiff.ts';
import { OptionError } from '../../errors.ts';
import { type Graph, inSection, type State, type Tensor } from '../../ir/graph.ts';
import type { TensorType } from '../../ir/op.ts';
import type { Buffer } from '../../nn/module/module.ts';
import { add, div, equal, mul } from '../../ops/elementwise/elementwise.ts';
import { castTo } from '../../ops/elementwise/map.ts';
import { accumulate } from '../../ops/step/accumulate.ts';
import { sync } from '../../ops/step/sync.ts';
import { levelsOf } from '../../ops/step/tree.ts';
import { partsOf } from './weighing.ts';

/** States that live from one micro-batch of a step to the next, the same in the programs of all batch sizes. */
export class Accumulators {
  /** What each micro-batch leaves in a buffer for the next. */
  readonly pending: ReadonlyMap<Buffer, State>;
  readonly #levels: number;
  readonly #shared: boolean;
  readonly #sums = new Map<string, State>();

  /**
   * @param micros the most micro-batches of a step
   * @param shared whether other processes have some of them
   */
  constructor(micros: number, buffers: Iterable<Buffer>, shared: boolean = false) {
    this.#shared = shared;
    this.#levels = levelsOf(micros);
    this.pending = new Map(Array.from(buffers, (b) => [b, { name: `pending ${b.name}`, type: b.state.type, transient: true }]));
  }

  /** The sums of a graph for micro-batches of `rows` rows. */
  of(graph: Graph, rows: number): Sums {
    return new Sums(graph, graph.scalar(rows, 'f64'), (name, type) => this.#state(name, type), this.#shared);
  }

  #state(name: string, { dtype, shape }: TensorType): State {
    let state = this.#sums.get(name);
    if (!state) {
      state = { name: `sum of ${name}`, type: { dtype, shape: [this.#levels, ...shape] }, transient: true };
      this.#sums.set(name, state);
    }
    return state;
  }
}

/** A loss over all that counts in a step, and what `backward` gives of it. */
export interface LossOfStep extends Backward {
  readonly total: Tensor;
}

/** Sums over the micro-batches of a step, in a graph. Their values are valid in the `apply` section. */
export class Sums {
  readonly #graph: Graph;
  readonly #rows: Tensor;
  readonly #state: (name: string, type: TensorType) => State;
  readonly #shared: boolean;
  readonly #divisors = new Map<Tensor, Tensor>();

  constructor(graph: Graph, rows: Tensor, state: (name: string, type: TensorType) => State, shared: boolean) {
    this.#shared = shared;
    this.#graph = graph;
    this.#rows = rows;
    this.#state = state;
  }

  sum(name: string, value: Tensor, divisor?: Tensor): Tensor {
    const state = this.#state(name, value.type);
    if (!this.#shared) return accumulate(this.#graph, state, value, divisor);
    // What others have of it is not there before the last micro-batch of each.
    const all = sync(accumulate(this.#graph, state, value));
    return divisor ? inSection(this.#graph, 'apply', () => div(all, castTo(divisor, all.dtype))) : all;
  }

  /**
   * The mean of a loss over all that counts in the step, and its gradients with respect to `wrt`: those of the batch that all micro-batches
   * together are.
   * @param names of `wrt`
   * @param seed f64 scalar that gradients are multiplied by
   * @throws OptionError if what it divides by depends on `wrt`
   */
  loss(loss: Tensor, names: readonly string[], wrt: readonly Tensor[], seed: Tensor | null): LossOfStep {
    const parts = partsOf(loss).map((p, i, { length }) => {
      const part = length > 1 ? ` of part ${i}` : '';
      const divisor = p.count ? this.#divisor(`what counts${part}`, p.count) : this.#divisor('rows', this.#rows);
      const total = p.count ? p.total : mul(p.mean, this.#rows);
      const learned = p.count ? names[backward(p.count, wrt).gradients.findIndex((g) => g !== null)] : undefined;
      if (learned !== undefined) {
        const text = `Trainer: option accumulate: the loss divides by weights that depend on ${learned}: what counts must be known before the step`;
        throw new OptionError(text, { option: 'accumulate', name: learned });
      }
      const { gradients, ends } = backward(total, wrt, seed ? { seed } : {});
      return {
        total: this.sum(`loss${part}`, total, divisor),
        gradients: gradients.map((g, k) => g && this.sum(`gradient ${names[k]}${part}`, g, divisor)),
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

  /** The sum of counts; 1 where nothing counts, and all that it divides is 0. */
  #divisor(name: string, count: Tensor): Tensor {
    let divisor = this.#divisors.get(count);
    if (!divisor) {
      const total = this.sum(name, count);
      divisor = inSection(this.#graph, this.#shared ? 'apply' : this.#graph.section, () => add(total, equal(total, 0)));
      this.#divisors.set(count, divisor);
    }
    return divisor;
  }
}
