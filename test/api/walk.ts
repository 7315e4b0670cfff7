// walk.ts: every name that users can say, with its symbol: the compiler's exports of an index, and of the spaces in it.
import { type Node, SyntaxKind } from 'typescript/unstable/ast';
import { type Checker, type Project, type Symbol as Sym, SymbolFlags } from 'typescript/unstable/sync';

export interface Found {
  /** As users write it: `ops.relu`, `Trainer`. */
  readonly path: string;
  /** Where it is exported from. */
  readonly exported: Sym;
  readonly symbol: Sym;
  readonly typeOnly: boolean;
}

/** A value is there when a program runs; a type is not. A namespace is a value. */
export type NameKind = 'namespace' | 'function' | 'class' | 'constant' | 'type';

export class Walk {
  readonly #project: Project;
  readonly #checker: Checker;

  constructor(project: Project) {
    this.#project = project;
    this.#checker = project.checker;
  }

  /** All names that the file exports, each space before what is in it. */
  all(index: string): Found[] {
    const file = this.#project.program.getSourceFile(index)!;
    return [...this.#within(this.#checker.getSymbolAtLocation(file)!, '')];
  }

  /** What an export or import stands for. */
  target(symbol: Sym): Sym {
    return symbol.flags & SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol;
  }

  *#within(namespace: Sym, prefix: string): Generator<Found> {
    const members = [...this.#checker.getExportsOfModule(namespace)].sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const exported of members) {
      const path = prefix + exported.name;
      const symbol = this.target(exported);
      yield { path, exported, symbol, typeOnly: this.#isTypeOnly(exported) };
      if (symbol.flags & SymbolFlags.ValueModule) yield* this.#within(symbol, `${path}.`);
    }
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
}

export function kindOf({ symbol: { flags }, typeOnly }: Found): NameKind {
  if (flags & SymbolFlags.ValueModule) return 'namespace';
  if (typeOnly || !(flags & SymbolFlags.Value)) return 'type';
  if (flags & SymbolFlags.Class) return 'class';
  return flags & SymbolFlags.Function ? 'function' : 'constant';
}

/** Not shown. */
export const isPrivate = (node: Node): boolean =>
  ((node as Node & { readonly modifiers?: readonly Node[] }).modifiers ?? []).some((m) => m.kind === SyntaxKind.PrivateKeyword) ||
  (node as Node & { readonly name?: Node }).name?.kind === SyntaxKind.PrivateIdentifier;
