// lora.ts: the low-rank adapter: what a layer learns anew is a product of two thin matrices, and the layer itself stays as it is.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { rate, tensor } from '../../ops/args.ts';
import { mul } from '../../ops/elementwise/elementwise.ts';
import { dropout as dropped } from '../../ops/random.ts';
import { slice } from '../../ops/shape/slice.ts';
import { type Field, list, number, options, signature, whole } from '../../options/index.ts';
import { kaimingUniform, zeros } from '../module/init.ts';
import { Module, Parameter } from '../module/module.ts';
import { linear } from './linear-product.ts';

/** Options of `nn.Lora`. */
export interface LoraTerms {
  /** Columns of the thin matrices: with more a layer can change more. Default 8. */
  readonly rank?: number;
  /** What is added is multiplied by `alpha / rank`, so that the rate that is right does not depend on the rank. Default 16. */
  readonly alpha?: number;
  /** Probability with which an element of what an adapter reads becomes 0 while training. Default 0. */
  readonly dropout?: number;
}

export const loraTerms: { readonly [K in keyof LoraTerms]-?: Field<number, number, false> } = {
  rank: whole({ min: 1 }).default(8),
  alpha: number({ above: 0 }).default(16),
  dropout: rate.default(0),
};
const readMade = signature(
  'nn.Lora',
  { inFeatures: whole({ min: 1 }), outFeatures: whole({ min: 1 }) },
  options<LoraTerms>()(loraTerms),
);
const rows = list(whole({ min: 0 }), { min: 2, max: 2 });
const readForward = signature('nn.Lora.forward', { x: tensor, rows: rows.optional() });

/**
 * An adapter, `alpha / rank * B A x`: `A` [rank, in] begins as the weights of a linear layer do, `B` [out, rank] with zeros, so at first it adds nothing.
 * @shape x [..., in] -> [..., out]
 * @throws OptionError; ShapeError if the last dimension of x is not `inFeatures`; DTypeError unless x is f32
 * @see Hu et al. 2021, LoRA: Low-Rank Adaptation of Large Language Models
 */
export class Lora extends Module {
  /** [rank, in]. */
  A: Parameter;
  /** [out, rank]. */
  B: Parameter;
  /** What the product is multiplied by, over the rank. */
  readonly alpha: number;
  /** Probability with which an element of x becomes 0. */
  readonly dropout: number;

  constructor(inFeatures: number, outFeatures: number, options: LoraTerms = {}) {
    super();
    const { rank, alpha, dropout } = readMade(arguments);
    this.A = new Parameter([rank, inFeatures], kaimingUniform({ a: Math.sqrt(5) }));
    this.B = new Parameter([outFeatures, rank], zeros());
    this.alpha = alpha;
    this.dropout = dropout;
  }

  /** Columns of the thin matrices. */
  get rank(): number {
    return this.A.shape[0]!;
  }

  /**
   * What is added to the output of the layer.
   * @param rows of what comes out, from the first to that after the last; default all
   */
  forward(x: TensorLike, rows?: readonly [from: number, to: number]): Tensor {
    const read = readForward(arguments);
    const [start, end] = read.rows ?? [0, this.B.shape[0]!];
    const out = start === 0 && end === this.B.shape[0] ? this.B : slice(this.B, { axis: 0, start: start!, end: end! });
    const thin = linear(this.dropout > 0 ? dropped(read.x, this.dropout) : read.x, this.A);
    return mul(linear(thin, out), this.alpha / this.rank);
  }
}
