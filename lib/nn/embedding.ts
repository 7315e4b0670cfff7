// embedding.ts: a table of vectors, looked up by index.
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { embedding } from '../ops/gather.ts';
import { checkNumber } from '../options.ts';
import { normal } from './init.ts';
import { Module, Parameter } from './module.ts';

/**
 * Vectors by index, as `torch.nn.Embedding`: `weight` [count, dim]; indices i32 or u8 [...] -> [..., dim].
 * An index that is none ends the run with an IndexError. Initial values are normal with standard deviation 1.
 */
export class Embedding extends Module {
  weight: Parameter;

  constructor(count: number, dim: number) {
    super();
    checkNumber('Embedding', 'count', count, { min: 1, integer: true });
    checkNumber('Embedding', 'dim', dim, { min: 1, integer: true });
    this.weight = new Parameter([count, dim], normal());
  }

  forward(indices: TensorLike): Tensor {
    return embedding(indices, this.weight);
  }
}
