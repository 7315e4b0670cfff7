// make.ts: the JSON Schema of configurations and the tables of docs/CONFIG.md, from the declarations that read a configuration.
import { CONFIG } from '../../lib/cli/config/config.ts';
import { MODEL_KEYS } from '../../lib/cli/config/models.ts';
import { named, type Room } from '../../lib/cli/config/named.ts';
import * as rooms from '../../lib/cli/config/rooms.ts';
import { DATA } from '../../lib/cli/config/sources.ts';
import { type AnyField, type Fields, type Schema, signatures } from '../../lib/options/index.ts';
import { describe } from './describe.ts';

/** Keys whose values name functions of the library. */
const ROOMS: Readonly<Record<string, Room<unknown>>> = {
  optimizer: rooms.OPTIMIZERS,
  schedule: rooms.SCHEDULES,
  clip: rooms.POLICIES,
  regularize: rooms.PENALTIES,
  constraints: rooms.CONSTRAINTS,
  prune: rooms.PRUNES,
  guards: rooms.GUARDS,
  preprocess: rooms.TRANSFORMS,
  augment: rooms.AUGMENTATIONS,
};

/** Keys within which such values stand. */
const WITHIN: Readonly<Record<string, Room<unknown>>> = { groups: rooms.OPTIMIZERS };

/** What is said once in the schema: also what functions made of several are made of. */
const DEFS: Readonly<Record<string, Room<unknown>>> = { policy: rooms.SINGLE_POLICIES, ...ROOMS };

/** Keys that are options of the trainer with an interface of their own. */
const INTERFACES: Readonly<Record<string, string>> = {
  ema: 'EMAOptions',
  plateau: 'PlateauOptions',
  lossScale: 'LossScaleOptions',
  rollback: 'RollbackOptions',
};

// ---- schema ------------------------------------------------------------------------------------------------------
/** What `$schema` of a configuration names. */
export function configSchema(): string {
  const { properties, ...rest } = CONFIG.schema as { readonly properties: Readonly<Record<string, Schema>> };
  // A room may stand alone or in a list, or within another: it is said once.
  const defs: Record<string, unknown> = {};
  const referred = (value: unknown): unknown =>
    Object.entries(defs).reduce((of, [key, def]) => referring(of, JSON.stringify((def as Schema).anyOf), key), value);
  for (const [key, room] of Object.entries(DEFS)) defs[key] = referred(plain(withText(named(room).schema!, room)));
  const keys = Object.entries(properties).map(([key, schema]) => {
    const room = ROOMS[key] ?? WITHIN[key];
    return [key, room ? referred(plain(withText(schema, room))) : plain(schema)] as const;
  });
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'A configuration of gradclip train',
    ...rest,
    properties: Object.fromEntries(keys),
    $defs: defs,
  };
  return `${JSON.stringify(schema, null, 1)}\n`;
}

/** `value` with a reference in place of each schema that is these alternatives. */
function referring(value: unknown, alternatives: string, key: string): unknown {
  if (Array.isArray(value)) return value.map((one) => referring(one, alternatives, key));
  if (typeof value !== 'object' || value === null) return value;
  const { anyOf, ...rest } = value as Schema;
  if (JSON.stringify(anyOf) === alternatives) return { ...rest, $ref: `#/$defs/${key}` };
  return Object.fromEntries(Object.entries(value).map(([name, of]) => [name, referring(of, alternatives, key)]));
}

/** Options of the room's functions with what their interfaces say of them. */
function withText(schema: Schema, room: Room<unknown>): Schema {
  const { properties, anyOf, items } = schema as Record<string, never>;
  if (properties !== undefined) {
    const type = (properties as { type?: { const?: string } }).type?.const;
    const texts = type === undefined ? {} : describe(`${room.path}.${type}`);
    const own = Object.entries<Schema>(properties).map(([key, of]) => [
      key,
      texts[key] && !of.description ? { ...of, description: texts[key] } : withText(of, room),
    ]);
    return { ...schema, properties: Object.fromEntries(own) };
  }
  return {
    ...schema,
    ...(anyOf ? { anyOf: (anyOf as Schema[]).map((one) => withText(one, room)) } : {}),
    ...(items ? { items: withText(items, room) } : {}),
  };
}

