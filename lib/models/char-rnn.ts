// char-rnn.ts: a character-level recurrent language model. Copy it and change what you need.
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { batch as batchField, layers as layersField, size } from '../nn/fields.ts';
import { Embedding, GRU, Linear, LSTM, Module, RNN } from '../nn/index.ts';
import * as loss from '../nn/loss/index.ts';
import { rate, tensor } from '../ops/args.ts';
import { choice, instance, list, nullable, options, signature } from '../options/index.ts';

/** Options of `models.CharRNN`. */
export interface CharRNNOptions {
  /** Which recurrent layers. Default 'lstm'. */
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
const readCharRNN = signature(
  'models.CharRNN',
  { characters: size },
  options<CharRNNOptions>()({
    kind: choice('rnn', 'lstm', 'gru').default('lstm'),
    embedding: size.default(64),
    hidden: size.default(256),
    layers: layersField.default(1),
    dropout: rate.default(0),
  }),
);
const readForward = signature('models.CharRNN.forward', { x: tensor });
const readStep = signature('models.CharRNN.step', { x: tensor, states: nullable(list(tensor, { min: 1, max: 2 })) });
const KINDS = { rnn: RNN, lstm: LSTM, gru: GRU } as const;

/**
 * A language model of characters: embedding, recurrent layers, linear. Parameters `embedding.weight`,
 * `rnn.weight_ih_l0`, ..., `head.weight`, `head.bias`.
 * @shape x [batch, time] -> [batch, time, characters]
 * @throws OptionError; ShapeError for inputs of other shapes
 * @see Mikolov et al. 2010, Recurrent Neural Network Based Language Model
 */
export class CharRNN extends Module {
  /** Vectors of characters. */
  embedding: Embedding;
  /** The recurrent layers. */
  rnn: RNN | LSTM | GRU;
  /** From hidden states to logits. */
  head: Linear;

  constructor(characters: number, options: CharRNNOptions = {}) {
    super();
    const { kind, embedding, hidden, layers, dropout } = readCharRNN(arguments);
    const Recurrent = KINDS[kind];
    this.embedding = new Embedding(characters, embedding);
    this.rnn = new Recurrent(embedding, hidden, { numLayers: layers, dropout });
    this.head = new Linear(hidden, characters);
  }

  /** Logits of the next character at each place: x [batch, time] -> [batch, time, characters]. */
  forward(x: TensorLike): Tensor {
    return this.head.forward(this.rnn.forward(this.embedding.forward(readForward(arguments).x)).output);
  }

  /**
   * One more character for each row, for `generate`, from the states that the step before left.
   * @shape x [batch, 1], states [layers, batch, hidden] -> { logits [batch, characters], states }
   * @throws OptionError; ShapeError for inputs of other shapes
   */
  step(x: Tensor, states: readonly Tensor[] | null): { logits: Tensor; states: Tensor[] } {
    const { x: t, states: before } = readStep(arguments);
    const [h, c] = before ?? [];
    const { last, ...next } = this.rnn.forward(this.embedding.forward(t), { ...(h && { h }), ...(c && { c }) });
    return { logits: this.head.forward(last), states: 'c' in next ? [next.h, next.c as Tensor] : [next.h] };
  }
}

const readLoss = signature('models.charRnnLoss', { batch: batchField, model: instance('a CharRNN', CharRNN) });

/**
 * Cross-entropy of the next character.
 * @shape batch { x [batch, time], y [batch, time] } -> f64 scalar
 * @throws OptionError
 * @see Mikolov et al. 2010, Recurrent Neural Network Based Language Model
 */
export function charRnnLoss(batch: { readonly x: TensorLike; readonly y: TensorLike }, model: CharRNN): Tensor {
  readLoss(arguments);
  return loss.crossEntropy(model.forward(batch.x), batch.y);
}
