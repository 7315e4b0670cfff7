// external.ts: a training whose weights are looked at and changed through their views; prints what the views are of, and the weights, for
// external-buffers.test.ts.
import { createHash } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { clip, loss, nn, optim, Trainer } from '../../lib/index.ts';
import { addon } from '../../lib/native/addon.ts';

const first = new nn.Linear(6, 16);
const model = new nn.Sequential(first, new nn.ReLU(), new nn.Linear(16, 2));
const trainer = new Trainer({
  model,
  loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
  optimizer: optim.adamw({ lr: 1e-2 }),
  clip: clip.globalNorm(0.5),
  batchSize: 8,
});
const data = {
  x: { data: Float32Array.from({ length: 64 * 6 }, (_, i) => ((i * 37) % 101) / 50 - 1), shape: [64, 6] },
  y: Int32Array.from({ length: 64 }, (_, i) => i % 2),
};
const { weight } = first;
const view = weight.data;
await trainer.fit(data, { epochs: 2 });
view[3] = 0.25;
await trainer.fit(data, { epochs: 2 });
const hash = createHash('sha256');
for (const { data } of model.parameters()) hash.update(data.slice());

// What a view keeps outlives the model; what nobody keeps goes, and a worker ends with memory of its own.
const { buffer } = view;
const large = new nn.Linear(2048, 2048).initialize(1).weight.data;
const sum = (): number => large.reduce((a, b) => a + b, 0);
const before = sum();
globalThis.gc!();
await setTimeout(10);
const worker = new Worker(
  `import('${new URL('../../lib/index.js', import.meta.url).href}').then(({ nn }) => new nn.Linear(64, 64).initialize(1).weight.data.fill(1));`,
  { eval: true },
);
await new Promise((done) => worker.once('exit', done));
process.stdout.write(
  `${JSON.stringify({
    external: addon().externalBuffers,
    buffer: buffer.constructor.name,
    same: weight.data === view && view[3] !== 0.25,
    kept: sum() === before,
    aligned: large.byteOffset % 4 === 0,
    weights: hash.digest('hex'),
  })}\n`,
);
