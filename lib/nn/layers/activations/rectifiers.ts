// rectifiers.ts: relatives of the rectifier as layers: with a slope or a curve below 0, or a limit above.
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { type AlphaOptions, alphaOptions, type LeakyReLUOptions, leakyReluOptions } from '../../../ops/args.ts';
import { celu, elu, leakyRelu, prelu, relu6, selu } from '../../../ops/elementwise/activation.ts';
import { number, options as optionsOf, optionsOnly } from '../../../options/index.ts';
import { forwardOf, plain, size } from '../../fields.ts';
import { constant } from '../../module/init.ts';
import { Module } from '../../module/module.ts';
import { Parameter } from '../../module/parameter.ts';

const readLeakyReLU = optionsOnly('nn.LeakyReLU', leakyReluOptions);
const readLeakyReLUForward = forwardOf('LeakyReLU');

/**
 * `x` above 0, else `negativeSlope * x`, as a layer.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.LeakyReLU
 */
export class LeakyReLU extends Module {
  /** What x is multiplied with where it is not above 0. */
  readonly negativeSlope: number;

  constructor(options: LeakyReLUOptions = {}) {
    super();
    const { negativeSlope } = readLeakyReLU(arguments);
    this.negativeSlope = negativeSlope;
  }

  forward(x: TensorLike): Tensor {
    return leakyRelu(readLeakyReLUForward(arguments).x, { negativeSlope: this.negativeSlope });
  }
}

/** Options of `nn.PReLU`. */
export interface PReLUOptions {
  /** Weights: 1, or one for each channel. Default 1. */
  readonly numParameters?: number;
  /** What they are at first. Default 0.25. */
  readonly init?: number;
}
const readPReLU = optionsOnly(
  'nn.PReLU',
  optionsOf<PReLUOptions>()({ numParameters: size.default(1), init: number().default(0.25) }),
);
const readPReLUForward = forwardOf('PReLU');

/**
 * `x` above 0, else `weight * x`, whose weight is learned: one, or one for each channel.
 * @shape x [batch, channels, ...] -> [batch, channels, ...]
 * @throws OptionError; ShapeError if x has another number of channels; DTypeError unless x is f32
 * @see torch.nn.PReLU
 */
export class PReLU extends Module {
  /** The slopes below 0, [numParameters]. */
  weight: Parameter;

  constructor(options: PReLUOptions = {}) {
    super();
    const { numParameters, init } = readPReLU(arguments);
    this.weight = new Parameter([numParameters], constant(init));
  }

  forward(x: TensorLike): Tensor {
    return prelu(readPReLUForward(arguments).x, this.weight);
  }
}

const readReLU6 = plain('ReLU6');

/**
 * `x` limited to [0, 6], as a layer.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.ReLU6
 */
export class ReLU6 extends Module {
  constructor() {
    super();
    readReLU6.made(arguments);
  }

  forward(x: TensorLike): Tensor {
    return relu6(readReLU6.forward(arguments).x);
  }
}

const readELU = optionsOnly('nn.ELU', alphaOptions);
const readELUForward = forwardOf('ELU');

/**
 * `x` above 0, else `alpha * (exp(x) - 1)`, as a layer.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.ELU
 */
export class ELU extends Module {
  /** What is approached far below 0, with its sign turned. */
  readonly alpha: number;

  constructor(options: AlphaOptions = {}) {
    super();
    const { alpha } = readELU(arguments);
    this.alpha = alpha;
  }

  forward(x: TensorLike): Tensor {
    return elu(readELUForward(arguments).x, { alpha: this.alpha });
  }
}

const readCELU = optionsOnly('nn.CELU', alphaOptions);
const readCELUForward = forwardOf('CELU');

/**
 * `x` above 0, else `alpha * (exp(x / alpha) - 1)`, as a layer.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.CELU
 */
export class CELU extends Module {
  /** What is approached far below 0, with its sign turned. */
  readonly alpha: number;

  constructor(options: AlphaOptions = {}) {
    super();
    const { alpha } = readCELU(arguments);
    this.alpha = alpha;
  }

  forward(x: TensorLike): Tensor {
    return celu(readCELUForward(arguments).x, { alpha: this.alpha });
  }
}

const readSELU = plain('SELU');

/**
 * The scaled ELU of self-normalizing networks (Klambauer et al. 2017), as a layer.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.SELU
 */
export class SELU extends Module {
  constructor() {
    super();
    readSELU.made(arguments);
  }

  forward(x: TensorLike): Tensor {
    return selu(readSELU.forward(arguments).x);
  }
}
