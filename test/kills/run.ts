// run.ts: `npm run -s kill9 -- --kills 1000 [--jobs 2] [--seed 1]`: trainings that write checkpoints, killed at random moments and started again until
// they are done: nothing lost, nothing corrupt, at most one file left over, and the end is that of one fit, bit for bit.
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, watch } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { Random } from '../torture/random.ts';
import { filesIn, STEPS, train } from './training.ts';

const CHILD = fileURLToPath(new URL('child.js', import.meta.url));
const { values: flags } = parseArgs({
  options: {
    kills: { type: 'string', default: '1000' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    seed: { type: 'string', default: '1' },
  },
});
const whole = (name: keyof typeof flags): number => {
  const n = Number(flags[name]);
  if (Number.isSafeInteger(n) && n >= 1) return n;
  throw new Error(`--${name}: expected a whole number from 1 on, got ${flags[name]}`);
};
const [kills, jobs, seed] = [whole('kills'), whole('jobs'), whole('seed')];

/** A checkpoint: the step that it is of, and a hash of all that is in it. */
interface Found {
  readonly step: number;
  readonly hash: string;
}

/** @throws where it is not whole */
async function look(file: string): Promise<Found> {
  const { tensors, metadata } = await readSafetensors(file);
  const hash = createHash('sha1').update(JSON.stringify(Object.entries(metadata).sort()));
  for (const [name, { data }] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  const { step } = JSON.parse(metadata['gradclip.counters']!) as { step: number };
  return { step, hash: hash.digest('hex') };
}

const inFolder = async <T>(work: (folder: string) => Promise<T>): Promise<T> => {
  const folder = mkdtempSync(join(tmpdir(), 'gradclip-kill9-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

/** What one fit has after each step, and its record. */
const plain = await inFolder(async (folder) => {
  await train(folder, { every: 1, keep: STEPS });
  const states = new Map<number, string>();
  for (const name of readdirSync(folder)) {
    if (!name.endsWith('.safetensors')) continue;
    const { step, hash } = await look(join(folder, name));
    states.set(step, hash);
  }
  return { states, record: readFileSync(filesIn(folder).record, 'utf8') };
});

/** When a process is killed. */
const MOMENTS = ['at any time', 'starting', 'training', 'as a file changes'] as const;
type Moment = (typeof MOMENTS)[number];

const counts = {
  kills: Object.fromEntries(MOMENTS.map((m) => [m, 0])) as Record<Moment, number>,
  runs: 0,
  starts: 0,
  lost: 0,
  corrupt: 0,
  leftOver: 0,
  different: 0,
};
const wrong: string[] = [];
function bad(kind: 'lost' | 'corrupt' | 'leftOver' | 'different', message: string): void {
  counts[kind]++;
  wrong.push(message);
}

const total = (): number => MOMENTS.reduce((n, m) => n + counts.kills[m], 0);
/** Milliseconds from the start of a process to its first change in the folder, and from there to its end: as of the last one that told. */
const usual = { start: 400, training: 400 };

/** One process, killed at some moment unless it is done before. */
async function oneProcess(folder: string, every: number, r: Random): Promise<{ code: number | null; moment: Moment }> {
  const moment = r.pick(MOMENTS);
  const changes = r.between(1, 12);
  const after = r.unit();
  const begun = performance.now();
  let first = 0;
  let seen = 0;
  const child: ChildProcess = spawn(process.execPath, [CHILD, folder, String(every)], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const kill = (): void => void child.kill('SIGKILL');
  const timers: NodeJS.Timeout[] = [];
  const later = (ms: number): void => void timers.push(setTimeout(kill, ms));
  if (moment === 'at any time') later(after * (usual.start + usual.training));
  if (moment === 'starting') later(after * usual.start);
  const watcher = watch(folder, () => {
    if (first === 0) {
      first = performance.now();
      if (moment === 'training') later(after * usual.training);
    }
    // At once, or within the calls that follow.
    if (moment === 'as a file changes' && ++seen === changes) later(after < 0.5 ? 0 : 4 * (after - 0.5));
  });
  const [code] = (await once(child, 'close')) as [number | null];
  watcher.close();
  for (const timer of timers) clearTimeout(timer);
  if (first > 0) usual.start += 0.1 * (first - begun - usual.start);
  if (code === 0) usual.training += 0.1 * (performance.now() - first - usual.training);
  return { code, moment };
}

/** All that is there after a kill. Gives the step of the newest checkpoint, 0 where there is none. */
async function check(folder: string, before: number): Promise<number> {
  const { file, record } = filesIn(folder);
  const names = readdirSync(folder);
  const left = names.filter((name) => name.endsWith('.tmp'));
  if (left.length > 1) bad('leftOver', `left over: ${left.join(', ')}`);
  const others = names.filter(
    (name) => !/^state(\.1)?\.safetensors$/.test(name) && name !== basename(record) && !left.includes(name),
  );
  if (others.length > 0) bad('leftOver', `there is ${others.join(', ')}`);
  let newest = 0;
  for (const name of names.filter((n) => n.endsWith('.safetensors'))) {
    try {
      const { step, hash } = await look(join(folder, name));
      if (hash !== plain.states.get(step)) bad('different', `${name} of step ${step} is another one than that of one fit`);
      if (name === basename(file)) newest = step;
    } catch (error) {
      bad('corrupt', `${name}: ${(error as Error).message}`);
    }
  }
  if (newest < before) bad('lost', `at step ${newest}, after ${before}`);
  return newest;
}

/** One training, to its end or to the last kill. */
async function run(r: Random): Promise<void> {
  await inFolder(async (folder) => {
    const every = r.between(1, 3);
    for (let step = 0; total() < kills; ) {
      const { code, moment } = await oneProcess(folder, every, r);
      counts.starts++;
      if (code === null) counts.kills[moment]++;
      step = await check(folder, step);
      if (code === null) continue;
      if (code !== 0) return bad('corrupt', `the training does not go on: exit code ${code}`);
      counts.runs++;
      if (step !== Math.max(...plain.states.keys())) bad('lost', `done at step ${step}`);
      if (readFileSync(filesIn(folder).record, 'utf8') !== plain.record)
        bad('different', 'the record is another one than that of one fit');
      return;
    }
  });
}

let number = 0;
const lane = async (): Promise<void> => {
  while (total() < kills) await run(new Random(seed, `run ${number++}`));
};
const started = performance.now();
await Promise.all(Array.from({ length: jobs }, lane));
const seconds = Math.round((performance.now() - started) / 1000);
for (const moment of MOMENTS) console.log(`killed ${moment.padEnd(20)} ${counts.kills[moment]}`);
console.log(`${total()} kills in ${counts.starts} starts, ${counts.runs} trainings to their end, ${seconds} s`);
const { lost, corrupt, leftOver, different } = counts;
console.log(
  `${lost} lost, ${corrupt} corrupt, ${leftOver} times more than one file left over, ${different} different from one fit`,
);
for (const message of wrong.slice(0, 10)) console.log(`    ${message}`);
process.exitCode = wrong.length > 0 ? 1 : 0;
