// positions.ts: how a model without recurrence knows places: learned and sinusoidal vectors that are added. (Rotations: ops.rotary.)
import { OptionError, ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { cos, pow, sin } from '../math/index.ts';
import { add } from '../ops/elementwise.ts';
import { slice } from '../ops/shape.ts';
import { checkNumber, checkOptions } from '../options.ts';
import { normal } from './init.ts';
import { Module, Parameter } from './module.ts';

/** Steps of x [..., time, dim], checked. */
function stepsOf(where: string, x: Tensor, dim: number, most = Infinity): number {
  const [time, width] = x.shape.slice(-2);
  if (x.shape.length < 2 || width !== dim || time! > most) {
    const at = most === Infinity ? 'time' : `at most ${most}`;
    throw new ShapeError(`${where}: expected x [..., ${at}, ${dim}], got [${x.shape}]`);
  }
  return time!;
}

export interface LearnedPositionsOptions {
  /** Standard deviation of the initial values. Default 0.02, as GPT-2's. */
  readonly std?: number;
}

/** Adds a learned vector to each place: x [..., T, dim] with T <= `length` -> the same; `weight` [length, dim]. */
export class LearnedPositions extends Module {
  weight: Parameter;

  constructor(length: number, dim: number, options: LearnedPositionsOptions = {}) {
    super();
    checkNumber('LearnedPositions', 'length', length, { min: 1, integer: true });
    checkNumber('LearnedPositions', 'dim', dim, { min: 1, integer: true });
    checkOptions('LearnedPositions', options, ['std']);
    const std = checkNumber('LearnedPositions', 'std', options.std ?? 0.02, { min: 0 });
    this.weight = new Parameter([length, dim], normal(0, std));
  }

  forward(x: TensorLike): Tensor {
    const [length, dim] = this.weight.shape as [number, number];
    const time = stepsOf('LearnedPositions', x.toTensor(), dim, length);
    return add(x, slice(this.weight, { axis: 0, start: 0, end: time }));
  }
}

/**
 * Adds sin(t / 10000^(2 i / dim)) to element 2 i of place t, and the cosine to element 2 i + 1 (Vaswani et al. 2017):
 * x [..., T, dim] -> the same. Nothing is learned.
 */
export class SinusoidalPositions extends Module {
  readonly dim: number;

  constructor(dim: number) {
    super();
    this.dim = checkNumber('SinusoidalPositions', 'dim', dim, { min: 2, integer: true });
    if (dim % 2 !== 0) throw new OptionError(`SinusoidalPositions: option dim: expected an even number, got ${dim}`);
  }

  forward(x: TensorLike): Tensor {
    const { dim } = this;
    const t = x.toTensor();
    const time = stepsOf('SinusoidalPositions', t, dim);
    const table = Float32Array.from({ length: time * dim }, (_, k) => {
      const i = k % dim;
      const angle = Math.floor(k / dim) / pow(10000, (i - (i % 2)) / dim);
      return i % 2 === 0 ? sin(angle) : cos(angle);
    });
    return add(t, t.graph.constant(table, [time, dim], 'f32'));
  }
}
