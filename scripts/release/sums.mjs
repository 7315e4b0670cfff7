// sums.mjs: the hashes of all prebuilt add-ons, as sha256sum writes and reads them.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const hashOf = (file) => createHash('sha256').update(readFileSync(file)).digest('hex');

/** Writes SHA256SUMS of all add-ons in a folder. @returns its lines */
export function writeSums(folder) {
  const names = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.node'));
  const lines = names.sort().map((name) => `${hashOf(join(folder, name))}  ${name}`);
  writeFileSync(join(folder, 'SHA256SUMS'), lines.map((line) => `${line}\n`).join(''));
  return lines;
}
