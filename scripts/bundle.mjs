// bundle.mjs: what users import and run, in a few files instead of hundreds: loading takes a quarter of the time. Our own tests, scripts and
// bench import dist/lib, where ops and classes are the same objects whoever imports them.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { rolldown } from 'rolldown';
import { lineMap } from './line-map.mjs';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const build = await rolldown({
  // Threads of a search are started from files of their own.
  input: { index: 'lib/index.ts', main: 'lib/cli/main.ts', worker: 'lib/tune/worker.ts', making: 'lib/cli/tune/making.ts' },
  platform: 'node',
  external: /^node:|^node-gyp-build$/,
  transform: { target: 'node20.19', define: { GRADCLIP_VERSION: JSON.stringify(version) } },
});
await build.write({
  dir: 'dist/bundle',
  cleanDir: true,
  format: 'esm',
  chunkFileNames: 'shared-[hash].js',
  // Comments out: they are a third of it. Lines stay: Node prints that of an error nobody catches. Names stay, for stack traces and for errors
  // that tell a class by its name.
  comments: false,
  sourcemap: true,
  plugins: [lineMap()],
});
await build.close();
// For `require`: the same module, not a second one. Node loads it as one, since nothing in it is awaited at the top.
writeFileSync('dist/bundle/index.cjs', "'use strict';\nmodule.exports = require('./index.js');\n");
chmodSync('dist/bundle/main.js', 0o755); // `npx gradclip` runs it where it lies
