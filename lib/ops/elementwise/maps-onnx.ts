// maps-onnx.ts: elementwise operations as ONNX has them, by their names in maps.ts.
import type { OnnxBuilder, OnnxValue } from '../../ir/onnx.ts';

type Float = 'f32' | 'f64';
/** Of operands of one type, a value of that type. */
type Write = (b: OnnxBuilder, ins: readonly OnnxValue[], dtype: Float) => OnnxValue;

const as =
  (op: string): Write =>
  (b, ins) =>
    b.node(op, ins);

/** 1 where a condition holds, else 0. */
const flag =
  (op: string): Write =>
  (b, ins, dtype) =>
    b.cast(b.node(op, ins), 'bool', dtype);

const product = (b: OnnxBuilder, ...ins: readonly OnnxValue[]): OnnxValue => ins.reduce((x, y) => b.node('Mul', [x, y]));

/** x / 2 * (1 + f) */
const half = (b: OnnxBuilder, x: OnnxValue, f: OnnxValue, dtype: Float): OnnxValue =>
  product(b, product(b, x, b.scalar(dtype, 0.5)), b.node('Add', [f, b.scalar(dtype, 1)]));

/** Gelu is an operator of its own from this version on. */
const GELU = 20;

const gelu: Write = (b, [x], dtype) => {
  if (b.opset >= GELU) return b.node('Gelu', [x!], { approximate: 'none' });
  return half(b, x!, b.node('Erf', [product(b, x!, b.scalar(dtype, 1 / Math.SQRT2))]), dtype);
};

const geluTanh: Write = (b, [x], dtype) => {
  if (b.opset >= GELU) return b.node('Gelu', [x!], { approximate: 'tanh' });
  const cube = product(b, x!, x!, x!, b.scalar(dtype, 0.044715));
  const inner = product(b, b.node('Add', [x!, cube]), b.scalar(dtype, Math.sqrt(2 / Math.PI)));
  return half(b, x!, b.node('Tanh', [inner]), dtype);
};

/** Programs know it of f32 alone. */
const softplus: Write = (b, [x], dtype) => {
  if (dtype === 'f32') return b.node('Softplus', [x!]);
  const small = b.node('Exp', [b.node('Neg', [b.node('Abs', [x!])])]);
  const log = b.node('Log', [b.node('Add', [small, b.scalar(dtype, 1)])]);
  return b.node('Add', [b.node('Max', [x!, b.scalar(dtype, 0)]), log]);
};

/** Below 0, exp(v) - 1 is 2 t / (1 - t), with t the tanh of v / 2: exact for small v, and nothing is lost in the difference. */
const expUnit: Write = (b, [x, alpha, per], dtype) => {
  const v = b.node('Min', [product(b, x!, per!), b.scalar(dtype, 0)]);
  const t = b.node('Tanh', [product(b, v, b.scalar(dtype, 0.5))]);
  const grown = product(b, b.node('Div', [t, b.node('Sub', [b.scalar(dtype, 1), t])]), b.scalar(dtype, 2));
  return b.node('Where', [b.node('Less', [x!, b.scalar(dtype, 0)]), product(b, grown, alpha!), x!]);
};

/** x n / (n + 2), with n = e (e + 2) and e the exponential of x. From 20 on that is x in f32, from 40 on in f64. */
const mish: Write = (b, [x], dtype) => {
  const e = b.node('Exp', [b.node('Min', [x!, b.scalar(dtype, dtype === 'f32' ? 20 : 40)])]);
  const n = product(b, e, b.node('Add', [e, b.scalar(dtype, 2)]));
  return product(b, x!, b.node('Div', [n, b.node('Add', [n, b.scalar(dtype, 2)])]));
};

/** In f64, where 1 + x keeps what f32 would lose. */
const log1p: Write = (b, [x], dtype) => {
  const sum = b.node('Add', [b.cast(x!, dtype, 'f64'), b.scalar('f64', 1)]);
  return b.cast(b.node('Log', [sum]), 'f64', dtype);
};

/** What stands for the operations that predictions are made of; of those that gradients alone are made of there is none. */
export const ONNX_MAPS: Readonly<Record<string, Write>> = {
  add: as('Add'),
  sub: as('Sub'),
  mul: as('Mul'),
  div: as('Div'),
  neg: as('Neg'),
  abs: as('Abs'),
  sign: as('Sign'),
  square: (b, [x]) => product(b, x!, x!),
  sqrt: as('Sqrt'),
  rsqrt: (b, [x]) => b.node('Reciprocal', [b.node('Sqrt', [x!])]),
  reciprocal: as('Reciprocal'),
  exp: as('Exp'),
  log: as('Log'),
  log1p,
  erf: as('Erf'),
  sin: as('Sin'),
  cos: as('Cos'),
  pow: as('Pow'),
  minimum: as('Min'),
  maximum: as('Max'),
  clamp: (b, [x, low, high]) => b.node('Min', [b.node('Max', [x!, low!]), high!]),
  less: flag('Less'),
  lessEqual: flag('LessOrEqual'),
  equal: flag('Equal'),
  isFinite(b, [x], dtype) {
    const not = b.node('Or', [b.node('IsNaN', [x!]), b.node('IsInf', [x!])]);
    return b.cast(b.node('Not', [not]), 'bool', dtype);
  },
  fma: (b, [x, y, z]) => b.node('Add', [product(b, x!, y!), z!]),
  where: (b, [condition, x, y], dtype) => b.node('Where', [b.cast(condition!, dtype, 'bool'), x!, y!]),
  floor: as('Floor'),
  round: as('Round'),
  relu: as('Relu'),
  tanh: as('Tanh'),
  sigmoid: as('Sigmoid'),
  gelu,
  geluTanh,
  silu: (b, [x]) => product(b, x!, b.node('Sigmoid', [x!])),
  softplus,
  expUnit,
  mish,
  logSigmoid: (b, [x], dtype) => b.node('Neg', [softplus(b, [b.node('Neg', [x!])], dtype)]),
  flush: (_, [x]) => x!,
};
