// own-build.mjs: the tests on a build of the add-on with other options, in a folder of its own beside build/.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile } from './build-native.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Builds with these variables of CMake, then runs vitest on that build; sets the exit code of this process.
 * @param folder `build-NAME`
 * @param tests what vitest is given; none: all tests
 * @param kernels whether they are compiled with other options too; else they are those of the checkout's own build
 */
export async function testOwnBuild(folder, define, tests, { env = {}, kernels = false } = {}) {
  const tell = (text) => process.stderr.write(text);
  const own = join(root, 'build');
  if (!kernels) await compile(root, own, { tell });
  const all = { ...define, ...(!kernels && { GRADCLIP_KERNELS_OF: own }) };
  await compile(root, join(root, folder, 'build'), { define: all, tell });
  // node-gyp-build knows where to look.
  const there = { ...process.env, ...env, GRADCLIP_PREBUILD: join(root, folder) };
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const run = spawnSync(process.execPath, [vitest, 'run', ...tests], { cwd: root, stdio: 'inherit', env: there });
  process.exitCode = run.status ?? 1;
}
