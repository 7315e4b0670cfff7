// sequential.ts: layers one after the other.
import { GraphError, OptionError } from '../errors.ts';
import { Tensor, type TensorLike } from '../ir/graph.ts';
import { show } from '../options.ts';
import { Module } from './module.ts';

/** What Sequential takes: a module from tensor to tensor, or a plain function, such as the op `relu`. */
export type Layer = (Module & { forward(x: Tensor): Tensor }) | ((x: Tensor) => Tensor);

/**
 * Layers applied in order, as `torch.nn.Sequential`. Parameters are named by place (`0.weight`) or, for an object of layers, by
 * key (`fc1.weight`). Plain functions count as places too.
 */
export class Sequential extends Module {
  readonly layers: readonly (readonly [string, Layer])[];

  constructor(...layers: readonly Layer[] | readonly [Readonly<Record<string, Layer>>]) {
    super();
    const [first] = layers;
    const named = layers.length === 1 && typeof first === 'object' && !(first instanceof Module);
    this.layers = Object.entries(named ? (first as Readonly<Record<string, Layer>>) : (layers as readonly Layer[]));
    for (const [name, layer] of this.layers) {
      if (!(layer instanceof Module) && typeof layer !== 'function') {
        throw new OptionError(`Sequential: layer ${name}: expected a Module or a function, got ${show(layer)}`);
      }
    }
  }

  override parts(): Iterable<readonly [string, unknown]> {
    return this.layers;
  }

  forward(x: TensorLike): Tensor {
    let t = x.toTensor();
    for (const [name, layer] of this.layers) {
      t = layer instanceof Module ? layer.forward(t) : layer(t);
      if (!(t instanceof Tensor)) throw new GraphError(`Sequential: layer ${name}: expected a Tensor as result, got ${show(t)}`);
    }
    return t;
  }
}
