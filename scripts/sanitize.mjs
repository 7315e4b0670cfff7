// sanitize.mjs: the tests under AddressSanitizer and UndefinedBehaviorSanitizer, in a build of its own (build-asan).
// Arguments go to vitest: `npm run test:sanitize -- test/verifier.test.ts`. Without any, all tests.
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile } from './build-native.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

await compile(root, join(root, 'build-asan/build'), {
  define: { GRADCLIP_SANITIZE: 'ON' },
  tell: (text) => process.stderr.write(text),
});

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
const run = spawnSync(process.execPath, [vitest, 'run', ...process.argv.slice(2)], { cwd: root, stdio: 'inherit', env });
process.exitCode = run.status ?? 1;
