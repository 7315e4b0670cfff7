// elementwise.ts: arithmetic, powers, comparisons, choice and rounding, element by element, with numpy broadcasting. All are
// operations of the `map` kernel (binding/kernels/elementwise/maps.inc) and fuse into chains. Activations stand in activation.ts.
import { OptionError } from '../../errors.ts';
import { CONSTANT, type Tensor, type TensorLike } from '../../ir/graph.ts';
import type { DType, OpDef } from '../../ir/op.ts';
import { choice, options, signature } from '../../options/index.ts';
import { operand, tensor } from '../args.ts';
import { apply, binary, elementwise, type NoAttrs, unary } from './elementwise-op.ts';
import { chainOp } from './map.ts';
import type { Operand } from './operand.ts';

const noGradients = (_: Tensor, ins: readonly Tensor[]): null[] => ins.map(() => null);
/** Of a constant no gradient is asked. */
const wanted = (t: Tensor, gradient: () => Tensor): Tensor | null => (t.node.op === CONSTANT ? null : gradient());

// ---- arithmetic --------------------------------------------------------------------------------------------------
export const ADD: OpDef<NoAttrs> = elementwise('add', 2, { vjp: (dy) => [dy, dy] });
export const SUB: OpDef<NoAttrs> = elementwise('sub', 2, { vjp: (dy, [, b]) => [dy, wanted(b!, () => neg(dy))] });
export const MUL: OpDef<NoAttrs> = elementwise('mul', 2, {
  vjp: (dy, [a, b]) => [wanted(a!, () => mul(dy, b!)), wanted(b!, () => mul(dy, a!))],
});
export const DIV: OpDef<NoAttrs> = elementwise('div', 2, {
  vjp: (dy, [, b], y) => [div(dy, b!), wanted(b!, () => neg(div(mul(dy, y), b!)))],
  fill: ['normal', 'positive'],
});
export const NEG: OpDef<NoAttrs> = elementwise('neg', 1, { vjp: (dy) => [neg(dy)] });
export const ABS: OpDef<NoAttrs> = elementwise('abs', 1, { vjp: (dy, [x]) => [mul(dy, sign(x!))] });
export const SIGN: OpDef<NoAttrs> = elementwise('sign', 1, { vjp: noGradients, noGradient: true });

/**
 * `a + b`, broadcast.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; DTypeError unless both are f32 or both f64; ShapeError if they do not broadcast
 * @see torch.add
 */
export const add: (a: Operand, b: Operand) => Tensor = binary('add', ADD);
/**
 * `a - b`, broadcast.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; DTypeError unless both are f32 or both f64; ShapeError if they do not broadcast
 * @see torch.sub
 */
export const sub: (a: Operand, b: Operand) => Tensor = binary('sub', SUB);
/**
 * `a * b`, broadcast.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; DTypeError unless both are f32 or both f64; ShapeError if they do not broadcast
 * @see torch.mul
 */
export const mul: (a: Operand, b: Operand) => Tensor = binary('mul', MUL);
/**
 * `a / b`, broadcast; division by 0 gives an infinity or NaN.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; DTypeError unless both are f32 or both f64; ShapeError if they do not broadcast
 * @see torch.div
 */
export const div: (a: Operand, b: Operand) => Tensor = binary('div', DIV);
/**
 * Minus `x`.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.neg
 */
export const neg: (x: TensorLike) => Tensor = unary('neg', NEG);
/**
 * The absolute value; its gradient at 0 is 0.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.abs
 */
export const abs: (x: TensorLike) => Tensor = unary('abs', ABS);
/**
 * -1, 0 or 1; 0 for NaN.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.sign
 */
export const sign: (x: TensorLike) => Tensor = unary('sign', SIGN);

