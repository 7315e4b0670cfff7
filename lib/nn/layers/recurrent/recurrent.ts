// recurrent.ts: recurrent layers over time, PyTorch's RNN, LSTM and GRU, batch first.
import { OptionError, ShapeError } from '../../../errors.ts';
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { sameShape, typeName } from '../../../ir/op.ts';
import { rate, tensor } from '../../../ops/args.ts';
import { add } from '../../../ops/elementwise/elementwise.ts';
import { dropout } from '../../../ops/random.ts';
import { gru } from '../../../ops/recurrent/gru.ts';
import { lstm } from '../../../ops/recurrent/lstm.ts';
import type { RecurrentOptions as OpOptions } from '../../../ops/recurrent/recurrent.ts';
import { type Nonlinearity, nonlinearity, rnn } from '../../../ops/recurrent/rnn.ts';
import { concat } from '../../../ops/shape/concat.ts';
import { reshape } from '../../../ops/shape/shape.ts';
import { slice } from '../../../ops/shape/slice.ts';
import { bool, options, signature } from '../../../options/index.ts';
import { layers, size } from '../../fields.ts';
import { uniform } from '../../module/init.ts';
import { Buffer, Module, Parameter } from '../../module/module.ts';
import { linear } from '../linear-product.ts';

/** Options of `nn.GRU` and `nn.LSTM`. */
export interface RecurrentOptions {
  /** Layers one on the other. Default 1. */
  readonly numLayers?: number;
  /** Whether gates add something. Default true. */
  readonly bias?: boolean;
  /** Rate of dropout on what each layer but the last gives, in [0, 1). Default 0. */
  readonly dropout?: number;
  /** A second half of every layer goes from the last step to the first. Default false. */
  readonly bidirectional?: boolean;
  /**
   * Truncated backpropagation through time: in training, batches of so many rows begin with the state that the batch before ended with,
   * row by row; no gradient goes back across. For batches that continue each other: `windows(text, { length, consecutive: true })`. Zeros
   * at the start of an epoch and after `Trainer.resetCarried()`. A step that is skipped leaves the state as it was. Part of checkpoints. In
   * evaluation and prediction every batch begins with zeros. Default: every batch does.
   */
  readonly carry?: number;
}

/** Options of `nn.RNN`. */
export interface RNNOptions extends RecurrentOptions {
  /** What is put around each sum. Default 'tanh'. */
  readonly nonlinearity?: Nonlinearity;
}

/** What a recurrent layer takes besides x. */
export interface RecurrentInput {
  /** The state before the first step, [numLayers * directions, batch, hidden], as PyTorch's h_0. Default zeros. */
  readonly h?: TensorLike;
  /** i32 [batch]: how many steps of each row are valid, 0 to time. Beyond them the state stays as it is and the output is 0; the
   * reverse direction starts at the last valid step. As a packed sequence of PyTorch. Default: all. */
  readonly lengths?: TensorLike;
}
/** What `nn.LSTM` takes beside x. */
export interface LSTMInput extends RecurrentInput {
  /** The cell state before the first step, as `h` [layers, batch, hidden]. Default: zeros. */
  readonly c?: TensorLike;
}

/** What a recurrent layer gives. */
export interface Recurrent {
  /** What the last layer gives at each step, [batch, time, directions * hidden]. */
  readonly output: Tensor;
  /** The state after the last valid step of every layer and direction, [numLayers * directions, batch, hidden], as PyTorch's h_n. */
  readonly h: Tensor;
  /** That of the last layer alone, [batch, directions * hidden]: what a classifier of sequences reads. */
  readonly last: Tensor;
}
/** What `nn.LSTM` gives. */
export interface LSTMRecurrent extends Recurrent {
  /** The cell states, as `h` [layers, batch, hidden]. */
  readonly c: Tensor;
}

/** One direction of one layer. */
interface Half {
  readonly weightIh: Parameter;
  readonly weightHh: Parameter;
  readonly biasIh: Parameter | null;
  readonly biasHh: Parameter | null;
}
interface States {
  readonly states: Tensor;
  readonly last: Tensor;
  readonly cell?: Tensor;
}

const SIZES = { inputSize: size, hiddenSize: size };
const OPTIONS = {
  numLayers: layers.default(1),
  bias: bool.default(true),
  dropout: rate.default(0),
  bidirectional: bool.default(false),
  carry: size.optional(),
};
const recurrentOptions = options<RecurrentOptions>()(OPTIONS);
const recurrentInput = options<RecurrentInput>()({ h: tensor.optional(), lengths: tensor.optional() });

/** What a layer is made of, as read. */
interface Made extends Required<Omit<RecurrentOptions, 'carry'>> {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly carry: number | undefined;
}
/** All steps of one direction of one layer; `initial` is what each kind of state is at first. */
type Cell = (x: Tensor, half: Half, initial: readonly Tensor[], options: OpOptions) => States;

