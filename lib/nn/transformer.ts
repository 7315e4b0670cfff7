// transformer.ts: encoder and decoder blocks of transformers (Vaswani et al. 2017), and stacks of them.
import { OptionError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { gelu, relu } from '../ops/activation.ts';
import { add } from '../ops/elementwise.ts';
import { checkBoolean, checkChoice, checkNumber, checkOptions, show } from '../options.ts';
import { type AttentionMasks, MASKS, MultiheadAttention } from './attention.ts';
import { Dropout } from './dropout.ts';
import { Linear } from './linear.ts';
import { Module } from './module.ts';
import { LayerNorm } from './row-norm.ts';

export interface TransformerLayerOptions {
  /** Width between the two linear layers. Default 2048. */
  readonly dimFeedforward?: number;
  /** Of attention weights, of the inner layer and of what is added to the residual stream. Default 0.1. */
  readonly dropout?: number;
  /** Of the inner layer. Default 'relu'. */
  readonly activation?: 'relu' | 'gelu';
  /** Default 1e-5. */
  readonly layerNormEps?: number;
  /** Normalize before attention and linear layers, not after the sum. Default false. */
  readonly normFirst?: boolean;
  /** Of all linear layers and norms. Default true. */
  readonly bias?: boolean;
}
interface Settings extends Required<TransformerLayerOptions> {
  readonly norm: () => LayerNorm;
}
function settings(where: string, dModel: number, options: TransformerLayerOptions): Settings {
  checkOptions(where, options, ['dimFeedforward', 'dropout', 'activation', 'layerNormEps', 'normFirst', 'bias']);
  const eps = checkNumber(where, 'layerNormEps', options.layerNormEps ?? 1e-5, { min: 0 });
  const bias = checkBoolean(where, 'bias', options.bias ?? true);
  return {
    dimFeedforward: checkNumber(where, 'dimFeedforward', options.dimFeedforward ?? 2048, { min: 1, integer: true }),
    dropout: checkNumber(where, 'dropout', options.dropout ?? 0.1, { min: 0, below: 1 }),
    activation: checkChoice(where, 'activation', options.activation ?? 'relu', ['relu', 'gelu']),
    layerNormEps: eps,
    normFirst: checkBoolean(where, 'normFirst', options.normFirst ?? false),
    bias,
    norm: () => new LayerNorm(dModel, { eps, bias }),
  };
}
/** x + part(norm(x)), or norm(x + part(x)). */
function residual(x: Tensor, norm: LayerNorm, normFirst: boolean, part: (x: Tensor) => Tensor): Tensor {
  return normFirst ? add(x, part(norm.forward(x))) : norm.forward(add(x, part(x)));
}

/**
 * Self-attention and two linear layers, each with residual and norm, batch first: x [B, T, dModel] -> the same. Parameters and meaning as
 * `torch.nn.TransformerEncoderLayer(dModel, nhead, batch_first=True)`.
 */
export class TransformerEncoderLayer extends Module {
  self_attn: MultiheadAttention;
  linear1: Linear;
  linear2: Linear;
  norm1: LayerNorm;
  norm2: LayerNorm;
  readonly dropout: Dropout;
  readonly normFirst: boolean;
  readonly activation: 'relu' | 'gelu';

  constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
    super();
    const s = settings('TransformerEncoderLayer', dModel, options);
    this.self_attn = new MultiheadAttention(dModel, nhead, { dropout: s.dropout, bias: s.bias });
    this.linear1 = new Linear(dModel, s.dimFeedforward, { bias: s.bias });
    this.linear2 = new Linear(s.dimFeedforward, dModel, { bias: s.bias });
    this.norm1 = s.norm();
    this.norm2 = s.norm();
    this.dropout = new Dropout(s.dropout);
    this.normFirst = s.normFirst;
    this.activation = s.activation;
  }

  forward(x: TensorLike, masks: AttentionMasks = {}): Tensor {
    const drop = (t: Tensor): Tensor => this.dropout.forward(t);
    const act = this.activation === 'gelu' ? gelu : relu;
    const y = residual(x.toTensor(), this.norm1, this.normFirst, (t) => drop(this.self_attn.forward(t, t, t, masks)));
    return residual(y, this.norm2, this.normFirst, (t) => drop(this.linear2.forward(drop(act(this.linear1.forward(t))))));
  }
}

export interface DecoderMasks extends AttentionMasks {
  /** For the attention to `memory`: as `mask` and `keyPaddingMask`. */
  readonly memoryMask?: TensorLike | null;
  readonly memoryKeyPaddingMask?: TensorLike | null;
}

