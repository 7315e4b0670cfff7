// mnist-lenet.test.ts: the example of lenet on the MNIST images learns what it should, in one epoch of its five.
import { dirname } from 'node:path';
import { expect, it } from 'vitest';
import { main } from '../../examples/mnist-lenet.ts';
import { sharedData } from '../kit.ts';

const mnist = sharedData('mnist-10k-images-idx3-ubyte.gz');
it.skipIf(!mnist)('lenet tells more than 95 % of the digits after one epoch', async () => {
  expect(await main(dirname(mnist!), { epochs: 1 })).toBeGreaterThan(0.95);
});
