// package.ts: where this package lies, and its version.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The version, where scripts/bundle.mjs has written it into the code: another bundle may take that anywhere. */
declare const GRADCLIP_VERSION: string | undefined;

/** The file of this code; null where a bundler has made CommonJS of it, which does not say. */
export function ownFile(): string | null {
  const url = import.meta.url as string | undefined;
  return url?.startsWith('file:') ? fileURLToPath(url) : null;
}

/**
 * The folder of this package's package.json: two levels up from here in the sources, three in what is compiled. Null within somebody's bundle, which may
 * name the file that this code was in when it was made.
 */
export function packageFolder(): string | null {
  const file = ownFile();
  if (file === null || !existsSync(file)) return null;
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    if (!existsSync(join(folder, 'package.json'))) continue;
    // Somebody's own folder may have the name.
    const ours = manifest(folder).name === 'gradclip' && /^(dist|lib)[/\\]/.test(relative(folder, file));
    return ours ? folder : null;
  }
  return null;
}

/** The same, for whoever needs what else is in it; in a bundle the folder that code is in. */
export function packageRoot(): string {
  return packageFolder() ?? dirname(ownFile() ?? '');
}

function manifest(folder: string): { readonly name?: string; readonly version?: string } {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: string; version?: string };
}

let known: string | undefined;

export function version(): string {
  known ??= typeof GRADCLIP_VERSION === 'string' ? GRADCLIP_VERSION : manifest(packageRoot()).version!;
  return known;
}

/** Which version reads a file whose format this one does not know. `writer`: that which wrote it, if the file says so. */
export function readerOf(writer: unknown): string {
  const known = typeof writer === 'string' && writer !== '';
  const other = known ? `gradclip ${writer} wrote it: read it with that version or a later one` : 'read it with a later version';
  return `${other}; this is gradclip ${version()}`;
}
