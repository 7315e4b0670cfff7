// types.test.ts: what the compiler refuses, and what it must not: the files of test/types/ under the library's declarations.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const folder = join(root, 'test/types');

/** What tsc says of a file, by line: `TS2345: ...`. */
function errorsOf(file: string): Map<number, string> {
  const args = [join(root, 'node_modules/typescript/bin/tsc'), '--noEmit', '--pretty', 'false', '-p', folder];
  let out = '';
  try {
    execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
  } catch (error) {
    out = (error as { stdout: string }).stdout;
  }
  const found = new Map<number, string>();
  let at: number | null = null;
  for (const line of out.split('\n')) {
    const start = /^(\S+)\((\d+),\d+\): error (.*)$/.exec(line);
    if (start) at = start[1] === file ? Number(start[2]) : null;
    if (at !== null) found.set(at, `${found.get(at) ?? ''}${start ? start[3] : line}\n`);
  }
  return found;
}
const errors = errorsOf('mistakes.ts');

const lines = readFileSync(join(folder, 'mistakes.ts'), 'utf8').split('\n');
const marked = lines.flatMap((line, i) => {
  const [, code, text] = /^(.*) \/\/! (.*)$/.exec(line) ?? [];
  return text === undefined ? [] : [{ line: i + 1, code: code!.trim(), text }];
});

it.each(marked)('$code', ({ line, text }) => {
  expect(errors.get(line)).toContain(text);
});

it('no other line is refused', () => {
  expect(marked.length).toBeGreaterThan(50);
  expect([...errors].filter(([line]) => !marked.some((m) => m.line === line))).toEqual([]);
});
