// policies.ts: the suite `policies`: what each clip policy and each optimizer costs, in a training step and standalone, beside a step without it.
import type { ClipPolicy } from '../../clip/index.ts';
import * as clip from '../../clip/index.ts';
import { POLICIES } from '../../clip/list.ts';
import { compile } from '../../compile/compile.ts';
import { GradclipError } from '../../errors.ts';
import { Graph, type State } from '../../ir/graph.ts';
import { bytesOf, sizeOf } from '../../ir/op.ts';
import { target } from '../../native/program.ts';
import { buildApply } from '../../optim/apply/apply.ts';
import type { Optimizer } from '../../optim/index.ts';
import * as optim from '../../optim/index.ts';
import { OPTIMIZERS } from '../../optim/list.ts';
import { analyze } from '../../optim/standalone/analyze.ts';
import type { BoundOptimizer } from '../../optim/standalone/bound.ts';
import { values } from './clip-step.ts';
import { type Probe, streamProbe } from './probe.ts';
import { type Cell, sampleCalls } from './sample.ts';
import { Stepper, type StepTask } from './stepper.ts';

/** Shapes of the tensors that are stepped without a model. */
const TENSORS: Readonly<Record<string, readonly (readonly number[])[]>> = {
  '25x1M': Array(25).fill([1024, 1024]),
  '2000x8k': Array(2000).fill([8192]),
  '200x4k': Array(200).fill([64, 64]),
  '6x40k': [[784, 256], [256], [256, 128], [128], [128, 10], [10]],
};
/** Models whose whole steps are timed, and the optimizer of each. */
const STEPS = { 'mlp-small': 'sgd', 'mlp-large': 'adamw' } as const;

const PLACES = [...Object.keys(STEPS), ...Object.keys(TENSORS)];
/** In steps of a workload the rate whose losses it records; elsewhere one that moves hardly anything, however many steps there are. */
const RECORDED_LR = 1e-4;
const SMALL_LR = 1e-6;

/** Policies that only a fit has: `auto` as it is between its trials. */
const OF_FITS: typeof POLICIES = { auto: () => clip.auto({ decisions: [] }) };
const ALL_POLICIES = { ...OF_FITS, ...POLICIES };

/** `policy/6x40k/globalNorm`: kind, place and name. */
export const POLICIES_CELLS: readonly string[] = PLACES.flatMap((place) => [
  ...Object.keys(place in STEPS ? ALL_POLICIES : POLICIES).map((name) => `policy/${place}/${name}`),
  ...Object.keys(OPTIMIZERS).map((name) => `optimizer/${place}/${name}`),
]);

