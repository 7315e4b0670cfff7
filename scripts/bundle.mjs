// bundle.mjs: what users import and run, in three files instead of a hundred: loading takes a quarter of the time. Our own tests, scripts and
// bench import dist/lib, where ops and classes are the same objects whoever imports them.
import { rolldown } from 'rolldown';

const build = await rolldown({
  input: { index: 'dist/lib/index.js', main: 'dist/lib/cli/main.js' },
  platform: 'node',
  external: /^node:|^node-gyp-build$/,
});
await build.write({
  dir: 'dist/bundle',
  format: 'esm',
  chunkFileNames: 'shared-[hash].js',
  // Blanks and comments out: they are half of it. Names stay, for stack traces and for errors that tell a class by its name.
  minify: { compress: false, mangle: false },
});
await build.close();
