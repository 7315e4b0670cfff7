// convergence-policies.test.ts: every policy, for a short time, on the network whose gradients explode: a clip holds it, no clip does not.
import { expect, test } from 'vitest';
import { CONVERGENCE_POLICIES, trainWith } from '../bench/convergence-policies.ts';
import * as clip from '../lib/clip/index.ts';

const SHORT = { steps: 40, seeds: [0], hidden: 24, batch: 4, window: 24 };

test('every policy is in the table', () => {
  const policies = Object.entries(clip).filter(([, f]) => typeof f === 'function');
  const names = policies.map(([name]) => name).filter((name) => name !== 'chain' && name !== 'groups');
  expect([...CONVERGENCE_POLICIES].sort()).toEqual(names.sort());
});

test('a norm that is held lets the network learn', async () => {
  const [none, held] = [await trainWith('none', SHORT), await trainWith('globalNorm', SHORT)];
  // 94 characters: not knowing anything is ln 94 = 4.5.
  expect(held.loss).toBeLessThan(4);
  expect(held.clipped).toBeGreaterThan(0.5);
  // The text is the project's own sources, so each change of them moves this: .3 to .5 seen.
  expect(none.loss - held.loss).not.toBeLessThan(0.2);
});

test.each(CONVERGENCE_POLICIES)('%s runs', async (name) => {
  const { loss, steps, skipped } = await trainWith(name, { ...SHORT, steps: 10 });
  expect(steps).toBe(10);
  expect(skipped).toBeLessThanOrEqual(10);
  // What does not hold the norm may end in anything but an error.
  expect(Number.isNaN(loss) || loss > 0).toBe(true);
});