/**
 * Self-attention, attention to `memory` and two linear layers, each with residual and norm, batch first: x [B, T, dModel], memory
 * [B, S, dModel] -> [B, T, dModel]. Parameters and meaning as `torch.nn.TransformerDecoderLayer(dModel, nhead, batch_first=True)`.
 */
export class TransformerDecoderLayer extends Module {
  self_attn: MultiheadAttention;
  multihead_attn: MultiheadAttention;
  linear1: Linear;
  linear2: Linear;
  norm1: LayerNorm;
  norm2: LayerNorm;
  norm3: LayerNorm;
  readonly dropout: Dropout;
  readonly normFirst: boolean;
  readonly activation: 'relu' | 'gelu';

  constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
    super();
    const s = settings('TransformerDecoderLayer', dModel, options);
    this.self_attn = new MultiheadAttention(dModel, nhead, { dropout: s.dropout, bias: s.bias });
    this.multihead_attn = new MultiheadAttention(dModel, nhead, { dropout: s.dropout, bias: s.bias });
    this.linear1 = new Linear(dModel, s.dimFeedforward, { bias: s.bias });
    this.linear2 = new Linear(s.dimFeedforward, dModel, { bias: s.bias });
    this.norm1 = s.norm();
    this.norm2 = s.norm();
    this.norm3 = s.norm();
    this.dropout = new Dropout(s.dropout);
    this.normFirst = s.normFirst;
    this.activation = s.activation;
  }

  /** `causal` is for the self-attention; default false, as PyTorch's `tgt_is_causal`. */
  forward(x: TensorLike, memory: TensorLike, masks: DecoderMasks = {}): Tensor {
    checkOptions('TransformerDecoderLayer', masks, [...MASKS, 'memoryMask', 'memoryKeyPaddingMask']);
    const { memoryMask = null, memoryKeyPaddingMask = null, ...own } = masks;
    const drop = (t: Tensor): Tensor => this.dropout.forward(t);
    const act = this.activation === 'gelu' ? gelu : relu;
    const there = { mask: memoryMask, keyPaddingMask: memoryKeyPaddingMask };
    const y = residual(x.toTensor(), this.norm1, this.normFirst, (t) => drop(this.self_attn.forward(t, t, t, own)));
    const z = residual(y, this.norm2, this.normFirst, (t) => drop(this.multihead_attn.forward(t, memory, memory, there)));
    return residual(z, this.norm3, this.normFirst, (t) => drop(this.linear2.forward(drop(act(this.linear1.forward(t))))));
  }
}

function stack<M>(where: string, layer: () => M, count: number): M[] {
  if (typeof layer !== 'function') {
    throw new OptionError(`${where}: expected a function that makes a layer, got ${show(layer)}`);
  }
  checkNumber(where, 'numLayers', count, { min: 1, integer: true });
  return Array.from({ length: count }, layer);
}
/** What may follow the last layer. */
export interface StackOptions {
  readonly norm?: LayerNorm | null;
}

/**
 * Encoder layers one after the other, as `torch.nn.TransformerEncoder`: parameters `layers.0.self_attn...`, `norm...`.
 * @param layer makes a layer; it is called `numLayers` times
 */
export class TransformerEncoder extends Module {
  layers: TransformerEncoderLayer[];
  norm: LayerNorm | null;

  constructor(layer: () => TransformerEncoderLayer, numLayers: number, options: StackOptions = {}) {
    super();
    checkOptions('TransformerEncoder', options, ['norm']);
    this.layers = stack('TransformerEncoder', layer, numLayers);
    this.norm = options.norm ?? null;
  }

  forward(x: TensorLike, masks: AttentionMasks = {}): Tensor {
    const y = this.layers.reduce((t, layer) => layer.forward(t, masks), x.toTensor());
    return this.norm ? this.norm.forward(y) : y;
  }
}

/** Decoder layers one after the other, as `torch.nn.TransformerDecoder`; see TransformerEncoder. */
export class TransformerDecoder extends Module {
  layers: TransformerDecoderLayer[];
  norm: LayerNorm | null;

  constructor(layer: () => TransformerDecoderLayer, numLayers: number, options: StackOptions = {}) {
    super();
    checkOptions('TransformerDecoder', options, ['norm']);
    this.layers = stack('TransformerDecoder', layer, numLayers);
    this.norm = options.norm ?? null;
  }

  forward(x: TensorLike, memory: TensorLike, masks: DecoderMasks = {}): Tensor {
    const y = this.layers.reduce((t, layer) => layer.forward(t, memory, masks), x.toTensor());
    return this.norm ? this.norm.forward(y) : y;
  }
}
