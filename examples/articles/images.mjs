// images.mjs: images, with protection of the forward and of the backward pass, and with rows to train, to validate and to test.
import { clip, guard, loss, metrics, nn, ops, optim, preprocess, Trainer } from 'gradclip';

// 600 images of 8x8 pixels with stripes across (0) or upright (1), under noise.
const labels = Int32Array.from({ length: 600 }, (_, i) => i % 2);
const pixels = Float32Array.from({ length: 600 * 64 }, (_, k) => {
  const [i, row, column] = [k >> 6, (k >> 3) & 7, k & 7];
  return (((labels[i] ? column : row) + i) & 2 ? 1 : -1) + 2 * Math.sin(k * k);
});
const images = { data: pixels, shape: [600, 1, 8, 8] };
const { train, validation, test } = preprocess.split({ x: images, y: labels }, { validation: 100, test: 100, stratify: 'y' });

// A camera has spoiled two of the 400 to train with: one has a pixel that is no number, one is far too bright.
const { x } = train.arrays;
x.data[20 * 64] = NaN;
x.data.fill(1e5, 77 * 64, 78 * 64);

async function run(what, policy, guards) {
  const trainer = new Trainer({
    model: new nn.Sequential(
      new nn.Conv2d(1, 8, 3, { padding: 'same' }),
      new nn.ReLU(),
      new nn.Conv2d(8, 8, 3, { padding: 'same' }),
      new nn.ReLU(),
      (x) => ops.mean(x, { axes: [2, 3] }),
      new nn.Linear(8, 2),
    ),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    metrics: { accuracy: ({ x, y }, model) => metrics.accuracy(model.forward(x), y) },
    optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }),
    clip: policy,
    guards,
  });
  // After each epoch it is validated; 10 epochs without a better accuracy end it, and the best weights are taken.
  const result = await trainer.fit(train.arrays, { epochs: 40, validation, earlyStop: { metric: 'accuracy', patience: 10 } });
  const { accuracy } = await trainer.evaluate(test);
  console.log(`${what}: accuracy in the test ${accuracy.toFixed(2)}`);
  console.log(`  ${result.clipped} of ${result.tried} steps clipped, ${result.skipped} skipped`);
  const found = new Set(result.guards?.map(({ guard, name }) => `${guard} found ${name}`));
  for (const line of found) console.log(`  ${line}`);
}

const forward = [guard.outputs({ min: -1000, max: 1000, action: 'skip' }), guard.dead({ match: '1', action: 'warn' })];
const backward = [guard.exploding({ max: 100, action: 'skip' })];
await run('no protection', clip.none({ nonFinite: 'propagate' }), []);
await run('a clip', clip.globalNorm(1), []);
await run('a clip and guards', clip.globalNorm(1), [...forward, ...backward]);
