// map.test.ts: clip.map: the bits of the policies here whose shape it has, plain loops, what is reported, and what is refused.
import { expect, test } from 'vitest';
import { clip, OptionError, ops, optim } from '../../lib/index.ts';
import type { Tensor } from '../../lib/ir/graph.ts';
import { sameBits } from '../run-node.ts';
import { fails } from '../train/fails.ts';
import { bits, classifier, points } from '../train/models.ts';
import { seenBy } from './kit.ts';

const data = points(44);
const grads = (spread: number) =>
  [1, 17, 1031, 2048].map((n, t) =>
    Float32Array.from({ length: n }, (_, i) =>
      i % 41 === 7 ? 0 : Math.sin(3.7 * i + t) * 10 ** (((i + t) % (2 * spread + 1)) - spread),
    ),
  );

const SHAPES: Record<string, [own: clip.ClipPolicy, same: clip.ClipPolicy]> = {
  tanh: [clip.map((g, { threshold: c }) => ops.mul(c, ops.tanh(ops.div(g, c))), { threshold: 0.03 }), clip.tanh(0.03)],
  value: [clip.map((g) => ops.clamp(g, { min: -0.02, max: 0.02 })), clip.value(0.02)],
  suppress: [clip.map((g, { threshold: c }) => ops.where(ops.less(c, ops.abs(g)), 0, g), { threshold: 0.5 }), clip.suppress(0.5)],
  'the sign': [clip.map((g) => ops.sign(g)), clip.sign()],
};

test.each(Object.keys(SHAPES))('%s: the bits and the report of the policy of that shape', (name) => {
  for (const spread of [1, 3, 20]) {
    for (const threads of [1, 3]) {
      const [own, same] = SHAPES[name]!.map((policy) => seenBy(policy, grads(spread), threads));
      expect(sameBits(own!.seen, same!.seen), `1e${spread}, ${threads} threads`).toBe(true);
      const { threshold: _, ...report } = same!.report;
      expect(own!.report).toMatchObject({
        ...report,
        normAfter: expect.closeTo(report.normAfter, 9),
        clippedFraction: expect.closeTo(report.clippedFraction, 12),
      });
      expect(own!.report.clippedFraction).toBeGreaterThan(0);
    }
  }
});

test.each(Object.keys(SHAPES))('%s: trains to the bits of the policy of that shape, in a chain too', async (name) => {
  const runs = SHAPES[name]!.flatMap((policy) => [policy, clip.chain(clip.globalNorm(0.4), policy, clip.globalNorm(0.2))]).map(
    async (policy) => {
      const trainer = classifier({ clip: policy, optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }), threads: 2 });
      await trainer.fit(data, { steps: 6 });
      return bits(trainer);
    },
  );
  const [own, ownChained, same, sameChained] = await Promise.all(runs);
  expect([own, ownChained]).toEqual([same, sameChained]);
  expect(own).not.toBe(ownChained);
});

test('numbers of a step, constants, and what changed, as plain loops have it', () => {
  const [slope, width] = [(step: number) => 0.5 + step, 0.25];
  // Huber's: as it is near 0, of one slope beyond.
  const policy = clip.map(
    (g, { slope, width }) =>
      ops.where(ops.lessEqual(ops.abs(g), width), g, ops.mul(ops.sign(g), ops.fma(ops.sub(ops.abs(g), width), slope, width))),
    { name: 'huber', values: { slope, width } },
  );
  const g = Float32Array.from({ length: 1500 }, (_, i) => Math.sin(i) * 2);
  const p = new Float32Array(g.length);
  const bound = optim.sgd({ lr: 1 }).bind([p], { clip: policy });
  for (const step of [0, 1, 2]) {
    p.fill(0);
    const report = bound.step([g]);
    let [squares, changed] = [0, 0];
    for (const [i, x] of g.entries()) {
      const size = Math.abs(x);
      const want = size <= width ? x : Math.sign(x) * ((size - width) * slope(step) + width);
      expect(-p[i]!).toBeCloseTo(want, 5);
      squares += want * want;
      if (Math.fround(want) !== x) changed++;
    }
    expect(report.normAfter).toBeCloseTo(Math.sqrt(squares), 4);
    expect(report.clippedFraction).toBeCloseTo(changed / g.length, 2);
    expect([report.clipped, report.threshold]).toEqual([true, Number.POSITIVE_INFINITY]);
  }
});

test('its name and threshold are reported; Infinity only measures; a NaN skips as the policy says', () => {
  const shape = (g: Tensor, { threshold }: { readonly threshold: Tensor }): Tensor => ops.minimum(g, threshold);
  expect(clip.map(shape, { name: 'ceiling', threshold: 1 }).name).toBe('ceiling');
  const seen = (c: number, value: number) => seenBy(clip.map(shape, { threshold: c }), [Float32Array.of(value, 2)]);
  expect(seen(1, 3)).toMatchObject({ seen: [Float32Array.of(1, 1)], report: { threshold: 1, clippedFraction: 1 } });
  expect(seen(Number.POSITIVE_INFINITY, 3)).toMatchObject({ seen: [Float32Array.of(3, 2)], report: { clipped: false } });
  expect(seen(1, Number.NaN).report.skipped).toBe(true);
});

const wrong: Record<string, [make: () => unknown, text: string]> = {
  'no function': [() => clip.map(undefined as never), 'clip.map: argument fn: expected a function of the gradient, got nothing'],
  'a sum': [() => clip.map((g) => ops.sub(g, ops.mean(g))), 'clip.map: fn: expected elementwise operations alone, got mean'],
  'a product': [
    () => clip.map((g) => ops.matmul(ops.matmul(g, g, { transB: true }), g)),
    'expected elementwise operations alone, got matmul',
  ],
  'another shape': [
    () => clip.map((g) => ops.reshape(g, [6])),
    'clip.map: fn: expected f32[2,3] for a gradient of that shape, got f32[6]',
  ],
  'a number': [() => clip.map(() => 3 as never), 'clip.map: fn: expected f32[2,3] for a gradient of that shape, got 3'],
  'a name twice': [
    () => clip.map((g) => g, { threshold: 1, values: { threshold: 2 } }),
    'clip.map: option values: threshold is given beside it',
  ],
  'an option that there is not': [() => clip.map((g) => g, { limit: 1 } as never), 'clip.map: unknown option limit'],
  'a rule that differs by shape': [
    () =>
      seenBy(
        clip.map((g) => ops.mul(g, g.shape.length)),
        [Float32Array.of(1)],
      ),
    'clip.map: fn: expected the same operations for all shapes, got others for [1]',
  ],
};

test.each(Object.keys(wrong))('wrong: %s', async (name) => {
  const [make, text] = wrong[name]!;
  await fails(async () => make(), OptionError, 'ERR_OPTION', text);
});
