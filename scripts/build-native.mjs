// build-native.mjs: compiles the native add-on with CMake. In a clone `npm run build:native` runs it, in an installed package
// `npx gradclip build`, where nothing of npm is needed but the package itself.
import { spawn } from 'node:child_process';
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What CMakeLists.txt asks for. */
const LEAST_CMAKE = [3, 18];

/** What installs CMake, a program that it drives, and a compiler: for each package manager its command, and the systems that it is of. */
const MANAGERS = [
  { program: 'apt-get', of: 'linux', install: 'apt-get install cmake make g++', names: 'Debian, Ubuntu' },
  { program: 'dnf', of: 'linux', install: 'dnf install cmake make gcc-c++', names: 'Fedora, RHEL' },
  { program: 'apk', of: 'linux', install: 'apk add cmake make g++ linux-headers', names: 'Alpine' },
  { program: 'pacman', of: 'linux', install: 'pacman -S cmake make gcc', names: 'Arch' },
  { program: 'brew', of: 'darwin', install: 'xcode-select --install && brew install cmake', names: 'macOS' },
  { program: 'winget', of: 'win32', install: 'winget install Kitware.CMake Ninja-build.Ninja zig.zig', names: 'Windows' },
  { program: 'choco', of: 'win32', install: 'choco install cmake ninja zig', names: 'Windows' },
];

/** Why there is no add-on, in lines for whoever asked for one. `details` are for programs. */
export class BuildError extends Error {
  constructor(lines, details = {}) {
    super(lines.join('\n'));
    this.name = 'BuildError';
    this.details = details;
  }
}

/** The file of a program that is found as a shell finds it; undefined where there is none. */
function find(program, env = process.env) {
  const ends = process.platform === 'win32' ? ['.exe', '.cmd', '.bat'] : [''];
  // A name with a folder is that file.
  const folders = /[/\\]/.test(program) ? [''] : (env.PATH ?? env.Path ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const folder of folders) {
    for (const end of ends) {
      const file = join(folder, `${program}${end}`);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {}
    }
  }
  return undefined;
}

/** What to install on this system: by the package manager that is there, or by each that it could have. */
export function cures(platform = process.platform, has = (program) => find(program) !== undefined) {
  const here = MANAGERS.filter(({ of }) => of === platform);
  const there = here.filter(({ program }) => has(program));
  const some = there.length > 0 ? there : here.length > 0 ? here : MANAGERS.filter(({ of }) => of === 'linux');
  return some.map(({ install, names }) => `${names}: ${install}`);
}

/** Ends a program with all that it has started. */
function end(child) {
  try {
    if (process.platform === 'win32') child.kill();
    else process.kill(-child.pid, 'SIGTERM');
  } catch {} // it has ended by itself
}

/** Runs a program to its end, or until the signal. `tell` is given what it says. @returns all of it @throws BuildError where it fails */
function run(program, args, { cwd, tell = () => {}, signal }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw new DOMException(`${program} was not started`, 'AbortError');
    // CMake starts others, which go with it if they are a group of their own.
    const detached = signal !== undefined && process.platform !== 'win32';
    const child = spawn(program, args, { cwd, detached, stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true });
    const stop = () => end(child);
    signal?.addEventListener('abort', stop);
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (part) => {
        text += part;
        tell(part);
      });
    }
    child.on('error', reject);
    child.on('close', (code, killed) => {
      signal?.removeEventListener('abort', stop);
      const how = killed ? `was ended by ${killed}` : `failed (exit code ${code})`;
      if (signal?.aborted) reject(new DOMException(`${program} was stopped`, 'AbortError'));
      else if (code === 0) resolve(text);
      else reject(new BuildError([`${program} ${how}; what it said stands above`], { output: text }));
    });
  });
}

/** What a build takes of the system. @throws BuildError that says what to install */
async function tools() {
  const missing = (what) =>
    new BuildError([`The native add-on is compiled here, and ${what}. To install:`, ...cures()], { missing: what });
  const cmake = find('cmake');
  if (cmake === undefined) throw missing('CMake is missing');
  const said = await run(cmake, ['--version'], {});
  const version = /(\d+)\.(\d+)/.exec(said)?.slice(1).map(Number) ?? [0, 0];
  if (version[0] < LEAST_CMAKE[0] || (version[0] === LEAST_CMAKE[0] && version[1] < LEAST_CMAKE[1])) {
    throw missing(`CMake is ${version.join('.')}, which is older than ${LEAST_CMAKE.join('.')}`);
  }
  // As CMake looks for them. On Windows the compiler is zig, as in the releases (cmake/zig.cmake): it brings its own C++ library.
  const windows = process.platform === 'win32';
  const compilers = [process.env.CXX?.split(' ')[0], ...(windows ? ['zig'] : ['c++', 'g++', 'clang++'])].filter(Boolean);
  if (!compilers.some((name) => find(name) !== undefined)) throw missing('a C++17 compiler is missing');
  const ninja = find('ninja') !== undefined;
  if (!ninja && (windows || find('make') === undefined)) throw missing(`${windows ? 'Ninja' : 'make or Ninja'} is missing`);
  return { cmake, generator: ninja ? 'Ninja' : 'Unix Makefiles' };
}

