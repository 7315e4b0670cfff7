// report.ts: everything that users can name, as the compiler's declarations in dist/lib give it: the text of docs/api.md, and what the test
// holds of it.
import { resolve } from 'node:path';
import { type Node, type SourceFile, SyntaxKind } from 'typescript/unstable/ast';
import { API, type Checker, type Project, type Symbol as Sym, SymbolFlags } from 'typescript/unstable/sync';

export interface Name {
  /** As users write it: `ops.relu`, `Trainer`. */
  readonly path: string;
  /** A value is there when a program runs; a type is not. A namespace is a value. */
  readonly kind: 'namespace' | 'function' | 'class' | 'constant' | 'type';
  /** Its declarations, without comments and without what is private. */
  readonly text: string;
  /** Types of the library in these that have no public name. */
  readonly hidden: readonly string[];
}

export interface Report {
  readonly names: readonly Name[];
  /** Paths of one and the same thing. */
  readonly twice: readonly (readonly string[])[];
}

const ROOT = resolve(import.meta.dirname, '../..').replace(/\/dist$/, '');

/** Of dist/lib, as it stands. */
export function readReport(): Report {
  const api = new API({ cwd: ROOT });
  try {
    const snapshot = api.updateSnapshot({ openProjects: [`${ROOT}/test/api/tsconfig.json`] });
    return new Reader(snapshot.getProjects()[0]!).report();
  } finally {
    api.close();
  }
}

interface Found {
  readonly path: string;
  readonly symbol: Sym;
  readonly typeOnly: boolean;
}

class Reader {
  readonly #project: Project;
  readonly #checker: Checker;

  constructor(project: Project) {
    this.#project = project;
    this.#checker = project.checker;
  }

  report(): Report {
    const index = this.#project.program.getSourceFile(`${ROOT}/dist/lib/index.d.ts`)!;
    const found = [...this.#within(this.#checker.getSymbolAtLocation(index)!, '')];
    const paths = new Map<number, string[]>();
    for (const { symbol, path } of found) paths.set(symbol.id, [...(paths.get(symbol.id) ?? []), path]);
    return {
      names: found.map((one) => this.#name(one, paths)),
      twice: [...paths.values()].filter((all) => all.length > 1),
    };
  }

  *#within(namespace: Sym, prefix: string): Generator<Found> {
    const members = [...this.#checker.getExportsOfModule(namespace)].sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const member of members) {
      const path = prefix + member.name;
      const symbol = this.#target(member);
      yield { path, symbol, typeOnly: this.#isTypeOnly(member) };
      if (symbol.flags & SymbolFlags.ValueModule) yield* this.#within(symbol, `${path}.`);
    }
  }

  #target(symbol: Sym): Sym {
    return symbol.flags & SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol;
  }

  /** Whether `export type` stands anywhere between the name and what it names. */
  #isTypeOnly(symbol: Sym): boolean {
    for (let at: Sym | undefined = symbol; at && at.flags & SymbolFlags.Alias; at = this.#checker.getImmediateAliasedSymbol(at)) {
      const isType = at.declarations.some((handle) => {
        const specifier = handle.resolve(this.#project) as (Node & { readonly isTypeOnly?: boolean }) | undefined;
        const statement = specifier?.parent?.parent as (Node & { readonly isTypeOnly?: boolean }) | undefined;
        return specifier?.isTypeOnly || (specifier?.kind === SyntaxKind.ExportSpecifier && statement?.isTypeOnly);
      });
      if (isType) return true;
    }
    return false;
  }

  #name({ path, symbol, typeOnly }: Found, paths: ReadonlyMap<number, unknown>): Name {
    const kind = kindOf(symbol, typeOnly);
    if (kind === 'namespace') return { path, kind, text: '', hidden: [] };
    const nodes = symbol.declarations.map((handle) => handle.resolve(this.#project)!);
    const hidden = new Set(nodes.flatMap((node) => [...this.#hidden(node, paths)]));
    return { path, kind, text: nodes.map(textOf).join('\n'), hidden: [...hidden].sort() };
  }

  *#hidden(node: Node, paths: ReadonlyMap<number, unknown>): Generator<string> {
    const parts: Node[] = [];
    node.forEachChild((child) => void parts.push(child));
    for (const part of parts) {
      if (isPrivate(part)) continue;
      if (part.kind === SyntaxKind.Identifier) {
        const at = this.#checker.getSymbolAtLocation(part);
        const target = at && this.#target(at);
        if (!target || !(target.flags & TYPES) || paths.has(target.id)) continue;
        const file = target.declarations[0]?.resolve(this.#project)?.getSourceFile().fileName ?? '';
        if (file.startsWith(`${ROOT}/dist/lib/`)) yield target.name;
      } else yield* this.#hidden(part, paths);
    }
  }
}

const TYPES = SymbolFlags.Interface | SymbolFlags.Class | SymbolFlags.TypeAlias;

function kindOf({ flags }: Sym, typeOnly: boolean): Name['kind'] {
  if (flags & SymbolFlags.ValueModule) return 'namespace';
  if (typeOnly || !(flags & SymbolFlags.Value)) return 'type';
  if (flags & SymbolFlags.Class) return 'class';
  return flags & SymbolFlags.Function ? 'function' : 'constant';
}

/** Not shown. */
const isPrivate = (node: Node): boolean =>
  ((node as Node & { readonly modifiers?: readonly Node[] }).modifiers ?? []).some((m) => m.kind === SyntaxKind.PrivateKeyword) ||
  (node as Node & { readonly name?: Node }).name?.kind === SyntaxKind.PrivateIdentifier;

/** A declaration as it is written in dist/lib. */
function textOf(declaration: Node): string {
  // `const x: T` is declared by a statement around it.
  const node = declaration.kind === SyntaxKind.VariableDeclaration ? declaration.parent.parent : declaration;
  const file: SourceFile = node.getSourceFile();
  const cut: (readonly [number, number])[] = [];
  const visit = (part: Node): void => {
    part.forEachChild((child) => {
      if (isPrivate(child)) cut.push([child.pos, child.end]);
      else visit(child);
    });
  };
  visit(node);
  let text = file.text.slice(node.getStart(), node.end);
  for (const [from, to] of cut.reverse()) {
    const start = node.getStart();
    text = text.slice(0, from - start) + text.slice(to - start);
  }
  return text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^export (declare )?/, '')
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .join('\n')
    .replace(/\{\n\}/g, '{}');
}
