// scripts.test.ts: what the scripts import of the compiled library is there: no compiler looks at them, and some are run by hand only.
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const scripts = readdirSync('scripts').filter((name) => name.endsWith('.mjs'));

/** Names and the module they are of, of every import of dist that stands in a script; of the bundle, the public ones. */
function* imports(source: string): Generator<{ names: readonly string[]; file: string }> {
  const names = (list: string): string[] =>
    list.split(',').flatMap(
      (name) =>
        name
          .trim()
          .split(/\s+as\s+|:\s*/)[0]!
          .trim() || [],
    );
  for (const [, list, path] of source.matchAll(/import \{([^}]*)\} from '\.\.\/dist\/([^']+)\.js'/g))
    yield { names: names(list!), file: path! };
  for (const [, list, path] of source.matchAll(/const \{([^}]*)\} = await import\('\.\.\/dist\/([^']+)\.js'\)/g)) {
    yield { names: names(list!), file: path! };
  }
}

test.each(scripts)('%s', async (name) => {
  for (const { names, file } of imports(readFileSync(`scripts/${name}`, 'utf8'))) {
    const source = file === 'bundle/index' ? 'lib/index' : file;
    const found = (await import(/* @vite-ignore */ resolve(`${source}.ts`))) as object;
    for (const key of names) expect(found, `${key} of ${file}.js`).toHaveProperty(key);
  }
});

test('of all scripts together', () => {
  const all = scripts.flatMap((name) => [...imports(readFileSync(`scripts/${name}`, 'utf8'))]);
  expect(all.length).toBeGreaterThan(8);
});
