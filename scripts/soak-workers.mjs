// soak-workers.mjs: worker threads that are started, thrown at and terminated, eight at a time, in the middle of what a trainer does:
// `npm run -s soak:workers -- [WORKERS]`, 2,000 by default. The process must live, its memory stay flat, and each worker end as it was told to.
// One JSON line tells; the exit code is 1 where that is not so. `seed` 1 draws what happens; what meets what is a matter of threads.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { clip, loss, nn, ops, optim, Trainer } from '../dist/lib/index.js';
import { interrupted, report, resident, withGc } from './resident.mjs';

const AT_ONCE = 8;
const MOST_MIB = 64;

// In a worker: a trainer that is never done with what it does.
const rows = (n, wrong = -1) => ({
  x: { data: Float32Array.from({ length: n * 24 }, (_, i) => Math.sin(i * i)), shape: [n, 24] },
  y: Int32Array.from({ length: n }, (_, i) => (i === wrong ? 99 : i % 5)),
});
const make = () =>
  new Trainer({
    model: new nn.Sequential(new nn.Linear(24, 256), ops.relu, new nn.Linear(256, 5)),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.adamw({ lr: 1e-3 }),
    clip: clip.globalNorm(1),
    batchSize: 32,
    threads: 2,
  });
const forever = async (work) => {
  for (let k = 0; ; k++) await work(k);
};
async function* broken() {
  yield rows(32);
  throw new Error('the stream broke');
}
const DOING = {
  fit: () => make().fit(rows(200), { steps: 1e9 }),
  fitSync: () => forever(() => make().fitSync(rows(200), { steps: 50 })),
  validated: () => make().fit(rows(200), { steps: 1e9, validation: rows(70), validateEvery: 3 }),
  predict() {
    const trainer = make();
    return forever((k) => trainer.predict(rows(1 + (k % 90)).x));
  },
  async save() {
    const trainer = make();
    await trainer.fit(rows(64), { steps: 2 });
    await forever((k) => trainer.save(join(workerData.folder, `${k % 4}.safetensors`)));
  },
  saveWhileFitting() {
    const trainer = make();
    trainer.fit(rows(200), { steps: 1e9 });
    return forever((k) => trainer.save(join(workerData.folder, `fit-${k % 4}.safetensors`)));
  },
  predictWhileFitting() {
    const trainer = make();
    trainer.fit(rows(200), { steps: 1e9 });
    return forever((k) => (k % 2 ? trainer.predictSync(rows(1 + (k % 90)).x) : trainer.predict(rows(1 + (k % 90)).x)));
  },
  predictor() {
    const trainer = make();
    const predictor = trainer.predictor();
    trainer.fit(rows(200), { steps: 1e9 });
    return forever(async (k) => {
      predictor.predictSync(rows(1 + (k % 5)).x);
      const prediction = predictor.predict(rows(1 + (k % 90)).x);
      await (k % 3 ? predictor.update() : prediction);
      await prediction;
    });
  },
  wrongLabel: () =>
    forever(() =>
      make()
        .fit(rows(100, 77), { steps: 9 })
        .catch(() => {}),
    ),
  brokenStream: () =>
    forever(() =>
      make()
        .fit(broken(), { steps: 9 })
        .catch(() => {}),
    ),
  disposed: () =>
    forever(async () => {
      const trainer = make();
      const run = trainer.fit(rows(200), { steps: 1e9 });
      await sleep(2);
      trainer.dispose();
      await run;
    }),
};

// How they end: by terminate, by an error that nobody catches, by a promise that rejects, by process.exit.
const ENDS = ['terminate', 'terminate', 'terminate', 'throw', 'reject', 'exit'];

function work() {
  parentPort.on('message', (end) => {
    if (end === 'throw') throw new Error('thrown at');
    if (end === 'reject') Promise.reject(new Error('thrown at'));
    if (end === 'exit') process.exit(0);
  });
  const doing = DOING[workerData.doing]();
  parentPort.postMessage('begun');
  return doing;
}

async function one(draw, folder) {
  const doing = Object.keys(DOING)[draw(Object.keys(DOING).length)];
  const end = ENDS[draw(ENDS.length)];
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { doing, folder } });
  const ended = new Promise((resolve) => {
    let error = null;
    worker.on('error', (e) => {
      error = e;
    });
    worker.on('exit', () => resolve(error));
  });
  // Some before they have loaded anything.
  if (draw(10) === 0) await sleep(draw(60));
  else {
    await Promise.race([new Promise((resolve) => worker.once('message', resolve)), ended]);
    await sleep(draw(30));
  }
  // One that never turns its loop hears of nothing.
  if (end === 'terminate' || doing === 'fitSync') worker.terminate();
  else {
    worker.postMessage(end);
    await Promise.race([ended, sleep(2000)]);
    worker.terminate();
  }
  const error = await ended;
  if (error && error.message !== 'thrown at') throw new Error(`${doing}, ${end}: ${error.stack}`);
  return doing;
}

async function soak(total) {
  let state = 1;
  const draw = (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const folder = mkdtempSync(join(tmpdir(), 'gradclip-soak-'));
  const samples = [];
  const of = {};
  const ends = interrupted();
  let done = 0;
  const started = performance.now();
  const each = Math.max(Math.min(AT_ONCE, total), Math.ceil(total / 20));
  try {
    for (; done < total && !ends(); ) {
      let left = Math.min(each, total - done);
      const chain = async () => {
        while (left-- > 0) {
          const doing = await one(draw, folder);
          of[doing] = (of[doing] ?? 0) + 1;
          done++;
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, chain));
      samples.push([done, await resident()]);
    }
    const left = readdirSync(folder).filter((name) => !name.endsWith('.safetensors')).length;
    const seconds = Math.round((performance.now() - started) / 1000);
    report({ soak: 'workers', workers: done, seconds, of, leftovers: left }, samples, { per: 1000, most: MOST_MIB });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (!isMainThread) await work();
else if (await withGc(import.meta.url)) await soak(Number(process.argv[2] ?? 2000));
