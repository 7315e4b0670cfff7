// fields.ts: arguments and options that many layers have.
import { Graph, type State, type Tensor, type TensorLike } from '../ir/graph.ts';
import { sizeOf } from '../ir/op.ts';
import { shape as anyShape, tensor } from '../ops/args.ts';
import { custom, either, type Field, fn, instance, type Reader, signature, whole } from '../options/index.ts';
import type { Match, Pattern } from './module/module.ts';

/** A number of features, channels, units or rows. */
export const size: Field<number> = whole({ min: 1 });
/** How many layers are made, one after the other. */
export const layers: Field<number> = whole({ min: 1, max: 10_000 });

/** The shape of values that are kept: their bytes can be counted. */
export const shape: Field<readonly number[], readonly number[]> = anyShape.map((dims, place) => {
  if (Number.isSafeInteger(8 * sizeOf(dims))) return dims;
  throw place.refuse(`expected a shape of fewer elements, got [${dims}]`, { shape: dims });
});

/** Of random numbers: 64 bits of it count. */
export const seed: Field<number | bigint> = custom('a whole number', (value, place) => {
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) return value as number | bigint;
  throw place.wrong('a whole number', value);
});

export const graph: Field<Graph> = instance('a Graph', Graph);
export const state: Field<State> = custom('a State', (value, place) => {
  if (typeof value === 'object' && value !== null && typeof (value as Partial<State>).type === 'object') return value as State;
  throw place.wrong('a State', value);
});

/** What a loss is given: tensors by name. Which of them it reads, is its own. */
export const batch: Field<object> = custom('a batch of tensors by name', (value, place) => {
  if (typeof value !== 'object' || value === null) throw place.wrong('a batch of tensors by name', value);
  return value;
});

/** Names, by a pattern. */
export const pattern: Field<Pattern> = custom(
  'a pattern as string or RegExp',
  (value, place) => {
    if (typeof value === 'string' || value instanceof RegExp) return value;
    throw place.wrong('a pattern as string or RegExp', value);
  },
  { type: 'string' },
);

/** Parameters, by a pattern of their names or by a function that looks at them. */
export const match: Field<Match> = either(pattern, fn<Exclude<Match, Pattern>>('a function of name and parameter'));

/** Reads the arguments of the `forward` of a layer that makes one tensor of another. */
export type ReadX = Reader<{ readonly x: Field<TensorLike, Tensor> }, unknown>;
export const forwardOf = (layer: string): ReadX => signature(`nn.${layer}.forward`, { x: tensor });

/** Readers of a layer that is made of nothing. */
export interface Plain {
  readonly made: Reader<Record<never, never>, unknown>;
  readonly forward: ReadX;
}
export const plain = (layer: string): Plain => ({ made: signature(`nn.${layer}`, {}), forward: forwardOf(layer) });
