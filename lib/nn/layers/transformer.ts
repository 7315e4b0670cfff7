// transformer.ts: encoder and decoder blocks of transformers (Vaswani et al. 2017), and stacks of them.
import { OptionError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { eps as epsField, optionalTensor, rate, tensor } from '../../ops/args.ts';
import { gelu, relu } from '../../ops/elementwise/activation.ts';
import { add } from '../../ops/elementwise/elementwise.ts';
import { bool, choice, type Field, fn, instance, nullable, options, show, signature } from '../../options/index.ts';
import { layers, size } from '../fields.ts';
import { Module } from '../module/module.ts';
import { type AttentionMasks, MultiheadAttention, maskFields } from './attention.ts';
import { Dropout } from './dropout.ts';
import { Linear } from './linear.ts';
import { LayerNorm } from './norm/row-norm.ts';

/** Options of `nn.TransformerDecoderLayer` and `nn.TransformerEncoderLayer`. */
export interface TransformerLayerOptions {
  /** Width between the two linear layers. Default 2048. */
  readonly dimFeedforward?: number;
  /** Of attention weights, of the inner layer and of what is added to the residual stream. Default 0.1. */
  readonly dropout?: number;
  /** Of the inner layer. Default 'relu'. */
  readonly activation?: 'relu' | 'gelu';
  /** Added to the variances of norms. Default 1e-5. */
  readonly layerNormEps?: number;
  /** Normalize before attention and linear layers, not after the sum. Default false. */
  readonly normFirst?: boolean;
  /** Of all linear layers and norms. Default true. */
  readonly bias?: boolean;
}
const SIZES = { dModel: size, nhead: size };
/** The options as fields, which stacks of both kinds have as well. */
export const layerFields: {
  readonly dimFeedforward: Field<number, number, false>;
  readonly dropout: Field<number, number, false>;
  readonly activation: Field<'relu' | 'gelu', 'relu' | 'gelu', false>;
  readonly layerNormEps: Field<number, number, false>;
  readonly normFirst: Field<boolean, boolean, false>;
  readonly bias: Field<boolean, boolean, false>;
} = {
  dimFeedforward: size.default(2048),
  dropout: rate.default(0.1),
  activation: choice('relu', 'gelu').default('relu'),
  layerNormEps: epsField.default(1e-5),
  normFirst: bool.default(false),
  bias: bool.default(true),
};
const layerOptions = options<TransformerLayerOptions>()(layerFields);
const readEncoderLayer = signature('nn.TransformerEncoderLayer', SIZES, layerOptions);
const readDecoderLayer = signature('nn.TransformerDecoderLayer', SIZES, layerOptions);
const maskOptions = options<AttentionMasks>()(maskFields);
const readEncoderLayerForward = signature('nn.TransformerEncoderLayer.forward', { x: tensor }, maskOptions);

/** x + part(norm(x)), or norm(x + part(x)). */
function residual(x: Tensor, norm: LayerNorm, normFirst: boolean, part: (x: Tensor) => Tensor): Tensor {
  return normFirst ? add(x, part(norm.forward(x))) : norm.forward(add(x, part(x)));
}

/**
 * Self-attention and two linear layers, each with residual and norm, batch first. Parameters have PyTorch's names.
 * @shape x [B, T, dModel] -> [B, T, dModel]
 * @throws OptionError; ShapeError for inputs of other shapes
 * @see torch.nn.TransformerEncoderLayer
 */
export class TransformerEncoderLayer extends Module {
  /** Attention of x to itself. */
  self_attn: MultiheadAttention;
  /** From dModel to dimFeedforward. */
  linear1: Linear;
  /** From dimFeedforward to dModel. */
  linear2: Linear;
  /** Norm of the self-attention. */
  norm1: LayerNorm;
  /** Norm of the two linear layers. */
  norm2: LayerNorm;
  /** Dropout before each sum, and between the linear layers. */
  readonly dropout: Dropout;
  /** Whether norms come before each part rather than after it. */
  readonly normFirst: boolean;
  /** What stands between the linear layers. */
  readonly activation: 'relu' | 'gelu';

  constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
    super();
    const s = readEncoderLayer(arguments);
    const norm = (): LayerNorm => new LayerNorm(dModel, { eps: s.layerNormEps, bias: s.bias });
    this.self_attn = new MultiheadAttention(dModel, nhead, { dropout: s.dropout, bias: s.bias });
    this.linear1 = new Linear(dModel, s.dimFeedforward, { bias: s.bias });
    this.linear2 = new Linear(s.dimFeedforward, dModel, { bias: s.bias });
    this.norm1 = norm();
    this.norm2 = norm();
    this.dropout = new Dropout(s.dropout);
    this.normFirst = s.normFirst;
    this.activation = s.activation;
  }

  forward(x: TensorLike, masks: AttentionMasks = {}): Tensor {
    const { x: given, ...own } = readEncoderLayerForward(arguments);
    const drop = (t: Tensor): Tensor => this.dropout.forward(t);
    const act = this.activation === 'gelu' ? gelu : relu;
    const y = residual(given, this.norm1, this.normFirst, (t) => drop(this.self_attn.forward(t, t, t, own)));
    return residual(y, this.norm2, this.normFirst, (t) => drop(this.linear2.forward(drop(act(this.linear1.forward(t))))));
  }
}

