// conv-samples.ts: the cases that the records of convolutions are tested with.
import { f32, f64, type OpDef, type Sample, sizeOf, type TensorType } from '../../ir/op.ts';
import type { ConvAttrs } from './conv-attrs.ts';

type Infer = OpDef<ConvAttrs>['infer'];

/** x, weight and y, what is not the default, and the activation and bias of the forward form. */
export interface Geometry {
  readonly x: TensorType;
  readonly w: TensorType;
  readonly y: TensorType;
  readonly bias: readonly TensorType[];
  readonly attrs: ConvAttrs;
  readonly act: { readonly act?: string };
  readonly rest: Omit<Sample<never>, 'ins' | 'attrs'>;
}

type Shape = readonly number[];
function geometry(infer: Infer, x: Shape, w: Shape, given: Partial<ConvAttrs> = {}, bias = false, act?: string): Geometry {
  const ones = w.slice(2).map(() => 1);
  const attrs: ConvAttrs = { stride: ones, padding: [...ones, ...ones].map(() => 0), dilation: ones, groups: 1, ...given };
  const y = infer(
    [
      { dtype: 'f32', shape: x },
      { dtype: 'f32', shape: w },
    ],
    attrs,
  )[0]!;
  const taps = sizeOf(w.slice(2));
  const products = sizeOf(y.shape) * w[1]! * taps;
  const terms = Math.max(w[1]! * taps, (w[0]! / attrs.groups) * taps, x[0]! * sizeOf(y.shape.slice(2)));
  return {
    x: { dtype: 'f32', shape: x },
    w: { dtype: 'f32', shape: w },
    y,
    bias: bias ? [{ dtype: 'f32', shape: [w[0]!] }] : [],
    attrs,
    act: act ? { act } : {},
    rest: { tolerance: 2e-6 * Math.sqrt(terms), ...(act || products > 30_000 ? { noGradient: true } : {}) },
  };
}

/** Small and awkward ones, and each in bf16. */
export const geometries = (infer: Infer, dims: 2 | 3): Geometry[] => {
  const made = dims === 2 ? ofImages(infer) : ofVolumes(infer);
  return [...made, ...made.map((g) => ({ ...g, attrs: { ...g.attrs, bf16: true }, rest: { ...g.rest, noGradient: true } }))];
};
const ofImages = (infer: Infer): Geometry[] => [
  geometry(infer, [1, 1, 1, 1], [1, 1, 1, 1]),
  geometry(infer, [2, 3, 5, 7], [4, 3, 3, 3], { padding: [1, 1, 1, 1] }, true),
  geometry(infer, [1, 2, 9, 8], [17, 2, 5, 5], { padding: [2, 2, 2, 2] }),
  geometry(infer, [2, 18, 4, 5], [33, 18, 1, 1], {}, true),
  geometry(infer, [3, 4, 9, 9], [5, 4, 3, 3], { stride: [2, 2], padding: [1, 1, 1, 1] }),
  geometry(infer, [2, 3, 11, 10], [6, 3, 3, 2], { stride: [3, 2], dilation: [2, 3], padding: [2, 0, 1, 3] }, true),
  geometry(infer, [2, 8, 6, 6], [8, 1, 3, 3], { groups: 8, padding: [1, 1, 1, 1] }, true),
  geometry(infer, [1, 6, 9, 21], [12, 1, 3, 5], { groups: 6, stride: [2, 2], padding: [1, 2, 1, 2] }),
  geometry(infer, [2, 6, 5, 19], [40, 3, 2, 2], { groups: 2, padding: [0, 0, 1, 1] }),
  geometry(infer, [2, 5, 1, 40], [3, 5, 1, 7], { padding: [0, 3, 0, 3] }, true),
  geometry(infer, [1, 4, 20, 1], [4, 4, 11, 1], { padding: [5, 0, 5, 0], dilation: [2, 1] }),
  geometry(infer, [2, 2, 7, 7], [3, 2, 2, 2], { stride: [3, 3] }),
  geometry(infer, [1, 20, 3, 37], [20, 20, 3, 3], { padding: [1, 1, 1, 1] }),
  geometry(infer, [0, 3, 5, 5], [4, 3, 3, 3], {}, true),
  geometry(infer, [9, 3, 16, 16], [16, 3, 3, 3], { padding: [1, 1, 1, 1] }, true, 'relu'),
  geometry(infer, [17, 16, 8, 8], [48, 16, 3, 3], { padding: [1, 1, 1, 1] }, false, 'gelu'),
  geometry(infer, [2, 33, 30, 31], [2, 33, 5, 5], { padding: [2, 2, 2, 2] }, true, 'tanh'),
  geometry(infer, [2, 2, 3, 3], [2, 2, 6, 4], { padding: [4, 4, 4, 4] }, true, 'silu'),
  geometry(infer, [2, 18, 2, 3], [17, 18, 3, 3], { stride: [5, 7], padding: [2, 2, 3, 2] }, true),
  geometry(infer, [3, 2, 1, 1], [3, 2, 3, 3], { stride: [2, 1000], padding: [1, 1, 1, 1] }),
];

