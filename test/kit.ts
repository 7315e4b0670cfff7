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

/** Team sizes that tests compare with one thread: those that are no prime cut work in two or three ways at once. */
export const TEAMS: readonly number[] = [2, 3, 4, 5, 6, 7, 8, 9, 12, 16];
