// gpt.ts: a decoder-only transformer over tokens, as GPT-2: learned positions, norms before attention and feed-forward, tied head.
import { OptionError } from '../errors.ts';
import { file } from '../io/fields.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { batch as batchField, layers as layersField, size } from '../nn/fields.ts';
import {
  Dropout,
  Embedding,
  GELU,
  init,
  LayerNorm,
  LearnedPositions,
  Linear,
  Module,
  ReLU,
  Sequential,
  SiLU,
  Tanh,
} from '../nn/index.ts';
import { cache, type KeyValueCache } from '../nn/layers/cache.ts';
import { linear } from '../nn/layers/linear-product.ts';
import * as loss from '../nn/loss/index.ts';
import { eps, rate, tensor } from '../ops/args.ts';
import { add, headsAttention } from '../ops/index.ts';
import { choice, instance, options, signature } from '../options/index.ts';
import { type HuggingFaceOptions, huggingFaceOptions, readGpt2Config } from './gpt2-config.ts';
import { readGpt2Weights } from './gpt2-weights.ts';

const ACTIVATIONS: Readonly<Record<NonNullable<GPTOptions['activation']>, () => GELU | ReLU | SiLU | Tanh>> = {
  gelu: () => new GELU(),
  geluTanh: () => new GELU({ approximate: 'tanh' }),
  relu: () => new ReLU(),
  silu: () => new SiLU(),
  tanh: () => new Tanh(),
};

/** Options of `models.GPT`. */
export interface GPTOptions {
  /** Longest sequence. Default 64. */
  readonly context?: number;
  /** How many blocks. Default 4. */
  readonly layers?: number;
  /** They divide the width. Default 4. */
  readonly heads?: number;
  /** Size of the vectors. Default 128. */
  readonly width?: number;
  /** Of embeddings, attention weights and what each block adds. Default 0. */
  readonly dropout?: number;
  /** Features within a block's two linear layers. Default 4 times the width. */
  readonly hidden?: number;
  /** Between those: `gelu` is exact, with erf, `geluTanh` what GPT-2 has. Default `gelu`. */
  readonly activation?: 'gelu' | 'geluTanh' | 'relu' | 'silu' | 'tanh';
  /** Added to the variance in each norm. Default 1e-5. */
  readonly eps?: number;
}

const readGPT = signature(
  'models.GPT',
  { vocabulary: size },
  options<GPTOptions>()({
    context: size.default(64),
    layers: layersField.default(4),
    heads: size.default(4),
    width: size.default(128),
    dropout: rate.default(0),
    hidden: size.optional(),
    activation: choice('gelu', 'geluTanh', 'relu', 'silu', 'tanh').default('gelu'),
    eps: eps.default(1e-5),
  }),
);
const readFromHuggingFace = signature('models.GPT.fromHuggingFace', { folder: file }, huggingFaceOptions);
const readForward = signature('models.GPT.forward', { tokens: tensor });
const readDecode = signature('models.GPT.decode', { tokens: tensor, cache });

type BlockOptions = Required<Omit<GPTOptions, 'context' | 'layers'>>;

class Block extends Module {
  norm1: LayerNorm;
  qkv: Linear;
  proj: Linear;
  norm2: LayerNorm;
  mlp: Sequential;
  readonly dropout: Dropout;
  readonly heads: number;

  constructor({ width, heads, dropout, hidden, activation, eps }: BlockOptions) {
    super();
    this.norm1 = new LayerNorm(width, { eps });
    this.qkv = new Linear(width, 3 * width);
    this.proj = new Linear(width, width);
    this.norm2 = new LayerNorm(width, { eps });
    this.mlp = new Sequential(new Linear(width, hidden), ACTIVATIONS[activation](), new Linear(hidden, width));
    this.dropout = new Dropout(dropout);
    this.heads = heads;
  }

  forward(x: Tensor, cache: KeyValueCache | null): Tensor {
    const { heads } = this;
    const qkv = this.qkv.forward(this.norm1.forward(x));
    const seen = cache
      ? cache.attention(qkv, null, null, { heads })
      : headsAttention(qkv, null, null, { heads, causal: true, dropout: this.dropout.p });
    const y = add(x, this.dropout.forward(this.proj.forward(seen)));
    return add(y, this.dropout.forward(this.mlp.forward(this.norm2.forward(y))));
  }
}

