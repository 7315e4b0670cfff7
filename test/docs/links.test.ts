// links.test.ts: every link between the pages of the repository leads to a file that is there, and to a heading that it has; and what is looked
// for in the site that `npm run docs` makes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

interface Markdown {
  readonly root: string;
  pages(): string[];
  documents(): string[];
  titleOf(text: string): string;
  anchorsOf(text: string): string[];
  deadLinks(page: string, text: string, has: (path: string) => boolean, anchors: (path: string) => string[]): string[];
  deadLinksOfPages(): string[];
}
const markdown = (await import('../../scripts/docs/markdown.mjs' as string)) as Markdown;
const { anchorsOf, deadLinks, deadLinksOfPages, documents, pages, root, titleOf } = markdown;

it('of all pages', () => {
  expect(pages()).toEqual(expect.arrayContaining(['README.md', 'docs/CLIPPING.md']));
  expect(deadLinksOfPages()).toEqual([]);
});

it('each page of docs/ is in its index, once, under a title of its own', () => {
  const titles = documents().map((page) => titleOf(readFileSync(join(root, page), 'utf8')));
  expect(new Set(titles).size).toBe(titles.length);
});

it('a heading makes the anchor that GitHub makes', () => {
  const text = [
    '# One `code` thing: *more*',
    '## "Twice", a/b',
    '## Twice a/b',
    '```',
    '# not this',
    '```',
    '### [A link](x.md) & co.',
  ].join('\n');
  expect(anchorsOf(text)).toEqual(['one-code-thing-more', 'twice-ab', 'twice-ab-1', 'a-link--co']);
});

it('what leads nowhere is found', () => {
  const page = [
    '[a](CLIPPING.md) [b](CLIPPING.md#there) [c](#here) [d](../README.md) [e](https://example.org/x) [f](mailto:a@example.org)',
    '[g](GONE.md) [h](CLIPPING.md#gone) [i](#gone) `[j](CODE.md)` [k]: x',
    '[named]: OTHER.md',
    '```\n[l](CODE.md)\n```',
    '[m](../examples)',
  ].join('\n');
  const has = (path: string): boolean => ['docs/A.md', 'docs/CLIPPING.md', 'README.md', 'examples'].includes(path);
  expect(deadLinks('docs/A.md', page, has, (path) => (path === 'docs/CLIPPING.md' ? ['there'] : ['here']))).toEqual([
    'docs/A.md: leads to docs/GONE.md, which is missing',
    'docs/A.md: docs/CLIPPING.md has no heading #gone',
    'docs/A.md: docs/A.md has no heading #gone',
    'docs/A.md: leads to docs/OTHER.md, which is missing',
  ]);
});

it('of the site: addresses that leave it, or lead to nothing in it', async () => {
  const html = (await import('../../scripts/docs/html.mjs' as string)) as {
    deadLinks(pages: ReadonlyMap<string, string>, has: (name: string) => boolean): string[];
  };
  const pages = new Map([
    [
      'index.html',
      '<a href="a/b.html#id">b</a><a href="#top" id="top">t</a><img src="x.png"><a href="https://example.org/">e</a>',
    ],
    [
      'a/b.html',
      '<p id="id"></p><a href="../index.html#gone">g</a><a href="/index.html">i</a><a href="c.html">c</a><a href="../../up">u</a>',
    ],
  ]);
  expect(html.deadLinks(pages, (name) => pages.has(name) || name === 'x.png')).toEqual([
    'a/b.html: index.html has no id gone',
    'a/b.html: /index.html is not relative',
    'a/b.html: leads to a/c.html, which is missing',
    'a/b.html: leads to ../up, which is missing',
  ]);
});
