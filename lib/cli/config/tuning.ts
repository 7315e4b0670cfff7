// tuning.ts: key `tune` of a configuration: what is sought in it, by the paths of its keys, and what a trial makes of them.
import { OptionError } from '../../errors.ts';
import {
  choice,
  custom,
  type Field,
  nearest,
  type OptionsOf,
  object,
  Place,
  record,
  type Schema,
  signatures,
} from '../../options/index.ts';
import { choiceOf, type Domain, numbersOf, type Space } from '../../tune/space.ts';
import { budgetField, SEARCH, type TuneBudget } from '../../tune/tune.ts';
import { wrong } from './named.ts';

export interface TuneConfig {
  /** By the paths of keys: `optimizer.lr`; null: rate and threshold. */
  readonly space: Space | null;
  readonly budget: Required<{ readonly [K in keyof TuneBudget]: number | null }> | null;
  readonly seeds: number;
  readonly finalists: number;
  readonly reduction: number;
  readonly rungs: number;
  readonly jobs: number;
  readonly metric: 'loss' | 'accuracy';
}

const KINDS = ['uniform', 'log', 'integer', 'choice'] as const;
const EXPECTED = '{ "log": [1e-4, 1] }, { "uniform": [0, 1] }, { "integer": [1, 8] } or { "choice": [...] }';
const two: Schema = { type: 'array', prefixItems: [{ type: 'number' }, { type: 'number' }], minItems: 2, maxItems: 2 };
const kind = (name: string, values: Schema, more: Readonly<Record<string, Schema>> = {}): Schema => ({
  type: 'object',
  properties: { [name]: values, ...more },
  required: [name],
  additionalProperties: false,
});
const SCHEMA: Schema = {
  anyOf: [
    kind('log', two),
    kind('uniform', two),
    kind('integer', two, { log: { type: 'boolean' } }),
    kind('choice', { type: 'array', minItems: 1 }),
  ],
};

/** A domain as JSON says it. */
const domain: Field<Domain> = custom(
  EXPECTED,
  (value, place) => {
    const object = typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
    const [first, ...more] = KINDS.filter((one) => one in object && !(one === 'log' && 'integer' in object));
    if (first === undefined || more.length > 0) throw place.wrong(EXPECTED, value);
    const known = first === 'integer' ? ['integer', 'log'] : [first];
    const surplus = Object.keys(object).find((key) => !known.includes(key));
    if (surplus !== undefined) throw place.refuse(`unknown key ${surplus} beside ${first}`, { value });
    const at = place.key(first);
    if (first === 'choice') return choiceOf(object.choice, at);
    const log = object.log ?? false;
    if (first === 'integer' && typeof log !== 'boolean') throw place.key('log').wrong('true or false', log);
    return numbersOf(first, first === 'integer' && log === true, object[first], at);
  },
  SCHEMA,
);

export const tuneField: OptionsOf<TuneConfig> = object<TuneConfig>({
  space: record(domain, 'keys by their paths, such as { "optimizer.lr": { "log": [1e-4, 1] } }')
    .or(null)
    .about(
      'what is sought, by the paths of keys: `"optimizer.lr": { "log": [1e-4, 1] }`, `{ "uniform": [a, b] }`, `{ "integer": [a, b] }` (with `"log": true` by its logarithm) or `{ "choice": [...] }`, where null leaves the key out. Rate and threshold around those of the configuration, where it is not given',
    ),
  budget: budgetField
    .or(null)
    .about(
      '`steps` of all trials together, `seconds`, `trials`: whichever is over first. 20 whole trainings, where it is not given',
    ),
  seeds: SEARCH.seeds.about('further seeds of each finalist'),
  finalists: SEARCH.finalists.about('trials that are trained to the end and compared there'),
  reduction: SEARCH.reduction.about('of how many trials at a rung one goes on, and how many times as long'),
  rungs: SEARCH.rungs.about('places where trials are compared, the end among them'),
  jobs: SEARCH.jobs.about('trials that are under way at the same time, as far as decisions go'),
  metric: choice('loss', 'accuracy').default('loss').about('what they are compared by, on the validation rows'),
});

