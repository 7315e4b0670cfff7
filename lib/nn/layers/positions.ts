// positions.ts: how a model without recurrence knows places: learned and sinusoidal vectors that are added. (Rotations: ops.rotary.)
import { ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { cos, pow, sin } from '../../math/index.ts';
import { tensor } from '../../ops/args.ts';
import { add } from '../../ops/elementwise/elementwise.ts';
import { optionalPlaces, type Places, positionsOf } from '../../ops/product/places.ts';
import { gather } from '../../ops/rows/gather.ts';
import { slice } from '../../ops/shape/slice.ts';
import { number, options, signature, whole } from '../../options/index.ts';
import { size } from '../fields.ts';
import { normal } from '../module/init.ts';
import { Module, Parameter } from '../module/module.ts';

/** Steps of x [..., time, dim], checked. */
function stepsOf(where: string, x: Tensor, dim: number, most = Infinity): number {
  const [time, width] = x.shape.slice(-2);
  if (x.shape.length < 2 || width !== dim || time! > most) {
    const at = most === Infinity ? 'time' : `at most ${most}`;
    throw new ShapeError(`${where}: expected x [..., ${at}, ${dim}], got [${x.shape}]`);
  }
  return time!;
}

/** What `LearnedPositions` and `SinusoidalPositions` take besides x. */
export interface PositionsInput {
  /** Where the tokens stand, such as the cache of `decode`. Default null: at 0, 1, 2, ... */
  readonly places?: Places | null;
}
const positionsInput = options<PositionsInput>()({ places: optionalPlaces });

/** Options of `nn.LearnedPositions`. */
export interface LearnedPositionsOptions {
  /** Standard deviation of the initial values. Default 0.02, as GPT-2's. */
  readonly std?: number;
}

const readLearned = signature(
  'nn.LearnedPositions',
  { length: size, dim: size },
  options<LearnedPositionsOptions>()({ std: number({ min: 0 }).default(0.02) }),
);
const readLearnedForward = signature('nn.LearnedPositions.forward', { x: tensor }, positionsInput);

/**
 * Adds a learned vector to each place: `weight` [length, dim].
 * @shape x [..., T, dim] with T <= `length` -> [..., T, dim]
 * @throws OptionError; ShapeError if x has more places, or vectors of another size
 * @see Radford et al. 2018, Improving Language Understanding by Generative Pre-Training
 */
export class LearnedPositions extends Module {
  /** The vectors of places [length, dim]. */
  weight: Parameter;

  constructor(length: number, dim: number, options: LearnedPositionsOptions = {}) {
    super();
    const { std } = readLearned(arguments);
    this.weight = new Parameter([length, dim], normal(0, std));
  }

  forward(x: TensorLike, input: PositionsInput = {}): Tensor {
    const { x: t, places } = readLearnedForward(arguments);
    const [length, dim] = this.weight.shape as [number, number];
    const time = stepsOf('LearnedPositions', t, dim, length);
    if (places) return add(t, gather(this.weight, positionsOf('LearnedPositions', t, places)));
    return add(t, slice(this.weight, { axis: 0, start: 0, end: time }));
  }
}

const even = whole({ min: 2 }).map((n, place) => {
  if (n % 2 !== 0) throw place.wrong('an even number', n);
  return n;
});
const readSinusoidal = signature('nn.SinusoidalPositions', { dim: even });
const readSinusoidalForward = signature('nn.SinusoidalPositions.forward', { x: tensor }, positionsInput);

/**
 * Adds sin(t / 10000^(2 i / dim)) to element 2 i of place t, and the cosine to element 2 i + 1. Nothing is learned.
 * @shape x [..., T, dim] -> [..., T, dim]
 * @throws OptionError; ShapeError if vectors are of another size
 * @see Vaswani et al. 2017, Attention Is All You Need
 */
export class SinusoidalPositions extends Module {
  /** Size of the vectors. */
  readonly dim: number;

  constructor(dim: number) {
    super();
    this.dim = readSinusoidal(arguments).dim;
  }

  forward(x: TensorLike, input: PositionsInput = {}): Tensor {
    const { dim } = this;
    const { x: t, places } = readSinusoidalForward(arguments);
    const time = stepsOf('SinusoidalPositions', t, dim);
    const length = places ? places.length : time;
    const table = Float32Array.from({ length: length * dim }, (_, k) => {
      const i = k % dim;
      const angle = Math.floor(k / dim) / pow(10000, (i - (i % 2)) / dim);
      return i % 2 === 0 ? sin(angle) : cos(angle);
    });
    const vectors = t.graph.constant(table, [length, dim], 'f32');
    return add(t, places ? gather(vectors, positionsOf('SinusoidalPositions', t, places)) : vectors);
  }
}
