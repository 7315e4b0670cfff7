// accuracy.test.ts: `npm run -s accuracy:bf16` in a short form: f32 and bf16 are trained alike, and the table tells how far they are apart.
import { dirname } from 'node:path';
import { expect, it } from 'vitest';
import { accuracyOf, accuracyTable, meanOf } from '../../bench/accuracy.ts';
import { sharedData } from '../kit.ts';

it('means come with their standard error', () => {
  // Standard deviation 2 of four values.
  const { mean, error } = meanOf([1, 3, 3, 5].map((v) => 10 + (v - 3) * Math.sqrt(1.5)));
  expect(mean).toBeCloseTo(10);
  expect(error).toBeCloseTo(1);
});

it('a table has what was found, and what was wanted', () => {
  const loss = { name: 'a', told: 'loss', limit: 0.003, seeds: 3, f32: 1.5, bf16: 1.499 } as const;
  const accuracy = { name: 'b', told: 'accuracy', limit: 0.1, seeds: 2, f32: 97.5, bf16: 97.6, chance: 0.05 } as const;
  const table = accuracyTable([
    { ...loss, difference: { mean: -0.001, error: 0.0005 }, chance: 0.002 },
    { ...accuracy, difference: { mean: 0.1, error: 0.04 } },
  ]);
  expect(table).toContain('| a | loss | 3 | 1.5000 | 1.4990 | -0.0010 ± 0.0005 | 0.003 | 0.0020 |');
  expect(table).toContain('| b | accuracy | 2 | 97.50 % | 97.60 % | +0.10 ± 0.04 % | 0.1 % | 0.05 % |');
});

const images = sharedData('mnist-10k-images-idx3-ubyte.gz');
it.skipIf(!images)('the same training in each precision', async () => {
  const { f32, bf16, difference, chance } = await accuracyOf('mnist-mlp', dirname(images!), {
    seeds: 1,
    chance: true,
    steps: 60,
  });
  expect(f32).toBeGreaterThan(75);
  expect(Math.abs(difference.mean)).toBeLessThan(2);
  expect(bf16).toBeCloseTo(f32 + difference.mean);
  expect(chance).toBeLessThan(2);
});
