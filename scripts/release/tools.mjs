// tools.mjs: what a release is made with, on a Debian machine that has Node.js and nothing else: packages of Debian, and zig from PyPI, by its hash.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Programs, and the Debian package of each. The files of all systems are looked into by LLVM's. */
const PROGRAMS = {
  cmake: 'cmake',
  ninja: 'ninja-build',
  'llvm-objdump': 'llvm',
  'llvm-readelf': 'llvm',
  'llvm-readobj': 'llvm',
  'llvm-nm': 'llvm',
};

const runs = (program, ...args) => spawnSync(program, args, { stdio: 'ignore' }).status === 0;
const inherit = { stdio: ['ignore', 2, 2] };

/** Debian's packages for what does not run yet. */
function installPrograms() {
  const missing = Object.entries(PROGRAMS).flatMap(([program, name]) => (runs(program, '--version') ? [] : [name]));
  if (!runs('python3', '-m', 'pip', '--version')) missing.push('python3-pip');
  const packages = [...new Set(missing)];
  if (packages.length === 0) return;
  const command = `apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  if (process.getuid() !== 0) throw new Error(`${packages.join(', ')} is missing: as root, ${command}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  execFileSync('apt-get', ['update', '-q'], { ...inherit, env });
  execFileSync(command.split(' ')[0], command.split(' ').slice(1), { ...inherit, env });
}

/** @returns the file of zig, in a folder of its own below `folder` */
function installZig(folder) {
  const zig = join(folder, 'ziglang/zig');
  const requirements = join(import.meta.dirname, 'requirements.txt');
  // pip looks at the hash when it installs; what is there already is of that version or goes.
  const wanted = /^ziglang==(\S+)/m.exec(readFileSync(requirements, 'utf8'))[1];
  if (existsSync(zig) && execFileSync(zig, ['version'], { encoding: 'utf8' }).trim() === wanted) return zig;
  rmSync(folder, { recursive: true, force: true });
  const pip = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--root-user-action=ignore',
    '--require-hashes',
    '--no-deps',
    '--only-binary=:all:',
    '--target',
    folder,
  ];
  execFileSync('python3', [...pip, '-r', requirements], inherit);
  return zig;
}

/** Installs what is missing, zig into `folder`. @returns the file of zig */
export function installTools(folder) {
  installPrograms();
  return installZig(folder);
}
