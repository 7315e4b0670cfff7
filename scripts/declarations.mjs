// declarations.mjs: the types that users get, dist/types: of what dist/lib declares, those that can be reached from its index, and no others. What
// only the library passes around (programs, the add-on) is not among them, and costs nobody's editor anything.
// They are CommonJS declarations (.d.cts), which both kinds of modules may read; index.d.ts gives the same to ES modules. So Trainer is one
// type, whoever imports or requires it.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'rolldown/utils';

const root = fileURLToPath(new URL('..', import.meta.url));
const [from, to] = [join(root, 'dist/lib'), join(root, 'dist/types')];

/** The file that a declaration in `path` imports, as a path from dist/lib. */
const resolved = (path, specifier) => posix.join(posix.dirname(path), specifier).replace(/\.ts$/, '.d.ts');
const nameOf = (node) => node.name ?? node.value;

/** Names declared by a statement. */
function declared(statement) {
  const declaration = statement.declaration ?? statement;
  if (declaration.type === 'VariableDeclaration') return declaration.declarations.map((d) => nameOf(d.id));
  return declaration.id ? [nameOf(declaration.id)] : [];
}

/** Every name that is used in a node, whatever for, and what `import('./x.ts')` asks for: keys and parameters are no uses. */
function uses(node, found = { names: new Set(), imports: [] }) {
  if (Array.isArray(node)) for (const each of node) uses(each, found);
  else if (node && typeof node === 'object') {
    if (node.type === 'Identifier') found.names.add(node.name);
    if (node.type === 'TSImportType') {
      let first = node.qualifier;
      while (first?.left) first = first.left;
      found.imports.push({ specifier: node.source.value, name: first ? nameOf(first) : '*' });
    }
    for (const [key, child] of Object.entries(node)) {
      if (key === 'key' && !node.computed) continue;
      if (key === 'params' && !node.type?.startsWith('TSTypeParameter'))
        for (const p of child) uses(p.typeAnnotation ?? p.argument?.typeAnnotation ?? p, found);
      else uses(child, found);
    }
  }
  return found;
}

/** Where a parameter, or a property of options, is an array that may be written to: whoever has a read-only one could not give it. */
function writable(node, options = false, found = []) {
  const array = (type) => type?.type === 'TSArrayType' || (type?.type === 'TSUnionType' && type.types.some(array));
  if (Array.isArray(node)) for (const each of node) writable(each, options, found);
  else if (node && typeof node === 'object') {
    for (const p of node.type?.startsWith('TSTypeParameter') ? [] : (node.params ?? [])) {
      if (array(p.typeAnnotation?.typeAnnotation) && p.type !== 'RestElement') found.push(nameOf(p));
    }
    const inside = options || (node.type === 'TSInterfaceDeclaration' && /Options$/.test(node.id.name));
    if (inside && node.type === 'TSPropertySignature' && array(node.typeAnnotation?.typeAnnotation)) found.push(nameOf(node.key));
    for (const child of Object.values(node)) writable(child, inside, found);
  }
  return found;
}

/** A file of dist/lib: its statements, and what its names stand for. */
class File {
  static #all = new Map();
  static of(path) {
    if (!File.#all.has(path)) File.#all.set(path, new File(path));
    return File.#all.get(path);
  }
  static get all() {
    return [...File.#all.values()];
  }

  /** Statements that stay. */
  kept = new Set();
  #needed = new Set();

  constructor(path) {
    this.path = path;
    this.text = readFileSync(join(from, path), 'utf8');
    const { program, errors } = parseSync(path, this.text);
    if (errors.length > 0) throw new Error(`${path}: ${errors[0].message}`);
    this.body = program.body;
    this.specifiers = new Set();
    for (const s of this.body) if (s.kind === 'global') this.kept.add(s);
  }

  /** Keep what `name` stands for, as it is seen in this file, or what the file exports by it. */
  need(name, exported = true) {
    const key = `${exported} ${name}`;
    if (this.#needed.has(key)) return true;
    this.#needed.add(key);
    let found = false;
    for (const s of this.body) found = this.#look(s, name, exported) || found;
    return found;
  }

  #look(s, name, exported) {
    const all = exported && name === '*';
    switch (s.type) {
      case 'ImportDeclaration':
        if (exported) return false;
        return this.#specifiers(
          s,
          (x) => nameOf(x.local) === name,
          (x) => (x.imported ? nameOf(x.imported) : '*'),
        );
      case 'ExportAllDeclaration': {
        const file = File.of(resolved(this.path, s.source.value));
        if (s.exported ? all || (exported && nameOf(s.exported) === name) : exported && file.need(name)) {
          if (s.exported) file.need('*');
          this.kept.add(s);
          return true;
        }
        return false;
      }
      case 'ExportNamedDeclaration':
        if (!s.declaration) {
          if (!exported) return false;
          return this.#specifiers(
            s,
            (x) => all || nameOf(x.exported) === name,
            (x) => nameOf(x.local),
          );
        }
    }
    const names = declared(s);
    if (exported && s.type !== 'ExportNamedDeclaration') return false;
    if (!all && !names.includes(name)) return false;
    if (!this.kept.has(s)) {
      this.kept.add(s);
      const arrays = writable(s.declaration ?? s);
      if (arrays.length > 0) throw new Error(`${this.path}: ${names}: expected a readonly array as ${arrays}`);
      const { names: used, imports } = uses(s.declaration ?? s);
      for (const each of used) this.need(each, false);
      for (const { specifier, name: each } of imports) File.of(resolved(this.path, specifier)).need(each);
    }
    return true;
  }

  /** Keep those specifiers of an import or export that are wanted, and what they stand for. */
  #specifiers(s, wanted, of) {
    let found = false;
    for (const x of s.specifiers) {
      if (!wanted(x)) continue;
      found = true;
      this.kept.add(s);
      this.specifiers.add(x);
      if (s.source) File.of(resolved(this.path, s.source.value)).need(of(x));
      else this.need(of(x), false);
    }
    return found;
  }

  /** The file with what stays, each statement with the comment before it. */
  get printed() {
    let end = 0;
    const parts = [];
    for (const s of this.body) {
      const text = this.text.slice(end, s.end);
      end = s.end;
      if (!this.kept.has(s)) continue;
      const gone = s.specifiers?.filter((x) => !this.specifiers.has(x)) ?? [];
      if (gone.length === 0) parts.push(text);
      else {
        const rest = s.specifiers.filter((x) => this.specifiers.has(x)).map((x) => this.text.slice(x.start, x.end));
        const type = (s.importKind ?? s.exportKind) === 'type' ? ' type' : '';
        const source = s.source ? ` from ${s.source.raw}` : '';
        parts.push(`\n${s.type === 'ImportDeclaration' ? 'import' : 'export'}${type} { ${rest.join(', ')} }${source};`);
      }
    }
    return `${parts.join('').trim()}\n`.replace(/(from |import\()'(\.[^']+)\.ts'/g, "$1'$2.cjs'");
  }
}

File.of('index.d.ts').need('*');
rmSync(to, { recursive: true, force: true });
for (const file of File.all) {
  if (file.kept.size === 0) continue;
  const path = join(to, file.path.replace(/\.d\.ts$/, '.d.cts'));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, file.printed);
}
writeFileSync(join(to, 'index.d.ts'), "export * from './index.cjs';\n");
