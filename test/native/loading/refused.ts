// refused.ts: one that the system, or what runs the process, refuses.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { atEnd, BUILT, PREBUILT, renamed, type Start, VERSION } from '../package-kit.ts';
import { AGAIN, type Case, REMOVE } from './kit.ts';

const asNobody: Start = process.getuid?.() === 0 ? { own: { uid: 65534 } } : {};

function mounted(folder: string): boolean {
  const ok = spawnSync('mount', ['-t', 'tmpfs', '-o', 'noexec', 'gradclip-test', folder]).status === 0;
  if (ok) atEnd(() => void spawnSync('umount', ['-l', folder]));
  return ok;
}

/** Root may, but not in every container. */
function canMount(): boolean {
  return process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status === 0;
}

const openmp = 'gradclip_openmp.so';
export const REFUSED: readonly Case[] = [
  {
    name: 'a system without the library of OpenMP',
    reason: 'library missing',
    make(it) {
      it.write(`build/Release/${openmp}`, renamed(openmp, 'libgomp.so.1', 'libgomp.so.7'));
      it.write('build/Release/gradclip.node', readFileSync(join(BUILT, 'gradclip.node')));
      it.link(PREBUILT);
    },
    text: [
      'This system lacks libgomp.so.7, which PACKAGE/build/Release/gradclip.node needs.',
      'Debian, Ubuntu, Docker images of them (slim too): apt-get install libgomp1',
      'Alpine:                                           apk add libgomp',
      'Fedora, Amazon Linux, Lambda:                     dnf install libgomp',
      'distroless:                                       use the prebuilt add-on, or copy the library from the image that compiles',
      'Compile it here: npx gradclip build',
      REMOVE,
    ],
    details: { library: 'libgomp.so.7' },
    cause: 'libgomp.so.7: cannot open shared object file: No such file or directory',
  },
  {
    name: 'a system without a library of another kind',
    reason: 'library missing',
    make: (it) => it.write(PREBUILT, renamed('gradclip.node', 'libm.so.6', 'libm.so.7')),
    text: [`This system lacks libm.so.7, which PACKAGE/${PREBUILT} needs.`, ...AGAIN],
    cause: 'libm.so.7: cannot open shared object file: No such file or directory',
  },
  {
    name: 'a build of a newer system',
    reason: 'system too old',
    make(it) {
      const [newest] = [...readFileSync(join(BUILT, 'gradclip.node'), 'latin1').matchAll(/\0(GLIBC_2\.3\d)(?=\0)/g)]
        .at(-1)!
        .slice(1);
      it.write('build/Release/gradclip.node', renamed('gradclip.node', newest!, 'GLIBC_2.99'));
    },
    text: [
      'PACKAGE/build/Release/gradclip.node was compiled on a newer system: it needs GLIBC_2.99, which this one does not have.',
      'Compile it here: npx gradclip build',
    ],
    details: { symbol: 'GLIBC_2.99' },
    cause: /version `GLIBC_2.99' not found/,
  },
  {
    name: 'a package on a mount that runs nothing',
    reason: 'noexec',
    unless: !canMount(),
    make(it) {
      mkdirSync(join(it.folder, 'prebuilds'));
      mounted(join(it.folder, 'prebuilds'));
      it.write(PREBUILT, readFileSync(join(BUILT, 'gradclip.node')));
      it.write(join(PREBUILT, '..', openmp), readFileSync(join(BUILT, openmp)));
    },
    text: [
      `PACKAGE/${PREBUILT} lies on PACKAGE/prebuilds, which is mounted noexec: no code is loaded from there.`,
      'Install the package elsewhere, or mount it with exec (Docker: --tmpfs DIR:exec).',
    ],
    details: { mount: 'PACKAGE/prebuilds' },
    cause: /failed to map segment/,
  },
  {
    name: "another user's file",
    reason: 'unreadable',
    make(it) {
      it.write(PREBUILT, readFileSync(join(BUILT, 'gradclip.node')));
      chmodSync(join(it.folder, PREBUILT), 0);
      return asNobody;
    },
    text: [`This user (uid UID) may not read PACKAGE/${PREBUILT}.`, 'Its owner may let others do so: chmod -R a+rX PACKAGE'],
    cause: /EACCES/,
  },
  {
    name: "another user's folder",
    reason: 'unreadable',
    make(it) {
      it.link(PREBUILT);
      chmodSync(join(it.folder, 'prebuilds'), 0);
      atEnd(() => chmodSync(join(it.folder, 'prebuilds'), 0o755));
      return asNobody;
    },
    text: ['This user (uid UID) may not read PACKAGE/prebuilds.', 'Its owner may let others do so: chmod -R a+rX PACKAGE'],
    cause: /EACCES/,
  },
  ...[
    { who: 'a process', own: { node: ['--no-addons'] } },
    { who: 'a process with permissions', own: { node: ['--experimental-permission', '--allow-fs-read=*'] } },
    { who: 'a worker', own: { worker: ['--no-addons'] } },
  ].map(
    ({ who, own }): Case => ({
      name: `${who} that loads no add-ons`,
      reason: 'addons disabled',
      make(it) {
        it.link(PREBUILT);
        return { own };
      },
      text: [
        'This process is not allowed to load the native add-on of gradclip: Cannot load native addon because loading addons is disabled.',
        'Node.js: leave out --no-addons; with --permission, add --allow-addons (in a worker its execArgv counts too)',
        'Deno:    deno run --allow-ffi --allow-read --allow-env --allow-sys',
      ],
      cause: 'Cannot load native addon because loading addons is disabled.',
    }),
  ),
  {
    name: 'a build of another version',
    reason: 'other version',
    make(it) {
      it.link('other/build/Release/gradclip.node');
      const code = join(it.folder, 'dist/bundle/index.js');
      it.write('dist/bundle/index.js', readFileSync(code, 'utf8').replaceAll(`"${VERSION}"`, '"77.0.0"'));
      return { env: { GRADCLIP_PREBUILD: join(it.folder, 'other') } };
    },
    text: [
      `PACKAGE/other/build/Release/gradclip.node is of gradclip ${VERSION}, and the code that loads it of gradclip 77.0.0.`,
      'GRADCLIP_PREBUILD names it; where that is not set, the add-on of the package is taken.',
    ],
    details: { compiled: VERSION, version: '77.0.0' },
  },
  {
    name: 'a library that is no add-on',
    reason: 'not loaded',
    make: (it) => it.write(PREBUILT, readFileSync(join(BUILT, openmp))),
    text: [`PACKAGE/${PREBUILT} does not load: Module did not self-register: 'PACKAGE/${PREBUILT}'.`, ...AGAIN],
    cause: /did not self-register/,
  },
];
