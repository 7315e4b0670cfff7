// augment.test.ts: images are changed as often and as far as they should be, in training only, alike in every run; noise is normal.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Augmentation, augmentImages, crop, cutout, flip, noise, planOf, shift } from '../../lib/data/augment.ts';
import { minMax } from '../../lib/data/preprocess.ts';
import { OptionError, ShapeError } from '../../lib/errors.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import type { Data } from '../../lib/ir/op.ts';
import { Linear, Module } from '../../lib/nn/index.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { reshape } from '../../lib/ops/index.ts';
import * as optim from '../../lib/optim/index.ts';
import { dtypeOf, type NdArray } from '../../lib/train/feed/source.ts';
import type { TrainerOptions } from '../../lib/train/options.ts';
import { Trainer } from '../../lib/train/trainer.ts';
import { runGraph } from '../run-graph.ts';

function changed(x: NdArray, list: readonly Augmentation[], attempt = 0, mode: 'train' | 'eval' = 'train'): Data {
  const graph = new Graph(mode);
  const t = graph.input('x', { dtype: dtypeOf(x.data), shape: x.shape }, 'feed');
  graph.output('y', augmentImages(t, planOf('augment', list)));
  return runGraph(graph, { inputs: { x: x.data }, seed: 9n, attempt }).get('y')!;
}

const N = 4000;
/** N images of 7 x 7: 0 but for one byte in the middle, or where `at` says. */
function dots(row = 3, column = 3): NdArray {
  const data = new Uint8Array(N * 49);
  for (let i = 0; i < N; i++) data[i * 49 + row * 7 + column] = 200;
  return { data, shape: [N, 7, 7] };
}
const imageOf = (data: Data, i: number): Data => data.subarray(i * 49, (i + 1) * 49);
/** How often each place has the dot; the last: none has. */
function places(data: Data): number[] {
  const count = new Array<number>(50).fill(0);
  for (let i = 0; i < N; i++) {
    const at = imageOf(data, i).indexOf(200);
    count[at < 0 ? 49 : at]!++;
  }
  return count;
}
/** Within 5 standard deviations of a binomial count. */
const near = (count: number, p: number): void => {
  expect(Math.abs(count - N * p), `${count} of ${N} at ${p}`).toBeLessThan(5 * Math.sqrt(N * p * (1 - p)) + 1e-9);
};

describe('each image by itself', () => {
  it('shift: every place within reach as often as the others, nothing else', () => {
    const count = places(changed(dots(), [shift(2)]));
    for (let i = 0; i < 49; i++) near(count[i]!, Math.abs(Math.floor(i / 7) - 3) <= 2 && Math.abs((i % 7) - 3) <= 2 ? 1 / 25 : 0);
    near(places(changed(dots(0, 0), [shift(2)]))[49]!, 1 - 9 / 25);
    expect(changed(dots(), [shift(2, { fill: 9 })]).filter((v) => v === 9).length).toBeGreaterThan(N);
  });

  it('crop: beyond the border lies what it says', () => {
    const row = { data: Uint8Array.from({ length: 60 * 9 }, (_, i) => 1 + (i % 3)), shape: [60, 3, 3] };
    const seen = (border: 'constant' | 'edge' | 'reflect'): Set<string> => {
      const y = changed(row, [crop(2, { border })]);
      return new Set(Array.from({ length: 180 }, (_, i) => y.subarray(3 * i, 3 * i + 3).join('')));
    };
    expect([...seen('edge')].sort()).toEqual(['111', '112', '123', '233', '333']);
    expect([...seen('reflect')].sort()).toEqual(['123', '212', '232', '321'].sort());
    expect([...seen('constant')].sort()).toEqual(['000', '001', '012', '123', '230', '300']);
  });

  it('flip: as often as its probability, both ways independently', () => {
    near(places(changed(dots(3, 0), [flip()]))[3 * 7 + 6]!, 0.5);
    const both = places(changed(dots(0, 1), [flip('horizontal', { probability: 0.25 }), flip('vertical')]));
    for (const [at, p] of [
      [1, 3 / 8],
      [5, 1 / 8],
      [43, 3 / 8],
      [47, 1 / 8],
    ] as const)
      near(both[at]!, p);
  });

  it('cutout: the middle of the square is anywhere, its parts outside are cut off', () => {
    const white = { data: new Float32Array(N * 49).fill(1), shape: [N, 1, 7, 7] };
    const y = changed(white, [cutout(3, { fill: -1 })]);
    const inside = Array.from({ length: 49 }, (_, i) => y.filter((v, j) => j % 49 === i && v === -1).length);
    near(inside[24]!, 9 / 49);
    near(inside[0]!, 4 / 49);
    near(inside[3]!, 6 / 49);
    const some = changed(white, [cutout(7, { probability: 0.25 })]);
    near(Array.from({ length: N }, (_, i) => imageOf(some, i)).filter((image) => image.includes(0)).length, 0.25);
  });

  it('another batch, other changes; in evaluation none', () => {
    const list = [shift(3), flip()];
    const bits = (attempt: number, mode?: 'eval'): string => Buffer.from(changed(dots(), list, attempt, mode)).toString('base64');
    expect(bits(1) === bits(2)).toBe(false);
    expect(bits(2 ** 32) === bits(0)).toBe(false);
    const first = bits(1);
    expect(bits(1) === first).toBe(true);
    expect(bits(1, 'eval') === Buffer.from(dots().data as Uint8Array).toString('base64')).toBe(true);
    // Of bytes, noise makes f32 in both.
    const few = { data: Uint8Array.of(3, 200), shape: [2] };
    expect(changed(few, [noise(1)], 1, 'eval')).toEqual(Float32Array.of(3, 200));
  });
});

