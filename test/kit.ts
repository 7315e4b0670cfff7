// kit.ts: what several tests share.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** A file of ../shared/data beside the repository (or under GRADCLIP_SHARED), null where it is absent: then skip, and say so. */
export function sharedData(name: string): string | null {
  const path = join(process.env.GRADCLIP_SHARED ?? resolve(import.meta.dirname, '../../shared'), 'data', name);
  if (existsSync(path)) return path;
  console.warn(`skipped: ${path} is not there`);
  return null;
}
