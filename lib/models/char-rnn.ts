// char-rnn.ts: a character-level recurrent language model. Copy it and change what you need.
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { Embedding, GRU, Linear, LSTM, Module, RNN } from '../nn/index.ts';
import * as loss from '../nn/loss/index.ts';
import { checkChoice, checkOptions } from '../options.ts';

export interface CharRNNOptions {
  /** Default 'lstm'. */
  readonly kind?: 'rnn' | 'lstm' | 'gru';
  /** Width of the characters' vectors. Default 64. */
  readonly embedding?: number;
  /** Width of the state. Default 256. */
  readonly hidden?: number;
  /** Recurrent layers. Default 1. */
  readonly layers?: number;
  /** Rate of dropout between recurrent layers. Default 0. */
  readonly dropout?: number;
}
const KINDS = { rnn: RNN, lstm: LSTM, gru: GRU } as const;

/** Embedding, recurrent layers, linear: parameters `embedding.weight`, `rnn.weight_ih_l0`, ..., `head.weight`, `head.bias`. */
export class CharRNN extends Module {
  embedding: Embedding;
  rnn: RNN | LSTM | GRU;
  head: Linear;

  constructor(characters: number, options: CharRNNOptions = {}) {
    super();
    checkOptions('CharRNN', options, ['kind', 'embedding', 'hidden', 'layers', 'dropout']);
    const { embedding = 64, hidden = 256, layers = 1, dropout = 0 } = options;
    const Recurrent = KINDS[checkChoice('CharRNN', 'kind', options.kind ?? 'lstm', ['rnn', 'lstm', 'gru'])];
    this.embedding = new Embedding(characters, embedding);
    this.rnn = new Recurrent(embedding, hidden, { numLayers: layers, dropout });
    this.head = new Linear(hidden, characters);
  }

  /** Logits of the next character at each place: x [batch, time] -> [batch, time, characters]. */
  forward(x: TensorLike): Tensor {
    return this.head.forward(this.rnn.forward(this.embedding.forward(x)).output);
  }

  /** One more character for each row, for `generate`: x [batch, 1] and the states that the step before left -> logits [batch, characters]. */
  step(x: Tensor, states: readonly Tensor[] | null): { logits: Tensor; states: Tensor[] } {
    const [h, c] = states ?? [];
    const { last, ...next } = this.rnn.forward(this.embedding.forward(x), { ...(h && { h }), ...(c && { c }) });
    return { logits: this.head.forward(last), states: 'c' in next ? [next.h, next.c as Tensor] : [next.h] };
  }
}

/** Cross-entropy of the next character: `x` characters [batch, time], `y` those that follow. */
export function charRnnLoss({ x, y }: { readonly x: TensorLike; readonly y: TensorLike }, model: CharRNN): Tensor {
  return loss.crossEntropy(model.forward(x), y);
}
