// hide-samples.ts: zeros in place of the rows of samples that are left out. Kernel: hide_samples.h.
import { DTypeError, ShapeError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { DTYPE_BYTES, f32, f64, type OpDef, type Sample, sizeOf, type TensorType, typeName } from '../../ir/op.ts';
import type { Rows } from '../../ir/samples.ts';
import { moved, span } from '../shape/axes.ts';

/** Sizes of x as [outer, samples, inner]. */
function sizesOf(x: TensorType, { axis, each }: Rows): readonly [outer: number, count: number, inner: number] {
  return [span(x.shape, 0, axis), x.shape[axis]! / each, each * span(x.shape, axis + 1)];
}

/** Inputs x f32|f64 and f64 [samples], 0 for those that are left out; output x with zeros as their rows, whatever stood there. */
export const HIDE_SAMPLES: OpDef<Rows> = {
  name: 'hideSamples',
  infer([x, keeps], rows) {
    if (x!.dtype !== 'f32' && x!.dtype !== 'f64') throw new DTypeError(`hideSamples: expected f32 or f64, got ${x!.dtype}`);
    const [, count] = sizesOf(x!, rows);
    if (!Number.isInteger(count) || keeps?.dtype !== 'f64' || keeps.shape.length !== 1 || keeps.shape[0] !== count) {
      throw new ShapeError(`hideSamples: expected a number f64[${count}] for each sample, got ${typeName(keeps!)}`);
    }
    return [x!];
  },
  lower({ ins: [x], attrs }) {
    const [outer, count, inner] = sizesOf(x!.type, attrs);
    return { ints: [outer, count, inner * DTYPE_BYTES[x!.dtype]] };
  },
  cost: (node) => moved(node),
  inplace: () => [[0, 0]],
  samplesOf: { lies: (_, ins) => [ins[0] ?? null] },
  ref([y], [x, keeps], { ins, attrs }) {
    const [, count, inner] = sizesOf(ins[0]!.type, attrs);
    x!.forEach((v: number, i: number) => {
      y![i] = keeps![Math.floor(i / inner) % count] === 0 ? 0 : v;
    });
  },
  samples: () => [
    sample(f32(5, 7), { axis: 0, each: 1 }),
    sample(f32(6, 33), { axis: 0, each: 3 }),
    sample(f32(3, 8, 5), { axis: 1, each: 2 }),
    sample(f64(4, 9), { axis: 1, each: 3 }),
    sample(f32(0, 4), { axis: 1, each: 2 }),
    sample(f32(3, 0), { axis: 0, each: 1 }),
    sample(f32(40, 70), { axis: 0, each: 10 }),
  ],
};

function sample(x: TensorType, rows: Rows): Sample<Rows> {
  const count = x.shape[rows.axis]! / rows.each;
  return {
    ins: [x, f64(count)],
    attrs: rows,
    fill: ['normal', { exactly: Array.from({ length: count }, (_, s) => s % 2) }],
    noGradient: true,
  };
}

/** `x` without the rows of samples whose number is 0: f64 [samples]. */
export function hideSamples(x: Tensor, rows: Rows, keeps: Tensor): Tensor {
  return sizeOf(x.shape) === 0 ? x : x.graph.add(HIDE_SAMPLES, [x, keeps], { axis: rows.axis, each: rows.each }).out;
}
