// html.mjs: whether a folder of pages is a site that opens from disk: every address in it is relative, and leads to a file and an id that are there.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';

/** Addresses that a page names, as a browser reads them; those of other places are left out. */
function addressesIn(html) {
  const found = html.matchAll(/\s(?:href|src)="([^"]*)"/g);
  return Array.from(found, ([, address]) => address.replaceAll('&amp;', '&')).filter(
    (address) => !/^(?:https?|mailto|data):/.test(address),
  );
}

const idsIn = (html) => new Set(Array.from(html.matchAll(/\s(?:id|name)="([^"]*)"/g), ([, id]) => id));

/** Addresses of pages that lead nowhere. @param pages their text, by path @param has whether there is such a file */
export function deadLinks(pages, has) {
  const ids = new Map();
  const idsOf = (path) => ids.get(path) ?? ids.set(path, idsIn(pages.get(path))).get(path);
  return [...pages].flatMap(([page, html]) =>
    addressesIn(html).flatMap((address) => {
      const [path, anchor] = address.split('#');
      if (/^(?:\/|[a-z]+:)/i.test(path)) return [`${page}: ${address} is not relative`];
      const target = path === '' ? page : posix.normalize(posix.join(posix.dirname(page), decodeURIComponent(path)));
      if (target.startsWith('..') || !has(target)) return [`${page}: leads to ${target}, which is missing`];
      if (!anchor || !pages.has(target) || idsOf(target).has(decodeURIComponent(anchor))) return [];
      return [`${page}: ${target} has no id ${anchor}`];
    }),
  );
}

export function deadLinksOfSite(folder) {
  const names = readdirSync(folder, { recursive: true }).map((name) => name.replaceAll('\\', '/'));
  const pages = new Map(
    names.filter((name) => name.endsWith('.html')).map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
  );
  return deadLinks(pages, (name) => existsSync(join(folder, name)) && statSync(join(folder, name)).isFile());
}
