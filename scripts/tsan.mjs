// tsan.mjs: C++ of this checkout built under ThreadSanitizer, as it is and with one order taken out; for threads.mjs and threads-kernels.mjs.
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

const FLAGS = ['-std=c++17', '-O1', '-g', '-fsanitize=thread', '-ffp-contract=off', '-Wall', '-Ibinding', '-Itest/threads'];
const modules = 'team region/threads port/posix port/linux memory/block bound program memory/poison'.split(' ');
/** What crews and runs are made of, with a number of CPUs that the test chooses. */
export const SOURCES = [...modules.map((name) => `binding/${name}.cc`), 'test/threads/cpus.cc'];

/** Runs a command to its end, or for so many ms. */
export function run(cwd, command, args, { env = {}, timeout = 120_000 } = {}) {
  return new Promise((resolve) => {
    const options = { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], timeout, killSignal: 'SIGKILL' };
    const child = spawn(command, args, options);
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

/** What g++ says where it fails is thrown. */
async function compiler(folder, args) {
  const { code, text } = await run(folder, 'g++', args, { timeout: 600_000 });
  if (code !== 0) throw new Error(`g++ ${args.join(' ')}: ${text}`);
}

/** Files of a folder to objects beside them. */
export async function compile(folder, files, flags = []) {
  const waiting = [...files];
  const work = async () => {
    for (let file = waiting.pop(); file; file = waiting.pop()) {
      await compiler(folder, [...FLAGS, ...flags, '-c', file, '-o', `${file}.o`]);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
}

export function link(folder, objects, program) {
  return compiler(folder, ['-fsanitize=thread', ...objects, '-o', program]);
}

/** What the sanitizer and the program say. Where the kernel scatters memory more than the sanitizer can follow, without that. */
export async function watched(folder, program, args, timeout = 600_000) {
  const options = { env: { TSAN_OPTIONS: 'halt_on_error=1' }, timeout };
  const ended = await run(folder, `./${program}`, args, options);
  if (!ended.text.includes('unexpected memory mapping')) return ended;
  return run(folder, 'setarch', ['-R', `./${program}`, ...args], options);
}

/** The sources in a folder of their own. `planted`: a file of binding/, text that stands in it once (or the place of one of several), what stands there then. */
export function copyOf(folder, planted) {
  mkdirSync(folder);
  for (const name of ['binding', 'test/threads']) cpSync(join(root, name), join(folder, name), { recursive: true });
  if (!planted) return;
  const { name, from, to, nth = 0 } = planted;
  const file = join(folder, 'binding', name);
  const parts = readFileSync(file, 'utf8').split(from);
  if (planted.nth === undefined ? parts.length !== 2 : nth >= parts.length - 1)
    throw new Error(`${name}: expected "${from}" there`);
  writeFileSync(file, parts.slice(0, nth + 1).join(from) + to + parts.slice(nth + 1).join(from));
}

/** Tells what is right and what is not; the exit code of the process is 1 where something was not. */
export function say(right, text) {
  if (!right) process.exitCode = 1;
  console.log(`${right ? 'ok' : 'FAULT'}: ${text}`);
}

/** `work` in a folder that is removed after it; what it throws is a fault. */
export async function inFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), 'gradclip-threads-'));
  try {
    await work(folder);
  } catch (error) {
    say(false, error.message);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
