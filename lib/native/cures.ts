// cures.ts: what helps where the native add-on is missing or does not load, in the words of each tool. Lines of an AddonError.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Found, prebuilds, type Searched } from './find.ts';
import { here, libc } from './host.ts';

export const REINSTALL: readonly string[] = [
  'npm:    npm ci',
  'pnpm:   pnpm install --force',
  'yarn:   remove node_modules, then yarn install',
  'bun:    bun install --force',
  'Docker: run the install in the image, and let .dockerignore name node_modules',
  'Lambda: zip node_modules as it was installed: it has the add-ons of all systems',
];

export const LEAVE_OUT: readonly string[] = [
  'esbuild: --external:gradclip',
  'rollup:  external: ["gradclip"]',
  'webpack: externals: { gradclip: "node-commonjs gradclip" }',
  'vite:    ssr: { external: ["gradclip"] }',
  'Next.js: serverExternalPackages: ["gradclip"]',
  'bun:     bun build --external gradclip',
];

export const UNPLUG: readonly string[] = [
  'in package.json: "dependenciesMeta": { "gradclip": { "unplugged": true } }',
  'then:            yarn install',
];

export const ALLOW: readonly string[] = [
  'Node.js: leave out --no-addons; with --permission, add --allow-addons (in a worker its execArgv counts too)',
  'Deno:    deno run --allow-ffi --allow-read --allow-env --allow-sys',
];

/** Whether this is a clone of the sources, where `npm ci` compiles. */
export const isCheckout = (folder: string): boolean => existsSync(join(folder, 'tsconfig.json'));

/** Whether what is published has an add-on for this process. */
export const hasPrebuilt = ({ folder }: Searched): boolean =>
  prebuilds(folder).some(({ system, tag }) => system === here() && (tag === null || tag === (libc() ?? 'glibc')));

export function compile({ folder, of }: Searched): string {
  return of === 'package' && isCheckout(folder) ? 'npm run build:native' : 'npx gradclip build';
}

/** What to load in place of this file. */
export function instead({ origin }: Found, at: Searched): string[] {
  if (origin === 'GRADCLIP_PREBUILD')
    return [`GRADCLIP_PREBUILD names it; where that is not set, the add-on of the package is taken.`];
  if (origin === 'prebuilt') return ['Install the package again, where it is to run:', ...REINSTALL];
  const prebuilt = hasPrebuilt(at)
    ? [`Or remove ${join(at.folder, 'build')}: then the prebuilt add-on is taken, which needs nothing.`]
    : [];
  return [`Compile it here: ${compile(at)}`, ...prebuilt];
}

/** How a library of the system comes to it. */
export function installLibrary(library: string): string[] {
  const [, name] = /^lib(gomp|stdc\+\+|gcc_s|atomic)\b/.exec(library) ?? [];
  if (name === undefined) return [];
  const [debian, others] = {
    gomp: ['libgomp1', 'libgomp'],
    'stdc++': ['libstdc++6', 'libstdc++'],
    gcc_s: ['libgcc-s1', 'libgcc'],
    atomic: ['libatomic1', 'libatomic'],
  }[name]!;
  return [
    `Debian, Ubuntu, Docker images of them (slim too): apt-get install ${debian}`,
    `Alpine:                                           apk add ${others}`,
    `Fedora, Amazon Linux, Lambda:                     dnf install ${others}`,
    'distroless:                                       use the prebuilt add-on, or copy the library from the image that compiles',
  ];
}
