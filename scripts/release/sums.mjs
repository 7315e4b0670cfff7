// sums.mjs: the hashes of all prebuilt add-ons, as sha256sum writes and reads them.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const hashOf = (file) => createHash('sha256').update(readFileSync(file)).digest('hex');

/** The text of SHA256SUMS for the add-ons in a folder. */
export function sumsOf(folder) {
  const names = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.node'));
  return names
    .sort()
    .map((name) => `${hashOf(join(folder, name))}  ${name}\n`)
    .join('');
}