/** What RNN, LSTM and GRU share: parameters by PyTorch's names, layers, directions. */
abstract class RecurrentModule extends Module {
  /** Parameters of the first layer; those of the others are `weight_ih_l1` and so on, of the reverse direction `weight_ih_l0_reverse`. */
  declare weight_ih_l0: Parameter;
  declare weight_hh_l0: Parameter;
  declare bias_ih_l0: Parameter | null;
  declare bias_hh_l0: Parameter | null;
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly dropout: number;
  readonly bidirectional: boolean;
  /** What is carried from batch to batch, by the kind of state (h, c): not in files of weights. */
  readonly carried: Readonly<Record<string, Buffer>>;
  readonly #halves: readonly Half[];
  readonly #name: string;
  readonly #cell: Cell;

  /** @param kinds of state: h, c */
  constructor(name: string, kinds: readonly string[], gates: number, made: Made, cell: Cell) {
    super();
    const { inputSize, hiddenSize, bias, carry } = made;
    this.#name = name;
    this.#cell = cell;
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.numLayers = made.numLayers;
    this.dropout = made.dropout;
    this.bidirectional = made.bidirectional;
    if (carry !== undefined && this.bidirectional) {
      throw new OptionError(`nn.${name}: option carry: the reverse direction of a bidirectional layer continues no batch`, {
        option: 'carry',
      });
    }
    const buffer = (): Buffer => new Buffer([this.numLayers, carry!, this.hiddenSize], { persistent: false, eachEpoch: true });
    this.carried = carry === undefined ? {} : Object.fromEntries(kinds.map((kind) => [kind, buffer()]));
    const bound = 1 / Math.sqrt(hiddenSize);
    const rows = gates * hiddenSize;
    const make = (key: string, shape: readonly number[] | null): Parameter | null => {
      const parameter = shape && new Parameter(shape, uniform(-bound, bound));
      (this as unknown as Record<string, Parameter | null>)[key] = parameter;
      return parameter;
    };
    const halves: Half[] = [];
    for (let layer = 0; layer < this.numLayers; layer++) {
      const inputs = layer === 0 ? inputSize : hiddenSize * this.directions;
      for (const suffix of this.bidirectional ? ['', '_reverse'] : ['']) {
        const key = (what: string): string => `${what}_l${layer}${suffix}`;
        halves.push({
          weightIh: make(key('weight_ih'), [rows, inputs])!,
          weightHh: make(key('weight_hh'), [rows, hiddenSize])!,
          biasIh: make(key('bias_ih'), bias ? [rows] : null),
          biasHh: make(key('bias_hh'), bias ? [rows] : null),
        });
      }
    }
    this.#halves = halves;
  }

  get directions(): 1 | 2 {
    return this.bidirectional ? 2 : 1;
  }

  /** `initial`: for each kind of state (h, c) what it is at first; absent: zeros. */
  protected run(
    x: Tensor,
    initial: Readonly<Record<string, Tensor | undefined>>,
    lengths: Tensor | undefined,
  ): { output: Tensor; h: Tensor; last: Tensor; c: Tensor | null } {
    const [batch, time, width] = x.shape as [number, number, number];
    if (x.shape.length !== 3 || time === 0 || width !== this.inputSize) {
      const wanted = `[batch, time, ${this.inputSize}] with at least one step`;
      throw new ShapeError(`${this.#name}: expected x ${wanted}, got [${x.shape}]`);
    }
    const { numLayers, directions, hiddenSize } = this;
    const shape = [numLayers * directions, batch, hiddenSize];
    const carried = x.graph.mode === 'train' ? this.carried : {};
    for (const { shape: expected } of Object.values(carried)) {
      if (expected[1] === batch) continue;
      throw new ShapeError(`${this.#name}: carry: expected batches of ${expected[1]} rows, got ${batch}`);
    }
    const zeros = x.graph.constant(new Float32Array(batch * hiddenSize), [batch, hiddenSize], 'f32');
    const first = Object.entries(initial).map(([name, given]) => {
      const t = (given ?? carried[name])?.toTensor();
      if (t && (t.dtype !== 'f32' || !sameShape(t.shape, shape))) {
        throw new ShapeError(`${this.#name}: expected ${name} as f32[${shape}], got ${typeName(t.type)}`);
      }
      return (i: number): Tensor => (t ? reshape(slice(t, { axis: 0, start: i, end: i + 1 }), [batch, hiddenSize]) : zeros);
    });
    const all: States[] = [];
    let y = x;
    for (let layer = 0; layer < numLayers; layer++) {
      if (layer > 0) y = dropout(y, this.dropout);
      for (let d = 0; d < directions; d++) {
        const i = layer * directions + d;
        const states = first.map((of) => of(i));
        all.push(this.#cell(y, this.#halves[i]!, states, { reverse: d === 1, lengths: lengths ?? null }));
      }
      y = concat(
        all.slice(-directions).map((s) => s.states),
        2,
      );
    }
    const final = (of: (s: States) => Tensor): Tensor => concat(all.map((s) => reshape(of(s), [1, batch, hiddenSize])));
    const last = concat(
      all.slice(-directions).map((s) => s.last),
      1,
    );
    const h = final((s) => s.last);
    const c = all[0]?.cell ? final((s) => s.cell!) : null;
    carried.h?.assign(h);
    carried.c?.assign(c!);
    return { output: y, h, last, c };
  }
}

/** Both biases in the projected input, where they may be added together. */
function projected(x: Tensor, { weightIh, biasIh, biasHh }: Half): Tensor {
  return linear(x, weightIh, biasIh && biasHh ? add(biasIh, biasHh) : null);
}

const readRNN = signature('nn.RNN', SIZES, options<RNNOptions>()({ ...OPTIONS, nonlinearity }));
const readRNNForward = signature('nn.RNN.forward', { x: tensor }, recurrentInput);

/**
 * Recurrent layers, batch first: `h[t] = tanh(weight_ih x[t] + bias_ih + weight_hh h[t-1] + bias_hh)`. Initial values
 * are uniform within 1 / sqrt(hidden). A length above time ends the run with an IndexError.
 * @shape x [batch, time, input], h [layers * directions, batch, hidden] -> { output [batch, time, directions * hidden],
 * h [layers * directions, batch, hidden], last [batch, directions * hidden] }
 * @throws OptionError; ShapeError if x, h or lengths do not fit
 * @see torch.nn.RNN
 */
export class RNN extends RecurrentModule {
  /** What is put around each sum. */
  readonly nonlinearity: Nonlinearity;

