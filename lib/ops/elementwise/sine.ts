// sine.ts: sin and cos, element by element, in a pass of their own. Kernel: sine.h.
import { DTypeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { asNode } from '../../ir/onnx.ts';
import { f32, f64, type OpDef, type RefArray, sizeOf } from '../../ir/op.ts';
import { cos as cosOf, sin as sinOf } from '../../math/index.ts';
import { signature } from '../../options/index.ts';
import { tensor } from '../args.ts';
import { moved } from '../shape/axes.ts';
import { apply } from './maps.ts';
import { floats } from './promote.ts';

type NoAttrs = Readonly<Record<string, never>>;

function sineOp(
  name: string,
  operator: string,
  quarters: number,
  of: (x: number) => number,
  slope: (x: Tensor) => Tensor,
): OpDef<NoAttrs> {
  return {
    name,
    kernel: 'sine',
    light: true,
    infer([x]) {
      if (x?.dtype !== 'f32' && x?.dtype !== 'f64') {
        throw new DTypeError(`${name}: expected f32 or f64, got ${x?.dtype}; convert it with cast(x, 'f32')`);
      }
      return [x];
    },
    vjp: ({ ins: [x] }, [dy]) => [dy ? apply('mul', dy, slope(x!)) : null],
    onnx: asNode(operator),
    lower: ({ out }) => ({ ints: [sizeOf(out.shape), Number(out.dtype === 'f64'), quarters] }),
    cost: (node) => moved(node, 20 * sizeOf(node.out.shape)),
    inplace: () => [[0, 0]],
    ref([y], [x]) {
      for (const [i, v] of (x as RefArray).entries()) (y as RefArray)[i] = of(v);
    },
    samples: () => [
      { ins: [f32(1)], attrs: {} },
      { ins: [f32(3, 0)], attrs: {} },
      { ins: [f32(5, 77)], attrs: {}, fill: [[-1000, 1000]], tolerance: 3e-7 },
      { ins: [f64(2, 19)], attrs: {}, tolerance: 1e-15 },
      { ins: [f32(40)], attrs: {}, fill: [{ exactly: spread(40, 0.01, 8) }], noGradient: true },
      { ins: [f64(40)], attrs: {}, fill: [{ exactly: spread(40, 1e-8, 6e7) }], noGradient: true, tolerance: 1e-15 },
    ],
  };
}

/** Numbers of both signs, each so many times as large as the one before. */
function spread(count: number, first: number, factor: number): number[] {
  let x = first;
  return Array.from({ length: count }, () => {
    x *= -factor;
    return x / factor;
  });
}

export const SIN: OpDef<NoAttrs> = sineOp('sin', 'Sin', 0, sinOf, (x) => x.graph.add(COS, [x], {}).out);
export const COS: OpDef<NoAttrs> = sineOp('cos', 'Cos', 1, cosOf, (x) => apply('neg', x.graph.add(SIN, [x], {}).out));

const readSin = signature('ops.sin', { x: tensor });
const readCos = signature('ops.cos', { x: tensor });

/**
 * The sine of x radians, however large; NaN for an infinity.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.sin
 */
export function sin(x: TensorLike): Tensor {
  const t = floats(readSin(arguments).x);
  return t.graph.add(SIN, [t], {}).out;
}

/**
 * The cosine of x radians, however large; NaN for an infinity.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.cos
 */
export function cos(x: TensorLike): Tensor {
  const t = floats(readCos(arguments).x);
  return t.graph.add(COS, [t], {}).out;
}
