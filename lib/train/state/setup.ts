// setup.ts: a model made ready: its parameters in groups, all of its state in one store, and the sessions that work on it.
import type { ClipPolicy } from '../../clip/clip.ts';
import { factorIn } from '../../clip/policies/auto.ts';
import { none } from '../../clip/policies/none.ts';
import { OptionError } from '../../errors.ts';
import { headerOf } from '../../history/header.ts';
import type { RecordHeader } from '../../history/history.ts';
import { Graph, inSection, type State, Tensor } from '../../ir/graph.ts';
import type { Data, Precision } from '../../ir/op.ts';
import { graphKey } from '../../ir/print.ts';
import { addon, type NativeBlock } from '../../native/addon.ts';
import { type Difference, MadeOf } from '../../nn/module/made-of.ts';
import {
  Buffer,
  type Match,
  type Module,
  matchParameters,
  namesOf,
  Parameter,
  type Pattern,
  valuesIn,
} from '../../nn/module/module.ts';
import { type Values, valuesOf } from '../../nn/module/values.ts';
import { type Apply, type ApplyGroup, ApplyStates, buildApply, searchStatesOf } from '../../optim/apply/apply.ts';
import { StepColumns } from '../../optim/apply/columns.ts';
import { Finishing } from '../../optim/apply/finishing.ts';
import { checkShared } from '../../optim/apply/shared-parts.ts';
import { buildEma, emaWeight } from '../../optim/weights/ema.ts';
import { checkAugmentation, checkPreprocess, inUnits, type Plans, prepare, type Transforms } from '../feed/prepare.ts';
import type { Sampled, Shape } from '../feed/shape.ts';
import type { Batch, NdArray, Tensors } from '../feed/source.ts';
import type { Tables } from '../feed/tables.ts';
import type { Metrics } from '../flow/progress.ts';
import { checkBuffers, microsOf, rankedOf } from '../group/sharing.ts';
import type { TrainerOptions, Weights } from '../options.ts';
import type { Rounded } from '../precision/precision.ts';
import { digestOf } from '../programs/digest.ts';
import { Evaluation } from '../programs/evaluate.ts';
import { type Differentiated, GradientPrograms } from '../programs/gradients.ts';
import { traceInspection, type Watching } from '../programs/inspect.ts';
import { Predictions } from '../programs/predict.ts';
import { Predicting, type Wanted } from '../programs/predicting.ts';
import { Programs } from '../programs/programs.ts';
import { type Averaging, PairMemory, Searching } from '../programs/searching.ts';
import { type Copied, Session, type SessionOptions } from '../programs/session.ts';
import { Sessions, Use } from '../programs/sessions.ts';
import { inModule, Store } from '../programs/store.ts';
import { Accumulators } from '../step/accumulation.ts';
import { Checkpointed } from '../step/checkpointed.ts';
import { checkSearch, checkSparseTables, groupParameters, trainedOf } from '../step/groups.ts';
import { Guarding } from '../step/guarding.ts';
import { LossScale } from '../step/loss-scale.ts';
import type { TracedMetric } from '../step/measure.ts';
import { matchPenalties, type Penalties } from '../step/penalties.ts';
import { checkPerSample, totalsOfNone } from '../step/per-sample.ts';
import { type Probing, traceProbe } from '../step/probing.ts';
import {
  type Output,
  type Stands,
  type TracedStep,
  type TrainSpec,
  traceEvaluate,
  traceOutputs,
  traceTrain,
} from '../step/step.ts';
import { averagesOf, type Kept, keptOf, sameOrder, takeOver } from './kept.ts';
import { Names, type Since } from './names.ts';
import { Plateau } from './plateau.ts';

