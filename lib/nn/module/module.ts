// module.ts: the base class of layers and models: typed fields, found by name; nested, in arrays, in objects.
import { printAs } from '../../errors/inspect.ts';
import { OptionError } from '../../errors.ts';
import { toPrimitive } from '../../ir/traced.ts';
import {
  bool,
  instance,
  type OptionsField,
  options,
  optionsOnly,
  Place,
  show,
  signature,
  suggestion,
  text,
} from '../../options/index.ts';
import { match, seed } from '../fields.ts';
import { Buffer } from './buffer.ts';
import { Parameter } from './parameter.ts';
import { settingsOf, treeOf } from './repr.ts';
import { walk } from './tree.ts';
import { placeTogether, valuesOf } from './values.ts';

export { type Aggregation, Buffer, type BufferOptions, type Join } from './buffer.ts';
export { Parameter, type ParameterOptions } from './parameter.ts';
export { type BindOptions, bindParameters } from './trace.ts';

/** Names of parameters: `*` in a string stands for any characters (`encoder.*`, `*.bias`); a RegExp is searched for. */
export type Pattern = string | RegExp;

/** Which parameters: by name, or by a function that looks at them (`(name, { shape }) => shape.length > 1`). */
export type Match = Pattern | ((name: string, parameter: Parameter) => boolean);

interface NamedOptions {
  /** Default true; false yields what is tied once for each of its names. */
  readonly removeDuplicate?: boolean;
}
const namedOptions: OptionsField<NamedOptions, Required<NamedOptions>> = options<NamedOptions>()({
  removeDuplicate: bool.default(true),
});
const readModule = signature('nn.Module', {});
const readNamedParameters = optionsOnly('nn.Module.namedParameters', namedOptions);
const readNamedBuffers = optionsOnly('nn.Module.namedBuffers', namedOptions);
const readNamedModules = signature('nn.Module.namedModules', {});
const readGetParameter = signature('nn.Module.getParameter', { name: text });
const readParameters = signature('nn.Module.parameters', {});
const readInitialize = signature('nn.Module.initialize', { seed: seed.default(0) });
const readSetRequiresGrad = signature('nn.Module.setRequiresGrad', { pattern: match, value: bool });

/**
 * A layer or a model: fields that are parameters, modules, or arrays and objects of them, and `forward`, written with
 * ops.
 * ```ts
 * class MLP extends Module {
 *   fc1 = new Linear(784, 128);
 *   fc2 = new Linear(128, 10);
 *   forward(x: Tensor): Tensor {
 *     return this.fc2.forward(relu(this.fc1.forward(x)));
 *   }
 * }
 * ```
 * Its parameters have PyTorch's names: `fc1.weight`, `layers.0.bias`. `#private` fields are not seen. Two fields may
 * hold the same parameter (tied weights): it is one parameter, called by the name that comes first, and answers to
 * all of them.
 * @throws OptionError
 */
export abstract class Module {
  /** Takes nothing: a class of one's own reads what it is given, or what it is given is not used. */
  constructor() {
    readModule(arguments);
  }

  /** Builds the nodes of this layer while a model is traced. */
  abstract forward(...inputs: never[]): unknown;

  /** The tree of its layers, as PyTorch prints it. */
  toString(): string {
    return treeOf(this, (x) => x instanceof Module);
  }

  /** What stands in parentheses behind the name of its class in that tree: shapes of parameters, and fields that are plain values. */
  extraRepr(): string {
    return settingsOf(this);
  }

  /**
   * Text where text is wanted.
   * @throws GraphError where a number is wanted: `this.fc * 2` for `ops.mul(this.fc.forward(x), 2)`
   */
  [Symbol.toPrimitive](hint: string): string {
    return hint === 'string' ? this.toString() : toPrimitive(hint, this.constructor.name);
  }

  /** Where parameters are looked for: names and values. All fields, unless a subclass says otherwise. */
  parts(): Iterable<readonly [string, unknown]> {
    return Object.entries(this);
  }

  /**
   * All parameters with their paths, in the order of the fields.
   * @param options `removeDuplicate` false yields a tied parameter once for each of its names; default true
   * @throws OptionError
   */
  namedParameters(options: NamedOptions = {}): IterableIterator<[string, Parameter]> {
    return this.#named((x) => x instanceof Parameter, readNamedParameters(arguments).removeDuplicate);
  }

  /**
   * All buffers with their paths, as `namedParameters`.
   * @throws OptionError
   */
  namedBuffers(options: NamedOptions = {}): IterableIterator<[string, Buffer]> {
    return this.#named((x) => x instanceof Buffer, readNamedBuffers(arguments).removeDuplicate);
  }

  /**
   * All modules with their paths, this one first, as ''; each once.
   * @throws OptionError
   */
  namedModules(): IterableIterator<[string, Module]> {
    readNamedModules(arguments);
    return this.#named((x) => x instanceof Module, true);
  }