/**
 * A decoder of tokens as GPT-2: logits of the token after each. The head is the embedding's table.
 * @shape tokens [batch, time] -> [batch, time, vocabulary]
 * @throws OptionError; ShapeError for inputs of other shapes
 * @see Radford et al. 2019, Language Models are Unsupervised Multitask Learners
 */
export class GPT extends Module {
  /** Longest sequence. */
  readonly context: number;
  /** Vectors of tokens, and the head. */
  embedding: Embedding;
  /** Vectors of places. */
  positions: LearnedPositions;
  /** Attention and two linear layers each, first to last. */
  blocks: Block[];
  /** Norm before the head. */
  norm: LayerNorm;
  /** Dropout of the embedded tokens. */
  readonly dropout: Dropout;

  constructor(vocabulary: number, options: GPTOptions = {}) {
    super();
    const { context, layers, ...block } = readGPT(arguments);
    const { heads, width, dropout, eps, hidden = 4 * width } = block;
    if (width % heads !== 0) {
      throw new OptionError(`models.GPT: option heads: expected a divisor of the width ${width}, got ${heads}`, { heads, width });
    }
    this.context = context;
    this.embedding = new Embedding(vocabulary, width);
    this.embedding.weight.init = init.normal(0, 0.02);
    this.positions = new LearnedPositions(context, width);
    this.blocks = Array.from({ length: layers }, () => new Block({ ...block, hidden }));
    this.norm = new LayerNorm(width, { eps });
    this.dropout = new Dropout(dropout);
  }

  /**
   * A model with the weights of GPT-2, or of what has been trained from it, as Hugging Face keeps them: `config.json` beside `model.safetensors`, or
   * beside several files with their index. The tokenizer is not read.
   *
   * ```ts
   * const model = await models.GPT.fromHuggingFace('gpt2');
   * const trainer = new Trainer({ model, loss: models.gptLoss, optimizer: optim.adamw({ lr: 3e-5 }) });
   * ```
   * @param folder has the files
   * @throws (rejects) OptionError; DataError for files that are missing or malformed; CheckpointError for a configuration that this model does not compute,
   * and for weights that are not its own
   */
  static async fromHuggingFace(folder: string, options: HuggingFaceOptions = {}): Promise<GPT> {
    const given = readFromHuggingFace(arguments);
    const { vocabulary, ...made } = await readGpt2Config(folder, given);
    const valuesOf = await readGpt2Weights(folder, { vocabulary, ...made }, given.maxBytes);
    const model = new GPT(vocabulary, made);
    for (const [name, p] of model.namedParameters()) p.data = valuesOf(name);
    return model;
  }

  forward(tokens: TensorLike): Tensor {
    return this.#logits(this.#hidden(readForward(arguments).tokens, null));
  }

  /**
   * Logits of the token that follows the last of each row, for `generate`, from the keys and values of all before.
   * @shape tokens [batch, time] -> [batch, vocabulary]
   * @throws OptionError; ShapeError for inputs of other shapes
   */
  decode(tokens: TensorLike, cache: KeyValueCache): Tensor {
    const read = readDecode(arguments);
    return this.#logits(read.cache.last(this.#hidden(read.tokens, read.cache)));
  }

  #hidden(tokens: Tensor, cache: KeyValueCache | null): Tensor {
    const x = this.dropout.forward(this.positions.forward(this.embedding.forward(tokens), { places: cache }));
    return this.blocks.reduce((t, block) => block.forward(t, cache), x);
  }
  #logits(hidden: Tensor): Tensor {
    return linear(this.norm.forward(hidden), this.embedding.weight);
  }
}

const readLoss = signature('models.gptLoss', { batch: batchField, model: instance('a GPT', GPT) });

/**
 * Cross-entropy of the next token.
 * @shape batch { x [batch, time], y [batch, time] } -> f64 scalar
 * @throws OptionError
 * @see Radford et al. 2019, Language Models are Unsupervised Multitask Learners
 */
export function gptLoss(batch: { readonly x: TensorLike; readonly y: TensorLike }, model: GPT): Tensor {
  readLoss(arguments);
  return loss.crossEntropy(model.forward(batch.x), batch.y);
}
