// rotary.ts: rotary positions. Kernel: rotary.h.

import { DTypeError, OptionError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import { type OnnxBuilder, type OnnxValue, type Size, times } from '../../ir/onnx.ts';
import { type OpDef, type RefArray, sizeOf, type TensorType, typeName } from '../../ir/op.ts';
import { besides } from '../../ir/samples.ts';
import { cos, pow, sin } from '../../math/index.ts';
import { bool, number, options, signature, whole } from '../../options/index.ts';
import { tensor } from '../args.ts';
import { gather } from '../rows/gather.ts';
import { moved } from '../shape/axes.ts';
import { reshape } from '../shape/shape.ts';
import { optionalPlaces, type Places, positionsOf } from './places.ts';

export interface RotaryAttrs {
  /** Heads within a row of x [..., T, heads d]. */
  readonly heads: number;
  readonly interleaved: boolean;
  /** Turn back: what the gradient is. */
  readonly back: boolean;
}

interface Sizes {
  readonly outer: number;
  readonly time: number;
  readonly dim: number;
  /** Elements of a head that are turned. */
  readonly turned: number;
}
function sizesOf([x, table]: readonly TensorType[], { heads }: RotaryAttrs): Sizes {
  const [time, width] = x!.shape.slice(-2) as [number, number];
  const [places, turned] = table!.shape as [number, number];
  const dim = width / heads;
  if (x!.dtype !== 'f32' || table!.dtype !== 'f32') throw new DTypeError(`rotary: expected f32, got ${typeName(x!)}`);
  if (x!.shape.length < 2 || !Number.isInteger(dim)) {
    throw new ShapeError(`rotary: expected x [..., T, ${heads > 1 ? `${heads} d` : 'd'}], got [${x!.shape}]`);
  }
  if (table!.shape.length !== 2 || places !== time || turned % 2 !== 0 || turned > dim) {
    throw new ShapeError(`rotary: expected a table [${time}, at most ${dim} and even], got [${table!.shape}]`);
  }
  return { outer: sizeOf(x!.shape.slice(0, -2)), time, dim, turned };
}
const nodeSizes = (node: Node<RotaryAttrs>): Sizes =>
  sizesOf(
    node.ins.map((t) => t.type),
    node.attrs,
  );

/** Inputs x [..., T, heads d] and a table [T, n] of n / 2 cosines and n / 2 sines for each place. */
export const ROTARY: OpDef<RotaryAttrs> = {
  name: 'rotary',
  onnx: rotaryOnnx,
  infer(ins, attrs) {
    sizesOf(ins, attrs);
    return [ins[0] as TensorType];
  },
  vjp(node, [dy]) {
    const { attrs, ins } = node;
    return [dy ? dy.graph.add(ROTARY, [dy, ins[1] as Tensor], { ...attrs, back: !attrs.back }).out : null, null];
  },
  lower(node) {
    const { outer, time, dim, turned } = nodeSizes(node);
    const { heads, interleaved, back } = node.attrs;
    return { ints: [outer, time, heads, dim, turned, +interleaved, +back] };
  },
  cost: (node) => moved(node, 3 * sizeOf(node.out.shape)),
  inplace: () => [[0, 0]],
  ref([y], [x, table], node) {
    const { outer, time, dim, turned } = nodeSizes(node);
    const { heads, interleaved, back } = node.attrs;
    const half = turned / 2;
    const [from, to, angles] = [x, y, table] as [RefArray, RefArray, RefArray];
    to.set(from);
    for (let head = 0; head < outer * time * heads; head++) {
      const place = Math.floor(head / heads) % time;
      for (let c = 0; c < half; c++) {
        const p = head * dim + (interleaved ? 2 * c : c);
        const q = p + (interleaved ? 1 : half);
        const cos = angles[place * turned + c]!;
        const sin = angles[place * turned + half + c]! * (back ? -1 : 1);
        to[p] = from[p]! * cos - from[q]! * sin;
        to[q] = from[q]! * cos + from[p]! * sin;
      }
    }
  },
  // The table gets no gradient, so differences would disagree; rotary.test.ts looks at that of x.
  samplesOf: { lies: (node, ins) => besides(node as Node, ins, (axis) => axis >= node.out.shape.length - 2) },
  samples: () =>
    (
      [
        [[2, 3, 8], [3, 8], 1, false],
        [[2, 2, 5, 12], [5, 4], 2, true],
        [[7, 66], [7, 22], 3, false],
        [[1, 2], [1, 2], 1, true],
        [[0, 3, 4], [3, 4], 1, false],
      ] as const
    ).flatMap(([x, table, heads, interleaved]) =>
      [false, true].map((back) => ({
        ins: [
          { dtype: 'f32' as const, shape: x },
          { dtype: 'f32' as const, shape: table },
        ],
        attrs: { heads, interleaved, back },
        noGradient: true,
      })),
    ),
};

/** Slices that are turned, and put together again. */
function rotaryOnnx(node: Node<RotaryAttrs>, b: OnnxBuilder): OnnxValue[] {
  const { heads, interleaved, back } = node.attrs;
  const [x, table] = node.ins as [Tensor, Tensor];
  const dims = b.dims(x);
  const [time, width] = dims.slice(-2) as [Size, number];
  const dim = width / heads;
  const turned = b.dims(table)[1] as number;
  const half = turned / 2;
  const lead = dims.slice(0, -2);
  // [..., time, heads, dim]
  const rank = lead.length + 3;
  const split = b.reshape(b.value(x), [...lead, time, heads, dim]);
  const part = (start: number, end: number, step = 1): OnnxValue => b.slice(split, rank - 1, start, end, step);
  const angle = (start: number): OnnxValue => b.reshape(b.slice(b.value(table), 1, start, start + half), [time, 1, half]);
  const [cos, sine] = [angle(0), angle(half)];
  const sin = back ? b.node('Neg', [sine]) : sine;
  const [p, q] = interleaved ? [part(0, turned, 2), part(1, turned, 2)] : [part(0, half), part(half, turned)];
  const mul = (a: OnnxValue, c: OnnxValue): OnnxValue => b.node('Mul', [a, c]);
  const first = b.node('Sub', [mul(p, cos), mul(q, sin)]);
  const second = b.node('Add', [mul(q, cos), mul(p, sin)]);
  const rest = turned < dim ? [part(turned, dim)] : [];
  const shape: Size[] = [...lead, time, heads, half, 1];
  const pairs = interleaved
    ? [
        b.reshape(b.node('Concat', [b.reshape(first, shape), b.reshape(second, shape)], { axis: rank }), [
          ...lead,
          time,
          heads,
          times(half, 2),
        ]),
      ]
    : [first, second];
  return [b.reshape(b.node('Concat', [...pairs, ...rest], { axis: rank - 1 }), dims)];
}

/** Options of `ops.rotary`. */
export interface RotaryOptions {
  /** Heads side by side in a row, as for `headsAttention`. Default 1: x is [..., heads, T, d]. */
  readonly heads?: number;
  /** Pairs are neighbors, (2 i, 2 i + 1), as in GPT-J and the paper. Default false: (i, i + d / 2), as in Llama and GPT-NeoX. */
  readonly interleaved?: boolean;
  /** Pair i of n turns by t base^(-2 i / n) at place t. Default 10000. */
  readonly base?: number;
  /** The place of the first row. Default 0. */
  readonly offset?: number;
  /** Where rows of x [batch, time, heads d] stand, such as the cache of `decode`. Default null: at offset, offset + 1, ... */
  readonly places?: Places | null;
  /** How many of the elements of a head are turned, an even number; the rest stays. Default: all. */
  readonly dims?: number;
}

const readRotary = signature(
  'ops.rotary',
  { x: tensor },
  options<RotaryOptions>()({
    heads: whole({ min: 1 }).default(1),
    interleaved: bool.default(false),
    base: number({ above: 0 }).default(10000),
    offset: whole({ min: 0 }).default(0),
    places: optionalPlaces,
    dims: whole({ min: 0 }).optional(),
  }),
);

/**
 * Rotary positions on queries or keys. Pairs of elements are turned by angles that grow with the place, so a product
 * of a query and a key depends on how far apart they are.
 * @shape x [..., T, d] -> [..., T, d]; with `heads` [..., T, heads d]
 * @throws OptionError; ShapeError if a head is not of even size; DTypeError unless x is f32
 * @see Su et al. 2021, RoFormer: Enhanced Transformer with Rotary Position Embedding
 */
export function rotary(x: TensorLike, options: RotaryOptions = {}): Tensor {
  const { x: t, heads, interleaved, base, offset, places, ...read } = readRotary(arguments);
  const [time = 0, width = 0] = t.shape.slice(-2);
  const { dims = width / heads } = read;
  if (dims > width / heads) {
    throw new OptionError(`ops.rotary: option dims: expected at most the ${width / heads} elements of a head, got ${dims}`);
  }
  if (t.shape.length < 2 || width % heads !== 0 || dims % 2 !== 0) {
    throw new ShapeError(
      `rotary: expected x [..., T, ${heads > 1 ? `${heads} d` : 'd'}] with an even d to turn, got [${t.shape}]`,
    );
  }
  const half = dims / 2;
  const rows = places ? places.length : time;
  const table = new Float32Array(rows * dims);
  for (let k = 0; k < rows; k++) {
    for (let i = 0; i < half; i++) {
      const angle = (offset + k) * pow(base, (-2 * i) / dims);
      table[k * dims + i] = cos(angle);
      table[k * dims + half + i] = sin(angle);
    }
  }
  const angles = t.graph.constant(table, [rows, dims], 'f32');
  const attrs = { heads, interleaved, back: false };
  if (!places) return t.graph.add(ROTARY, [t, angles], attrs).out;
  // All tokens of the batch one after the other, each with its own row of the table.
  const at = positionsOf('rotary', t, places);
  const tokens = sizeOf(at.shape);
  const turned = [reshape(t, [tokens, width]), gather(angles, reshape(at, [tokens]))];
  return reshape(t.graph.add(ROTARY, turned, attrs).out, t.shape);
}