  *#named<T>(is: (x: unknown) => x is T, once: boolean): IterableIterator<[string, T]> {
    const seen = new Set<unknown>();
    for (const [path, value] of walk(this, (x) => x instanceof Module)) {
      if (!is(value) || (once && seen.has(value))) continue;
      seen.add(value);
      yield [path, value];
    }
  }

  /**
   * The parameter of this name, or any of its names if it is tied: `model.getParameter('fc1.weight').data`. As torch's `get_parameter`.
   * @throws OptionError if there is none
   */
  getParameter(name: string): Parameter {
    readGetParameter(arguments);
    const named = new Map(this.namedParameters({ removeDuplicate: false }));
    const found = named.get(name);
    if (found) return found;
    const names = [...named.keys()];
    throw new OptionError(`nn.Module.getParameter: no parameter ${show(name)}${suggestion(name, names)}`, { name, names });
  }

  /**
   * All parameters, in the order of the fields; each once.
   * @throws OptionError
   */
  parameters(): Parameter[] {
    readParameters(arguments);
    return Array.from(this.namedParameters(), ([, p]) => p);
  }

  /**
   * Give values to every parameter that has none: they depend on `seed` and the parameter's name only, not on its
   * neighbors. Memory for all that have none yet is one block; it is the module's, and freed with it.
   * @param seed a whole number. Default 0.
   * @throws OptionError
   */
  initialize(seed: number | bigint = 0): this {
    readInitialize(arguments);
    const [parameters, buffers] = [[...this.namedParameters()], [...this.namedBuffers()]];
    placeTogether([...parameters, ...buffers].map(([, { state }]) => valuesOf(state)!));
    for (const [name, p] of parameters) p.initialize(name, BigInt(seed));
    for (const [name, b] of buffers) b.initialize(name);
    return this;
  }

  /**
   * Train, or do not train, the parameters whose names match, from a trainer's next `fit` on.
   * @returns how many they are
   * @throws OptionError if none does
   */
  setRequiresGrad(pattern: Match, value: boolean): number {
    readSetRequiresGrad(arguments);
    const matched = matchParameters('nn.Module.setRequiresGrad', this, pattern);
    for (const p of matched) p.requiresGrad = value;
    return matched.length;
  }
}

printAs(Module, function () {
  return this.toString();
});

/** All parameters and buffers of a module with their paths, once for each. */
export function* valuesIn(module: Module): IterableIterator<[string, Parameter | Buffer]> {
  for (const [path, x] of walk(module, (m) => m instanceof Module)) {
    if (x instanceof Parameter || x instanceof Buffer) yield [path, x];
  }
}

/** All names of each parameter, then of each buffer of a module, the first one first. */
export function namesOf(module: Module): ReadonlyMap<Parameter | Buffer, readonly string[]> {
  const names = new Map<Parameter | Buffer, string[]>();
  for (const [name, x] of valuesIn(module)) names.set(x, [...(names.get(x) ?? []), name]);
  const rank = ([x]: [Parameter | Buffer, unknown]): number => (x instanceof Parameter ? 0 : 1);
  return new Map([...names].sort((a, b) => rank(a) - rank(b)));
}

/** Test names against a pattern. @throws OptionError if it is neither a string nor a RegExp. */
export function matcher(where: string, pattern: Pattern): (name: string) => boolean {
  if (pattern instanceof RegExp) {
    const regexp = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
    return (name) => regexp.test(name);
  }
  if (typeof pattern !== 'string') {
    throw new OptionError(`${where}: expected a pattern as string or RegExp, got ${show(pattern)}`);
  }
  const escaped = pattern.split(/\*+/).map((s) => s.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  const whole = new RegExp(`^${escaped.join('.*')}$`, 's');
  return (name) => whole.test(name);
}

const readMatchParameters = signature('nn.matchParameters', {
  where: text,
  module: instance('a Module', Module),
  pattern: match,
});

/** A function that says which parameters match: what it gives is looked at. */
function asked(where: string, test: Exclude<Match, Pattern>): Exclude<Match, Pattern> {
  return (name, p) => bool.read(test(name, p), new Place(where, 'option', `match of ${name}`));
}

/** The parameters of `module` that match, tied ones by any of their names. @throws OptionError if there is none. */
export function matchParameters(where: string, module: Module, pattern: Match): Parameter[] {
  readMatchParameters(arguments);
  const test = typeof pattern === 'function' ? asked(where, pattern) : matcher(where, pattern);
  const named = [...module.namedParameters({ removeDuplicate: false })];
  const matched = new Set(named.filter(([name, p]) => test(name, p)).map(([, p]) => p));
  if (matched.size === 0) {
    const names = named.map(([name]) => name);
    const hint = suggestion(String(pattern), names);
    throw new OptionError(`${where}: no parameter matches ${typeof pattern === 'function' ? 'the function' : pattern}${hint}`, {
      pattern,
      names,
    });
  }
  return [...matched];
}
