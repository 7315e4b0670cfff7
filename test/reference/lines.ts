// lines.ts: of a policy or an optimizer: its options with what they take, and a line of code and a line of a configuration that say all of them.

import type { Room } from '../../lib/cli/config/named.ts';
import * as rooms from '../../lib/cli/config/rooms.ts';
import { POLICIES as BY_NAME } from '../../lib/clip/list.ts';
import { type AnyField, type Fields, type Schema, signatures } from '../../lib/options/index.ts';
import { describe } from '../config-docs/describe.ts';
import type { Documented } from '../tsdoc/read.ts';

export interface Lines {
  readonly code: string;
  /** The value of the key; null: nothing in a configuration can be it. */
  readonly config: string | null;
  /** Why there is none. */
  readonly why: string;
}

/** What takes others, or needs what has no default: written by hand. */
const WRITTEN: Readonly<Record<string, Partial<Lines>>> = {
  'clip.chain': {
    code: 'clip.chain(clip.value(1), clip.globalNorm(0.5))',
    config: '[{ "type": "value", "threshold": 1 }, { "type": "globalNorm", "threshold": 0.5 }]',
  },
  'clip.groups': {
    code: "clip.groups([{ match: '*.bias', policy: clip.value(0.01) }, { policy: clip.globalNorm(0.5) }], { norm: 'shared' })",
    config:
      '{ "type": "groups", "rules": [{ "match": "*.bias", "policy": { "type": "value", "threshold": 0.01 } }, { "policy": { "type": "globalNorm", "threshold": 0.5 } }], "norm": "shared" }',
  },
  'optim.lookahead': {
    code: 'optim.lookahead(optim.adamw({ lr: 0.001 }), { k: 5, alpha: 0.5 })',
    config: '{ "type": "adamw", "lr": 0.001, "lookahead": { "k": 5, "alpha": 0.5 } }',
  },
};
/** Values of what is needed. */
const NEEDED: Readonly<Record<string, unknown>> = { 'clip.value threshold': 0.01 };

/** What all of a space take is said once, and stands in no line. */
export const COMMON: Readonly<Record<string, readonly string[]>> = { clip: ['nonFinite', 'maxSkips'], optim: [] };

const ROOMS: Readonly<Record<string, Room<unknown>>> = { clip: rooms.POLICIES, optim: rooms.OPTIMIZERS };

const spaceOf = (path: string): string => path.slice(0, path.indexOf('.'));
const nameOf = (path: string): string => path.slice(path.indexOf('.') + 1);

/** Names of the policies there are. */
export const policies: ReadonlySet<string> = new Set(Object.keys(BY_NAME).map((name) => name.split(' ')[0]!));

/** As code has it. */
function spelled(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spelled).join(', ')}]`;
  return typeof value === 'string' ? `'${value}'` : String(value);
}

/** As a configuration has it. */
const json = (value: unknown): string => JSON.stringify(value === Infinity ? 'inf' : value).replaceAll(',', ', ');

/** Whether a value can stand in a configuration: alone, Infinity can. */
function isJson(value: unknown): boolean {
  return value === Infinity || !JSON.stringify(value).includes('null');
}

/** What stands for it where it is not given; undefined: nothing that can be spelled. */
function usual({ schema, fallback }: AnyField): unknown {
  const { default: json } = (schema ?? {}) as Schema;
  const value = json === undefined ? fallback : json === 'inf' ? Infinity : json;
  const whole = value === null || ['number', 'string', 'boolean'].includes(typeof value) || Array.isArray(value);
  return whole && value !== null ? value : undefined;
}

interface Given {
  readonly key: string;
  readonly field: AnyField;
  readonly value: unknown;
  readonly common: boolean;
}

function givenOf(path: string, fields: Fields): Given[] {
  return Object.entries(fields).map(([key, field]) => ({
    key,
    field,
    value: field.required ? NEEDED[`${path} ${key}`] : usual(field),
    common: COMMON[spaceOf(path)]!.includes(key),
  }));
}

/** Arguments and options of a function. */
function allOf(path: string): { readonly positional: Given[]; readonly options: Given[] } {
  const { positional, options } = signatures.get(path)!;
  return { positional: givenOf(path, positional), options: givenOf(path, (options ?? {}) as Fields) };
}

export function linesOf(path: string): Lines {
  const { positional, options } = allOf(path);
  const written = WRITTEN[path];
  const functions = positional.filter(({ field }) => field.required && field.schema === null).map(({ key }) => `\`${key}\``);
  const why = functions.length > 0 ? `it takes ${functions.join(', ')}, which is no value of JSON` : '';
  if (written) return { config: null, why, code: '', ...written };
  if (functions.length > 0) return { config: null, why, code: '' };
  const named = options.filter(({ value, common }) => value !== undefined && !common);
  const inBraces = named.map(({ key, value }) => `${key}: ${spelled(value)}`);
  const args = [...positional.map(({ value }) => spelled(value)), ...(inBraces.length > 0 ? [`{ ${inBraces.join(', ')} }`] : [])];
  const type = nameOf(path);
  const config =
    type in ROOMS[spaceOf(path)]!.functions
      ? [
          ['type', type] as const,
          ...[...positional, ...named].filter(({ value }) => isJson(value)).map((g) => [g.key, g.value] as const),
        ]
      : null;
  return {
    code: `${path}(${args.join(', ')})`,
    config: config && `{ ${config.map(([key, value]) => `"${key}": ${json(value)}`).join(', ')} }`,
    why,
  };
}

const cell = (text: string): string => text.replaceAll('\n', ' ').replaceAll('|', '\\|').replaceAll('<', '&lt;');

/** What a comment says of an argument or an option, without its default, which has a column of its own. */
function meaning(item: Documented, key: string): string {
  const tag = item.tags.find(({ name, text }) => name === 'param' && new RegExp(`^\`?${key}\\b`).test(text));
  const text = tag ? tag.text.replace(new RegExp(`^\`?${key}\`?\\s*(?:-\\s*)?`), '') : (describe(item.path)[key] ?? '');
  return text
    .replace(/\s*\n\s*/g, ' ')
    .replace(/ ?Default (?:`[^`]*`|'[^']*'|[^.]*(?:\.\d[^.]*)*)\.(?= |$)/g, '')
    .trim();
}

/** Lines of the page on a policy or an optimizer. @param said what it does */
export function sectionOf(item: Documented, said: string): string[] {
  const { path } = item;
  const { positional, options } = allOf(path);
  const rows = [...positional, ...options]
    .filter(({ common }) => !common)
    .map(({ key, field, value }) => {
      const usual = field.required ? 'needed' : value === undefined ? '' : `\`${spelled(value)}\``;
      return `| \`${key}\` | ${[field.expected, usual, meaning(item, key)].map(cell).join(' | ')} |`;
    });
  const { code, config, why } = linesOf(path);
  return [
    `## ${nameOf(path)}`,
    '',
    `${said}.`,
    '',
    ...(rows.length > 0 ? ['| given | takes | default | what |', '| --- | --- | --- | --- |', ...rows, ''] : []),
    ...(code === '' ? [] : ['```', code, '```', '']),
    ...(config === null ? [`No configuration has it: ${why}.`, ''] : ['```json', config, '```', '']),
  ];
}
