// paths.test.ts: files and folders of the project that its documents and comments name are there.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { filesUnder } from './files.ts';

const TREES = ['lib', 'binding', 'test', 'bench', 'scripts', 'docs', 'examples'];
/** What a path may begin from. */
const FROM = ['', ...TREES, 'binding/kernels', 'lib/train'];
/** Names that are made while the project is built or run, and patterns. */
const MADE = /[<>{}*]|VERSION|^(dist|build|prebuilds|node_modules)|^\.|^x\/|\/x[._]|^os\/|^gradclip\/|^out\/|^rules\.inc$/;
const PATH =
  /(?<![\w./@-])((?:[\w-]+\/)+[\w-]+\.(?:ts|mjs|py|h|cc|inc|md|json)|(?:[\w-]+\/)*[\w-]+\.(?:test\.ts|inc))(?![\w/.-])/g;

const there = (path: string, near: string): boolean => [near, ...FROM].some((folder) => existsSync(join(folder, path)));
const alone = new Set(['test', 'binding'].flatMap(filesUnder).map((file) => file.split('/').at(-1)));

/** Paths that a text names and that are not there. A test or a list may be named alone. */
function missing(text: string, near = '.'): string[] {
  return Array.from(text.matchAll(PATH), ([, path]) => path!).filter((path) => {
    return !MADE.test(path) && !there(path, near) && !alone.has(path);
  });
}

const pages = ['README.md', 'CONTRIBUTING.md', ...readdirSync('docs').flatMap((f) => (f.endsWith('.md') ? [`docs/${f}`] : []))];

it('documents', () => {
  const found = pages.flatMap((page) => {
    // What programs of users are called is theirs.
    const text = readFileSync(page, 'utf8').replace(/```(?:js|ts|text|sh|python|json)\n[\s\S]*?```/g, '');
    return missing(text).map((path) => `${page}: ${path}`);
  });
  expect(found).toEqual([]);
});

it('comments', () => {
  const found = TREES.flatMap((tree) => {
    const files = filesUnder(tree).filter((file) => /\.(ts|mjs|h|cc|inc|py)$/.test(file));
    return files.flatMap((file) => {
      const lines = readFileSync(file, 'utf8').split('\n');
      const comments = lines.filter((line) => /^\s*(\/\/|\/?\*|#(?! *(include|if|define)))/.test(line)).join('\n');
      return missing(comments, join(file, '..')).map((path) => `${file}: ${path}`);
    });
  });
  expect(found).toEqual([]);
});
