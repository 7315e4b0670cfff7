// build-native.test.ts: the way from the sources to an add-on, in a checkout and in an installed package, on small projects that take a moment, where
// this checkout was compiled: what is built lands where it is found, and what is missing, fails or is stopped leaves nothing behind.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { addon } from '../../lib/native/addon.ts';
import { run } from '../cli/kit.ts';
import { COMPILED } from '../kit.ts';

interface Builder {
  build(options: object): Promise<{ readonly file: string; readonly isa: string; readonly threads: number }>;
  cures(platform: string, has: (program: string) => boolean): string[];
}
const root = resolve(import.meta.dirname, '../..');
const script = new URL('../../scripts/build-native.mjs', import.meta.url).href;
const { build, cures } = (await import(script)) as Builder;
const nodeGypBuild = createRequire(import.meta.url)('node-gyp-build') as { resolve(folder: string): string };

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'gradclip-build-test-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A package whose build is these commands of CMake, with what temporary folders they use. */
function packageOf(commands: string, files: Readonly<Record<string, string>> = {}): string {
  const dir = folder();
  // Temporary folders are made in here, and looked for afterwards.
  mkdirSync(join(dir, 'tmp'));
  vi.stubEnv('TMPDIR', join(dir, 'tmp'));
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  writeFileSync(join(dir, 'package.json'), '{ "name": "small", "type": "module", "version": "1.0.0" }\n');
  writeFileSync(join(dir, 'CMakeLists.txt'), `cmake_minimum_required(VERSION 3.18)\nproject(small NONE)\n${commands}\n`);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  return dir;
}

/** Where the linker puts what it makes, for CMake. */
const PLACE = '$' + '{CMAKE_LIBRARY_OUTPUT_DIRECTORY}';

const ADDON = ['gradclip.node', 'gradclip_openmp.so'].filter((name) => existsSync(join(root, 'build/Release', name)));

/** "Builds" by copying the add-on of this checkout, or another file, to where the linker would put it. */
const copying = (from: string): string =>
  ADDON.map((name, k) => {
    return `add_custom_target(copy${k} ALL COMMAND \${CMAKE_COMMAND} -E copy ${join(from, name)} ${PLACE}/${name})`;
  }).join('\n');
const built = copying(join(root, 'build/Release'));

const left = (dir: string): string[] => readdirSync(join(dir, 'tmp'));

describe.skipIf(!COMPILED)('an installed package', () => {
  it('is built where it is found, and nothing else is left', async () => {
    const dir = packageOf(built);
    const { file, isa } = await build({ root: dir });
    expect(file).toBe(join(dir, 'build/Release/gradclip.node'));
    expect(nodeGypBuild.resolve(dir)).toBe(file);
    expect(isa).toBe(addon().isa);
    expect(readdirSync(join(dir, 'build/Release')).sort()).toEqual(ADDON);
    expect(left(dir)).toEqual([]);
    // Once more, in place of what is there.
    expect((await build({ root: dir })).file).toBe(file);
  });

  it('is built into another folder, which GRADCLIP_PREBUILD names', async () => {
    const dir = packageOf(built);
    const to = join(folder(), 'not/there/yet');
    const { file } = await build({ root: dir, to });
    expect(file).toBe(join(to, 'build/Release/gradclip.node'));
    expect(readdirSync(dir)).not.toContain('build');
    vi.stubEnv('GRADCLIP_PREBUILD', to);
    expect(nodeGypBuild.resolve(root)).toBe(file);
  });

  it('that cannot be written says so at once, with the other way', async () => {
    const dir = packageOf('message(FATAL_ERROR "nothing is to be compiled")', { build: 'a file, so no folder can be made here' });
    await expect(build({ root: dir })).rejects.toThrow(
      /build\/Release cannot be written \(E\w+\)\..*\nnpx gradclip build --to FOLDER, then GRADCLIP_PREBUILD=FOLDER/,
    );
  });

  it.each([
    ['is not configured', 'message(FATAL_ERROR "no such thing")', /cmake failed \(exit code 1\); what it said stands above/],
    ['is not compiled', 'add_custom_target(no ALL COMMAND false)', /cmake failed \(exit code \d\)/],
    ['does not load', `file(WRITE ${PLACE}/gradclip.node "no ELF")`, /^What was compiled does not load here: /],
  ])('whose build %s stays as it was', async (_, commands, message) => {
    const dir = packageOf(commands);
    mkdirSync(join(dir, 'build/Release'), { recursive: true });
    writeFileSync(join(dir, 'build/Release/gradclip.node'), 'before');
    let said = '';
    const tell = (text: string): void => {
      said += text;
    };
    await expect(build({ root: dir, tell })).rejects.toThrow(message);
    if (commands.includes('no such thing')) expect(said).toContain('no such thing');
    expect(readFileSync(join(dir, 'build/Release/gradclip.node'), 'utf8')).toBe('before');
    expect(readdirSync(join(dir, 'build/Release'))).toEqual(['gradclip.node']);
    expect(left(dir)).toEqual([]);
  });

  it('stops with all that it has started', async () => {
    const pidFile = join(folder(), 'pid');
    const dir = packageOf(`add_custom_target(long ALL COMMAND sh -c "echo $$ > ${pidFile}; sleep 1000" VERBATIM)`);
    const controller = new AbortController();
    const ended = build({ root: dir, signal: controller.signal }).catch((error: Error) => error.name);
    const pid = await vi.waitFor(
      () => {
        const text = readFileSync(pidFile, 'utf8');
        expect(text).toMatch(/^\d+\n$/);
        return Number(text);
      },
      { timeout: 60_000 },
    );
    controller.abort('SIGTERM');
    expect(await ended).toBe('AbortError');
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), { timeout: 60_000 });
    expect(left(dir)).toEqual([]);
  });
});