// ---- powers and exponentials -------------------------------------------------------------------------------------
export const SQUARE: OpDef<NoAttrs> = elementwise('square', 1, { vjp: (dy, [x]) => [mul(dy, mul(x!, 2))] });
export const SQRT: OpDef<NoAttrs> = elementwise('sqrt', 1, { vjp: (dy, _, y) => [div(mul(dy, 0.5), y)], fill: ['positive'] });
export const RSQRT: OpDef<NoAttrs> = elementwise('rsqrt', 1, {
  vjp: (dy, _, y) => [mul(mul(dy, -0.5), mul(y, square(y)))],
  fill: ['positive'],
});
export const RECIPROCAL: OpDef<NoAttrs> = elementwise('reciprocal', 1, {
  vjp: (dy, _, y) => [neg(mul(dy, square(y)))],
  fill: ['positive'],
});
export const EXP: OpDef<NoAttrs> = elementwise('exp', 1, { vjp: (dy, _, y) => [mul(dy, y)] });
export const LOG: OpDef<NoAttrs> = elementwise('log', 1, { vjp: (dy, [x]) => [div(dy, x!)], fill: ['positive'] });
export const LOG1P: OpDef<NoAttrs> = elementwise('log1p', 1, { vjp: (dy, [x]) => [div(dy, add(x!, 1))], fill: [[-0.5, 3]] });
export const ERF: OpDef<NoAttrs> = elementwise('erf', 1, {
  vjp: (dy, [x]) => [mul(dy, mul(exp(neg(square(x!))), 2 / Math.sqrt(Math.PI)))],
});
export const POW: OpDef<NoAttrs> = elementwise('pow', 2, {
  // Where the formulas would give 0 * infinity, both are 0.
  vjp: (dy, [a, b], y) => [
    wanted(a!, () => where(equal(b!, 0), 0, mul(dy, mul(b!, pow(a!, sub(b!, 1)))))),
    wanted(b!, () => mul(dy, where(mul(equal(a!, 0), lessEqual(0, b!)), 0, mul(y, log(a!))))),
  ],
  fill: ['positive', 'normal'],
});

/**
 * The square, `x * x`.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.square
 */
export const square: (x: TensorLike) => Tensor = unary('square', SQUARE);
/**
 * The square root; NaN below 0.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.sqrt
 */
export const sqrt: (x: TensorLike) => Tensor = unary('sqrt', SQRT);
/**
 * The reciprocal of the square root, `1 / sqrt(x)`.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.rsqrt
 */
export const rsqrt: (x: TensorLike) => Tensor = unary('rsqrt', RSQRT);
/**
 * The reciprocal, `1 / x`.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.reciprocal
 */
export const reciprocal: (x: TensorLike) => Tensor = unary('reciprocal', RECIPROCAL);
/**
 * e to the power x.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.exp
 */
export const exp: (x: TensorLike) => Tensor = unary('exp', EXP);
/**
 * The natural logarithm: -Infinity at 0, NaN below.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.log
 */
export const log: (x: TensorLike) => Tensor = unary('log', LOG);
/**
 * `log(1 + x)`, exact for small x.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.log1p
 */
export const log1p: (x: TensorLike) => Tensor = unary('log1p', LOG1P);
/**
 * The error function.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.erf
 */
export const erf: (x: TensorLike) => Tensor = unary('erf', ERF);
/**
 * `a` to the power `b`, broadcast; a negative `a` needs whole `b`.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; DTypeError unless both are f32 or both f64; ShapeError if they do not broadcast
 * @see torch.pow
 */
export const pow: (a: Operand, b: Operand) => Tensor = binary('pow', (a, b) => {
  if (typeof a !== 'number') {
    if (b === 1) return a.toTensor();
    if (b === 2) return square(a);
    if (b === 0.5) return sqrt(a);
    if (b === -1) return reciprocal(a);
  }
  return apply(POW, a, b);
});