/** Masks of a decoder layer: of the self-attention, and of the attention to `memory`. */
export interface DecoderMasks extends AttentionMasks {
  /** For the attention to `memory`: as `mask`, [..., T, S]. */
  readonly memoryMask?: TensorLike | null;
  /** For the attention to `memory`: as `keyPaddingMask`, [B, S]. */
  readonly memoryKeyPaddingMask?: TensorLike | null;
}

const decoderMasks = options<DecoderMasks>()({
  ...maskFields,
  memoryMask: optionalTensor,
  memoryKeyPaddingMask: optionalTensor,
});
const readDecoderLayerForward = signature('nn.TransformerDecoderLayer.forward', { x: tensor, memory: tensor }, decoderMasks);

/**
 * Self-attention, attention to `memory` and two linear layers, each with residual and norm, batch first. Parameters
 * have PyTorch's names.
 * @shape x [B, T, dModel], memory [B, S, dModel] -> [B, T, dModel]
 * @throws OptionError; ShapeError for inputs of other shapes
 * @see torch.nn.TransformerDecoderLayer
 */
export class TransformerDecoderLayer extends Module {
  /** Attention of x to itself. */
  self_attn: MultiheadAttention;
  /** Attention of x to `memory`. */
  multihead_attn: MultiheadAttention;
  /** From dModel to dimFeedforward. */
  linear1: Linear;
  /** From dimFeedforward to dModel. */
  linear2: Linear;
  /** Norm of the self-attention. */
  norm1: LayerNorm;
  /** Norm of the attention to `memory`. */
  norm2: LayerNorm;
  /** Norm of the two linear layers. */
  norm3: LayerNorm;
  /** Dropout before each sum, and between the linear layers. */
  readonly dropout: Dropout;
  /** Whether norms come before each part rather than after it. */
  readonly normFirst: boolean;
  /** What stands between the linear layers. */
  readonly activation: 'relu' | 'gelu';

  constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
    super();
    const s = readDecoderLayer(arguments);
    const norm = (): LayerNorm => new LayerNorm(dModel, { eps: s.layerNormEps, bias: s.bias });
    this.self_attn = new MultiheadAttention(dModel, nhead, { dropout: s.dropout, bias: s.bias });
    this.multihead_attn = new MultiheadAttention(dModel, nhead, { dropout: s.dropout, bias: s.bias });
    this.linear1 = new Linear(dModel, s.dimFeedforward, { bias: s.bias });
    this.linear2 = new Linear(s.dimFeedforward, dModel, { bias: s.bias });
    this.norm1 = norm();
    this.norm2 = norm();
    this.norm3 = norm();
    this.dropout = new Dropout(s.dropout);
    this.normFirst = s.normFirst;
    this.activation = s.activation;
  }

  /**
   * Builds the nodes of this layer while a model is traced. `causal` is for the self-attention, as PyTorch's
   * `tgt_is_causal`. Default: false.
   */
  forward(x: TensorLike, memory: TensorLike, masks: DecoderMasks = {}): Tensor {
    const { x: given, memory: kept, memoryMask, memoryKeyPaddingMask, ...own } = readDecoderLayerForward(arguments);
    const drop = (t: Tensor): Tensor => this.dropout.forward(t);
    const act = this.activation === 'gelu' ? gelu : relu;
    const there = { mask: memoryMask, keyPaddingMask: memoryKeyPaddingMask };
    const y = residual(given, this.norm1, this.normFirst, (t) => drop(this.self_attn.forward(t, t, t, own)));
    const z = residual(y, this.norm2, this.normFirst, (t) => drop(this.multihead_attn.forward(t, kept, kept, there)));
    return residual(z, this.norm3, this.normFirst, (t) => drop(this.linear2.forward(drop(act(this.linear1.forward(t))))));
  }
}

