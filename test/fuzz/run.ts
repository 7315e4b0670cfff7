// run.ts: `npm run -s fuzz -- --inputs 1000000 [--seed 1] [--reader csv] [--jobs 2]`: first the inputs that are kept, then drawn ones: input k is
// that of seed + k, whatever came before it. What fails is made smaller and kept.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Seen } from './child.ts';
import { keep, readCorpus } from './corpus.ts';
import { Counts } from './counts.ts';
import { linesReached, type Unreached } from './coverage.ts';
import { Lane } from './lane.ts';
import { READERS } from './readers/index.ts';
import { likeness, shrink } from './shrink.ts';

const { values: flags } = parseArgs({
  options: {
    inputs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    reader: { type: 'string' },
    jobs: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    failures: { type: 'string', default: '1' },
    corpus: { type: 'string', default: fileURLToPath(new URL('../../../test/fuzz/corpus', import.meta.url)) },
    'no-coverage': { type: 'boolean', default: false },
  },
});
const whole = (name: 'inputs' | 'seed' | 'jobs' | 'failures'): number => {
  const n = Number(flags[name]);
  if (Number.isSafeInteger(n) && n >= 0) return n;
  throw new Error(`--${name}: expected a whole number, got ${flags[name]}`);
};
const only = flags.reader ?? null;
if (only !== null && !(only in READERS))
  throw new Error(`--reader: expected one of ${Object.keys(READERS).join(', ')}, got ${only}`);
const [inputs, first, jobs, most] = [whole('inputs'), whole('seed'), Math.max(1, whole('jobs')), whole('failures')];
const coverage = !flags['no-coverage'];

// Seeds that a process is asked for before the next one gets some.
const SHARE = 1000;
const TOLD_EVERY = 10_000;

const SHM = '/dev/shm';
const folder = mkdtempSync(join(existsSync(SHM) ? SHM : tmpdir(), 'gradclip-fuzz-'));
const counts = new Counts();
const reached: Unreached[] = [];
const started = performance.now();
/** Failures that were told, of which there may be many alike. */
const told = new Set<string>();
let next = 0;
let failures = 0;
const seconds = (): number => Math.round((performance.now() - started) / 1000);

async function replay(): Promise<void> {
  const lane = new Lane(folder, { coverage });
  const entries = readCorpus(flags.corpus).filter(({ reader }) => only === null || reader === only);
  for (const { name, ...input } of entries) {
    const failure = await lane.check(input);
    if (failure === null) continue;
    failures++;
    console.log(`FAILED: kept input ${name}: ${failure.way}: ${failure.kind}: ${failure.message}`);
  }
  console.log(`${entries.length} kept inputs`);
  await close(lane);
}

async function work(): Promise<void> {
  const lane = new Lane(folder, { coverage });
  for (let at = next; at < inputs && failures < most; at = next) {
    next = Math.min(inputs, at + Math.min(SHARE, Math.ceil(inputs / jobs)));
    for (const seen of await lane.range(first + at, first + next, only)) await take(lane, seen);
    if (counts.inputs % TOLD_EVERY < SHARE) console.log(`${counts.inputs} inputs, ${seconds()} s`);
  }
  await close(lane);
}

async function take(lane: Lane, seen: Seen): Promise<void> {
  counts.add(seen);
  const { failure, seed, reader } = seen;
  if (failure === null || failures++ >= most) return;
  const kind = `${reader} ${likeness(failure)}`;
  if (told.has(kind)) return;
  told.add(kind);
  const again = `npm run -s fuzz -- --inputs 1 --reader ${reader} --seed ${seed}`;
  console.log(
    `FAILED: reader ${reader}, seed ${seed}: ${failure.way}: ${failure.kind}: ${failure.message}\nto see it again: ${again}`,
  );
  // What a right file should give is known only of the whole one.
  if (['wrong', 'refused'].includes(failure.kind) || failure.way === 'drawing it') return;
  const input = await lane.draw(seed, only);
  if (input === null) return;
  const small = await shrink((candidate) => lane.check(candidate), input, failure);
  console.log(`kept: ${keep(flags.corpus, small, failure)}`);
}

async function close(lane: Lane): Promise<void> {
  const unreached = coverage ? await lane.unreached() : null;
  if (unreached) reached.push(unreached);
  await lane.close();
}

try {
  await replay();
  await Promise.all(Array.from({ length: jobs }, work));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(counts.table());
if (coverage) {
  const { lines, reached: ran, unreached } = linesReached('io', reached);
  console.log(
    `lib/io: ${ran} of ${lines} lines reached, ${((100 * ran) / lines).toFixed(1)} %; not reached: ${unreached.join(' ')}`,
  );
}
console.log(`${counts.inputs} inputs, ${failures} failed, least share ${(100 * counts.leastShare).toFixed(1)} %, ${seconds()} s`);
process.exitCode = failures > 0 ? 1 : 0;