it('noise has the moments and the quantiles of a normal distribution', () => {
  const n = 2 ** 20;
  const z = changed({ data: new Float32Array(n), shape: [n] }, [noise(1)]) as Float32Array;
  const moment = (k: number): number => z.reduce((s, v) => s + v ** k, 0) / n;
  // Deviations of the sample's moments: sqrt((E x^2k - (E x^k)^2) / n), five of them.
  for (const [k, want, spread] of [
    [1, 0, 1],
    [2, 1, 2],
    [3, 0, 15],
    [4, 3, 96],
  ] as const) {
    expect(Math.abs(moment(k) - want), `moment ${k}`).toBeLessThan(5 * Math.sqrt(spread / n));
  }
  for (const [at, p] of [
    [-3, 0.0013499],
    [-1, 0.15865525],
    [0.5, 0.69146246],
    [2.5, 0.99379033],
  ] as const) {
    const below = z.filter((v) => v < at).length / n;
    expect(Math.abs(below - p), `below ${at}`).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / n));
  }
  expect(z.reduce((m, v) => Math.max(m, Math.abs(v)), 0)).toBeLessThan(5.4);
});

class Net extends Module {
  readonly fc = new Linear(64, 2);
  forward(x: Tensor): Tensor {
    return this.fc.forward(reshape(x, [x.shape[0]!, 64]));
  }
}

/** Bytes of 8 x 8; the brighter half says the class. */
function images(): { x: NdArray; y: Int32Array } {
  const y = Int32Array.from({ length: 96 }, (_, i) => (i * 7) % 2);
  const x = Uint8Array.from({ length: 96 * 64 }, (_, i) => ((i * 31) % 97) + ((i >> 2) & 1) * 100 * y[Math.floor(i / 64)]!);
  return { x: { data: x, shape: [96, 8, 8] }, y };
}

function trainer(options: Partial<TrainerOptions<Net>> = {}): Trainer<Net> {
  return new Trainer({
    model: new Net(),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.adamw({ lr: 1e-2 }),
    augment: [crop(2, { border: 'reflect' }), flip(), cutout(3), noise(4)],
    preprocess: { x: minMax({ per: 'all', from: [0, 255] }).fit(images().x) },
    batchSize: 10,
    accumulate: 2,
    seed: 5,
    ...options,
  });
}
const weights = async (t: Trainer<Net>): Promise<unknown> => [...(await t.readParameters())];

describe('in a trainer', () => {
  it('the same bits on any number of threads, at once or step by step, interrupted or not', async () => {
    const data = images();
    using one = trainer({ threads: 1 });
    await one.fit(data, { epochs: 3 });
    const want = await weights(one);
    using three = trainer({ threads: 3 });
    three.fitSync(data, { epochs: 3, chunkSteps: 1 });
    expect(await weights(three)).toEqual(want);

    const folder = mkdtempSync(join(tmpdir(), 'gradclip-augment-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    using first = trainer();
    await first.fit(data, { steps: 7 });
    await first.save(join(folder, 'm'));
    using second = trainer();
    await second.load(join(folder, 'm'));
    await second.fit(data, { epochs: 3 - second.counters.epoch });
    expect(await weights(second)).toEqual(want);
  });

  it('changes what is trained on, not what is measured and predicted', async () => {
    const data = images();
    using plain = trainer({ augment: [] });
    using other = trainer();
    expect(await other.evaluate(data)).toEqual(await plain.evaluate(data));
    expect(await other.predict(data.x)).toEqual(await plain.predict(data.x));
    const first = (t: Trainer<Net>): number => t.fitSync(data, { steps: 1 }).last!.loss;
    expect(first(other)).not.toBe(first(plain));
  });
});

describe('one clear error', () => {
  const flat = { x: { data: new Uint8Array(96 * 64), shape: [96, 64] }, y: images().y };
  it.each<[string, () => unknown, new (...args: never[]) => Error, RegExp]>([
    ['twice', () => trainer({ augment: [shift(1), crop(2)] }), OptionError, /augment: x: .*two changes of one kind \(crop\)/],
    ['two fills', () => trainer({ augment: [shift(1, { fill: 1 }), cutout(2, { fill: 2 })] }), OptionError, /fill 1 and 2/],
    ['none', () => trainer({ augment: ['flip'] as never }), OptionError, /such as augment\.flip\(\), got "flip"/],
    ['probability', () => flip('horizontal', { probability: 2 }), OptionError, /augment.flip: option probability: .*<= 1, got 2/],
    [
      'no images',
      () => trainer({ preprocess: {} }).fitSync(flat, { steps: 1 }),
      ShapeError,
      /expected images \[n, height, width\].*got \[10,64\]/,
    ],
    ['too far', () => trainer({ augment: shift(8) }).fitSync(images(), { steps: 1 }), ShapeError, /a shift below 8.*got 8/],
    [
      'a byte',
      () => trainer({ augment: shift(1, { fill: 0.5 }) }).fitSync(images(), { steps: 1 }),
      OptionError,
      /expected a byte.*0\.5/,
    ],
    [
      'no array',
      () => trainer({ augment: { z: flip() } }).fitSync(images(), { steps: 1 }),
      OptionError,
      /augment: no array has the name z/,
    ],
  ])('%s', (_, run, kind, message) => {
    expect(run).toThrow(kind);
    expect(run).toThrow(message);
  });
});