/** Descriptions are read in editors, without links. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, of]) => [
      key,
      key === 'description' ? (of as string).replace(/\[([^\]]*)\]\([^)]*\)/g, '$1') : plain(of),
    ]),
  );
}

// ---- tables ------------------------------------------------------------------------------------------------------
const cell = (text: string): string => text.replaceAll('|', '\\|');
const code = (value: unknown): string => `\`${JSON.stringify(value)}\``;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');

/** The tables of docs/CONFIG.md, by the names of their places in it. */
export function configTables(): Record<string, string> {
  const { data: _d, model: _m, ...rest } = CONFIG.fields;
  return {
    keys: table(['key', 'what', 'default'], [['`data`', 'see below', ''], ['`model`', 'see below', ''], ...rows(rest)]),
    model: table(
      ['type', 'keys', 'reads'],
      MODEL_KEYS.map(({ keys, reads }) => [typeOf(keys.fields), list(keys.fields, ['type']), reads.join(', ')]),
    ),
    data: table(
      ['type', 'keys'],
      Object.values(DATA).map(({ fields }) => [typeOf(fields), list(fields, ['type', 'dir', 'split', 'about'])]),
    ),
    common: table(['key', 'what', 'default'], rows(pick(DATA.csv.fields, ['dir', 'split', 'about']))),
    functions: table(
      ['key', '`type`', 'keys beside it'],
      Object.entries(ROOMS).flatMap(([key, room]) => functionRows(key, room)),
    ),
  };
}

const pick = (fields: Fields, keys: readonly string[]): Fields => Object.fromEntries(keys.map((key) => [key, fields[key]!]));
const typeOf = ({ type }: Fields): string => `\`${type!.schema!.const as string}\``;

const rows = (fields: Fields): string[][] =>
  Object.entries(fields).map(([key, field]) => [`\`${key}\``, what(key, field), field.required ? '' : defaultOf(field)]);

function what(key: string, field: AnyField): string {
  const { description = '' } = field.schema as { description?: string };
  const room = ROOMS[key];
  if (room) return `${description}. A \`type\` of the last table, with its keys`;
  const inner = innerOf(field.schema!, INTERFACES[key] ? describe(INTERFACES[key]) : {});
  if (inner !== '') return `${description}: ${inner}`;
  return description === 'see below' || /^an? (text|value)|true or false/.test(field.expected)
    ? description
    : `${description}; ${field.expected}`;
}

/** Keys of an object of options, or of the alternative that is one. */
function innerOf(schema: Schema, texts: Readonly<Record<string, string>>): string {
  const object = [schema, ...((schema.anyOf as Schema[] | undefined) ?? [])].find((one) => one.properties);
  if (!object) return '';
  return Object.entries(object.properties as Record<string, Schema>)
    .map(
      ([key, { description, default: usual }]) =>
        `\`${key}\`${usual === undefined ? '' : ` (${code(usual)})`}${description ? ` ${description as string}` : ''}`,
    )
    .join('; ');
}

const defaultOf = ({ schema, fallback }: AnyField): string => {
  if (schema && 'default' in schema) return code(schema.default);
  return fallback === null || fallback === undefined || (Array.isArray(fallback) && fallback.length === 0) ? 'none' : '';
};

const list = (fields: Fields, except: readonly string[]): string =>
  Object.entries(fields)
    .filter(([key]) => !except.includes(key))
    .map(([key, field]) => {
      const { description = '' } = (field.schema ?? {}) as { description?: string };
      const usual = field.required || defaultOf(field) === '' ? '' : ` (${defaultOf(field)})`;
      return `\`${key}\`${usual}${description ? `: ${description}` : ''}`;
    })
    .join('; ');

function functionRows(key: string, room: Room<unknown>): string[][] {
  const composed = Object.entries(room.composed ?? {}).map(([type, { fields }]) => {
    const own = Object.entries(fields).map(([name, field]) => `${list({ [name]: bare(field) }, [])}${said(field)}`);
    return [`\`${key}\``, `\`${type}\``, own.join('; ')];
  });
  const single = Object.keys(room.functions).map((type) => {
    const { positional, options } = signatures.get(`${room.path}.${type}`)!;
    const own = Object.entries(positional).slice(room.first ? 1 : 0);
    const fields = Object.entries({ ...Object.fromEntries(own), ...options, ...room.beside }).filter(
      ([, { schema }]) => schema !== null,
    );
    return [`\`${key}\``, `\`${type}\``, list(Object.fromEntries(fields.map(([name, field]) => [name, bare(field)])), [])];
  });
  return [...single, ...composed];
}
/** What is made of several has no page that says what it stands for in a configuration. */
function said({ schema }: AnyField): string {
  const { description = '', items } = schema as { description?: string; items?: { properties?: Record<string, Schema> } };
  const keys = Object.entries(items?.properties ?? {}).map(([key, of]) => `\`${key}\`, ${of.description as string}`);
  return `: ${description}${keys.length > 0 ? `, each with ${keys.join('; with ')}` : ''}`;
}
/** Its page says what an option means. */
const bare = (field: AnyField): AnyField => field.about('');

/** The page with its tables made anew: each stands between `<!-- table NAME -->` and `<!-- end -->`. */
export function configPage(page: string): string {
  const tables = configTables();
  return page.replace(/(<!-- table (\w+) -->\n)[\s\S]*?(<!-- end -->)/g, (_, begin: string, name: string, end: string) => {
    if (!tables[name]) throw new Error(`docs/CONFIG.md: no table ${name}`);
    return `${begin}\n${tables[name]}\n\n${end}`;
  });
}
