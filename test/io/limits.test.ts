// limits.test.ts: the table of limits in docs/DATA.md is lib/io/limits.ts, and options have the defaults that it says.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import '../../lib/index.ts';
import * as limits from '../../lib/io/limits.ts';
import { signatures } from '../../lib/options/index.ts';

const values: Readonly<Record<string, number>> = { ...limits };
const page = readFileSync('docs/DATA.md', 'utf8');
const rows = page
  .slice(page.indexOf('## Limits'))
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| of '))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, of, most, option]) => ({ of: of!, most: most!, option: option! }));

/** By what the row begins with. */
const ROWS: Readonly<Record<keyof typeof limits, string>> = {
  MAX_BYTES: 'a file, and all that is unpacked of it',
  MAX_WEIGHTS: 'a file of weights',
  MAX_RANK: 'dimensions of an array',
  MAX_HEADER: 'header of a safetensors file',
  MAX_METADATA: 'metadata in it',
  MAX_NAME: 'name of a tensor',
  MAX_TENSORS: 'tensors of a file',
  MAX_NPY_HEADER: 'header of a .npy file',
  MAX_LINE: 'line of a table',
  MAX_COLUMNS: 'cells of a row',
  MAX_CLASSES: 'words that are classes',
  MAX_WORD: 'characters of such a word',
  MAX_RECORD_LINE: 'line of a record',
  MAX_CONFIG: 'a configuration',
  MAX_DEPTH: 'lists and objects of JSON within each other',
  MAX_NODES: 'lists and objects in one text',
};
const UNITS: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

it('each limit has a row, and each row a limit', () => {
  expect(Object.keys(ROWS).sort()).toEqual(Object.keys(limits).sort());
  expect(rows.length).toBe(Object.keys(limits).length);
});

it.each(Object.entries(ROWS))('%s', (name, begins) => {
  const row = rows.find(({ of }) => of.startsWith(begins));
  expect(row, begins).toBeDefined();
  const [number, unit] = row!.most.split(' ');
  expect(Number(number!.replaceAll(',', '')) * (unit ? UNITS[unit]! : 1)).toBe(values[name]);
});

/** The functions that the limit of a file holds for, by what the line begins with. */
const functionsOf = (begins: string): string[] => {
  const line = page.split('\n').find((text) => text.startsWith(`- ${begins}: `))!;
  return Array.from(line.matchAll(/`([\w.]+)`/g), ([, called]) => called!);
};
const FILES = { MAX_BYTES: 'a file', MAX_WEIGHTS: 'a file of weights' } as const;

it('functions have the options that the page says, with these defaults', () => {
  const listed = Object.entries(FILES).flatMap(([name, begins]) => functionsOf(begins).map((called) => ({ name, called })));
  for (const { name, called } of listed) {
    const found = ['', 'io.'].map((space) => signatures.get(space + called)).find((x) => x !== undefined);
    expect(found?.options?.maxBytes?.fallback, called).toBe(values[name]);
  }
  expect(listed.length).toBeGreaterThan(8);
  for (const name of ['maxLine', 'maxColumns'] as const) {
    const row = rows.find(({ option }) => option === `\`${name}\``)!;
    const limit = Object.entries(ROWS).find(([, begins]) => row.of.startsWith(begins))![0];
    expect(signatures.get('io.readCsv')!.options![name]!.fallback).toBe(values[limit]);
  }
  // Whoever has the option is in the list.
  const having = [...signatures]
    .filter(([, { options }]) => options && 'maxBytes' in options)
    .map(([called]) => called.replace('io.', ''));
  expect(having.filter((called) => !listed.some((one) => one.called === called))).toEqual([]);
});
