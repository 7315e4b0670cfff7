// bounded.ts: activations in pieces of straight lines as layers: limits, and what is near 0 made 0.
import { OptionError } from '../../../errors.ts';
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { type HardtanhOptions, hardtanhOptions, type ShrinkOptions, shrinkOptions } from '../../../ops/args.ts';
import { hardshrink, hardsigmoid, hardswish, hardtanh, softshrink, tanhshrink } from '../../../ops/elementwise/activation.ts';
import { optionsOnly } from '../../../options/index.ts';
import { forwardOf, plain } from '../../fields.ts';
import { Module } from '../../module/module.ts';

const readHardtanh = optionsOnly('nn.Hardtanh', hardtanhOptions);
const readHardtanhForward = forwardOf('Hardtanh');

/**
 * `x` limited to [min, max], as a layer.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.Hardtanh
 */
export class Hardtanh extends Module {
  /** The least. */
  readonly min: number;
  /** The most. */
  readonly max: number;

  constructor(options: HardtanhOptions = {}) {
    super();
    const { min, max } = readHardtanh(arguments);
    if (!(min < max)) throw new OptionError(`nn.Hardtanh: option max: expected a number above min, ${min}, got ${max}`);
    this.min = min;
    this.max = max;
  }

  forward(x: TensorLike): Tensor {
    return hardtanh(readHardtanhForward(arguments).x, { min: this.min, max: this.max });
  }
}

const readHardsigmoid = plain('Hardsigmoid');

/**
 * The logistic function in three straight lines, as a layer.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.Hardsigmoid
 */
export class Hardsigmoid extends Module {
  constructor() {
    super();
    readHardsigmoid.made(arguments);
  }

  forward(x: TensorLike): Tensor {
    return hardsigmoid(readHardsigmoid.forward(arguments).x);
  }
}

const readHardswish = plain('Hardswish');

/**
 * `x` times `hardsigmoid(x)` (Howard et al. 2019), as a layer.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.Hardswish
 */
export class Hardswish extends Module {
  constructor() {
    super();
    readHardswish.made(arguments);
  }

  forward(x: TensorLike): Tensor {
    return hardswish(readHardswish.forward(arguments).x);
  }
}

const readHardshrink = optionsOnly('nn.Hardshrink', shrinkOptions);
const readHardshrinkForward = forwardOf('Hardshrink');

/**
 * `x` where it is further than `lambda` from 0, else 0, as a layer.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.Hardshrink
 */
export class Hardshrink extends Module {
  /** How far from 0 an element must be to be kept. */
  readonly lambda: number;

  constructor(options: ShrinkOptions = {}) {
    super();
    const { lambda } = readHardshrink(arguments);
    this.lambda = lambda;
  }

  forward(x: TensorLike): Tensor {
    return hardshrink(readHardshrinkForward(arguments).x, { lambda: this.lambda });
  }
}

const readSoftshrink = optionsOnly('nn.Softshrink', shrinkOptions);
const readSoftshrinkForward = forwardOf('Softshrink');

/**
 * `x` moved toward 0 by `lambda`, and 0 where that would be on the other side, as a layer.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.Softshrink
 */
export class Softshrink extends Module {
  /** How far from 0 an element must be to be kept. */
  readonly lambda: number;

  constructor(options: ShrinkOptions = {}) {
    super();
    const { lambda } = readSoftshrink(arguments);
    this.lambda = lambda;
  }

  forward(x: TensorLike): Tensor {
    return softshrink(readSoftshrinkForward(arguments).x, { lambda: this.lambda });
  }
}

const readTanhshrink = plain('Tanhshrink');

/**
 * What the hyperbolic tangent leaves, as a layer: `x - tanh(x)`.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.nn.Tanhshrink
 */
export class Tanhshrink extends Module {
  constructor() {
    super();
    readTanhshrink.made(arguments);
  }

  forward(x: TensorLike): Tensor {
    return tanhshrink(readTanhshrink.forward(arguments).x);
  }
}
