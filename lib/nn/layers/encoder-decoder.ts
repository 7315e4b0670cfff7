// encoder-decoder.ts: the transformer of sequences to sequences (Vaswani et al. 2017): an encoder of one, a decoder of the other.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { optionalTensor, tensor } from '../../ops/args.ts';
import { bool, options, signature } from '../../options/index.ts';
import { layers, size } from '../fields.ts';
import { xavierUniform } from '../module/init.ts';
import { Module } from '../module/module.ts';
import { Linear } from './linear.ts';
import { LayerNorm } from './norm/row-norm.ts';
import {
  layerFields,
  TransformerDecoder,
  TransformerDecoderLayer,
  TransformerEncoder,
  TransformerEncoderLayer,
  type TransformerLayerOptions,
} from './transformer.ts';

/** Options of `nn.Transformer`. */
export interface TransformerOptions extends TransformerLayerOptions {
  /** Layers of the encoder. Default 6. */
  readonly numEncoderLayers?: number;
  /** Layers of the decoder. Default 6. */
  readonly numDecoderLayers?: number;
}

/** What hides places of the two sequences: u8 where it is not 0, or f32, which is added to scores. */
export interface TransformerMasks {
  /** Of the encoder's self-attention: broadcasts to [batch, heads, S, S]. */
  readonly srcMask?: TensorLike | null;
  /** Padding of the first sequence [batch, S], u8: not 0 where it is padding. */
  readonly srcKeyPaddingMask?: TensorLike | null;
  /** Of the decoder's self-attention: broadcasts to [batch, heads, T, T]. */
  readonly tgtMask?: TensorLike | null;
  /** Padding of the second sequence [batch, T], u8. */
  readonly tgtKeyPaddingMask?: TensorLike | null;
  /** Place t of the second sequence sees 0 .. t of it only, as it does where it is written one by one. Default false. */
  readonly tgtCausal?: boolean;
  /** Of the decoder's attention to the first sequence: broadcasts to [batch, heads, T, S]. */
  readonly memoryMask?: TensorLike | null;
  /** Padding that the decoder does not see [batch, S], u8: mostly that of `srcKeyPaddingMask`, which the encoder alone goes by. */
  readonly memoryKeyPaddingMask?: TensorLike | null;
}

const readTransformer = signature(
  'nn.Transformer',
  { dModel: size, nhead: size },
  options<TransformerOptions>()({ ...layerFields, numEncoderLayers: layers.default(6), numDecoderLayers: layers.default(6) }),
);
const readTransformerForward = signature(
  'nn.Transformer.forward',
  { src: tensor, tgt: tensor },
  options<TransformerMasks>()({
    srcMask: optionalTensor,
    srcKeyPaddingMask: optionalTensor,
    tgtMask: optionalTensor,
    tgtKeyPaddingMask: optionalTensor,
    tgtCausal: bool.default(false),
    memoryMask: optionalTensor,
    memoryKeyPaddingMask: optionalTensor,
  }),
);

/**
 * An encoder and a decoder with a norm each, batch first: embeddings, positions and the layer that makes logits are the model's. Matrices begin uniform by
 * Xavier. Parameters have PyTorch's names: `encoder.layers.0.self_attn...`, `encoder.norm...`, `decoder.layers.0.multihead_attn...`.
 * @shape src [B, S, dModel], tgt [B, T, dModel] -> [B, T, dModel]
 * @throws OptionError if the heads do not divide `dModel`; ShapeError for inputs of other shapes
 * @see torch.nn.Transformer
 */
export class Transformer extends Module {
  /** What reads the first sequence. */
  encoder: TransformerEncoder;
  /** What reads the second one and attends to the first. */
  decoder: TransformerDecoder;

  constructor(dModel: number, nhead: number, options: TransformerOptions = {}) {
    super();
    const { numEncoderLayers, numDecoderLayers, dModel: width, nhead: heads, ...layer } = readTransformer(arguments);
    const norm = (): LayerNorm => new LayerNorm(width, { eps: layer.layerNormEps, bias: layer.bias });
    this.encoder = new TransformerEncoder(() => new TransformerEncoderLayer(width, heads, layer), numEncoderLayers, {
      norm: norm(),
    });
    this.decoder = new TransformerDecoder(() => new TransformerDecoderLayer(width, heads, layer), numDecoderLayers, {
      norm: norm(),
    });
    // Those of the attention's inputs do anyway.
    for (const [, module] of this.namedModules()) {
      if (module instanceof Linear) module.weight.init = xavierUniform();
    }
  }

  forward(src: TensorLike, tgt: TensorLike, masks: TransformerMasks = {}): Tensor {
    const { src: given, tgt: wanted, ...m } = readTransformerForward(arguments);
    const memory = this.encoder.forward(given, { mask: m.srcMask, keyPaddingMask: m.srcKeyPaddingMask });
    return this.decoder.forward(wanted, memory, {
      mask: m.tgtMask,
      keyPaddingMask: m.tgtKeyPaddingMask,
      causal: m.tgtCausal,
      memoryMask: m.memoryMask,
      memoryKeyPaddingMask: m.memoryKeyPaddingMask,
    });
  }
}
