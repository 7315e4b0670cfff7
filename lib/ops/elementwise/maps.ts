// maps.ts: THE table of elementwise operations of the `map` kernel: what each computes, its gradient, how it is tested. Its twin is
// binding/kernels/elementwise/maps.inc; test/ops/map.test.ts compares the two. Adding one: a row here, an entry there, and for
// users a function in elementwise.ts or activation.ts.

import { GraphError } from '../../errors.ts';
import { CONSTANT, type Tensor } from '../../ir/graph.ts';
import { f32, f64, type OpDef, type Sample, type TensorType } from '../../ir/op.ts';
import { cos, erf, erfc, exp, log, log1p, pow, sin, tanh } from '../../math/index.ts';
import { type Operand, tensors } from '../args.ts';
import { chainOp, floatDtype, type MapAttrs } from './chain.ts';
import { mapSamples } from './map-samples.ts';
import { ONNX_MAPS } from './maps-onnx.ts';

export interface MapRow {
  readonly arity: 1 | 2 | 3;
  /** The meaning, of one element in f64. NaN as in PyTorch: minimum, maximum, clamp and relu hand it on; a comparison with it is 0. */
  readonly of: (a: number, b: number, c: number) => number;
  /** Gradients of the inputs, in the output's shape (which is summed to the inputs'); null: none. Absent: not differentiable. */
  readonly vjp?: (dy: Tensor, ins: readonly Tensor[], y: Tensor) => (Tensor | null)[];
  /** Its derivative in x, where the gradient reads what went in: it makes `<name>Grad`, of (x, dy), and `vjp`. */
  readonly slope?: (x: number) => number;
  /** The derivative of `slope`, of operations: what the gradient's gradient reads. */
  readonly curve?: (x: Tensor) => Tensor;
  /** Integers give integers; else they are taken as floats. */
  readonly whole?: boolean;
  /** May end a product: the compiler fuses it into matmul and convolutions. What has a `slope` leaves it behind there. */
  readonly ends?: boolean;
  /** A transcendental function: counted as 20 flops. */
  readonly costly?: boolean;
  /** How tests fill the inputs, where the domain is not all numbers. */
  readonly fill?: readonly ('normal' | 'positive' | readonly [number, number])[];
  /** Has steps: not compared with finite differences. */
  readonly noGradient?: boolean;
}

const sigmoid = (x: number): number => (x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)));
/** exp(x) - 1, exact for small x too. */
const expm1 = (x: number): number => {
  if (Math.abs(x) > 0.5) return exp(x) - 1;
  const t = tanh(x / 2);
  return (2 * t) / (1 - t);
};
/** The normal distribution function. */
const cdf = (x: number): number => 0.5 * erfc(-x / Math.SQRT2);
/** The sigmoid's argument in the tanh form of gelu: x / 2 * (1 + tanh(u / 2)) = x * sigmoid(u). */
const geluTanhArg = (x: number): number => 2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);
const flag = (condition: boolean): number => (condition ? 1 : 0);

/** Nodes of the operations that gradients are made of. */
const MADE = [
  'add',
  'clamp',
  'cos',
  'div',
  'equal',
  'exp',
  'expUnit',
  'expUnitGrad',
  'flush',
  'less',
  'lessEqual',
  'log',
  'maximum',
  'minimum',
  'mul',
  'neg',
  'pow',
  'reluGrad',
  'sigmoid',
  'sign',
  'sin',
  'square',
  'sub',
  'where',
] as const;
type Make = (...operands: readonly Operand[]) => Tensor;
const make = Object.fromEntries(
  MADE.map((name): [string, Make] => [name, (...operands) => apply(name, ...operands)]),
) as Readonly<Record<(typeof MADE)[number], Make>>;
const noGradients = (_: Tensor, ins: readonly Tensor[]): null[] => ins.map(() => null);
const STEPS = { vjp: noGradients, noGradient: true } as const;
/** Of a constant no gradient is asked. */
const wanted = (t: Tensor, gradient: () => Tensor): Tensor | null => (t.node.op === CONSTANT ? null : gradient());
/** At a tie each side gets half the gradient. */
const share = (dy: Tensor, loses: Tensor, a: Tensor, b: Tensor): Tensor =>
  make.where(loses, 0, make.where(make.equal(a, b), make.mul(dy, 0.5), dy));
/** A unit that saturates has gradients that come to nothing, and products with denormals are slow. */
const flushed = (x: Tensor): Tensor => make.flush(x);

