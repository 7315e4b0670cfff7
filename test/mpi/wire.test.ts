// wire.test.ts: gradients that travel as bf16, in a group of one: each shard's is rounded, and each sum of them but the last, against plain loops; and
// what does not travel so.
import { describe, expect, it } from 'vitest';
import { clip, nn, optim, Trainer, type TrainerOptions } from '../../lib/index.ts';
import type { Tensor } from '../../lib/ir/graph.ts';
import { toBf16 } from '../../lib/math/bf16.ts';
import { Group } from '../../lib/mpi/group.ts';
import { addon } from '../../lib/native/addon.ts';
import { matmul, mean, mul } from '../../lib/ops/index.ts';
import { SOME_TEAMS } from '../kit.ts';

const group = new Group(0, 1, null, addon().mpi);
const WIDE = 128;

class Product extends nn.Module {
  weight: nn.Parameter;
  constructor(rows: number) {
    super();
    this.weight = new nn.Parameter([rows, WIDE], new Float32Array(rows * WIDE));
  }
  forward(x: Tensor): Tensor {
    return matmul(x, this.weight);
  }
}
/** Whole numbers, so that each product and each sum of them is exact in f32: what is rounded is what travels. */
const whole = (n: number, seed: number): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => ((Math.imul(i + seed, 2654435761) >>> 24) % 31) - 15);

const BATCH = 16;
const ROWS = BATCH + 5;
/** `by`: what the loss is multiplied by. */
type Options = Partial<TrainerOptions<Product>> & { readonly by?: number };
async function trained(height: number, { by = 1, ...options }: Options): Promise<Float32Array> {
  const data = {
    x: { data: whole(ROWS * height, 1), shape: [ROWS, height] },
    y: { data: whole(ROWS * WIDE, 7), shape: [ROWS, WIDE] },
  };
  const trainer = new Trainer({
    model: new Product(height),
    // Of each row the mean over what it gives, which is linear in the weights.
    loss: ({ x, y }: Record<string, Tensor>, model: Product) => mul(mean(mul(model.forward(x!), y!)), by),
    ...{ optimizer: optim.sgd({ lr: 1 }), clip: clip.none(), batchSize: BATCH, group, seed: 1, ...options },
  } as TrainerOptions<Product>);
  await trainer.fit(data, { epochs: 1, shuffle: false });
  const got = Float32Array.from((await trainer.readParameters()).get('weight')!.data);
  trainer.dispose();
  return got;
}

/** Of element (i, j), what the shard of rows [from, to) gives. */
function given(height: number, i: number, j: number, [from, to]: readonly [number, number]): number {
  const [x, y] = [whole(ROWS * height, 1), whole(ROWS * WIDE, 7)];
  let sum = 0;
  for (let r = from; r < to; r++) sum += (x[r * height + i]! * y[r * WIDE + j]!) / WIDE;
  return sum;
}
/** The sum of shards by the tree. @param rounded each part of it */
function sumOf(parts: readonly number[], rounded: (v: number) => number, isAll = true): number {
  if (parts.length === 1) return rounded(parts[0]!);
  const left = parts.length - Math.floor(parts.length / 2);
  const sum = Math.fround(sumOf(parts.slice(0, left), rounded, false) + sumOf(parts.slice(left), rounded, false));
  return isAll ? sum : rounded(sum);
}
/** The weight after both steps: a batch of 8 shards of two rows, and 5 rows in 3 shards. */
function weightAt(height: number, i: number, j: number, rounded: (v: number) => number): number {
  const shards = (from: number, to: number): number[] =>
    Array.from({ length: Math.ceil((to - from) / 2) }, (_, k) =>
      given(height, i, j, [from + 2 * k, Math.min(from + 2 * k + 2, to)]),
    );
  const first = Math.fround(0 - Math.fround(sumOf(shards(0, BATCH), rounded) / BATCH));
  return Math.fround(first - Math.fround(sumOf(shards(BATCH, ROWS), rounded) / (ROWS - BATCH)));
}
const exactly = (v: number): number => v;

describe('what a group sends', () => {
  const HEIGHT = 136;
  const places = Array.from({ length: 300 }, (_, k) => [(k * 37) % HEIGHT, (k * 53) % WIDE] as const);
  it.each([
    ['f32', exactly],
    ['bf16', toBf16],
  ] as const)('%s: the sums of plain loops, whatever the team', async (wire, rounded) => {
    let bits: Float32Array | null = null;
    for (const threads of [1, ...SOME_TEAMS]) {
      const got = await trained(HEIGHT, { wire, threads });
      bits ??= got;
      expect(got).toEqual(bits);
    }
    for (const [i, j] of places) expect(bits![i * WIDE + j], `${i}, ${j}`).toBe(weightAt(HEIGHT, i, j, rounded));
    // Both are not the same test.
    expect(places.some(([i, j]) => weightAt(HEIGHT, i, j, toBf16) !== weightAt(HEIGHT, i, j, exactly))).toBe(true);
  });
  it('bf16: tensors of up to 16,384 elements as they are', async () => {
    expect(await trained(128, { wire: 'bf16' })).toEqual(await trained(128, { wire: 'f32' }));
    expect(await trained(129, { wire: 'bf16' })).not.toEqual(await trained(129, { wire: 'f32' }));
  });
  it('one shard is rounded, and summed with nothing', async () => {
    const got = await trained(HEIGHT, { wire: 'bf16', shards: 1 });
    for (const [i, j] of places.slice(0, 50)) {
      const first = Math.fround(0 - Math.fround(toBf16(given(HEIGHT, i, j, [0, BATCH])) / BATCH));
      expect(got[i * WIDE + j]).toBe(
        Math.fround(first - Math.fround(toBf16(given(HEIGHT, i, j, [BATCH, ROWS])) / (ROWS - BATCH))),
      );
    }
  });
  it('sums that overflow skip the step, as ever', async () => {
    const options: Options = { clip: clip.globalNorm(1), lossScale: { init: 2 ** 100, interval: 100 } };
    expect(await trained(HEIGHT, { ...options, wire: 'bf16', by: 2 ** 30 })).toEqual(new Float32Array(HEIGHT * WIDE));
  });
});
