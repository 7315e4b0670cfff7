// cells.ts: one step of recurrent layers: PyTorch's RNNCell, LSTMCell and GRUCell, for loops of one's own.
import { ShapeError } from '../../../errors.ts';
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { sameShape, typeName } from '../../../ir/op.ts';
import { optionalTensor, tensor } from '../../../ops/args.ts';
import { relu, sigmoid, tanh } from '../../../ops/elementwise/activation.ts';
import { add, mul, sub } from '../../../ops/elementwise/elementwise.ts';
import { type Nonlinearity, nonlinearity } from '../../../ops/recurrent/rnn.ts';
import { slice } from '../../../ops/shape/slice.ts';
import { bool, options, signature } from '../../../options/index.ts';
import { size } from '../../fields.ts';
import { uniform } from '../../module/init.ts';
import { Module, Parameter } from '../../module/module.ts';
import { linear } from '../linear-product.ts';

/** Options of `nn.LSTMCell` and `nn.GRUCell`. */
export interface CellOptions {
  /** Whether gates add something. Default true. */
  readonly bias?: boolean;
}
/** Options of `nn.RNNCell`. */
export interface RNNCellOptions extends CellOptions {
  /** What is put around the sum. Default 'tanh'. */
  readonly nonlinearity?: Nonlinearity;
}

/** The states of an LSTM cell, as it takes and gives them. */
export interface LSTMCellStates {
  /** What it gives, and what comes back in the next step [batch, hidden]. */
  readonly h: Tensor;
  /** The cell state [batch, hidden]. */
  readonly c: Tensor;
}
/** What `nn.LSTMCell` takes beside x. */
export interface LSTMCellInput {
  /** The state before the step [batch, hidden]. Default: zeros. */
  readonly h?: TensorLike | null;
  /** The cell state before it [batch, hidden]. Default: zeros. */
  readonly c?: TensorLike | null;
}

const SIZES = { inputSize: size, hiddenSize: size };
const bias = bool.default(true);
const cellOptions = options<CellOptions>()({ bias });

/** What the cells share: parameters by PyTorch's names. */
abstract class Cell extends Module {
  /** From x to the gates [gates * hidden, input]. */
  weight_ih: Parameter;
  /** From the state to the gates [gates * hidden, hidden]. */
  weight_hh: Parameter;
  /** Added to the gates [gates * hidden]; null without it. */
  bias_ih: Parameter | null;
  /** Added to them as well [gates * hidden]; null without it. */
  bias_hh: Parameter | null;
  /** Elements of x. */
  readonly inputSize: number;
  /** Elements of the state. */
  readonly hiddenSize: number;
  readonly #name: string;

  constructor(
    name: string,
    gates: number,
    made: { readonly inputSize: number; readonly hiddenSize: number; readonly bias: boolean },
  ) {
    super();
    const { inputSize, hiddenSize } = made;
    const bound = 1 / Math.sqrt(hiddenSize);
    const parameter = (...shape: number[]): Parameter => new Parameter(shape, uniform(-bound, bound));
    this.#name = name;
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.weight_ih = parameter(gates * hiddenSize, inputSize);
    this.weight_hh = parameter(gates * hiddenSize, hiddenSize);
    this.bias_ih = made.bias ? parameter(gates * hiddenSize) : null;
    this.bias_hh = made.bias ? parameter(gates * hiddenSize) : null;
  }

  /** Rows of x. @throws ShapeError */
  protected rowsOf(x: Tensor): number {
    if (x.shape.length === 2 && x.shape[1] === this.inputSize) return x.shape[0] as number;
    throw new ShapeError(`${this.#name}: expected x [batch, ${this.inputSize}], got [${x.shape}]`);
  }

  /** A state that is given, or zeros. @throws ShapeError */
  protected stateOf(name: string, given: Tensor | null, x: Tensor, rows: number): Tensor {
    const shape = [rows, this.hiddenSize];
    if (!given) return x.graph.constant(new Float32Array(rows * this.hiddenSize), shape, 'f32');
    if (given.dtype === 'f32' && sameShape(given.shape, shape)) return given;
    throw new ShapeError(`${this.#name}: expected ${name} as f32[${shape}], got ${typeName(given.type)}`);
  }

  /** The i-th gate of what the gates add up to. */
  protected gate(gates: Tensor, i: number): Tensor {
    return slice(gates, { axis: 1, start: i * this.hiddenSize, end: (i + 1) * this.hiddenSize });
  }
}

const readRNNCell = signature('nn.RNNCell', SIZES, options<RNNCellOptions>()({ bias, nonlinearity }));
const readRNNCellForward = signature('nn.RNNCell.forward', { x: tensor, h: optionalTensor });

