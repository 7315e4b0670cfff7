// init.ts: initializers, named and defined as in PyTorch's torch.nn.init. Each is a value: a function that fills a parameter.
import { OptionError, ShapeError } from '../../errors.ts';
import { choice, number, type OptionsField, options, optionsOnly, signature } from '../../options/index.ts';

/** Random numbers of one parameter: the i-th of a kind is always the same, whatever else is drawn. */
export interface Draws {
  /** Uniform in [0, 1). */
  uniform(i: number): number;
  /** Every element of `out`: low + (high - low) * uniform(i). */
  fillUniform(out: Float32Array, low: number, high: number): void;
  /** Normal, mean 0 and standard deviation 1. */
  normal(i: number): number;
}

/** Fills `out`, the values of a parameter of `shape`. */
export type Initializer = (out: Float32Array, shape: readonly number[], draws: Draws) => void;

/** What follows a layer, as `gainOf` knows it. */
export type Nonlinearity = 'linear' | 'sigmoid' | 'tanh' | 'relu' | 'leakyRelu' | 'selu';
const nonlinearityField = choice<Nonlinearity>('linear', 'sigmoid', 'tanh', 'relu', 'leakyRelu', 'selu');

const readConstant = signature('nn.init.constant', { value: number() });
const readZeros = signature('nn.init.zeros', {});
const readOnes = signature('nn.init.ones', {});

/**
 * One value everywhere.
 * @throws OptionError
 * @see torch.nn.init.constant_
 */
export function constant(value: number): Initializer {
  readConstant(arguments);
  return (out) => out.fill(value);
}

/**
 * All values are 0.
 * @throws OptionError
 * @see torch.nn.init.zeros_
 */
export function zeros(): Initializer {
  readZeros(arguments);
  return constant(0);
}

/**
 * All values are 1.
 * @throws OptionError
 * @see torch.nn.init.ones_
 */
export function ones(): Initializer {
  readOnes(arguments);
  return constant(1);
}

const readUniform = signature('nn.init.uniform', { a: number().default(0), b: number().default(1) });
const readNormal = signature('nn.init.normal', { mean: number().default(0), std: number({ min: 0 }).default(1) });

/**
 * Uniform in [a, b).
 * @param a Default 0.
 * @param b Default 1.
 * @throws OptionError
 * @see torch.nn.init.uniform_
 */
export function uniform(a = 0, b = 1): Initializer {
  readUniform(arguments);
  if (b < a) throw new OptionError(`nn.init.uniform: argument b: expected a number >= a, got ${b} for ${a}`, { a, b });
  return (out, _, draws) => draws.fillUniform(out, a, b);
}

/**
 * Normally distributed values.
 * @param mean Default 0.
 * @param std standard deviation. Default 1.
 * @throws OptionError
 * @see torch.nn.init.normal_
 */
export function normal(mean = 0, std = 1): Initializer {
  readNormal(arguments);
  return (out, _, draws) => {
    for (let i = 0; i < out.length; i++) out[i] = mean + std * draws.normal(i);
  };
}

/** Options of `nn.init.orthogonal`, `nn.init.xavierNormal` and `nn.init.xavierUniform`. */
export interface XavierOptions {
  /** Factor of the standard deviation; see `gainOf`. Default 1. */
  readonly gain?: number;
}

const gainOptions: OptionsField<XavierOptions, Required<XavierOptions>> = options<XavierOptions>()({ gain: number().default(1) });
const readXavierUniform = optionsOnly('nn.init.xavierUniform', gainOptions);
const readXavierNormal = optionsOnly('nn.init.xavierNormal', gainOptions);

/**
 * Uniform within gain * sqrt(6 / (fanIn + fanOut)) (Glorot and Bengio 2010).
 * @throws OptionError
 * @see torch.nn.init.xavier_uniform_
 */
export function xavierUniform(options: XavierOptions = {}): Initializer {
  const { gain } = readXavierUniform(arguments);
  return (out, shape, draws) => {
    const { fanIn, fanOut } = fans('xavierUniform', shape);
    const bound = gain * Math.sqrt(6 / Math.max(1, fanIn + fanOut));
    uniform(-bound, bound)(out, shape, draws);
  };
}

