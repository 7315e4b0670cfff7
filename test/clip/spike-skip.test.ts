// spike-skip.test.ts: what spikes do to a run: left out one by one, and the end of it where nothing else comes any more.
import { expect, test } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { SkipError } from '../../lib/errors.ts';
import * as optim from '../../lib/optim/index.ts';

test('a spike is skipped, and a step after it is not', () => {
  const p = [new Float32Array(2)];
  const bound = optim.sgd({ lr: 1 }).bind(p, { clip: clip.spikeSkip({ window: 8, warmup: 4, threshold: 3 }) });
  for (let i = 0; i < 6; i++) expect(bound.step([Float32Array.of(1 + i / 10, 0)]).skipped).toBe(false);
  const before = p[0]!.slice();
  const spike = bound.step([Float32Array.of(100, 0)]);
  expect(spike).toMatchObject({ skipped: true, norm: 100, nonFinite: null });
  expect(spike.threshold).toBeLessThan(3);
  expect(p[0]).toEqual(before);
  expect(bound.step([Float32Array.of(1, 0)]).skipped).toBe(false);
});

test('nothing but spikes ends the run with an error that tells the norm and the threshold', () => {
  const policy = clip.spikeSkip({ window: 4, warmup: 2, absolute: Infinity, threshold: 2, maxSkips: 3 });
  const bound = optim.sgd({ lr: 1 }).bind([new Float32Array(1)], { clip: policy });
  for (const g of [1, 1.1, 1]) bound.step([Float32Array.of(g)]);
  bound.step([Float32Array.of(50)]);
  bound.step([Float32Array.of(50)]);
  expect(() => bound.step([Float32Array.of(50)])).toThrow(SkipError);
  expect(() => bound.step([Float32Array.of(50)])).toThrow(
    /4 steps in a row were skipped, the last since the policy left out a gradient of norm 50, threshold 1\.1/,
  );
});
