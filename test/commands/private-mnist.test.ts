// private-mnist.test.ts: the example that learns the MNIST images in private learns them, in two epochs of its fifteen, and spends what it is given.
import { dirname } from 'node:path';
import { expect, it } from 'vitest';
import { main } from '../../examples/private-mnist.ts';
import { sharedData } from '../kit.ts';

const mnist = sharedData('mnist-10k-images-idx3-ubyte.gz');
it.skipIf(!mnist)(
  'a private network tells more than 75 % of the digits after two epochs',
  async () => {
    const { accuracy, epsilon } = await main(dirname(mnist!), { epochs: 2 });
    expect(accuracy).toBeGreaterThan(0.75);
    expect(Math.abs(epsilon - 3)).toBeLessThan(1e-6);
  },
  120_000,
);
