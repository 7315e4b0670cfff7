// numbers.ts: numbers under a shape, and what an operator of ONNX is given: for evaluate.ts.
import type { ReadAttribute, Values } from './decode.ts';

/** Numbers under a shape. */
export interface Numbers {
  readonly shape: readonly number[];
  readonly data: Float64Array;
  /** The number of the type of elements. */
  readonly type: number;
}

export const FLOAT = 1;
export const UINT8 = 2;
export const INT32 = 6;
export const INT64 = 7;
export const BOOL = 9;
export const DOUBLE = 11;

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
export const array = (shape: readonly number[], type: number = FLOAT): Numbers => ({
  shape,
  type,
  data: new Float64Array(sizeOf(shape)),
});
export const filled = (shape: readonly number[], type: number, of: (i: number) => number): Numbers => ({
  shape,
  type,
  data: Float64Array.from({ length: sizeOf(shape) }, (_, i) => of(i)),
});
export const stridesOf = (shape: readonly number[]): number[] => shape.map((_, i) => sizeOf(shape.slice(i + 1)));
/** The index of element i, dimension by dimension. */
export const indexOf = (i: number, shape: readonly number[]): number[] =>
  stridesOf(shape).map((s, d) => Math.floor(i / s) % shape[d]!);
export const placeOf = (index: readonly number[], strides: readonly number[]): number =>
  index.reduce((sum, k, d) => sum + k * strides[d]!, 0);
export const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

export const fromValues = (shape: readonly number[], type: number, data: Values): Numbers => ({
  shape,
  type,
  data: Float64Array.from(Array.from(data as ArrayLike<number | bigint>, Number)),
});

/** Attributes of a node, as the operator has them. */
export class Attributes {
  readonly #of: Readonly<Record<string, ReadAttribute>>;
  readonly used: Set<string> = new Set();
  constructor(of: Readonly<Record<string, ReadAttribute>>) {
    this.#of = of;
  }
  get<T extends ReadAttribute>(name: string, fallback: T): T {
    this.used.add(name);
    return (this.#of[name] as T | undefined) ?? fallback;
  }
  number(name: string, fallback: number): number {
    return this.get<number>(name, fallback);
  }
  list(name: string, fallback: readonly number[]): readonly number[] {
    return this.get<readonly number[]>(name, fallback);
  }
  text(name: string, fallback: string): string {
    return this.get<string>(name, fallback);
  }
}

export type Operator = (ins: readonly (Numbers | null)[], a: Attributes, opset: number, outputs: number) => Numbers[];

export const total = (values: readonly number[]): number => values.reduce((s, v) => s + v, 0);

/** Abramowitz and Stegun 7.1.5 and a continued fraction: to 1e-15. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a < 3) {
    let [sum, term] = [a, a];
    for (let n = 1; n < 120; n++) {
      term *= -(a * a) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n >= 1; n--) fraction = n / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + fraction)));
}

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
