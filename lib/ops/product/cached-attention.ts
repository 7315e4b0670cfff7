// cached-attention.ts: attention to all that stood before, whose keys and values are kept: how they are put there, and what is made of them.
// Kernels: cached_attention.h.
import { DTypeError, ShapeError } from '../../errors.ts';
import type { Node, Tensor } from '../../ir/graph.ts';
import { bytesOf, f32, i32, type OpDef, type RefArray, type Sample, sameShape, type TensorType, typeName } from '../../ir/op.ts';
import { exp } from '../../math/index.ts';
import { addTo, dot, operand, weights } from './attention-ref.ts';

const typesOf = (node: Node): TensorType[] => node.ins.map((t) => t.type);

/** Batch, rows and width of a cache, tokens and width of a row of x; checked. */
function sizesOf(
  op: string,
  [x, ...caches]: readonly TensorType[],
  positions: TensorType,
): [number, number, number, number, number] {
  const [batch, rows, width] = caches[0]!.shape as [number, number, number];
  const [b, time, row] = x!.shape as [number, number, number];
  for (const t of [x!, ...caches]) if (t.dtype !== 'f32') throw new DTypeError(`${op}: expected f32, got ${typeName(t)}`);
  const fits = caches.every((c) => c.shape.length === 3 && sameShape(c.shape, caches[0]!.shape)) && x!.shape.length === 3;
  if (!fits || b !== batch || time > rows) {
    const got = [x!, ...caches].map((t) => `[${t.shape}]`).join(', ');
    throw new ShapeError(`${op}: expected x [B, T, row] and caches [B, S, width] with T <= S, got ${got}`);
  }
  if (positions.dtype !== 'i32' || !sameShape(positions.shape, [batch])) {
    throw new ShapeError(`${op}: expected positions i32[${batch}], got ${typeName(positions)}`);
  }
  return [batch, rows, width, time, row];
}

export interface AppendAttrs {
  /** Where in a row of x the elements begin that are kept. */
  readonly from: number;
}

/** Inputs a cache [B, S, width], x [B, T, row] and positions i32 [B]; output the cache with T rows of x from each position on. */
export const APPEND_ROWS: OpDef<AppendAttrs> = {
  name: 'appendRows',
  infer([cache, x, positions], { from }) {
    const [, , width, , row] = sizesOf('appendRows', [x!, cache!], positions!);
    if (from + width > row) throw new ShapeError(`appendRows: expected rows of at least ${from + width}, got [${x!.shape}]`);
    return [cache!];
  },
  lower(node) {
    const [cache, x, positions] = typesOf(node as Node) as [TensorType, TensorType, TensorType];
    return { ints: [...sizesOf('appendRows', [x, cache], positions), node.attrs.from] };
  },
  // In place: the rest of the cache stays where it is.
  cost: ({ ins: [cache, x] }) => ({ flops: 0, bytes: 8 * x!.shape[0]! * x!.shape[1]! * cache!.shape[2]! }),
  inplace: () => [[0, 0]],
  indices: ({ ins: [cache, x] }) => [{ input: 2, bound: cache!.shape[1]! - x!.shape[1]! + 1 }],
  ref([out], [cache, x, positions], node) {
    const types = typesOf(node as Node) as [TensorType, TensorType, TensorType];
    const [batch, rows, width, time, row] = sizesOf('appendRows', [types[1], types[0]], types[2]);
    out!.set(cache!);
    for (let k = 0; k < batch * time; k++) {
      const b = Math.floor(k / time);
      const from = k * row + node.attrs.from;
      out!.set(x!.subarray(from, from + width), (b * rows + positions![b]! + (k % time)) * width);
    }
  },
  samples: () => [
    appendSample([2, 7, 3], [2, 4, 9], 5),
    appendSample([3, 20, 33], [3, 1, 99], 66),
    appendSample([1, 5, 16], [1, 5, 16], 0),
    appendSample([2, 5, 4], [2, 0, 4], 0),
  ],
};
function appendSample(cache: number[], x: number[], from: number): Sample<AppendAttrs> {
  const fill: Sample<AppendAttrs>['fill'] = ['normal', 'normal', [0, cache[1]! - x[1]! + 1]];
  return { ins: [f32(...cache), f32(...x), i32(x[0]!)], attrs: { from }, fill, noGradient: true };
}

export interface CachedAttentionAttrs {
  readonly heads: number;
  /** Heads of k and v, which divides `heads`. */
  readonly kvHeads: number;
  readonly scale: number;
  /** As that of attention. */
  readonly bf16?: boolean;
}

interface Sizes {
  readonly batch: number;
  readonly rows: number;
  readonly width: number;
  readonly time: number;
  readonly row: number;
  readonly dim: number;
}
function attended([x, keys, values, positions]: readonly TensorType[], { heads, kvHeads }: CachedAttentionAttrs): Sizes {
  const [batch, rows, width, time, row] = sizesOf('cachedAttention', [x!, keys!, values!], positions!);
  const dim = width / kvHeads;
  if (heads % kvHeads !== 0 || !Number.isInteger(dim) || dim < 1 || heads * dim > row) {
    const wanted = `rows of ${heads} heads of q, and caches of ${kvHeads} of k and v`;
    throw new ShapeError(`cachedAttention: expected ${wanted}, got [${x!.shape}] and [${keys!.shape}]`);
  }
  return { batch, rows, width, time, row, dim };
}

