// install.mjs: npm's install script. Makes sure that a native add-on is there: one that loads already, or one built here by CMake.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

function binaryLoads() {
  try {
    require('node-gyp-build')(root);
    return true;
  } catch {
    return false;
  }
}

/** What CMake has written names folders in full: in a copy of a checkout it would compile the sources of the original. */
function dropBuildOfOther() {
  const cache = `${root}build/CMakeCache.txt`;
  if (!existsSync(cache)) return;
  const [, home] = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8')) ?? [];
  if (home !== undefined && existsSync(home) && realpathSync(home) === realpathSync(root)) return;
  console.error(`gradclip: build/ is of ${home ?? 'another folder'}: it is made anew`);
  rmSync(`${root}build`, { recursive: true });
}

function build() {
  dropBuildOfOther();
  const args = ['build', '--log-level', 'error', '--parallel', String(availableParallelism())];
  const run = spawnSync(process.execPath, [require.resolve('cmake-js/bin/cmake-js'), ...args], { cwd: root, stdio: 'inherit' });
  return run.status === 0;
}

// In a checkout the sources may be newer than the binary, so CMake always has a look: a second when there is nothing to do.
// An installed package (no tsconfig.json in it) is built only where no binary loads.
const checkout = existsSync(`${root}/tsconfig.json`);
if ((checkout || !binaryLoads()) && !build()) {
  console.error(`
gradclip: the native add-on could not be built; the reason stands above.
It needs CMake, make and a C++17 compiler with OpenMP. On Debian or Ubuntu:

    apt-get install cmake g++

Then ${checkout ? 'run `npm ci` again' : 'install it again: `npm install gradclip`. npm keeps nothing of a package whose script has failed'}.
`);
  // Loud on purpose: a package without its add-on can do nothing, and npm shows a script's words only when it fails.
  process.exitCode = 1;
}
