// markdown.mjs: the pages of the repository in Markdown: which there are, what their links are, and which anchors their headings make on GitHub.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The index of docs/: its links, in their order, are the order of the guides. */
const INDEX = 'docs/README.md';
/** Pages beside docs/ that belong to the docs, after the guides. */
const BESIDE = ['CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'];

/** What is made by commands and ignored by git: no page may lead there. */
const MADE = /^(?:dist|build(?:-[^/]*)?|node_modules|prebuilds|site)(?:\/|$)/;

/** Whether a page may lead to a path of the repository. */
const isThere = (path) => !path.startsWith('..') && !MADE.test(path) && existsSync(join(root, path));

/** Pages whose links are followed, as paths from the root. */
export function pages() {
  // Not into what is installed there: an installed gradclip is a link to the checkout, and has no end.
  const within = (folder) =>
    readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (!entry.isDirectory()) return [path];
      return entry.name === 'node_modules' ? [] : within(path);
    });
  const all = [...readdirSync(root), ...['docs', 'examples', 'lib', 'binding', 'test'].flatMap(within)];
  return all.filter((name) => name.endsWith('.md') && !name.startsWith('test/fuzz/corpus/')).sort();
}

/** The index, the guides in its order, then what stands beside docs/. @throws Error where the index lacks a page of docs/ */
export function documents() {
  const all = pages().filter((name) => name.startsWith('docs/') && name !== INDEX);
  if (!isThere(INDEX)) return [...all, ...BESIDE];
  const linked = linksOf(readFileSync(join(root, INDEX), 'utf8')).map(({ path }) => posix.join('docs', path));
  const guides = [...new Set(linked)].filter((name) => all.includes(name));
  const missing = all.filter((name) => !guides.includes(name));
  if (missing.length > 0) throw new Error(`${INDEX}: expected links to ${missing.join(', ')}`);
  return [INDEX, ...guides, ...BESIDE];
}

/** Without what is shown as code. */
const prose = (text) => text.replace(/^( *)(```+).*\n[\s\S]*?^\1\2 *$/gm, '').replace(/(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g, '');

/** Links to other files and anchors of the repository. */
export function linksOf(text) {
  const found = prose(text).matchAll(
    /\]\((?![a-z][a-z+.-]*:|\/\/)([^)#\s]*)(?:#([^)\s]*))?(?: "[^"]*")?\)|^\[[^\]]+\]: +(?![a-z]+:)(\S+?)(?:#(\S+))?$/gm,
  );
  return Array.from(found, ([, path, anchor, named, namedAnchor]) => ({ path: path ?? named, anchor: anchor ?? namedAnchor }));
}

/** What the heading of a page is, without marks. */
export const titleOf = (text) => plain(/^# (.*)$/m.exec(text)[1]);
const plain = (heading) =>
  heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[`*]/g, '')
    .trim();

/** Anchors of the headings, as GitHub makes them. */
export function anchorsOf(text) {
  const seen = new Map();
  const code = text.replace(/^( *)(```+).*\n[\s\S]*?^\1\2 *$/gm, '');
  return Array.from(code.matchAll(/^#{1,6} +(.+?) *#*$/gm), ([, heading]) => {
    const slug = plain(heading)
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-');
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times === 0 ? slug : `${slug}-${times}`;
  });
}

/**
 * Links of a page that lead nowhere.
 * @param has whether there is a file or folder of this path
 * @param anchors of the page of this path
 */
export function deadLinks(page, text, has, anchors) {
  return linksOf(text).flatMap(({ path, anchor }) => {
    const target = path === '' ? page : posix.normalize(posix.join(posix.dirname(page), decodeURI(path))).replace(/\/$/, '');
    if (!has(target)) return [`${page}: leads to ${target}, which is missing`];
    if (anchor === undefined || !target.endsWith('.md') || anchors(target).includes(anchor)) return [];
    return [`${page}: ${target} has no heading #${anchor}`];
  });
}

/** Dead links of all pages. */
export function deadLinksOfPages() {
  const text = (page) => readFileSync(join(root, page), 'utf8');
  return pages().flatMap((page) => deadLinks(page, text(page), isThere, (target) => anchorsOf(text(target))));
}
