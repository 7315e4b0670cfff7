// corpus.ts: the text of the demo that is always there: the C++ sources, which lie in the repository and in the package alike.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../../errors.ts';
import { packageRoot } from '../../native/package.ts';

const FOLDER = 'binding';
const MOST = 1_000_000;

/** All sources in the order of their paths, one after the other. */
export function ownSources(): string {
  const root = packageRoot();
  const folder = join(root, FOLDER);
  if (!existsSync(folder)) throw new DataError(`${folder}: no such folder; --text FILE takes another text`, { file: folder });
  const names = (readdirSync(folder, { recursive: true }) as string[]).filter((name) => /\.(h|cc|inc)$/.test(name));
  // By code unit, so that the order is the same everywhere.
  names.sort((a, b) => (a < b ? -1 : 1));
  const text = names.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n');
  return text.slice(0, MOST);
}
