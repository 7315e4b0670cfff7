// report.ts: everything that users can name, as the compiler's declarations in dist/lib give it: the text of docs/api.md, and what the test
// holds of it.
import { resolve } from 'node:path';
import { type Node, type SourceFile, SyntaxKind } from 'typescript/unstable/ast';
import { API, type Checker, type Project, SymbolFlags } from 'typescript/unstable/sync';
import { type Found, isPrivate, kindOf, type NameKind, Walk } from './walk.ts';

export interface Name {
  /** As users write it: `ops.relu`, `Trainer`. */
  readonly path: string;
  readonly kind: NameKind;
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

class Reader {
  readonly #project: Project;
  readonly #checker: Checker;
  readonly #walk: Walk;

  constructor(project: Project) {
    this.#project = project;
    this.#checker = project.checker;
    this.#walk = new Walk(project);
  }

  report(): Report {
    const found = this.#walk.all(`${ROOT}/dist/lib/index.d.ts`);
    const paths = new Map<number, string[]>();
    for (const { symbol, path } of found) paths.set(symbol.id, [...(paths.get(symbol.id) ?? []), path]);
    return {
      names: found.map((one) => this.#name(one, paths)),
      twice: [...paths.values()].filter((all) => all.length > 1),
    };
  }

  #name(found: Found, paths: ReadonlyMap<number, unknown>): Name {
    const { path, symbol } = found;
    const kind = kindOf(found);
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
        const target = at && this.#walk.target(at);
        if (!target || !(target.flags & TYPES) || paths.has(target.id)) continue;
        const file = target.declarations[0]?.resolve(this.#project)?.getSourceFile().fileName ?? '';
        if (file.startsWith(`${ROOT}/dist/lib/`)) yield target.name;
      } else yield* this.#hidden(part, paths);
    }
  }
}

const TYPES = SymbolFlags.Interface | SymbolFlags.Class | SymbolFlags.TypeAlias;

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
