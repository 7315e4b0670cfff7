// check.ts: what comments of public names lack.
import { type Documented, readDocumented } from './read.ts';
import { type Missing, missingOf } from './rules.ts';
import { seenErrors } from './seen.ts';

export interface Checked {
  readonly items: readonly Documented[];
  readonly missing: Missing;
}

export function check(): Checked {
  const reading = readDocumented();
  return { items: reading.items, missing: missingOf(reading, seenErrors()) };
}

/** A line for each name that lacks something, by file: `lib/ops/x.ts ops.relu: shape (@shape)`. */
export function faults({ items, missing }: Checked): string[] {
  const files = new Map(items.map(({ path, file }) => [path, file]));
  return [...missing]
    .map(([path, parts]) => `${files.get(path)} ${path}: ${Array.from(parts, ([part, what]) => `${part} (${what})`).join(', ')}`)
    .sort();
}
