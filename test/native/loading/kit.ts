// kit.ts: a native add-on that is missing or does not load: how it comes to that, and the words that several failures have in common.
import { PREBUILT as SYSTEMS } from '../../../lib/native/failure.ts';
import type { Package } from '../package-kit.ts';

export const HERE: string = `${process.platform}-${process.arch}`;
/** What ELF files call this processor, and another one. */
export const MACHINE: number = process.arch === 'arm64' ? 183 : 62;
export const OTHER: number = process.arch === 'arm64' ? 62 : 183;
export const OTHER_SYSTEM: string = process.arch === 'arm64' ? 'linux-x64' : 'linux-arm64';

/** A process that looks as if it were another: code, as Start.first takes it. */
export const looksLike = (values: Readonly<Record<string, unknown>>): string => `
  const own = Object.entries(${JSON.stringify(values)}).map(([key, value]) => {
    const was = Object.getOwnPropertyDescriptor(process, key);
    Object.defineProperty(process, key, { ...was, value });
    return [key, was];
  });
  return () => { for (const [key, was] of own) Object.defineProperty(process, key, was); };`;
export const replaced = (object: string, name: string, by: string): string => `
  const was = ${object}.${name};
  ${object}.${name} = ${by};
  return () => { ${object}.${name} = was; };`;
/** The program that runs is this file, which may have another loader. */
export const startedAs = (file: string): string =>
  replaced('fs', 'openSync', `(name, ...more) => was(name === '/proc/self/exe' ? ${JSON.stringify(file)} : name, ...more)`);
export const both = (a: string, b: string): string => `
  const ends = [() => {${a}}, () => {${b}}].map((begin) => begin());
  return () => { for (const end of ends) end(); };`;
export const system = (platform: string, arch: string): string => looksLike({ platform, arch });

export const REINSTALL: readonly string[] = [
  'npm:    npm ci',
  'pnpm:   pnpm install --force',
  'yarn:   remove node_modules, then yarn install',
  'bun:    bun install --force',
  'Docker: run the install in the image, and let .dockerignore name node_modules',
  'Lambda: zip node_modules as it was installed: it has the add-ons of all systems',
];
export const AGAIN: readonly string[] = ['Install the package again, where it is to run:', ...REINSTALL];
export const BUNDLERS: readonly string[] = [
  'esbuild: --external:gradclip',
  'rollup:  external: ["gradclip"]',
  'webpack: externals: { gradclip: "node-commonjs gradclip" }',
  'vite:    ssr: { external: ["gradclip"] }',
  'Next.js: serverExternalPackages: ["gradclip"]',
  'bun:     bun build --external gradclip',
];
export const LEFT_OUT: string =
  'An ignore file, a tool that prunes packages or a copy of a part has left it out. Install it again, where it is to run:';
export const REMOVE: string = 'Or remove PACKAGE/build: then the prebuilt add-on is taken, which needs nothing.';
export const THERE: string = `there are those for ${SYSTEMS.join(', ')}.`;

export interface Case {
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