/** The folders of the headers of Node-API: a checkout has the packages, an installed package has the headers themselves. */
function headers(root) {
  const own = join(root, 'dist/headers');
  if (!isCheckout(root)) return [own];
  const require = createRequire(join(root, 'package.json'));
  const folder = (name) => dirname(require.resolve(`${name}/package.json`));
  return [join(folder('node-api-headers'), 'include'), folder('node-addon-api')];
}

const isCheckout = (root) => existsSync(join(root, 'tsconfig.json'));

/** What CMake has written names folders in full: in a copy of a checkout it would compile the sources of the original. */
function dropBuildOfOther(root, work, tell) {
  const cache = join(work, 'CMakeCache.txt');
  if (!existsSync(cache)) return;
  const [, home] = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8')) ?? [];
  if (home !== undefined && existsSync(home) && realpathSync(home) === realpathSync(root)) return;
  tell(`gradclip: ${work} is of ${home ?? 'another folder'}: it is made anew\n`);
  rmSync(work, { recursive: true });
}

/** Compiles the sources of `root` in `work`, into its folder Release. `define`: variables of CMake. */
export async function compile(root, work, { define = {}, jobs = availableParallelism(), tell = () => {}, signal } = {}) {
  const { cmake, generator } = await tools();
  dropBuildOfOther(root, work, tell);
  const release = join(work, 'Release');
  const variables = {
    CMAKE_BUILD_TYPE: 'Release',
    CMAKE_LIBRARY_OUTPUT_DIRECTORY: release,
    CMAKE_RUNTIME_OUTPUT_DIRECTORY: release,
    CMAKE_JS_INC: headers(root).join(';'),
    ...(process.platform === 'win32' && { CMAKE_TOOLCHAIN_FILE: join(root, 'cmake/zig.cmake') }),
    ...define,
  };
  // A folder that was configured keeps its generator.
  const fresh = existsSync(join(work, 'CMakeCache.txt')) ? [] : ['-G', generator];
  const given = Object.entries(variables).map(([name, value]) => `-D${name}=${value}`);
  await run(cmake, ['-S', root, '-B', work, ...fresh, ...given], { cwd: root, tell, signal });
  await run(cmake, ['--build', work, '--config', 'Release', '--parallel', String(jobs)], { cwd: root, tell, signal });
  return release;
}

/** Sees that files can be made in a folder that need not be there yet. @throws BuildError that tells the other way */
function makeWritable(folder) {
  try {
    mkdirSync(folder, { recursive: true });
    rmSync(mkdtempSync(join(folder, '.writable-')), { recursive: true });
  } catch (error) {
    throw new BuildError(
      [
        `${folder} cannot be written (${error.code}). Build into a folder that can, and tell programs that import gradclip of it:`,
        'npx gradclip build --to FOLDER, then GRADCLIP_PREBUILD=FOLDER in their environment',
      ],
      { folder, code: error.code },
    );
  }
}

/** What an add-on says of itself, in a process of its own. @throws BuildError where it does not load */
async function tried(file) {
  const says = '{ isa: a.isa, threads: a.threads.count, team: a.team }';
  const code = `const a = require(process.argv[1]); console.log(JSON.stringify(${says}))`;
  try {
    const text = await run(process.execPath, ['-e', code, file], {});
    // Node.js may say more, such as that a debugger may attach.
    return JSON.parse(/^\{"isa":.*\}$/m.exec(text)?.[0] ?? text);
  } catch (error) {
    const reason = /^Error: (.+)$/m.exec(error.details?.output ?? '')?.[1] ?? error.message;
    throw new BuildError([`What was compiled does not load here: ${reason}`], error.details);
  }
}

/**
 * Makes an add-on where node-gyp-build looks for one first: in `build/Release` of the folder `to`. A checkout is compiled in its folder `build`, and
 * what has not changed is not compiled again. Else all is compiled in a temporary folder, and the files come into their place when the add-on has been
 * loaded.
 */
export async function build({ root, to = root, ...options }) {
  const place = join(to, 'build/Release');
  const file = join(place, 'gradclip.node');
  makeWritable(place);
  if (isCheckout(root) && to === root) {
    await compile(root, join(root, 'build'), options);
    return { file, ...(await tried(file)) };
  }
  const work = mkdtempSync(join(tmpdir(), 'gradclip-build-'));
  try {
    const release = await compile(root, work, options);
    // Tried where it is to be: nothing may be run from the temporary folder of some systems.
    const trial = mkdtempSync(join(place, '.trial-'));
    try {
      const names = readdirSync(release).filter((name) => /\.(node|so|dylib|dll)$/.test(name));
      for (const name of names) cpSync(join(release, name), join(trial, name));
      const says = await tried(join(trial, 'gradclip.node'));
      // Renamed: whoever has the file of before open keeps it.
      for (const name of names) renameSync(join(trial, name), join(place, name));
      return { file, ...says };
    } finally {
      rmSync(trial, { recursive: true, force: true });
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const root = fileURLToPath(new URL('..', import.meta.url));
    await compile(root, join(root, 'build'), { tell: (text) => process.stderr.write(text) });
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    console.error(`\ngradclip: ${error.message}`);
    process.exitCode = 1;
  }
}
