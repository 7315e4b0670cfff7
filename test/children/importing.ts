// importing.ts: what the process is like before gradclip is imported, after it, and after a fit; for importing.test.ts. The first import is
// in the main thread or in a worker: node importing.js main|worker
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { getPriority } from 'node:os';
import { isMainThread, type MessagePort, parentPort, Worker } from 'node:worker_threads';
import type * as Gradclip from '../../lib/index.ts';

/** What `read` says of each entry of a folder of /proc; some are gone by then. */
function each(folder: string, read: (path: string) => string): string[] {
  return readdirSync(folder).flatMap((name) => {
    try {
      return [read(`${folder}/${name}`)];
    } catch {
      return [];
    }
  });
}

/** These lines of the status of a process or thread. */
function status(path: string, names: readonly string[]): string {
  const lines = readFileSync(`${path}/status`, 'utf8').split('\n');
  return lines.filter((line) => names.some((name) => line.startsWith(`${name}:`))).join();
}

/** All that importing must leave alone. */
function processNow(): Readonly<Record<string, unknown>> {
  return {
    // Of every thread there is, those of the add-on too.
    threads: [...new Set(each('/proc/self/task', (task) => status(task, ['Cpus_allowed_list', 'SigBlk'])))],
    signals: status('/proc/self', ['SigIgn', 'SigCgt', 'Umask']),
    priority: [0, process.pid].map((pid) => getPriority(pid)),
    cwd: process.cwd(),
    fds: each('/proc/self/fd', (fd) => `${fd} ${readlinkSync(fd)}`),
    initial: readFileSync('/proc/self/environ', 'utf8'),
    own: { ...process.env },
    // What a child inherits.
    inherited: spawnSync('env', { encoding: 'utf8' }).stdout.split('\n').sort(),
    child: spawnSync('grep', ['Cpus_allowed_list', '/proc/self/status'], { encoding: 'utf8' }).stdout,
  };
}

/** What this thread's arithmetic says of its mode: flushed denormals, and the direction of rounding. */
function arithmetic(): number[] {
  const [tiny, third] = [Number(process.pid > 0) * 2 ** -1022, 1 / (3 * Number(process.pid > 0))];
  return [tiny / 4, (tiny / 4) * 2, Math.fround(2 ** -130 * (tiny > 0 ? 1 : 0)), third, -third];
}

interface Used {
  readonly arithmetic: readonly (readonly number[])[];
  readonly imported: unknown;
  readonly threads: { readonly count: number; readonly reason: string };
  readonly got: number;
}

/** Imports gradclip here; `between` runs when it is loaded, before a fit by three threads. */
async function use(between: () => unknown): Promise<Used> {
  const modes = [arithmetic()];
  const { loss, nn, optim, runtime, Trainer }: typeof Gradclip = await import('../../lib/index.ts');
  const { threads } = runtime();
  modes.push(arithmetic());
  const imported = await between();
  const trainer = new Trainer({
    model: new nn.Linear(512, 256),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.adamw(),
    batchSize: 32,
    threads: 3,
  });
  const data = {
    x: { data: new Float32Array(32 * 512).fill(0.5), shape: [32, 512] },
    y: { data: new Float32Array(32 * 256).fill(0.5), shape: [32, 256] },
  };
  const { threads: got } = await trainer.fit(data, { steps: 20 });
  modes.push(arithmetic());
  return { arithmetic: modes, imported, threads, got };
}

const message = (port: Worker | MessagePort): Promise<unknown> =>
  new Promise((done) => (port as Worker).once('message', (value: unknown) => done(value)));

if (!isMainThread) {
  const port = parentPort!;
  port.postMessage('here');
  await message(port);
  port.postMessage(
    await use(async () => {
      port.postMessage('imported');
      await message(port);
    }),
  );
  await message(port); // the main thread looks at ours
} else if (process.argv[2] === 'main') {
  const before = processNow();
  const { imported, ...used } = await use(processNow);
  process.stdout.write(`${JSON.stringify({ ...used, processes: [before, imported, processNow()] })}\n`);
} else {
  const worker = new Worker(new URL(import.meta.url));
  await message(worker);
  const processes = [processNow()];
  worker.postMessage('import');
  await message(worker);
  processes.push(processNow());
  const end = message(worker);
  worker.postMessage('fit');
  const used = (await end) as Used;
  processes.push(processNow());
  worker.postMessage('end');
  process.stdout.write(`${JSON.stringify({ ...used, processes })}\n`);
}
