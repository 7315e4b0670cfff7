// promote.ts: operands of several dtypes become those of one, by the rules of torch.result_type: the one place that knows them. And the public functions
// that are rows of maps.ts.
import { DTypeError, OptionError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import type { DType, TensorType } from '../../ir/op.ts';
import { signature } from '../../options/index.ts';
import { type Operand, operand, tensor } from '../args.ts';
import { castTo } from './map.ts';
import { apply, rowOf } from './maps.ts';

// ---- the rules ---------------------------------------------------------------------------------------------------
/** From the one that holds least. */
const ORDER: readonly DType[] = ['u8', 'i32', 'f32', 'f64'];
const FLOATS: ReadonlySet<DType> = new Set<DType>(['f32', 'f64']);
const isFloat = (dtype: DType): dtype is 'f32' | 'f64' => FLOATS.has(dtype);

/** The dtype that holds all of them. */
const widest = (dtypes: readonly DType[]): DType | null =>
  dtypes.length === 0 ? null : ORDER[Math.max(...dtypes.map((d) => ORDER.indexOf(d)))]!;

/** What is lower has a say where it is of floats and all above it of integers. */
function over(high: DType | null, low: DType | null): DType | null {
  if (high === null || low === null) return high ?? low;
  return isFloat(low) && !isFloat(high) ? low : high;
}

/**
 * The dtype of what is computed of these: floats before integers, then tensors with dimensions before scalars before numbers, then what holds more. A
 * whole number is an integer, any other one an f32.
 */
export function resultType(operands: readonly (TensorType | number)[]): DType {
  const tensors = operands.filter((x) => typeof x !== 'number');
  const of = (scalar: boolean): DType | null =>
    widest(tensors.filter(({ shape }) => (shape.length === 0) === scalar).map(({ dtype }) => dtype));
  const numbers = operands.filter((x) => typeof x === 'number').map((x): DType => (Number.isInteger(x) ? 'i32' : 'f32'));
  return over(of(false), over(of(true), widest(numbers))) ?? 'f32';
}

/** What integers are computed in: it holds each of them, and sums and products of two of them. */
export const exactDtype = (dtype: DType): 'f32' | 'f64' => (dtype === 'i32' || dtype === 'f64' ? 'f64' : 'f32');

// ---- of several operands -----------------------------------------------------------------------------------------
/** How an operation takes integers. */
export interface Rule {
  /** Its name, in errors. */
  readonly name: string;
  /** Integers give integers: what is beyond their range is its end, as `cast` has it. Else they are taken as f32. */
  readonly whole: boolean;
  /** It compares: numbers need not be of the range of integers. */
  readonly compares?: boolean;
}
/** Operands of one dtype of floats: tensors, and the numbers that were given. `out`: what the result is given as. */
export type Build = (operands: readonly Operand[], out: DType) => Tensor;

const RANGE: Partial<Readonly<Record<DType, readonly [number, number]>>> = { u8: [0, 255], i32: [-(2 ** 31), 2 ** 31 - 1] };

function checkNumbers({ name, whole, compares }: Rule, operands: readonly Operand[], dtype: DType): void {
  const range = RANGE[dtype];
  if (!range || !whole || compares) return;
  const wrong = operands.find((x) => typeof x === 'number' && !(x >= range[0] && x <= range[1]));
  if (wrong === undefined) return;
  const wider = dtype === 'u8' ? 'i32' : 'f32';
  throw new OptionError(
    `ops.${name}: expected a number that ${dtype} holds, got ${wrong}; cast(x, '${wider}') converts the tensor`,
    {
      value: wrong,
    },
  );
}

/**
 * What `build` makes of operands that are made one dtype of floats, given as the dtype of the result. Where they are of one already, nothing is added.
 * @throws OptionError for a number that the integers of the result do not hold
 */
export function promoted(rule: Rule, operands: readonly Operand[], build: Build): Tensor {
  const known = operands.map((x) => (typeof x === 'number' ? x : x.toTensor()));
  const tensors = known.filter((x) => typeof x !== 'number');
  const first = tensors[0]?.dtype ?? 'f32';
  if (isFloat(first) && tensors.every(({ dtype }) => dtype === first)) return build(known, first);
  const type = resultType(known.map((x) => (typeof x === 'number' ? x : x.type)));
  checkNumbers(rule, known, type);
  const out = rule.whole || isFloat(type) ? type : 'f32';
  const compute = exactDtype(out);
  const y = build(
    known.map((x) => (typeof x === 'number' ? x : castTo(x, compute))),
    out,
  );
  return castTo(y, out);
}

/** Tensors of one dtype: what holds all of them. */
export function alike(tensors: readonly Tensor[]): Tensor[] {
  const dtype = resultType(tensors.map(({ type }) => type));
  return tensors.map((x) => castTo(x, dtype));
}

// ---- of one tensor -----------------------------------------------------------------------------------------------
/** Floats as they are, integers as f32. */
export const floats = (x: Tensor): Tensor => (isFloat(x.dtype) ? x : castTo(x, 'f32'));

/** Floats as they are, integers as floats that hold each of them. */
export const exact = (x: Tensor): Tensor => castTo(x, exactDtype(x.dtype));

/** The dtype that integers are added up in. */
export const sumDtype = (dtype: DType): DType => (dtype === 'u8' ? 'i32' : dtype);

// ---- the public functions ----------------------------------------------------------------------------------------
/** With the name that stack traces show. */
export const named = <F extends object>(name: string, f: F): F => Object.defineProperty(f, 'name', { value: name });

/** The public function `ops.name` of one tensor: the operation of that name. */
export function unary(name: string): (x: TensorLike) => Tensor {
  const read = signature(`ops.${name}`, { x: tensor });
  const rule = { name, whole: rowOf(name).whole ?? false };
  return named(name, function (x: TensorLike): Tensor {
    return promoted(rule, [read(arguments).x], ([t]) => apply(name, t!));
  });
}

type Binary = (a: Operand, b: Operand) => Tensor;
/** The public function `ops.name` of two operands: the operation of that name, or what `build` makes of such. */
export function binary(
  name: string,
  { of = name, build, compares = false }: { readonly of?: string; readonly build?: Build; readonly compares?: boolean } = {},
): Binary {
  const read = signature(`ops.${name}`, { a: operand, b: operand });
  const rule = { name, whole: rowOf(of).whole ?? false, compares };
  const make = build ?? (([a, b]) => apply(of, a!, b!));
  return named(name, function (a: Operand, b: Operand): Tensor {
    read(arguments);
    return promoted(rule, [a, b], make);
  });
}

/** Minus a number of integers that have none below 0 would be 0 of all. @throws DTypeError for u8 */
export function expectSigned(name: string, x: Tensor): Tensor {
  if (x.dtype === 'u8')
    throw new DTypeError(`${name}: expected numbers that may be below 0, got u8; cast(x, 'i32') converts`, { op: name });
  return x;
}
