// json.ts: JSON with changes that know its tree: values of other kinds, numbers at edges, keys twice, deep nesting, long texts.
import type { Random } from '../../torture/random.ts';
import { EDGES } from './parts.ts';
import { anyText, word } from './text.ts';

/** What stands in the text as it is. */
class Raw {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** Keys of an object in order, which may be there twice. */
class Pairs {
  readonly pairs: readonly (readonly [string, Json])[];
  constructor(pairs: readonly (readonly [string, Json])[]) {
    this.pairs = pairs;
  }
}

export type Json = unknown;

/** The text of a value. Names that are numbers stay where they are, and those of prototypes are names. */
export function written(value: Json): string {
  if (value instanceof Raw) return value.text;
  if (value instanceof Pairs) return `{${value.pairs.map(([key, v]) => `${JSON.stringify(key)}:${written(v)}`).join(',')}}`;
  if (Array.isArray(value)) return `[${value.map(written).join(',')}]`;
  if (typeof value === 'object' && value !== null) return written(new Pairs(Object.entries(value)));
  return JSON.stringify(value) ?? 'null';
}

/** An object whose keys stand in this order, whatever their names. */
export const inOrder = (pairs: readonly (readonly [string, Json])[]): Json => new Pairs(pairs);

/** The text of the value after one to three changes. */
export function disturbedJson(r: Random, value: Json): string {
  return written(changedJson(r, value));
}

/** The value after one to three changes, still valid where it is written. */
export function changedJson(r: Random, value: Json): Json {
  let out = value;
  for (let n = r.pick([1, 1, 2, 3]); n > 0; n--) out = changedOnce(r, out);
  return out;
}

type Node = { readonly value: Json; replace(now: Json): Json };

/** All values in a tree, each with what makes the tree anew with another in its place. */
function nodesOf(value: Json, replace: (now: Json) => Json = (now) => now): Node[] {
  const own: Node = { value, replace };
  if (Array.isArray(value)) {
    const put = (i: number) => (now: Json) => replace([...value.slice(0, i), now, ...value.slice(i + 1)]);
    return [own, ...value.flatMap((v, i) => nodesOf(v, put(i)))];
  }
  const pairs = pairsOf(value);
  if (pairs === null) return [own];
  const put = (i: number) => (now: Json) => replace(new Pairs(pairs.map((p, k) => (k === i ? ([p[0], now] as const) : p))));
  return [own, ...pairs.flatMap(([, v], i) => nodesOf(v, put(i)))];
}

function pairsOf(value: Json): readonly (readonly [string, Json])[] | null {
  if (value instanceof Raw) return null;
  if (value instanceof Pairs) return value.pairs;
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : null;
}

const WORDS = [
  '',
  '__proto__',
  'constructor',
  'toString',
  '__metadata__',
  'type',
  'length',
  '0',
  '-1',
  'NaN',
  '\x1b]0;title\x07',
  '\ud800',
];

function changedOnce(r: Random, value: Json): Json {
  const nodes = nodesOf(value);
  const { value: there, replace } = r.pick(nodes);
  const pairs = pairsOf(there);
  if (pairs !== null && pairs.length > 0 && r.chance(0.6)) return replace(new Pairs(changedPairs(r, pairs)));
  if (Array.isArray(there) && r.chance(0.5)) return replace(changedList(r, there));
  if (typeof there === 'number' && r.chance(0.6)) return replace(edge(r));
  if (typeof there === 'string' && r.chance(0.5)) return replace(r.chance(0.5) ? anyText(r, 20) : `${there}${r.pick(WORDS)}`);
  return replace(r.chance(0.2) ? r.pick(nodes).value : strange(r));
}

function changedPairs(r: Random, pairs: readonly (readonly [string, Json])[]): readonly (readonly [string, Json])[] {
  const at = r.between(0, pairs.length - 1);
  const [key, value] = pairs[at]!;
  const others = pairs.filter((_, i) => i !== at);
  switch (r.between(0, 4)) {
    case 0:
      return others;
    case 1:
      return [...pairs, [key, r.chance(0.5) ? value : strange(r)]];
    case 2:
      return [...others, [r.pick([...WORDS, key.toUpperCase(), word(r), r.pick(pairs)[0]]), value]];
    case 3:
      return [...pairs, [r.pick([...WORDS, word(r)]), r.chance(0.5) ? value : strange(r)]];
    default: {
      const long = r.pick([1, 50, 500]);
      return [...pairs, ...Array.from({ length: long }, (_, i) => [`${key}${i}`, value] as const)];
    }
  }
}

function changedList(r: Random, list: readonly Json[]): Json {
  const at = r.between(0, list.length);
  switch (r.between(0, 3)) {
    case 0:
      return list.slice(0, at);
    case 1:
      return [...list.slice(0, at), strange(r), ...list.slice(at)];
    case 2:
      return [...list, ...list];
    default:
      return Array.from({ length: r.pick([10, 65, 1000]) }, (_, i) => list[i % Math.max(1, list.length)] ?? 1);
  }
}

const edge = (r: Random): Json => {
  const whole = String(r.pick(EDGES) + BigInt(r.between(-1, 1)));
  return new Raw(
    r.pick([whole, `-${whole.replace('-', '')}`, '0.5', '-0', '1e308', '1e999', '-1e999', '1e-320', '2.5e-8', '1.0']),
  );
};

function strange(r: Random): Json {
  switch (r.between(0, 8)) {
    case 0:
      return null;
    case 1:
      return r.chance(0.5);
    case 2:
      return r.pick(WORDS);
    case 3:
      return [];
    case 4:
      return {};
    case 5:
      return nested(r);
    case 6:
      return 'x'.repeat(r.pick([100, 5000, 70_000]));
    case 7:
      return anyText(r, 30);
    default:
      return edge(r);
  }
}

/** Deep, for whatever calls itself. */
function nested(r: Random): Json {
  const depth = r.pick([10, 100, 1000, 12_000]);
  const [open, close] = r.pick([
    ['[', ']'],
    ['{"a":', '}'],
    ['[{"type":', '}]'],
    ['{"type":"pipeline","steps":[', ']}'],
  ] as const);
  return new Raw(`${open.repeat(depth)}${r.pick(['0', 'null', '[]', '"x"'])}${close.repeat(depth)}`);
}
