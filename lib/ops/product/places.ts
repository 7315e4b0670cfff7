// places.ts: where the rows of a tensor stand in their sequences, where that is not 0, 1, 2, ...
import { ShapeError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { sameShape, typeName } from '../../ir/op.ts';
import { custom, type Field, nullable } from '../../options/index.ts';

/** Where tokens stand in their sequences: what `generate` gives a model's `decode` is one. */
export interface Places {
  /** The place of each token, i32 [batch, time]. */
  readonly positions: Tensor;
  /** How many places there are. */
  readonly length: number;
}

/** Places of tokens, or none: they stand at 0, 1, 2, ... */
export const optionalPlaces: Field<Places | null, Places | null, false> = nullable(
  custom<Places>('{ positions, length }', (value, place) => {
    const { positions, length } = (value ?? {}) as Partial<Places>;
    const fits = typeof positions?.toTensor === 'function' && Number.isSafeInteger(length) && length! >= 1;
    if (!fits) throw place.wrong('{ positions, length }', value);
    return value as Places;
  }),
).default(null);

/** The positions, of x [batch, time, ...]. @throws ShapeError if they are of other tokens, or not i32 */
export function positionsOf(where: string, x: Tensor, { positions }: Places): Tensor {
  const [batch, time] = x.shape;
  if (x.shape.length !== 3 || positions.dtype !== 'i32' || !sameShape(positions.shape, [batch!, time!])) {
    const got = `[${x.shape}] and ${typeName(positions.type)}`;
    throw new ShapeError(`${where}: expected x [batch, time, dim] and positions i32[batch, time], got ${got}`);
  }
  return positions;
}
