// files.ts: the files of a folder of the checkout.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Paths of all files under a folder, without what is installed there: an installed gradclip is a link to the checkout, and has no end. */
export function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name).replaceAll('\\', '/');
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesUnder(path);
    return entry.isFile() ? [path] : [];
  });
}