/** Beyond these, curves of gelu and of silu are 0. */
const FAR = 15;
const FLAT = 200;
/** From here on mish is x itself, in f64 too. */
const MISH_MOST = 40;
/** With e the exponential of x, n = e (e + 2): tanh(log(1 + e)) is n / (n + 2). */
const mishParts = (given: number): { x: number; e: number; n: number } => {
  const x = Math.min(given, MISH_MOST);
  const e = exp(x);
  return { x, e, n: e * (e + 2) };
};

const ROWS = {
  add: { arity: 2, whole: true, of: (a, b) => a + b, vjp: (dy) => [dy, dy] },
  sub: { arity: 2, whole: true, of: (a, b) => a - b, vjp: (dy, [, b]) => [dy, wanted(b!, () => make.neg(dy))] },
  mul: {
    arity: 2,
    whole: true,
    of: (a, b) => a * b,
    vjp: (dy, [a, b]) => [wanted(a!, () => make.mul(dy, b!)), wanted(b!, () => make.mul(dy, a!))],
  },
  div: {
    arity: 2,
    of: (a, b) => a / b,
    vjp: (dy, [, b], y) => [make.div(dy, b!), wanted(b!, () => make.neg(make.div(make.mul(dy, y), b!)))],
    fill: ['normal', 'positive'],
  },
  neg: { arity: 1, whole: true, of: (x) => -x, vjp: (dy) => [make.neg(dy)] },
  abs: { arity: 1, whole: true, of: Math.abs, vjp: (dy, [x]) => [make.mul(dy, make.sign(x!))] },
  sign: { arity: 1, whole: true, of: (x) => flag(x > 0) - flag(x < 0), ...STEPS },
  square: { arity: 1, whole: true, of: (x) => x * x, vjp: (dy, [x]) => [make.mul(dy, make.mul(x!, 2))] },
  sqrt: { arity: 1, of: Math.sqrt, vjp: (dy, _, y) => [make.div(make.mul(dy, 0.5), y)], fill: ['positive'] },
  rsqrt: {
    arity: 1,
    of: (x) => 1 / Math.sqrt(x),
    vjp: (dy, _, y) => [make.mul(make.mul(dy, -0.5), make.mul(y, make.square(y)))],
    fill: ['positive'],
  },
  reciprocal: { arity: 1, of: (x) => 1 / x, vjp: (dy, _, y) => [make.neg(make.mul(dy, make.square(y)))], fill: ['positive'] },
  exp: { arity: 1, of: exp, vjp: (dy, _, y) => [make.mul(dy, y)], costly: true },
  log: { arity: 1, of: log, vjp: (dy, [x]) => [make.div(dy, x!)], fill: ['positive'], costly: true },
  log1p: { arity: 1, of: log1p, vjp: (dy, [x]) => [make.div(dy, make.add(x!, 1))], fill: [[-0.5, 3]], costly: true },
  erf: {
    arity: 1,
    of: erf,
    vjp: (dy, [x]) => [make.mul(dy, make.mul(make.exp(make.neg(make.square(x!))), 2 / Math.sqrt(Math.PI)))],
    costly: true,
  },
  sin: { arity: 1, of: sin, vjp: (dy, [x]) => [make.mul(dy, make.cos(x!))], costly: true },
  cos: { arity: 1, of: cos, vjp: (dy, [x]) => [make.neg(make.mul(dy, make.sin(x!)))], costly: true },
  pow: {
    arity: 2,
    whole: true,
    of: pow,
    // Where the formulas would give 0 * infinity, both are 0.
    vjp: (dy, [a, b], y) => [
      wanted(a!, () => make.where(make.equal(b!, 0), 0, make.mul(dy, make.mul(b!, make.pow(a!, make.sub(b!, 1)))))),
      wanted(b!, () => {
        const none = make.mul(make.equal(a!, 0), make.lessEqual(0, b!));
        return make.mul(dy, make.where(none, 0, make.mul(y, make.log(a!))));
      }),
    ],
    fill: ['positive', 'normal'],
    costly: true,
  },

  minimum: {
    arity: 2,
    whole: true,
    of: (a, b) => Math.min(a, b),
    vjp: (dy, [a, b]) => [
      wanted(a!, () => share(dy, make.less(b!, a!), a!, b!)),
      wanted(b!, () => share(dy, make.less(a!, b!), a!, b!)),
    ],
  },
  maximum: {
    arity: 2,
    whole: true,
    of: (a, b) => Math.max(a, b),
    vjp: (dy, [a, b]) => [
      wanted(a!, () => share(dy, make.less(a!, b!), a!, b!)),
      wanted(b!, () => share(dy, make.less(b!, a!), a!, b!)),
    ],
  },
  clamp: {
    arity: 3,
    whole: true,
    of: (x, lo, hi) => Math.min(Math.max(x, lo), hi),
    vjp: (dy, [x, lo, hi]) => [
      make.where(make.mul(make.lessEqual(lo!, x!), make.lessEqual(x!, hi!)), dy, 0),
      wanted(lo!, () => make.where(make.mul(make.less(x!, lo!), make.less(lo!, hi!)), dy, 0)),
      wanted(hi!, () => make.where(make.maximum(make.less(hi!, x!), make.less(hi!, lo!)), dy, 0)),
    ],
    fill: [
      [-3, 3],
      [-1, -0.5],
      [0.5, 1],
    ],
  },
  less: { arity: 2, whole: true, of: (a, b) => flag(a < b), ...STEPS },
  lessEqual: { arity: 2, whole: true, of: (a, b) => flag(a <= b), ...STEPS },
  equal: { arity: 2, whole: true, of: (a, b) => flag(a === b), ...STEPS },
  isFinite: { arity: 1, whole: true, of: (x) => flag(Number.isFinite(x)), ...STEPS },
  /** Of f32 rounded once; on the x86-64 baseline, which has no such instruction, twice. */
  fma: {
    arity: 3,
    whole: true,
    of: (a, b, c) => a * b + c,
    vjp: (dy, [a, b, c]) => [wanted(a!, () => make.mul(dy, b!)), wanted(b!, () => make.mul(dy, a!)), wanted(c!, () => dy)],
  },
  where: {
    arity: 3,
    whole: true,
    of: (c, a, b) => (c === 0 ? b : a),
    vjp: (dy, [c, a, b]) => [null, wanted(a!, () => make.where(c!, dy, 0)), wanted(b!, () => make.where(c!, 0, dy))],
  },
  floor: { arity: 1, whole: true, of: Math.floor, ...STEPS },
  /** Half to even. */
  round: { arity: 1, whole: true, of: (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)), ...STEPS },

  relu: { arity: 1, whole: true, of: (x) => Math.max(0, x), vjp: (dy, _, y) => [make.reluGrad(y, dy)], ends: true },
  tanh: { arity: 1, of: tanh, vjp: (dy, _, y) => [make.mul(dy, make.sub(1, make.square(y)))], ends: true, costly: true },
  sigmoid: {
    arity: 1,
    of: sigmoid,
    vjp: (dy, _, y) => [flushed(make.mul(dy, make.mul(y, make.sub(1, y))))],
    ends: true,
    costly: true,
  },
  gelu: {
    arity: 1,
    of: (x) => x * cdf(x),
    slope: (x) => cdf(x) + (x * exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI),
    // (2 - x^2) times the density. Far out the square would be infinite where it is to be multiplied with 0.
    curve(x) {
      const square = make.square(make.clamp(x, -FAR, FAR));
      return make.mul(make.mul(make.exp(make.mul(square, -0.5)), make.sub(2, square)), 1 / Math.sqrt(2 * Math.PI));
    },
    ends: true,
    costly: true,
  },
  geluTanh: {
    arity: 1,
    of: (x) => x * sigmoid(geluTanhArg(x)),
    slope(x) {
      const s = sigmoid(geluTanhArg(x));
      return s + x * s * (1 - s) * 2 * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);
    },
    // With u the argument: 2 s' u' + x (s'' u'^2 + s' u'').
    curve(given) {
      const x = make.clamp(given, -FAR, FAR);
      const unit = 2 * Math.sqrt(2 / Math.PI);
      const square = make.square(x);
      const [one, two] = [make.mul(make.add(make.mul(square, 3 * 0.044715), 1), unit), make.mul(x, 6 * 0.044715 * unit)];
      const s = make.sigmoid(make.mul(make.mul(x, make.add(make.mul(square, 0.044715), 1)), unit));
      const first = make.mul(s, make.sub(1, s));
      const second = make.mul(first, make.sub(1, make.mul(s, 2)));
      const bent = make.add(make.mul(second, make.square(one)), make.mul(first, two));
      return make.add(make.mul(make.mul(first, one), 2), make.mul(x, bent));
    },
    ends: true,
    costly: true,
  },
  silu: {
    arity: 1,
    of: (x) => x * sigmoid(x),
    slope: (x) => sigmoid(x) + x * sigmoid(x) * (1 - sigmoid(x)),
    curve(x) {
      const s = make.sigmoid(x);
      const bent = make.add(make.mul(make.clamp(x, -FLAT, FLAT), make.sub(1, make.mul(s, 2))), 2);
      return make.mul(make.mul(s, make.sub(1, s)), bent);
    },
    ends: true,
    costly: true,
  },
  softplus: {
    arity: 1,
    of: (x) => Math.max(0, x) + log1p(exp(-Math.abs(x))),
    vjp: (dy, [x]) => [flushed(make.mul(dy, make.sigmoid(x!)))],
    costly: true,
  },
  /** Exponential linear units, of x, alpha and a positive `per`: x, and below 0 alpha (exp(per x) - 1). */
  expUnit: {
    arity: 3,
    of: (x, alpha, per) => (x < 0 ? alpha * expm1(Math.min(0, per * x)) : x),
    vjp(dy, [x, alpha, per]) {
      const grown = (): Tensor => make.minimum(make.mul(x!, per!), 0);
      const below = (slope: Tensor): Tensor => make.where(make.less(x!, 0), make.mul(dy, slope), 0);
      return [
        make.expUnitGrad(make.mul(x!, per!), dy, make.mul(alpha!, per!)),
        wanted(alpha!, () => below(make.expUnit(grown(), 1, 1))),
        wanted(per!, () => below(make.mul(make.mul(alpha!, x!), make.exp(grown())))),
      ];
    },
    fill: ['normal', 'positive', 'positive'],
    costly: true,
  },
  /** Of what the exponential is of, the gradient, and the slope below 0 but for the exponential. */
  expUnitGrad: {
    arity: 3,
    of: (x, dy, slope) => (x > 0 ? dy : dy * (slope * exp(x))),
    vjp(g, [x, dy, slope]) {
      const both = make.mul(g, dy!);
      // At 0, where it bends, there is no more slope, as PyTorch has it.
      const curve = make.where(make.less(x!, 0), make.expUnitGrad(x!, both, slope!), 0);
      const bySlope = (): Tensor => make.where(make.lessEqual(x!, 0), make.expUnitGrad(x!, both, 1), 0);
      return [curve, make.expUnitGrad(x!, g, slope!), wanted(slope!, bySlope)];
    },
    fill: ['normal', 'normal', 'positive'],
    costly: true,
  },
  mish: {
    arity: 1,
    of(x) {
      const { n } = mishParts(x);
      return x * (n / (n + 2));
    },
    // t + x s (1 - t^2), with t = n / (n + 2) and s = e / (1 + e): then s (1 - t^2) = 4 e (1 + e) / (n + 2)^2.
    slope(given) {
      const { x, e, n } = mishParts(given);
      return n / (n + 2) + (e === 0 ? 0 : x * (4 * (e / (n + 2)) * ((e + 1) / (n + 2))));
    },
    // With b = s (1 - t^2), the derivative of t: b (2 + x (1 - s - 2 t s)).
    curve(given) {
      const x = make.clamp(given, -FLAT, MISH_MOST);
      const e = make.exp(x);
      const n = make.mul(e, make.add(e, 2));
      const d = make.add(n, 2);
      const bend = make.mul(make.mul(make.div(e, d), make.div(make.add(e, 1), d)), 4);
      const s = make.sigmoid(x);
      const rest = make.sub(make.sub(1, s), make.mul(make.mul(make.div(n, d), s), 2));
      return make.mul(bend, make.add(make.mul(x, rest), 2));
    },
    costly: true,
  },
  logSigmoid: {
    arity: 1,
    of: (x) => Math.min(0, x) - log1p(exp(-Math.abs(x))),
    slope: (x) => sigmoid(-x),
    curve(x) {
      const s = make.sigmoid(x);
      return make.mul(s, make.sub(s, 1));
    },
    costly: true,
  },
  reluGrad: { arity: 2, of: (y, dy) => (y <= 0 ? 0 : dy), vjp: (g, [y]) => [null, make.reluGrad(y!, g)] },
  /** What the kernel does in f32 only: 0 in place of a denormal. */
  flush: { arity: 1, of: (x) => x, vjp: (dy) => [make.flush(dy)] },
} satisfies Readonly<Record<string, MapRow>>;

