// ctc.ts: the loss of labels that no frame is assigned to (connectionist temporal classification), and its gradient. Kernels: ctc.h.

import { DTypeError, IndexError, OptionError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import {
  type Cost,
  DTYPE_BYTES,
  f32,
  f64,
  i32,
  type OpDef,
  type RefArray,
  type Sample,
  sameShape,
  sizeOf,
  type TensorType,
  typeName,
} from '../../ir/op.ts';
import { byItem } from '../../ir/samples.ts';
import { exp, log } from '../../math/index.ts';
import { bool, type Field, type OptionsField, options, signature, whole } from '../../options/index.ts';
import { optionalTensor, tensor } from '../args.ts';
import { cast, less, where } from '../elementwise/elementwise.ts';
import { asIndices, expectIndices } from '../rows/indices.ts';
import { moved } from '../shape/axes.ts';
import { broadcastTo, reshape } from '../shape/shape.ts';
import { argmax, max } from './reduce.ts';

export interface CtcAttrs {
  /** The class of no label. */
  readonly blank: number;
  /** Whether a loss of infinity, of labels that no path gives, is 0, and its gradient. */
  readonly zeroInfinity: boolean;
}

/** Throws unless operands are log-probabilities f32[n,t,c], labels i32|u8[n,s], how many frames and labels of each row there are, i32[n] twice. */
function expectSequences(op: string, ins: readonly TensorType[], { blank }: CtcAttrs): void {
  const [x, labels, ...lengths] = ins as [TensorType, TensorType, TensorType, TensorType];
  if (x.dtype !== 'f32') throw new DTypeError(`${op}: expected f32, got ${x.dtype}`);
  if (x.shape.length !== 3) throw new ShapeError(`${op}: expected [n, time, classes], got [${x.shape}]`);
  expectIndices(op, 'labels', labels);
  const [n, , classes] = x.shape as [number, number, number];
  if (labels.shape.length !== 2 || labels.shape[0] !== n)
    throw new ShapeError(`${op}: expected labels [${n}, ...], got [${labels.shape}]`);
  for (const type of lengths.slice(0, 2)) {
    if (type.dtype !== 'i32' || !sameShape(type.shape, [n]))
      throw new ShapeError(`${op}: expected lengths i32[${n}], got ${typeName(type)}`);
  }
  if (blank >= classes)
    throw new ShapeError(`${op}: expected more classes than the number of the blank, ${blank}, got ${classes}`);
}

function ints({ ins: [x, labels], attrs: { blank, zeroInfinity } }: Node<CtcAttrs>): number[] {
  return [...x!.shape, labels!.shape[1]!, DTYPE_BYTES[labels!.dtype], blank, Number(zeroInfinity)];
}
function costOf(node: Node<CtcAttrs>, each: number): Cost {
  const [x, labels] = node.ins as [Tensor, Tensor];
  return moved(node as Node, each * x.shape[0]! * x.shape[1]! * (2 * labels.shape[1]! + 1));
}

/** A row for `ref`s. */
interface Row {
  /** Log-probabilities of a frame's class. */
  at(t: number, c: number): number;
  readonly frames: number;
  /** Classes of the states that a path goes through: blank, label, blank, ..., label, blank. */
  readonly states: readonly number[];
}
function eachRow(ins: readonly RefArray[], node: Node<CtcAttrs>, visit: (row: Row, n: number) => void): void {
  const [x, labels, frames, counts] = ins as [RefArray, RefArray, RefArray, RefArray];
  const [rows, time, classes] = node.ins[0]!.shape as [number, number, number];
  const most = node.ins[1]!.shape[1]!;
  const { blank } = node.attrs;
  const check = (position: number, value: number, bound: number): void => {
    if (value >= 0 && value < bound && !(bound === classes && value === blank)) return;
    const but = value === blank && value < bound ? ` other than the blank` : '';
    const text = `ctcLoss: expected an index from 0 to ${bound - 1}${but} at position ${position}, got ${value}`;
    throw new IndexError(text, { op: 'ctcLoss', position, value, bound });
  };
  for (let n = 0; n < rows; n++) {
    const [steps, count] = [frames[n]!, counts[n]!];
    if (steps < 0 || steps > time) check(n, steps, time + 1);
    if (count < 0 || count > most) check(n, count, most + 1);
    const own = Array.from(labels.slice(n * most, n * most + count) as Int32Array);
    for (const [k, label] of own.entries()) check(n * most + k, label, classes);
    const states = [blank, ...own.flatMap((label) => [label, blank])];
    visit({ at: (t, c) => x[(n * time + t) * classes + c]!, frames: steps, states }, n);
  }
}

const NEVER = Number.NEGATIVE_INFINITY;
function logAdd(...terms: readonly number[]): number {
  const top = Math.max(...terms);
  return top === NEVER ? NEVER : top + log(terms.reduce((sum, v) => sum + exp(v - top), 0));
}
/** Whether a path may go from a state to the one after the next: from a label to another one. */
const skips = (states: readonly number[], s: number): boolean => s % 2 === 1 && s >= 2 && states[s] !== states[s - 2];

/** The logarithm of what all paths that begin a row come to, [frame][state], those of the state's frame with it; and of all in the end. */
function forward({ at, frames, states }: Row): { alphas: number[][]; total: number } {
  const alphas: number[][] = [];
  let last = states.map((_, s) => (s === 0 ? 0 : NEVER));
  let good = true;
  for (let t = 0; t < frames; t++) {
    const from = last;
    last = states.map((c, s) => {
      const p = at(t, c);
      good &&= p < Infinity;
      // Before the first frame a path stands before all states, from where it may go to the first label, too.
      return p + logAdd(from[s]!, s > 0 ? from[s - 1]! : NEVER, skips(states, s) ? from[s - 2]! : NEVER);
    });
    alphas.push(last);
  }
  const total = logAdd(last.at(-1)!, states.length > 1 ? last.at(-2)! : NEVER);
  return { alphas, total: good ? total : Number.NaN };
}
/** The logarithm of what all paths from a state on to the end come to, [frame][state], without the state's own frame. */
function backward({ at, frames, states }: Row): number[][] {
  const betas: number[][] = [];
  let next = states.map((_, s) => (s >= states.length - 2 ? 0 : NEVER));
  for (let t = frames - 1; t >= 0; t--) {
    betas.unshift(next);
    const on = next.map((v, s) => v + at(t, states[s]!));
    next = on.map((v, s) => logAdd(v, on[s + 1] ?? NEVER, s + 2 < on.length && skips(states, s + 2) ? on[s + 2]! : NEVER));
  }
  return betas;
}
const lossOf = (total: number, { zeroInfinity }: CtcAttrs): number => (zeroInfinity && total === NEVER ? 0 : 0 - total);

/** Inputs log-probabilities f32[n,t,c], labels i32|u8[n,s], lengths of both i32[n]; output the loss of each row, f64[n]. */
export const CTC_LOSS: OpDef<CtcAttrs> = {
  name: 'ctcLoss',
  infer(ins, attrs) {
    expectSequences('ctcLoss', ins, attrs);
    return [f64(ins[0]!.shape[0]!)];
  },
  vjp(node, [dloss]) {
    const [x, ...rest] = node.ins as [Tensor, Tensor, Tensor, Tensor];
    return [dloss ? x.graph.add(CTC_LOSS_GRAD, [x, ...rest, dloss], node.attrs).outs[0]! : null, null, null, null];
  },
  lower: (node) => ({ ints: ints(node) }),
  cost: (node) => costOf(node, 60),
  ref([loss], ins, node) {
    eachRow(ins, node, (row, n) => {
      loss![n] = lossOf(forward(row).total, node.attrs);
    });
  },
  samplesOf: { lies: byItem },
  samples: () => SHAPES.map((shape) => sample(shape)),
};

/**
 * Inputs as of the loss, and the gradient of each row's loss, f64[n]; outputs the gradient of the log-probabilities, and the losses, which come with it
 * (compile/fuse-losses.ts). The gradient of a loss of infinity is NaN.
 */
export const CTC_LOSS_GRAD: OpDef<CtcAttrs> = {
  name: 'ctcLossGrad',
  madeOf: 'ctcLoss',
  infer(ins, attrs) {
    expectSequences('ctcLossGrad', ins, attrs);
    const [n] = ins[0]!.shape as [number];
    if (ins[4]?.dtype !== 'f64' || !sameShape(ins[4].shape, [n]))
      throw new ShapeError(`ctcLossGrad: expected f64[${n}], got ${typeName(ins[4]!)}`);
    return [ins[0]!, f64(n)];
  },
  lower: (node) => ({ ints: ints(node) }),
  cost: (node) => costOf(node, 160),
  inplace: () => [[0, 0]],
  ref([dx, loss], ins, node) {
    const [, time, classes] = node.ins[0]!.shape as [number, number, number];
    const gradients = new Float64Array(dx!.length);
    eachRow(ins, node, (row, n) => {
      const { alphas, total } = forward(row);
      loss![n] = lossOf(total, node.attrs);
      const first = n * time * classes;
      if (!Number.isFinite(total)) {
        gradients.fill(loss![n] === 0 ? 0 : Number.NaN, first, first + row.frames * classes);
        return;
      }
      const betas = backward(row);
      for (let t = 0; t < row.frames; t++) {
        for (const [s, c] of row.states.entries())
          gradients[first + t * classes + c]! -= exp(alphas[t]![s]! + betas[t]![s]! - total) * ins[4]![n]!;
      }
    });
    dx!.set(gradients);
  },
  samplesOf: { lies: byItem },
  samples: () =>
    SHAPES.map((shape) => {
      const { ins, fill = [], ...rest } = sample(shape);
      return { ...rest, ins: [...ins, f64(shape.n)], fill: [...fill, 'normal'], tolerance: 1e-5 };
    }),
};

interface Shape {
  readonly n: number;
  readonly time: number;
  readonly classes: number;
  readonly labels: number;
  readonly blank?: number;
  readonly zeroInfinity?: boolean;
  readonly u8?: boolean;
  /** Lengths of rows, in turn. */
  readonly frames?: readonly number[];
  readonly counts?: readonly number[];
}
const SHAPES: readonly Shape[] = [
  { n: 1, time: 1, classes: 2, labels: 1 },
  { n: 3, time: 12, classes: 5, labels: 4 },
  { n: 2, time: 9, classes: 3, labels: 4, blank: 2, u8: true },
  { n: 5, time: 8, classes: 4, labels: 3, blank: 1, frames: [8, 5, 4, 7, 6], counts: [3, 2, 0, 1, 3] },
  // Without frames, without labels, with fewer frames than labels, which is infinity, or 0.
  { n: 4, time: 3, classes: 4, labels: 4, frames: [0, 0, 3, 2], counts: [0, 1, 4, 3] },
  { n: 4, time: 3, classes: 4, labels: 4, frames: [0, 0, 3, 2], counts: [0, 1, 4, 3], zeroInfinity: true },
  { n: 2, time: 70, classes: 40, labels: 16 },
  { n: 2, time: 60, classes: 7, labels: 31, frames: [60, 55], counts: [15, 31], blank: 6 },
  { n: 2, time: 5, classes: 1, labels: 0 },
  { n: 2, time: 0, classes: 3, labels: 0 },
  { n: 0, time: 3, classes: 3, labels: 2 },
];

/** Labels of which some are repeated, beside the blank. */
function sample({
  n,
  time,
  classes,
  labels,
  blank = 0,
  zeroInfinity = false,
  u8 = false,
  frames,
  counts,
}: Shape): Sample<CtcAttrs> {
  const own = Array.from({ length: n * labels }, (_, k) => {
    const label = ((k * 7 + (k % 5 === 3 ? -7 : 0)) % (classes - 1)) % 256;
    return label < blank ? label : label + 1;
  });
  const per = (given: readonly number[] | undefined, all: number): number[] =>
    Array.from({ length: n }, (_, k) => given?.[k] ?? all);
  return {
    ins: [f32(n, time, classes), { dtype: u8 ? 'u8' : 'i32', shape: [n, labels] }, i32(n), i32(n)],
    attrs: { blank, zeroInfinity },
    fill: [[-4, 0], { exactly: own }, { exactly: per(frames, time) }, { exactly: per(counts, labels) }],
    // Where no path gives the labels, differences of infinity are no number.
    noGradient: frames?.includes(0) ?? false,
  };
}

/** Options of `ops.ctcLoss`, which `loss.ctc` has too. */
export interface CTCOptions {
  /** Whole numbers [...]: how many frames of each row there are; others are not read. Default null: all. */
  readonly inputLengths?: TensorLike | null;
  /** Whole numbers [...]: how many labels of each row there are; others are not read. Default null: those before its first below 0. */
  readonly targetLengths?: TensorLike | null;
  /** The class that stands for no label. Default 0. */
  readonly blank?: number;
  /** Whether rows whose labels no path through their frames gives, so that their loss is infinite, lose 0, and have no gradient. Default false. */
  readonly zeroInfinity?: boolean;
}
interface CtcFields {
  readonly inputLengths: Field<TensorLike | null, Tensor | null, false>;
  readonly targetLengths: Field<TensorLike | null, Tensor | null, false>;
  readonly blank: Field<number, number, false>;
  readonly zeroInfinity: Field<boolean, boolean, false>;
}
export const ctcFields: CtcFields = {
  inputLengths: optionalTensor,
  targetLengths: optionalTensor,
  blank: whole({ min: 0, below: 2 ** 31 }).default(0),
  zeroInfinity: bool.default(false),
};
/** The same, as read. */
export interface CtcRead {
  readonly inputLengths: Tensor | null;
  readonly targetLengths: Tensor | null;
  readonly blank: number;
  readonly zeroInfinity: boolean;
}
const ctcOptions: OptionsField<CTCOptions, CtcRead> = options<CTCOptions>()(ctcFields);
const readCtcLoss = signature('ops.ctcLoss', { logProbabilities: tensor, targets: tensor }, ctcOptions);

/** Rows of sequences and their labels, whatever dimensions stand before. */
export interface Sequences {
  readonly lead: readonly number[];
  /** f32 [n, time, classes]. */
  readonly x: Tensor;
  /** i32 or u8 [n, labels]. */
  readonly labels: Tensor;
  /** i32 [n]. */
  readonly frames: Tensor;
  /** i32 [n]. */
  readonly counts: Tensor;
}

/** @throws OptionError, ShapeError, DTypeError unless the operands fit */
export function sequencesOf(op: string, where: string, x: Tensor, targets: Tensor, read: CtcRead): Sequences {
  if (x.shape.length < 2) throw new ShapeError(`${op}: expected [..., time, classes], got [${x.shape}]`);
  const lead = x.shape.slice(0, -2);
  const [time, classes] = x.shape.slice(-2) as [number, number];
  if (targets.shape.length !== lead.length + 1 || !sameShape(targets.shape.slice(0, -1), lead)) {
    const all = lead.length === 0 ? '' : `${lead}, `;
    throw new ShapeError(`${op}: expected targets [${all}labels] for [${x.shape}], got [${targets.shape}]`);
  }
  if (x.dtype !== 'f32') throw new DTypeError(`${op}: expected f32, got ${x.dtype}; convert it with cast(x, 'f32')`);
  if (read.blank >= classes) {
    const text = `${where}: option blank: expected one of the ${classes} classes, from 0 on, got ${read.blank}`;
    throw new OptionError(text, { option: 'blank', value: read.blank });
  }
  const n = sizeOf(lead);
  const labels = reshape(asIndices(targets), [n, targets.shape.at(-1)!]);
  const given = (lengths: Tensor | null, option: string): Tensor | null => {
    if (!lengths) return null;
    if (!sameShape(lengths.shape, lead)) throw new ShapeError(`${op}: expected ${option} of [${lead}], got [${lengths.shape}]`);
    return reshape(cast(asIndices(lengths), 'i32'), [n]);
  };
  const frames = given(read.inputLengths, 'inputLengths') ?? everyRow(x, n, time);
  return {
    lead,
    x: reshape(x, [n, time, classes]),
    labels,
    frames,
    counts: given(read.targetLengths, 'targetLengths') ?? countsOf(labels),
  };
}
const everyRow = (like: Tensor, n: number, value: number): Tensor =>
  broadcastTo(like.graph.constant(Int32Array.of(value), [1], 'i32'), [n]);

/** How many labels of each row [n, labels] stand before the first below 0: i32 [n]. */
export function countsOf(labels: Tensor): Tensor {
  const [n, most] = labels.shape as [number, number];
  if (labels.dtype === 'u8' || most === 0) return everyRow(labels, n, most);
  const ends = less(cast(labels, 'f64'), 0);
  return cast(where(max(ends, { axes: [1] }), cast(argmax(ends, { axis: 1 }), 'f64'), most), 'i32');
}

/** Losses of rows, f64 of their shape. */
export function ctcOf({ lead, x, labels, frames, counts }: Sequences, { blank, zeroInfinity }: CtcRead): Tensor {
  return reshape(x.graph.add(CTC_LOSS, [x, labels, frames, counts], { blank, zeroInfinity }).out, lead);
}

/**
 * Minus the logarithm of the probability of a row's labels, of log-probabilities of its frames: of all ways to give each frame a label or the blank
 * that come to the labels when what follows itself is taken once, and blanks are left out. The gradient is that of these numbers themselves, while
 * PyTorch's has that of the log-softmax in it: `loss.ctc`, which takes logits, has the same. A target of several labels needs as many frames, and one
 * more between two that are the same; where there are fewer the loss is infinite. A label that is the blank, or outside the classes, or a length
 * above what there is, ends the run with an IndexError. Its gradient has no gradient.
 * @shape logProbabilities f32 [..., time, classes], targets [..., labels] -> f64 [...]
 * @param targets whole numbers; unless `targetLengths` are given, those from the first below 0 on are none
 * @throws OptionError; ShapeError if shapes do not fit; DTypeError unless log-probabilities are f32
 * @see torch.nn.functional.ctc_loss
 */
export function ctcLoss(logProbabilities: TensorLike, targets: TensorLike, options: CTCOptions = {}): Tensor {
  const { logProbabilities: x, targets: y, ...read } = readCtcLoss(arguments);
  return ctcOf(sequencesOf('ctcLoss', 'ops.ctcLoss', x, y, read), read);
}
