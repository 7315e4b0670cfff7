// neighbor.mjs: what a busy process on one of the cores does to training: mlp-small (784-256-128-10, batch 64, SGD with momentum, global
// norm) on one thread and on all, in turns, without and with a neighbor. `npm run -s measure:neighbor -- [SECONDS [NEIGHBORS]]`
// prints one JSON line for each. Milliseconds: `chunks` is the mean step of a long fit, the others are steps run one at a time.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { clip, loss, nn, ops, optim, rows, runtime, Trainer } from '../dist/lib/index.js';

const seconds = Number(process.argv[2] ?? 12);
const neighbors = Number(process.argv[3] ?? 1);
const rounds = 10;
const batch = 64;
const { threads } = runtime();
const noise = (size) => Float32Array.from({ length: size }, Math.random);
const data = {
  x: { data: noise(batch * 784), shape: [batch, 784] },
  y: { data: Int32Array.from({ length: batch }, (_, i) => i % 10), shape: [batch] },
};
const trainer = (count) =>
  new Trainer({
    model: new nn.Sequential(new nn.Linear(784, 256), ops.relu, new nn.Linear(256, 128), ops.relu, new nn.Linear(128, 10)),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0.01, momentum: 0.9 }),
    clip: clip.globalNorm(1),
    batchSize: batch,
    threads: count,
  });
const cells = [1, threads.count].map((count) => ({ count, trainer: trainer(count), single: [], chunks: [], total: 0, steps: 0 }));

// The same batch for ever; `drawn` is called before each step.
const source = (drawn) => ({
  ...rows(data),
  epoch: () => ({ whole: 1e12, tail: 0 }),
  fill(row) {
    drawn();
    for (let i = 0; i < row.length; i++) row[i] = i;
  },
});

/** Milliseconds between the beginnings of `steps` steps. */
async function run(cell, budget, options) {
  const marks = [];
  const end = performance.now() + budget;
  const fit = cell.trainer.fit(
    source(() => {
      marks.push(performance.now());
      if (marks.at(-1) > end) fit.stop();
    }),
    { steps: 1e9, ...options },
  );
  await fit;
  return marks;
}

async function round(cell, budget) {
  const single = await run(cell, budget / 2, { chunkSteps: 1 });
  for (let i = 3; i < single.length; i++) cell.single.push(single[i] - single[i - 1]);
  // The first chunk is of one step; a chunk's rows are filled all at once.
  const chunks = await run(cell, budget / 2, {});
  cell.chunks.push((chunks.at(-1) - chunks[1]) / (chunks.length - 2));
}

function quantile(times, q) {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}
const mean = (xs) => xs.reduce((a, b) => a + b, 0) / xs.length;
const ms = (x) => Number(x.toFixed(3));

async function measure(count) {
  const busy = Array.from({ length: count }, () => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
  await new Promise((go) => setTimeout(go, count ? 200 : 0));
  for (const cell of cells) Object.assign(cell, { single: [], chunks: [] });
  for (let r = 0; r < rounds; r++) for (const cell of cells) await round(cell, (seconds * 1000) / 2 / rounds / cells.length);
  for (const child of busy) child.kill('SIGKILL');
  const one = cells[0];
  for (const cell of cells) {
    const [p50, p99] = [0.5, 0.99].map((q) => quantile(cell.single, q));
    console.log(
      JSON.stringify({
        neighbors: count,
        threads: cell.count,
        chunks: ms(mean(cell.chunks)),
        mean: ms(mean(cell.single)),
        p50: ms(p50),
        p99: ms(p99),
        steps: cell.single.length,
        ...(cell !== one && {
          chunksToOne: ms(mean(cell.chunks) / mean(one.chunks)),
          meanToOne: ms(mean(cell.single) / mean(one.single)),
          p99ToOneMedian: ms(p99 / quantile(one.single, 0.5)),
        }),
      }),
    );
  }
}

for (const cell of cells) await round(cell, 300);
console.log(JSON.stringify({ cpus: availableParallelism(), isa: runtime().isa, threads: threads.count, seconds }));
await measure(0);
await measure(neighbors);
