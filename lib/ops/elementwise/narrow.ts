// narrow.ts: values as bf16, two bytes each, and back: how activations are kept for the backward pass (compile/keep.ts). Kernels: narrow.h.
import { DTypeError, ShapeError } from '../../errors.ts';
import { f32, type OpDef, type RefArray, sizeOf, u8 } from '../../ir/op.ts';
import { toBf16 } from '../../math/bf16.ts';
import { moved } from '../shape/axes.ts';

const BITS = new Uint32Array(1);
const VALUE = new Float32Array(BITS.buffer);

/** Input: f32 [...]. Output: u8 [..., 2], the bytes of each element rounded to bf16, the low one first. */
export const NARROW: OpDef<Record<string, never>> = {
  name: 'narrow',
  infer([x]) {
    if (x!.dtype !== 'f32') throw new DTypeError(`narrow: expected f32, got ${x!.dtype}`);
    return [u8(...x!.shape, 2)];
  },
  lower: ({ ins: [x] }) => ({ ints: [sizeOf(x!.shape)] }),
  cost: (node) => moved(node),
  ref([y], [x]) {
    for (const [i, value] of (x as RefArray).entries()) {
      VALUE[0] = toBf16(value);
      (y as RefArray).set([(BITS[0]! >>> 16) & 255, BITS[0]! >>> 24], 2 * i);
    }
  },
  samples: () => [[1], [3, 37], [2, 0, 5], [4099], []].map((shape) => ({ ins: [f32(...shape)], attrs: {}, noGradient: true })),
};

/** Input: what `narrow` gives. Output: f32 [...], exactly. */
export const WIDEN: OpDef<Record<string, never>> = {
  name: 'widen',
  infer([x]) {
    const { dtype, shape } = x!;
    if (dtype !== 'u8' || shape.at(-1) !== 2) throw new ShapeError(`widen: expected u8 [..., 2], got ${dtype} [${shape}]`);
    return [f32(...shape.slice(0, -1))];
  },
  lower: ({ out }) => ({ ints: [sizeOf(out.shape)] }),
  cost: (node) => moved(node),
  ref([y], [x]) {
    for (let i = 0; i < y!.length; i++) {
      BITS[0] = (x![2 * i]! << 16) | (x![2 * i + 1]! << 24);
      y![i] = VALUE[0]!;
    }
  },
  samples: () =>
    [[2], [3, 37, 2], [2, 0, 5, 2], [4099, 2]].map((shape) => ({
      ins: [u8(...shape)],
      // Both bytes below 64: finite numbers.
      fill: [[0, 64]],
      attrs: {},
      noGradient: true,
    })),
};
