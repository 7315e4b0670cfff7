// describe.ts: statistics of a tensor as one small tensor of numbers, which a report can carry: for people who look into a model while it runs.
import { inSection, type Tensor } from '../../ir/graph.ts';
import { type RefArray, sizeOf, type TensorType, typeName } from '../../ir/op.ts';
import { firstValues } from '../../ir/print.ts';
import { cast, equal, isFinite as finiteOnes, square, sub, where } from '../elementwise/elementwise.ts';
import { concat } from '../shape/concat.ts';
import { reshape } from '../shape/shape.ts';
import { slice } from '../shape/slice.ts';
import { argmax, max, min, sum } from './reduce.ts';

/** What is known of a tensor's elements. Of those that are not finite it is how many they are; the other numbers are of the rest. */
export interface TensorStatistics extends TensorType {
  /** The smallest element. */
  readonly min: number;
  /** The largest element. */
  readonly max: number;
  /** The mean of all elements. */
  readonly mean: number;
  /** Root of the mean square. */
  readonly rms: number;
  /** Root of the sum of squares. */
  readonly norm: number;
  /** How many elements are 0. */
  readonly zeros: number;
  /** How many elements are NaN. */
  readonly nan: number;
  /** Infinite ones. */
  readonly infinite: number;
  /** Indices of the first element that is NaN or infinite; null if all are finite. */
  readonly firstNonFinite: readonly number[] | null;
  /** The first of the elements, row-major. */
  readonly values: readonly number[];
}

// Values that are shown.
const FIRST = 6;
const KEYS = ['sum', 'squares', 'min', 'max', 'zeros', 'nan', 'notFinite', 'first'] as const;

/** The statistics of a tensor of any dtype, f64 [n]; `describedBy` reads them. In the section of the tensor. */
export function describe(x: Tensor): Tensor {
  return inSection(x.graph, x.node.section, () => {
    const n = sizeOf(x.shape);
    const flat = reshape(x.dtype === 'f32' || x.dtype === 'f64' ? x : cast(x, 'f64'), [n]);
    const zero = x.graph.scalar(0, 'f64');
    if (n === 0) return concat(KEYS.map(() => reshape(zero, [1])));
    const count = (flags: Tensor): Tensor => sum(flags, { dtype: 'f64' });
    const finite = finiteOnes(flat);
    const bad = sub(1, finite);
    const clean = where(finite, flat, 0);
    const wide = cast(clean, 'f64');
    const found: Record<(typeof KEYS)[number], Tensor> = {
      sum: sum(wide),
      squares: sum(square(wide)),
      min: min(where(finite, flat, Number.POSITIVE_INFINITY)),
      max: max(where(finite, flat, Number.NEGATIVE_INFINITY)),
      zeros: count(equal(flat, 0)),
      nan: count(sub(1, equal(flat, flat))),
      notFinite: count(bad),
      first: argmax(bad),
    };
    const few = slice(flat, { axis: 0, start: 0, end: Math.min(n, FIRST) });
    return concat([...KEYS.map((key) => reshape(cast(found[key], 'f64'), [1])), cast(few, 'f64')]);
  });
}

/** What `describe` has computed of a tensor of this type. */
export function describedBy(numbers: Float64Array, { dtype, shape }: TensorType): TensorStatistics {
  const [sum, squares, min, max, zeros, nan, notFinite, first] = numbers as unknown as number[];
  const n = sizeOf(shape) - notFinite!;
  return {
    dtype,
    shape,
    min: n > 0 ? min! : Number.NaN,
    max: n > 0 ? max! : Number.NaN,
    mean: sum! / n,
    rms: Math.sqrt(squares! / n),
    norm: Math.sqrt(squares!),
    zeros: zeros!,
    nan: nan!,
    infinite: notFinite! - nan!,
    firstNonFinite: notFinite! > 0 ? indicesOf(first!, shape) : null,
    values: [...numbers.subarray(KEYS.length)],
  };
}

/** The same of an array that is at hand. */
export function statisticsOf(data: RefArray, type: TensorType): TensorStatistics {
  const numbers = new Float64Array(KEYS.length + Math.min(FIRST, data.length));
  let [sum, squares, min, max, zeros, nan, notFinite, first] = [0, 0, Infinity, -Infinity, 0, 0, 0, 0];
  for (let i = 0; i < data.length; i++) {
    const v = data[i]!;
    if (!Number.isFinite(v)) {
      if (notFinite++ === 0) first = i;
      if (Number.isNaN(v)) nan++;
      continue;
    }
    sum += v;
    squares += v * v;
    if (v < min) min = v;
    if (v > max) max = v;
    if (v === 0) zeros++;
  }
  numbers.set([sum, squares, min, max, zeros, nan, notFinite, first]);
  numbers.set(data.subarray(0, FIRST), KEYS.length);
  return describedBy(numbers, type);
}

/** Where the element at a place in row-major order is. */
export function indicesOf(at: number, shape: readonly number[]): number[] {
  let left = at;
  const indices = shape.toReversed().map((d) => {
    const index = left % d;
    left = Math.floor(left / d);
    return index;
  });
  return indices.reverse();
}

const short = (x: number): string => String(Number(x.toPrecision(4)));

/** `f32[32,10] min -2.1 max 3.2 mean 0.01 norm 12.3; 0.12 0.3 ... of 320`, and what is not finite, if anything is. */
export function statisticsText(s: TensorStatistics): string {
  const bad = [
    ...(s.nan > 0 ? [`${s.nan} NaN`] : []),
    ...(s.infinite > 0 ? [`${s.infinite} infinite`] : []),
    ...(s.firstNonFinite ? [`the first at [${s.firstNonFinite}]`] : []),
  ];
  const numbers = `min ${short(s.min)} max ${short(s.max)} mean ${short(s.mean)} norm ${short(s.norm)}`;
  const rest = sizeOf(s.shape) > s.values.length ? ` ... of ${sizeOf(s.shape)}` : '';
  return `${typeName(s)} ${numbers}${bad.length > 0 ? `, ${bad.join(', ')}` : ''}; ${firstValues(s.values, FIRST)}${rest}`;
}
