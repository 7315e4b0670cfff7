// sanitize.mjs: the tests under AddressSanitizer and UndefinedBehaviorSanitizer, in a build of its own (build-asan).
// Arguments go to vitest: `npm run test:sanitize -- test/verifier.test.ts`. Without any, all tests.
import { execFileSync, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const options = { cwd: root, stdio: 'inherit' };

const build = [
  ...[require.resolve('cmake-js/bin/cmake-js'), 'build', '--log-level', 'error', '--parallel', String(availableParallelism())],
  ...['--out', join(root, 'build-asan/build'), '--CDGRADCLIP_SANITIZE=ON'],
];
if (spawnSync(process.execPath, build, options).status !== 0) process.exit(1);

const library = execFileSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim();
const env = {
  ...process.env,
  GRADCLIP_PREBUILD: join(root, 'build-asan'),
  LD_PRELOAD: library,
  // Node itself leaks at exit by design, and some tests ask for more memory than there is.
  ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1',
  UBSAN_OPTIONS: 'print_stacktrace=1',
};
const vitest = join(root, 'node_modules/vitest/vitest.mjs');
const run = spawnSync(process.execPath, [vitest, 'run', ...process.argv.slice(2)], { ...options, env });
process.exitCode = run.status ?? 1;
