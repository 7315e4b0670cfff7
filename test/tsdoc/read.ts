// read.ts: every public name of lib/ and every member of the public classes and interfaces, with what an editor shows of it.
import { relative, resolve } from 'node:path';
import { type Node, SyntaxKind } from 'typescript/unstable/ast';
import { API, type Checker, type Project, type Symbol as Sym } from 'typescript/unstable/sync';
import { type Found, isPrivate, kindOf, type NameKind, Walk } from '../api/walk.ts';

export interface Tag {
  readonly name: string;
  readonly text: string;
}

export interface Documented {
  /** As users write it: `ops.relu`, `Trainer.fit`, `optim.LionOptions.lr`. */
  readonly path: string;
  readonly kind: NameKind | 'method' | 'property';
  /** What stands before the tags, inherited where a member has none of its own. */
  readonly text: string;
  readonly tags: readonly Tag[];
  /** Where it is declared, from the root. */
  readonly file: string;
  /** The declaration: a function with its body, of a class the constructor. */
  readonly code: string;
  /** May be left out. */
  readonly optional: boolean;
  /** Names of the classes and interfaces that a class or interface is made of. */
  readonly bases: readonly string[];
}

/** What is declared of a key of a function's options. */
export interface Option {
  /** Of the function that takes it. */
  readonly taker: string;
  readonly key: string;
  /** As an item of `documented`. */
  readonly item: string;
}

const ROOT = resolve(import.meta.dirname, '../..').replace(/\/dist$/, '');

/** Of lib/, as it stands. */
export function readDocumented(): Reading {
  const api = new API({ cwd: ROOT });
  try {
    const snapshot = api.updateSnapshot({ openProjects: [`${ROOT}/test/tsdoc/tsconfig.json`] });
    return new Reader(snapshot.getProjects()[0]!).read();
  } finally {
    api.close();
  }
}

export interface Reading {
  readonly items: readonly Documented[];
  readonly options: readonly Option[];
}

class Reader {
  readonly #project: Project;
  readonly #checker: Checker;
  readonly #walk: Walk;
  readonly #items: Documented[] = [];
  readonly #options: Option[] = [];
  /** Path of a member by its symbol. */
  readonly #members = new Map<number, string>();

  constructor(project: Project) {
    this.#project = project;
    this.#checker = project.checker;
    this.#walk = new Walk(project);
  }

