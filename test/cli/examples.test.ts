// examples.test.ts: what is in examples/ is good, runs in a short form here, and, where its data is there, learns what it should.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../lib/cli/config/config.ts';
import { ownSources } from '../../lib/cli/demo/corpus.ts';
import { sharedData } from '../kit.ts';
import { folder, idx, run } from './kit.ts';

const mnist = sharedData('mnist-10k-images-idx3-ubyte.gz');
const EXAMPLES = resolve(import.meta.dirname, '../../examples');
// Folders in it are of pages: test/docs/examples.test.ts.
const files = readdirSync(EXAMPLES).filter((name) => /\.(json|ts)$/.test(name));
const configs = files.filter((name) => name.endsWith('.json'));

/** Train an example with some of it changed, on data made here. @returns the events */
async function short(
  name: string,
  data: Record<string, string | Uint8Array>,
  change: { data?: object; [key: string]: unknown },
): Promise<Record<string, unknown>[]> {
  const cwd = folder(data);
  const config = JSON.parse(readFileSync(join(EXAMPLES, name), 'utf8'));
  const changed = { ...config, ...change, data: { ...config.data, dir: '.', ...change.data } };
  writeFileSync(join(cwd, name), JSON.stringify(changed));
  const ran = await run(['train', name, '--json'], { cwd });
  expect(ran.json().at(-1), ran.stderr).toMatchObject({ event: 'result' });
  if (config.save) {
    const { stdout } = await run(['sample', config.save, '--length', '20'], { cwd });
    expect(stdout.length).toBeGreaterThan(20);
  }
  return ran.json();
}

/** Of a text: some steps of it. */
async function text(name: string): Promise<void> {
  // No warm-up: it would take all the steps there are.
  const change = {
    schedule: undefined,
    steps: 12,
    batchSize: 4,
    data: { file: 'text.txt', split: { train: 20_000, test: 2_000 } },
  };
  const events = await short(name, { 'text.txt': ownSources().slice(0, 22_000) }, change);
  // Of about 90 characters.
  expect(events.at(-1)!.testLoss).toBeLessThan(4.45);
}

/** Images whose upper or lower half is white, as the label says. */
function halves(n: number): { pixels: Uint8Array; labels: Uint8Array } {
  const labels = Uint8Array.from({ length: n }, (_, i) => i & 1);
  const pixels = new Uint8Array(n * 784);
  for (let i = 0; i < n; i++) pixels.fill(255, i * 784 + 392 * labels[i]!, i * 784 + 392 * labels[i]! + 392);
  return { pixels, labels };
}

/** Of images. */
async function images(name: string): Promise<void> {
  const { pixels, labels } = halves(320);
  const data = { 'x.idx': idx([320, 28, 28], pixels), 'y.idx': idx([320], labels) };
  const change = { epochs: 2, data: { images: 'x.idx', labels: 'y.idx', split: { train: 256, test: 64 } } };
  expect((await short(name, data, change)).at(-1)!.testAccuracy).toBe(1);
}

