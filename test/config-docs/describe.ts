// describe.ts: what the interfaces of options say of each key, read from the sources: a schema has no other place to take it from.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Interface {
  readonly parents: readonly string[];
  readonly keys: Readonly<Record<string, string>>;
}

/** By name, and by file and name: two files may each have one of the same name. */
const interfaces = new Map<string, Interface>();
/** The interface by the public path of the function. */
const taken = new Map<string, string>();

for (const name of readdirSync('lib', { recursive: true }) as string[]) {
  if (!name.endsWith('.ts')) continue;
  const source = readFileSync(join('lib', name), 'utf8');
  for (const [, type, parents = '', body = ''] of source.matchAll(
    /interface (\w+)(?:<[^{]*?>)?(?: extends ([^{]+?))? (?:\{\}|\{\n([\s\S]*?)\n\})/g,
  )) {
    const found = { parents: [...parents.matchAll(/\w+/g)].map(([parent]) => parent), keys: keysOf(body) };
    interfaces.set(type!, found).set(`${name} ${type}`, found);
  }
  for (const [, path, rest] of source.matchAll(/(?:signature|optionsOnly)\(\s*'([\w.]+)'([\s\S]*?);\n/g)) {
    const type = rest!.match(/options<(\w+)>/)?.[1];
    if (type) taken.set(path!, `${name} ${type}`);
  }
}

/** What stands before each key, in one line. */
function keysOf(body: string): Record<string, string> {
  const found = body.matchAll(/\/\*\*\s*(?:\*\s+)?([\s\S]*?)\s*\*\/\s*readonly (\w+)/g);
  return Object.fromEntries(Array.from(found, ([, text, key]) => [key!, text!.replace(/\s*\n\s*\* ?/g, ' ')]));
}

const allOf = (type: string): Record<string, string> => {
  const found = interfaces.get(type) ?? interfaces.get(type.split(' ').at(-1)!);
  return found ? Object.assign({}, ...found.parents.map(allOf), found.keys) : {};
};

/** Options by name: of a function, by its public path, or of an interface. */
export function describe(path: string): Readonly<Record<string, string>> {
  const type = taken.get(path) ?? path;
  return allOf(type);
}
