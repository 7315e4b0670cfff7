// memory.ts: resident memory of long runs and of many trainers, in MiB: before, at most, after. node --expose-gc memory.js NAME
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { isMainThread, Worker } from 'node:worker_threads';
import { type Arrays, clip, loss, nn, ops, optim, Trainer } from '../../lib/index.ts';
import { uniform } from '../golden/runs/recipe.ts';

// Without V8's own heap: it grows by itself to what suits the allocation rate, whatever is alive in it. What is alive counts.
const rss = (): number => {
  const { rss: resident, heapTotal, heapUsed } = process.memoryUsage();
  return (resident - heapTotal + heapUsed) / 2 ** 20;
};
async function collect(): Promise<void> {
  for (let k = 0; k < 3; k++) {
    globalThis.gc?.();
    await turn();
  }
}
const data = (rows: number, width: number): Arrays => ({
  x: { data: uniform(1, rows * width), shape: [rows, width] },
  y: Int32Array.from(uniform(2, rows), (u) => Math.floor((u + 1) * 5)),
});
function make(width: number, hidden: number): Trainer<nn.Sequential> {
  return new Trainer({
    model: new nn.Sequential(new nn.Linear(width, hidden), ops.relu, new nn.Linear(hidden, 10)),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.adamw(),
    clip: clip.globalNorm(1),
    batchSize: 32,
    threads: 1,
  });
}

/** Calls `work` again and again; the first times for what is only needed once. */
async function watch(times: number, work: (k: number) => Promise<unknown>): Promise<void> {
  for (let k = -3; k < 0; k++) await work(k);
  await collect();
  const before = rss();
  let most = before;
  for (let k = 0; k < times; k++) {
    await work(k);
    most = Math.max(most, rss());
  }
  await collect();
  console.log(JSON.stringify({ before, most, after: rss() }));
}

const scenarios: Readonly<Record<string, () => Promise<void>>> = {
  /** 20,000 steps, half of them one per call. */
  async steps() {
    const trainer = make(20, 32);
    const rows = data(640, 20);
    await watch(10, async (k) => {
      await trainer.fit(rows, { steps: k < 0 ? 3000 : 2000, ...(k % 2 === 0 && { chunkSteps: 1 }) });
      for await (const _ of trainer.fit(rows, { steps: 100 }));
      await trainer.predict(rows.x as never);
    });
  },
  /** 50 trainers of 2.4 MiB, and 1.6 MiB of data each, disposed of. */
  disposed: () =>
    watch(50, async () => {
      const trainer = make(200, 1000);
      await trainer.fit(data(500, 200), { steps: 1, validation: data(500, 200) });
      trainer.dispose();
    }),
  /** The same, dropped. */
  dropped: () =>
    watch(50, async (k) => {
      const trainer = make(200, 1000);
      await trainer.fit(data(500, 200), { steps: 1 });
      await trainer.predict({ data: new Float32Array(200), shape: [1, 200] });
      if (k % 10 === 0) await collect();
    }),
  /** Trainers of one model of 64 MiB: nothing is copied when they begin and when they end. */
  async values() {
    const model = new nn.Sequential(new nn.Linear(2048, 8192), ops.relu, new nn.Linear(8192, 10)).initialize(0);
    const trainers: Trainer<nn.Sequential>[] = [];
    await watch(3, async () => {
      const trainer = new Trainer({
        model,
        loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
        optimizer: optim.sgd({ lr: 0.1 }),
        batchSize: 1,
        threads: 1,
      });
      trainers.push(trainer);
      await trainer.fit(data(1, 2048), { steps: 1 });
    });
    for (const trainer of trainers) trainer.dispose();
  },
  /** New weights of 4 MiB for a predictor, half of the times while a fit is on. */
  async updates() {
    const trainer = make(1000, 1000);
    const predictor = trainer.predictor();
    const rows = data(32, 1000);
    const row = data(1, 1000).x as never;
    await watch(12, async (k) => {
      const run = k % 2 === 0 ? trainer.fit(rows, { steps: 3 }) : null;
      for (let i = 0; i < 10; i++) {
        await predictor.update();
        predictor.predictSync(row);
        await predictor.predict(row);
      }
      await run;
      for (let i = 0; i < 10; i++) predictor.updateSync();
    });
  },
  /** Workers that end while they have a view of 32 MiB. */
  workers: () =>
    watch(6, async () => {
      const worker = new Worker(new URL(import.meta.url));
      await once(worker, 'exit');
    }),
};
if (isMainThread) await scenarios[process.argv[2] as string]?.();
else {
  const values = new nn.Parameter([8 << 20], nn.init.zeros());
  values.initialize('values', 0n);
  values.data.fill(1);
  process.exit(0);
}