/** How each runs in a few seconds. A new example needs a line here. */
const SHORT: Readonly<Record<string, (name: string) => Promise<unknown>>> = {
  'adding-problem.ts': async (name) => {
    const { main } = (await import(join(EXAMPLES, name))) as typeof import('../../examples/adding-problem.ts');
    const curves = await main({ time: 20, hidden: 32, steps: 700, sequences: 4000 });
    expect(Object.keys(curves).length).toBe(4);
    // Always saying 1 has 0.167.
    for (const who of ['RNN, Adam, clip 1', 'LSTM, Adam, clip 1']) expect(curves[who]!.at(-1)).toBeLessThan(0.08);
  },
  'char-lstm.json': text,
  'char-rnn.json': text,
  'digits.json': async (name) => {
    const lines = Array.from({ length: 200 }, (_, i) => [
      ...new Array(64).fill(0).map((_, j) => (j % 10 === i % 10 ? 16 : 0)),
      i % 10,
    ]);
    const data = { 'digits.csv.gz': lines.map((l) => `${l}\n`).join('') };
    const events = await short(name, data, { data: { split: { train: 150, order: 'seed' } } });
    expect(events.at(-1)!.testAccuracy).toBe(1);
  },
  'gpt-nano.json': text,
  'mnist-lenet.json': images,
  'mnist-lenet.ts': async (name) => {
    // Where the images are there, mnist-lenet.test.ts runs it on them.
    if (mnist) return;
    const { main } = (await import(join(EXAMPLES, name))) as typeof import('../../examples/mnist-lenet.ts');
    const { pixels, labels } = halves(10_000);
    const data = folder({
      'mnist-10k-images-idx3-ubyte.gz': idx([10_000, 28, 28], pixels),
      'mnist-10k-labels-idx1-ubyte.gz': idx([10_000], labels),
    });
    expect(await main(data, { epochs: 1, rows: 640 })).toBe(1);
  },
  'mnist-mlp.json': images,
  'private-mnist.ts': async (name) => {
    // As mnist-lenet.ts.
    if (mnist) return;
    const { main } = (await import(join(EXAMPLES, name))) as typeof import('../../examples/private-mnist.ts');
    const { pixels, labels } = halves(10_000);
    const data = folder({
      'mnist-10k-images-idx3-ubyte.gz': idx([10_000, 28, 28], pixels),
      'mnist-10k-labels-idx1-ubyte.gz': idx([10_000], labels),
    });
    expect((await main(data, { epochs: 1 })).accuracy).toBeGreaterThan(0.99);
  },
  'ncf.ts': async (name) => {
    const { main } = (await import(join(EXAMPLES, name))) as typeof import('../../examples/ncf.ts');
    for (const sparse of [false, true]) {
      const { ncf, popularity, auc } = await main({ users: 600, items: 300, each: 41, epochs: 13, sparse });
      expect(ncf).toBeGreaterThan(popularity + 0.1);
      expect(auc).toBeGreaterThan(0.75);
    }
  },
  'ncf-data.ts': async (name) => {
    const { feedback } = (await import(join(EXAMPLES, name))) as typeof import('../../examples/ncf-data.ts');
    const options = { users: 50, items: 200, each: 20 };
    const { taken, popularity } = feedback(options);
    expect(feedback(options).taken).toEqual(taken);
    expect(feedback({ ...options, seed: 2 }).taken).not.toEqual(taken);
    for (const list of taken) expect(new Set(list).size).toBe(20);
    const head = popularity.subarray(0, 20).reduce((a, b) => a + b, 0);
    expect(head).toBeGreaterThan(2 * popularity.subarray(180).reduce((a, b) => a + b, 0));
  },
  'random.ts': async (name) => {
    const { normal, random } = (await import(join(EXAMPLES, name))) as typeof import('../../examples/random.ts');
    const drawn = Array.from({ length: 10_000 }, normal(random(1)));
    const mean = drawn.reduce((a, v) => a + v, 0) / drawn.length;
    const variance = drawn.reduce((a, v) => a + (v - mean) ** 2, 0) / drawn.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(variance).toBeGreaterThan(0.95);
    expect(variance).toBeLessThan(1.05);
    expect(random(2)()).not.toBe(random(1)());
  },
  'fine-tune.ts': async (name) => {
    const { main } = (await import(join(EXAMPLES, name))) as typeof import('../../examples/fine-tune.ts');
    const { scratch, phases } = await main({ many: 2000 });
    expect(phases.length).toBe(3);
    for (const accuracy of phases) expect(accuracy).toBeGreaterThan(scratch + 0.08);
  },
  'online.ts': async (name) => {
    const { main } = (await import(join(EXAMPLES, name))) as typeof import('../../examples/online.ts');
    const { follows, stopped, noise } = main({ rows: 2500, period: 1500 });
    expect(follows).toBeLessThan(5 * noise);
    expect(stopped).toBeGreaterThan(10 * follows);
  },
  'seq2seq.ts': async (name) => {
    const { main, words } = (await import(join(EXAMPLES, name))) as typeof import('../../examples/seq2seq.ts');
    expect(words(712_005).join(' ')).toBe('seven hundred twelve thousand five');
    const { right, written } = await main({ numbers: 2000, hidden: 32 });
    expect(right).toBeGreaterThan(0.9);
    expect(written.size).toBe(200);
  },
  'wgan.ts': async (name) => {
    const { main } = (await import(join(EXAMPLES, name))) as typeof import('../../examples/wgan.ts');
    const { before, after, spots } = main({ iterations: 400 });
    expect(after).toBeLessThan(0.6 * before);
    expect(spots).toBeGreaterThan(3);
  },
  // Its losses: custom-policy.test.ts.
  'custom-policy.ts': async (name) => {
    const { main } = (await import(join(EXAMPLES, name))) as typeof import('../../examples/custom-policy.ts');
    await main(join(folder(), 'custom.safetensors'));
  },
};

it('every example has a short form', () => {
  expect(files.sort()).toEqual(Object.keys(SHORT).sort());
});

describe('in short', () => {
  it.each(files)('%s', (name) => SHORT[name]!(name) as Promise<void>);
});

it.each(configs)('%s is a configuration that says where its data is from', async (name) => {
  expect((await readConfig(`${EXAMPLES}/${name}`)).data.about).toContain('https://');
});

it.each(configs)('%s without its data tells what is missing', async (name) => {
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

it.skipIf(!mnist)('mnist-mlp: half of its epochs come close', async () => {
  const ran = await run(['train', `${EXAMPLES}/mnist-mlp.json`, '--data', dirname(mnist!), '--epochs', '5', '--json']);
  expect(ran.json().at(-1)!.testAccuracy).toBeGreaterThan(0.94);
});
