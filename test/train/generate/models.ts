// models.ts: models and what they predict, for the tests of writing.
import type { Tensor } from '../../../lib/ir/graph.ts';
import type { Precision } from '../../../lib/ir/op.ts';
import { Module } from '../../../lib/nn/index.ts';
import * as loss from '../../../lib/nn/loss/index.ts';
import * as optim from '../../../lib/optim/index.ts';
import type { NdArray } from '../../../lib/train/feed/source.ts';
import type { Writer } from '../../../lib/train/generate/writers.ts';
import { Trainer } from '../../../lib/train/trainer.ts';

/** How many tokens there are. */
export const VOCABULARY = 11;

/** A model of tokens with a context. */
export type OfContext = Module & { readonly context: number; forward(x: Tensor): Tensor };

/** The same model, which looks at the whole window each time. */
export class Plain extends Module {
  readonly context: number;
  readonly inner: OfContext;
  constructor(inner: OfContext) {
    super();
    this.inner = inner;
    this.context = inner.context;
  }
  forward(x: Tensor): Tensor {
    return this.inner.forward(x);
  }
}

export const parametersOf = (model: Module): Map<string, NdArray> =>
  new Map(Array.from(model.namedParameters(), ([n, p]) => [n, { data: p.data, shape: p.shape }]));
export const writerOf = (model: Module): Writer => ({ model, readParameters: () => parametersOf(model) });

/** Logits after the last of some tokens, from all of them at once. */
export function predictor(model: OfContext, precision: Precision = 'f32'): (tokens: readonly number[]) => Float32Array {
  const trainer = new Trainer({
    model,
    loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x!), y!),
    optimizer: optim.sgd({ lr: 0.1 }),
    precision,
  });
  return (tokens) => {
    const { data, shape } = trainer.predictSync({ x: { data: Int32Array.from(tokens), shape: [1, tokens.length] } });
    return data.slice(data.length - shape.at(-1)!);
  };
}
