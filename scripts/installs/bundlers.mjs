// bundlers.mjs: the README's example bundled by each, with gradclip left out as docs/INSTALL.md says: it runs where the package is installed. And with
// gradclip in the bundle, which is taken elsewhere: one clear error.
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { by, example, freshFolder, install, started, tryOut } from './kit.mjs';
import { bun, run, script } from './tools.mjs';

const here = process.execPath;

/** Each: writes what it is configured by, and gives the command that makes out/app.mjs (or .cjs) of app.mjs. `external`: whether gradclip is left out. */
const BUNDLERS = {
  esbuild: (folder, external, format) => [
    // It takes npm's script away, which has put the program in its place.
    here,
    script('esbuild', 'esbuild/bin/esbuild'),
    ...['app.mjs', '--bundle', '--platform=node', `--format=${format}`, `--outfile=out/app.${format === 'esm' ? 'mjs' : 'cjs'}`],
    ...(external ? ['--external:gradclip'] : []),
  ],
  webpack(folder, external, format) {
    const esm = format === 'esm';
    const config = {
      mode: 'production',
      target: 'node20',
      entry: './app.mjs',
      output: {
        filename: `app.${esm ? 'mjs' : 'cjs'}`,
        path: join(folder, 'out'),
        ...(esm ? { module: true, chunkFormat: 'module', library: { type: 'module' } } : {}),
      },
      experiments: esm ? { outputModule: true } : {},
      ...(external && { externals: { gradclip: esm ? 'module gradclip' : 'node-commonjs gradclip' } }),
    };
    writeFileSync(join(folder, 'webpack.config.cjs'), `module.exports = ${JSON.stringify(config)};`);
    return [here, script('webpack webpack-cli', 'webpack-cli/bin/cli.js'), '--config', 'webpack.config.cjs'];
  },
  rollup(folder, external, format) {
    const modules = join(dirname(script('rollup @rollup/plugin-node-resolve', 'rollup/package.json')), '..');
    const config = `import { nodeResolve } from ${JSON.stringify(join(modules, '@rollup/plugin-node-resolve/dist/es/index.js'))};
export default {
  input: 'app.mjs',
  output: { file: 'out/app.${format === 'esm' ? 'mjs' : 'cjs'}', format: '${format}', inlineDynamicImports: true },
  external: ${JSON.stringify(external ? ['gradclip'] : [])},
  plugins: [nodeResolve()],
};`;
    writeFileSync(join(folder, 'rollup.config.mjs'), config);
    return [here, join(modules, 'rollup/dist/bin/rollup'), '-c', 'rollup.config.mjs', '--silent'];
  },
  'bun build': (_folder, external) => [
    ...[bun(), 'build', 'app.mjs', '--target=node', '--outfile=out/app.mjs'],
    ...(external ? ['--external', 'gradclip'] : []),
  ],
};
const FORMATS = { esbuild: ['esm', 'cjs'], webpack: ['esm', 'cjs'], rollup: ['esm', 'cjs'], 'bun build': ['esm'] };

/** CommonJS awaits nothing at its top. */
const app = (format) =>
  format === 'esm' ? example : example.replace(/\n\n([\s\S]*)$/, (_, rest) => `\n(async () => {\n${rest}})();\n`);

function bundled(name, external, format, tarball) {
  const { folder } = install(tarball);
  writeFileSync(join(folder, 'app.mjs'), app(format));
  const [program, ...args] = BUNDLERS[name](folder, external, format);
  run(program, args, { cwd: folder });
  return { folder, file: join(folder, `out/app.${format === 'esm' ? 'mjs' : 'cjs'}`) };
}

export const bundlers = Object.entries(FORMATS).flatMap(([name, formats]) =>
  formats.flatMap((format) => [
    {
      name: `${name} (${format}), gradclip external`,
      async at(tarball) {
        const { folder, file } = bundled(name, true, format, tarball);
        return tryOut(folder, (_, args, cwd) => by(here)(file, args, cwd), { programs: false });
      },
    },
    {
      name: `${name} (${format}), gradclip within: told what to do`,
      async at(tarball) {
        const { folder, file } = bundled(name, false, format, tarball);
        // Away from node_modules, as in a container that gets the bundle alone.
        const alone = join(freshFolder(), 'alone');
        mkdirSync(alone);
        cpSync(file, join(alone, file.split('/').at(-1)));
        run('rm', ['-rf', folder]);
        const said = await started(by(here)(join(alone, file.split('/').at(-1)), [], alone)).catch((error) => error.message);
        // Minifiers change the name of the class.
        if (!/is in a bundle[\s\S]*\nesbuild: +--external:gradclip\n[\s\S]*ERR_ADDON/.test(said))
          throw new Error(`it says ${said}`);
        return { note: 'ERR_ADDON' };
      },
    },
  ]),
);