/** The programs of which steps. */
interface StepsOf {
  /** Names the graphs of batches, beside their shapes. */
  readonly kind: string;
  /** Arrays to bind. */
  readonly data: ReadonlyMap<string, NdArray>;
  /** Each instruction is measured, or how it is cut. */
  readonly profiled?: boolean | 'balance';
  /** The 2-norm of each gradient is reported. */
  readonly perLayer?: boolean;
  /** Where rows are drawn independently: how. */
  readonly sampled?: Sampled | undefined;
}

/** Clip and update: what programs are given in each step, a text that tells their structure, and their states. */
interface Built {
  readonly apply: Apply | null;
  readonly key: string;
  readonly states: readonly State[];
}

/** What a copy of weights is computed with: the transforms of when it was made, and the model, if that is what it was. */
export interface Apart {
  readonly transforms: Transforms;
  /** @throws GraphError if it is not */
  check(): void;
  tracing<T>(trace: () => T): T;
}

/** Who hears of what is found while the programs of a run are traced and fed. */
export interface Heard {
  /** A step was traced, or is run again. */
  traced(step: TracedStep): void;
  /** The learning rate of a group in a step. */
  rate(group: number, lr: number, step: number): void;
}

export class Setup {
  readonly store: Store;
  #policy: ClipPolicy;
  /** Of runs, where they are worth them. */
  readonly threads: number;
  readonly parameters: readonly Parameter[];
  readonly buffers: readonly Buffer[];
  /** All names that the model has for each of them. */
  readonly names: ReadonlyMap<Parameter | Buffer, readonly string[]>;
  /** The states of the parameters and of the buffers that are written with them, neighbors in the store. */
  readonly weights: readonly State[];
  /** The trained parameters, each group with its optimizer. */
  #groups: readonly ApplyGroup[];
  /** Names of the trained parameters, in the order in which policies see them. */
  readonly trained: readonly string[];
  readonly plateau: Plateau | null;
  readonly guarding: Guarding | null;
  /** The averages of the trained parameters, neighbors too: of option `ema`, or slots of optimizers that keep one. */
  readonly averages: ReadonlyMap<Parameter, State>;
  readonly finishing: Finishing;
  readonly kept: Kept;
  readonly since: Since;
  /** Those of all sessions. */
  readonly programs: Programs = new Programs();
  /** What computes outputs with the values of now. */
  readonly predicting: Predicting = new Predicting((wanted) => this.predictions(wanted, this.store, this.programs));
  #options: TrainerOptions<Module, string>;
  #built!: Built;
  readonly #madeOf: MadeOf;
  readonly #training: Sessions<TracedStep> = new Sessions();
  readonly #evaluating: Sessions<readonly TracedMetric[]> = new Sessions();
  /** Who hears of the run that is on. */
  #heard: Heard | null = null;
  readonly #found: readonly (readonly [string, Parameter | Buffer])[];
  readonly #penalties: Penalties;
  readonly #checkpointed: Checkpointed | null;
  readonly #scaling: LossScale | null;
  readonly #ema: ((step: number) => number) | null;
  readonly gradients: GradientPrograms;
  /** Of an optimizer that searches; else null. */
  readonly searching: Searching | null;
  readonly #applyStates: ApplyStates;
  readonly #accumulators: Accumulators | null;
  readonly #plans: Plans;
  /** Names of states, as files and users have them. */
  readonly named: Names;
  #transforms: Transforms;
  #made = 0;

