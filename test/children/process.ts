// process.ts: what child processes of process.test.ts do with trainers, one scenario per process. node process.js NAME
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { loss, nn, optim, Trainer } from '../../lib/index.ts';
import { hashOf } from '../golden/runs/models.ts';
import { type Network, plainHash, VARIANTS, type Variant } from '../train/variants.ts';

const { data, options } = VARIANTS.dropout as Variant;
const make = (): Trainer<Network> => new Trainer({ ...options(), threads: 2 });
const say = (x: unknown): boolean => process.stdout.write(`${JSON.stringify(x)}\n`);
const role = (name: string): Worker => new Worker(new URL(import.meta.url), { workerData: name });
const message = (worker: Worker): Promise<unknown> =>
  new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
const STEPS = 60;
/** The threads that a fit had, and its warnings. */
async function told(threads?: number): Promise<unknown[]> {
  using trainer = new Trainer({ ...options(), ...(threads !== undefined && { threads }) });
  const result = await trainer.fit(data, { steps: 10 });
  return [result.threads, ...result.warnings];
}

const scenarios: Readonly<Record<string, () => unknown>> = {
  /** Nobody awaits the run; the process lives until it is done, and no longer. */
  unawaited() {
    const trainer = make();
    trainer.fit(data, { steps: STEPS });
    process.on('exit', () => say(trainer.counters.step));
  },
  /** Nobody awaits the run, and it fails. */
  rejected() {
    const { x, y } = data as { x: { data: Float32Array; shape: number[] }; y: Int32Array };
    make().fit({ x, y: y.map((label) => label + 5) }, { steps: STEPS });
  },
  exit() {
    make().fit(data, { steps: 1e9 });
    setTimeout(() => process.exit(7), 50);
  },
  /** While predictions and saves wait for their turn, too. */
  exitBusy() {
    const trainer = make();
    trainer.fit(data, { steps: 1e9 });
    for (let k = 0; k < 3; k++) {
      trainer.evaluate(data);
      trainer.readParameters();
    }
    setTimeout(() => process.exit(7), 20);
  },
  /** Four environments train at once, one is terminated half-way; how many threads there are before and at most. */
  async workers() {
    const before = readdirSync('/proc/self/task').length;
    const workers = ['train', 'train', 'forever', 'train'].map(role);
    const results = [workers[0], workers[1], workers[3]].map((w) => message(w as Worker));
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, readdirSync('/proc/self/task').length);
    }, 5);
    await message(workers[2] as Worker);
    await workers[2]?.terminate();
    const hashes = await Promise.all(results);
    clearInterval(watch);
    const expected = await plainHash(VARIANTS.dropout as Variant, STEPS);
    say({ same: hashes.map((h) => h === expected), before, most });
  },
  /** Fits beside that of another environment, and alone. */
  async beside() {
    const other = role('longChunk');
    await message(other);
    for (;;) {
      await sleep(10);
      const [beside, byDefault, one] = [await told(2), await told(), await told(1)];
      if (beside[0] === 2 || byDefault[0] === 2) continue; // the chunk has not begun
      say({ beside, byDefault, one });
      break;
    }
    await other.terminate();
    await scenarios.alone!();
  },
  async alone() {
    say({ alone: await told(2), many: await told(5) });
  },
  /** The system refuses this user more than three threads beside those that are there. */
  async refused() {
    const before = await told(2);
    const limit = readdirSync('/proc/self/task').length + 3;
    execFileSync('prlimit', [`--nproc=${limit}`, '--pid', String(process.pid)]);
    say({ before, after: await told(9) });
  },
  /** Environments that end with a fit pending, in each way, again and again. */
  async churn() {
    for (let k = 0; k < 3; k++) {
      const workers = ['forever', 'leave', 'dropped'].map(role);
      await Promise.all(workers.map((w) => new Promise((done) => w.once('message', done).once('exit', done))));
      await Promise.all(workers.map((w) => w.terminate()));
    }
    say('done');
  },

  /** Predictors of environments that are terminated, beside one whose bits are looked at. */
  async predictors() {
    const workers = ['predict', 'predict'].map(role);
    await Promise.all(workers.map(message));
    const trainer = make();
    const expected = trainer.predictSync(data as never).data;
    const predictor = trainer.predictor();
    const run = trainer.fit(data, { steps: 1e9 });
    await Promise.all(workers.map((w) => w.terminate()));
    const seen = [predictor.predictSync(data as never), await predictor.predict(data as never)];
    run.stop();
    await run;
    say({ same: seen.map((given) => Buffer.from(given.data.buffer).equals(Buffer.from(expected.buffer))) });
  },

  // Roles of workers.
  async train() {
    const trainer = make();
    await trainer.fit(data, { steps: STEPS, chunkSteps: 2 });
    parentPort?.postMessage(await hashOf(trainer));
  },
  async forever() {
    const trainer = make();
    trainer.fit(data, { steps: 1e9 });
    while (trainer.counters.step < 20) await sleep(1);
    parentPort?.postMessage('half-way');
  },
  /** Threads are given out chunk by chunk, and this one, a whole epoch, lasts for minutes. */
  longChunk() {
    const trainer = new Trainer({
      model: new nn.Sequential(new nn.Linear(1, 2048), new nn.Linear(2048, 2048), new nn.Linear(2048, 1)),
      loss: ({ x }, model) => loss.mse(model.forward(x), x),
      optimizer: optim.adamw(),
      batchSize: 8,
      threads: 1,
    });
    const steps = 20_000;
    trainer.fit({ x: { data: new Float32Array(8 * steps), shape: [8 * steps, 1] } }, { steps, chunkSteps: steps });
    parentPort?.postMessage('started');
  },
  /** A fit, and all that a predictor can be asked for meanwhile. */
  async predict() {
    const trainer = make();
    const predictor = trainer.predictor();
    trainer.fit(data, { steps: 1e9 });
    for (let k = 0; ; k++) {
      predictor.predict(data as never, { batchSize: 1 });
      await predictor.update();
      predictor.predictSync(data as never);
      if (k === 4) parentPort?.postMessage('predicting');
      await sleep(0);
    }
  },
  leave() {
    make().fit(data, { steps: 1e9 });
    setTimeout(() => process.exit(0), 10);
  },
  /** Its trainer is nobody's. */
  async dropped() {
    make().fit(data, { steps: 1e9 });
    await sleep(10);
    parentPort?.postMessage('started');
  },
};
await scenarios[isMainThread ? (process.argv[2] as string) : (workerData as string)]?.();
