// tune.test.ts: whole searches.
import { expect, it } from 'vitest';
import { tune } from '../../lib/index.ts';
import { make, SPACE } from './kit.ts';

it('smoke', async () => {
  const t0 = performance.now();
  const result = await tune({
    make,
    space: SPACE,
    steps: 270,
    budget: { steps: 270 * 10 },
    onTrial: (e) => console.log(JSON.stringify(e)),
  });
  console.log(
    performance.now() - t0,
    JSON.stringify(result.verdict, null, 1),
    result.best,
    result.warnings,
    result.steps,
    result.stopReason,
    result.comparisons,
  );
  expect(result.best.status).toBe('finalist');
});
