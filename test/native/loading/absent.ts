// absent.ts: there is no native add-on for this process.
import { join } from 'node:path';
import { headers, PREBUILT } from '../package-kit.ts';
import { both, type Case, HERE, LEFT_OUT, MACHINE, OTHER_SYSTEM, REINSTALL, replaced, startedAs, system, THERE } from './kit.ts';

export const NOT_THERE: readonly Case[] = [
  {
    name: 'nothing was left of the binaries',
    reason: 'incomplete',
    make: () => {},
    text: [
      `The package gradclip is not whole: PACKAGE has no native add-on for ${HERE} (glibc); it has none.`,
      LEFT_OUT,
      ...REINSTALL,
    ],
    details: { folder: 'PACKAGE', has: [] },
  },
  {
    name: 'those of other systems were left',
    reason: 'incomplete',
    make(it) {
      it.write(`prebuilds/${OTHER_SYSTEM}/gradclip.glibc.node`, '');
      it.write('prebuilds/win32-x64/gradclip.node', '');
    },
    text: [
      `The package gradclip is not whole: PACKAGE has no native add-on for ${HERE} (glibc); it has ${OTHER_SYSTEM} (glibc), win32-x64.`,
      LEFT_OUT,
      ...REINSTALL,
    ],
    details: { has: [`${OTHER_SYSTEM} (glibc)`, 'win32-x64'] },
  },
  {
    name: 'that of the other libc was left',
    reason: 'incomplete',
    make: (it) => it.link(PREBUILT.replace('glibc', 'musl')),
    text: [
      `The package gradclip is not whole: PACKAGE has no native add-on for ${HERE} (glibc); it has ${HERE} (musl).`,
      LEFT_OUT,
      ...REINSTALL,
    ],
    details: { libc: 'glibc' },
  },
  {
    name: 'on musl that of glibc was left',
    reason: 'incomplete',
    make(it) {
      it.link(PREBUILT);
      it.write('program', headers(MACHINE, '/lib/ld-musl-x86_64.so.1'));
      return { first: startedAs(join(it.folder, 'program')) };
    },
    text: [
      `The package gradclip is not whole: PACKAGE has no native add-on for ${HERE} (musl); it has ${HERE} (glibc).`,
      LEFT_OUT,
      ...REINSTALL,
    ],
    details: { libc: 'musl' },
  },
  {
    name: 'a processor with no prebuilt add-on',
    reason: 'unsupported',
    make: () => ({ first: system('linux', 'ppc64') }),
    text: [
      `gradclip has no prebuilt add-on for linux-ppc64; ${THERE}`,
      'It is written for processors of x64 and arm64, in 64 bits, and for Linux, macOS and Windows.',
    ],
    details: { system: 'linux-ppc64' },
  },
  {
    name: 'a system with no prebuilt add-on',
    reason: 'unsupported',
    make: () => ({ first: system('freebsd', 'x64') }),
    text: [
      `gradclip has no prebuilt add-on for freebsd-x64; ${THERE}`,
      'It is written for processors of x64 and arm64, in 64 bits, and for Linux, macOS and Windows.',
    ],
    details: { libc: null },
  },
  {
    name: 'an Apple computer of before',
    reason: 'unsupported',
    make: () => ({ first: system('darwin', 'x64') }),
    text: [
      `gradclip has no prebuilt add-on for darwin-x64; ${THERE}`,
      'With CMake and a C++ compiler it is compiled here by: npx gradclip build',
    ],
  },
  {
    name: 'a translated process on an Apple computer',
    reason: 'unsupported',
    make: () => ({
      first: both(system('darwin', 'x64'), replaced('os', 'cpus', "() => [{ model: 'VirtualApple @ 2.50GHz' }]")),
    }),
    text: [
      `gradclip has no prebuilt add-on for darwin-x64; ${THERE}`,
      'This Node.js is one for x64 that is translated, on a processor that is arm64: install Node.js for arm64.',
    ],
  },
  {
    name: 'Windows for arm64',
    reason: 'unsupported',
    make: () => ({ first: system('win32', 'arm64') }),
    text: [
      `gradclip has no prebuilt add-on for win32-arm64; ${THERE}`,
      'Windows for arm64 runs Node.js for x64 as well: install that.',
    ],
  },
  {
    name: 'a clone that is not built',
    reason: 'not built',
    make: (it) => it.write('tsconfig.json', '{}'),
    text: [
      'The native add-on of gradclip is not built. It takes CMake and a C++ compiler (Debian, Ubuntu: apt-get install cmake g++). Then:',
      'npm run build:native',
    ],
  },
  {
    name: 'GRADCLIP_PREBUILD names a folder without one',
    reason: 'not built',
    make(it) {
      it.link(PREBUILT);
      return { env: { GRADCLIP_PREBUILD: it.project } };
    },
    text: [
      `GRADCLIP_PREBUILD names PROJECT: neither build/Release nor prebuilds has an add-on for ${HERE} (glibc); it has none.`,
    ],
    details: { folder: 'PROJECT' },
  },
];
