// limits.test.ts: the functions and options that docs/DATA.md lists beside limits are those that have them, with these defaults.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import '../../lib/index.ts';
import * as limits from '../../lib/io/limits.ts';
import { signatures } from '../../lib/options/index.ts';

const page = readFileSync('docs/DATA.md', 'utf8');
const UNITS = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;
const bytes = (text: string): number => {
  const [number, unit] = text.split(' ') as [string, keyof typeof UNITS | undefined];
  return Number(number.replaceAll(',', '')) * (unit ? UNITS[unit] : 1);
};

/** `4 GiB for a file, ...: functions`, in an item of a list that may go over several lines. */
const listed = Array.from(page.matchAll(/^- (\d+ GiB) for a file[^:]*:([\s\S]*?)(?=\n(?:- |\n))/gm)).flatMap(([, most, names]) =>
  Array.from(names!.matchAll(/`([\w.]+)`/g), ([, called]) => ({ called: called!, most: bytes(most!) })),
);

it('functions have option maxBytes with the default that the page names, and no others have it', () => {
  for (const { called, most } of listed) {
    const found = ['', 'io.'].map((space) => signatures.get(space + called)).find((x) => x !== undefined);
    expect(found?.options?.maxBytes?.fallback, called).toBe(most);
    expect([limits.MAX_BYTES, limits.MAX_WEIGHTS]).toContain(most);
  }
  const having = [...signatures].filter(([, { options }]) => options && 'maxBytes' in options);
  expect(listed.map(({ called }) => called).sort()).toEqual(having.map(([called]) => called.replace('io.', '')).sort());
});

it('options of readCsv', () => {
  const found = Array.from(page.matchAll(/`(max(?:Line|Columns))` \(([^)]+)\)/g));
  expect(found.map(([, option]) => option)).toEqual(['maxLine', 'maxColumns']);
  for (const [, option, most] of found) expect(signatures.get('io.readCsv')!.options![option!]!.fallback).toBe(bytes(most!));
});