/** Those that take seconds, not minutes. */
export const FAST_CELLS: readonly string[] = POLICIES_CELLS.filter((cell) => /\/(mlp-small|6x40k)\//.test(cell));

type Shapes = readonly (readonly number[])[];

interface Way {
  readonly optimizer: Optimizer;
  readonly policy: ClipPolicy;
}

/** The two that are compared; `shared`: the first is the same for all policies of a place. */
interface Pair {
  readonly base: Way;
  readonly with: Way;
  readonly shared: boolean;
}

/** Where tensors and models come from. */
export interface Sources {
  /** The model of that name. */
  task(name: string): Promise<StepTask> | StepTask;
  /** Values of tensor `i`, in about [-1, 1). Default: this library's own draws. */
  readonly values?: (what: 'parameter' | 'gradient', i: number, n: number) => Float32Array;
}

const OFF = (): ClipPolicy => clip.none({ measure: false });

function pairOf(kind: string, place: string, name: string): Pair {
  const lr = place in STEPS ? RECORDED_LR : SMALL_LR;
  const isSgd = place in STEPS && STEPS[place as keyof typeof STEPS] === 'sgd';
  const usual = (lr: number): Optimizer => (isSgd ? optim.sgd({ lr, momentum: 0.9 }) : optim.adamw({ lr }));
  if (kind === 'policy') {
    // What all are compared with takes many more steps than each of them.
    const base = { optimizer: usual(SMALL_LR), policy: OFF() };
    return { base, with: { optimizer: usual(lr), policy: ALL_POLICIES[name]!() }, shared: true };
  }
  const made = (): Optimizer => OPTIMIZERS[name]!({ lr });
  return {
    base: { optimizer: made(), policy: OFF() },
    with: { optimizer: made(), policy: clip.globalNorm(1) },
    shared: false,
  };
}

/**
 * Cells of one place after the other: its tensors, and the step without a policy, are made once. A string in place of a cell says why it cannot
 * be timed.
 */
export class PoliciesCells {
  readonly #threads: number;
  readonly #sources: Sources;
  #place: Place | null = null;

  constructor(threads: number, sources: Sources) {
    this.#threads = threads;
    this.#sources = sources;
  }

  /**
   * Variants `without` and `with`: for a policy, the step without any clip and the one with it; for an optimizer, without a clip and with a
   * global norm. On tensors alone also `read`: all gradients are read once, and nothing is done with them but a sum.
   */
  async open(cell: string): Promise<Cell | string> {
    const [kind, place, name] = cell.split('/') as [string, string, string];
    try {
      if (this.#place?.name !== place) {
        this.dispose();
        this.#place = this.#placeOf(place);
      }
      return await this.#place.pair(pairOf(kind, place, name));
    } catch (error) {
      // Such as a policy that needs a loss, where there is none.
      if (error instanceof GradclipError) return error.message;
      throw error;
    }
  }

  dispose(): void {
    this.#place?.dispose();
    this.#place = null;
  }

  #placeOf(name: string): Place {
    if (name in STEPS) return new ModelPlace(name, this.#threads, () => this.#sources.task(name));
    return new TensorPlace(name, this.#threads, this.#sources.values ?? values);
  }
}

/** Of a place that is no model. */
export interface Tensors {
  readonly shapes: Shapes;
  readonly params: readonly Float32Array[];
  readonly grads: readonly Float32Array[];
}

export function tensorsOf(place: string, values: NonNullable<Sources['values']>): Tensors {
  const shapes = TENSORS[place]!;
  const of = (what: 'parameter' | 'gradient') => shapes.map((s, i) => values(what, i, sizeOf(s)));
  return { shapes, params: of('parameter'), grads: of('gradient') };
}

/** Whether a place is tensors without a model. */
export const isTensors = (place: string): boolean => place in TENSORS;

interface Place {
  readonly name: string;
  pair(pair: Pair): Promise<Cell> | Cell;
  dispose(): void;
}

/** What policies are compared with, and what it costs by its own account: made once where it is shared. */
class Base<T extends { dispose(): void }> {
  readonly made: T;
  readonly cost: Cost;
  readonly #shared: boolean;

  constructor(made: T, pair: Pair, shapes: Shapes) {
    this.made = made;
    this.cost = costOf(pair.base, shapes);
    this.#shared = pair.shared;
  }

  /** Ends one that was made for a single cell. */
  release(): void {
    if (!this.#shared) this.made.dispose();
  }
}

class ModelPlace implements Place {
  readonly name: string;
  readonly #make: (way: Way) => Promise<Stepper>;
  #shared: Base<Stepper> | null = null;

  constructor(name: string, threads: number, task: () => Promise<StepTask> | StepTask) {
    this.name = name;
    this.#make = async ({ optimizer, policy }) => new Stepper({ ...(await task()), optimizer }, policy, threads);
  }

  async pair(pair: Pair): Promise<Cell> {
    const made = await this.#make(pair.with);
    const first = await made.first(3);
    const { params, shapes } = made;
    const base = (pair.shared && this.#shared) || new Base(await this.#make(pair.base), pair, shapes);
    if (pair.shared) this.#shared = base;
    return {
      info: { params, tensors: shapes.length, ...first, ...factsOf(base.cost, costOf(pair.with, shapes), shapes) },
      variants: { without: (seconds) => base.made.run(seconds), with: (seconds) => made.run(seconds) },
      dispose() {
        base.release();
        made.dispose();
      },
    };
  }

  dispose(): void {
    this.#shared?.made.dispose();
  }
}

class TensorPlace implements Place {
  readonly name: string;
  readonly #threads: number;
  readonly #tensors: Tensors;
  readonly #sums: Readonly<Record<'norm1' | 'normInf', number>>;
  readonly #read: Probe;
  #shared: Base<BoundOptimizer> | null = null;

  constructor(name: string, threads: number, values: NonNullable<Sources['values']>) {
    this.name = name;
    this.#threads = threads;
    this.#tensors = tensorsOf(name, values);
    this.#sums = analyze(this.#tensors.grads);
    this.#read = streamProbe('read', 4 * this.#tensors.grads.reduce((n, g) => n + g.length, 0), threads);
  }

  pair(pair: Pair): Cell {
    const { shapes, params, grads } = this.#tensors;
    const bind = ({ optimizer, policy }: Way) => {
      const bound = optimizer.bind(params, { clip: policy, threads: this.#threads, shapes });
      const { norm, normAfter, skipped } = bound.step(grads);
      if (skipped || !params.every((p) => Number.isFinite(p[p.length >> 1]))) throw new Error('bench: the first step went wrong');
      return { bound, norm, normAfter };
    };
    const base = (pair.shared && this.#shared) || new Base(bind(pair.base).bound, pair, shapes);
    if (pair.shared) this.#shared = base;
    const { bound, norm, normAfter } = bind(pair.with);
    this.#checkNorm(norm);
    const timed = (who: BoundOptimizer) => (seconds: number) => {
      // What others have driven out of the caches comes back.
      who.step(grads);
      return sampleCalls(() => who.step(grads), 1, seconds);
    };
    return {
      info: {
        ...{ params: params.reduce((n, p) => n + p.length, 0), tensors: shapes.length, read_bytes: this.#read.bytes },
        ...(!Number.isNaN(norm) && { norm: [norm], norm_after: [normAfter] }),
        ...factsOf(base.cost, costOf(pair.with, shapes), shapes),
      },
      variants: { without: timed(base.made), with: timed(bound), read: (seconds) => this.#read.sample(seconds) },
      dispose() {
        base.release();
        bound.dispose();
      },
    };
  }

  /** A norm that was measured is one of the gradients: between the largest element and the sum of all. */
  #checkNorm(norm: number): void {
    if (Number.isNaN(norm)) return;
    const { norm1, normInf } = this.#sums;
    if (!(norm >= normInf * (1 - 1e-6) && norm <= norm1 * (1 + 1e-6))) throw new Error(`bench: wrong norm ${norm}`);
  }

  dispose(): void {
    this.#shared?.made.dispose();
  }
}

/** What the program needs for the second: bytes of state, and what it reads and writes more than the first, in passes over all gradients. */
function factsOf(base: Cost, made: Cost, shapes: Shapes): Record<string, number> {
  const bytes = 4 * shapes.reduce((n, s) => n + sizeOf(s), 0);
  const round = (x: number): number => Number(x.toPrecision(4));
  return {
    policy_state_bytes: made.policyState,
    slot_bytes_per_param: round((4 * made.slots) / bytes),
    update_bytes_per_param: round((4 * base.bytes) / bytes),
    extra_passes: round((made.bytes - base.bytes) / bytes),
  };
}

interface Cost {
  readonly policyState: number;
  readonly slots: number;
  readonly bytes: number;
}

/** Of clip and update alone; within a step a gradient's sum of squares may come with what writes it. */
function costOf({ optimizer, policy }: Way, shapes: Shapes): Cost {
  const graph = new Graph('train');
  const params = shapes.map((shape, i) => ({ name: `${i}`, state: { name: `${i}`, type: { dtype: 'f32', shape } } as State }));
  const grads = params.map(({ name, state }) => graph.input(`gradient ${name}`, state.type, 'data'));
  const loss = graph.input('loss', { dtype: 'f64', shape: [] }, 'feed');
  buildApply({ graph, groups: [{ params, optimizer }], grads, policy, loss });
  const own = new Set(params.map((p) => p.state));
  const kept = graph.states.filter((s) => !own.has(s));
  const sum = (states: readonly State[]): number => states.reduce((n, s) => n + bytesOf(s.type), 0);
  const isPolicy = (s: State): boolean => s.name.startsWith('clip.');
  return {
    policyState: sum(kept.filter(isPolicy)),
    slots: sum(kept.filter((s) => !isPolicy(s))),
    bytes: compile(graph, target()).bytes,
  };
}