/** As many layers, each of its own. */
function stack<M extends Module>(where: string, type: new (...args: never[]) => M, layer: () => M, count: number): M[] {
  return Array.from({ length: count }, () => {
    const made: unknown = layer();
    if (made instanceof type) return made;
    throw new OptionError(
      `${where}: argument layer: expected a function that makes a ${type.name}, got one that makes ${show(made)}`,
    );
  });
}
/** What may follow the last layer. */
export interface StackOptions {
  /** What normalizes the output of the last layer. Default null: nothing. */
  readonly norm?: LayerNorm | null;
}

const stackOptions = options<StackOptions>()({ norm: nullable(instance('a LayerNorm', LayerNorm)).default(null) });
const readEncoder = signature(
  'nn.TransformerEncoder',
  { layer: fn<() => TransformerEncoderLayer>('a function that makes a layer'), numLayers: layers },
  stackOptions,
);
const readEncoderForward = signature('nn.TransformerEncoder.forward', { x: tensor }, maskOptions);

/**
 * Encoder layers one after the other: parameters `layers.0.self_attn...`, `norm...`.
 * @shape x [B, T, dModel] -> [B, T, dModel]
 * @param layer makes a layer; it is called `numLayers` times
 * @throws OptionError; ShapeError for inputs of other shapes
 * @see torch.nn.TransformerEncoder
 */
export class TransformerEncoder extends Module {
  /** The layers, first to last. */
  layers: TransformerEncoderLayer[];
  /** What normalizes the output of the last layer; null: nothing. */
  norm: LayerNorm | null;

  constructor(layer: () => TransformerEncoderLayer, numLayers: number, options: StackOptions = {}) {
    super();
    const { norm } = readEncoder(arguments);
    this.layers = stack('nn.TransformerEncoder', TransformerEncoderLayer, layer, numLayers);
    this.norm = norm;
  }

  forward(x: TensorLike, masks: AttentionMasks = {}): Tensor {
    const { x: given, ...own } = readEncoderForward(arguments);
    const y = this.layers.reduce((t, layer) => layer.forward(t, own), given);
    return this.norm ? this.norm.forward(y) : y;
  }
}

const readDecoder = signature(
  'nn.TransformerDecoder',
  { layer: fn<() => TransformerDecoderLayer>('a function that makes a layer'), numLayers: layers },
  stackOptions,
);
const readDecoderForward = signature('nn.TransformerDecoder.forward', { x: tensor, memory: tensor }, decoderMasks);

/**
 * Decoder layers one after the other: parameters `layers.0.self_attn...`, `layers.0.multihead_attn...`, `norm...`.
 * @shape x [B, T, dModel], memory [B, S, dModel] -> [B, T, dModel]
 * @param layer makes a layer; it is called `numLayers` times
 * @throws OptionError; ShapeError for inputs of other shapes
 * @see torch.nn.TransformerDecoder
 */
export class TransformerDecoder extends Module {
  /** The layers, first to last. */
  layers: TransformerDecoderLayer[];
  /** What normalizes the output of the last layer; null: nothing. */
  norm: LayerNorm | null;

  constructor(layer: () => TransformerDecoderLayer, numLayers: number, options: StackOptions = {}) {
    super();
    const { norm } = readDecoder(arguments);
    this.layers = stack('nn.TransformerDecoder', TransformerDecoderLayer, layer, numLayers);
    this.norm = norm;
  }

  forward(x: TensorLike, memory: TensorLike, masks: DecoderMasks = {}): Tensor {
    const { x: given, memory: kept, ...own } = readDecoderForward(arguments);
    const y = this.layers.reduce((t, layer) => layer.forward(t, kept, own), given);
    return this.norm ? this.norm.forward(y) : y;
  }
}
