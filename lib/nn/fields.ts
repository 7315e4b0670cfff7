// fields.ts: arguments and options that many layers have.
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { tensor } from '../ops/args.ts';
import { custom, either, type Field, fn, type Reader, signature, whole } from '../options/index.ts';
import type { Match, Pattern } from './module.ts';

/** A number of features, channels, units or rows. */
export const size: Field<number> = whole({ min: 1 });

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
