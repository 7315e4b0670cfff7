// activation.ts: activations as layers, for Sequential; in a forward of one's own the ops (`relu(x)`) do the same.
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { gelu, relu, sigmoid, silu, softplus, tanh } from '../ops/activation.ts';
import { checkChoice, checkOptions } from '../options.ts';
import { Module } from './module.ts';

/** max(x, 0). */
export class ReLU extends Module {
  forward(x: TensorLike): Tensor {
    return relu(x);
  }
}

/** Hyperbolic tangent. */
export class Tanh extends Module {
  forward(x: TensorLike): Tensor {
    return tanh(x);
  }
}

/** 1 / (1 + exp(-x)). */
export class Sigmoid extends Module {
  forward(x: TensorLike): Tensor {
    return sigmoid(x);
  }
}

export interface GELUOptions {
  /** 'none' (default) is exact, with erf; 'tanh' the approximation. */
  readonly approximate?: 'none' | 'tanh';
}

/** x times the normal distribution function of x. */
export class GELU extends Module {
  readonly approximate: 'none' | 'tanh';

  constructor(options: GELUOptions = {}) {
    super();
    checkOptions('GELU', options, ['approximate']);
    this.approximate = checkChoice('GELU', 'approximate', options.approximate ?? 'none', ['none', 'tanh']);
  }

  forward(x: TensorLike): Tensor {
    return gelu(x, { approximate: this.approximate });
  }
}

/** x sigmoid(x). */
export class SiLU extends Module {
  forward(x: TensorLike): Tensor {
    return silu(x);
  }
}

/** log(1 + exp(x)). */
export class Softplus extends Module {
  forward(x: TensorLike): Tensor {
    return softplus(x);
  }
}
