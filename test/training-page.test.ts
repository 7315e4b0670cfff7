// training-page.test.ts: every example of docs/TRAINING.md runs as it stands.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const [shared, ...examples] = Array.from(
  readFileSync(join(root, 'docs', 'TRAINING.md'), 'utf8').matchAll(/^## (.*)$|```js\n([\s\S]*?)```/gm),
).reduce<{ title: string; source: string }[]>((found, [, title, source]) => {
  if (title !== undefined) found.push({ title, source: '' });
  else if (found.length === 0) found.push({ title: '', source: source! });
  else found.at(-1)!.source += source;
  return found;
}, []);
const folder = mkdtempSync(join(root, 'dist', 'training-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SAYS: Readonly<Record<string, RegExp>> = {
  'Weights and what is trained': /^4 tensors, the first weight is -?\d\.\d+\n$/,
  'Rates that follow the validation': /^the rate is multiplied by (1|0\.\d+)\n$/,
  Accumulation: /^25 steps of 40 rows\n$/,
  'Loss scaling': /^the scale was 262144\n$/,
  'Averages of the weights': /^loss 0\.\d+, with the average 0\.\d+\n$/,
  Regularization: /^loss 0\.\d+, penalty 0\.0\d+\n$/,
  Guards: /\d+ times something was wrong\n$/,
  'Following a run': /^best loss 0\.\d+\n$/,
  'Checkpoints, and a run that goes on': /^100 steps\n$/,
  Warnings: /^0 warnings\n$/,
};

test('every section has an example', () => {
  expect(examples.map((e) => e.title)).toEqual(Object.keys(SAYS));
});

test.each(examples)('$title', ({ title, source }) => {
  const entry = pathToFileURL(join(root, 'dist/lib/index.js')).href;
  const file = `${title.replaceAll(' ', '-')}.mjs`;
  writeFileSync(join(folder, file), (shared!.source + source).replace("'gradclip'", `'${entry}'`));
  const out = execFileSync(process.execPath, [file], { cwd: folder, encoding: 'utf8' });
  expect(out).toMatch(SAYS[title]!);
});
