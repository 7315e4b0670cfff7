// seen.ts: one that is seen not to load before it is tried.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { COMPILED } from '../../kit.ts';
import { BUILT, headers, PREBUILT, renamed } from '../package-kit.ts';
import { AGAIN, type Case, HERE, looksLike, MACHINE, OTHER, OTHER_SYSTEM, REMOVE, replaced, startedAs } from './kit.ts';

const LEFT = { size: 2_000_000, bytes: COMPILED ? statSync(join(BUILT, 'gradclip.node')).size : 0 };
/** What a PE and a Mach-O file begin with. */
const PE = Buffer.alloc(128);
PE.write('MZ', 'latin1');
PE.writeUInt32LE(64, 60);
PE.write('PE\0\0\x64\x86', 64, 'latin1');
const MACH = Buffer.alloc(64);
MACH.writeUInt32LE(0xfeedfacf, 0);
MACH.writeUInt32LE(0x0100000c, 4);

export const SEEN: readonly Case[] = [
  {
    name: 'a file that is cut off',
    reason: 'broken',
    make: (it) => it.write(PREBUILT, readFileSync(join(BUILT, 'gradclip.node')).subarray(0, LEFT.size)),
    text: [`PACKAGE/${PREBUILT} is broken: it ends after ${LEFT.size} of ${LEFT.bytes} bytes.`, ...AGAIN],
    details: { file: `PACKAGE/${PREBUILT}`, ...LEFT },
  },
  {
    name: 'a file that is empty',
    reason: 'broken',
    make: (it) => it.write(PREBUILT, ''),
    text: [`PACKAGE/${PREBUILT} is broken: it is no program of any system.`, ...AGAIN],
  },
  {
    name: 'a file that names another, as Git LFS leaves it',
    reason: 'broken',
    make: (it) => it.write(PREBUILT, 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n'),
    text: [`PACKAGE/${PREBUILT} is broken: it is no program of any system.`, ...AGAIN],
  },
  {
    name: 'a file whose headers name places that it does not have',
    reason: 'broken',
    make(it) {
      const file = headers(MACHINE);
      file.writeBigUInt64LE(2n ** 62n, 40);
      file.writeUInt16LE(64, 58);
      file.writeUInt16LE(3, 60);
      it.write(PREBUILT, file);
    },
    text: [`PACKAGE/${PREBUILT} is broken: it ends after 184 of ${2 ** 62} bytes.`, ...AGAIN],
  },
  {
    name: 'a build of another processor',
    reason: 'other machine',
    make(it) {
      it.write('build/Release/gradclip.node', headers(OTHER));
      it.link(PREBUILT);
    },
    text: [
      `PACKAGE/build/Release/gradclip.node is for ${OTHER_SYSTEM}, and this ENGINE is for ${HERE}.`,
      'Compile it here: npx gradclip build',
      REMOVE,
    ],
    details: { systems: [OTHER_SYSTEM] },
  },
  {
    name: 'a build of Windows, in place of ours',
    reason: 'other machine',
    make: (it) => it.write(PREBUILT, PE),
    text: [`PACKAGE/${PREBUILT} is for win32-x64, and this ENGINE is for ${HERE}.`, ...AGAIN],
  },
  {
    name: 'a build of macOS, copied into a clone',
    reason: 'other machine',
    make(it) {
      it.write('tsconfig.json', '{}');
      it.write('build/Release/gradclip.node', MACH);
    },
    text: [
      `PACKAGE/build/Release/gradclip.node is for darwin-arm64, and this ENGINE is for ${HERE}.`,
      'Compile it here: npm run build:native',
    ],
  },
  {
    name: 'a build of the other libc',
    reason: 'other libc',
    make(it) {
      it.write('build/Release/gradclip.node', renamed('gradclip.node', 'libc.so.6', 'libc.so'));
      it.link(PREBUILT);
    },
    text: [
      'PACKAGE/build/Release/gradclip.node was compiled for musl, and this ENGINE runs on glibc.',
      'Compile it here: npx gradclip build',
      REMOVE,
    ],
    details: { compiled: 'musl', libc: 'glibc' },
  },
  {
    name: 'a build of glibc on musl, which GRADCLIP_PREBUILD names',
    reason: 'other libc',
    make(it) {
      it.link('other/build/Release/gradclip.node');
      it.write('program', headers(MACHINE, '/lib/ld-musl-x86_64.so.1'));
      return { env: { GRADCLIP_PREBUILD: join(it.folder, 'other') }, first: startedAs(join(it.folder, 'program')) };
    },
    text: [
      'PACKAGE/other/build/Release/gradclip.node was compiled for glibc, and this ENGINE runs on musl.',
      'GRADCLIP_PREBUILD names it; where that is not set, the add-on of the package is taken.',
    ],
  },
  {
    name: 'a package within an archive',
    reason: 'zipped',
    folder: 'cache/gradclip.zip/node_modules/gradclip',
    make(it) {
      it.link(PREBUILT);
      // As yarn shows it: a folder that is a file.
      return {
        first: replaced(
          'fs',
          'statSync',
          "(name, ...more) => (name.endsWith('.zip') ? { isDirectory: () => false } : was(name, ...more))",
        ),
      };
    },
    text: [
      `PACKAGE/${PREBUILT} lies in an archive, from which the system loads no code. Let yarn unpack the package:`,
      'in package.json: "dependenciesMeta": { "gradclip": { "unplugged": true } }',
      'then:            yarn install',
    ],
  },
  {
    name: 'an older Node.js',
    reason: 'Node too old',
    make(it) {
      it.link(PREBUILT);
      return { first: looksLike({ versions: { ...process.versions, node: '16.20.0', napi: '8' } }) };
    },
    text: ['gradclip needs Node-API 9, which Node.js 20.19 and later have; this is Node.js 16.20.0 with Node-API 8.'],
    details: { napi: 8, engine: 'Node.js 16.20.0' },
  },
];
