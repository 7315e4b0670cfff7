// check.ts: what comments of public names lack today, beside the list of what they may still lack.
import { readFileSync, writeFileSync } from 'node:fs';
import { type Documented, readDocumented } from './read.ts';
import { type Missing, missingOf, type Part } from './rules.ts';
import { seenErrors } from './seen.ts';

/** One line a name: its path and the parts that it lacks. The list only ever becomes shorter. */
const LIST = 'test/tsdoc/missing.txt';

export interface Checked {
  readonly items: readonly Documented[];
  readonly missing: Missing;
}

export function check(): Checked {
  const reading = readDocumented();
  return { items: reading.items, missing: missingOf(reading, seenErrors()) };
}

const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');

/** What the list allows, by path. */
export const allowed = (): ReadonlyMap<string, readonly string[]> =>
  new Map(
    linesOf(readFileSync(LIST, 'utf8'))
      .map((line) => line.split(' '))
      .map(([path, ...parts]) => [path!, parts]),
  );

/** Parts that are lacking and that the list does not allow: `ops.relu: @shape`. */
export function faults({ missing }: Checked): string[] {
  const list = allowed();
  return [...missing].flatMap(([path, parts]) =>
    [...parts].filter(([part]) => !list.get(path)?.includes(part)).map(([part, what]) => `${path}: ${part}: expected ${what}`),
  );
}

/** Takes out of the list what is no longer lacking. */
export function shorten({ missing }: Checked): void {
  const lines = [...allowed()].flatMap(([path, parts]) => {
    const left = parts.filter((part) => missing.get(path)?.has(part as Part));
    return left.length > 0 ? [`${[path, ...left].join(' ')}\n`] : [];
  });
  writeFileSync(LIST, lines.join(''));
}