/**
 * Normal with standard deviation gain * sqrt(2 / (fanIn + fanOut)) (Glorot and Bengio 2010).
 * @throws OptionError
 * @see torch.nn.init.xavier_normal_
 */
export function xavierNormal(options: XavierOptions = {}): Initializer {
  const { gain } = readXavierNormal(arguments);
  return (out, shape, draws) => {
    const { fanIn, fanOut } = fans('xavierNormal', shape);
    normal(0, gain * Math.sqrt(2 / Math.max(1, fanIn + fanOut)))(out, shape, draws);
  };
}

/** Options of `nn.init.kaimingNormal` and `nn.init.kaimingUniform`. */
export interface KaimingOptions {
  /** Negative slope of leakyRelu. Default 0. */
  readonly a?: number;
  /** Keep the variance forwards, `fanIn`, or backwards. Default 'fanIn'. */
  readonly mode?: 'fanIn' | 'fanOut';
  /** What follows the layer; `leakyRelu` with a = 0 is relu. Default 'leakyRelu'. */
  readonly nonlinearity?: Nonlinearity;
}

const kaimingOptions: OptionsField<KaimingOptions, Required<KaimingOptions>> = options<KaimingOptions>()({
  a: number().default(0),
  mode: choice('fanIn', 'fanOut').default('fanIn'),
  nonlinearity: nonlinearityField.default('leakyRelu'),
});
const readKaimingUniform = optionsOnly('nn.init.kaimingUniform', kaimingOptions);
const readKaimingNormal = optionsOnly('nn.init.kaimingNormal', kaimingOptions);

/**
 * Uniform within gain * sqrt(3 / fan) (He et al. 2015).
 * @throws OptionError
 * @see torch.nn.init.kaiming_uniform_
 */
export function kaimingUniform(options: KaimingOptions = {}): Initializer {
  const std = kaimingStd('kaimingUniform', readKaimingUniform(arguments));
  return (out, shape, draws) => {
    const bound = Math.sqrt(3) * std(shape);
    uniform(-bound, bound)(out, shape, draws);
  };
}

/**
 * Normal with standard deviation gain / sqrt(fan) (He et al. 2015).
 * @throws OptionError
 * @see torch.nn.init.kaiming_normal_
 */
export function kaimingNormal(options: KaimingOptions = {}): Initializer {
  const std = kaimingStd('kaimingNormal', readKaimingNormal(arguments));
  return (out, shape, draws) => normal(0, std(shape))(out, shape, draws);
}

const readOrthogonal = optionsOnly('nn.init.orthogonal', gainOptions);

/**
 * Rows (or columns, if there are fewer of them) orthogonal to one another, each of norm `gain` (Saxe et al. 2013);
 * dimensions 1.. count as one. The Q of a QR decomposition of normal draws, with the signs that make it uniform over
 * all such matrices.
 * @throws OptionError; ShapeError for a parameter of fewer than two dimensions
 * @see torch.nn.init.orthogonal_
 */
export function orthogonal(options: XavierOptions = {}): Initializer {
  const { gain } = readOrthogonal(arguments);
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

const readGainOf = signature('nn.init.gainOf', { nonlinearity: nonlinearityField, a: number().default(0.01) });

/**
 * The factor by which a nonlinearity shrinks its input's standard deviation, to make up for.
 * @param a negative slope of leakyRelu. Default 0.01.
 * @throws OptionError
 * @see torch.nn.init.calculate_gain
 */
export function gainOf(nonlinearity: Nonlinearity, a = 0.01): number {
  readGainOf(arguments);
  switch (nonlinearity) {
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

function kaimingStd(where: string, { a, mode, nonlinearity }: Required<KaimingOptions>): (shape: readonly number[]) => number {
  return (shape) => gainOf(nonlinearity, a) / Math.sqrt(Math.max(1, fans(where, shape)[mode]));
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
