// cache.ts: the cache that a model's `decode` is given: its keys and values are states of the program, to which each run adds rows in place.
import { GraphError, OptionError, ShapeError } from '../../errors.ts';
import type { Graph, State, Tensor, TensorLike } from '../../ir/graph.ts';
import { f32, i32, sameType, typeName } from '../../ir/op.ts';
import type { CachedAttentionOptions, KeyValueCache } from '../../nn/index.ts';
import { optionalTensor, tensor } from '../../ops/args.ts';
import { appendRows, cachedAttention } from '../../ops/list.ts';
import { gather } from '../../ops/rows/gather.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { number, options, signature, whole } from '../../options/index.ts';

const count = whole({ min: 1 });
const readAttention = signature(
  'KeyValueCache.attention',
  { q: tensor, k: optionalTensor, v: optionalTensor },
  options<CachedAttentionOptions>()({ heads: count, kvHeads: count.optional(), scale: number().optional() }),
);
const readLast = signature('KeyValueCache.last', { x: tensor });

/** Keys and values of each attention of a model, in the order in which it has them. */
export type Kept = (readonly [keys: State, values: State])[];

/** So many rows, each of so many tokens that are given now, of at most so many in all. */
export interface Sizes {
  readonly batch: number;
  readonly time: number;
  readonly length: number;
}

export class Cache implements KeyValueCache {
  readonly length: number;
  readonly positions: Tensor;
  readonly #sizes: Sizes;
  readonly #kept: Kept;
  readonly #starts: Tensor;
  readonly #graph: Graph;
  #next = 0;

  /**
   * Of one trace, whose graph has as inputs: `starts`, where the first token of each row stands; `positions`; and `lasts`, where among all tokens
   * that are given the last of each row stands.
   * @param kept filled by the first trace of a model, for all others
   */
  constructor(graph: Graph, sizes: Sizes, kept: Kept) {
    const { batch, time, length } = sizes;
    this.length = length;
    this.positions = graph.input('positions', i32(batch, time), 'feed');
    this.#starts = graph.input('starts', i32(batch), 'feed');
    this.#sizes = sizes;
    this.#kept = kept;
    this.#graph = graph;
  }

  attention(q: TensorLike, k: TensorLike | null, v: TensorLike | null, options: CachedAttentionOptions): Tensor {
    const { q: x, k: second, v: third, heads, ...read } = readAttention(arguments);
    const { kvHeads = heads } = read;
    const parts = second === null ? heads + 2 * kvHeads : heads;
    const dim = (x.shape.at(-1) ?? 0) / parts;
    const width = kvHeads * dim;
    const keys = second ?? x;
    const values = third ?? keys;
    const from = second === null ? heads * dim : 0;
    this.#check(x, keys, values, dim, third ? width : from + 2 * width);
    if (heads % kvHeads !== 0) {
      throw new OptionError(`KeyValueCache.attention: option kvHeads: expected a divisor of heads (${heads}), got ${kvHeads}`);
    }
    const [ks, vs] = this.#states(width);
    const append = (state: State, rows: Tensor, at: number): Tensor => {
      const appended = appendRows(this.#graph.state(state), rows, this.#starts, at);
      this.#graph.assign(state, appended, { always: true });
      return appended;
    };
    const kept = [append(ks, keys, from), append(vs, values, third ? 0 : from + width)] as const;
    return cachedAttention(x, ...kept, this.#starts, { heads, kvHeads, scale: read.scale ?? 1 / Math.sqrt(dim) });
  }

  last(x: TensorLike): Tensor {
    const { x: t } = readLast(arguments);
    const { batch, time } = this.#sizes;
    const [b, n, width] = t.shape;
    if (t.shape.length !== 3 || b !== batch || n !== time) {
      throw new ShapeError(`KeyValueCache.last: expected x [${batch},${time},width], got [${t.shape}]`);
    }
    const tokens = reshape(t, [batch * time, width!]);
    return time === 1 ? tokens : gather(tokens, this.#graph.input('lasts', i32(batch), 'feed'));
  }

  #check(x: Tensor, keys: Tensor, values: Tensor, dim: number, row: number): void {
    const { batch, time } = this.#sizes;
    const fits = [x, keys, values].every((t) => t.shape.length === 3 && t.shape[0] === batch && t.shape[1] === time);
    if (fits && Number.isInteger(dim) && dim >= 1 && keys.shape[2] === row && values.shape[2] === row) return;
    const got = [x, keys, values].map((t) => `[${t.shape}]`).join(', ');
    throw new ShapeError(
      `KeyValueCache.attention: expected q, k and v [${batch},${time},heads d], apart or side by side, got ${got}`,
    );
  }

  #states(width: number): readonly [keys: State, values: State] {
    const { batch, length } = this.#sizes;
    const i = this.#next++;
    const type = f32(batch, length, width);
    const found = this.#kept[i] ?? ([0, 1].map((k) => ({ name: `${k ? 'values' : 'keys'} ${i}`, type })) as never);
    this.#kept[i] = found;
    if (!sameType(found[0].type, type)) {
      const was = typeName(found[0].type);
      throw new GraphError(
        `KeyValueCache.attention: number ${i} kept ${was} when the model was traced before, and ${typeName(type)} now`,
      );
    }
    return found;
  }
}
