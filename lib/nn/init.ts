// init.ts: initializers, named and defined as in PyTorch's torch.nn.init. Each is a value: a function that fills a parameter.
import { ShapeError } from '../errors.ts';
import { checkChoice, checkNumber, checkOptions } from '../options.ts';

/** Random numbers of one parameter: the i-th of a kind is always the same, whatever else is drawn. */
export interface Draws {
  /** Uniform in [0, 1). */
  uniform(i: number): number;
  /** Normal, mean 0 and standard deviation 1. */
  normal(i: number): number;
}

/** Fills `out`, the values of a parameter of `shape`. */
export type Initializer = (out: Float32Array, shape: readonly number[], draws: Draws) => void;

export type Nonlinearity = 'linear' | 'sigmoid' | 'tanh' | 'relu' | 'leakyRelu' | 'selu';
const NONLINEARITIES = ['linear', 'sigmoid', 'tanh', 'relu', 'leakyRelu', 'selu'] as const;

export function constant(value: number): Initializer {
  checkNumber('constant', 'value', value);
  return (out) => out.fill(value);
}

export function zeros(): Initializer {
  return constant(0);
}

export function ones(): Initializer {
  return constant(1);
}

/** Uniform in [a, b). Defaults 0 and 1. */
export function uniform(a = 0, b = 1): Initializer {
  checkNumber('uniform', 'a', a);
  checkNumber('uniform', 'b', b, { min: a });
  return (out, _, draws) => {
    for (let i = 0; i < out.length; i++) out[i] = a + (b - a) * draws.uniform(i);
  };
}

/** Normal. Defaults: mean 0, standard deviation 1. */
export function normal(mean = 0, std = 1): Initializer {
  checkNumber('normal', 'mean', mean);
  checkNumber('normal', 'std', std, { min: 0 });
  return (out, _, draws) => {
    for (let i = 0; i < out.length; i++) out[i] = mean + std * draws.normal(i);
  };
}

export interface XavierOptions {
  /** Default 1; see `gainOf`. */
  readonly gain?: number;
}

/** Glorot and Bengio 2010: uniform within gain * sqrt(6 / (fanIn + fanOut)). */
export function xavierUniform(options: XavierOptions = {}): Initializer {
  const gain = checkXavier('xavierUniform', options);
  return (out, shape, draws) => {
    const { fanIn, fanOut } = fans('xavierUniform', shape);
    const bound = gain * Math.sqrt(6 / Math.max(1, fanIn + fanOut));
    uniform(-bound, bound)(out, shape, draws);
  };
}

/** Glorot and Bengio 2010: normal with standard deviation gain * sqrt(2 / (fanIn + fanOut)). */
export function xavierNormal(options: XavierOptions = {}): Initializer {
  const gain = checkXavier('xavierNormal', options);
  return (out, shape, draws) => {
    const { fanIn, fanOut } = fans('xavierNormal', shape);
    normal(0, gain * Math.sqrt(2 / Math.max(1, fanIn + fanOut)))(out, shape, draws);
  };
}

export interface KaimingOptions {
  /** Negative slope of leakyRelu; default 0. */
  readonly a?: number;
  /** Keep the variance forwards (default) or backwards. */
  readonly mode?: 'fanIn' | 'fanOut';
  /** Default 'leakyRelu', which with a = 0 is relu. */
  readonly nonlinearity?: Nonlinearity;
}

/** He et al. 2015: uniform within gain * sqrt(3 / fan). */
export function kaimingUniform(options: KaimingOptions = {}): Initializer {
  const std = kaimingStd('kaimingUniform', options);
  return (out, shape, draws) => {
    const bound = Math.sqrt(3) * std(shape);
    uniform(-bound, bound)(out, shape, draws);
  };
}

/** He et al. 2015: normal with standard deviation gain / sqrt(fan). */
export function kaimingNormal(options: KaimingOptions = {}): Initializer {
  const std = kaimingStd('kaimingNormal', options);
  return (out, shape, draws) => normal(0, std(shape))(out, shape, draws);
}

/**
 * Saxe et al. 2013: rows (or columns, if there are fewer of them) orthogonal to one another, each of norm `gain`; dimensions
 * 1.. count as one. The Q of a QR decomposition of normal draws, with the signs that make it uniform over all such matrices.
 */
export function orthogonal(options: { readonly gain?: number } = {}): Initializer {
  const gain = checkXavier('orthogonal', options);
  return (out, shape, draws) => {
    if (shape.length < 2) throw new ShapeError(`orthogonal: expected at least 2 dimensions, got [${shape}]`);
    if (out.length === 0) return;
    const rows = shape[0]!;
    const columns = out.length / rows;
    const count = Math.min(rows, columns);
    const length = Math.max(rows, columns);
    const vectors = Array.from({ length: count }, (_, v) =>
      Float64Array.from({ length }, (_, k) => draws.normal(v * length + k)),
    );
    orthonormalize(vectors);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) out[r * columns + c] = gain * (rows <= columns ? vectors[r]![c]! : vectors[c]![r]!);
    }
  };
}

/** The factor by which a nonlinearity shrinks its input's standard deviation, to make up for; PyTorch's `calculate_gain`. */
export function gainOf(nonlinearity: Nonlinearity, a = 0.01): number {
  switch (checkChoice('gainOf', 'nonlinearity', nonlinearity, NONLINEARITIES)) {
    case 'tanh':
      return 5 / 3;
    case 'relu':
      return Math.SQRT2;
    case 'leakyRelu':
      return Math.sqrt(2 / (1 + a * a));
    case 'selu':
      return 3 / 4;
    default:
      return 1;
  }
}

/** Inputs and outputs that a weight [out, in, ...] joins, with the size of its window. */
function fans(where: string, shape: readonly number[]): { fanIn: number; fanOut: number } {
  if (shape.length < 2) throw new ShapeError(`${where}: expected at least 2 dimensions, got [${shape}]`);
  const window = shape.slice(2).reduce((n, d) => n * d, 1);
  return { fanIn: shape[1]! * window, fanOut: shape[0]! * window };
}

function kaimingStd(where: string, options: KaimingOptions): (shape: readonly number[]) => number {
  checkOptions(where, options, ['a', 'mode', 'nonlinearity']);
  const { a = 0, mode = 'fanIn', nonlinearity = 'leakyRelu' } = options;
  checkNumber(where, 'a', a);
  checkChoice(where, 'mode', mode, ['fanIn', 'fanOut']);
  checkChoice(where, 'nonlinearity', nonlinearity, NONLINEARITIES);
  return (shape) => gainOf(nonlinearity, a) / Math.sqrt(Math.max(1, fans(where, shape)[mode]));
}

function checkXavier(where: string, options: XavierOptions): number {
  checkOptions(where, options, ['gain']);
  return checkNumber(where, 'gain', options.gain ?? 1);
}

/** Gram-Schmidt, each vector twice: once loses digits where vectors are nearly parallel. */
function orthonormalize(vectors: readonly Float64Array[]): void {
  for (const [i, v] of vectors.entries()) {
    for (let pass = 0; pass < 2; pass++) {
      for (let j = 0; j < i; j++) addScaled(v, vectors[j]!, -dot(v, vectors[j]!));
    }
    const norm = Math.sqrt(dot(v, v));
    for (let k = 0; k < v.length; k++) v[k]! /= norm;
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
}

function addScaled(y: Float64Array, x: Float64Array, a: number): void {
  for (let k = 0; k < y.length; k++) y[k]! += a * x[k]!;
}