/** A configuration as it was read, before anything was checked. */
export type RawConfig = Readonly<Record<string, unknown>>;

/** What is the same for all trials. */
const FIXED = [
  'data',
  'seed',
  'threads',
  'epochs',
  'steps',
  'seconds',
  'save',
  'savePruned',
  'record',
  'checkpoint',
  'resume',
  'tune',
  '$schema',
];

/** Names and numbers of a path: `clip[0].threshold`. */
function partsOf(path: string): (string | number)[] {
  const parts = path.split('.').flatMap((part) => {
    const [, name, indices] = /^([^[\]]+)((?:\[\d+\])*)$/.exec(part) ?? [];
    if (name === undefined)
      throw wrong(`tune.space.${path}`, 'the path of a key, such as optimizer.lr or clip[0].threshold', path);
    return [name, ...Array.from(indices!.matchAll(/\d+/g), ([n]) => Number(n))];
  });
  return parts;
}

/** Where functions of the library stand that have keys of their own. */
const ROOMS: Readonly<Record<string, string>> = { clip: 'clip', optimizer: 'optim', schedule: 'optim.schedule' };

/** Keys that an object may have, where its type says them; null: whoever reads it says. */
function keysOf(root: string | number, parent: object): readonly string[] | null {
  const { type } = parent as { readonly type?: unknown };
  const found = signatures.get(`${ROOMS[root]}.${String(type)}`);
  return found ? [...Object.keys(found.positional), ...Object.keys(found.options ?? {}), ...BESIDE[String(root)]!] : null;
}
const BESIDE: Readonly<Record<string, readonly string[]>> = { clip: [], optimizer: ['lookahead'], schedule: ['warmup'] };

type Tree = Record<string | number, unknown>;

/** What a path leads through, of these; null where it ends before. */
function parentIn(tree: unknown, parts: readonly (string | number)[]): Tree | null {
  let at: unknown = tree;
  for (const part of parts.slice(0, -1)) at = typeof at === 'object' && at !== null ? (at as Tree)[part] : undefined;
  return typeof at === 'object' && at !== null ? (at as Tree) : null;
}

/** Whether a trial has a use for a key. */
function takes(tree: unknown, parts: readonly (string | number)[]): boolean {
  const parent = parentIn(tree, parts);
  if (!parent) return false;
  const keys = keysOf(parts[0]!, parent);
  return keys === null || keys.includes(String(parts.at(-1)));
}

/** The shorter paths first: what they choose is what the longer ones lead into. */
const inOrder = (space: Space): (readonly [string, (string | number)[]])[] =>
  Object.keys(space)
    .map((path) => [path, partsOf(path)] as const)
    .sort((a, b) => a[1].length - b[1].length);

/** The configuration of a trial, and its parameters, null where it has no use for one. */
export function applied(
  raw: RawConfig,
  space: Space,
  params: Readonly<Record<string, unknown>>,
): { readonly raw: RawConfig; readonly params: Readonly<Record<string, unknown>> } {
  const made = structuredClone({ ...raw, tune: undefined }) as Tree;
  delete made.tune;
  const used: Record<string, unknown> = { ...params };
  for (const [path, parts] of inOrder(space)) {
    const value = params[path];
    if (!takes(made, parts)) {
      used[path] = null;
      continue;
    }
    const parent = parentIn(made, parts)!;
    if (value === null) delete parent[parts.at(-1)!];
    else parent[parts.at(-1)!] = structuredClone(value);
  }
  return { raw: made, params: used };
}

/** What the configuration has where the space chooses: trial 0. */
export function standing(raw: RawConfig, space: Space): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.keys(space).map((path) => {
      const parts = partsOf(path);
      return [path, takes(raw, parts) ? (parentIn(raw, parts)![parts.at(-1)!] ?? null) : null];
    }),
  );
}

