// programs.test.ts: every program of the README and the guides runs as it stands, and prints what the page says.
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it, test } from 'vitest';
import { isAsSaid, programsOf, run } from './programs.ts';

/** Its program prints what is loaded, which more.test.ts knows. */
const OTHER = 'INSTALL.md';

const guides = readdirSync(resolve(import.meta.dirname, '../../docs')).filter((name) => name.endsWith('.md'));
const pages = ['README.md', ...guides.filter((name) => name !== OTHER).map((name) => `docs/${name}`)]
  .map((page) => ({ page, programs: programsOf(page) }))
  .filter(({ programs }) => programs.length > 0);

test.each(pages)('$page', ({ page, programs }) => {
  run(programs).forEach((text, i) => {
    const { line, prints } = programs[i]!;
    if (!isAsSaid(prints, text)) expect(text, `${page}, line ${line}`).toBe(prints);
  });
});

it('tells what is as the page says from what is not', () => {
  expect(isAsSaid('loss 0.1 of ... rows\n', 'loss 0.1 of 20 rows\n')).toBe(true);
  expect(isAsSaid('loss 0.1 of ... rows\n', 'loss 0x1 of 20 rows\n')).toBe(false);
  expect(isAsSaid('loss 0.1\n', 'loss 0.1\nloss 0.2\n')).toBe(false);
});
