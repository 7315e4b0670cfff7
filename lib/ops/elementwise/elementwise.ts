// elementwise.ts: arithmetic, powers, comparisons, choice, rounding and conversion, element by element, with numpy broadcasting. All are
// operations of maps.ts, and fuse into chains. Activations stand in activation.ts.
import { OptionError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import type { DType } from '../../ir/op.ts';
import { choice, options, signature } from '../../options/index.ts';
import { type Operand, operand, tensor } from '../args.ts';
import { castTo } from './map.ts';
import { apply } from './maps.ts';
import { binary, expectSigned, promoted, unary } from './promote.ts';

// ---- arithmetic --------------------------------------------------------------------------------------------------
/**
 * `a + b`, broadcast.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; ShapeError if they do not broadcast
 * @see torch.add
 */
export const add: (a: Operand, b: Operand) => Tensor = binary('add');
/**
 * `a - b`, broadcast.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; ShapeError if they do not broadcast
 * @see torch.sub
 */
export const sub: (a: Operand, b: Operand) => Tensor = binary('sub');
/**
 * `a * b`, broadcast.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; ShapeError if they do not broadcast
 * @see torch.mul
 */
export const mul: (a: Operand, b: Operand) => Tensor = binary('mul');
/**
 * `a / b`, broadcast; division by 0 gives an infinity or NaN. Integers are taken as f32.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; ShapeError if they do not broadcast
 * @see torch.div
 */
export const div: (a: Operand, b: Operand) => Tensor = binary('div');
/**
 * `a * b + c`, broadcast, rounded once: nothing of the product is lost before `c` is added. The processors of the
 * x86-64 baseline, without AVX2, round the product too.
 * @shape a [...], b [...], c [...] -> [...], broadcast
 * @throws OptionError; ShapeError if they do not broadcast
 * @see torch.addcmul
 */
export function fma(a: Operand, b: Operand, c: Operand): Tensor {
  readFma(arguments);
  return promoted(FMA, [a, b, c], ([x, y, z]) => apply('fma', x!, y!, z!));
}
const FMA = { name: 'fma', whole: true } as const;
const readFma = signature('ops.fma', { a: operand, b: operand, c: operand });
/**
 * Minus `x`.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError for u8
 * @see torch.neg
 */
export function neg(x: TensorLike): Tensor {
  return promoted(NEG, [expectSigned('neg', readNeg(arguments).x)], ([t]) => apply('neg', t!));
}
const NEG = { name: 'neg', whole: true } as const;
const readNeg = signature('ops.neg', { x: tensor });
/**
 * The absolute value; its gradient at 0 is 0.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.abs
 */
export const abs: (x: TensorLike) => Tensor = unary('abs');
/**
 * -1, 0 or 1; 0 for NaN.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.sign
 */
export const sign: (x: TensorLike) => Tensor = unary('sign');

// ---- powers and exponentials -------------------------------------------------------------------------------------
/**
 * The square, `x * x`.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.square
 */
export const square: (x: TensorLike) => Tensor = unary('square');
/**
 * The square root; NaN below 0.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.sqrt
 */
export const sqrt: (x: TensorLike) => Tensor = unary('sqrt');
/**
 * The reciprocal of the square root, `1 / sqrt(x)`.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.rsqrt
 */
export const rsqrt: (x: TensorLike) => Tensor = unary('rsqrt');
/**
 * The reciprocal, `1 / x`.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.reciprocal
 */
export const reciprocal: (x: TensorLike) => Tensor = unary('reciprocal');
/**
 * e to the power x.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.exp
 */
export const exp: (x: TensorLike) => Tensor = unary('exp');
/**
 * The natural logarithm: -Infinity at 0, NaN below.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.log
 */
export const log: (x: TensorLike) => Tensor = unary('log');
/**
 * `log(1 + x)`, exact for small x.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.log1p
 */
export const log1p: (x: TensorLike) => Tensor = unary('log1p');
/**
 * The error function.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.erf
 */
export const erf: (x: TensorLike) => Tensor = unary('erf');
/**
 * The sine of x radians, however large; NaN for an infinity.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.sin
 */
export const sin: (x: TensorLike) => Tensor = unary('sin');
/**
 * The cosine of x radians, however large; NaN for an infinity.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.cos
 */
export const cos: (x: TensorLike) => Tensor = unary('cos');
/**
 * `a` to the power `b`, broadcast; a negative `a` needs whole `b`. Of integers it is one.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; ShapeError if they do not broadcast
 * @see torch.pow
 */
export const pow: (a: Operand, b: Operand) => Tensor = binary('pow', {
  build([a, b], out) {
    const whole = out === 'i32' || out === 'u8';
    if (whole && typeof b === 'number' && b < 0) {
      throw new OptionError(`ops.pow: expected an exponent of at least 0 for ${out}, got ${b}; cast(a, 'f32') gives fractions`);
    }
    if (typeof a !== 'number') {
      if (b === 1) return a!.toTensor();
      if (b === 2) return apply('square', a!);
      if (b === 0.5) return apply('sqrt', a!);
      if (b === -1) return apply('reciprocal', a!);
    }
    const y = apply('pow', a!, b!);
    // A power that is next to a whole number is that one.
    return whole ? apply('round', y) : y;
  },
});

// ---- least, greatest, comparisons, choice ------------------------------------------------------------------------
/**
 * The smaller of each pair, broadcast; NaN if either is NaN. At a tie each gets half the gradient.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; ShapeError if they do not broadcast
 * @see torch.minimum
 */
export const minimum: (a: Operand, b: Operand) => Tensor = binary('minimum');
/**
 * The larger of each pair, broadcast; NaN if either is NaN. At a tie each gets half the gradient.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; ShapeError if they do not broadcast
 * @see torch.maximum
 */
export const maximum: (a: Operand, b: Operand) => Tensor = binary('maximum');
/** Options of `ops.clamp`. */
export interface ClampOptions {
  /** Lower bound: a number, or a tensor [...] that broadcasts. Default -Infinity. */
  readonly min?: Operand;
  /** Upper bound: a number, or a tensor [...] that broadcasts. Default Infinity. */
  readonly max?: Operand;
}
const CLAMP = { name: 'clamp', whole: true } as const;
const readClamp = signature(
  'ops.clamp',
  { x: operand },
  options<ClampOptions>()({ min: operand.optional(), max: operand.optional() }),
);

/**
 * `x` limited to [min, max]; one of them may be absent. Where min > max the result is max. The gradient passes at the
 * bounds.
 * @shape x [...] -> [...], broadcast with both bounds
 * @throws OptionError, also if both bounds are absent; ShapeError if they do not broadcast
 * @see torch.clamp
 */
export function clamp(x: Operand, options: ClampOptions): Tensor {
  const { min, max } = readClamp(arguments);
  if (min === undefined && max === undefined) throw new OptionError('ops.clamp: expected option min or max, got neither');
  const given = [x, ...(min === undefined ? [] : [min]), ...(max === undefined ? [] : [max])];
  return promoted(CLAMP, given, ([t, ...bounds]) => {
    const low = min === undefined ? -Infinity : bounds[0]!;
    return apply('clamp', t!, low, max === undefined ? Infinity : bounds.at(-1)!);
  });
}
/**
 * 1 where `a < b`, else 0, in the dtype that both are compared in.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; ShapeError if they do not broadcast
 * @see torch.lt
 */
export const less: (a: Operand, b: Operand) => Tensor = binary('less', { compares: true });
/**
 * 1 where `a <= b`, else 0.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; ShapeError if they do not broadcast
 * @see torch.le
 */
export const lessEqual: (a: Operand, b: Operand) => Tensor = binary('lessEqual', { compares: true });
/**
 * 1 where `a > b`, else 0.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; ShapeError if they do not broadcast
 * @see torch.gt
 */
export const greater: (a: Operand, b: Operand) => Tensor = binary('greater', {
  of: 'less',
  compares: true,
  build: ([a, b]) => apply('less', b!, a!),
});
/**
 * 1 where `a >= b`, else 0.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; ShapeError if they do not broadcast
 * @see torch.ge
 */
export const greaterEqual: (a: Operand, b: Operand) => Tensor = binary('greaterEqual', {
  of: 'lessEqual',
  compares: true,
  build: ([a, b]) => apply('lessEqual', b!, a!),
});
/**
 * 1 where `a` equals `b`, else 0 (NaN equals nothing).
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; ShapeError if they do not broadcast
 * @see torch.eq
 */
export const equal: (a: Operand, b: Operand) => Tensor = binary('equal', { compares: true });
/**
 * 1 where `a` differs from `b`, else 0.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; ShapeError if they do not broadcast
 * @see torch.ne
 */
export const notEqual: (a: Operand, b: Operand) => Tensor = binary('notEqual', {
  of: 'equal',
  compares: true,
  build: ([a, b]) => apply('sub', 1, apply('equal', a!, b!)),
});
/**
 * 1 where `x` is neither infinite nor NaN, else 0.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.isfinite
 */
// biome-ignore lint/suspicious/noShadowRestrictedNames: PyTorch's name
export const isFinite: (x: TensorLike) => Tensor = unary('isFinite');
/**
 * `a` where the condition is not 0, else `b`, broadcast. The condition may be of any dtype; where both others are
 * numbers, it has a say in that of the result.
 * @shape condition [...], a [...], b [...] -> [...], broadcast
 * @throws OptionError; ShapeError if they do not broadcast
 * @see torch.where
 */
export function where(condition: Operand, a: Operand, b: Operand): Tensor {
  readWhere(arguments);
  // Numbers alone have no dtype: then it is that of the condition.
  const numbers = typeof a === 'number' && typeof b === 'number';
  return promoted(WHERE, numbers ? [a, b, condition] : [a, b], ([x, y, c]) => {
    const { dtype } = [x, y].find((v) => v !== undefined && typeof v !== 'number')?.toTensor() ?? {};
    return apply('where', c ?? truth(condition, dtype!), x!, y!);
  });
}
/** A condition as another dtype, in which a small number might be 0. */
function truth(condition: Operand, dtype: DType): Operand {
  if (typeof condition === 'number') return condition;
  const t = condition.toTensor();
  return castTo(t.dtype === 'f64' && dtype === 'f32' ? apply('sub', 1, apply('equal', t, 0)) : t, dtype);
}
const WHERE = { name: 'where', whole: true } as const;
const readWhere = signature('ops.where', { condition: operand, a: operand, b: operand });

/**
 * The largest whole number not above x; no gradient.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.floor
 */
export const floor: (x: TensorLike) => Tensor = unary('floor');
/**
 * The nearest whole number, halves to even; no gradient.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.round
 */
export const round: (x: TensorLike) => Tensor = unary('round');

// ---- conversion --------------------------------------------------------------------------------------------------
const readCast = signature('ops.cast', { x: tensor, dtype: choice('f32', 'f64', 'i32', 'u8') });

/**
 * `x` in another dtype. From a float to an integer: toward zero, saturating at the ends of the range, NaN to 0. The
 * gradient passes between floats.
 * @shape x [...] -> [...]
 * @throws OptionError for an unknown dtype
 * @see torch.Tensor.to
 */
export function cast(x: TensorLike, dtype: DType): Tensor {
  const { x: t } = readCast(arguments);
  return castTo(t, dtype);
}
