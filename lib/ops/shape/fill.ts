// fill.ts: tensors of numbers that are known: zeros, ones, any one number, numbers in equal steps. Each is of the graph of a tensor that is given.
import { OptionError, ShapeError } from '../../errors.ts';
import type { Graph, Tensor, TensorLike } from '../../ir/graph.ts';
import { ARRAYS, type DType } from '../../ir/op.ts';
import { choice, number, type OptionsField, options, signature } from '../../options/index.ts';
import { shape, tensor } from '../args.ts';
import { broadcastTo } from './shape.ts';

/** Options of `ops.zeros`, `ops.ones`, `ops.full` and `ops.arange`. */
export interface FillOptions {
  /** Of the result. Default: that of `like`, of integers f32. */
  readonly dtype?: DType;
}
const fillOptions: OptionsField<FillOptions, { readonly dtype: DType | undefined }> = options<FillOptions>()({
  dtype: choice('f32', 'f64', 'i32', 'u8').optional(),
});
const typeOf = ({ dtype }: Tensor, given: DType | undefined): DType => given ?? (dtype === 'f64' ? 'f64' : 'f32');

function constant(graph: Graph, where: string, values: readonly number[], dims: readonly number[], dtype: DType): Tensor {
  const data = ARRAYS[dtype].from(values);
  const wrong = values.find((v, i) => dtype !== 'f32' && dtype !== 'f64' && data[i] !== v);
  if (wrong !== undefined) throw new OptionError(`${where}: expected numbers that ${dtype} holds, got ${wrong}`);
  return graph.constant(data, dims, dtype);
}

function filled(where: string, like: Tensor, dims: readonly number[], value: number, dtype: DType): Tensor {
  const { graph } = like;
  const one = dtype === 'f32' || dtype === 'f64' ? graph.scalar(value, dtype) : constant(graph, where, [value], [], dtype);
  return broadcastTo(one, dims);
}

const fields = { like: tensor, shape: shape.or(null) } as const;
const readZeros = signature('ops.zeros', fields, fillOptions);
const readOnes = signature('ops.ones', fields, fillOptions);
const readFull = signature('ops.full', { like: tensor, shape, value: number({ infinite: true }) }, fillOptions);

/**
 * A tensor of zeros, of a shape.
 * @shape like [...] -> [...shape]
 * @param like any tensor of the model's graph, such as its input
 * @param shape Default: that of `like`.
 * @throws OptionError
 * @see torch.zeros
 */
export function zeros(like: TensorLike, shape?: readonly number[], options: FillOptions = {}): Tensor {
  const { like: t, shape: dims, dtype } = readZeros(arguments);
  return filled('ops.zeros', t, dims ?? t.shape, 0, typeOf(t, dtype));
}

/**
 * A tensor of ones, of a shape.
 * @shape like [...] -> [...shape]
 * @param like any tensor of the model's graph, such as its input
 * @param shape Default: that of `like`.
 * @throws OptionError
 * @see torch.ones
 */
export function ones(like: TensorLike, shape?: readonly number[], options: FillOptions = {}): Tensor {
  const { like: t, shape: dims, dtype } = readOnes(arguments);
  return filled('ops.ones', t, dims ?? t.shape, 1, typeOf(t, dtype));
}

/**
 * One number everywhere.
 * @shape like [...] -> [...shape]
 * @param like any tensor of the model's graph, such as its input
 * @throws OptionError, also for a number that the dtype does not hold
 * @see torch.full
 */
export function full(like: TensorLike, shape: readonly number[], value: number, options: FillOptions = {}): Tensor {
  const { like: t, shape: dims, value: v, dtype } = readFull(arguments);
  return filled('ops.full', t, dims, v, typeOf(t, dtype));
}

/** Options of `ops.arange`. */
export interface ArangeOptions extends FillOptions {
  /** The first number. Default 0. */
  readonly start?: number;
  /** From one number to the next; not 0. Default 1. */
  readonly step?: number;
}
const readArange = signature(
  'ops.arange',
  { like: tensor, end: number() },
  options<ArangeOptions>()({
    dtype: choice('f32', 'f64', 'i32', 'u8').optional(),
    start: number().default(0),
    step: number().default(1),
  }),
);

/**
 * The numbers from `start` on, `step` apart, before `end`. Each is `start + k * step` in f64, rounded once.
 * @shape like [...] -> [n], n = ceil((end - start) / step)
 * @param like any tensor of the model's graph, such as its input
 * @throws OptionError, also for a step of 0, or away from `end`, and for numbers that the dtype does not hold; ShapeError for more than 2^27
 * @see torch.arange
 */
export function arange(like: TensorLike, end: number, options: ArangeOptions = {}): Tensor {
  const { like: t, end: last, start, step, dtype } = readArange(arguments);
  const count = Math.ceil((last - start) / step);
  if (step === 0 || count < 0) {
    throw new OptionError(`ops.arange: option step: expected a step from ${start} toward ${last}, got ${step}`);
  }
  if (count > 2 ** 27) throw new ShapeError(`arange: expected at most 2^27 numbers, got ${count}`);
  const values = Array.from({ length: count }, (_, k) => start + k * step);
  return constant(t.graph, 'ops.arange', values, [count], typeOf(t, dtype));
}
