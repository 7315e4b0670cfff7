// prebuilds.mjs: builds the add-ons of all systems into prebuilds/, each twice, in folders and with caches of their own, to the same bytes; looks into
// each (check.mjs); and writes SHA256SUMS. `-- --only linux-x64-musl,win32-x64` builds these alone, `--once` without the second time.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkPrebuild } from './check.mjs';
import { hashOf, sumsOf } from './sums.mjs';
import { fileOf, TARGETS } from './targets.mjs';
import { installTools } from './tools.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, 'build-release');
const prebuilds = join(root, 'prebuilds');

const { values } = parseArgs({ options: { only: { type: 'string' }, once: { type: 'boolean', default: false } } });
const names = values.only?.split(',') ?? Object.keys(TARGETS);
for (const name of names) {
  if (!Object.hasOwn(TARGETS, name)) throw new Error(`--only: expected some of ${Object.keys(TARGETS).join(', ')}, got ${name}`);
}
const zig = installTools(join(folder, 'tools'));

const inherit = { stdio: ['ignore', 2, 2] };
/** No cache of compiled objects but zig's own: the first time one that lasts, the second time an empty one. */
function environment(round) {
  const cache = round === 1 ? (process.env.ZIG_GLOBAL_CACHE_DIR ?? join(folder, 'cache')) : join(folder, 'cache-of-second');
  const zigs = { GRADCLIP_ZIG: zig, ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache };
  return { ...process.env, CMAKE_CXX_COMPILER_LAUNCHER: '', ...zigs };
}

/** @returns the file that prebuildify has made */
function build(target, work, round) {
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const args = [
    ...['--napi', '--name', 'gradclip', '--cwd', work, '--out', work, '--node-gyp', join(import.meta.dirname, 'shim.mjs')],
    ...['--platform', target.platform, '--arch', target.arch],
    ...(target.libc ? ['--tag-libc', target.libc] : []),
  ];
  const prebuildify = createRequire(import.meta.url).resolve('prebuildify/bin.js');
  const env = { ...environment(round), ...(target.libc && { PREBUILD_LIBC: target.libc }) };
  execFileSync(process.execPath, [prebuildify, ...args], { ...inherit, env });
  return join(work, 'prebuilds', fileOf(target));
}

/** The same objects linked once more, with their names. */
function linkWithNames(work) {
  const env = environment(1);
  const place = join(work, 'named');
  const options = { ...inherit, env };
  const given = ['-DCMAKE_SHARED_LINKER_FLAGS=', `-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${place}`];
  execFileSync('cmake', [join(work, 'build'), ...given], options);
  execFileSync('cmake', ['--build', join(work, 'build')], options);
  return join(place, 'gradclip.node');
}

function make(name) {
  const target = TARGETS[name];
  const work = (round) => join(folder, name, String(round));
  const file = build(target, work(1), 1);
  if (!values.once) {
    const again = build(target, work(2), 2);
    if (hashOf(again) !== hashOf(file)) throw new Error(`${name}: built twice, it differs: ${file}, ${again}`);
  }
  const named = target.format === 'pe' ? null : linkWithNames(work(1));
  const faults = checkPrebuild(target, { file, named, build: join(work(1), 'build') });
  if (faults.length > 0) throw new Error(faults.join('\n'));
  const place = join(prebuilds, fileOf(target));
  mkdirSync(dirname(place), { recursive: true });
  copyFileSync(file, place);
}

// What an earlier run has compiled may serve the first time: if that were wrong, the second would differ.
rmSync(join(folder, 'cache-of-second'), { recursive: true, force: true });
if (values.only === undefined) rmSync(prebuilds, { recursive: true, force: true });
mkdirSync(prebuilds, { recursive: true });
const start = performance.now();
const bad = [];
for (const name of names) {
  const begin = performance.now();
  const took = () => `in ${Math.round((performance.now() - begin) / 1000)} s`;
  try {
    make(name);
    console.log(`${name}: built ${took()}`);
  } catch (error) {
    bad.push(name);
    console.error(`${name}: FAILED ${took()}: ${error.message}`);
  }
}
const sums = sumsOf(prebuilds);
writeFileSync(join(prebuilds, 'SHA256SUMS'), sums);
console.log(sums);
console.log(`${names.length - bad.length} of ${names.length} built, in ${Math.round((performance.now() - start) / 1000)} s`);
process.exitCode = bad.length > 0 ? 1 : 0;
