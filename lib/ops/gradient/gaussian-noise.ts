// gaussian-noise.ts: normal noise for gradients, computed in f64, by the run's seed or under a secret key. Kernel: gaussian_noise.h.
import { randomFillSync } from 'node:crypto';
import { DTypeError, GraphError } from '../../errors.ts';
import { chacha20 } from '../../ir/chacha.ts';
import { Tensor } from '../../ir/graph.ts';
import {
  f32,
  f64,
  i32,
  type OpDef,
  type RefArray,
  type RefContext,
  type Sample,
  sizeOf,
  type TensorType,
  typeName,
} from '../../ir/op.ts';
import { PHILOX_TAG, philox4x32, philoxKey } from '../../ir/philox.ts';
import { cos, log, sin } from '../../math/index.ts';
import { number, Place } from '../../options/index.ts';
import { moved } from '../shape/axes.ts';

export interface GaussianNoiseAttrs {
  /** Of this use of the op; see Graph.randomKey. */
  readonly key: number;
}

/** Of a secret key: 256 bits. */
export const SECRET_KEY: TensorType = i32(8);

/** Fills a state of the type `SECRET_KEY` with random bits of the system, which nobody can tell, and which are never to be written to a file. */
export function drawSecretKey(out: NodeJS.ArrayBufferView): void {
  randomFillSync(out);
}

/** The words of the blocks of one tensor in one step: `out` of block `counter`. */
export type NoiseBlocks = (out: Uint32Array, counter: number) => void;

/**
 * The blocks that a tensor's noise is made of: of ChaCha20, 16 words each, where there is a secret key, else of Philox, 4 words. No two steps,
 * tensors or counters have a block in common: a step goes by its last attempt, which is the same in all processes of a group, whether it is skipped
 * or not.
 */
export function noiseBlocks(
  key: number,
  secret: ArrayLike<number> | null,
  { seed, attempt }: Pick<RefContext, 'seed' | 'attempt'>,
): NoiseBlocks {
  const [low, high] = [attempt >>> 0, Math.floor(attempt / 2 ** 32)];
  if (secret) return (out, counter) => chacha20(out, secret, counter, [low, high, key]);
  const [k0, k1] = philoxKey(seed);
  return (out, counter) => philox4x32(out, counter, low, PHILOX_TAG.gaussian ^ high, key, k0, k1);
}

/** Two independent standard normal numbers of two numbers of 64 random bits, each as its lower and its upper half (Box and Muller 1958). */
function normals(radius: readonly [number, number], angle: readonly [number, number]): readonly [number, number] {
  const r = Math.sqrt(-2 * log((radius[1] * 2 ** 32 + (radius[0] + 0.5)) / 2 ** 64));
  // Two bits choose an eighth of the circle and its mirror image, 52 where in it.
  const x = ((angle[1] % 2 ** 20) * 2 ** 32 + angle[0]) / 2 ** 52 - 0.5 + 2 ** -53;
  const turn = angle[1] >= 2 ** 31 ? -r : r;
  const [c, s] = [turn * cos((Math.PI / 2) * x), turn * sin((Math.PI / 2) * x)];
  return angle[1] & (2 ** 30) ? [s, c] : [c, s];
}

/** The standard normal numbers of `count` elements: of blocks of 4 words as they are, of blocks of 16 each the sum of four over 2. */
export function noiseOf(count: number, words: 4 | 16, blocks: NoiseBlocks): Float64Array {
  const out = new Float64Array(count);
  const [even, odd] = [new Uint32Array(words), new Uint32Array(words)];
  // Pair j and pair 8 + j of each 16 are made of two blocks that follow each other.
  for (let first = 0; first < 16 * Math.ceil(count / 32); first += 2) {
    const at = 2 * (first - (first % 16)) + (first % 16) / 2;
    if (at >= count) continue;
    blocks(even, first);
    blocks(odd, first + 1);
    for (const half of [0, 1]) {
      const pairs = Array.from({ length: words / 4 }, (_, q) => {
        const k = 4 * q + 2 * half;
        return normals([even[k]!, odd[k]!], [even[k + 1]!, odd[k + 1]!]);
      });
      for (const i of [0, 1] as const) {
        const z = pairs.map((pair) => pair[i]);
        const e = at + 8 * half + 16 * i;
        if (e < count) out[e] = z.length === 1 ? z[0]! : (z[0]! + z[1]! + (z[2]! + z[3]!)) / 2;
      }
    }
  }
  return out;
}

