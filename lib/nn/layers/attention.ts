// attention.ts: multi-head attention.
import { OptionError, ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { optionalTensor, rate, tensor } from '../../ops/args.ts';
import { add, cast, where } from '../../ops/elementwise/elementwise.ts';
import { headsAttention } from '../../ops/product/attention.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { slice } from '../../ops/shape/slice.ts';
import { bool, type Field, options, signature } from '../../options/index.ts';
import { size } from '../fields.ts';
import { kaimingUniform, xavierUniform, zeros } from '../module/init.ts';
import { Module, Parameter } from '../module/module.ts';
import { type KeyValueCache, optionalCache } from './cache.ts';
import { Linear } from './linear.ts';
import { linear } from './linear-product.ts';
import type { Lora } from './lora.ts';

/** Options of `nn.MultiheadAttention`. */
export interface MultiheadAttentionOptions {
  /** Probability that a weight is dropped while training. Default 0. */
  readonly dropout?: number;
  /** Whether projections add something. Default true. */
  readonly bias?: boolean;
  /** Elements of a key, and of a value. Default: those of a query. */
  readonly kdim?: number;
  /** Size of values. Default: `embedDim`. */
  readonly vdim?: number;
}

/** What hides keys. As in PyTorch's layers, other than in its function, a mask of u8 hides where it is not 0. */
export interface AttentionMasks {
  /** Broadcasts to [batch, heads, queries, keys], such as [queries, keys]: u8, or f32, which is added to the scores. */
  readonly mask?: TensorLike | null;
  /** [batch, keys], u8: not 0 where a key is padding. */
  readonly keyPaddingMask?: TensorLike | null;
  /** Query t sees keys 0 .. t only. Default false. */
  readonly causal?: boolean;
  /** Of `decode`: attend to the tokens before those that are given, too. For causal self-attention without masks. Default null. */
  readonly cache?: KeyValueCache | null;
}
/** An attention mask, or none. */
export type MaskField = Field<TensorLike | null, Tensor | null, false>;
export const maskFields: {
  readonly mask: MaskField;
  readonly keyPaddingMask: MaskField;
  readonly causal: Field<boolean, boolean, false>;
  readonly cache: typeof optionalCache;
} = { mask: optionalTensor, keyPaddingMask: optionalTensor, causal: bool.default(false), cache: optionalCache };

/** As something to add to the scores. */
function added(t: Tensor): Tensor {
  return t.dtype === 'u8' ? where(cast(t, 'f32'), -Infinity, 0) : t;
}
function joined(mask: Tensor | null, keyPaddingMask: Tensor | null, batch: number, keys: number): Tensor | null {
  if (!keyPaddingMask) return mask ? added(mask) : null;
  const { shape } = keyPaddingMask;
  if (shape.length !== 2 || shape[0] !== batch || shape[1] !== keys) {
    throw new ShapeError(`MultiheadAttention: expected keyPaddingMask [${batch},${keys}], got [${shape}]`);
  }
  const padding = reshape(added(keyPaddingMask), [batch, 1, 1, keys]);
  return mask ? add(padding, added(mask)) : padding;
}

const readMultiheadAttention = signature(
  'nn.MultiheadAttention',
  { embedDim: size, numHeads: size },
  options<MultiheadAttentionOptions>()({
    dropout: rate.default(0),
    bias: bool.default(true),
    kdim: size.optional(),
    vdim: size.optional(),
  }),
);
const readForward = signature(
  'nn.MultiheadAttention.forward',
  { query: tensor, key: tensor.optional(), value: tensor.optional() },
  options<AttentionMasks>()(maskFields),
);

/**
 * Attention with several heads, batch first. Parameters `in_proj_weight` [3 E, E] (or `q_proj_weight`,
 * `k_proj_weight` and `v_proj_weight`, if kdim or vdim is not E), `in_proj_bias`, `out_proj.weight`, `out_proj.bias`.
 * The weights of the keys are not returned: they are never all there.
 * @shape query [B, T, E], key [B, S, kdim], value [B, S, vdim] -> [B, T, E]
 * @throws OptionError if the heads do not divide `embedDim`; ShapeError for inputs of other shapes
 * @see torch.nn.MultiheadAttention
 */
export class MultiheadAttention extends Module {
  /** Size of queries and of what comes out. */
  readonly embedDim: number;
  /** How many heads there are. */
  readonly numHeads: number;
  /** Probability with which a weight of a key becomes 0. */
  readonly dropout: number;
  /** Projections of query, key and value in one [3 E, E]; null where sizes differ. */
  in_proj_weight: Parameter | null = null;
  /** Projection of the query [E, E], where sizes differ; else null. */
  q_proj_weight: Parameter | null = null;
  /** Projection of the key [E, kdim], where sizes differ; else null. */
  k_proj_weight: Parameter | null = null;
  /** Projection of the value [E, vdim], where sizes differ; else null. */
  v_proj_weight: Parameter | null = null;
  /** Added to the projections [3 E]; null without it. */
  in_proj_bias: Parameter | null;
  /** The layer that joins the heads [E, E]. */
  out_proj: Linear;
  /** What `nn.lora` adds to the projections of query, key and value [3 E]; not there otherwise, or where sizes differ. */
  in_proj_lora?: Lora;
  /** To that of the query, where sizes differ. */
  q_proj_lora?: Lora;
  /** To that of the key, where sizes differ. */
  k_proj_lora?: Lora;
  /** To that of the value, where sizes differ. */
  v_proj_lora?: Lora;

  constructor(embedDim: number, numHeads: number, options: MultiheadAttentionOptions = {}) {
    super();
    const { dropout, bias, kdim = embedDim, vdim = embedDim } = readMultiheadAttention(arguments);
    this.embedDim = embedDim;
    this.numHeads = numHeads;
    this.dropout = dropout;
    if (embedDim % numHeads !== 0) {
      throw new OptionError(`nn.MultiheadAttention: expected numHeads to divide embedDim, got ${numHeads} and ${embedDim}`);
    }
    if (kdim === embedDim && vdim === embedDim) {
      this.in_proj_weight = new Parameter([3 * embedDim, embedDim], xavierUniform());
    } else {
      this.q_proj_weight = new Parameter([embedDim, embedDim], xavierUniform());
      this.k_proj_weight = new Parameter([embedDim, kdim], xavierUniform());
      this.v_proj_weight = new Parameter([embedDim, vdim], xavierUniform());
    }
    this.in_proj_bias = bias ? new Parameter([3 * embedDim], zeros()) : null;
    this.out_proj = new Linear(embedDim, embedDim, { bias });
    this.out_proj.weight.init = kaimingUniform({ a: Math.sqrt(5) });
    if (this.out_proj.bias) this.out_proj.bias.init = zeros();
  }

  /** `key` defaults to `query`, `value` to `key`. Where they are the same tensor, their projections are one product. */
  forward(query: TensorLike, key: TensorLike = query, value: TensorLike = key, masks: AttentionMasks = {}): Tensor {
    const { query: q, key: k = q, value: v = k, mask: own, keyPaddingMask, causal, cache } = readForward(arguments);
    if ([q, k, v].some((t) => t.shape.length !== 3) || k.shape[1] !== v.shape[1]) {
      const got = [q, k, v].map((t) => `[${t.shape}]`).join(', ');
      throw new ShapeError(`MultiheadAttention: expected query [B, T, E], key and value [B, S, ...], got ${got}`);
    }
    const { numHeads: heads, dropout } = this;
    if (cache) {
      if (q !== k || k !== v || !causal || own || keyPaddingMask) {
        throw new OptionError('MultiheadAttention: option cache: goes with causal self-attention without masks');
      }
      const [query, ...kept] = this.in_proj_weight ? [this.#project(q, 0, 3)] : [0, 1, 2].map((i) => this.#project(q, i, i + 1));
      return this.out_proj.forward(cache.attention(query!, kept[0] ?? null, kept[1] ?? null, { heads }));
    }
    const mask = joined(own, keyPaddingMask, k.shape[0] as number, k.shape[1] as number);
    const options = { heads, dropout, mask, causal };
    const same = this.in_proj_weight !== null && k === v;
    const o =
      same && q === k
        ? headsAttention(this.#project(q, 0, 3), null, null, options)
        : same
          ? headsAttention(this.#project(q, 0, 1), this.#project(k, 1, 3), null, options)
          : headsAttention(this.#project(q, 0, 1), this.#project(k, 1, 2), this.#project(v, 2, 3), options);
    return this.out_proj.forward(o);
  }

  /** Parts [from, to) of query, key, value. */
  #project(x: Tensor, from: number, to: number): Tensor {
    const y = this.#projected(x, from, to);
    if (this.in_proj_lora) return add(y, this.in_proj_lora.forward(x, [from * this.embedDim, to * this.embedDim]));
    const own = [this.q_proj_lora, this.k_proj_lora, this.v_proj_lora][from];
    return own ? add(y, own.forward(x)) : y;
  }

  #projected(x: Tensor, from: number, to: number): Tensor {
    const rows = (p: Parameter): TensorLike =>
      to - from === 3 ? p : slice(p, { axis: 0, start: from * this.embedDim, end: to * this.embedDim });
    const own = [this.q_proj_weight, this.k_proj_weight, this.v_proj_weight][from] ?? null;
    const weight = this.in_proj_weight ? rows(this.in_proj_weight) : (own as Parameter);
    return linear(x, weight, this.in_proj_bias && rows(this.in_proj_bias));
  }
}
