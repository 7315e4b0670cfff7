// mlp.ts: a multilayer perceptron. Copy it and change what you need.
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { size } from '../nn/fields.ts';
import { Linear, Module, Sequential } from '../nn/index.ts';
import { tensor } from '../ops/args.ts';
import { relu } from '../ops/elementwise/activation.ts';
import { list, signature } from '../options/index.ts';

const readMLP = signature('models.MLP', { sizes: list(size, { min: 2, max: 1000 }) });
const readForward = signature('models.MLP.forward', { x: tensor });

/**
 * Linear layers with ReLU between them. Parameters `layers.0.weight`, `layers.2.weight`, ....
 * @shape x [batch, sizes[0]] -> [batch, sizes.at(-1)]
 * @throws OptionError; ShapeError for another last dimension
 * @see Rumelhart et al. 1986, Learning Representations by Back-Propagating Errors
 */
export class MLP extends Module {
  /** The layers, with ReLU as every second one. */
  layers: Sequential;

  /** @param sizes of the input, of each layer in between, of the output: `new MLP([784, 256, 10])` */
  constructor(sizes: readonly number[]) {
    super();
    readMLP(arguments);
    const linear = sizes.slice(1).map((out, i) => new Linear(sizes[i]!, out));
    this.layers = new Sequential(...linear.flatMap((layer, i) => (i === 0 ? [layer] : [relu, layer])));
  }

  forward(x: TensorLike): Tensor {
    return this.layers.forward(readForward(arguments).x);
  }
}
