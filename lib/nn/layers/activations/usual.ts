// usual.ts: the usual activations as layers, for Sequential; in a forward of one's own the ops (`relu(x)`) do the same.
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { geluOptions } from '../../../ops/args.ts';
import { gelu, relu, sigmoid, silu, softplus, tanh } from '../../../ops/elementwise/activation.ts';
import { optionsOnly } from '../../../options/index.ts';
import { forwardOf, plain } from '../../fields.ts';
import { Module } from '../../module/module.ts';

const readReLU = plain('ReLU');

/**
 * The rectifier as a layer: `max(x, 0)`.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.ReLU
 */
export class ReLU extends Module {
  constructor() {
    super();
    readReLU.made(arguments);
  }

  forward(x: TensorLike): Tensor {
    return relu(readReLU.forward(arguments).x);
  }
}

const readTanh = plain('Tanh');

/**
 * The hyperbolic tangent as a layer.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.Tanh
 */
export class Tanh extends Module {
  constructor() {
    super();
    readTanh.made(arguments);
  }

  forward(x: TensorLike): Tensor {
    return tanh(readTanh.forward(arguments).x);
  }
}

const readSigmoid = plain('Sigmoid');

/**
 * The logistic function as a layer: `1 / (1 + exp(-x))`.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.Sigmoid
 */
export class Sigmoid extends Module {
  constructor() {
    super();
    readSigmoid.made(arguments);
  }

  forward(x: TensorLike): Tensor {
    return sigmoid(readSigmoid.forward(arguments).x);
  }
}

export interface GELUOptions {
  /** 'none' (default) is exact, with erf; 'tanh' the approximation. */
  readonly approximate?: 'none' | 'tanh';
}
const readGELU = optionsOnly('nn.GELU', geluOptions);
const readGELUForward = forwardOf('GELU');

/**
 * `x` times the normal distribution function of `x`, as a layer.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.GELU
 */
export class GELU extends Module {
  /** 'none' is exact, with erf; 'tanh' the approximation. */
  readonly approximate: 'none' | 'tanh';

  constructor(options: GELUOptions = {}) {
    super();
    this.approximate = readGELU(arguments).approximate;
  }

  forward(x: TensorLike): Tensor {
    return gelu(readGELUForward(arguments).x, { approximate: this.approximate });
  }
}

const readSiLU = plain('SiLU');

/**
 * SiLU or swish as a layer: `x * sigmoid(x)`.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.SiLU
 */
export class SiLU extends Module {
  constructor() {
    super();
    readSiLU.made(arguments);
  }

  forward(x: TensorLike): Tensor {
    return silu(readSiLU.forward(arguments).x);
  }
}

const readSoftplus = plain('Softplus');

/**
 * The softplus function as a layer: `log(1 + exp(x))`.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.Softplus
 */
export class Softplus extends Module {
  constructor() {
    super();
    readSoftplus.made(arguments);
  }

  forward(x: TensorLike): Tensor {
    return softplus(readSoftplus.forward(arguments).x);
  }
}
