// extremes.test.ts: optimizers on gradients that are huge or gone: what they keep stays finite, or the step is skipped; nothing they keep
// is ever a denormal, on which every later step would be slow.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import * as optim from '../../lib/optim/index.ts';
import { ALL_OPTIMIZERS, shapesFor } from '../clip/kit.ts';

const N = 37;
const params = (): Float32Array[] => [Float32Array.from({ length: N }, (_, i) => Math.sin(i + 1)), Float32Array.of(0.5, -0.25)];
const filled = (value: (i: number) => number): Float32Array[] => params().map((p) => p.map((_, i) => value(i)));

type Bound = ReturnType<ReturnType<(typeof ALL_OPTIMIZERS)[string]>['bind']>;
const kept = (bound: Bound): [string, Float32Array | Float64Array][] =>
  Object.entries(bound.state().tensors) as [string, Float32Array | Float64Array][];

const LEAST = 2 ** -126;

describe.each(Object.entries(ALL_OPTIMIZERS))('%s', (name, make) => {
  const bind = (p: Float32Array[], policy: clip.ClipPolicy): Bound => make().bind(p, { clip: policy, ...shapesFor(name, p) });

  it('stays finite on finite gradients of any size, or skips the step and says so', () => {
    for (const [policy, measured] of [
      [clip.none(), true],
      [clip.none({ measure: false }), false],
      [clip.value(Infinity), true],
    ] as const) {
      for (const size of [1e10, 1e18, 1e19, 1e20, 1e25, ...(policy.name === 'none' && !measured ? [] : [1e30])]) {
        const p = params();
        const bound = bind(p, policy);
        bound.step(filled((i) => Math.cos(i)));
        for (let k = 0; k < 6; k++) {
          const before = p.map((x) => x.slice());
          const report = bound.step(filled((i) => (i % 2 ? size : -size)));
          if (report.skipped) expect(p).toEqual(before);
          for (const [what, x] of kept(bound)) {
            expect(
              x.every(Number.isFinite),
              `${what} with ${policy.name} on ${size}: ${x.find((v) => !Number.isFinite(v))}`,
            ).toBe(true);
          }
          for (const x of p) expect(x.every(Number.isFinite), `a parameter with ${policy.name} on ${size}`).toBe(true);
        }
        // And it still learns: an ordinary gradient moves every parameter.
        if (policy.name === 'none' && bound.step(filled(() => 1)).skipped) expect.fail('an ordinary gradient is skipped');
      }
    }
  });

  it('a clip brings any finite gradient down to what it is without: the step is done', () => {
    const [a, b] = [params(), params()];
    const [huge, plain] = [bind(a, clip.globalNorm(1)), bind(b, clip.globalNorm(1))];
    for (let k = 0; k < 3; k++) {
      expect(huge.step(filled((i) => 1e30 * Math.cos(i + k))).skipped).toBe(false);
      plain.step(filled((i) => 1e3 * Math.cos(i + k)));
    }
    for (const [t, x] of a.entries()) for (const [i, v] of x.entries()) expect(Math.abs(v - b[t]![i]!)).toBeLessThan(1e-5);
  });

  it('keeps no denormals', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(1, 1e-10, 1e-18, 3e-19, 1e-20, 1e-30, 1e-36, 1e-40, 0, 0, 0), { minLength: 1, maxLength: 12 }),
        (sizes) => {
          const bound = bind(params(), clip.none());
          for (const size of sizes) bound.step(filled((i) => size * Math.cos(i)));
          for (const [what, x] of kept(bound)) {
            if (!(x instanceof Float32Array)) continue;
            const tiny = x.find((v) => v !== 0 && Math.abs(v) < LEAST);
            expect(tiny, `${what} after gradients of ${sizes}`).toBeUndefined();
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});

it('a unit that gets no gradient any more: the mean of adam comes to 0 and stays there', () => {
  const p = [Float32Array.of(1)];
  const bound = optim.adam().bind(p, { clip: clip.none() });
  bound.step([Float32Array.of(1)]);
  for (let k = 0; k < 1000; k++) bound.step([Float32Array.of(0)]);
  expect(bound.state().tensors[Object.keys(bound.state().tensors).find((n) => n.endsWith('exp_avg'))!]).toEqual(
    Float32Array.of(0),
  );
});
