// bf16.test.ts: option precision of a standalone optimizer.
import { expect, it } from 'vitest';
import { OptionError, optim } from '../../lib/index.ts';

const params = (): Float32Array[] => [Float32Array.from({ length: 24 }, (_, i) => Math.sin(i))];

it('is refused where the optimizer has no products', () => {
  expect(() => optim.sgd().bind(params(), { precision: 'bf16' })).toThrow(
    new OptionError('optim.sgd.bind: option precision: bf16 has no effect: this optimizer has no products'),
  );
});
