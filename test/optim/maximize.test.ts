// maximize.test.ts: option maximize of every optimizer: a step up the gradient is a step down the negated one, to the bit, under any policy.
import { expect, it } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import * as optim from '../../lib/optim/index.ts';
import { OPTIMIZERS } from '../../lib/optim/list.ts';

const NAMES = Object.keys(OPTIMIZERS).filter((name) => name !== 'lookahead');
const params = (): Float32Array[] => [
  Float32Array.from({ length: 1042 }, (_, i) => Math.sin(i)),
  Float32Array.from({ length: 6 }, (_, i) => i - 2),
];
const gradient = (t: number, sign: 1 | -1): Float32Array[] =>
  params().map((p, k) => p.map((_, i) => sign * Math.cos(i * 1.7 + 3 * t + k) * (t === 2 ? 100 : 1)));

// Measured by the update, by the policy, not at all; stages that change elements, and replaced gradients.
const POLICIES: Readonly<Record<string, () => clip.ClipPolicy>> = {
  none: () => clip.none(),
  'none, not measured': () => clip.none({ measure: false }),
  globalNorm: () => clip.globalNorm(3),
  value: () => clip.value(0.5),
  adaGc: () => clip.adaGc(),
  topK: () => clip.topK(0.5),
};

const run = (name: string, maximize: boolean, policy: clip.ClipPolicy) => {
  const p = params();
  const bound = OPTIMIZERS[name]!({ maximize }).bind(p, {
    clip: policy,
    shapes: [
      [521, 2],
      [2, 3],
    ],
  });
  const reports = [0, 1, 2, 3].map((t) => bound.step(gradient(t, maximize ? -1 : 1)));
  const kept = bound.state().tensors;
  bound.dispose();
  return { p, reports, kept };
};

it.each(NAMES)('%s', (name) => {
  for (const [title, policy] of Object.entries(POLICIES)) {
    const [down, up] = [run(name, false, policy()), run(name, true, policy())];
    expect(up.p, title).toEqual(down.p);
    // What policies and updates measure is of the gradient as it was given.
    expect(up.reports, title).toEqual(down.reports);
    for (const key of Object.keys(down.kept).filter((k) => k.startsWith('optim.'))) {
      expect(up.kept[key], `${title}: ${key}`).toEqual(down.kept[key]);
    }
  }
});

it('is not the same as to descend, and the clip sees the gradient that was given', () => {
  const step = (maximize: boolean): number => {
    const p = [Float32Array.of(1)];
    optim
      .sgd({ lr: 1, weightDecay: 0.5, maximize })
      .bind(p, { clip: clip.value({ lower: -1, upper: 2 }) })
      .step([Float32Array.of(8)]);
    return p[0]![0]!;
  };
  // Clipped to 2; weights decay either way.
  expect(step(false)).toBe(1 - (2 + 0.5));
  expect(step(true)).toBe(1 - (-2 + 0.5));
});

it('lookahead goes where the optimizer within it goes', () => {
  const p = [Float32Array.of(1)];
  const bound = optim.lookahead(optim.sgd({ lr: 1, maximize: true }), { k: 2, alpha: 0.5 }).bind(p);
  for (let t = 0; t < 2; t++) bound.step([Float32Array.of(1)]);
  expect(p[0]![0]).toBe(2);
});

it('is a flag', () => {
  expect(() => optim.adamw({ maximize: 1 as never })).toThrow('optim.adamw: option maximize');
});
