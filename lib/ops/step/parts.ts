// parts.ts: how the elements of a tensor are shared out among the processes of a group. Kernels: parts.h.
import { DTypeError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { bytesOf, f32, type OpDef, type RefArray, sizeOf, typeName } from '../../ir/op.ts';

/** Which of the processes this one is. */
export interface Ranked {
  readonly rank: number;
  readonly size: number;
}

export const sameRanked = (a: Ranked, b: Ranked): boolean => a.rank === b.rank && a.size === b.size;

/** Parts begin where a cache line does; those of large tensors where a block of their norm does, so that its sums are the same. */
const UNIT = 16;
const BLOCK = 4096;
/** Tensors of more elements are large. Twin: kPartLarge. */
export const LARGE = 16_384;

/** Of `size` processes, those whose number is `rank` in all bits below `bit`. */
function alike(rank: number, size: number, bit: number): number {
  const first = rank & (bit - 1);
  return first < size ? Math.floor((size - 1 - first) / bit) + 1 : 0;
}

/** Where the part of a process is among all: those whose numbers are alike in their lowest bits lie side by side. */
function placeOf({ rank, size }: Ranked): number {
  let place = 0;
  for (let bit = 1; bit < size; bit *= 2) if (rank & bit) place += alike(rank & (bit - 1), size, 2 * bit);
  return place;
}

/** The elements of a process among those of a tensor: from, and up to. */
export function partOf(elements: number, { rank, size }: Ranked): readonly [from: number, to: number] {
  const unit = elements > LARGE ? BLOCK : UNIT;
  const at = (place: number): number => Math.min(elements, Math.floor((Math.ceil(elements / unit) * place) / size) * unit);
  const place = placeOf({ rank, size });
  return [at(place), at(place + 1)];
}

/** The elements of a process [n], where they lie. No instruction is made. */
export const OWN_PART: OpDef<Ranked> = {
  name: 'ownPart',
  alias: true,
  aliasAt: ({ ins: [x], attrs }) => bytesOf(f32(partOf(sizeOf(x!.shape), attrs)[0])),
  infer([x], ranked) {
    // Of others a part may begin amid a cache line.
    if (x!.dtype !== 'f32') throw new DTypeError(`ownPart: expected f32, got ${typeName(x!)}`);
    const [from, to] = partOf(sizeOf(x!.shape), ranked);
    return [f32(to - from)];
  },
  cost: () => ({ flops: 0, bytes: 0 }),
  ref([y], [x], { attrs }) {
    const [from, to] = partOf(x!.length, attrs);
    (y as RefArray).set((x as RefArray).subarray(from, to));
  },
  samples: () => [
    { ins: [f32(5, 9)], attrs: { rank: 1, size: 2 }, noGradient: true },
    { ins: [f32(0, 2)], attrs: { rank: 0, size: 3 }, noGradient: true },
    { ins: [f32(170, 111)], attrs: { rank: 2, size: 5 }, noGradient: true },
  ],
};

/** The part of this process. */
export const ownPart = (x: Tensor, { rank, size }: Ranked): Tensor => x.graph.add(OWN_PART, [x], { rank, size }).out;
