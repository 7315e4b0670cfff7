// lint.test.ts: the rule of biome.json that keeps what engines compute differently out of lib/ sees every way to write it.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const WRONG = [
  'export const a = Math.exp(x);',
  'export const a = [x].map(Math.tanh);',
  "export const a = Math['log'](x);",
  'export const { cos } = Math;',
  'export const own = Math;',
  'export const a = globalThis.Math.sin(x);',
  'export const a = Math.max(0, Math.log1p(x));',
  'export const a = Math.E;',
  'export const a = x ** 2;',
  'export const a = 10 ** 3;',
  'export const a = 2 ** x;',
  'export const a = 2 ** 0.5;',
  'export let a = x; a **= 2;',
];
const RIGHT = [
  'export const a = Math.max(x, Math.sqrt(x), Math.abs(-x));',
  'export const a = [1, 2].map(Math.fround);',
  'export const a = 2 * Math.PI;',
  'export const a = [2 ** 24, 2 ** -24, -(2 ** 31)];',
  'export const a = 2n ** 64n;',
  'export let a = x; a *= 2;',
];

/** Errors per file of `folder`, of biome with the project's configuration. */
function errors(folder: string): Map<string, number> {
  let out = '';
  try {
    execFileSync(
      process.execPath,
      [resolve('node_modules/@biomejs/biome/bin/biome'), 'lint', '--reporter=github', '--vcs-enabled=false'],
      {
        cwd: folder,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
  } catch (error) {
    out = (error as { stdout: string }).stdout;
  }
  const found = new Map<string, number>();
  for (const [, file] of out.matchAll(/^::error title=plugin,file=.*?([a-z]+\/\w+\.ts),/gm))
    found.set(file!, (found.get(file!) ?? 0) + 1);
  return found;
}

it('finds functions of Math that differ, and powers, in lib/ alone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lint-'));
  try {
    cpSync('biome.json', join(folder, 'biome.json'));
    cpSync('scripts/lint', join(folder, 'scripts/lint'), { recursive: true });
    for (const sub of ['lib', 'test']) mkdirSync(join(folder, sub));
    const write = (path: string, code: string): void => writeFileSync(join(folder, path), `declare const x: number;\n${code}\n`);
    for (const [i, code] of WRONG.entries()) for (const sub of ['lib', 'test']) write(`${sub}/wrong${i}.ts`, code);
    for (const [i, code] of RIGHT.entries()) write(`lib/right${i}.ts`, code);
    const found = errors(folder);
    expect(WRONG.filter((_, i) => !found.has(`lib/wrong${i}.ts`))).toEqual([]);
    expect([...found.keys()].filter((file) => !file.startsWith('lib/wrong'))).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
