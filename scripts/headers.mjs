// headers.mjs: the headers of Node-API into dist/headers, for the package: who compiles its add-on (`npx gradclip build`) needs nothing else of npm.
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const to = fileURLToPath(new URL('../dist/headers', import.meta.url));
const of = (name, folder = '') => join(dirname(require.resolve(`${name}/package.json`)), folder);

mkdirSync(to, { recursive: true });
for (const folder of [of('node-addon-api'), of('node-api-headers', 'include')]) {
  for (const name of readdirSync(folder).filter((name) => name.endsWith('.h'))) cpSync(join(folder, name), join(to, name));
}
