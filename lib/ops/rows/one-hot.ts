// one-hot.ts: 1 at an index, 0 elsewhere. Kernel: gather.h.
import { ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { DTYPE_BYTES, f32, i32, type OpDef, type RefArray, sizeOf, type TensorType, u8 } from '../../ir/op.ts';
import { options, signature, whole } from '../../options/index.ts';
import { tensor } from '../args.ts';
import { moved } from '../shape/axes.ts';
import { asIndices, expectIndices } from './indices.ts';

export interface OneHotAttrs {
  readonly classes: number;
}
export const ONE_HOT: OpDef<OneHotAttrs> = {
  name: 'oneHot',
  infer(ins, { classes }) {
    const indices = ins[0] as TensorType;
    expectIndices('oneHot', 'indices', indices);
    if (!Number.isInteger(classes) || classes < 1) throw new ShapeError(`oneHot: expected classes >= 1, got ${classes}`);
    return [f32(...indices.shape, classes)];
  },
  vjp: () => [null],
  onnx({ ins: [indices], attrs: { classes } }, b) {
    const at = b.cast(b.value(indices!), indices!.dtype, 'i64');
    return [b.node('OneHot', [at, b.scalar('i64', classes), b.constant('f32', [2], [0, 1])], { axis: -1 })];
  },
  lower(node) {
    const indices = node.ins[0]!.type;
    return { ints: [sizeOf(indices.shape), node.attrs.classes, DTYPE_BYTES[indices.dtype]] };
  },
  cost: moved,
  indices: ({ attrs }) => [{ input: 0, bound: attrs.classes }],
  ref([y], [indices], node) {
    (y as RefArray).fill(0);
    (indices as RefArray).forEach((v: number, k: number) => {
      (y as RefArray)[k * node.attrs.classes + v] = 1;
    });
  },
  samplesOf: { lies: (_, ins) => [ins[0] ?? null] },
  samples: () => [
    { ins: [i32(7)], attrs: { classes: 5 }, fill: [[0, 5]] },
    { ins: [u8(2, 3)], attrs: { classes: 1 }, fill: [[0, 1]] },
    { ins: [i32(0)], attrs: { classes: 4 }, fill: [[0, 4]] },
  ],
};

const readOneHot = signature('ops.oneHot', { indices: tensor }, options<OneHotAttrs>()({ classes: whole({ min: 1 }) }));

/**
 * 1 at the index, 0 elsewhere; in floats, unlike PyTorch's. An index outside [0, classes) ends the run with an
 * IndexError.
 * @shape indices [...] -> f32 [..., classes]
 * @throws OptionError
 * @see torch.nn.functional.one_hot
 */
export function oneHot(indices: TensorLike, options: OneHotAttrs): Tensor {
  const { indices: at, classes } = readOneHot(arguments);
  const t = asIndices(at);
  return t.graph.add(ONE_HOT, [t], { classes }).out;
}
