// sanitize.mjs: the tests under AddressSanitizer and UndefinedBehaviorSanitizer, in a build of its own (build-asan).
// Arguments go to vitest: `npm run test:sanitize -- test/native/verify.test.ts`. Without any, all tests.
import { execFileSync } from 'node:child_process';
import { testOwnBuild } from './own-build.mjs';

await testOwnBuild('build-asan', { GRADCLIP_SANITIZE: 'ON' }, process.argv.slice(2), {
  kernels: true,
  env: {
    LD_PRELOAD: execFileSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim(),
    // Node itself leaks at exit by design, and some tests ask for more memory than there is.
    ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1',
    UBSAN_OPTIONS: 'print_stacktrace=1',
  },
});
