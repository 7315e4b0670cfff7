// recurrent.ts: recurrent layers over time.
import { ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { add } from '../ops/elementwise.ts';
import { rnnStates } from '../ops/rnn.ts';
import { checkBoolean, checkNumber, checkOptions } from '../options.ts';
import { uniform } from './init.ts';
import { linear } from './linear.ts';
import { Module, Parameter } from './module.ts';

export interface RNNOptions {
  /** Default true. */
  readonly bias?: boolean;
}

/** What a recurrent layer gives. */
export interface Recurrent {
  /** The hidden state after each step, [batch, time, hidden]. */
  readonly output: Tensor;
  /** The one after the last step, [batch, hidden]. */
  readonly h: Tensor;
}

/**
 * One recurrent layer with tanh, batch first, as `torch.nn.RNN(input, hidden, batch_first=True)`:
 * `h[t] = tanh(weight_ih_l0 x[t] + bias_ih_l0 + weight_hh_l0 h[t-1] + bias_hh_l0)`, x [batch, time, input].
 * Initial values are uniform within 1 / sqrt(hidden).
 */
export class RNN extends Module {
  weight_ih_l0: Parameter;
  weight_hh_l0: Parameter;
  bias_ih_l0: Parameter | null;
  bias_hh_l0: Parameter | null;

  constructor(inputSize: number, hiddenSize: number, options: RNNOptions = {}) {
    super();
    checkNumber('RNN', 'inputSize', inputSize, { min: 1, integer: true });
    checkNumber('RNN', 'hiddenSize', hiddenSize, { min: 1, integer: true });
    checkOptions('RNN', options, ['bias']);
    const bias = checkBoolean('RNN', 'bias', options.bias ?? true);
    const bound = 1 / Math.sqrt(hiddenSize);
    const init = uniform(-bound, bound);
    this.weight_ih_l0 = new Parameter([hiddenSize, inputSize], init);
    this.weight_hh_l0 = new Parameter([hiddenSize, hiddenSize], init);
    this.bias_ih_l0 = bias ? new Parameter([hiddenSize], init) : null;
    this.bias_hh_l0 = bias ? new Parameter([hiddenSize], init) : null;
  }

  /** @param h0 [batch, hidden], the hidden state before the first step; default zeros */
  forward(x: TensorLike, h0?: TensorLike): Recurrent {
    const t = x.toTensor();
    const [batch, time] = t.shape as [number, number];
    const hidden = this.weight_hh_l0.shape[0] as number;
    if (t.shape.length !== 3 || time === 0) {
      throw new ShapeError(`RNN: expected x [batch, time, input] with at least one step, got [${t.shape}]`);
    }
    const bias = this.bias_ih_l0 && this.bias_hh_l0 ? add(this.bias_ih_l0, this.bias_hh_l0) : null;
    const start = h0 ?? t.graph.constant(new Float32Array(batch * hidden), [batch, hidden], 'f32');
    const { states, last } = rnnStates(linear(t, this.weight_ih_l0, bias), start, this.weight_hh_l0);
    return { output: states, h: last };
  }
}