/**
 * Inputs x [B, T, row], whose rows begin with the heads of q, keys and values [B, S, kvHeads d] and positions i32 [B]; output [B, T, heads d].
 * Query t of a row at position p sees its keys 0 .. p + t: the bits are those of `attention`, causal, of the whole sequence.
 */
export const CACHED_ATTENTION: OpDef<CachedAttentionAttrs> = {
  name: 'cachedAttention',
  multiplies: true,
  infer(ins, attrs) {
    const { batch, time, dim } = attended(ins, attrs);
    return [f32(batch, time, attrs.heads * dim)];
  },
  lower(node) {
    const { batch, rows, time, row, dim } = attended(typesOf(node as Node), node.attrs);
    const { heads, kvHeads, scale, bf16 } = node.attrs;
    return { ints: [batch, heads, kvHeads, time, rows, dim, row, +Boolean(bf16)], floats: [scale] };
  },
  // Of a cache that is full: how much of it is, only the run knows.
  cost(node) {
    const { batch, rows, time, width, dim } = attended(typesOf(node as Node), node.attrs);
    const macs = 2 * batch * node.attrs.heads * time * rows * dim;
    return { flops: 2 * macs, bytes: 8 * batch * rows * width + 2 * bytesOf(node.out.type), macs };
  },
  indices: ({ ins: [x, keys] }) => [{ input: 3, bound: keys!.shape[1]! - x!.shape[1]! + 1 }],
  ref([out], [x, keys, values, positions], node) {
    const { batch, rows, width, time, row, dim } = attended(typesOf(node as Node), node.attrs);
    const { heads, kvHeads, scale, bf16 } = node.attrs;
    const rowOf = (cache: RefArray, b: number, j: number, kv: number): RefArray => {
      const at = (b * rows + j) * width + kv * dim;
      return operand(cache.subarray(at, at + dim), bf16);
    };
    for (let k = 0; k < batch * time * heads; k++) {
      const [h, t, b] = [k % heads, Math.floor(k / heads) % time, Math.floor(k / (heads * time))];
      const kv = Math.floor((h * kvHeads) / heads);
      const row0 = (b * time + t) * row;
      const q = operand(x!.subarray(row0 + h * dim, row0 + (h + 1) * dim), bf16, scale);
      const scores = Array.from({ length: positions![b]! + t + 1 }, (_, j) => {
        return (bf16 ? 1 : scale) * dot(rowOf(keys!, b, j, kv), q);
      });
      const top = scores.reduce((a, b) => Math.max(a, b));
      const sum = scores.reduce((a, s) => a + exp(s - top), 0);
      const to = out!.subarray(k * dim, (k + 1) * dim).fill(0);
      weights(scores, top, bf16).forEach((w, j) => {
        addTo(to, rowOf(values!, b, j, kv), w / sum);
      });
    }
  },
  samples: () => [
    attendedSample([1, 1, 1], [1, 1, 1], 1, 1),
    attendedSample([2, 1, 36], [2, 9, 12], 3, 3),
    attendedSample([3, 5, 20], [3, 70, 6], 4, 2),
    attendedSample([1, 40, 35], [1, 150, 35], 1, 1),
    attendedSample([2, 70, 99], [2, 70, 33], 1, 1),
    attendedSample([2, 0, 12], [2, 5, 4], 1, 1),
    attendedSample([1, 1, 1], [1, 1, 1], 1, 1, true),
    attendedSample([2, 3, 20], [2, 70, 6], 4, 2, true),
    attendedSample([1, 40, 35], [1, 150, 35], 1, 1, true),
  ],
};
function attendedSample(
  x: number[],
  cache: number[],
  heads: number,
  kvHeads: number,
  bf16 = false,
): Sample<CachedAttentionAttrs> {
  return {
    ins: [f32(...x), f32(...cache), f32(...cache), i32(x[0]!)],
    attrs: { heads, kvHeads, scale: 1 / Math.sqrt(cache[2]! / kvHeads), ...(bf16 && { bf16 }) },
    fill: ['normal', 'normal', 'normal', [0, cache[1]! - x[1]! + 1]],
    noGradient: true,
    tolerance: bf16 ? 2 ** -8 : 1e-5,
  };
}

/**
 * A cache with rows of x put into it: elements [from, from + width) of each.
 * @param cache [B, S, width]
 * @param x [B, T, row]
 * @param positions where in the cache of each row of the batch the first of them goes: i32 [B]
 */
export function appendRows(cache: Tensor, x: Tensor, positions: Tensor, from: number): Tensor {
  return x.graph.add(APPEND_ROWS, [cache, x, positions], { from }).out;
}

/** Causal attention of x [B, T, row] to caches that hold its own keys and values too: see CACHED_ATTENTION. */
export function cachedAttention(x: Tensor, keys: Tensor, values: Tensor, positions: Tensor, attrs: CachedAttentionAttrs): Tensor {
  return x.graph.add(CACHED_ATTENTION, [x, keys, values, positions], attrs).out;
}
