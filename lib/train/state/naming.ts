// naming.ts: which of the values that come from elsewhere are meant, and what they are called here.
import { anyText } from '../../data/fields.ts';
import { pattern } from '../../nn/fields.ts';
import { matcher, type Pattern } from '../../nn/module/module.ts';
import { bool, either, type Field, fn, nullable, Place, record, show, suggestion } from '../../options/index.ts';

/** Names: by a pattern, `*` in a text standing for any characters, or by a function that looks at each. */
export type NameMatch = Pattern | ((name: string) => boolean);

/**
 * What names from elsewhere are here: a function of the name, or prefixes (`{ 'module.': '', 'q.': 'target.' }`, of several that a name begins with the
 * longest; others stay). null leaves out what has the name.
 */
export type Rename = ((name: string) => string | null) | Readonly<Record<string, string | null>>;

/** As options. */
export const nameMatch: Field<NameMatch> = either(pattern, fn<Exclude<NameMatch, Pattern>>('a function of the name'));
const renamed = nullable(anyText);
export const rename: Field<Rename> = either(
  fn<Exclude<Rename, object>>('a function of the name'),
  record(renamed, 'new names by prefix'),
) as Field<Rename>;

/** Those of the names that match. @throws OptionError if none does */
export function matching(place: Place, names: Iterable<string>, match: NameMatch): Set<string> {
  const test = typeof match === 'function' ? match : matcher(place.where, match);
  const all = [...names];
  const matches = (name: string): boolean => {
    const said: unknown = test(name);
    return typeof said === 'boolean' ? said : bool.read(said, place.at(show(name)));
  };
  const found = new Set(all.filter(matches));
  if (found.size > 0) return found;
  const what = typeof match === 'function' ? 'the function' : String(match);
  throw place.refuse(`no name matches ${what}${suggestion(what, all)}`, { match, names: all });
}

/** Names here by names from elsewhere, of those that are not left out. @throws OptionError for a prefix that no name has, and for two of one name here */
export function renaming(place: Place, names: Iterable<string>, rename: Rename | undefined): Map<string, string> {
  if (rename === undefined) return new Map(Array.from(names, (name) => [name, name]));
  const all = [...names];
  const call = typeof rename === 'function' ? rename : byPrefix(place, all, rename);
  const found = new Map<string, string>();
  const from = new Map<string, string>();
  for (const name of all) {
    const said: unknown = call(name);
    const to = typeof said === 'string' ? said : renamed.read(said, place.at(show(name)));
    if (to === null) continue;
    const before = from.get(to);
    if (before !== undefined)
      throw place.refuse(`${before} and ${name} are both ${show(to)} then`, { names: [before, name], to });
    from.set(to, name);
    found.set(name, to);
  }
  return found;
}

function byPrefix(
  place: Place,
  names: readonly string[],
  prefixes: Readonly<Record<string, string | null>>,
): (name: string) => string | null {
  const longestFirst = Object.keys(prefixes).sort((a, b) => b.length - a.length);
  const unused = longestFirst.find((prefix) => !names.some((name) => name.startsWith(prefix)));
  if (unused !== undefined) {
    throw place.key(unused).refuse(`no name begins with ${show(unused)}${suggestion(unused, names)}`, { prefix: unused, names });
  }
  return (name) => {
    const prefix = longestFirst.find((p) => name.startsWith(p));
    if (prefix === undefined) return name;
    const to = prefixes[prefix]!;
    return to === null ? null : to + name.slice(prefix.length);
  };
}

/** An option of a function, as errors name it. */
export const option = (where: string, name: string): Place => new Place(where, 'option', name);
