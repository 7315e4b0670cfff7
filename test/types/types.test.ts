// types.test.ts: what the compiler refuses, and what it must not: the files of test/types/ under the library's declarations.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const folder = join(root, 'test/types');
const { errorsOf, marksOf } = await import(new URL('../../scripts/mistakes.mjs', import.meta.url).href);

const errors: Map<string, string> = errorsOf(join(root, 'node_modules/typescript/bin/tsc'), folder);
const marks: { at: string; code: string; text: string }[] = marksOf(
  'mistakes.ts',
  readFileSync(join(folder, 'mistakes.ts'), 'utf8'),
);

it.each(marks)('$code', ({ at, text }) => {
  expect(errors.get(at)).toContain(text);
});

it('no other line is refused', () => {
  expect(marks.length).toBeGreaterThan(50);
  expect([...errors].filter(([at]) => !marks.some((m) => m.at === at))).toEqual([]);
});
