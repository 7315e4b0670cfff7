// sequential.ts: layers one after the other.
import { GraphError, OptionError } from '../../errors.ts';
import { Tensor, type TensorLike } from '../../ir/graph.ts';
import { custom, either, type Field, isClass, record, rest, show, signature, whole } from '../../options/index.ts';
import { forwardOf } from '../fields.ts';
import { Module } from '../module/module.ts';

/** What Sequential takes: a module from tensor to tensor, or a plain function, such as the op `relu`. */
export type Layer = (Module & { forward(x: Tensor): Tensor }) | ((x: Tensor) => Tensor);

const isLayer = (x: unknown): x is Layer => x instanceof Module || (typeof x === 'function' && !isClass(x));
const layer: Field<Layer> = custom('a Module or a function', (value, place) => {
  if (isLayer(value)) return value;
  throw place.wrong('a Module or a function', value, typeof value === 'function' ? '; did you forget new?' : '');
});
const layersByName = record(layer, 'an object of layers');
const readSequential = signature('nn.Sequential', { layers: rest(either(layer, layersByName)) });
const readAt = signature('nn.Sequential.at', { index: whole({ min: Number.MIN_SAFE_INTEGER }) });
const readForward = forwardOf('Sequential');

/** The layer at a place, counted from the end where that is negative; one of them, where the compiler knows no number. */
export type LayerAt<L extends readonly Layer[], I extends number> = number extends L['length'] | I
  ? L[number]
  : `${I}` extends `-${infer N}`
    ? FromEnd<L, N>
    : L[I];
type FromEnd<L extends readonly unknown[], N extends string, Seen extends readonly unknown[] = [unknown]> = L extends readonly [
  ...infer Rest,
  infer Last,
]
  ? `${Seen['length']}` extends N
    ? Last
    : FromEnd<Rest, N, [...Seen, unknown]>
  : undefined;

/**
 * Layers applied in order. Parameters are named by place (`0.weight`) or, for an object of layers, by key
 * (`fc1.weight`). Plain functions count as places too.
 * ```ts
 * const model = new Sequential(new Linear(2, 8), new ReLU(), new Linear(8, 3));
 * model.at(-1).bias; // of the last layer
 * ```
 * @typeParam L its layers, as the compiler finds them
 * @shape x [...], as the first layer takes it -> [...], as the last one gives it
 * @throws OptionError, and what its layers throw; GraphError if one of them gives no tensor
 * @see torch.nn.Sequential
 */
export class Sequential<L extends readonly Layer[] = readonly Layer[]> extends Module {
  /** The layers with their keys, in order. */
  readonly layers: readonly (readonly [string, Layer])[];

  constructor(layers: Readonly<Record<string, Layer>>);
  constructor(...layers: L);
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

  /**
   * The layer at a place: 0 is the first, -1 the last.
   * @throws OptionError if there is none
   */
  at<S extends readonly Layer[], I extends number>(this: Sequential<S>, index: I): LayerAt<S, I> {
    readAt(arguments);
    const found = this.layers.at(index);
    if (found) return found[1] as LayerAt<S, I>;
    throw new OptionError(`nn.Sequential.at: argument index: expected a place among ${this.layers.length} layers, got ${index}`);
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
