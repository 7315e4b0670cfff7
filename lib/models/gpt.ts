// gpt.ts: a decoder-only transformer over tokens, as GPT-2: learned positions, norms before attention and feed-forward, tied head.
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { Dropout, Embedding, GELU, init, LayerNorm, LearnedPositions, Linear, Module, Sequential } from '../nn/index.ts';
import { linear } from '../nn/linear.ts';
import * as loss from '../nn/loss/index.ts';
import { add, headsAttention } from '../ops/index.ts';
import { checkNumber, checkOptions } from '../options.ts';

export interface GPTOptions {
  /** Longest sequence. Default 64. */
  readonly context?: number;
  /** Default 4. */
  readonly layers?: number;
  /** They divide the width. Default 4. */
  readonly heads?: number;
  /** Default 128. */
  readonly width?: number;
  /** Of embeddings, attention weights and what each block adds. Default 0. */
  readonly dropout?: number;
}

class Block extends Module {
  norm1: LayerNorm;
  qkv: Linear;
  proj: Linear;
  norm2: LayerNorm;
  mlp: Sequential;
  readonly dropout: Dropout;
  readonly heads: number;

  constructor(width: number, heads: number, dropout: number) {
    super();
    this.norm1 = new LayerNorm(width);
    this.qkv = new Linear(width, 3 * width);
    this.proj = new Linear(width, width);
    this.norm2 = new LayerNorm(width);
    this.mlp = new Sequential(new Linear(width, 4 * width), new GELU(), new Linear(4 * width, width));
    this.dropout = new Dropout(dropout);
    this.heads = heads;
  }

  forward(x: Tensor): Tensor {
    const qkv = this.qkv.forward(this.norm1.forward(x));
    const seen = headsAttention(qkv, null, null, { heads: this.heads, causal: true, dropout: this.dropout.rate });
    const y = add(x, this.dropout.forward(this.proj.forward(seen)));
    return add(y, this.dropout.forward(this.mlp.forward(this.norm2.forward(y))));
  }
}

/** Tokens [batch, time] -> logits of the token after each, [batch, time, vocabulary]. The head is the embedding's table. */
export class GPT extends Module {
  /** Longest sequence. */
  readonly context: number;
  embedding: Embedding;
  positions: LearnedPositions;
  blocks: Block[];
  norm: LayerNorm;
  readonly dropout: Dropout;

  constructor(vocabulary: number, options: GPTOptions = {}) {
    super();
    checkOptions('GPT', options, ['context', 'layers', 'heads', 'width', 'dropout']);
    const { context = 64, layers = 4, heads = 4, width = 128, dropout = 0 } = options;
    checkNumber('GPT', 'layers', layers, { min: 1, integer: true });
    checkNumber('GPT', 'heads', heads, { min: 1, max: width, integer: true });
    this.context = context;
    this.embedding = new Embedding(vocabulary, width);
    this.embedding.weight.init = init.normal(0, 0.02);
    this.positions = new LearnedPositions(context, width);
    this.blocks = Array.from({ length: layers }, () => new Block(width, heads, dropout));
    this.norm = new LayerNorm(width);
    this.dropout = new Dropout(dropout);
  }

  forward(tokens: TensorLike): Tensor {
    const x = this.dropout.forward(this.positions.forward(this.embedding.forward(tokens)));
    const hidden = this.blocks.reduce((t, block) => block.forward(t), x);
    return linear(this.norm.forward(hidden), this.embedding.weight);
  }
}

/** Cross-entropy of the next token: `x` tokens [batch, time], `y` those that follow. */
export function gptLoss({ x, y }: { readonly x: TensorLike; readonly y: TensorLike }, model: GPT): Tensor {
  return loss.crossEntropy(model.forward(x), y);
}
