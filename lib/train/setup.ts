// setup.ts: a model made ready: its parameters in groups, all of its state in one store, and the sessions that work on it.
import type { ClipPolicy } from '../clip/clip.ts';
import { none } from '../clip/none.ts';
import { OptionError } from '../errors.ts';
import { Graph, type State, type Tensor } from '../ir/graph.ts';
import type { Data } from '../ir/op.ts';
import type { Module, Parameter } from '../nn/module.ts';
import { type Apply, type ApplyGroup, ApplyStates, buildApply } from '../optim/apply.ts';
import { stateNames } from './checkpoint.ts';
import type { Feeder } from './feeder.ts';
import { groupParameters, type TrainerOptions } from './options.ts';
import { Plateau } from './plateau.ts';
import { Predictor } from './predict.ts';
import type { Metrics } from './progress.ts';
import { Session } from './session.ts';
import type { Batch, Source } from './source.ts';
import { type Accumulators, accumulatorsOf, traceEvaluate, tracePredict, traceTrain } from './step.ts';
import { Store } from './store.ts';

export class Setup<M extends Module> {
  readonly store: Store;
  readonly policy: ClipPolicy;
  readonly predictor: Predictor;
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** The states of the parameters, neighbours in the store. */
  readonly weights: readonly State[];
  /** Names of the trained parameters, in the order in which policies see them. */
  readonly trained: readonly string[];
  readonly plateau: Plateau | null;
  readonly #options: TrainerOptions<M>;
  readonly #groups: readonly ApplyGroup[];
  readonly #applyStates: ApplyStates = new ApplyStates();
  readonly #accumulators: Accumulators | null;

  /** The model's parameters must have their values. */
  constructor(options: TrainerOptions<M>) {
    const { model, accumulate = 1, clip = none(), predict = forwardOfX } = options;
    this.#options = options;
    this.policy = clip;
    this.plateau = options.plateau ? new Plateau(options.plateau) : null;
    this.parameters = new Map(model.namedParameters());
    this.weights = [...this.parameters.values()].map((p) => p.state);
    this.#groups = groupParameters(options);
    this.trained = this.#groups.flatMap((g) => g.params.map((p) => p.name));
    this.#accumulators = accumulate > 1 ? accumulatorsOf(this.#groups) : null;
    this.store = new Store(this.#allStates());
    this.predictor = new Predictor(this.store, (batch) => tracePredict(model, predict, batch));
  }

  training(feeder: Feeder, profiled: boolean = false): Session<Apply> {
    const { model, loss } = this.#options;
    const { plateau } = this;
    const spec = {
      model,
      loss,
      groups: this.#groups,
      states: this.#applyStates,
      policy: this.policy,
      accumulators: this.#accumulators,
      ...(plateau && { rate: (lr: number) => plateau.rate(lr) }),
    };
    const trace = (count: number): { graph: Graph; extra: Apply } => {
      const { graph, apply } = traceTrain(spec, (g) => feeder.trace(g, count));
      return { graph, extra: apply };
    };
    return new Session(this.store, feeder.data, trace, profiled);
  }

  evaluation(source: Source): Session<null> {
    const { model, loss, metrics } = this.#options;
    return new Session(this.store, source.data, (count) => {
      return { graph: traceEvaluate(model, { loss, ...metrics }, (graph) => source.trace(graph, count)), extra: null };
    });
  }

  /** Names of states in a checkpoint; of the weights alone. */
  stateNames(): Map<string, State> {
    return stateNames(this.store.states, new Set(this.weights));
  }
  weightNames(): Map<string, State> {
    return new Map([...this.parameters].map(([name, p]) => [name, p.state]));
  }

  /** Put values into states. States that are not weights and get none start afresh. */
  restore(values: ReadonlyMap<State, Data>): void {
    const weights = new Set(this.weights);
    this.store.reset(this.store.states.filter((s) => !values.has(s) && !weights.has(s)));
    for (const [state, data] of values) this.store.write(state, data);
    if (this.plateau) this.plateau.values.set(this.store.read([this.plateau.state]).get(this.plateau.state)!);
  }

  /** Let the learning rates go down, if a validation says so. `step` is the number of updates so far. No run may be on. */
  validated(metrics: Metrics, step: number): void {
    if (!this.plateau) return;
    const { plateau } = this;
    plateau.see(
      metrics[plateau.metric]!,
      this.#groups.map((g) => g.optimizer.lr(step)),
    );
    this.store.write(plateau.state, plateau.values);
  }

  dispose(): void {
    this.predictor.dispose();
    this.store.dispose();
  }

  /** Every state there will be: those of the parameters, and those that clip and update add. */
  #allStates(): readonly State[] {
    const graph = new Graph('train');
    for (const state of this.weights) graph.state(state);
    const grads = this.#groups.flatMap((g) => g.params.map((p) => graph.input(`grad ${p.name}`, p.state.type, 'feed')));
    const loss = graph.input('loss', { dtype: 'f64', shape: [] }, 'feed');
    buildApply({ graph, groups: this.#groups, states: this.#applyStates, grads, policy: this.policy, loss });
    const sums = this.#accumulators ? [...this.#accumulators.gradients.values(), this.#accumulators.loss] : [];
    return [...graph.states, ...sums, ...(this.plateau ? [this.plateau.state] : [])];
  }
}

function forwardOfX<M extends Module>(batch: Batch, model: M): Tensor {
  if (!batch.x) throw new OptionError(`predict: expected an input named x, got ${Object.keys(batch).join(', ')}`);
  return (model.forward as (x: Tensor) => Tensor).call(model, batch.x);
}