/** Depths that reach beyond both ends, that no kernel reaches, few and many filters, groups, and planes of one row or column. */
const ofVolumes = (infer: Infer): Geometry[] => {
  const around = [1, 1, 1, 1, 1, 1];
  return [
    geometry(infer, [1, 1, 1, 1, 1], [1, 1, 1, 1, 1]),
    geometry(infer, [2, 3, 4, 5, 7], [4, 3, 3, 3, 3], { padding: around }, true),
    geometry(infer, [1, 2, 5, 6, 6], [17, 2, 3, 3, 3], {}),
    geometry(infer, [2, 18, 3, 4, 5], [33, 18, 1, 1, 1], {}, true),
    geometry(infer, [2, 5, 6, 4, 5], [18, 5, 3, 1, 1], { padding: [1, 0, 0, 1, 0, 0] }, true),
    geometry(infer, [2, 5, 3, 6, 5], [7, 5, 1, 3, 3], { padding: [0, 1, 1, 0, 1, 1] }),
    geometry(infer, [3, 4, 6, 7, 9], [5, 4, 3, 3, 3], { stride: [2, 2, 2], padding: around }),
    geometry(
      infer,
      [2, 3, 9, 7, 8],
      [6, 3, 3, 3, 2],
      { stride: [2, 3, 2], dilation: [3, 2, 3], padding: [2, 2, 0, 1, 1, 3] },
      true,
    ),
    geometry(infer, [1, 2, 11, 3, 4], [3, 2, 4, 2, 2], { stride: [3, 1, 2], dilation: [2, 1, 1], padding: [4, 0, 1, 3, 0, 0] }),
    geometry(
      infer,
      [1, 2, 8, 3, 4],
      [17, 2, 3, 2, 2],
      { stride: [4, 1, 1], dilation: [2, 1, 1], padding: [2, 0, 0, 2, 0, 0] },
      true,
    ),
    geometry(infer, [2, 8, 4, 5, 5], [8, 1, 3, 3, 3], { groups: 8, padding: around }, true),
    geometry(infer, [2, 6, 3, 5, 19], [40, 3, 2, 2, 2], { groups: 2, padding: [0, 0, 0, 1, 1, 1] }),
    geometry(infer, [2, 3, 7, 1, 40], [5, 3, 7, 1, 3], { padding: [3, 0, 1, 3, 0, 1] }, true),
    geometry(infer, [2, 2, 2, 3, 3], [2, 2, 6, 4, 5], { padding: [4, 4, 4, 4, 4, 4] }, true),
    geometry(infer, [2, 18, 2, 2, 3], [17, 18, 3, 3, 3], { stride: [5, 7, 2], padding: [2, 2, 2, 1, 3, 2] }, true),
    geometry(infer, [3, 2, 1, 1, 1], [3, 2, 3, 3, 3], { stride: [1000, 2, 2], padding: around }),
    geometry(infer, [0, 3, 4, 5, 5], [4, 3, 3, 3, 3], {}, true),
    geometry(infer, [3, 3, 6, 8, 8], [16, 3, 3, 3, 3], { padding: around }, true, 'relu'),
    geometry(infer, [2, 33, 4, 9, 10], [18, 33, 3, 3, 3], { padding: around }, true, 'gelu'),
    geometry(infer, [1, 24, 3, 30, 31], [2, 24, 3, 5, 5], { padding: [1, 2, 2, 1, 2, 2] }, true, 'tanh'),
  ];
};

/** Images, x normalized where it is read, in each way; in bands of rows the last. */
export function normalized(
  infer: Infer,
  dims: 2 | 3,
  ins: (g: Geometry) => readonly TensorType[],
): (Sample<ConvAttrs> & { readonly w: TensorType })[] {
  if (dims === 3) return [];
  const padding = [1, 1, 1, 1] as const;
  const made = [
    geometry(infer, [2, 3, 9, 9], [5, 3, 3, 3], { padding }, true),
    geometry(infer, [2, 2, 5, 40], [3, 2, 3, 3], { stride: [1, 3], padding }),
    geometry(infer, [3, 4, 20, 19], [18, 4, 3, 3], { stride: [2, 2], padding }),
    geometry(infer, [2, 6, 12, 12], [6, 1, 3, 3], { groups: 6, padding }, true),
    geometry(infer, [1, 70, 40, 41], [2, 70, 1, 1]),
    geometry(infer, [2, 3, 9, 9], [5, 3, 3, 3], { padding, bf16: true }, true),
    geometry(infer, [3, 4, 20, 19], [18, 4, 3, 3], { stride: [2, 2], padding, bf16: true }),
  ];
  return made.map((g, i) => {
    const affine = i % 2 === 0;
    const of = ins(g);
    const channels = g.x.shape[1] as number;
    const line = [f64(channels), f64(channels), ...(affine ? [f32(channels), f32(channels)] : [])];
    const fill = [...of.map(() => 'normal' as const), [-0.1, 0.1] as const, [0.5, 1.5] as const];
    const norm = { eps: 1e-5, affine, relu: i !== 1 };
    // What the kernel has normalized in f32 may be rounded to the other neighbor.
    const tolerance = g.attrs.bf16 ? 0.02 : 1e-4;
    return { ins: [...of, ...line], w: g.w, attrs: { ...g.attrs, norm }, fill, tolerance, noGradient: true };
  });
}
