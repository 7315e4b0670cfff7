// loading.test.ts: which native add-on is loaded, and what is said of one that is missing or does not load: every failure is made, and the whole text
// compared. In copies of the package and in processes of their own.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { PREBUILT as SYSTEMS } from '../../lib/native/failure.ts';
import {
  ask,
  atEnd,
  BUILT,
  codeOf,
  headers,
  installed,
  type Package,
  PREBUILT,
  ROOT,
  renamed,
  type Said,
  type Start,
  VERSION,
} from './package-kit.ts';

const HERE = `${process.platform}-${process.arch}`;
const [MACHINE, OTHER] = process.arch === 'arm64' ? [183, 62] : [62, 183];
const OTHER_SYSTEM = process.arch === 'arm64' ? 'linux-x64' : 'linux-arm64';

/** A process that looks as if it were another: code, as Start.first takes it. */
const looksLike = (values: Readonly<Record<string, unknown>>): string => `
  const own = Object.entries(${JSON.stringify(values)}).map(([key, value]) => {
    const was = Object.getOwnPropertyDescriptor(process, key);
    Object.defineProperty(process, key, { ...was, value });
    return [key, was];
  });
  return () => { for (const [key, was] of own) Object.defineProperty(process, key, was); };`;
const replaced = (object: string, name: string, by: string): string => `
  const was = ${object}.${name};
  ${object}.${name} = ${by};
  return () => { ${object}.${name} = was; };`;
/** The program that runs is this file, which may have another loader. */
const startedAs = (file: string): string =>
  replaced('fs', 'openSync', `(name, ...more) => was(name === '/proc/self/exe' ? ${JSON.stringify(file)} : name, ...more)`);
const both = (a: string, b: string): string => `
  const ends = [() => {${a}}, () => {${b}}].map((begin) => begin());
  return () => { for (const end of ends) end(); };`;
const system = (platform: string, arch: string): string => looksLike({ platform, arch });

const REINSTALL = [
  'npm:    npm ci',
  'pnpm:   pnpm install --force',
  'yarn:   remove node_modules, then yarn install',
  'bun:    bun install --force',
  'Docker: run the install in the image, and let .dockerignore name node_modules',
  'Lambda: zip node_modules as it was installed: it has the add-ons of all systems',
];
const AGAIN = ['Install the package again, where it is to run:', ...REINSTALL];
const BUNDLERS = [
  'esbuild: --external:gradclip',
  'rollup:  external: ["gradclip"]',
  'webpack: externals: { gradclip: "node-commonjs gradclip" }',
  'vite:    ssr: { external: ["gradclip"] }',
  'Next.js: serverExternalPackages: ["gradclip"]',
  'bun:     bun build --external gradclip',
];
const LEFT_OUT =
  'An ignore file, a tool that prunes packages or a copy of a part has left it out. Install it again, where it is to run:';
const REMOVE = 'Or remove PACKAGE/build: then the prebuilt add-on is taken, which needs nothing.';
const THERE = `there are those for ${SYSTEMS.join(', ')}.`;

interface Case {
  readonly name: string;
  readonly reason: string;
  /** What has become of the package; how it is loaded, if that is no matter of course. */
  readonly make: (it: Package) => unknown;
  /** PACKAGE: its folder. PROJECT: that which it is in. ENGINE: Node.js with its version. */
  readonly text: readonly string[];
  readonly details?: Readonly<Record<string, unknown>>;
  /** What the system said. */
  readonly cause?: string | RegExp;
  readonly unless?: boolean;
  /** Where the package lies in the project, if elsewhere. */
  readonly folder?: string;
}