/**
 * One step: `tanh(weight_ih x + bias_ih + weight_hh h + bias_hh)`, or relu of it. Initial values are uniform within 1 / sqrt(hidden). Over whole
 * sequences `nn.RNN` is many times as fast.
 * @shape x [batch, input], h [batch, hidden] -> [batch, hidden]
 * @throws OptionError; ShapeError if x or h do not fit; DTypeError unless they are f32
 * @see torch.nn.RNNCell
 */
export class RNNCell extends Cell {
  /** What is put around the sum. */
  readonly nonlinearity: Nonlinearity;

  constructor(inputSize: number, hiddenSize: number, options: RNNCellOptions = {}) {
    const made = readRNNCell(arguments);
    super('RNNCell', 1, made);
    this.nonlinearity = made.nonlinearity;
  }

  /**
   * Builds the nodes of one step while a model is traced.
   * @param h the state before the step. Default: zeros
   */
  forward(x: TensorLike, h?: TensorLike | null): Tensor {
    const { x: t, h: given } = readRNNCellForward(arguments);
    const before = this.stateOf('h', given ?? null, t, this.rowsOf(t));
    const sum = add(linear(t, this.weight_ih, this.bias_ih), linear(before, this.weight_hh, this.bias_hh));
    return this.nonlinearity === 'tanh' ? tanh(sum) : relu(sum);
  }
}

const readLSTMCell = signature('nn.LSTMCell', SIZES, cellOptions);
const readLSTMCellForward = signature(
  'nn.LSTMCell.forward',
  { x: tensor },
  options<LSTMCellInput>()({ h: optionalTensor, c: optionalTensor }),
);

/**
 * One step of long short-term memory: gates i, f, g, o in this order; `c = f * c + i * g`, `h = o * tanh(c)`. Initial values are uniform within
 * 1 / sqrt(hidden). Over whole sequences `nn.LSTM` is many times as fast.
 * @shape x [batch, input], h and c [batch, hidden] -> { h [batch, hidden], c [batch, hidden] }
 * @throws OptionError; ShapeError if x, h or c do not fit; DTypeError unless they are f32
 * @see torch.nn.LSTMCell
 */
export class LSTMCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    super('LSTMCell', 4, readLSTMCell(arguments));
  }

  forward(x: TensorLike, input: LSTMCellInput = {}): LSTMCellStates {
    const { x: t, ...given } = readLSTMCellForward(arguments);
    const rows = this.rowsOf(t);
    const [before, cell] = [this.stateOf('h', given.h ?? null, t, rows), this.stateOf('c', given.c ?? null, t, rows)];
    const gates = add(linear(t, this.weight_ih, this.bias_ih), linear(before, this.weight_hh, this.bias_hh));
    const [i, f, g, o] = [0, 1, 2, 3].map((k) => this.gate(gates, k)) as [Tensor, Tensor, Tensor, Tensor];
    const c = add(mul(sigmoid(f), cell), mul(sigmoid(i), tanh(g)));
    return { h: mul(sigmoid(o), tanh(c)), c };
  }
}

const readGRUCell = signature('nn.GRUCell', SIZES, cellOptions);
const readGRUCellForward = signature('nn.GRUCell.forward', { x: tensor, h: optionalTensor });

/**
 * One step of a gated recurrent unit: gates r, z, n in this order; `n = tanh(x_n + r * (weight_hn h + bias_hn))`, `h = (1 - z) * n + z * h`. Initial
 * values are uniform within 1 / sqrt(hidden). Over whole sequences `nn.GRU` is many times as fast.
 * @shape x [batch, input], h [batch, hidden] -> [batch, hidden]
 * @throws OptionError; ShapeError if x or h do not fit; DTypeError unless they are f32
 * @see torch.nn.GRUCell
 */
export class GRUCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    super('GRUCell', 3, readGRUCell(arguments));
  }

  /**
   * Builds the nodes of one step while a model is traced.
   * @param h the state before the step. Default: zeros
   */
  forward(x: TensorLike, h?: TensorLike | null): Tensor {
    const { x: t, h: given } = readGRUCellForward(arguments);
    const before = this.stateOf('h', given ?? null, t, this.rowsOf(t));
    const ofX = linear(t, this.weight_ih, this.bias_ih);
    const ofH = linear(before, this.weight_hh, this.bias_hh);
    const [r, z] = [0, 1].map((k) => sigmoid(add(this.gate(ofX, k), this.gate(ofH, k)))) as [Tensor, Tensor];
    const n = tanh(add(this.gate(ofX, 2), mul(r, this.gate(ofH, 2))));
    return add(mul(sub(1, z), n), mul(z, before));
  }
}
