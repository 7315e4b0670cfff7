// sequential.ts: layers one after the other.
import { GraphError, OptionError } from '../errors.ts';
import { Tensor, type TensorLike } from '../ir/graph.ts';
import { custom, either, type Field, isClass, record, rest, show, signature } from '../options/index.ts';
import { forwardOf } from './fields.ts';
import { Module } from './module.ts';

/** What Sequential takes: a module from tensor to tensor, or a plain function, such as the op `relu`. */
export type Layer = (Module & { forward(x: Tensor): Tensor }) | ((x: Tensor) => Tensor);

const isLayer = (x: unknown): x is Layer => x instanceof Module || (typeof x === 'function' && !isClass(x));
const layer: Field<Layer> = custom('a Module or a function', (value, place) => {
  if (isLayer(value)) return value;
  throw place.wrong('a Module or a function', value, typeof value === 'function' ? '; did you forget new?' : '');
});
const layersByName = record(layer, 'an object of layers');
const readSequential = signature('nn.Sequential', { layers: rest(either(layer, layersByName)) });
const readForward = forwardOf('Sequential');

/**
 * Layers applied in order, as `torch.nn.Sequential`. Parameters are named by place (`0.weight`) or, for an object of layers, by
 * key (`fc1.weight`). Plain functions count as places too.
 */
export class Sequential extends Module {
  readonly layers: readonly (readonly [string, Layer])[];

  constructor(...layers: readonly Layer[] | readonly [Readonly<Record<string, Layer>>]) {
    super();
    const { layers: read } = readSequential(arguments);
    const stray = read.findIndex((given) => !isLayer(given));
    if (stray >= 0 && read.length > 1) {
      throw new OptionError(
        `nn.Sequential: argument layers[${stray}]: expected a Module or a function, got an object beside others`,
      );
    }
    this.layers = Object.entries((stray === 0 ? read[0] : read) as readonly Layer[] | Readonly<Record<string, Layer>>);
  }

  override parts(): Iterable<readonly [string, unknown]> {
    return this.layers;
  }

  forward(x: TensorLike): Tensor {
    let { x: t } = readForward(arguments);
    for (const [name, layer] of this.layers) {
      t = layer instanceof Module ? layer.forward(t) : layer(t);
      if (!(t instanceof Tensor)) throw new GraphError(`Sequential: layer ${name}: expected a Tensor as result, got ${show(t)}`);
    }
    return t;
  }
}
