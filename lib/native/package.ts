// package.ts: where this package lies, and its version.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of package.json: two levels up from here in the sources, three in what is compiled. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
}

let known: string | undefined;

export function version(): string {
  known ??= (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version;
  return known;
}

/** Which version reads a file whose format this one does not know. `writer`: that which wrote it, if the file says so. */
export function readerOf(writer: unknown): string {
  const known = typeof writer === 'string' && writer !== '';
  const other = known ? `gradclip ${writer} wrote it: read it with that version or a later one` : 'read it with a later version';
  return `${other}; this is gradclip ${version()}`;
}
