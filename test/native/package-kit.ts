// package-kit.ts: installed packages as somebody may have them: whole, or changed in a way. For tests of what is loaded, and of what is said.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';
import { afterAll } from 'vitest';

export const ROOT: string = resolve(import.meta.dirname, '../..');
export const BUILT: string = join(ROOT, 'build/Release');
export const VERSION: string = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;
/** The name that a build of this machine has in prebuilds/. */
export const PREBUILT: string = `prebuilds/${process.platform}-${process.arch}/gradclip.glibc.node`;

export interface Package {
  /** The project that has it in node_modules, and its own folder. */
  readonly project: string;
  readonly folder: string;
  write(name: string, content: string | Uint8Array): void;
  /** The build of this checkout, under this name: links to its files. */
  link(name: string): void;
}

const ends: (() => unknown)[] = [];
afterAll(() => {
  for (const end of ends.reverse()) end();
});
/** Do it when all tests of the file are done: of those that run at the same time, none can be told from the others. */
export const atEnd = (end: () => unknown): unknown => ends.push(end);

export function temporary(): string {
  const path = mkdtempSync(join(tmpdir(), 'gradclip-'));
  // Others may look into it.
  chmodSync(path, 0o755);
  atEnd(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The code that loads the add-on, in one file: much less than all of it, which another process would read each time. */
const loader: Promise<string> = codeOf({ input: join(ROOT, 'lib/native/runtime.ts') });

/** What a bundler makes of these files. `url`: what it puts in place of import.meta.url. */
export async function codeOf({
  input,
  format = 'esm',
  url,
}: {
  input: string;
  format?: 'esm' | 'cjs';
  url?: string;
}): Promise<string> {
  const define = { GRADCLIP_VERSION: JSON.stringify(VERSION), ...(url !== undefined && { 'import.meta.url': url }) };
  const build = await rolldown({ input, platform: 'node', transform: { define } });
  const { output } = await build.generate({ format, codeSplitting: false });
  await build.close();
  return output[0].code;
}

/** A project with gradclip as npm puts it there, without any binary. `name`: of its folder. */
export async function installed(name = 'node_modules/gradclip'): Promise<Package> {
  const code = await loader;
  const project = temporary();
  const folder = join(project, name);
  mkdirSync(join(folder, 'dist/bundle'), { recursive: true });
  writeFileSync(join(folder, 'dist/bundle/index.js'), code);
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  cpSync(join(ROOT, 'node_modules/node-gyp-build'), join(project, 'node_modules/node-gyp-build'), { recursive: true });
  const place = (file: string): string => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    return join(folder, file);
  };
  return {
    project,
    folder,
    write: (file, content) => writeFileSync(place(file), content),
    link(file) {
      symlinkSync(join(BUILT, 'gradclip.node'), place(file));
      for (const beside of readdirSync(BUILT).filter((name) => name.endsWith('.so')))
        symlinkSync(join(BUILT, beside), join(dirname(place(file)), beside));
    },
  };
}

export interface Start {
  /** What is imported in place of the package. */
  readonly file?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Code that runs before: it changes `process`, `fs` or `os`, and gives a function that mends them. */
  readonly first?: string;
  /** A process of its own, with these options of node and this user; or a worker in it. */
  readonly own?: { readonly node?: readonly string[]; readonly uid?: number; readonly worker?: readonly string[] };
}

/** What loading says: of the add-on that was loaded, or the error. */
export interface Said {
  readonly runtime?: { readonly binary: string; readonly origin: string; readonly libc: string | null };
  readonly error?: {
    readonly name: string;
    readonly code: string;
    readonly message: string;
    readonly details: Readonly<Record<string, unknown>>;
    readonly cause: string | null;
  };
  /** Variables of the environment that were not there before. */
  readonly leaked: readonly string[];
}

/** Imports a package and asks what was loaded; in any process or worker. */
const ASK = `
const { syncBuiltinESMExports } = require('node:module');
const errorOf = ({ name, code, message, details, cause }) => ({ name, code, message, details: details ?? null, cause: cause?.message ?? null });
globalThis.ask = async ({ url, env, first }) => {
  const before = { ...process.env };
  Object.assign(process.env, env);
  const mend = first === '' ? null : new Function('fs', 'os', first)(require('node:fs'), require('node:os'));
  syncBuiltinESMExports();
  try {
    return { runtime: (await import(url)).runtime() };
  } catch (error) {
    return { error: errorOf(error) };
  } finally {
    mend?.();
    syncBuiltinESMExports();
    for (const name of Object.keys(env)) if (name in before) process.env[name] = before[name]; else delete process.env[name];
  }
};
globalThis.answer = async (it) => {
  const names = Object.keys(process.env);
  const said = await ask(it);
  return JSON.stringify({ ...said, leaked: Object.keys(process.env).filter((name) => !names.includes(name)) });
};`;

function start(code: string, { node = [], uid }: NonNullable<Start['own']> = {}): ChildProcess {
  // No setting of this test run has a say.
  const { GRADCLIP_PREBUILD, GRADCLIP_POISON, ...env } = process.env;
  const user = uid === undefined ? {} : { uid, gid: uid };
  return spawn(process.execPath, [...node, '-e', ASK + code], { env, cwd: '/', ...user, stdio: ['pipe', 'pipe', 'inherit'] });
}

/** One process for all that need none of their own: they wait for each other there. */
class Asker {
  readonly #child = start(`
    let last = Promise.resolve();
    const lines = require('node:readline').createInterface({ input: process.stdin });
    lines.on('line', (line) => { last = last.then(async () => console.log(await answer(JSON.parse(line)))); });`);
  readonly #waiting: ((said: Said) => void)[] = [];
  readonly #ended: Promise<never>;
  constructor() {
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.#waiting.shift()!(JSON.parse(line) as Said));
    this.#ended = new Promise((_, fail) => {
      this.#child.on('exit', (code, signal) => fail(new Error(`the process that loads has ended: ${code ?? signal}`)));
    });
    this.#ended.catch(() => {});
    atEnd(() => this.#child.stdin!.end());
  }
  ask(what: object): Promise<Said> {
    this.#child.stdin!.write(`${JSON.stringify(what)}\n`);
    return Promise.race([this.#ended, new Promise<Said>((done) => this.#waiting.push(done))]);
  }
}
let asker: Asker | null = null;

/** Imports the package and asks what was loaded. */
export async function ask({ folder }: Pick<Package, 'folder'>, how: Start = {}): Promise<Said> {
  const { env = {}, first = '', own, file = join(folder, 'dist/bundle/index.js') } = how;
  const what = { url: pathToFileURL(file).href, env, first };
  if (!own) {
    asker ??= new Asker();
    return asker.ask(what);
  }
  const code = `answer(${JSON.stringify(what)}).then(console.log);`;
  const worker = `new (require('node:worker_threads').Worker)(${JSON.stringify(ASK + code)}, { eval: true, execArgv: ${JSON.stringify(own.worker)} });`;
  const child = start(own.worker ? worker : code, own);
  let out = '';
  for await (const text of child.stdout!) out += text;
  return JSON.parse(out) as Said;
}

/** A copy of a file of the build in which a name that is `from` is `to`, as long. */
export function renamed(file: string, from: string, to: string): Buffer {
  const bytes = readFileSync(join(BUILT, file));
  let found = 0;
  for (let at = bytes.indexOf(`\0${from}\0`); at >= 0; at = bytes.indexOf(`\0${from}\0`, at + 1)) {
    bytes.write(to.padEnd(from.length, '\0'), at + 1, 'latin1');
    found++;
  }
  if (found === 0) throw new Error(`${file} names no ${from}`);
  return bytes;
}

/** A file of ELF with nothing but headers: of this machine's kind, and started by `interpreter`. */
export function headers(machine: number, interpreter = ''): Buffer {
  const file = Buffer.alloc(64 + 56 + 64);
  file.write('\x7fELF\x02\x01\x01', 'latin1');
  file.writeUInt16LE(3, 16);
  file.writeUInt16LE(machine, 18);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(interpreter ? 1 : 0, 56);
  file.writeUInt32LE(3, 64);
  file.writeBigUInt64LE(120n, 64 + 8);
  file.writeBigUInt64LE(BigInt(interpreter.length + 1), 64 + 32);
  file.write(interpreter, 120, 'latin1');
  return file;
}