/** Inputs: the tensor, the deviation, and perhaps a secret key. */
export const GAUSSIAN_NOISE: OpDef<GaussianNoiseAttrs> = {
  name: 'gaussianNoise',
  infer([x, std, secret]) {
    if (x?.dtype !== 'f32') throw new DTypeError(`gaussianNoise: expected f32, got ${x?.dtype}`);
    if (std?.dtype !== 'f64' || sizeOf(std.shape) !== 1)
      throw new DTypeError(`gaussianNoise: expected f64[] as std, got ${std && typeName(std)}`);
    if (secret && typeName(secret) !== typeName(SECRET_KEY))
      throw new DTypeError(`gaussianNoise: expected ${typeName(SECRET_KEY)} as key, got ${typeName(secret)}`);
    return [x];
  },
  lower: ({ out, attrs: { key } }) => ({ ints: [sizeOf(out.shape), key] }),
  cost: (node) => moved(node, (node.ins.length === 3 ? 400 : 60) * sizeOf(node.out.shape)),
  inplace: () => [[0, 0]],
  ref([y], [x, std, secret], { attrs: { key } }, context) {
    const z = noiseOf(x!.length, secret ? 16 : 4, noiseBlocks(key, secret ?? null, context));
    for (const [e, value] of z.entries()) (y as RefArray)[e] = x![e]! + std![0]! * value;
  },
  samples() {
    const cases = [
      { shape: [1], std: 0 },
      { shape: [3, 0], std: 1 },
      { shape: [5, 77], std: 0.01 },
      { shape: [32], std: 1 },
      { shape: [9001], std: 100 },
    ];
    const of = (secret: boolean): Sample<GaussianNoiseAttrs>[] =>
      cases.map(({ shape, std }, i) => ({
        ins: [f32(...shape), f64(), ...(secret ? [SECRET_KEY] : [])],
        attrs: { key: 12345 * i },
        fill: ['normal', { exactly: [std] }, [-(2 ** 31), 2 ** 31]],
        noGradient: true,
      }));
    return [...of(false), ...of(true)];
  },
};

const STD = number({ min: 0 });
const STD_PLACE = new Place('gaussianNoise', 'option', 'std');

/** Options of `gaussianNoise`. */
export interface GaussianNoiseOptions {
  /** The deviation: a number, or f64 []. Not negative. */
  readonly std: Tensor | number;
  /** i32 [8], see `SECRET_KEY`. Default: none, the run's seed. */
  readonly key?: Tensor | null;
}

/**
 * x plus normal noise of mean 0, once a step: the sum is of f64 numbers, rounded to f32 at the end. With a key, by ChaCha20, each normal number the sum of
 * four over 2, so that the last bits do not tell what it is made of; without, by Philox with the run's seed. The same on all processes of a group.
 * @throws GraphError outside of `apply`, where each micro-batch of a step would get the same noise; OptionError for a number that is no deviation
 */
export function gaussianNoise(x: Tensor, { std, key = null }: GaussianNoiseOptions): Tensor {
  const { graph } = x;
  if (graph.section !== 'apply')
    throw new GraphError('gaussianNoise: expected section apply, got micro-batches', { op: 'gaussianNoise' });
  const deviation = std instanceof Tensor ? std : graph.scalar(STD.read(std, STD_PLACE), 'f64');
  return graph.add(GAUSSIAN_NOISE, [x, deviation, ...(key ? [key] : [])], { key: graph.randomKey() }).out;
}
