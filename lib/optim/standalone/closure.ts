// closure.ts: a search on the caller's own arrays: it asks a function for loss and gradients as often as it needs them.
import { CheckpointError, DetachedError, NonFiniteError, OptionError } from '../../errors.ts';
import { custom, fn, optionsOnly, signature } from '../../options/index.ts';
import { ArraySpace } from '../search/arrays.ts';
import { iterate } from '../search/iterate.ts';
import { type Evaluated, INFINITELY_BAD, type SearchRule } from '../search/space.ts';
import { Standing } from '../search/standing.ts';
import { PREFIX } from '../search/states.ts';
import { arrays, checkArray, checkDisjoint, entriesOf, matchArrays, type Named } from './arrays.ts';
import { type OptimizerState, stateFields } from './states.ts';

/** What a closure gives for the parameters as they are. */
export interface Evaluation {
  /** The loss. */
  readonly loss: number;
  /** Its gradients, given as the parameters were: in a list, or by name. */
  readonly grads: Named<Float32Array>;
}

/** What a step of a search tells. */
export interface SearchReport {
  /** Steps before this one. */
  readonly step: number;
  /** That of the first evaluation, at the parameters before the step. */
  readonly loss: number;
  /** Evaluations of the step. */
  readonly evaluations: number;
  /** Iterations of the step; 0 where there was nothing to go down. */
  readonly iterations: number;
}

/** How an optimizer searches, and by what it is called. */
export interface Searches {
  readonly name: string;
  readonly search: SearchRule;
  lr(step: number): number;
}

const STANDING = `${PREFIX}standing`;
/** Vectors that mean something after a step. */
const LASTING = /^(d|start|prev_flat_grad|old_(stps|dirs)\.\d+)$/;

export const readBindClosure: (given: ArrayLike<unknown>) => { readonly params: Named<Float32Array> } = signature(
  'Optimizer.bindClosure',
  {
    params: arrays,
  },
);
const closure = fn<() => Evaluation>('a function that gives { loss, grads }');
const readStep = signature('BoundSearch.step', { closure });
const readState = signature('BoundSearch.state', {});
const readLoad = optionsOnly('BoundSearch.load', stateFields);
const evaluation = custom<Evaluation>('{ loss, grads }', (value, place) => {
  const { loss, grads } = (value ?? {}) as Partial<Evaluation>;
  if (typeof loss === 'number' && typeof grads === 'object' && grads !== null) return value as Evaluation;
  throw place.wrong('{ loss, grads }, a number and arrays', value);
});
const readEvaluation = (where: string) => signature(`${where}: what the closure gives`, { evaluation });

/** Steps the caller's parameters by losses and gradients that a function gives. Made by `bindClosure` of an optimizer that searches. */
export class BoundSearch {
  readonly #of: Searches;
  readonly #names: readonly string[];
  readonly #params: readonly Float32Array[];
  readonly #lengths: readonly number[];
  #vectors: Map<string, Float32Array> = new Map();
  #standing: Standing;
  #step = 0;
  #busy = false;

  constructor(of: Searches, given: Named<Float32Array>) {
    const where = `${of.name}.bindClosure`;
    const entries = entriesOf(where, given);
    if (entries.length === 0) throw new OptionError(`${where}: expected at least one parameter, got none`);
    for (const [name, x] of entries) checkArray(where, name, x);
    checkDisjoint(where, entries);
    this.#of = of;
    this.#names = entries.map(([name]) => name);
    this.#params = entries.map(([, x]) => x);
    this.#lengths = this.#params.map((x) => x.length);
    this.#standing = new Standing(of.search.historySize);
  }

  /** Steps, and evaluations of all of them. */
  get counters(): { readonly step: number; readonly evaluations: number } {
    return { step: this.#step, evaluations: this.#standing.evaluations };
  }

  /**
   * One step, in place: up to `maxIter` iterations. All arithmetic is in f64, and what is kept is f32.
   * @param closure loss and gradients for the parameters as they are when it is called; they may be written to the same arrays each time
   * @throws OptionError, ShapeError, DTypeError for what the closure gives; DetachedError; NonFiniteError where loss or gradient are not finite before the
   * step. Then, and where the closure throws, the parameters are those with which an iteration began, and the search begins anew
   */
  step(closure: () => Evaluation): SearchReport {
    readStep(arguments);
    const { name: where, search } = this.#of;
    if (this.#busy) throw new OptionError(`${where}.step: it is called by its own closure`);
    for (const [i, p] of this.#params.entries()) {
      if (p.length !== this.#lengths[i])
        throw new DetachedError(`${where}.step: the parameter ${this.#names[i]} has no memory: it was transferred`);
    }
    const read = readEvaluation(`${where}.step`);
    let last = Number.NaN;
    const space = new ArraySpace<Float32Array>(
      this.#params,
      this.#vectors,
      (n) => new Float32Array(n),
      () => {
        const { loss, grads } = read([closure()]).evaluation;
        last = loss;
        return { loss, grads: matchArrays(`${where}.step`, this.#names, this.#lengths, grads) };
      },
    );
    const standing = this.#standing;
    const before = { evaluations: standing.evaluations, iterations: standing.iterations };
    const { unseen } = standing;
    let began = false;
    this.#busy = true;
    try {
      const first = space.evaluate().next().value as Evaluated;
      const loss = last;
      if (first.loss === INFINITELY_BAD.loss) {
        began = unseen;
        throw new NonFiniteError(`${where}.step: loss or gradient are not finite`, { step: this.#step, loss });
      }
      began = true;
      iterate(space, search, this.#of.lr(this.#step), standing, first).next();
      const { evaluations } = standing;
      const iterations = Math.max(0, standing.iterations - before.iterations);
      return { step: this.#step++, loss, evaluations: evaluations - before.evaluations, iterations };
    } catch (error) {
      if (began && this.#vectors.has('start')) space.do({ kind: 'back' }).next();
      standing.forget();
      throw error;
    } finally {
      this.#busy = false;
    }
  }

  /** A copy of all that the search remembers. */
  state(): OptimizerState {
    readState(arguments);
    const vectors = [...this.#vectors].filter(([name]) => LASTING.test(name));
    const tensors = Object.fromEntries(vectors.map(([name, x]) => [PREFIX + name, x.slice()]));
    return { step: this.#step, attempt: this.#step, skips: 0, tensors: { ...tensors, [STANDING]: this.#standing.write() } };
  }

  /**
   * Go on from what `state` gave.
   * @throws OptionError; CheckpointError where names or sizes differ; then nothing has changed
   */
  load(saved: OptimizerState): void {
    const { step, tensors } = readLoad(arguments);
    const { historySize } = this.#of.search;
    const size = this.#lengths.reduce((a, b) => a + b, 0);
    const vectors = new Map<string, Float32Array>();
    for (const [name, data] of Object.entries(tensors)) {
      if (name === STANDING) continue;
      const own = name.slice(PREFIX.length);
      if (!name.startsWith(PREFIX) || !LASTING.test(own) || !(data instanceof Float32Array) || data.length !== size) {
        throw new CheckpointError(`${this.#of.name}.load: the state does not fit these parameters: ${name}`, { name });
      }
      vectors.set(own, data.slice());
    }
    const standing = tensors[STANDING];
    if (!(standing instanceof Float64Array) || standing.length !== Standing.length(historySize)) {
      throw new CheckpointError(`${this.#of.name}.load: the state is not of a search with a historySize of ${historySize}`, {
        name: STANDING,
      });
    }
    this.#vectors = vectors;
    this.#standing = new Standing(historySize).read(standing);
    this.#step = step;
  }
}
