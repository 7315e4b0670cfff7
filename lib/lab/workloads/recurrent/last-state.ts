// last-state.ts: a recurrent layer over what is read, and a linear layer over its last state.
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { Linear } from '../../../nn/layers/linear.ts';
import { RNN, type RNNOptions } from '../../../nn/layers/recurrent/recurrent.ts';
import { Module } from '../../../nn/module/module.ts';

/** x [batch, time, inputs] -> [batch, outputs]. */
export class LastState extends Module {
  rnn: RNN;
  out: Linear;
  constructor(inputs: number, hidden: number, outputs: number, options: RNNOptions = {}) {
    super();
    this.rnn = new RNN(inputs, hidden, options);
    this.out = new Linear(hidden, outputs);
  }
  forward(x: TensorLike): Tensor {
    return this.out.forward(this.rnn.forward(x).last);
  }
}
