// make.ts: the pages of docs/reference, of the names that the library exports, their comments and what their signatures declare.
import { readFileSync } from 'node:fs';
import * as gradclip from '../../lib/index.ts';
import * as io from '../../lib/io/limits.ts';
import * as optim from '../../lib/optim/limits.ts';
import { type AnyField, type Fields, type Schema, signatures } from '../../lib/options/index.ts';
import type { Documented } from '../tsdoc/read.ts';
import { timesDifferentiable } from './differentiate.ts';
import { VARIABLES } from './environment.ts';
import { policies, sectionOf } from './lines.ts';

type Items = readonly Documented[];
interface Page {
  readonly title: string;
  /** Lines. */
  readonly about: readonly string[];
  readonly head: readonly string[];
  rows(items: Items): readonly (readonly string[])[];
  /** Lines after the table. */
  more?(items: Items): readonly string[];
}

const cell = (text: string): string =>
  text
    .replaceAll('\n', ' ')
    .replaceAll('|', '\\|')
    .replace(/`[^`]*`|</g, (part) => (part === '<' ? '&lt;' : part));
const code = (text: string): string => (text === '' ? '' : `\`${text}\``);
const tag = ({ tags }: Documented, name: string): string =>
  tags
    .filter((t) => t.name === name)
    .map(({ text }) => text.replaceAll('\n', ' '))
    .join('; ');

