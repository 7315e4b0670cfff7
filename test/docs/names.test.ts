// names.test.ts: names of the library in the prose of pages are names that it has.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import * as gradclip from '../../lib/index.ts';

const root = resolve(import.meta.dirname, '../..');
/** Names of other libraries beside ours, what `npm run -s api` makes, keys of configurations. */
const OTHERS = ['COMING-FROM.md', 'api.md', 'CONFIG.md'];
const guides = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md') && !OTHERS.includes(name));
const SPACES =
  /(?<![\w.'/])(callbacks|clip|constraint|guard|io|loss|metrics|models|nn|ops|optim|preprocess|prune|regularize)((?:\.[A-Za-z]\w*)+)/g;

/** What a text names in `code`, outside blocks: `clip.value(1)`, `new nn.Linear(2, 1)`, `optim.schedule.cosine`. */
function named(text: string): string[] {
  const prose = text.replace(/^( *)```[\s\S]*?^\1```$/gm, '');
  return Array.from(prose.matchAll(/`([^`\n]+)`/g), ([, code]) => Array.from(code!.matchAll(SPACES), ([name]) => name)).flat();
}

/** Whether there is something under a path of names. */
function exists(path: string): boolean {
  let at: unknown = gradclip;
  for (const name of path.split('.')) {
    if (at === null || at === undefined || !Object.hasOwn(Object(at), name)) return false;
    at = (at as Record<string, unknown>)[name];
  }
  return true;
}

it.each(['README.md', ...guides.map((name) => `docs/${name}`)])('%s', (page) => {
  expect(named(readFileSync(join(root, page), 'utf8')).filter((name) => !exists(name))).toEqual([]);
});

it('finds names, and what is none', () => {
  const names = named(
    '`clip.value(1)` and `x = optim.schedule.cosin(1)`, `examples/clip.mjs`, clip.norm\n```js\nclip.none()\n```',
  );
  expect(names).toEqual(['clip.value', 'optim.schedule.cosin']);
  expect(names.map(exists)).toEqual([true, false]);
});
