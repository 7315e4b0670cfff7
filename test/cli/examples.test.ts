// examples.test.ts: the configurations in examples/ are good ones, and those whose data is there learn what they should.
import { readdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { readConfig } from '../../lib/cli/config.ts';
import { sharedData } from '../kit.ts';
import { run } from './kit.ts';

const EXAMPLES = resolve(import.meta.dirname, '../../examples');
const examples = readdirSync(EXAMPLES).filter((name) => name.endsWith('.json'));

it.each(examples)('%s is a configuration that says where its data is from', async (name) => {
  expect((await readConfig(`${EXAMPLES}/${name}`)).data.about).toContain('https://');
});

it.each(examples)('%s without its data tells what is missing', async (name) => {
  const { code, stderr } = await run(['train', `${EXAMPLES}/${name}`, '--data', '/nowhere']);
  expect(code).toBe(4);
  expect(stderr).toMatch(/\/nowhere\/\S+: no such file; --data DIR names the folder.*https:/);
});

const digits = sharedData('digits.csv.gz');
it.skipIf(!digits)('digits: the median of five seeds is at least 97 %', async () => {
  const ran = await run(['train', `${EXAMPLES}/digits.json`, '--data', dirname(digits!), '--seeds', '5', '--json']);
  expect(ran.json().at(-1)).toMatchObject({ event: 'median', seeds: expect.any(Array) });
  expect(ran.json().at(-1)!.testAccuracy).toBeGreaterThanOrEqual(0.97);
});

const mnist = sharedData('mnist-10k-images-idx3-ubyte.gz');
it.skipIf(!mnist)('mnist-mlp: half of its epochs come close', async () => {
  const ran = await run(['train', `${EXAMPLES}/mnist-mlp.json`, '--data', dirname(mnist!), '--epochs', '5', '--json']);
  expect(ran.json().at(-1)!.testAccuracy).toBeGreaterThan(0.94);
});
