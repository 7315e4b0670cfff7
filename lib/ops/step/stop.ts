// stop.ts: where gradients end (stopGradient), and where they pass by what has none (straightThrough). No instruction is made.

import { ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { f32, f64, i32, type OpDef, type RefArray, sameType, typeName } from '../../ir/op.ts';
import { byElement } from '../../ir/samples.ts';
import { signature } from '../../options/index.ts';
import { tensor } from '../args.ts';

type NoAttrs = Readonly<Record<string, never>>;

/** Its input; nothing is differentiated through it. */
export const STOP: OpDef<NoAttrs> = {
  name: 'stopGradient',
  alias: true,
  infer: ([x]) => [x!],
  vjp: () => [null],
  onnx: ({ ins: [x] }, b) => [b.value(x!)],
  cost: () => ({ flops: 0, bytes: 0 }),
  ref: ([y], [x]) => (y as RefArray).set(x as RefArray),
  samplesOf: { lies: byElement },
  samples: () => [
    { ins: [f32(3, 5)], attrs: {}, noGradient: true },
    { ins: [f64()], attrs: {}, noGradient: true },
    { ins: [i32(4)], attrs: {}, fill: [[0, 9]], noGradient: true },
    { ins: [f32(0, 2)], attrs: {}, noGradient: true },
  ],
};

/** The first input; the gradient goes to the second as it comes. */
export const STRAIGHT: OpDef<NoAttrs> = {
  name: 'straightThrough',
  alias: true,
  infer([value, x]) {
    if (!sameType(value!, x!)) throw new ShapeError(`straightThrough: expected ${typeName(x!)} as x, got ${typeName(value!)}`);
    return [value!];
  },
  vjp: (_, [dy]) => [null, dy ?? null],
  onnx: ({ ins: [value] }, b) => [b.value(value!)],
  cost: () => ({ flops: 0, bytes: 0 }),
  ref: ([y], [value]) => (y as RefArray).set(value as RefArray),
  samplesOf: { lies: byElement },
  samples: () => [
    { ins: [f32(3, 5), f32(3, 5)], attrs: {}, noGradient: true },
    { ins: [f64(), f64()], attrs: {}, noGradient: true },
  ],
};

const readStop = signature('ops.stopGradient', { x: tensor });
const readStraight = signature('ops.straightThrough', { value: tensor, x: tensor });

/**
 * `x` itself, as a constant for whoever differentiates: no gradient goes on to what it was made of. So a target network
 * (DQN, BYOL) or the codes of a VQ-VAE stay as they are. It costs nothing.
 * @shape x [...] -> [...]
 * @throws OptionError
 * @see torch.Tensor.detach
 */
export function stopGradient(x: TensorLike): Tensor {
  const { x: t } = readStop(arguments);
  return t.graph.add(STOP, [t], {}).out;
}

/**
 * The value of `value` with the gradient of `x`: what a step function gives (`round`, `sign`, codes by index) is taken
 * as if it were `x`. To the bit `value`, unlike `x + stopGradient(value - x)`, which rounds.
 * @shape value [...], x [...] -> [...]
 * @throws OptionError; ShapeError unless both are of one type
 * @see Bengio et al. 2013, Estimating or Propagating Gradients Through Stochastic Neurons
 */
export function straightThrough(value: TensorLike, x: TensorLike): Tensor {
  const { value: v, x: t } = readStraight(arguments);
  return t.graph.add(STRAIGHT, [v, t], {}).out;
}
