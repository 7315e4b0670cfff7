// one-step.mjs: what a call costs beside the step that it runs: `npm run -s measure:one-step -- [CALLS] [SHAPES]`, 100,000 fits and 1,000 shapes by
// default. Prints, for mlp-tiny, medians of microseconds of fit, fitSync, step and stepSync, called in turns, above a step of a long fit; then the
// memory that so many fits, and fits of so many shapes, add. The exit code is 1 where it is not flat.
import { loadavg } from 'node:os';
import { WORKLOAD } from '../dist/bench/workloads/mlp-tiny.js';
import { optim, Trainer } from '../dist/lib/index.js';
import { report, resident, withGc } from './resident.mjs';

const [calls = 100_000, shapes = 1000] = process.argv.slice(2).map(Number);
const ROUNDS = 2000;
const SAMPLES = 20;
const MOST_MIB = 16;

const batch = WORKLOAD.batch();
const make = () =>
  new Trainer({ model: WORKLOAD.model(), loss: WORKLOAD.loss, optimizer: optim.sgd({ lr: 1e-4, momentum: 0.9 }), threads: 1 });
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const rounded = (x) => Number(x.toFixed(1));

/** Microseconds of a step, where a fit has many: those of whole epochs of 64 batches. */
async function ofStep(trainer) {
  const many = (a) => ({
    data: Float32Array.from({ length: 64 * a.data.length }, (_, i) => a.data[i % a.data.length]),
    shape: [64 * a.shape[0], ...a.shape.slice(1)],
  });
  const data = { x: many(batch.x), y: many(batch.y) };
  const times = [];
  for (let k = 0; k < 15; k++) {
    const start = performance.now();
    await trainer.fit(data, { steps: 6400 });
    times.push((1000 * (performance.now() - start)) / 6400);
  }
  return median(times);
}

async function costs() {
  const trainer = make();
  const step = await ofStep(trainer);
  const ways = {
    fit: () => trainer.fit(batch, { steps: 1 }),
    fitSync: () => trainer.fitSync(batch, { steps: 1 }),
    step: () => trainer.step(batch),
    stepSync: () => trainer.stepSync(batch),
  };
  const times = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (let k = 0; k < 2 * ROUNDS; k++) {
    for (const [name, way] of Object.entries(ways)) {
      const start = performance.now();
      const promise = way();
      if (promise.then) await promise;
      // The first half of them warms up.
      if (k >= ROUNDS) times[name].push(1000 * (performance.now() - start));
    }
  }
  const above = Object.fromEntries(Object.entries(times).map(([name, of]) => [name, rounded(median(of) - step)]));
  console.log(
    JSON.stringify({ what: 'microseconds above a step', step_us: rounded(step), ...above, load: loadavg().map(rounded) }),
  );
}

/** So much work of a kind, and the memory it adds. */
async function memory(what, count, work) {
  const samples = [];
  for (let k = 0; k < count; k++) {
    await work(k);
    if ((k + 1) % Math.ceil(count / SAMPLES) === 0) samples.push([k + 1, await resident()]);
  }
  report({ what, count }, samples, { per: Math.ceil(count / SAMPLES), most: MOST_MIB });
}

if (await withGc(import.meta.url)) {
  await costs();
  const trainer = make();
  await memory('fits of one step', calls, (k) =>
    k % 2 === 0 ? trainer.fit(batch, { steps: 1 }) : trainer.fitSync(batch, { steps: 1 }),
  );
  const many = make();
  // Each a program of its own, and then all of them again.
  await memory('shapes', 4 * shapes, async (k) => {
    const rows = 1 + (k % shapes);
    const own = (a) => ({
      data: Float32Array.from({ length: rows * a.shape[1] }, (_, i) => Math.sin(i)),
      shape: [rows, a.shape[1]],
    });
    const data = { x: own(batch.x), y: own(batch.y) };
    if (k % 2 === 0) await many.step(data);
    else await many.fit(data, { steps: 1, batchSize: rows });
  });
}
