// states.ts: what an optimizer or a policy remembers between two calls on the caller's own arrays: its form, and whether it fits.
import { CheckpointError } from '../../errors.ts';
import type { State } from '../../ir/graph.ts';
import { ARRAYS, type Data, sizeOf, typeName } from '../../ir/op.ts';
import { custom, type Field, type OptionsField, options, record, whole } from '../../options/index.ts';

/** Everything but the parameters: what `load` takes. */
export interface OptimizerState {
  /** Updates applied, steps tried, and skips in a row. */
  readonly step: number;
  /** Steps that were tried. */
  readonly attempt: number;
  /** Skipped steps in a row. */
  readonly skips: number;
  /** Slots by `optim.<parameter>.<slot>`, state of the clip policy by `clip.<name>`, averages by `ema.<parameter>`. */
  readonly tensors: Readonly<Record<string, Data>>;
}

const count = whole({ min: 0 });
const data: Field<Data> = custom('a typed array', (given, place) => {
  if (ArrayBuffer.isView(given)) return given as Data;
  throw place.wrong('a typed array', given);
});
/** Fields of a state, as a call is given it. */
export const stateFields: OptionsField<OptimizerState, OptimizerState> = options<OptimizerState>()({
  step: count,
  attempt: count,
  skips: count,
  tensors: record(data, 'arrays by name'),
});

/** @throws CheckpointError where names or sizes of what is kept are not those of `states` */
export function checkStates(where: string, states: readonly State[], tensors: OptimizerState['tensors']): void {
  const names = new Set(states.map((s) => s.name));
  const missing = [...names].filter((n) => !Object.hasOwn(tensors, n));
  const extra = Object.keys(tensors).filter((n) => !names.has(n));
  const mismatched = states.filter((s) => Object.hasOwn(tensors, s.name) && !fits(s, tensors[s.name]));
  const wrong = [...missing, ...extra, ...mismatched.map((s) => s.name)];
  if (wrong.length === 0) return;
  throw new CheckpointError(
    `${where}: the state does not fit these parameters and this policy: ${wrong.slice(0, 5).join(', ')}`,
    { missing, extra, mismatched: mismatched.map((s) => `${s.name}: expected ${typeName(s.type)}`) },
  );
}

/** Room for the value of a state. */
export function zeros({ type }: State): Data {
  return new ARRAYS[type.dtype](sizeOf(type.shape));
}

/** The first value of a state. */
export function filled(state: State): Data {
  const data = zeros(state);
  state.init?.(data);
  return data;
}

function fits({ type }: State, data: unknown): boolean {
  return data instanceof ARRAYS[type.dtype] && data.length === sizeOf(type.shape);
}
