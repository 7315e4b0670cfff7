// threads.mjs: test/threads under ThreadSanitizer: gates, barriers, crews and runs, on native threads:
// the sanitizer cannot see how OpenMP waits. It must find nothing in binding/ as it is, and a race in each of some copies with one order taken out.
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const names = 'team region/threads port/posix port/linux block bound program poison'.split(' ');
const sources = names.map((name) => `binding/${name}.cc`);
const hammer = readdirSync(join(root, 'test/threads')).filter((name) => name.endsWith('.cc'));
const flags = ['-std=c++17', '-O1', '-g', '-fsanitize=thread', '-ffp-contract=off', '-Wall', '-Ibinding', '-Itest/threads'];

/** One order of memory or one wait that is left out: where, and what stands in its place. */
const PLANTED = [
  ['gate.h', 'value_.load(std::memory_order_acquire)', 'value_.load(std::memory_order_relaxed)'],
  [
    'gate.h',
    'value_.store(value_.load(std::memory_order_relaxed) + 1)',
    'value_.store(value_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed)',
  ],
  ['team.h', 'arrived_.fetch_add(1, std::memory_order_acq_rel)', 'arrived_.fetch_add(1, std::memory_order_relaxed)'],
  ['team.cc', 'if (size > 1) barrier->wait(size, spin_ns, [] {});', ''],
  ['region/threads.cc', 'start->counted.wait(0, 0);', ''],
  ['port/parking.h', '{ std::lock_guard<std::mutex> lock(lot.mutex); }', ''],
  ['bound.cc', 'if (member.team.rank == 0) chain(phase);', 'chain(phase);'],
];

/** So often is a copy with a planted race run until the race is seen. */
const MOST_RUNS = 20;

/** Runs a command to its end, or for two minutes. */
function run(cwd, command, args) {
  return new Promise((resolve) => {
    const env = { ...process.env, TSAN_OPTIONS: 'halt_on_error=1' };
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000, killSignal: 'SIGKILL' });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => {
        text += data;
      });
    }
    child.on('error', (error) => resolve({ code: -1, text: error.message }));
    child.on('close', (code) => resolve({ code, text }));
  });
}

async function build(folder) {
  const files = [...sources, ...hammer.map((name) => `test/threads/${name}`)];
  const waiting = [...files];
  const compile = async () => {
    for (let file = waiting.pop(); file; file = waiting.pop()) {
      const { code, text } = await run(folder, 'g++', [...flags, '-c', file, '-o', `${file}.o`]);
      if (code !== 0) throw new Error(`${file}: ${text}`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, compile));
  const { code, text } = await run(folder, 'g++', ['-fsanitize=thread', ...files.map((file) => `${file}.o`), '-o', 'hammer']);
  if (code !== 0) throw new Error(text);
}

/** What the sanitizer and the test say. Where the kernel scatters memory more than the sanitizer can follow, without that. */
async function hammered(folder, seed) {
  const ended = await run(folder, './hammer', [String(seed)]);
  return ended.text.includes('unexpected memory mapping') ? run(folder, 'setarch', ['-R', './hammer', String(seed)]) : ended;
}

/**
 * Whether a planted race is seen: by the sanitizer, or by the test's own expectations, which stop the program where a wrong value comes
 * first. Which of them, and in which run, is a matter of how the threads happen to meet.
 */
async function found(folder) {
  for (let seed = 1; seed <= MOST_RUNS; seed++) {
    const { text } = await hammered(folder, seed);
    if (/ThreadSanitizer: data race|^hammer: (?!done)/m.test(text)) return true;
  }
  return false;
}

const work = mkdtempSync(join(tmpdir(), 'gradclip-threads-'));
let faults = 0;
const say = (right, text) => {
  if (!right) faults++;
  console.log(`${right ? 'ok' : 'FAULT'}: ${text}`);
};
try {
  for (const [k, planted] of [null, ...PLANTED].entries()) {
    const folder = join(work, String(k));
    mkdirSync(folder);
    for (const name of ['binding', 'test/threads']) cpSync(join(root, name), join(folder, name), { recursive: true });
    if (planted) {
      const [name, from, to] = planted;
      const file = join(folder, 'binding', name);
      const text = readFileSync(file, 'utf8');
      if (text.split(from).length !== 2) throw new Error(`${name}: expected "${from}" once`);
      writeFileSync(
        file,
        text.replace(from, () => to),
      );
    }
    await build(folder);
    if (planted) {
      say(await found(folder), `a race is found in ${planted[0]} without "${planted[1]}"`);
    } else {
      const { code, text } = await hammered(folder, 1);
      const clean = code === 0 && !text.includes('ThreadSanitizer');
      say(clean, 'binding/ as it is');
      if (!clean) console.log(text.slice(0, 8000));
    }
  }
} catch (error) {
  say(false, error.message);
} finally {
  rmSync(work, { recursive: true });
}
process.exitCode = faults > 0 ? 1 : 0;
