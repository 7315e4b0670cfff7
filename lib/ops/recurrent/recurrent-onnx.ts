// recurrent-onnx.ts: RNN, LSTM and GRU as ONNX has them: time first, gates in another order, the projection of the input within.
import { isOp, type Node, type Tensor } from '../../ir/graph.ts';
import type { OnnxAttributes, OnnxBuilder, OnnxValue, Size } from '../../ir/onnx.ts';
import { MATMUL } from '../product/matmul.ts';
import { RESHAPE } from '../shape/shape.ts';
import type { RecurrentAttrs } from './recurrent.ts';

/** What the operators of a kind differ in. */
interface Kind {
  readonly operator: 'RNN' | 'LSTM' | 'GRU';
  /** Where each gate of theirs stands among ours. */
  readonly gates: readonly number[];
  readonly attributes?: OnnxAttributes;
}
export const KINDS: Readonly<Record<'lstm' | 'gru', Kind>> = {
  // Theirs are input, output, forget and cell, ours i, f, g, o.
  lstm: { operator: 'LSTM', gates: [0, 3, 1, 2] },
  // Theirs are update, reset and hidden, ours r, z, n.
  gru: { operator: 'GRU', gates: [1, 0, 2], attributes: { linear_before_reset: 1 } },
};

/** The operands of one of our ops, by what they are. */
interface Operands {
  /** [batch, time, gates * hidden], already projected. */
  readonly x: Tensor;
  /** What it begins with: states, of an LSTM then cells. */
  readonly initial: readonly Tensor[];
  readonly weight: Tensor;
  /** Added to the product with the state. */
  readonly bias: Tensor | null;
  readonly lengths: Tensor | null;
}

/** @returns states [batch, time, hidden], then the last state, and the last cell of an LSTM */
export function recurrentOnnx(node: Node<RecurrentAttrs>, b: OnnxBuilder, kind: Kind, of: Operands): OnnxValue[] {
  const { x, initial, weight, bias, lengths } = of;
  const hidden = weight.shape[1]!;
  const [batch, time] = b.dims(x) as [Size, Size];
  const ordered = (value: OnnxValue): OnnxValue => reordered(b, value, kind.gates, hidden);
  const one = (value: OnnxValue, dims: readonly Size[]): OnnxValue => b.reshape(value, [1, ...dims]);
  const rows = kind.gates.length * hidden;
  const input = projectionOf(x, b, rows);
  const zeros = (): OnnxValue => b.node('ConstantOfShape', [b.sizes([rows])], { value: { tensor: new Float32Array(1) } });
  const biases = [input.bias, bias ? b.value(bias) : null];
  const both = biases.every((value) => value === null)
    ? null
    : one(
        b.node(
          'Concat',
          biases.map((value) => (value === null ? zeros() : ordered(value))),
          { axis: 0 },
        ),
        [2 * rows],
      );
  const ins = [
    b.node('Transpose', [input.x], { perm: [1, 0, 2] }),
    one(ordered(input.weight), [rows, input.width]),
    one(ordered(b.value(weight)), [rows, hidden]),
    both,
    lengths ? b.value(lengths) : null,
    ...initial.map((t) => (b.isZero(t) ? null : one(b.value(t), [batch, hidden]))),
  ];
  const direction = node.attrs.reverse ? 'reverse' : 'forward';
  const outputs = kind.operator === 'LSTM' ? 3 : 2;
  const [states, ...last] = b.nodes(kind.operator, ins, outputs, { hidden_size: hidden, direction, ...kind.attributes });
  // [time, 1, batch, hidden]
  const inOrder = b.node('Transpose', [b.reshape(states!, [time, batch, hidden])], { perm: [1, 0, 2] });
  const ends = last.map((value) => b.reshape(value, [batch, hidden]));
  if (!lengths) return [inOrder, ...ends];
  // A row of no steps keeps what it began with, which not all programs know.
  const none = b.reshape(b.node('Equal', [b.value(lengths), b.scalar('i32', 0)]), [batch, 1]);
  return [inOrder, ...ends.map((value, i) => b.node('Where', [none, b.value(initial[i]!), value]))];
}

/** Rows [gates * hidden, ...] with the gates in their order. */
function reordered(b: OnnxBuilder, value: OnnxValue, gates: readonly number[], hidden: number): OnnxValue {
  if (gates.length === 1) return value;
  const sizes = b.sizes(gates.map(() => hidden));
  const parts = b.nodes('Split', [value, sizes], gates.length, { axis: 0 });
  return b.node(
    'Concat',
    gates.map((gate) => parts[gate]!),
    { axis: 0 },
  );
}

/** What is projected, by what. */
interface Projection {
  readonly x: OnnxValue;
  readonly width: number;
  readonly weight: OnnxValue;
  readonly bias: OnnxValue | null;
}

/** A linear layer before the op, which the operators have within; else x itself, and a matrix that changes nothing. */
function projectionOf(x: Tensor, b: OnnxBuilder, rows: number): Projection {
  const found = linearOf(isOp(x.node, RESHAPE) ? x.node.ins[0]! : x);
  if (!found) {
    const square = b.node('ConstantOfShape', [b.sizes([rows, rows])], { value: { tensor: new Float32Array(1) } });
    return { x: b.value(x), width: rows, weight: b.node('EyeLike', [square]), bias: null };
  }
  const width = found.weight.shape[1]!;
  const [batch, time] = b.dims(x) as [Size, Size];
  const value = b.reshape(b.value(found.x), [batch, time, width]);
  return { x: value, width, weight: b.value(found.weight), bias: found.bias && b.value(found.bias) };
}

/** The parts of `x weight^T + bias`, x [rows, in]; null for anything else. */
function linearOf(y: Tensor): { readonly x: Tensor; readonly weight: Tensor; readonly bias: Tensor | null } | null {
  if (y.shape.length !== 2) return null;
  const sum = y.node.op.map === 'add' ? y.node.ins : null;
  const bias = sum ? sum[1]! : null;
  // What else is added is no part of a linear layer.
  if (bias && bias.shape.length !== 1) return null;
  const { node } = sum ? sum[0]! : y;
  if (!isOp(node, MATMUL) || !node.attrs.transB || node.attrs.transA) return null;
  const [x, weight] = node.ins as [Tensor, Tensor];
  return { x, weight, bias };
}
