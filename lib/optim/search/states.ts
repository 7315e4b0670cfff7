// states.ts: what a search keeps of vectors: states of the trainer, as long as all parameters together.
import { ShapeError } from '../../errors.ts';
import type { State } from '../../ir/graph.ts';
import { f32, f64, sizeOf, type TensorType } from '../../ir/op.ts';
import type { Place, SearchRule } from './space.ts';
import { Standing } from './standing.ts';

/** A step, and the change of the gradient over it. */
export interface Pair {
  readonly s: State;
  readonly y: State;
}

export interface SearchStates {
  readonly size: number;
  readonly d: State;
  readonly start: State;
  readonly gradients: ReadonlyMap<Place, State>;
  readonly pairs: readonly Pair[];
  /** What `Standing` writes. */
  readonly standing: State;
  readonly all: readonly State[];
}

/** What a state of a search is called, as in the state of PyTorch's. */
export const PREFIX = 'optim.lbfgs.';

/**
 * The same states each time that they are asked for.
 * @param of gives a state of that name; `scratch`: nothing of it is needed after a step
 */
export function searchStates(
  { historySize, lineSearch }: SearchRule,
  params: readonly { readonly state: State }[],
  of: (name: string, type: TensorType, scratch: boolean) => State,
): SearchStates {
  const size = params.reduce((n, { state }) => n + sizeOf(state.type.shape), 0);
  const vector = (name: string, scratch: boolean = false): State => of(PREFIX + name, f32(size), scratch);
  const gradients = new Map<Place, State>([
    ['prev', vector('prev_flat_grad')],
    ['g', vector('flat_grad', true)],
  ]);
  if (lineSearch !== 'none') for (const name of ['a', 'b'] as const) gradients.set(name, vector(`flat_grad.${name}`, true));
  const pairs = Array.from({ length: historySize + 1 }, (_, i): Pair => {
    return { s: vector(`old_stps.${i}`), y: vector(`old_dirs.${i}`) };
  });
  const [d, start] = [vector('d'), vector('start')];
  const standing = of(`${PREFIX}standing`, f64(Standing.length(historySize)), false);
  const all = [d, start, ...gradients.values(), ...pairs.flatMap(({ s, y }) => [s, y]), standing];
  return { size, d, start, gradients, pairs, standing, all };
}

/** The state of a gradient. @throws ShapeError for one that is not kept */
export function gradientOf({ gradients }: SearchStates, at: Place): State {
  const found = gradients.get(at);
  if (!found) throw new ShapeError(`search: there is no gradient ${at}`);
  return found;
}