// ---- the records -------------------------------------------------------------------------------------------------
/** Elementwise ops have no attributes. */
export type NoAttrs = Readonly<Record<string, never>>;
const NONE: NoAttrs = {};

/** Shapes of samples by arity: one element, odd tails, broadcasting on either side, no elements, several blocks. */
const SHAPES: Readonly<Record<number, readonly (readonly (readonly number[])[])[]>> = {
  1: [[[1]], [[]], [[3, 0]], [[2, 19]], [[1037]]],
  2: [
    [[1], [1]],
    [[], [7]],
    [[0, 4], [4]],
    [[5, 7], [7]],
    [
      [3, 1],
      [2, 1, 33],
    ],
    [[1037], [1]],
  ],
  3: [
    [[1], [1], [1]],
    [[5, 7], [7], [5, 1]],
    [[], [1037], [1]],
  ],
};

function samplesOf({ arity, fill, noGradient }: MapRow): Sample<NoAttrs>[] {
  const shapes = SHAPES[arity]!;
  const sample = (type: typeof f32, ins: readonly (readonly number[])[]): Sample<NoAttrs> => ({
    ins: ins.map((shape) => type(...shape)),
    attrs: NONE,
    ...(fill && { fill }),
    ...(noGradient && { noGradient }),
  });
  return [...shapes.map((s) => sample(f32, s)), sample(f64, shapes.at(-2)!)];
}

