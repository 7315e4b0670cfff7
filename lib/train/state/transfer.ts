// transfer.ts: how values are put into a trainer's weights, from arrays by name or from where the weights of a trainer lie.
import { BusyError, OptionError, ShapeError } from '../../errors.ts';
import type { State } from '../../ir/graph.ts';
import { ARRAYS, type Data, type DType, sameShape, sizeOf, typeName } from '../../ir/op.ts';
import { valuesOf } from '../../nn/module/values.ts';
import { choice, type Field, type OptionsField, options, show, suggestion } from '../../options/index.ts';
import { type ArrayInput, dtypeOf, ndarray } from '../feed/source.ts';
import { sameBits } from '../flow/kept.ts';
import type { Weights } from '../options.ts';
import type { Current } from './current.ts';
import type { Since } from './names.ts';
import { matching, type NameMatch, nameMatch, option, type Rename, rename, renaming } from './naming.ts';
import type { Setup } from './setup.ts';
import type { Standing } from './standing.ts';

/** Values of weights by name, as `Trainer.readParameters` gives them. A typed array without a shape fits where it has as many values as the weight. */
export type WeightValues = ReadonlyMap<string, ArrayInput> | Readonly<Record<string, ArrayInput>>;

/** Options of `Trainer.writeParameters` and `Trainer.writeParametersSync`. */
export interface WriteOptions {
  /** Which of the given values are written, by the names that they come with. Default: all. */
  readonly match?: NameMatch;
  /** What those names are in this model. Default: they stay as they are. */
  readonly rename?: Rename;
  /** Which weights of a trainer are read: those that it trains, or their average. Default `model`. */
  readonly weights?: Weights;
  /**
   * `reset`: what the optimizer keeps for the parameters that are written (moments, momentum) begins afresh, and so do bias corrections, as if they were
   * trained from now on; not while a `fit` is on. Default `keep`: it stays as it is.
   */
  readonly optimizer?: 'keep' | 'reset';
}

/** What is read of them. */
export interface Written {
  readonly match: NameMatch | undefined;
  readonly rename: Rename | undefined;
  readonly weights: Weights;
  readonly optimizer: 'keep' | 'reset';
}

export const writeOptions = (weights: Field<Weights, Weights, false>): OptionsField<WriteOptions, Written> =>
  options<WriteOptions>()({
    match: nameMatch.optional(),
    rename: rename.optional(),
    weights,
    optimizer: choice('keep', 'reset').default('keep'),
  });

/** Values that come from somewhere, with their type; the shape is null where nobody has said it. */
interface Origin {
  readonly dtype: DType;
  readonly shape: readonly number[] | null;
  /** Where they lie, if that is a state. */
  readonly state: State | null;
  readonly data: () => Data;
}
/** By the names that they come with. */
export interface Origins {
  readonly names: ReadonlySet<string> | ReadonlyMap<string, unknown>;
  of(name: string): Origin;
}

/** Arrays that a caller gives. @param kept whether they stay as they are until they are written: else they are copied */
export function originsOf(where: string, values: WeightValues, kept: boolean): Origins {
  const entries = values instanceof Map ? [...values] : isRecord(values) ? Object.entries(values) : null;
  if (entries === null || entries.some(([name]) => typeof name !== 'string')) {
    const hint = typeof (values as { then?: unknown } | null | undefined)?.then === 'function' ? '; is an await missing?' : '';
    throw new OptionError(`${where}: expected arrays by the names of weights, or a trainer, got ${show(values)}${hint}`, {
      values,
    });
  }
  const names = new Map(
    entries.map(([name, value]: [string, ArrayInput]) => {
      const { data, shape } = arrayOf(`${where}: ${name}`, value);
      const own = kept ? data : data.slice();
      return [name, { dtype: dtypeOf(data), shape, state: null, data: () => own }];
    }),
  );
  return { names, of: (name) => names.get(name)! };
}

/** The weights of a trainer, where they lie. */
export function originsIn(setup: Setup, weights: Weights): Origins {
  const names = setup.named.weights(weights);
  const of = (name: string): Origin => {
    const state = names.get(name)!;
    const { dtype, shape } = state.type;
    return { dtype, shape, state, data: () => valuesOf(state)?.view ?? setup.store.read([state]).get(state)! };
  };
  return { names, of };
}

const isRecord = (value: unknown): value is object => Object.prototype.toString.call(value) === '[object Object]';

function arrayOf(where: string, value: ArrayInput): { readonly data: Data; readonly shape: readonly number[] | null } {
  const given = (value as { readonly shape?: unknown } | null | undefined)?.shape;
  if (Array.isArray(given) && given.length === 0) {
    return { data: ndarray(where, { ...(value as { readonly data: Data }), shape: [1] }).data, shape: [] };
  }
  const { data, shape } = ndarray(where, value);
  return { data, shape: given === undefined && shape.length === 1 ? null : shape };
}

