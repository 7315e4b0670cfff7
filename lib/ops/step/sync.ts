// sync.ts: sums over the processes that train together. Kernel: sync.h.
import { DTypeError, ShapeError } from '../../errors.ts';
import { inSection, type Tensor } from '../../ir/graph.ts';
import { bytesOf, f32, f64, i32, type OpDef, type RefArray, sizeOf, type TensorType, typeName } from '../../ir/op.ts';
import { checkRounded, type SumAttrs, sumKind } from './accumulate.ts';

/** Tensors up to so many bytes travel together. Twin: kSyncSmall. */
export const SMALL: number = 1 << 16;

export interface SyncAttrs {
  /** For each input: which of them its sum is divided by, where that is not 0; -1: none. */
  readonly by: readonly number[];
  /** For each input: whether syncBegin had it. */
  readonly begun: readonly boolean[];
  /** For each input: whether it travels as bf16 (`SumAttrs`). */
  readonly rounded: readonly boolean[];
  /** For each input: whether nobody reads more of the sum than the part of this process (`partOf`): then that alone is made. */
  readonly part: readonly boolean[];
}

const expectFloats = (op: string, { dtype }: TensorType): void => {
  if (dtype !== 'f32' && dtype !== 'f64') throw new DTypeError(`${op}: expected f32 or f64, got ${dtype}`);
};
const checkPart = (op: string, { dtype }: TensorType, part: boolean | undefined): void => {
  if (part && dtype !== 'f32') throw new DTypeError(`${op}: expected f32 to sum in parts, got ${dtype}`);
};
const expectScalar = (op: string, t: TensorType | undefined): void => {
  if (t?.dtype === 'f64' && t.shape.length === 0) return;
  throw new DTypeError(`${op}: expected an f64 scalar to divide by, got ${t ? typeName(t) : 'nothing'}`);
};

/**
 * Tensors as this process has them, and their sums over all processes of the group, in the order of ranks: of 2^k of them, by the tree by which
 * micro-batches are summed. Of a step that this process takes all micro-batches of, they stay as they are, but for what divides them.
 */
export const SYNC: OpDef<SyncAttrs> = {
  name: 'sync',
  infer(ins, { by, begun, rounded, part }) {
    for (const [k, t] of ins.entries()) {
      expectFloats('sync', t);
      checkRounded('sync', t, { rounded: rounded[k] ?? false });
    }
    for (const { length } of [by, begun, rounded, part]) {
      if (length !== ins.length) throw new ShapeError(`sync: expected attributes of ${ins.length} inputs, got ${length}`);
    }
    for (const k of by) if (k !== -1) expectScalar('sync', ins[k]);
    for (const [k, t] of ins.entries()) checkPart('sync', t, part[k]);
    return [...ins];
  },
  lower: ({ ins, attrs: { by, begun, rounded, part } }) => ({
    ints: ins.flatMap((t, k) => [
      ...[sumKind(t.type, { rounded: rounded[k]! }), sizeOf(t.shape)],
      ...[by[k]!, Number(begun[k]!), Number(part[k]!)],
    ]),
  }),
  cost: ({ ins }) => ({
    flops: ins.reduce((sum, t) => sum + sizeOf(t.shape), 0),
    bytes: ins.reduce((sum, t) => sum + 3 * bytesOf(t.type), 0),
  }),
  inplace: ({ ins }) => ins.map((_, k) => [k, k] as const),
  ref(outs, ins, { attrs: { by } }) {
    for (const [k, y] of outs.entries()) {
      const total = by[k]! < 0 ? 1 : ins[by[k]!]![0]!;
      const divisor = total === 0 ? 1 : total;
      ins[k]!.forEach((v: number, i: number) => {
        (y as RefArray)[i] = v / divisor;
      });
    }
  },
  samples: () => {
    const sample = (ins: TensorType[], by: number[], begun: boolean[] = by.map(() => false)) => ({
      ...{ ins, attrs: { by, begun, rounded: ins.map((t) => t.dtype === 'f32'), part: by.map(() => false) }, noGradient: true },
      fill: ins.map((t) => (t.dtype === 'f64' ? ('positive' as const) : ('normal' as const))),
    });
    return [
      sample([f32(37)], [-1]),
      sample([f32(5, 129), f64(), f32(0, 3), f32()], [1, -1, -1, 1]),
      sample([f32(170, 111), f64(3)], [-1, -1]),
      sample([f64(), f32(170, 111), f64(3)], [-1, 0, 0], [true, true, false]),
    ];
  },
};

/** What is begun of a sum. */
interface BeginAttrs extends SumAttrs {
  /** Nobody reads more of it than the part of this process. */
  readonly part?: boolean;
}

/**
 * A tensor whose sum over all processes begins when their last micro-batch has been added, while the next instructions run: `sync` waits for it. Inputs: the
 * tensor, its place in the order of all that begin, i32, and optional what the sum is divided by, whose own sum has begun before. Outputs: the tensor,
 * and the next place.
 */
export const SYNC_BEGIN: OpDef<BeginAttrs> = {
  name: 'syncBegin',
  infer([x, place, by], attrs) {
    expectFloats('syncBegin', x!);
    checkRounded('syncBegin', x!, attrs);
    checkPart('syncBegin', x!, attrs.part);
    if (place!.dtype !== 'i32' || place!.shape.length > 0) {
      throw new DTypeError(`syncBegin: expected a place as i32, got ${typeName(place!)}`);
    }
    if (by) expectScalar('syncBegin', by);
    return [x!, place!];
  },
  lower: ({ ins: [x], attrs }) => ({ ints: [sumKind(x!.type, attrs), sizeOf(x!.shape), Number(attrs.part ?? false)] }),
  cost: () => ({ flops: 0, bytes: 0 }),
  passes: true,
  inplace: () => [
    [0, 0],
    [1, 1],
  ],
  ref([y, next], [x, place]) {
    (y as RefArray).set(x as RefArray);
    next![0] = place![0]! + 1;
  },
  samples: () => [
    { ins: [f32(37), i32()], attrs: {}, fill: ['normal', [0, 9]], noGradient: true },
    { ins: [f64(), i32()], attrs: {}, fill: ['normal', [0, 9]], noGradient: true },
    { ins: [f32(170, 111), i32(), f64()], attrs: { rounded: true }, fill: ['normal', [0, 9], 'positive'], noGradient: true },
  ],
};

/**
 * The sum of a tensor over all processes of the group. The compiler makes one exchange of all that are asked for at one place of a step.
 * @param count of this process, f64: the sum of all is what the sum is divided by, where it is not 0
 */
export function sync(
  x: Tensor,
  count?: Tensor,
  { rounded = false }: SumAttrs = {},
  section: 'joint' | 'apply' = 'apply',
): Tensor {
  const ins = count ? [x, count] : [x];
  const none = ins.map(() => false);
  const attrs = { by: count ? [1, -1] : [-1], begun: none, rounded: ins.map((t) => t === x && rounded), part: none };
  return inSection(x.graph, section, () => x.graph.add(SYNC, ins, attrs).outs[0]!);
}