  /**
   * The model's parameters must have their values.
   * @param since the first step of trained parameters that were not trained from the beginning
   * @param before what is taken over; no run may be on
   * @throws OptionError if an option finds nothing that it is for; where nothing is trained, what is for that does not count
   */
  constructor(options: TrainerOptions<Module, string>, since: Since = new Map(), before: Setup | null = null) {
    const { model, clip = none(), group, threads = group?.threads ?? addon().threads.count, wire } = options;
    const accumulate = microsOf(options);
    this.#options = options;
    this.#applyStates = new ApplyStates(rankedOf(options));
    this.#plans = checkAugmentation(options.augment);
    this.#transforms = before?.transforms ?? checkPreprocess(options.preprocess);
    this.#policy = clip;
    this.threads = threads;
    this.plateau = before?.plateau ?? (options.plateau ? new Plateau(options.plateau) : null);
    this.#madeOf = new MadeOf(model);
    this.#found = [...valuesIn(model)];
    this.names = namesOf(model);
    this.parameters = [...this.names.keys()].filter((x) => x instanceof Parameter);
    this.buffers = [...this.names.keys()].filter((x) => x instanceof Buffer);
    this.weights = [...this.parameters, ...this.buffers.filter((b) => b.persistent)].map(({ state }) => state);
    this.since = since;
    this.#groups = groupParameters(options, since);
    checkSearch(options, this.carries);
    if (this.#applyStates.ranked) this.#groups.forEach(checkShared);
    const trained = this.groups.flatMap((g) => g.params);
    checkPerSample(options, trained);
    const { ema, regularize, guards, constraints, prune, checkpointed } =
      trained.length > 0 ? options : ({} as Partial<typeof options>);
    this.#ema = ema ? emaWeight('Trainer: ema', ema) : null;
    this.#penalties = regularize ? matchPenalties(model, trained, regularize) : [];
    const penalized = this.#penalties.flatMap(([, params]) => params.map((p) => p.name));
    checkSparseTables(this.groups, penalized);
    this.#checkpointed = checkpointed === undefined ? null : new Checkpointed(model, [checkpointed].flat());
    this.#scaling = options.lossScale === undefined ? null : new LossScale(options.lossScale);
    this.guarding = guards ? new Guarding(model, trained, guards) : null;
    this.averages = averagesOf(this.groups, this.#applyStates, {
      ema: ema !== undefined,
      held: [constraints ?? [], prune ?? []].flat().length > 0,
    });
    this.trained = trained.map((p) => p.name);
    const select = (where: string, match: Match): Parameter[] => {
      const matched = matchParameters(where, model, match);
      return trained.filter((p) => matched.includes(p));
    };
    const rules = { ...(constraints && { constraints }), ...(prune && { prune }) };
    this.finishing = new Finishing('Trainer', trained, this.#applyStates, select, rules);
    const staged = options.syncBatchNorm === true && accumulate > 1;
    if (group || staged) checkBuffers(group ? 'group' : 'syncBatchNorm', this.buffers);
    this.#accumulators =
      accumulate > 1 || group
        ? new Accumulators(accumulate, this.buffers, { processes: group?.size ?? null, staged, wire })
        : null;
    this.#built = this.#build(clip, this.#groups);
    const search = this.#groups[0]?.optimizer.search;
    const vectors = search && searchStatesOf(search, this.#groups[0]!.params, this.#applyStates);
    const pairs = vectors && new PairMemory(vectors.pairs);
    this.store = new Store(this.#allStates, (state) => pairs?.placeOf(state) ?? inModule(state));
    this.searching = null;
    if (search) {
      const average = this.#ema && ((...[graph, columns]: Parameters<Averaging>) => this.#average(graph, columns));
      const params = trained.map((p) => p.state);
      this.searching = new Searching(search, vectors!, pairs!, { params, average }, this.store, this.programs, this.threads);
    }
    this.store.reset(this.store.own.filter((s) => s.init));
    this.kept = keptOf(this.groups, this.#applyStates, this.averages, this.finishing);
    if (before) takeOver(before, this);
    this.named = new Names(this);
    this.gradients = new GradientPrograms(this.store, this.#differentiated, this.programs, this.#session);
  }

  /** Of an optimizer that searches: the averages take in what the parameters are. */
  #average(graph: Graph, columns: StepColumns): void {
    const params = this.#groups.flatMap((g) => g.params);
    const now = new Map(params.map(({ state }) => [state, graph.state(state)]));
    inSection(graph, 'apply', () => buildEma(graph, params, now, this.#applyStates, columns, this.#ema!, this.finishing));
  }

  /** Whose gradients are taken, as a step has them. */
  get #differentiated(): Differentiated {
    const { model, loss } = this.#options;
    const accumulate = microsOf(this.#options);
    return {
      model,
      loss,
      trained: this.groups.flatMap((g) => g.params),
      penalties: this.#penalties,
      checkpointed: this.#checkpointed,
      precision: this.#precision,
      activations: this.#activations,
      buffers: this.buffers,
      names: this.names,
      accumulates: accumulate > 1,
      syncs: this.#options.syncBatchNorm ?? false,
      prepare: (batch) => this.#prepared(batch),
    };
  }

  /** The trained parameters, each group with its optimizer. */
  get groups(): readonly ApplyGroup[] {
    return this.#groups;
  }

  get policy(): ClipPolicy {
    return this.#policy;
  }

  /** The factor of a policy that finds its threshold; null: there is none, or nothing is trained. */
  get factor(): State | null {
    return this.#policy.auto ? factorIn(this.#built.states) : null;
  }

  /** Learning rates, thresholds and whatever else programs are given anew in each step, for `count` steps from `step` on. */
  fillRows(...[row, step, count]: Parameters<Apply['fillRows']>): Float64Array {
    return this.#built.apply!.fillRows(row, step, count);
  }

  /**
   * Go on by other options, where they differ in numbers alone that programs are given in each step: nothing is compiled then. No run may be on.
   * @returns false: they differ in more than that, and nothing has changed
   */
  adjust(options: TrainerOptions<Module, string>, since: Since): boolean {
    const groups = groupParameters(options, since);
    const same = (a: ApplyGroup, b: ApplyGroup | undefined): boolean =>
      b !== undefined && (a.since ?? 0) === (b.since ?? 0) && sameOrder(a.params, b.params);
    if (groups.length !== this.#groups.length || !groups.every((g, i) => same(g, this.#groups[i]))) return false;
    const { clip = none() } = options;
    const built = this.#build(clip, groups);
    if (built.key !== this.#built.key) return false;
    this.#options = options;
    this.#groups = groups;
    this.#policy = clip;
    this.#built = built;
    return true;
  }

  /** What was done to the model since: to its parts or what it is computed with, or only to what is trained. */
  get difference(): Difference {
    return this.#madeOf.difference();
  }

  /**
   * The model is computed with other numbers than it was: what was compiled with those is dropped. No run may be on.
   * @param trainedToo what is set to be trained is what this trains
   */
  takeFields(trainedToo: boolean = false): void {
    this.#madeOf.look(trainedToo);
    this.forget();
  }

  /** Whether the model has what it had, and nothing in it waits for values. */
  get sameModel(): boolean {
    let i = 0;
    for (const [name, x] of valuesIn(this.#options.model)) {
      const before = this.#found[i++];
      if (before?.[0] !== name || before[1] !== x || (x instanceof Parameter && !x.initialized)) return false;
    }
    return i === this.#found.length;
  }

  /** The first step of what is to be trained from `step` on, as far as it is not the first of all. */
  sinceNow(step: number): Since {
    const now = trainedOf(this.#options);
    return new Map(now.map((p) => [p, this.kept.has(p) ? (this.since.get(p) ?? 0) : step]));
  }

  /** The same by other options: an optimizer that keeps of a parameter what the one before did not begins at `step`. */
  sinceBy(options: TrainerOptions<Module, string>, step: number): Since {
    const goesOn = (p: Parameter, { optimizer }: ApplyGroup): boolean => {
      const kept = this.kept.get(p);
      return kept !== undefined && optimizer.slots(p.state.type).every(({ name }) => kept.has(`optim.${name}`));
    };
    const groups = groupParameters(options, new Map());
    return new Map(groups.flatMap((g) => g.params.map((p) => [p, goesOn(p, g) ? (this.since.get(p) ?? 0) : step])));
  }

  /** Names of what is to be trained from `step` on. */
  trainedNow(step: number): readonly string[] {
    const names = namesOf(this.#options.model);
    return groupParameters(this.#options, this.sinceNow(step)).flatMap((g) => g.params.map((p) => names.get(p)![0]!));
  }

  /** Whether the same parameters are to be trained, since these steps. */
  sameTrained(since: Since): boolean {
    const [before, now] = [this.groups, groupParameters(this.#options, since)];
    const same = (a: ApplyGroup, b: ApplyGroup): boolean => a.since === b.since && sameOrder(a.params, b.params);
    return before.length === now.length && before.every((g, i) => same(g, now[i]!));
  }

  /** What a run trains with. @param heard as of `hear` */
  steps({ kind, data, profiled = false, perLayer = false, sampled }: StepsOf, heard: Heard): Use<TracedStep> {
    this.hear(heard);
    const make = (): Session<TracedStep> => {
      const spec = sampled ? this.#sampledSpec(perLayer, sampled) : this.#spec(perLayer);
      const { group } = this.#options;
      const section = rankedOf(this.#options) ? 'micro' : null;
      const trace = (shape: Shape): ReturnType<typeof traceTrain> => {
        const traced = traceTrain(spec, shape.rows, (graph) => this.#prepared(shape.trace(graph)));
        return group ? { ...traced, extra: { ...traced.extra, digest: digestOf(traced.graph, section) } } : traced;
      };
      const micros = Math.ceil((sampled?.micros ?? microsOf(this.#options)) / (group?.size ?? 1));
      return new Session(this.store, trace, this.programs, { ...this.#session, profiled, owner: this.#training, micros });
    };
    const drawn = sampled ? ` ${sampled.expected} expected, ${sampled.micros} at most` : '';
    // Times are of one run; and what runs op by op is traced anew each time.
    return this.#training.use(profiled || this.debug ? null : `${kind}${perLayer ? ' per layer' : ''}${drawn}`, make, data);
  }

  /** `heard` hears of the learning rates of the steps from here on. */
  hear(heard: Heard): void {
    this.#heard = heard;
  }

  /** What looks at the gradients of batches, and at what an update would do. @param data of its arrays */
  probing(data: Copied): Use<Probing> {
    const { optimizer } = this.#groups[0]!;
    if (optimizer.search) {
      const text = `probe: option optimizer of the trainer: ${optimizer.name} has no update of one gradient to look at`;
      throw new OptionError(text, { option: 'optimizer', optimizer: optimizer.name });
    }
    const trace = (shape: Shape): ReturnType<typeof traceProbe> =>
      traceProbe(this.#spec(false), shape.rows, (graph) => this.#prepared(shape.trace(graph)));
    return new Use(new Session(this.store, trace, this.programs, this.#session), data);
  }

  /** Rows for steps that are not taken: nobody hears of their rates. */
  get unheard(): Pick<Setup, 'fillRows' | 'policy'> {
    return {
      policy: this.policy,
      fillRows: (...given) => {
        const heard = this.#heard;
        this.#heard = null;
        try {
          return this.fillRows(...given);
        } finally {
          this.#heard = heard;
        }
      },
    };
  }

  /** The learning rate of each group in a step. */
  ratesAt(step: number): number[] {
    return this.groups.map(({ optimizer }) => this.plateau?.rate(optimizer.lr(step)) ?? optimizer.lr(step));
  }

  /** That of all parameters together, of an optimizer that searches; whoever listens hears of it. */
  rateOf(step: number): number {
    const [lr] = this.ratesAt(step);
    this.#heard?.rate(0, lr!, step);
    return lr!;
  }

  #spec(perLayer: boolean): TrainSpec<Module> {
    const { model, loss } = this.#options;
    return {
      model,
      loss,
      groups: this.groups,
      states: this.#applyStates,
      policy: this.policy,
      finishing: this.finishing,
      accumulators: this.#accumulators,
      ema: this.#ema,
      perLayer,
      penalties: this.#penalties,
      checkpointed: this.#checkpointed,
      precision: this.#precision,
      activations: this.#activations,
      scaling: this.#scaling,
      guarding: this.guarding,
      sampled: null,
    };
  }

  /** Of steps that differ in micro-batches: what goes from one of them to the next has room for the most there are. */
  #sampledSpec(perLayer: boolean, sampled: Sampled): TrainSpec<Module> {
    const { group, wire } = this.#options;
    const several = sampled.micros > 1 || group;
    const of = { processes: group?.size ?? null, staged: false, wire };
    const accumulators = several ? new Accumulators(sampled.micros, this.buffers, of) : null;
    return { ...this.#spec(perLayer), sampled, accumulators };
  }

  /**
   * What a record holds about a run.
   * @param reads nothing is changing the weights now
   */
  header(seed: bigint, batchSize: number, perLayer: boolean, reads: boolean): RecordHeader {
    const accumulate = microsOf(this.#options);
    const { policy, threads } = this;
    const facts = { policy, groups: this.groups, seed, threads, batchSize, accumulate, precision: this.#precision, perLayer };
    return headerOf(facts, reads);
  }

  /**
   * @param data of the tables
   * @param alone a run may be on of the programs for such data: it has its own
   */
  evaluation(
    tables: Tables,
    data: Copied | ReadonlyMap<string, NdArray>,
    { weights, batchSize }: { readonly weights: Weights; readonly batchSize: number },
    alone: boolean = false,
  ): Evaluation {
    const { model, loss, metrics } = this.#options;
    const make = (): Session<readonly TracedMetric[]> => {
      const measures = { loss, ...metrics };
      const trace = (shape: Shape): ReturnType<typeof traceEvaluate> => {
        const prepared = (graph: Graph): Tensors => this.#prepared(shape.trace(graph));
        return traceEvaluate(model, measures, prepared, { stands: this.#stands(weights), precision: this.#precision });
      };
      return new Session(this.store, trace, this.programs, { ...this.#session, owner: this.#evaluating });
    };
    const kind = this.debug || alone ? null : `${tables.kind} ${weights}`;
    return new Evaluation(this.#evaluating.use(kind, make, data), tables, batchSize);
  }

  /** What inspects a batch. @param data of its arrays */
  inspection(data: Copied, match: Pattern | undefined): Use<Watching> {
    const { model, loss } = this.#options;
    const trained = this.groups.flatMap((g) => g.params);
    const trace = (shape: Shape): { graph: Graph; extra: Watching } =>
      traceInspection(model, loss, trained, { match, precision: this.#precision }, (graph) => this.#prepared(shape.trace(graph)));
    return new Use(new Session(this.store, trace, this.programs, { ...this.#session, debug: null }), data);
  }

  /** What the loss and its gradients are made of, for whoever measures what rounding does to them. */
  get rounding(): Rounded {
    // Kernels round, not loops in their place; and one batch is one micro-batch.
    const session = { ...this.#session, debug: null };
    const of = { ...this.#differentiated, accumulates: false };
    return {
      of,
      lossScale: this.#scaling?.now((state) => this.store.read([state]).get(state)![0]!) ?? 1,
      tracing: session.tracing,
      read: (states) => this.store.read(states),
      gradients: (precision, activations) =>
        new GradientPrograms(this.store, { ...of, precision, activations }, this.programs, session),
    };
  }

  get transforms(): Transforms {
    return this.#transforms;
  }

  /** Another number each time that what was compiled is dropped, as it is computed otherwise. */
  get made(): number {
    return this.#made;
  }

  /** From now on: what computes with the others is dropped. No run may be on. */
  set transforms(transforms: Transforms) {
    this.#transforms = transforms;
    this.forget();
  }

  /** What was compiled is dropped. No run may be on. */
  forget(): void {
    this.#made++;
    this.predicting.dispose();
    for (const programs of [this.#training, this.#evaluating, this.gradients]) programs.forget();
  }

  /** Whether steps run op by op. */
  get debug(): boolean {
    return this.#options.debug ?? false;
  }

  get #session(): SessionOptions & Pick<Apart, 'tracing'> {
    const debug = this.debug ? { gradients: !this.scaleAdapts } : null;
    return { threads: this.threads, tracing: (trace) => this.#madeOf.during(trace), debug };
  }

  get #precision(): Precision {
    return this.#options.precision ?? 'f32';
  }

  get #activations(): Precision {
    return this.#options.activations ?? 'f32';
  }

  /** Whether the scale of the loss follows what overflows. */
  get scaleAdapts(): boolean {
    return this.#scaling?.adapts ?? false;
  }

  /**
   * What computes outputs with the transforms of now, on the memory of `store`.
   * @param apart runs wait for none that train, on a copy of the weights
   */
  predictions(wanted: Wanted, store: Store, programs: Programs, apart: Apart | null = null): Predictions {
    const session = this.#session;
    const { transforms, tracing } = apart ?? { transforms: this.#transforms, ...session };
    const trace = this.#outputs(wanted, { transforms, tracing, precision: this.#precision, forAnyRows: false });
    return new Predictions(wanted.where, store, trace, programs, { ...session, ...apart, apart: apart !== null });
  }

  /** What traces outputs with the transforms of now, for whoever computes them elsewhere: in f32. */
  exporting(wanted: Wanted): (batch: (graph: Graph) => Tensors) => ReturnType<typeof traceOutputs> {
    const { tracing } = this.#session;
    return this.#outputs(wanted, { transforms: this.#transforms, tracing, precision: 'f32', forAnyRows: true });
  }

  #outputs(
    { where, output, weights, dropout }: Wanted,
    {
      transforms,
      tracing,
      precision,
      forAnyRows,
    }: Pick<Apart, 'transforms' | 'tracing'> & Pick<Graph, 'precision' | 'forAnyRows'>,
  ): (batch: (graph: Graph) => Tensors) => ReturnType<typeof traceOutputs> {
    const { model } = this.#options;
    const predict: Output<Module> = this.#options.predict ?? forwardOfX;
    const inUnitsOfY: Output<Module> = (batch, m) => {
      const given = predict(batch, m);
      // What has names need not be what the loss compares with y.
      return given instanceof Tensor ? inUnits(given, transforms) : given;
    };
    return (batch) => {
      const prepared = (graph: Graph): Tensors => prepare(batch(graph), this.#plans, transforms, false);
      const options = { stands: this.#stands(weights), precision, dropout, forAnyRows };
      return tracing(() => traceOutputs(where, model, output ?? inUnitsOfY, prepared, options));
    };
  }

  /** The states that a prediction may read. */
  read(weights: Weights): State[] {
    const stands = this.#stands(weights);
    return [...this.parameters.map((p) => stands?.get(p) ?? p.state), ...this.buffers.map((b) => b.state)];
  }

  /** Before a fit of `trainer`: what another one has carried from batch to batch is not continued. No run may be on. */
  enter(trainer: symbol): void {
    const others = this.#carried.filter(({ values: v }) => v.trainer !== null && v.trainer !== trainer);
    this.store.reset(others.map(({ state }) => state));
    this.claim(trainer);
  }

  /** What is carried from batch to batch is `trainer`'s now. */
  claim(trainer: symbol): void {
    for (const { values } of this.#carried) values.trainer = trainer;
  }

  /** Whether something is carried from batch to batch. */
  get carries(): boolean {
    return this.#carried.length > 0;
  }

  get #carried(): { state: State; values: Values }[] {
    return this.buffers.filter((b) => b.eachEpoch).map(({ state }) => ({ state, values: valuesOf(state)! }));
  }

  /** Give buffers that each epoch begins anew their first values. No run may be on. @param values in a twin of the store's blocks */
  startEpoch(values?: readonly NativeBlock[]): void {
    this.store.reset(
      this.#carried.map(({ state }) => state),
      values,
    );
  }

  /** What earlyStop brings back: weights, their averages and masks, neighbors in the store. */
  get restorable(): readonly State[] {
    return [...this.weights, ...this.averages.values(), ...this.finishing.states];
  }

  /** The values of all that, as of now. */
  snapshot(): Promise<Map<State, Data>> {
    return this.store.snapshot(this.restorable);
  }

  #prepared(batch: Tensors): Tensors {
    return prepare(batch, this.#plans, this.#transforms, true);
  }

  #stands(weights: Weights): Stands | undefined {
    return weights === 'ema' ? this.averages : undefined;
  }

  /** Put values into states. States that are not weights and get none start afresh, averages as what they are of. */
  restore(values: ReadonlyMap<State, Data>): void {
    const weights = new Set(this.weights);
    this.store.reset(this.store.states.filter((s) => !values.has(s) && !weights.has(s)));
    for (const [state, data] of values) this.store.write(state, data);
    for (const [p, average] of this.averages) {
      if (!values.has(average)) this.store.write(average, this.store.read([p.state]).get(p.state)!);
    }
    if (this.plateau) this.plateau.values.set(this.store.read([this.plateau.state]).get(this.plateau.state)!);
  }

  /**
   * Let the learning rates go down, if a validation says so. `step` is the number of updates so far. No run may be on.
   * @param values where that is kept, too: a twin of the store's blocks
   */
  validated(metrics: Metrics<string>, step: number, values?: readonly NativeBlock[]): void {
    if (!this.plateau) return;
    const { plateau } = this;
    plateau.see(
      metrics[plateau.metric]!,
      this.groups.map((g) => g.optimizer.lr(step)),
    );
    this.store.write(plateau.state, plateau.values, values);
  }

  dispose(): void {
    this.searching?.dispose();
    this.gradients.dispose();
    this.forget();
    this.store.dispose();
  }

  /** Clip and update of these groups alone, and every state there will be: those of the parameters, and those that clip and update add. */
  #build(policy: ClipPolicy, groups: readonly ApplyGroup[]): Built {
    const graph = new Graph('train');
    for (const state of this.restorable) graph.state(state);
    const [first] = groups;
    const { search } = first?.optimizer ?? {};
    if (search) for (const state of searchStatesOf(search, first!.params, this.#applyStates).all) graph.state(state);
    for (const { state } of this.buffers) graph.state(state);
    const grads = groups.flatMap((g) => g.params.map((p) => graph.input(`grad ${p.name}`, p.state.type, 'feed')));
    const loss = graph.input('loss', { dtype: 'f64', shape: [] }, 'feed');
    const { plateau, finishing, names: allNames } = this;
    const states = this.#applyStates;
    const rates = {
      ...(plateau && { rate: (lr: number) => plateau.rate(lr) }),
      onRate: (...rate: Parameters<Heard['rate']>) => this.#heard?.rate(...rate),
    };
    const columns = new StepColumns(graph);
    const samples = policy.perSample ? totalsOfNone(graph, policy.perSample, grads.length, columns, states) : null;
    const apply =
      grads.length > 0
        ? buildApply({
            graph,
            groups,
            allNames,
            states,
            grads,
            policy,
            loss,
            finishing,
            columns,
            samples,
            ema: this.#ema,
            ...rates,
          })
        : null;
    return { apply, key: graphKey(graph), states: graph.states };
  }

  get #allStates(): readonly State[] {
    return [...this.#built.states, ...(this.plateau ? [this.plateau.state] : []), ...(this.#scaling?.states ?? [])];
  }
}

function forwardOfX(batch: Batch, model: Module): Tensor {
  if (!batch.x) throw new OptionError('predict: expected an array of rows, or one named x, got undefined');
  return (model.forward as (x: Tensor) => Tensor).call(model, batch.x);
}
