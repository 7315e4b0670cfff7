// recipes.test.ts: the recipes of docs/SOURCES.md: each stands on the page as it is in examples/tables/, and those whose libraries are installed run, and
// print what all of them print.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const folder = join(root, 'examples/tables');
const { PRINTS, RECIPES } = (await import('../../scripts/recipes/list.mjs' as string)) as {
  readonly PRINTS: string;
  readonly RECIPES: readonly {
    readonly file: string;
    readonly packages: readonly string[];
    readonly server?: true;
    readonly node?: number;
  }[];
};

it('the page shows a part of each, as it stands', () => {
  const page = readFileSync(join(root, 'docs/SOURCES.md'), 'utf8');
  const shown = Array.from(page.matchAll(/^```javascript\n([\s\S]*?)^```/gm), ([, block]) => block!);
  const recipes = readdirSync(folder).filter((name) => name !== 'flats.mjs');
  for (const name of recipes) {
    const source = readFileSync(join(folder, name), 'utf8');
    expect(
      shown.filter((block) => source.includes(block)),
      name,
    ).toHaveLength(1);
  }
  expect(shown).toHaveLength(recipes.length);
  expect(RECIPES.map(({ file }) => file).sort()).toEqual(recipes.sort());
});

const { resolve: find } = createRequire(import.meta.url);
function installed(name: string): boolean {
  try {
    find(name);
    return true;
  } catch {
    return false;
  }
}
const here = RECIPES.filter(
  ({ packages, server, node }) => !server && packages.every(installed) && (!node || isBuiltin('node:sqlite')),
);
const others = RECIPES.filter((one) => !here.includes(one)).map(({ file }) => file);
if (others.length > 0) console.warn(`skipped: ${others.join(', ')}: not installed here; npm run -s check:recipes runs them`);

it.skipIf(here.length === 0).each(here)('$file', ({ file }) => {
  expect(execFileSync(process.execPath, [join(folder, file)], { encoding: 'utf8' })).toBe(PRINTS);
});