// ---- least, greatest, comparisons, choice ------------------------------------------------------------------------
// At a tie each side gets half the gradient.
const share = (dy: Tensor, loses: Tensor, a: Tensor, b: Tensor): Tensor => where(loses, 0, where(equal(a, b), mul(dy, 0.5), dy));
export const MINIMUM: OpDef<NoAttrs> = elementwise('minimum', 2, {
  vjp: (dy, [a, b]) => [wanted(a!, () => share(dy, less(b!, a!), a!, b!)), wanted(b!, () => share(dy, less(a!, b!), a!, b!))],
});
export const MAXIMUM: OpDef<NoAttrs> = elementwise('maximum', 2, {
  vjp: (dy, [a, b]) => [wanted(a!, () => share(dy, less(a!, b!), a!, b!)), wanted(b!, () => share(dy, less(b!, a!), a!, b!))],
});
export const CLAMP: OpDef<NoAttrs> = elementwise('clamp', 3, {
  vjp: (dy, [x, lo, hi]) => [
    where(mul(lessEqual(lo!, x!), lessEqual(x!, hi!)), dy, 0),
    wanted(lo!, () => where(mul(less(x!, lo!), less(lo!, hi!)), dy, 0)),
    wanted(hi!, () => where(maximum(less(hi!, x!), less(hi!, lo!)), dy, 0)),
  ],
  fill: [
    [-3, 3],
    [-1, -0.5],
    [0.5, 1],
  ],
});
export const LESS: OpDef<NoAttrs> = elementwise('less', 2, { vjp: noGradients, noGradient: true });
export const LESS_EQUAL: OpDef<NoAttrs> = elementwise('lessEqual', 2, { vjp: noGradients, noGradient: true });
export const EQUAL: OpDef<NoAttrs> = elementwise('equal', 2, { vjp: noGradients, noGradient: true });
export const IS_FINITE: OpDef<NoAttrs> = elementwise('isFinite', 1, { vjp: noGradients, noGradient: true });
export const WHERE: OpDef<NoAttrs> = elementwise('where', 3, {
  vjp: (dy, [c, a, b]) => [null, wanted(a!, () => where(c!, dy, 0)), wanted(b!, () => where(c!, 0, dy))],
});
export const FLOOR: OpDef<NoAttrs> = elementwise('floor', 1, { vjp: noGradients, noGradient: true });
export const ROUND: OpDef<NoAttrs> = elementwise('round', 1, { vjp: noGradients, noGradient: true });

/**
 * The smaller of each pair, broadcast; NaN if either is NaN. At a tie each gets half the gradient.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; DTypeError unless both are f32 or both f64; ShapeError if they do not broadcast
 * @see torch.minimum
 */
export const minimum: (a: Operand, b: Operand) => Tensor = binary('minimum', MINIMUM);
/**
 * The larger of each pair, broadcast; NaN if either is NaN. At a tie each gets half the gradient.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; DTypeError unless both are f32 or both f64; ShapeError if they do not broadcast
 * @see torch.maximum
 */
export const maximum: (a: Operand, b: Operand) => Tensor = binary('maximum', MAXIMUM);
/** Options of `ops.clamp`. */
export interface ClampOptions {
  /** Lower bound: a number, or a tensor [...] that broadcasts. Default -Infinity. */
  readonly min?: Operand;
  /** Upper bound: a number, or a tensor [...] that broadcasts. Default Infinity. */
  readonly max?: Operand;
}
const readClamp = signature(
  'ops.clamp',
  { x: operand },
  options<ClampOptions>()({ min: operand.optional(), max: operand.optional() }),
);

/**
 * `x` limited to [min, max]; one of them may be absent. Where min > max the result is max. The gradient passes at the
 * bounds.
 * @shape x [...] -> [...], broadcast with both bounds
 * @throws OptionError, also if both bounds are absent; ShapeError if they do not broadcast; DTypeError unless all are
 * f32 or all f64
 * @see torch.clamp
 */
export function clamp(x: Operand, options: ClampOptions): Tensor {
  const { min, max } = readClamp(arguments);
  if (min === undefined && max === undefined) throw new OptionError('ops.clamp: expected option min or max, got neither');
  return apply(CLAMP, x, min ?? -Infinity, max ?? Infinity);
}
/**
 * 1 where `a < b`, else 0, in the operands' dtype.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; DTypeError unless both are f32 or both f64; ShapeError if they do not broadcast
 * @see torch.lt
 */
export const less: (a: Operand, b: Operand) => Tensor = binary('less', LESS);
/**
 * 1 where `a <= b`, else 0.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; DTypeError unless both are f32 or both f64; ShapeError if they do not broadcast
 * @see torch.le
 */
export const lessEqual: (a: Operand, b: Operand) => Tensor = binary('lessEqual', LESS_EQUAL);
/**
 * 1 where `a > b`, else 0.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; DTypeError unless both are f32 or both f64; ShapeError if they do not broadcast
 * @see torch.gt
 */
export const greater: (a: Operand, b: Operand) => Tensor = binary('greater', (a, b) => apply(LESS, b, a));
/**
 * 1 where `a >= b`, else 0.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; DTypeError unless both are f32 or both f64; ShapeError if they do not broadcast
 * @see torch.ge
 */
