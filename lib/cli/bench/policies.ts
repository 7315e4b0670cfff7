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
import { values } from './clip-step.ts';
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
/** In steps of a workload the rate whose losses it records; standalone one that moves hardly anything. */
const lrOf = (place: string): number => (place in STEPS ? 1e-4 : 1e-6);

/** `policy/6x40k/globalNorm`: kind, place and name. */
export const POLICIES_CELLS: readonly string[] = PLACES.flatMap((place) => [
  ...Object.keys(POLICIES).map((name) => `policy/${place}/${name}`),
  ...Object.keys(OPTIMIZERS).map((name) => `optimizer/${place}/${name}`),
]);

/** Those that take seconds, not minutes. */
export const FAST_CELLS: readonly string[] = POLICIES_CELLS.filter((cell) => /\/(mlp-small|6x40k)\//.test(cell));

/** The two that are compared, and the facts of the second. */
interface Pair {
  readonly base: { readonly optimizer: Optimizer; readonly policy: ClipPolicy };
  readonly with: { readonly optimizer: Optimizer; readonly policy: ClipPolicy };
}

const OFF = (): ClipPolicy => clip.none({ measure: false });

function pairOf(kind: string, place: string, name: string): Pair {
  const lr = lrOf(place);
  const isSgd = place in STEPS && STEPS[place as keyof typeof STEPS] === 'sgd';
  const usual = (): Optimizer => (isSgd ? optim.sgd({ lr, momentum: 0.9 }) : optim.adamw({ lr }));
  if (kind === 'policy')
    return { base: { optimizer: usual(), policy: OFF() }, with: { optimizer: usual(), policy: POLICIES[name]!() } };
  const made = (): Optimizer => OPTIMIZERS[name]!({ lr });
  return { base: { optimizer: made(), policy: OFF() }, with: { optimizer: made(), policy: clip.globalNorm(1) } };
}

/**
 * Variants `without` and `with`: for a policy, the step without any clip and the one with it; for an optimizer, without a clip and with a
 * global norm. A string says why the cell cannot be timed.
 *
 * @param task the model of that name
 */
export async function policiesCell(
  cell: string,
  threads: number,
  task: (name: string) => Promise<StepTask> | StepTask,
): Promise<Cell | string> {
  const [kind, place, name] = cell.split('/') as [string, string, string];
  try {
    const pair = pairOf(kind, place, name);
    return place in STEPS ? await stepPair(pair, threads, () => task(place)) : tensorPair(pair, threads, TENSORS[place]!);
  } catch (error) {
    // Such as a policy that needs a loss, where there is none.
    if (error instanceof GradclipError) return error.message;
    throw error;
  }
}

async function stepPair(pair: Pair, threads: number, task: () => Promise<StepTask> | StepTask): Promise<Cell> {
  const make = async ({ optimizer, policy }: Pair['base']): Promise<Stepper> =>
    new Stepper({ ...(await task()), optimizer }, policy, threads);
  const made = { without: await make(pair.base), with: await make(pair.with) };
  const first = await made.with.first(3);
  const { shapes } = made.with;
  return {
    info: { params: made.with.params, tensors: shapes.length, ...first, ...factsOf(pair, shapes) },
    variants: { without: (seconds) => made.without.run(seconds), with: (seconds) => made.with.run(seconds) },
    dispose() {
      made.without.dispose();
      made.with.dispose();
    },
  };
}

function tensorPair(pair: Pair, threads: number, shapes: readonly (readonly number[])[]): Cell {
  const params = shapes.map((s, i) => values('parameter', i, sizeOf(s)));
  const grads = shapes.map((s, i) => values('gradient', i, sizeOf(s)));
  const bind = ({ optimizer, policy }: Pair['base']) => {
    const bound = optimizer.bind(params, { clip: policy, threads, shapes });
    const { norm, normAfter, skipped } = bound.step(grads);
    if (skipped || !params.every((p) => p.every(Number.isFinite))) throw new Error('bench: the first step went wrong');
    return { bound, norm, normAfter };
  };
  const without = bind(pair.base);
  const made = bind(pair.with);
  checkNorm(grads, made.norm);
  const { norm, normAfter } = made;
  const seen = Number.isNaN(norm) ? {} : { norm: [norm], norm_after: [normAfter] };
  return {
    info: { params: params.reduce((n, p) => n + p.length, 0), tensors: shapes.length, ...seen, ...factsOf(pair, shapes) },
    variants: {
      without: (seconds) => sampleCalls(() => without.bound.step(grads), 1, seconds),
      with: (seconds) => sampleCalls(() => made.bound.step(grads), 1, seconds),
    },
    dispose() {
      without.bound.dispose();
      made.bound.dispose();
    },
  };
}

/** A norm that was measured is one of the gradients: between the largest element and the sum of all. */
function checkNorm(grads: readonly Float32Array[], norm: number): void {
  if (Number.isNaN(norm)) return;
  const { norm1, normInf } = analyze(grads);
  if (!(norm >= normInf * (1 - 1e-6) && norm <= norm1 * (1 + 1e-6))) throw new Error(`bench: wrong norm ${norm}`);
}

/** What the program needs for the second: bytes of state, and what it reads and writes more than the first, in passes over all gradients. */
function factsOf(pair: Pair, shapes: readonly (readonly number[])[]): Record<string, number> {
  const [base, made] = [costOf(pair.base, shapes), costOf(pair.with, shapes)];
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
function costOf({ optimizer, policy }: Pair['base'], shapes: readonly (readonly number[])[]): Cost {
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
