// map.ts: a shape of one's own: what becomes of each element, as a function in ops.
import { OptionError } from '../../errors.ts';
import { Tensor } from '../../ir/graph.ts';
import { sameType, typeName } from '../../ir/op.ts';
import { type Traced, traceChain, traceInputs } from '../../ops/elementwise/own.ts';
import { mapped } from '../../ops/gradient/stage.ts';
import { concat, div, mul, tanh } from '../../ops/index.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { type AtStep, fn, options, type PerStep, perStep, record, show, signature, text } from '../../options/index.ts';
import { type ClipContext, type ClipPolicy, thresholdOf } from '../clip.ts';
import { limit, nonFiniteFields } from '../fields.ts';
import { type NonFiniteOptions, ruleOf } from '../finite.ts';
import { measure, measureOnly, shaped } from '../measure.ts';
import { samples } from '../samples.ts';

/** Options of `clip.map`. */
export interface MapOptions<V extends string = string> extends NonFiniteOptions {
  /** As reports and errors have it. Default 'map'. */
  readonly name?: string;
  /** Given to the function as `threshold`, >= 0, and reported; may depend on the step; Infinity only measures. Default: none. */
  readonly threshold?: PerStep;
  /** Other numbers that the function is given, each may depend on the step. Default {}: none. */
  readonly values?: Readonly<Record<V, PerStep>>;
}

type Shape = (g: Tensor, values: Readonly<Record<string, Tensor>>) => Tensor;

const readMap = signature(
  'clip.map',
  { fn: fn<Shape>('a function of the gradient') },
  options<MapOptions>()({
    ...nonFiniteFields,
    name: text.default('map'),
    threshold: limit().optional(),
    values: record<PerStep, AtStep>(perStep({ infinite: true }), 'an object of numbers and functions of the step').default({}),
  }),
);

/**
 * What becomes of each element, as a function of one's own in `ops`: of the gradient, f32, and of scalars by name, `threshold` and those of option
 * `values`. It is called while a step is compiled, and does elementwise operations alone; the update of the optimizer does them as it
 * reads the gradient. Reported are the norms before and after, and the share of elements that it changed.
 *
 * ```ts
 * // Zero below a threshold, and shrunk by it above: soft thresholding.
 * clip.map((g, { threshold }) => ops.mul(ops.sign(g), ops.relu(ops.sub(ops.abs(g), threshold))), { threshold: 1e-3 });
 * ```
 * @param fn what becomes of the gradient: a tensor of its shape
 * @throws OptionError, also where the function sums, multiplies matrices, changes shapes or differs by shape
 * @see gradclip: elements through a function in ops
 */
export function map<const V extends string = never>(
  fn: (g: Tensor, values: Readonly<Record<V | 'threshold', Tensor>>) => Tensor,
  options?: MapOptions<V>,
): ClipPolicy;
export function map(fn: Shape, options: MapOptions = {}): ClipPolicy {
  const { fn: shape, name, threshold, values, ...given } = readMap(arguments);
  if (threshold && Object.hasOwn(values, 'threshold')) {
    throw new OptionError('clip.map: option values: threshold is given beside it, as option threshold', { value: values });
  }
  const names = [...(threshold ? ['threshold'] : []), ...Object.keys(values)];
  const rules = ruleOf(given);
  const traced = trace(shape, names, [2, 3]);
  return {
    name,
    maxSkips: rules.maxSkips,
    thresholds: threshold?.columns ?? [],
    build(context) {
      if (threshold?.idle) return measureOnly(context, rules);
      const same = JSON.stringify(traced);
      const other = context.grads.find((g) => JSON.stringify(trace(shape, names, g.shape)) !== same);
      if (other)
        throw new OptionError(`clip.map: fn: expected the same operations for all shapes, got others for [${other.shape}]`);
      const at = threshold?.at(context);
      const numbers = [
        ...(at ? [at] : []),
        ...Object.entries(values).map(([key, value]) => thresholdOf(context, key, value.fixed ?? value)),
      ];
      return shaped(measure(context, rules), [mapped(traced.chain, givenOf(context, numbers, traced.constants))], {
        ...(at && { threshold: at }),
      });
    },
  };
}

/** What the function does to each element of a gradient of this shape. */
function trace(shape: Shape, names: readonly string[], of: readonly number[]): Exclude<Traced, { readonly reason: string }> {
  const { vectors, given } = traceInputs(of, 1, names.length);
  const [g] = vectors as [Tensor];
  const made: unknown = shape(g, Object.fromEntries(names.map((name, i) => [name, given[i]!])));
  if (!(made instanceof Tensor && made.graph === g.graph && sameType(made.type, g.type))) {
    const got = made instanceof Tensor ? typeName(made.type) : show(made);
    throw new OptionError(`clip.map: fn: expected ${typeName(g.type)} for a gradient of that shape, got ${got}`, { value: made });
  }
  const traced = traceChain([made], vectors, given);
  if ('reason' in traced) throw new OptionError(`clip.map: fn: expected elementwise operations alone, got ${traced.reason}`);
  return traced;
}

/** Numbers of the step and constants as one list. */
function givenOf({ graph }: ClipContext, numbers: readonly Tensor[], constants: readonly number[]): Tensor {
  const fixed = numbers.length === 0 || constants.length > 0;
  // A list has one number at least.
  const rest = constants.length > 0 ? constants : [0];
  const list = numbers.map((t) => reshape(t, [1]));
  return concat([...list, ...(fixed ? [graph.constant(Float64Array.from(rest), [rest.length], 'f64')] : [])]);
}

samples({
  map: (given) => map((g, { threshold }) => mul(threshold, tanh(div(g, threshold))), { threshold: 0.01, ...given }),
});
