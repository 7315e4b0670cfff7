// literals.ts: the values that a comment spells after "Default", as JavaScript has them.

const LITERAL =
  /\[[^\]]*\]|'[^']*'|`[^`]*`|-?(?:\d[\d,]*\d|\d)(?:\.\d+)?(?:e[+-]?\d+)?(?: \/ \d+| [KMG]iB|\^-?\d+)?|-?Infinity|\b(?:true|false|null)\b/g;

/** In order. A word in quotes or backticks is a string, and may also be the value that it spells. */
export const literalsOf = (text: string): unknown[] => (text.match(LITERAL) ?? []).flatMap((literal) => valuesOf(literal));

function valuesOf(literal: string): unknown[] {
  if (literal.startsWith('[')) return [listOf(literal)];
  if (/^['`]/.test(literal)) {
    const inner = literal.slice(1, -1);
    const [value] = literalsOf(inner);
    return /^['[`\d-]|^(?:true|false|null|Infinity)$/.test(inner) && value !== undefined ? [value] : [inner];
  }
  return [spelled(literal)];
}

const listOf = (literal: string): unknown[] =>
  literal
    .slice(1, -1)
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => (/^'/.test(part) ? part.slice(1, -1) : spelled(part)));

function spelled(literal: string): unknown {
  const named: Readonly<Record<string, unknown>> = { true: true, false: false, null: null, Infinity, '-Infinity': -Infinity };
  if (Object.hasOwn(named, literal)) return named[literal];
  const [, number, power, below, prefix] = /^(-?[^ ^]+)(?:\^(.+))?(?: \/ (\d+))?(?: ([KMG])iB)?$/.exec(
    literal.replaceAll(',', ''),
  )!;
  const by = prefix ? 1024 ** ('KMG'.indexOf(prefix) + 1) : 1;
  return power ? Number(number) ** Number(power) : (Number(number) / Number(below ?? 1)) * by;
}

export const same = (a: unknown, b: unknown): boolean =>
  Array.isArray(a) && Array.isArray(b) ? a.length === b.length && a.every((value, i) => same(value, b[i])) : Object.is(a, b);
