// kit.mjs: a project with the tarball in it, and what is run there: the README's example, whose saved weights are hashed, and program.mjs.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { npmFolder, root, run } from './tools.mjs';

export const example = /```js\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))[1];
/** Where everything is made that is thrown away: not within the checkout, whose package.json says that gradclip is there. */
const scratch = mkdtempSync(join(tmpdir(), 'gradclip-installs-'));
chmodSync(scratch, 0o755);

export function freshFolder(name = 'at-') {
  const folder = mkdtempSync(join(scratch, name));
  chmodSync(folder, 0o755);
  return folder;
}
export const dropAll = () => rmSync(scratch, { recursive: true, force: true });

/** What npm is told everywhere. Packages come from a cache that was filled before, since a bare system may have no network. */
const NPM = ['--ignore-scripts', '--no-audit', '--no-fund', '--silent', '--no-update-notifier'];

/** A new project without anything in it. */
export function project(folder = freshFolder()) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  return folder;
}

let cache = null;
/** A folder for npm's cache that has what the tarball depends on. */
export function filledCache(tarball) {
  if (cache) return cache;
  cache = freshFolder('cache-');
  run('npm', ['install', ...NPM, '--cache', cache, tarball], { cwd: project() });
  return cache;
}

/** Installs into a project as users do, without scripts. @returns the project, and the seconds it took */
export function install(tarball, folder = project()) {
  const begin = performance.now();
  run('npm', ['install', ...NPM, tarball], { cwd: folder });
  return { folder, seconds: (performance.now() - begin) / 1000 };
}

/** The same within a system that has Node.js alone. `command(args)`: one of it, in the folder /app. */
export async function installWithin(tarball, place, command) {
  for (const name of ['app', 'npm', 'cache']) rmSync(join(place, name), { recursive: true, force: true });
  project(join(place, 'app'));
  cpSync(npmFolder(), join(place, 'npm'), { recursive: true });
  cpSync(filledCache(tarball), join(place, 'cache'), { recursive: true });
  cpSync(tarball, join(place, 'app/gradclip.tgz'));
  const begin = performance.now();
  await started(command(['/npm/bin/npm-cli.js', 'install', ...NPM, '--offline', '--cache', '/cache', './gradclip.tgz']));
  return { folder: join(place, 'app'), seconds: (performance.now() - begin) / 1000 };
}

/** Runs a command, { program, args, options }. @returns what it said; what it says in an error is in the message */
export function started({ program, args, options = {} }) {
  return new Promise((done, fail) => {
    execFile(program, args, { maxBuffer: 1 << 26, timeout: 900_000, ...options }, (error, out, errors) => {
      if (!error) done(out);
      else fail(new Error((errors || out || error.message).trim(), { cause: error }));
    });
  });
}

/**
 * The README's example and program.mjs in a project. `command(file, args)`: what runs a file of the folder `cwd`.
 * @returns the hash of the example's weights, and what program.mjs says
 */
export async function tryOut(folder, command, { programs = true, origin = 'prebuilt' } = {}) {
  writeFileSync(join(folder, 'example.mjs'), example);
  const said = await started(command('example.mjs', [], folder));
  if (!/^accuracy 0\.9/.test(said)) throw new Error(`the README's example says ${said}`);
  const hash = createHash('sha256')
    .update(readFileSync(join(folder, 'classifier.safetensors')))
    .digest('hex');
  if (!programs) return { hash };
  cpSync(join(import.meta.dirname, 'program.mjs'), join(folder, 'program.mjs'));
  const lines = await started(command('program.mjs', [], folder));
  const more = JSON.parse(lines.trim().split('\n').at(-1));
  if (more.hashes.length !== 1) throw new Error(`threads and workers give different weights: ${more.hashes.join(', ')}`);
  if (!more.aborted) throw new Error('a fit that was aborted did not end, or the next one did not begin');
  if (more.runtime.origin !== origin) throw new Error(`expected a ${origin} add-on, got ${more.runtime.binary}`);
  return { hash, program: more.hashes[0], ...more.runtime };
}

/** Runs files with a program, such as node. */
export const by =
  (program, before = [], env = {}) =>
  (file, args, cwd) => ({
    program,
    args: [...before, file, ...args],
    // No setting of whoever tries has a say.
    options: { cwd, env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env } },
  });

/** Runs files of /app with Node.js in a system of its own: a folder as /. */
export function within(place, nodeFile, env = {}) {
  const settings = Object.entries({ PATH: '/usr/bin:/bin', ...env }).map(([name, value]) => `${name}=${value}`);
  // The mounts go with the process.
  const enter = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec env -i "$@"';
  return (args) => ({
    program: 'unshare',
    args: [
      '--mount',
      '--fork',
      'sh',
      '-c',
      enter,
      place,
      ...settings,
      'unshare',
      `--root=${place}`,
      '--wd=/app',
      nodeFile,
      ...args,
    ],
  });
}
