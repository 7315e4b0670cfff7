// words.test.ts: pages, comments and messages use the field's words, and lines of pages fit a screen.
import { readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { filesUnder } from './files.ts';

const root = resolve(import.meta.dirname, '../..');
const names = (folder: string, ending: string): string[] =>
  filesUnder(join(root, folder))
    .filter((name) => name.endsWith(ending))
    .map((name) => relative(root, name).replaceAll('\\', '/'));
const read = (name: string): string => readFileSync(join(root, name), 'utf8');

/** What `npm run api` and `npm run docs:reference` make is held by tests of its own. */
const MADE = /^docs\/(api\.md|reference\/)/;
const PAGES = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...names('docs', '.md').filter((name) => !MADE.test(name))];

/** Home-made, or word by word from another language; with what to say. */
const PHRASES: Readonly<Record<string, string>> = {
  '(?:is|are|was|were|be|been|being|gets?) told': 'is called, gets, is asked to, is reported',
  '(?:says?|said|saying|tells?|told) of': 'reports, names, holds, says about',
  'by (?:itself|themselves)': 'standalone, alone, separately, automatically',
  'how far (?:it|they) comes?': 'converges',
  '(?:the|its) clip bit': 'was active, clipped',
  '(?:changes|changed) of images': 'augmentation',
  'what (?:stands|is) beside': 'names the things',
  'gone on with': 'resumed, continued',
  'spelled out': 'escaped',
  'nobody tells': 'is not given',
  'under the glass': 'in detail',
};

/** Where a phrase stands in a text, also across lines of a paragraph or a comment. */
function* found(text: string): Generator<string> {
  for (const [phrase, better] of Object.entries(PHRASES)) {
    const across = phrase.replaceAll(' ', '\\s+(?:(?:\\*|//) +)?');
    for (const { index, 0: words } of text.matchAll(new RegExp(`\\b${across}\\b`, 'gi'))) {
      yield `${text.slice(0, index).split('\n').length}: "${words.replace(/\s+/g, ' ')}": ${better}`;
    }
  }
}

/** The part of CHANGELOG.md that is still written. */
const unreleased = (): string => /## Unreleased\n([\s\S]*?)(?=\n## |$)/.exec(read('CHANGELOG.md'))?.[1] ?? '';

it('no phrase that a reader of the field would stumble over', () => {
  const texts = [...PAGES, ...names('lib', '.ts'), ...names('examples', '.ts'), ...names('examples', '.mjs')].map(
    (name) => [name, read(name)] as const,
  );
  const all = [...texts, ['CHANGELOG.md', unreleased()] as const];
  expect(all.flatMap(([name, text]) => Array.from(found(text), (at) => `${name}:${at}`))).toEqual([]);
});

it('phrases are found, also across lines', () => {
  expect([...found('a callback is told\nwhat it\n * says\n * of that')]).toHaveLength(2);
  expect([...found('it is an old one, said often of itself; standby itself')]).toEqual([]);
});

it('lines of pages are below 120 columns', () => {
  // Code is as it is run or printed; the tables of docs/CONFIG.md and LAB.md are made by commands; what was renamed is a table of names.
  const prose = (text: string): string =>
    text
      .replace(/^( *)```[\s\S]*?^\1```$/gm, (block) => block.replace(/.+/g, ''))
      .replace(/<!-- table [\s\S]*?<!-- end -->/g, (table) => table.replace(/.+/g, ''))
      .replace(/<!-- lab [\s\S]*?<!-- end of lab -->/g, (part) => part.replace(/^\|.*$/gm, ''));
  const changes = unreleased().replace(/^\|.*$/gm, '');
  const long = [...PAGES.map((name) => [name, read(name)] as const), ['CHANGELOG.md', changes] as const];
  const lines = long.flatMap(([name, text]) =>
    prose(text)
      .split('\n')
      .map((line, i) => ({ at: `${name}:${i + 1}`, line })),
  );
  expect(lines.filter(({ line }) => line.length >= 120).map(({ at }) => at)).toEqual([]);
});
