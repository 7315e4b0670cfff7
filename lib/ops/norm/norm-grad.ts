// norm-grad.ts: what second derivatives of a norm are made of: the gradient of its gradient, of elementwise ops and means.
import type { Tensor } from '../../ir/graph.ts';
import { add, mul, neg, rsqrt, square, sub } from '../elementwise/elementwise.ts';
import { mean, sumTo } from '../reduce/reduce.ts';
import { broadcastTo } from '../shape/shape.ts';

/** The gradient of a norm: of z = (x - mean) / sqrt(variance + eps) over `axes`, or without a mean; y = z weight + bias. */
export interface NormGradient {
  readonly x: Tensor;
  readonly dy: Tensor;
  /** In a shape that broadcasts to that of x. */
  readonly weight: Tensor | null;
  readonly axes: readonly number[];
  readonly eps: number;
  readonly centered: boolean;
}
type Given = Tensor | null;

const plus = (a: Given, b: Given): Given => (a && b ? add(a, b) : (a ?? b));

/**
 * From the gradients of dx, dweight and dbias (the latter two in shapes that broadcast) those of x, dy and the weight. That of x is all of it:
 * statistics that were saved are functions of x here.
 */
export function normGradVjp(
  { x, dy, weight, axes, eps, centered }: NormGradient,
  [gx, gw, gb]: readonly [Given, Given, Given],
): { readonly x: Given; readonly dy: Given; readonly weight: Given } {
  const over = (t: Tensor): Tensor => mean(t, { axes, keepDims: true });
  const minus = (t: Tensor): Tensor => sub(t, over(t));
  // Twice: what rounding the mean leaves would not be small beside a row that hardly varies.
  const c = centered ? minus(minus(x)) : x;
  const scale = rsqrt(add(over(square(c)), eps));
  const z = mul(c, scale);
  const back = (u: Tensor): Tensor => mul(scale, sub(centered ? minus(u) : u, mul(z, over(mul(u, z)))));
  let gz: Given = null;
  let gdy: Given = null;
  let gweight: Given = null;
  let rest: Given = null;
  if (gx) {
    const u = weight ? mul(dy, weight) : dy;
    const gu = back(gx);
    gdy = weight ? mul(gu, weight) : gu;
    gweight = weight && sumTo(mul(gu, dy), weight.shape);
    gz = neg(mul(scale, add(mul(gx, over(mul(u, z))), mul(u, over(mul(gx, z))))));
    rest = neg(mul(mul(scale, z), over(mul(gx, back(u)))));
  }
  if (gw) {
    gdy = plus(gdy, mul(gw, z));
    gz = plus(gz, mul(gw, dy));
  }
  if (gb) gdy = plus(gdy, broadcastTo(gb, x.shape));
  return { x: plus(gz && back(gz), rest), dy: gdy, weight: gweight };
}
