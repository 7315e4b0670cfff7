// vitest.config.ts of test/arm64: the tests of what computes, in processes of a Node for 64-bit ARM (npm run test:arm64). Vitest itself, and the compiling of
// tests, is this machine's own; GRADCLIP_ARM64_NODE is an executable that the processes are started with.
import { resolve } from 'node:path';
import type { ViteUserConfig } from 'vitest/config';
import base from '../../vitest.config.ts';

const node = process.env.GRADCLIP_ARM64_NODE;
if (!node) throw new Error('GRADCLIP_ARM64_NODE: expected an executable of Node: run `npm run test:arm64`');
// Vitest forks what process.execPath names. A fork of another version understands it: what they send is structured clones.
process.execPath = node;

const config: ViteUserConfig = {
  ...base,
  root: resolve(import.meta.dirname, '../..'),
  test: {
    ...base.test,
    // Would compile dist/ by that Node; test:arm64 has done so.
    globalSetup: [],
    setupFiles: [resolve(import.meta.dirname, '../setup.ts'), resolve(import.meta.dirname, 'setup.ts')],
    // What no processor changes: words and files, the tools of a checkout, how the add-on is found; what has commands of its own, and what
    // measures this machine.
    exclude: [
      'test/{api,build,cli,commands,config-docs,data,docs,faces,fuzz,history,house,interchange,kills,options,torture,tsdoc,types}/**',
      'test/io/!(old-files|earlier-versions).test.ts',
      'test/native/{external-buffers,loading,node-api,process,room}.test.ts',
      'test/train/{programs/memory,run/process}.test.ts',
      'test/{nn/summary,nn/wrong-shapes,metrics/metrics,optim/schedule,golden/runs/recipe}.test.ts',
    ],
  },
};
export default config;
