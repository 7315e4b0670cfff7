// smooth.ts: smooth activations and gates as layers.
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { type AxisOptions, axisOptions } from '../../../ops/args.ts';
import { glu, logSigmoid, mish, softsign } from '../../../ops/elementwise/activation.ts';
import { optionsOnly } from '../../../options/index.ts';
import { forwardOf, plain } from '../../fields.ts';
import { Module } from '../../module/module.ts';

const readMish = plain('Mish');

/**
 * A smooth rectifier as a layer: `x * tanh(softplus(x))` (Misra 2019).
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.Mish
 */
export class Mish extends Module {
  constructor() {
    super();
    readMish.made(arguments);
  }

  forward(x: TensorLike): Tensor {
    return mish(readMish.forward(arguments).x);
  }
}

const readSoftsign = plain('Softsign');

/**
 * A curve from -1 to 1 as a layer: `x / (1 + |x|)`.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.Softsign
 */
export class Softsign extends Module {
  constructor() {
    super();
    readSoftsign.made(arguments);
  }

  forward(x: TensorLike): Tensor {
    return softsign(readSoftsign.forward(arguments).x);
  }
}

const readLogSigmoid = plain('LogSigmoid');

/**
 * `log(sigmoid(x))` without overflow, as a layer.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.LogSigmoid
 */
export class LogSigmoid extends Module {
  constructor() {
    super();
    readLogSigmoid.made(arguments);
  }

  forward(x: TensorLike): Tensor {
    return logSigmoid(readLogSigmoid.forward(arguments).x);
  }
}

const readGLU = optionsOnly('nn.GLU', axisOptions);
const readGLUForward = forwardOf('GLU');

/**
 * The first half of x along `axis` times the sigmoid of the second (Dauphin et al. 2017), as a layer.
 * @shape x [..., 2 n, ...] -> [..., n, ...]
 * @throws OptionError; ShapeError unless the dimension is even; DTypeError unless x is f32 or f64
 * @see torch.nn.GLU
 */
export class GLU extends Module {
  /** The dimension of two halves. */
  readonly axis: number;

  constructor(options: AxisOptions = {}) {
    super();
    const { axis } = readGLU(arguments);
    this.axis = axis;
  }

  forward(x: TensorLike): Tensor {
    return glu(readGLUForward(arguments).x, { axis: this.axis });
  }
}