/** @throws OptionError for a path that leads to nothing that any trial has, or to what is the same for all */
export function checkSpace(raw: RawConfig, space: Space): void {
  if (Object.keys(space).length === 0) throw wrong('tune.space', 'at least one key', {});
  for (const [path, parts] of inOrder(space)) {
    const root = String(parts[0]);
    if (FIXED.includes(root)) throw wrong(`tune.space.${path}`, `a key that trials may differ in, none of ${root}`, path);
    // What a shorter path may choose, one after the other.
    const above = inOrder(space).filter(
      ([, other]) => other.length < parts.length && other.every((part, i) => part === parts[i]),
    );
    const trees: unknown[] = [
      raw,
      ...above.flatMap(([name]) =>
        choicesOf(space[name]!).map((value) => applied(raw, { [name]: space[name]! }, { [name]: value }).raw),
      ),
    ];
    if (trees.some((tree) => takes(tree, parts))) continue;
    const known = trees.flatMap((tree) => {
      const parent = parentIn(tree, parts);
      return parent ? (keysOf(parts[0]!, parent) ?? []) : [];
    });
    const near = nearest(String(parts.at(-1)), known);
    const hint = near ? `; did you mean ${near}?` : known.length > 0 ? `; known: ${[...new Set(known)].join(', ')}` : '';
    throw new OptionError(`tune.space.${path}: there is no such key in the configuration${hint}`, {
      path: `tune.space.${path}`,
      nearest: near,
    });
  }
}

const choicesOf = ({ kind, values }: Domain): readonly unknown[] => (kind === 'choice' ? values : []);

/** Times that the rate, and the threshold, may be smaller or larger than the configuration has it. */
const RATE = { below: 30, above: 10 } as const;
const THRESHOLD = { below: 30, above: 30 } as const;
/** Of a threshold where the configuration has no policy. */
const ANY_THRESHOLD = [0.01, 100] as const;

/** Rate and threshold around what the configuration has; without a policy, whether there should be one, too. */
export function defaultSpace(raw: RawConfig, place: Place): Space {
  const space: Record<string, Domain> = {};
  const around = (path: string, value: number, { below, above }: { readonly below: number; readonly above: number }): void => {
    const round = (x: number): number => Number(x.toPrecision(3));
    space[path] = numbersOf('log', false, [round(value / below), round(value * above)], place.key(path).key('log'));
  };
  const optimizer = raw.optimizer as { readonly type: string; readonly lr?: unknown };
  const { lr } = optimizer;
  const usual = signatures.get(`optim.${optimizer.type}`)?.options?.lr?.schema?.default;
  const rate = typeof lr === 'number' ? lr : usual;
  if (typeof rate === 'number' && rate > 0) around('optimizer.lr', rate, RATE);
  const clip = Array.isArray(raw.clip) && raw.clip.length === 1 ? raw.clip[0] : raw.clip;
  const at = Array.isArray(raw.clip) ? 'clip[0]' : 'clip';
  if (clip === undefined || (Array.isArray(clip) && clip.length === 0)) {
    space.clip = choiceOf([null, { type: 'globalNorm' }], place);
    space['clip.threshold'] = numbersOf('log', false, ANY_THRESHOLD, place);
  } else {
    const { type, threshold } = clip as { readonly type?: string; readonly threshold?: unknown };
    const found = signatures.get(`clip.${type}`);
    const field = { ...found?.positional, ...found?.options }.threshold;
    const value = threshold ?? field?.schema?.default;
    if (typeof value === 'number' && Number.isFinite(value) && value > 0) around(`${at}.threshold`, value, THRESHOLD);
  }
  if (Object.keys(space).length === 0)
    throw wrong('tune.space', 'keys to seek: there is no rate and no threshold to begin with', undefined);
  return space;
}

/** What a configuration without the key asks for. */
export const withoutKey = (): TuneConfig => tuneField.read({}, new Place('', '', 'tune'));
