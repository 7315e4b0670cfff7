// mutate.test.ts: the mutants of `npm run -s mutate` are of these sources; how many there are, and of what.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { changed } from './change.ts';
import { MUTANTS } from './mutants/index.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

it('what a mutant replaces stands in its file once, in one line', () => {
  for (const mutant of MUTANTS) {
    const { what, file, before, after } = mutant;
    expect(changed(mutant, read(file)), what).not.toBe(read(file));
    expect(before + after, what).not.toContain('\n');
  }
});

it('the tests that are to see it are there, and what their names have', () => {
  for (const { what, tests } of MUTANTS)
    for (const file of tests[0].split(' ')) expect(existsSync(join(ROOT, file)), `${what}: ${file}`).toBe(true);
});

it('each is told by its own words, and there are some of every folder', () => {
  expect(new Set(MUTANTS.map(({ what }) => what)).size).toBe(MUTANTS.length);
  const inFolder = (name: string): number => MUTANTS.filter(({ file }) => file.startsWith(`lib/${name}/`)).length;
  for (const name of [
    'ops',
    'clip',
    'optim',
    'compile',
    'native',
    'nn',
    'train',
    'data',
    'metrics',
    'history',
    'io',
    'options',
    'cli',
  ]) {
    expect(inFolder(name), name).toBeGreaterThanOrEqual(2);
  }
  const native = MUTANTS.filter(({ file }) => file.startsWith('binding/'));
  expect(native.length).toBeGreaterThanOrEqual(20);
  expect(MUTANTS.length - native.length).toBeGreaterThanOrEqual(60);
});
