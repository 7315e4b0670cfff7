// readme.test.ts: the README's example runs as it stands and does what it says.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');

it('the example of the README trains, prints and saves', () => {
  const source = /```js\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))![1]!;
  expect(source.split('\n').filter((l) => l.trim() !== '').length).toBeLessThanOrEqual(26);
  const folder = mkdtempSync(join(root, 'dist', 'readme-'));
  try {
    const entry = pathToFileURL(join(root, 'dist/lib/index.js')).href;
    writeFileSync(join(folder, 'example.mjs'), source.replace("'gradclip'", `'${entry}'`));
    const out = execFileSync(process.execPath, ['example.mjs'], { cwd: folder, encoding: 'utf8' });
    const accuracy = Number(/accuracy (\S+),/.exec(out)![1]);
    expect(accuracy).toBeGreaterThan(0.95);
    expect(out).toMatch(/the clip bit in [1-9]\d* of 640 steps/);
    expect(existsSync(join(folder, 'classifier.safetensors'))).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