  constructor(inputSize: number, hiddenSize: number, options: RNNOptions = {}) {
    const made = readRNN(arguments);
    const { nonlinearity } = made;
    super('RNN', ['h'], 1, made, (x, half, [h], given) => rnn(projected(x, half), h!, half.weightHh, { ...given, nonlinearity }));
    this.nonlinearity = nonlinearity;
  }

  forward(x: TensorLike, input: RecurrentInput = {}): Recurrent {
    const read = readRNNForward(arguments);
    const { output, h, last } = this.run(read.x, { h: read.h }, read.lengths);
    return { output, h, last };
  }
}

const readLSTM = signature('nn.LSTM', SIZES, recurrentOptions);
const readLSTMForward = signature(
  'nn.LSTM.forward',
  { x: tensor },
  options<LSTMInput>()({ h: tensor.optional(), c: tensor.optional(), lengths: tensor.optional() }),
);

/**
 * Long short-term memory, batch first: gates i, f, g, o in this order in `weight_ih_l0` [4 hidden, input] and
 * `weight_hh_l0` [4 hidden, hidden]; `c = f * c + i * g`, `h = o * tanh(c)`. Initial values are uniform within 1 /
 * sqrt(hidden). A length above time ends the run with an IndexError.
 * @shape x [batch, time, input], h and c [layers * directions, batch, hidden] -> { output
 * [batch, time, directions * hidden], h and c [layers * directions, batch, hidden], last [batch, directions * hidden] }
 * @throws OptionError; ShapeError if x, h, c or lengths do not fit
 * @see torch.nn.LSTM
 */
export class LSTM extends RecurrentModule {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    super('LSTM', ['h', 'c'], 4, readLSTM(arguments), (x, half, [h, c], given) =>
      lstm(projected(x, half), h!, c!, half.weightHh, given),
    );
  }

  forward(x: TensorLike, input: LSTMInput = {}): LSTMRecurrent {
    const read = readLSTMForward(arguments);
    const { output, h, last, c } = this.run(read.x, { h: read.h, c: read.c }, read.lengths);
    return { output, h, last, c: c! };
  }
}

const readGRU = signature('nn.GRU', SIZES, recurrentOptions);
const readGRUForward = signature('nn.GRU.forward', { x: tensor }, recurrentInput);

/**
 * Gated recurrent units, batch first: gates r, z, n in this order in `weight_ih_l0` [3 hidden, input] and
 * `weight_hh_l0` [3 hidden, hidden]; `n = tanh(x_n + r * (weight_hn h + bias_hn))`, `h = (1 - z) * n + z * h`.
 * Initial values are uniform within 1 / sqrt(hidden). A length above time ends the run with an IndexError.
 * @shape x [batch, time, input], h [layers * directions, batch, hidden] -> { output [batch, time, directions * hidden],
 * h [layers * directions, batch, hidden], last [batch, directions * hidden] }
 * @throws OptionError; ShapeError if x, h or lengths do not fit
 * @see torch.nn.GRU
 */
export class GRU extends RecurrentModule {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    const made = readGRU(arguments);
    const rows = 3 * made.hiddenSize;
    super('GRU', ['h'], 3, made, (x, half, [h], given) => {
      const bias = half.biasHh ?? x.graph.constant(new Float32Array(rows), [rows], 'f32');
      return gru(linear(x, half.weightIh, half.biasIh), h!, half.weightHh, bias, given);
    });
  }

  forward(x: TensorLike, input: RecurrentInput = {}): Recurrent {
    const read = readGRUForward(arguments);
    const { output, h, last } = this.run(read.x, { h: read.h }, read.lengths);
    return { output, h, last };
  }
}
