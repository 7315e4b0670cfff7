// words.ts: how errors show a value, and which known name is nearest to one that is not known.

/** A value as it reads in an error message: short, and strings in quotes. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
  if (typeof value === 'function')
    return /^class\b/.test(Function.prototype.toString.call(value))
      ? value.name
        ? `class ${value.name}`
        : 'a class'
      : 'a function';
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  const maker = value.constructor;
  if (typeof maker !== 'function' || maker === Object || maker.name === '') return 'an object';
  return `${/^[AEIOU]/.test(maker.name) ? 'an' : 'a'} ${maker.name}`;
}

/** Whether it can only be called with new. */
export const isClass = (value: object): boolean => /^class\b/.test(Function.prototype.toString.call(value));

/** Names of more characters are no slip of somebody's hand, and no more than so many are looked at. */
const LONGEST = 64;
const MOST = 10_000;

/** The known name with the fewest edits from `name`, or undefined when none is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (name.length > LONGEST) return undefined;
  let best: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known.slice(0, MOST)) {
    // Each character more is an edit.
    if (Math.abs(candidate.length - name.length) >= least) continue;
    const d = edits(name.toLowerCase(), candidate.toLowerCase());
    if (d < least) {
      least = d;
      best = candidate;
    }
  }
  return best;
}

/** The end of an error about a name that is not known: the nearest one, else all of them, where they are few. */
export function suggestion(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return near ? `; did you mean ${near}?` : known.length <= 20 ? `; there are ${known.join(', ')}` : '';
}

/** Insertions, deletions, replacements and swaps of neighbors that turn `a` into `b`. */
function edits(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...new Array<number>(b.length).fill(0)]);
  for (let j = 1; j <= b.length; j++) rows[0]![j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let d = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) d = Math.min(d, rows[i - 2]![j - 2]! + 1);
      rows[i]![j] = d;
    }
  }
  return rows[a.length]![b.length]!;
}