export const greaterEqual: (a: Operand, b: Operand) => Tensor = binary('greaterEqual', (a, b) => apply(LESS_EQUAL, b, a));
/**
 * 1 where `a` equals `b`, else 0 (NaN equals nothing).
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; DTypeError unless both are f32 or both f64; ShapeError if they do not broadcast
 * @see torch.eq
 */
export const equal: (a: Operand, b: Operand) => Tensor = binary('equal', EQUAL);
/**
 * 1 where `a` differs from `b`, else 0.
 * @shape a [...], b [...] -> [...], broadcast
 * @throws OptionError; DTypeError unless both are f32 or both f64; ShapeError if they do not broadcast
 * @see torch.ne
 */
export const notEqual: (a: Operand, b: Operand) => Tensor = binary('notEqual', (a, b) => sub(1, equal(a, b)));
/**
 * 1 where `x` is neither infinite nor NaN, else 0.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.isfinite
 */
// biome-ignore lint/suspicious/noShadowRestrictedNames: PyTorch's name
export const isFinite: (x: TensorLike) => Tensor = unary('isFinite', IS_FINITE);
/**
 * `a` where the condition is not 0, else `b`, broadcast; all of one dtype.
 * @shape condition [...], a [...], b [...] -> [...], broadcast
 * @throws OptionError; ShapeError if they do not broadcast; DTypeError unless all are f32 or all f64
 * @see torch.where
 */
export function where(condition: Operand, a: Operand, b: Operand): Tensor {
  readWhere(arguments);
  return apply(WHERE, condition, a, b);
}
const readWhere = signature('ops.where', { condition: operand, a: operand, b: operand });

/**
 * The largest whole number not above x; no gradient.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.floor
 */
export const floor: (x: TensorLike) => Tensor = unary('floor', FLOOR);
/**
 * The nearest whole number, halves to even; no gradient.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32 or f64
 * @see torch.round
 */
export const round: (x: TensorLike) => Tensor = unary('round', ROUND);

// ---- conversion --------------------------------------------------------------------------------------------------
export interface CastAttrs {
  readonly dtype: DType;
}
export const CAST: OpDef<CastAttrs> = {
  // f32 holds every u8 exactly, f64 every i32.
  ...chainOp<CastAttrs>('cast', ({ dtype }, [x]) => {
    const narrow = [x?.dtype, dtype].every((d) => d === 'f32' || d === 'u8');
    return { steps: [], dtype: narrow ? 'f32' : 'f64', outDtype: dtype };
  }),
  vjp(node, [dy]) {
    const from = (node.ins[0] as Tensor).dtype;
    return [dy && (from === 'f32' || from === 'f64') ? cast(dy, from) : null];
  },
  samples: () => [
    { ins: [{ dtype: 'f32', shape: [3, 11] }], attrs: { dtype: 'f64' } },
    { ins: [{ dtype: 'f64', shape: [1037] }], attrs: { dtype: 'f32' } },
    { ins: [{ dtype: 'f64', shape: [17] }], fill: [[-1e10, 1e10]], attrs: { dtype: 'i32' }, noGradient: true },
    { ins: [{ dtype: 'f32', shape: [33] }], fill: [[-300, 600]], attrs: { dtype: 'u8' }, noGradient: true },
    { ins: [{ dtype: 'u8', shape: [2, 9] }], fill: [[0, 256]], attrs: { dtype: 'f32' }, noGradient: true },
    { ins: [{ dtype: 'i32', shape: [5] }], fill: [[-100000, 100000]], attrs: { dtype: 'f32' }, noGradient: true },
    { ins: [{ dtype: 'i32', shape: [0] }], fill: [[0, 9]], attrs: { dtype: 'u8' }, noGradient: true },
  ],
};

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
  return t.dtype === dtype ? t : t.graph.add(CAST, [t], { dtype }).out;
}

/** The records of this file. */
// biome-ignore lint/suspicious/noExplicitAny: as in index.ts
export const ELEMENTWISE: readonly OpDef<any>[] = [
  ...[ADD, SUB, MUL, DIV, NEG, ABS, SIGN, SQUARE, SQRT, RSQRT, RECIPROCAL, EXP, LOG, LOG1P, ERF, POW, MINIMUM, MAXIMUM, CLAMP],
  ...[LESS, LESS_EQUAL, EQUAL, IS_FINITE, WHERE, FLOOR, ROUND, CAST],
];