/**
 * Write values into the weights of a trainer, in a turn or between two calls. Everything is checked before anything is written.
 * @returns the names of the weights that were written
 * @throws OptionError, ShapeError; BusyError for `reset` while a fit is on
 */
export function transfer(where: string, current: Current, standing: Standing, origins: Origins, how: Written): readonly string[] {
  const pairs = paired(where, current.setup, origins, how);
  if (how.optimizer === 'reset') {
    if (current.access.fitting) {
      throw new BusyError(`${where}: optimizer: 'reset': a fit of this trainer is running; await it or stop it first`);
    }
    restart(current, standing, new Set(pairs.map(({ state }) => state)));
  }
  const { store } = current.setup;
  const written = new Set(pairs.map(({ state }) => state));
  // Where values go round, as in a swap, all are read before one is written.
  const round = pairs.some(({ origin, state }) => origin.state !== state && origin.state !== null && written.has(origin.state));
  const values = pairs.map(({ origin, data }) => (round && origin.state ? data.slice() : data));
  for (const [i, { origin, state }] of pairs.entries()) if (origin.state !== state) store.write(state, values[i]!);
  return pairs.map(({ name }) => name);
}

interface Pair {
  readonly name: string;
  readonly state: State;
  readonly origin: Origin;
  readonly data: Data;
}

function paired(where: string, setup: Setup, origins: Origins, { match, rename }: Written): Pair[] {
  if (origins.names.size === 0) throw new OptionError(`${where}: expected at least one array, got none`);
  const chosen = match === undefined ? origins.names.keys() : matching(option(where, 'match'), origins.names.keys(), match);
  const names = renaming(option(where, 'rename'), chosen, rename);
  if (names.size === 0) throw option(where, 'rename').refuse('it leaves out everything', { rename });
  const weights = setup.named.weights('model');
  const unknown = [...names.values()].find((name) => !weights.has(name));
  if (unknown !== undefined) {
    const known = [...weights.keys()];
    const text = `${where}: the model has no weight ${show(unknown)}${suggestion(unknown, known)}`;
    throw new OptionError(text, { name: unknown, names: known });
  }
  const wrong: string[] = [];
  const pairs = new Map<State, Pair>();
  for (const [from, name] of names) {
    const [origin, state] = [origins.of(from), weights.get(name)!];
    const { type } = state;
    const data = sameSize(origin, type.shape, origin.data) && fitting(origin.data(), type.dtype);
    if (!data) {
      wrong.push(`${name}: expected ${typeName(type)}, got ${typed(origin)}`);
      continue;
    }
    const before = pairs.get(state);
    if (before && !sameBits(before.data, data)) {
      const text = `${where}: ${before.name} and ${name} are the same tensor of the model, and were given other values`;
      throw new OptionError(text, { names: [before.name, name] });
    }
    pairs.set(state, before ?? { name, state, origin, data });
  }
  if (wrong.length > 0) throw new ShapeError(`${where}: ${wrong.join('; ')}`, { wrong });
  return [...pairs.values()];
}

const sameSize = ({ shape }: Origin, wanted: readonly number[], data: () => Data): boolean =>
  shape ? sameShape(shape, wanted) : data().length === sizeOf(wanted);

const typed = ({ dtype, shape, data }: Origin): string => typeName({ dtype, shape: shape ?? [data().length] });

/** As another dtype, where it holds every value; f64 is rounded to f32, as wherever a model gets values. Null: it does not. */
function fitting(data: Data, dtype: DType): Data | null {
  const own = dtypeOf(data);
  if (own === dtype) return data;
  const as = ARRAYS[dtype].from(data);
  const same = (own === 'f64' && dtype === 'f32') || as.every((value, i) => Object.is(value, data[i]));
  return same ? as : null;
}

/** Let what the optimizer keeps for these parameters begin afresh. */
function restart(current: Current, standing: Standing, states: ReadonlySet<State>): void {
  const { step } = standing.counters;
  const since = (setup: Setup): Since => new Map([...setup.sinceNow(step)].map(([p, s]) => [p, states.has(p.state) ? step : s]));
  current.adopt(current.next(since));
  const { kept, store, searching } = current.setup;
  const slots = [...kept].flatMap(([p, of]) =>
    states.has(p.state) ? [...of].filter(([what]) => what.startsWith('optim.')) : [],
  );
  store.reset(slots.map(([, state]) => state));
  // A search has one memory for all of them.
  if (states.size > 0) searching?.restart();
}
