// no-external-buffers.mjs: the tests where no ArrayBuffer may be on the add-on's memory, as in Electron: in a build of its own (build-no-external).
// Arguments go to vitest: `npm run test:no-external -- test/train`. Without any, all tests.
import { testOwnBuild } from './own-build.mjs';

await testOwnBuild('build-no-external', { GRADCLIP_NO_EXTERNAL_BUFFERS: 'ON' }, process.argv.slice(2));