const NOT_THERE: readonly Case[] = [
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

const LEFT = { size: 2_000_000, bytes: statSync(join(BUILT, 'gradclip.node')).size };
/** What a PE and a Mach-O file begin with. */
const PE = Buffer.alloc(128);
PE.write('MZ', 'latin1');
PE.writeUInt32LE(64, 60);
PE.write('PE\0\0\x64\x86', 64, 'latin1');
const MACH = Buffer.alloc(64);
MACH.writeUInt32LE(0xfeedfacf, 0);
MACH.writeUInt32LE(0x0100000c, 4);

const SEEN: readonly Case[] = [
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

const openmp = 'gradclip_openmp.so';
const REFUSED: readonly Case[] = [
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

function inWords({ error }: Said, it: Package): unknown {
  const text = JSON.stringify(error)
    .replaceAll(it.folder, 'PACKAGE')
    .replaceAll(it.project, 'PROJECT')
    .replaceAll(`Node.js ${process.versions.node}`, 'ENGINE')
    .replaceAll(/uid \d+/g, 'uid UID');
  return JSON.parse(text) as unknown;
}

describe.each([
  ['there is none', NOT_THERE],
  ['it is seen not to load', SEEN],
  ['the system does not load it', REFUSED],
] as const)('%s', (_, cases) => {
  it.concurrent.each(cases.filter(({ unless }) => !unless))(
    '$name',
    async ({ folder, make, text, reason, details = {}, cause = null }) => {
      const of = await installed(folder);
      const said = await ask(of, (make(of) ?? {}) as Start);
      expect(inWords(said, of)).toMatchObject({
        name: 'AddonError',
        code: 'ERR_ADDON',
        message: text.join('\n'),
        details: { reason, ...details },
        cause: cause instanceof RegExp ? expect.stringMatching(cause) : cause,
      });
    },
  );
});

describe('which is loaded', () => {
  const loads = async (make: (it: Package) => unknown, origin: string, file: string): Promise<Said> => {
    const of = await installed();
    const said = await ask(of, (make(of) ?? {}) as Start);
    expect(said).toMatchObject({ runtime: { binary: { file: join(of.folder, file), origin }, libc: 'glibc' } });
    return said;
  };

  it.concurrent('that of the package', () => loads((it) => it.link(PREBUILT), 'prebuilt', PREBUILT));

  it.concurrent('one compiled here rather than that', () =>
    loads(
      (it) => {
        it.link(PREBUILT);
        it.link('build/Release/gradclip.node');
      },
      'source build',
      'build/Release/gradclip.node',
    ));

  it.concurrent('one that GRADCLIP_PREBUILD names rather than both', () =>
    loads(
      (it) => {
        it.link(`other/${PREBUILT}`);
        it.link('build/Release/gradclip.node');
        return { env: { GRADCLIP_PREBUILD: join(it.folder, 'other') } };
      },
      'GRADCLIP_PREBUILD',
      `other/${PREBUILT}`,
    ));

  // What node-gyp-build goes by.
  it.concurrent.each([{ LIBC: 'musl' }, { npm_config_arch: 'mips' }, { npm_config_platform: 'sunos' }])(
    'that of this process, whatever the environment says: %o',
    async (env) => {
      const said = await loads(
        (it) => {
          it.link(PREBUILT);
          it.write(PREBUILT.replace('glibc', 'musl'), '');
          return { env };
        },
        'prebuilt',
        PREBUILT,
      );
      expect(said.leaked).toEqual([]);
    },
  );

  it.concurrent('without node-gyp-build, which somebody has pruned', () =>
    loads(
      (it) => {
        it.link(PREBUILT);
        chmodSync(join(it.project, 'node_modules/node-gyp-build/node-gyp-build.js'), 0o644);
        it.write('../node-gyp-build/package.json', '{ "main": "gone.js" }');
      },
      'prebuilt',
      PREBUILT,
    ));

  it.concurrent('from a folder with spaces and letters of all kinds', async () => {
    const of = await installed('Ordner mit Leerzeichen/日本 $x %41 #1/gradclip');
    of.link(PREBUILT);
    expect(await ask(of)).toMatchObject({ runtime: { binary: { file: join(of.folder, PREBUILT) } } });
  });
});

describe('in a bundle of somebody', () => {
  const all = join(ROOT, 'dist/bundle/index.js');
  const LEAVE = 'Leave the package out, and install it where the bundle runs:';
  const gone = join(tmpdir(), 'gradclip-gone', 'node_modules/gradclip/dist/bundle/index.js');
  // What esbuild, and what webpack, put in place of import.meta.url.
  const BUNDLES: readonly (readonly [string, Parameters<typeof codeOf>[0], string])[] = [
    ['a module', { input: all }, ' (PROJECT/app.mjs)'],
    ['CommonJS, which does not say where it is', { input: all, format: 'cjs', url: 'undefined' }, ''],
    ['of a folder that is gone', { input: all, format: 'cjs', url: JSON.stringify(pathToFileURL(gone)) }, ` (${gone})`],
  ];
  it.concurrent.each(BUNDLES)('%s', async (_, options, where) => {
    const of = await installed('elsewhere');
    const file = join(of.project, options.format === 'cjs' ? 'app.cjs' : 'app.mjs');
    of.write('../package.json', '{ "name": "gradclip", "version": "7.0.0" }');
    of.write(relative(of.folder, file), await codeOf(options));
    expect(inWords(await ask(of, { file }), of)).toMatchObject({
      message: [
        `The code of gradclip is in a bundle${where}, and its native add-on is not beside it. ${LEAVE}`,
        ...BUNDLERS,
      ].join('\n'),
      details: { reason: 'bundled' },
    });
  });

  it.concurrent('with the add-on beside it', async () => {
    const of = await installed('elsewhere');
    of.link(`../${PREBUILT}`);
    of.write('../package.json', '{ "name": "somebody", "version": "7.0.0" }');
    of.write('../app.mjs', await codeOf({ input: all }));
    expect(await ask(of, { file: join(of.project, 'app.mjs') })).toMatchObject({
      runtime: { binary: { file: join(of.project, PREBUILT), origin: 'prebuilt' } },
    });
  });
});
