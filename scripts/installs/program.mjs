// program.mjs: what every place runs besides the README's example: threads, an abort, workers; prints one line of JSON. Nothing but
// what Node.js, Bun and Deno have.
import { createHash } from 'node:crypto';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { clip, loss, nn, ops, optim, runtime, Trainer } from 'gradclip';

const numbers = (size, modulus) => Float32Array.from({ length: size }, (_, i) => ((i * 2654435761) % modulus) / modulus - 0.5);
const data = {
  x: { data: numbers(256 * 300, 1009), shape: [256, 300] },
  y: Int32Array.from({ length: 256 }, (_, i) => (i * 7) % 10),
};

function trainerOf(threads) {
  return new Trainer({
    model: new nn.Sequential(new nn.Linear(300, 256), ops.relu, new nn.Linear(256, 10)),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.adamw({ lr: 1e-3 }),
    clip: clip.globalNorm(0.5),
    batchSize: 64,
    seed: 3,
    ...(threads && { threads }),
  });
}

async function hashOf(threads, steps = 8) {
  const trainer = trainerOf(threads);
  const { threads: got } = await trainer.fit(data, { steps });
  const hash = createHash('sha256');
  for (const { data: values } of trainer.model.parameters()) hash.update(values.slice());
  return { got, hash: hash.digest('hex') };
}

/** A fit without end is stopped, and the trainer goes on. */
async function aborted() {
  const controller = new AbortController();
  const trainer = trainerOf();
  setTimeout(() => controller.abort(), 20);
  const name = await trainer.fit(data, { steps: 1e9, signal: controller.signal }).catch((error) => error.name);
  const { tried } = await trainer.fit(data, { steps: 2 });
  return name === 'AbortError' && tried === 2;
}

/** Workers that train to the end, at once, and one that is terminated within a fit. */
async function workers() {
  const of = (what) => new Worker(new URL(import.meta.url), { workerData: what });
  const said = (worker) =>
    new Promise((done, fail) => {
      worker.once('message', done);
      worker.once('error', fail);
    });
  const hashes = await Promise.all(['train', 'train'].map(async (what) => said(of(what))));
  const endless = of('forever');
  await said(endless);
  await endless.terminate();
  return hashes;
}

if (!isMainThread) {
  if (workerData === 'forever') {
    const run = trainerOf(2).fit(data, { steps: 1e9 });
    parentPort.postMessage('begun');
    await run;
  } else parentPort.postMessage((await hashOf(3)).hash);
} else {
  const [one, three] = [await hashOf(1), await hashOf(3)];
  const of = await workers();
  console.log(
    JSON.stringify({
      hashes: [...new Set([one.hash, three.hash, ...of])],
      threads: [one.got, three.got],
      aborted: await aborted(),
      runtime: runtime(),
    }),
  );
}