describe.skipIf(!COMPILED)('what is missing', () => {
  /** A folder with these programs, which say this. */
  function programs(said: Readonly<Record<string, string>>): string {
    const bin = folder();
    for (const [name, text] of Object.entries(said)) {
      writeFileSync(join(bin, name), `#!/bin/sh\necho '${text}'\n`);
      chmodSync(join(bin, name), 0o755);
    }
    return bin;
  }
  const cmake = 'cmake version 3.25.1';

  it.each([
    ['CMake', {}, 'CMake is missing'],
    ['a recent CMake', { cmake: 'cmake version 3.10.2', 'c++': '', make: '' }, 'CMake is 3.10, which is older than 3.18'],
    ['a compiler', { cmake, make: '' }, 'a C++17 compiler is missing'],
    ['make', { cmake, 'g++': '' }, 'make or Ninja is missing'],
  ])('%s: what installs it', async (_, said, message) => {
    const dir = packageOf('');
    vi.stubEnv('PATH', programs({ ...said, 'apt-get': '' }));
    vi.stubEnv('CXX', undefined);
    await expect(build({ root: dir })).rejects.toThrow(
      `The native add-on is compiled here, and ${message}. To install:\nDebian, Ubuntu: apt-get install cmake make g++`,
    );
  });

  it('is told for the package managers that are there, or for all of the system', () => {
    expect(cures('linux', (program) => program === 'apk')).toEqual(['Alpine: apk add cmake make g++ linux-headers']);
    const all = (platform: string): string => cures(platform, () => false).join('\n');
    for (const command of ['apt-get install', 'dnf install', 'apk add', 'pacman -S']) expect(all('linux')).toContain(command);
    expect(all('darwin')).toContain('brew install cmake');
    expect(all('win32')).toMatch(/winget install .*\n.*choco install/);
    expect(all('freebsd')).toBe(all('linux'));
  });
});

describe.skipIf(!COMPILED)('a checkout', () => {
  it('that is copied builds its own sources', () => {
    const [original, copy] = [join(folder(), 'original'), join(folder(), 'copy')];
    mkdirSync(join(original, 'scripts'), { recursive: true });
    copyFileSync(join(root, 'scripts/build-native.mjs'), join(original, 'scripts/build-native.mjs'));
    symlinkSync(join(root, 'node_modules'), join(original, 'node_modules'));
    writeFileSync(join(original, 'package.json'), '{ "name": "small", "type": "module", "version": "1.0.0" }\n');
    writeFileSync(join(original, 'tsconfig.json'), '{}\n');
    // What is built tells of which sources.
    writeFileSync(
      join(original, 'CMakeLists.txt'),
      `cmake_minimum_required(VERSION 3.18)
project(small NONE)
add_custom_target(told ALL COMMAND \${CMAKE_COMMAND} -E copy \${CMAKE_SOURCE_DIR}/word \${CMAKE_BINARY_DIR}/told)
`,
    );
    writeFileSync(join(original, 'word'), 'first');
    const make = (dir: string): string => {
      execFileSync(process.execPath, ['scripts/build-native.mjs'], { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] });
      return readFileSync(join(dir, 'build/told'), 'utf8');
    };
    expect(make(original)).toBe('first');
    cpSync(original, copy, { recursive: true, verbatimSymlinks: true });
    writeFileSync(join(copy, 'word'), 'second');
    expect(make(copy)).toBe('second');
    expect(make(original)).toBe('first');
    writeFileSync(join(copy, 'word'), 'third');
    expect(make(copy)).toBe('third');
  });
});

describe.skipIf(!COMPILED)('gradclip build', () => {
  it.each([
    [['--team', 'pthreads'], 2, '--team: expected one of openmp, threads, got "pthreads"'],
    [['--jobs', '0'], 2, '--jobs: expected a whole number >= 1, got "0"'],
    [['--to', join(root, 'package.json')], 1, 'cannot be written'],
  ])('%j', async (argv, code, message) => {
    const ended = await run(['build', ...argv]);
    expect(ended).toMatchObject({ code, stdout: '' });
    expect(ended.stderr).toContain(message);
  });

  it('builds the package that it is of', () => {
    const dir = packageOf(built);
    writeFileSync(join(dir, 'package.json'), '{ "name": "gradclip", "type": "module", "version": "1.0.0" }\n');
    mkdirSync(join(dir, 'scripts'));
    mkdirSync(join(dir, 'dist'));
    copyFileSync(join(root, 'scripts/build-native.mjs'), join(dir, 'scripts/build-native.mjs'));
    symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'));
    symlinkSync(join(root, 'dist/lib'), join(dir, 'dist/lib'));
    const keep = ['--preserve-symlinks', '--preserve-symlinks-main'];
    const main = join(dir, 'dist/lib/cli/main.js');
    const { stdout, stderr, status } = spawnSync(process.execPath, [...keep, main, 'build', '--json'], { encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    const { isa, threads, team } = addon();
    const file = join(dir, 'build/Release/gradclip.node');
    expect(JSON.parse(stdout)).toEqual({ event: 'result', file, isa, threads: threads.count, team });
    expect(existsSync(file)).toBe(true);
  });
});
