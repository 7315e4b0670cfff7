// cache.ts: what a model goes on from while it writes: the keys and values of all tokens before, which whoever runs it keeps.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import type { Places } from '../../ops/product/places.ts';
import { custom, type Field, nullable } from '../../options/index.ts';

/** Options of `KeyValueCache.attention`. */
export interface CachedAttentionOptions {
  /** How many heads lie in a row of q. */
  readonly heads: number;
  /** Heads of k and v, fewer than `heads`: neighbors among the heads share one. Default `heads`. */
  readonly kvHeads?: number;
  /** Factor of the scores. Default: 1 / sqrt(d). */
  readonly scale?: number;
}

/**
 * Keys and values of the tokens that a model has been given before, row by row of a batch. `generate` makes it, and gives it to the
 * model's `decode` with the tokens that come next; a model passes it on to each of its attentions. Where the tokens stand are its
 * {@link Places}.
 */
export interface KeyValueCache extends Places {
  /** How many tokens of a row it holds: the model's context. */
  readonly length: number;
  /** Where the tokens that are given now stand, i32 [batch, time]. */
  readonly positions: Tensor;
  /**
   * Keep keys and values of the tokens that are given now, and attend to these and all before: the bits of `ops.headsAttention`, causal,
   * over the whole sequence. Each attention of a model calls it once, in the same order whenever it is traced.
   * @shape q [batch, time, heads d], k and v [batch, time, kvHeads d] -> [batch, time, heads d]; side by side as for `headsAttention`
   * @throws OptionError; ShapeError for what does not fit
   */
  attention(q: TensorLike, k: TensorLike | null, v: TensorLike | null, options: CachedAttentionOptions): Tensor;
  /**
   * What belongs to the last token of each row, which is followed by padding where rows differ in length: what logits are made of.
   * @shape x [batch, time, width] -> [batch, width]
   * @throws ShapeError for another batch or time
   */
  last(x: TensorLike): Tensor;
}

/** What `decode` is given. */
export const cache: Field<KeyValueCache> = custom('the cache that decode was given', (value, place) => {
  const { attention, positions } = (value ?? {}) as Partial<KeyValueCache>;
  if (typeof attention === 'function' && positions !== undefined) return value as KeyValueCache;
  throw place.wrong('the cache that decode was given', value);
});
/** That, or none. */
export const optionalCache: Field<KeyValueCache | null, KeyValueCache | null, false> = nullable(cache).default(null);