function recordOf(map: string, row: MapRow): OpDef<NoAttrs> {
  const { arity, vjp } = row;
  const write = ONNX_MAPS[map];
  const args = Array.from({ length: arity }, (_, i) => ({ in: i }));
  const chain = (_: NoAttrs, ins: readonly TensorType[]): MapAttrs => {
    const dtype = floatDtype(map, ins);
    return { steps: [{ map, args }], dtype, outDtype: dtype };
  };
  return {
    ...chainOp<NoAttrs>(map, chain, () => row),
    map,
    broadcasts: true,
    ...(vjp && { vjp: (node, [dy]) => (dy ? vjp(dy, node.ins, node.out) : args.map(() => null)) }),
    ...(write && {
      onnx: (node, b) => [
        write(
          b,
          node.ins.map((t) => b.value(t)),
          node.out.dtype === 'f64' ? 'f64' : 'f32',
        ),
      ],
    }),
    samplesOf: mapSamples(map),
    samples: () => samplesOf(row),
  };
}

/** Rows by name: those above, and the gradients that their slopes make. */
const TABLE: ReadonlyMap<string, MapRow> = new Map(
  Object.entries<MapRow>(ROWS).flatMap(([name, row]): [string, MapRow][] => {
    const { slope, curve, costly = false } = row;
    if (!slope || !curve) return [[name, row]];
    const gradient = `${name}Grad`;
    const again = (g: Tensor, [x, dy]: readonly Tensor[]): Tensor[] => {
      return [flushed(make.mul(make.mul(g, dy!), curve(x!))), apply(gradient, x!, g)];
    };
    return [
      [name, { ...row, vjp: (dy, [x]) => [apply(gradient, x!, dy)] }],
      [gradient, { arity: 2, of: (x, dy) => dy * slope(x), vjp: again, costly }],
    ];
  }),
);
const RECORDS: ReadonlyMap<string, OpDef<NoAttrs>> = new Map(
  Array.from(TABLE, ([name, row]) => [name, recordOf(name, row)] as const),
);

/** All elementwise operations' records. */
export const MAPS: readonly OpDef<NoAttrs>[] = [...RECORDS.values()];

const found = <T>(of: ReadonlyMap<string, T>, name: string): T => {
  const row = of.get(name);
  if (!row) throw new GraphError(`map ${name}: there is no elementwise operation of this name`);
  return row;
};
/** The row of an elementwise operation. @throws GraphError for another name */
export const rowOf = (name: string): MapRow => found(TABLE, name);

/** Those that may end a product, by name; `sloped`: of them those whose derivative the product can leave behind. */
export const ENDS: readonly string[] = [...TABLE].flatMap(([name, { ends }]) => (ends ? [name] : []));
export const SLOPED: readonly string[] = ENDS.filter((name) => rowOf(name).slope);

/** Apply the operation of this name to operands. */
export function apply(name: string, ...operands: readonly Operand[]): Tensor {
  const ins = tensors(name, ...operands);
  return ins[0]!.graph.add(found(RECORDS, name), ins, NONE).out;
}
