// docs.test.ts: the examples of pages in docs/ run as they stand.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');

/** What the first js block of a page prints. */
function printed(page: string): string {
  const source = /```js\n([\s\S]*?)```/.exec(readFileSync(join(root, 'docs', page), 'utf8'))![1]!;
  const folder = mkdtempSync(join(root, 'dist', 'docs-'));
  try {
    const entry = pathToFileURL(join(root, 'dist/lib/index.js')).href;
    writeFileSync(join(folder, 'example.mjs'), source.replace("'gradclip'", `'${entry}'`));
    return execFileSync(process.execPath, ['example.mjs'], { cwd: folder, encoding: 'utf8' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it('CONSTRAINTS.md: a model that loses three quarters of its hidden units', () => {
  const out = printed('CONSTRAINTS.md');
  expect(out).toContain("{ total: 0.75, tensors: { '0.weight': 0.75, '0.bias': 0.75 } }");
  const [hidden, difference] = out.trim().split('\n').at(-1)!.split(' ').map(Number);
  expect(hidden).toBe(8);
  expect(Math.abs(difference!)).toBeLessThan(1e-6);
});
