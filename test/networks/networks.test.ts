// networks.test.ts: the networks of examples/networks: their first losses are PyTorch's (golden/networks/, made by `npm run check:networks -- --update`), and
// they learn what they should in a short run.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { farthest, type Losses } from './compare.ts';
import { NETWORKS, STEPS } from './list.ts';

const GOLDEN = join(import.meta.dirname, '../golden/networks');
const FOLDER = join(import.meta.dirname, '../../examples/networks');
/** What these files share. */
const PARTS = ['network.ts', 'shapes.ts', 'spots.ts'];

it('each file is a network of the list, or shared', () => {
  const names = Object.keys(NETWORKS);
  expect(readdirSync(FOLDER).sort()).toEqual([...names.map((name) => `${name}.ts`), ...PARTS].sort());
  expect(
    readdirSync(GOLDEN)
      .filter((name) => name.endsWith('.json'))
      .sort(),
  ).toEqual(names.map((name) => `${name}.json`).sort());
});

describe.each(Object.entries(NETWORKS))('%s', (name, { load, steps, scores }) => {
  it('has the losses of PyTorch', async () => {
    const theirs = JSON.parse(readFileSync(join(GOLDEN, `${name}.json`), 'utf8')) as Losses;
    const { network } = await load();
    const one = network({ seed: 1, given: true });
    const losses = Array.from(one.steps(STEPS), ({ loss }) => loss);
    one.dispose();
    expect(farthest(losses, theirs.f64)).toBeLessThan(1e-4);
    // It trains: the comparison would not see a step that changes nothing.
    expect(new Set(losses).size).toBe(STEPS);
  });

  it('learns', async () => {
    const { network } = await load();
    const one = network({ seed: 1, steps });
    for (const _ of one.steps(steps));
    const found = one.score();
    one.dispose();
    for (const [score, [least, most]] of Object.entries(scores)) {
      expect(found[score], score).toBeGreaterThanOrEqual(least);
      expect(found[score], score).toBeLessThanOrEqual(most);
    }
  });
});