/** The first sentence. */
const summary = ({ text }: Documented): string => /^[\s\S]*?(?<!\bal)\.(?=\s+[A-Z`(]|$)/.exec(text)![0].replace(/\.$/, '');

/** Functions and classes of a space, in the order of their names. */
const within = (items: Items, space: string, kinds: readonly string[] = ['function', 'constant', 'class']): Items =>
  items.filter(
    ({ path, kind }) => kinds.includes(kind) && path.startsWith(`${space}.`) && !path.slice(space.length + 1).includes('.'),
  );
const nameOf = ({ path }: Documented): string => path.slice(path.lastIndexOf('.') + 1);

// ---- options ------------------------------------------------------------------------------------------------------
/** Arguments but those that are `tensors`, then options in braces: each with what stands for it where it is not given. */
function optionsOf({ path }: Documented, tensors: string): string {
  const { positional, options } = signatures.get(path)!;
  const named = (fields: Fields): string[] =>
    Object.entries(fields).map(([key, field]) => (field.required ? key : `${key}${usual(field)}`));
  const own = Object.entries(positional).filter(([key]) => !new RegExp(`\\b${key}\\b`).test(tensors));
  const byName = options ? named(options as Fields) : [];
  return [...named(Object.fromEntries(own)), ...(byName.length > 0 ? [`{ ${byName.join(', ')} }`] : [])].map(code).join(', ');
}

function usual({ schema, fallback }: AnyField): string {
  const { default: json } = (schema ?? {}) as Schema;
  const value = json === undefined ? fallback : json === 'inf' ? Infinity : json;
  const spelled = value === null || ['number', 'string', 'boolean'].includes(typeof value) || Array.isArray(value);
  return spelled
    ? ` = ${Array.isArray(value) ? JSON.stringify(value) : typeof value === 'string' ? `'${value}'` : String(value)}`
    : '?';
}

// A reader of comments puts a space between a name and the mark after it.
const sourceOf = (item: Documented): string =>
  tag(item, 'see')
    .replace(/ (?=[,:;])/g, '')
    .replace(/^gradclip\b/, "this library's own")
    .replace(/(?<![\w.])([a-z]\w*(?:\.\w+)+)/g, '`$1`');
function shaped(item: Documented): string[] {
  const shape = tag(item, 'shape').replaceAll('`', '');
  // The constructor of a layer takes no tensors; its shapes are those of `forward`.
  const tensors = item.kind === 'class' ? '' : shape.split(' -> ')[0]!;
  return [code(nameOf(item)), code(shape), optionsOf(item, tensors), sourceOf(item)];
}
const outlined = (item: Documented): string[] => [
  `[${code(nameOf(item))}](#${nameOf(item).toLowerCase()})`,
  summary(item),
  sourceOf(item),
];
const detailed = (items: Items): string[] => items.flatMap((item) => sectionOf(item, textOf(summary(item))));
const described = (item: Documented): string[] => [code(nameOf(item)), summary(item), optionsOf(item, ''), sourceOf(item)];

const policiesOf = (items: Items): Items => within(items, 'clip').filter((item) => policies.has(nameOf(item)));
/** Not what makes one of a function of one's own. */
const optimizersOf = (items: Items): Items =>
  within(items, 'optim', ['function']).filter((item) => !['define', 'custom'].includes(nameOf(item)));
const textOf = (text: string): string => text.replaceAll('\n', ' ');

// ---- errors, limits ----------------------------------------------------------------------------------------------
type Thrown = new (message: string, details: object) => gradclip.GradclipError;

function errorRows(items: Items): string[][] {
  const classes = items.filter(({ path, kind }) => kind === 'class' && path.endsWith('Error') && path !== 'GradclipError');
  const rows = classes.map((item) => {
    const type = (gradclip as unknown as Readonly<Record<string, Thrown>>)[item.path]!;
    return [code(new type('', {}).code), code(item.path), item.text.replace(/ Code `\w+`[^.]*\./, '')];
  });
  const base = items.find(({ path }) => path === 'GradclipError')!;
  const bare = [...base.text.matchAll(/^- `(\w+)`: (.*)$/gm)].map(([, name, when]) => [code(name!), '`GradclipError`', when!]);
  return [...rows, ...bare].sort(([a], [b]) => (a! < b! ? -1 : 1));
}

/** Files whose constants are limits, each with a comment. */
const LIMITS = { 'lib/io/limits.ts': io, 'lib/optim/limits.ts': optim } as const;

function limitRows(): string[][] {
  return Object.entries<Readonly<Record<string, number>>>(LIMITS).flatMap(([file, values]) => {
    const declared = readFileSync(file, 'utf8').matchAll(/\/\*\* (.*) \*\/\nexport const (\w+)/g);
    return Array.from(declared, ([, text, name]) => [code(name!), shown(values[name!]!), text!]);
  });
}

const shown = (value: number): string =>
  Number.isSafeInteger(value)
    ? value.toLocaleString('en-US')
    : Number.isInteger(Math.log2(value))
      ? `2^${Math.log2(value)}`
      : String(value);

// ---- pages -------------------------------------------------------------------------------------------------------
const LAYERS = /^nn\.(?!Module$|Parameter$|Buffer$)/;

export const PAGES: Readonly<Record<string, Page>> = {
  ops: {
    title: 'Ops',
    about: [
      'Functions of `ops`, with their shapes, the arguments that are no tensors, their counterpart elsewhere, and how often they can be',
      'differentiated, which was found by doing it: `any` is three times without an end, 0 a gradient of zeros.',
    ],
    head: ['op', 'shapes', 'arguments and options', 'counterpart', 'differentiable'],
    rows: (items) => within(items, 'ops').map((item) => [...shaped(item), timesDifferentiable(nameOf(item))]),
  },
  layers: {
    title: 'Layers',
    about: ['Layers of `nn`, with what `forward` takes and gives.'],
    head: ['layer', 'shapes', 'arguments and options', 'counterpart'],
    rows: (items) =>
      within(items, 'nn', ['class'])
        .filter(({ path }) => LAYERS.test(path))
        .map(shaped),
  },
  losses: {
    title: 'Losses',
    about: ['Functions of `loss`.'],
    head: ['loss', 'shapes', 'options', 'counterpart'],
    rows: (items) => within(items, 'loss').map(shaped),
  },
  metrics: {
    title: 'Metrics',
    about: ['Functions of `metrics` are for the option `metrics` of a trainer, classes count arrays batch by batch.'],
    head: ['metric', 'shapes', 'options', 'counterpart'],
    rows: (items) => within(items, 'metrics').map(shaped),
  },
  policies: {
    title: 'Clip policies',
    about: [
      'Functions of `clip`. [Clipping](../CLIPPING.md) says which is for what. Below, each has its options, and the same in code and in a',
      'configuration, in key `clip`, with all that can be spelled at its default: a test makes both and compares what they do, bit for bit.',
      'All take `nonFinite`, what to do about a NaN or an infinity in a gradient: `skip` (the default), `error`, `zero` or `propagate`; and',
      '`maxSkips`, the skips in a row that end a run: 10 by default. In a configuration `"inf"` is Infinity, and no value is a function.',
    ],
    head: ['policy', 'what it does', 'source'],
    rows: (items) => policiesOf(items).map(outlined),
    more: (items) => detailed(policiesOf(items)),
  },
  optimizers: {
    title: 'Optimizers',
    about: [
      'Functions of `optim`. [Optimizers and schedules](../OPTIMIZERS.md) says which is for what. Below, each has its options, and the same in',
      'code and in a configuration, in key `optimizer`, with all that can be spelled at its default: a test makes both and compares what they',
      'do, bit for bit. Schedules stand in key `schedule` of a configuration; no other value there is a function.',
    ],
    head: ['optimizer', 'what it does', 'source'],
    rows: (items) => optimizersOf(items).map(outlined),
    more: (items) => detailed(optimizersOf(items)),
  },
  schedules: {
    title: 'Schedules',
    about: ['Functions of `optim.schedule`: values that depend on the step.'],
    head: ['schedule', 'what it does', 'arguments and options', 'source'],
    rows: (items) => within(items, 'optim.schedule').map(described),
  },
  errors: {
    title: 'Errors',
    about: ['All are classes of `GradclipError`, with a `code` that stays, and `details`.'],
    head: ['code', 'class', 'when'],
    rows: errorRows,
  },
  environment: {
    title: 'Environment variables',
    about: ['What the library reads of the environment, when it is imported or first used.'],
    head: ['variable', 'values', 'what'],
    rows: () => Object.entries(VARIABLES).map(([name, { values, what }]) => [code(name), values, what]),
  },
  limits: {
    title: 'Limits',
    about: ['What is refused beyond. [Data](../DATA.md) says which reader has which.'],
    head: ['limit', 'value', 'what'],
    rows: limitRows,
  },
};

const DEFAULTS = [
  'Arguments are given in this order, options, in braces, by name: `cosine(0.1, { steps: 100 })`. Behind `=` stands what is taken where one',
  'is left out; one with `?` may be left out, and its comment says what is then done; the others are needed.',
];
const MADE = 'Made of the library itself by `npm run -s docs:reference`; a test holds that it is current.';

/** The text of a page. */
export function pageOf(name: string, items: Items): string {
  const { title, about, head, rows, more } = PAGES[name]!;
  const lines = [head, head.map(() => '---'), ...rows(items)].map((row) => `| ${row.map(cell).join(' | ')} |`);
  return [
    `# ${title}`,
    '',
    ...about,
    ...(head.some((name) => /options/.test(name)) ? DEFAULTS : []),
    MADE,
    '',
    ...lines,
    '',
    ...(more?.(items) ?? []),
  ].join('\n');
}
