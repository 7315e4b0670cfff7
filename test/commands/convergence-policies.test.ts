// convergence-policies.test.ts: every policy, for a short time, on the network whose gradients explode: a clip holds it, no clip does not.
import { expect, test } from 'vitest';
import { CONVERGENCE_POLICIES, trainWith } from '../../bench/convergence-policies.ts';
import * as clip from '../../lib/clip/index.ts';

/** Sentences drawn from few words: a text of the test's own, since the one of the table are the sources, which change. */
function sentences(count: number): string {
  const words =
    'a step of the gradient is clipped when its norm grows beyond threshold, value 0.25 or 10^3; (weights stay) [where] they_are:'.split(
      ' ',
    );
  let state = 1;
  return Array.from({ length: count }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return words[Math.floor(state / 2 ** 16) % words.length]!;
  }).join(' ');
}

const SHORT = { steps: 40, seeds: [0], hidden: 24, batch: 4, window: 24, text: sentences(8000) };

test('every policy is in the table', () => {
  const policies = Object.entries(clip).filter(([, f]) => typeof f === 'function');
  const names = policies.map(([name]) => name).filter((name) => !['auto', 'chain', 'groups', 'perSample'].includes(name));
  expect([...CONVERGENCE_POLICIES].sort()).toEqual(names.sort());
});

test('a norm that is held lets the network learn', async () => {
  const [none, held] = [await trainWith('none', SHORT), await trainWith('globalNorm', SHORT)];
  // Not knowing anything is more than 3.5, the logarithm of the number of characters.
  expect(held.loss).toBeLessThan(1);
  expect(held.clipped).toBeGreaterThan(0.5);
  expect(none.loss - held.loss).not.toBeLessThan(0.05);
});

test.each(CONVERGENCE_POLICIES)('%s runs', async (name) => {
  const { loss, steps, skipped } = await trainWith(name, { ...SHORT, steps: 10 });
  expect(steps).toBe(10);
  expect(skipped).toBeLessThanOrEqual(10);
  // What does not hold the norm may end in anything but an error.
  expect(Number.isNaN(loss) || loss > 0).toBe(true);
});