  read(): Reading {
    const found = this.#walk.all(`${ROOT}/lib/index.ts`);
    for (const one of found) this.#name(one);
    for (const { path, symbol } of found) this.#optionsOf(path, symbol);
    return { items: this.#items, options: this.#options };
  }

  #name(found: Found): void {
    const { path, symbol, exported } = found;
    const kind = kindOf(found);
    if (kind === 'namespace') {
      const statement = exported.declarations[0]!.resolve(this.#project)!.parent;
      const [comment] = (statement as { readonly jsDoc?: readonly Node[] }).jsDoc ?? [];
      const raw = comment ? statement.getSourceFile().text.slice(comment.pos, comment.end) : '';
      this.#items.push({ ...this.#item(path, kind, symbol, statement), text: raw.replace(/^\/\*\*\s*|\s*\*\/$/g, '') });
      return;
    }
    const nodes = symbol.declarations.map((handle) => handle.resolve(this.#project)!);
    const node = nodes.at(-1)!;
    const item = this.#item(path, kind, symbol, node);
    const constructs = kind === 'class' ? membersOf(node).find(isConstructor) : undefined;
    this.#items.push({ ...item, ...(kind === 'class' && { code: constructs ? textOf(constructs) : '' }) });
    if (kind === 'class' || kind === 'type')
      for (const each of nodes) for (const member of membersOf(each)) this.#member(path, member);
  }

  #member(path: string, node: Node): void {
    const { name } = node as unknown as { readonly name?: Node };
    const symbol = name && this.#checker.getSymbolAtLocation(name);
    if (!symbol || isPrivate(node) || this.#members.has(symbol.id)) return;
    const of = `${path}.${symbol.name.replace(/^__@(\w+)@\d+$/, '[Symbol.$1]')}`;
    this.#members.set(symbol.id, of);
    const isMethod = node.kind === SyntaxKind.MethodDeclaration || node.kind === SyntaxKind.MethodSignature;
    this.#items.push(this.#item(of, isMethod ? 'method' : 'property', symbol, node));
  }

  #item(path: string, kind: Documented['kind'], symbol: Sym, node: Node): Documented {
    // `const x: T = ...` is declared by a statement around it.
    const whole = node.kind === SyntaxKind.VariableDeclaration ? node.parent.parent : node;
    const file = whole.getSourceFile();
    const { questionToken, postfixToken, heritageClauses } = node as unknown as Record<string, unknown> & {
      readonly heritageClauses?: readonly Node[];
    };
    return {
      path,
      kind,
      text: this.#checker.getDocumentationCommentOfSymbol(symbol).trim(),
      tags: this.#checker.getJsDocTagsOfSymbol(symbol).map(tagOf),
      file: relative(ROOT, file.fileName),
      code: file.text.slice(whole.getStart(), whole.end),
      optional: questionToken !== undefined || (postfixToken as Node | undefined)?.kind === SyntaxKind.QuestionToken,
      bases: (heritageClauses ?? []).flatMap((clause) => textOf(clause).match(/\b[A-Z]\w*/g) ?? []),
    };
  }

  /** The keys of the object of options that a function or constructor takes, each with the member that declares it. */
  #optionsOf(taker: string, symbol: Sym): void {
    for (const handle of symbol.declarations) {
      const node = handle.resolve(this.#project)!;
      for (const [of, parameters] of callables(taker, node)) {
        const type = (parameters.at(-1) as unknown as { readonly type?: Node } | undefined)?.type;
        if (!type || !/Options\b/.test(textOf(type))) continue;
        for (const property of this.#checker.getPropertiesOfType(this.#checker.getTypeAtLocation(type)!)) {
          const declared = this.#declared(property);
          if (declared) this.#options.push({ taker: of, key: property.name, item: declared });
        }
      }
    }
  }

  #declared(property: Sym): string | undefined {
    const node = property.declarations[0]?.resolve(this.#project) as unknown as { readonly name?: Node } | undefined;
    const own = node?.name && this.#checker.getSymbolAtLocation(node.name);
    return own && this.#members.get(own.id);
  }
}

const isConstructor = ({ kind }: Node): boolean => kind === SyntaxKind.Constructor;

const textOf = (node: Node): string => node.getSourceFile().text.slice(node.getStart(), node.end);

const tagOf = ({ name, text }: { readonly name: string; readonly text?: unknown }): Tag => ({
  name,
  text:
    typeof text === 'string'
      ? text
      : ((text as readonly { readonly text: string }[] | undefined) ?? []).map((p) => p.text).join(''),
});

/** Of a class, an interface, or a type that is an object. */
function membersOf(node: Node): readonly Node[] {
  const { members, type } = node as unknown as {
    readonly members?: readonly Node[];
    readonly type?: { readonly members?: readonly Node[] };
  };
  return [...(members ?? type?.members ?? [])];
}

/** A function, or the constructor and methods of a class, each with its parameters. */
function callables(path: string, node: Node): [string, readonly Node[]][] {
  const { parameters, members } = node as unknown as {
    readonly parameters?: readonly Node[];
    readonly members?: readonly Node[];
  };
  if (parameters) return [[path, [...parameters]]];
  return [...(members ?? [])].flatMap((member): [string, readonly Node[]][] => {
    const { name, parameters: of } = member as unknown as { readonly name?: Node; readonly parameters?: readonly Node[] };
    const called = isConstructor(member) ? path : name && `${path}.${textOf(name)}`;
    return of && called && !isPrivate(member) ? [[called, [...of]]] : [];
  });
}
