// native-threads.mjs: the tests on a build without OpenMP (build-threads): teams are native threads, as in prebuilt add-ons.
// Arguments go to vitest: `npm run test:native-threads -- test/train/programs/threads.test.ts`. Without any, all tests.
import { testOwnBuild } from './own-build.mjs';

await testOwnBuild('build-threads', { GRADCLIP_OPENMP: 'OFF' }, process.argv.slice(2));
