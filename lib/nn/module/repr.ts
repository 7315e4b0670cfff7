// repr.ts: a model as text: the tree of its layers, as PyTorch prints it.
import { Buffer } from './buffer.ts';
import { Parameter } from './parameter.ts';

/** How a module is printed; lib/nn/module/module.ts has the class. */
interface Branch {
  parts(): Iterable<readonly [string, unknown]>;
  extraRepr(): string;
}

/** Names of more parameters than that of one layer are not told. */
const MOST_PARAMETERS = 4;

/** Fields that are plain values, and shapes of parameters: `weight=[3,4], bias=[3], rate=0.1`. */
export function settingsOf(module: Branch): string {
  const shapes = [...module.parts()].filter(([, part]) => part instanceof Parameter || part instanceof Buffer);
  const parameters = shapes.filter(([, part]) => part instanceof Parameter) as [string, Parameter][];
  const told =
    parameters.length > MOST_PARAMETERS
      ? [`${parameters.length} parameters`]
      : parameters.map(([name, { shape }]) => `${name}=[${shape}]`);
  return [...told, ...Object.entries(module).flatMap(([name, value]) => settingOf(name, value))].join(', ');
}

/** What `extraRepr` of a layer adds whose options are no fields. */
export function withOptions(told: string, options: object): string {
  return [told, ...settingOf('', options)].filter((part) => part !== '').join(', ');
}

/** As text, if it is a plain value, or a list or an object of such. */
function settingOf(name: string, value: unknown): string[] {
  if (typeof value === 'number' || typeof value === 'boolean') return [`${name}=${value}`];
  if (typeof value === 'string') return [`${name}=${JSON.stringify(value)}`];
  if (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((v) => v === null || typeof v === 'number' || typeof v === 'boolean')
  ) {
    return [`${name}=[${value}]`];
  }
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return [];
  return Object.entries(value).flatMap(([key, v]) => settingOf(key, v));
}

/**
 * The tree of a module, such as
 * ```
 * Sequential(
 *   (0): Linear(weight=[8,4], bias=[8])
 *   (1): relu
 * )
 * ```
 * Neighbors that are the same and are numbered are printed once: `(0-3): 4 x Block(`.
 * @param isModule tells modules from other objects
 */
export function treeOf(module: Branch, isModule: (x: unknown) => x is Branch, above: readonly unknown[] = []): string {
  const deeper = [...above, module];
  const branches = [...module.parts()].flatMap(([name, part]) => branchesOf(name, part, isModule, deeper));
  const name = module.constructor.name;
  const own = module.extraRepr();
  if (branches.length === 0) return `${name}(${own})`;
  const lines = joined(branches).map(([at, text]) => `(${at}): ${text}`.replaceAll('\n', '\n  '));
  return `${name}(\n${[...(own === '' ? [] : [own]), ...lines].map((line) => `  ${line}\n`).join('')})`;
}

type Named = readonly [name: string, text: string];

function branchesOf(name: string, part: unknown, isModule: (x: unknown) => x is Branch, above: readonly unknown[]): Named[] {
  if (above.includes(part)) return [];
  if (isModule(part)) return [[name, treeOf(part, isModule, above)]];
  if (typeof part === 'function') return [[name, part.name || 'a function']];
  const plain =
    Array.isArray(part) || (typeof part === 'object' && part !== null && Object.getPrototypeOf(part) === Object.prototype);
  if (!plain) return [];
  return Object.entries(part as object).flatMap(([key, x]) => branchesOf(`${name}.${key}`, x, isModule, [...above, part]));
}

/** Neighbors of the same text, whose names end in numbers that follow one another, as one. */
function joined(branches: readonly Named[]): Named[] {
  const made: Named[] = [];
  for (let i = 0; i < branches.length; ) {
    const [name, text] = branches[i]!;
    const [, before, first] = /^(.*?)(\d+)$/.exec(name) ?? [];
    let count = 1;
    const isNext = ([n, t]: Named): boolean => before !== undefined && t === text && n === `${before}${Number(first) + count}`;
    while (i + count < branches.length && isNext(branches[i + count]!)) count++;
    made.push(count > 1 ? [`${name}-${Number(first) + count - 1}`, `${count} x ${text}`] : [name, text]);
    i += count;
  }
  return made;
}
