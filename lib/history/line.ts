// line.ts: a step as a line of a record, and back. JSON has no NaN and no infinities: they are the strings "NaN", "Infinity", "-Infinity".
import type { AutoDecision } from '../clip/clip.ts';
import { parseJson } from '../io/json.ts';
import { MAX_RANK } from '../io/limits.ts';
import type { Precision } from '../ir/op.ts';
import { readerOf } from '../native/package.ts';
import type { Report } from '../optim/apply/report.ts';
import { NUMBERS, type NumberColumn, type RecordHeader } from './history.ts';
import { type Expecting, type GuardFinding, hitText, isObject, parseEvent, parseHit, type RunEvent, text } from './run/events.ts';

/** What the first key of a record's first line says. */
export const FORMAT = 'gradclip record';
const VERSION = 1;
/** Of records that have decisions of `clip.auto` among their steps, which earlier versions of the library do not read. */
const WITH_DECISIONS = 2;
/** Of records whose steps have learning rates and findings of guards, and events among them. */
const WITH_EVENTS = 3;
const VERSIONS: readonly unknown[] = [VERSION, WITH_DECISIONS, WITH_EVENTS];

export function headerLine(h: RecordHeader): string {
  const version = h.events ? WITH_EVENTS : h.auto ? WITH_DECISIONS : VERSION;
  const { library, policy, norm, unbounded, optimizers, parameters, seed, threads, batchSize, accumulate, precision, perLayer } =
    h;
  const rows = { seed, threads, batchSize, accumulate, precision, perLayer, ...(h.events && h.auto && { auto: true }) };
  const run = { library, policy, norm, unbounded, optimizers, parameters, ...rows };
  return `${JSON.stringify({ format: FORMAT, version, ...run }, (_, v) => (typeof v === 'number' ? written(v) : v))}\n`;
}

const written = (v: number): number | string => (Number.isFinite(v) ? v : String(v));

/**
 * @param layers the norms of the parameters, or null
 * @param rates the learning rate of each group; null in a record without events
 */
export function stepLine(r: Report, layers: Float64Array | null, rates: readonly number[] | null = null): string {
  const parts = [
    `"attempt":${r.attempt},"step":${r.step},"loss":${text(r.loss)},"norm":${text(r.norm)},"normAfter":${text(r.normAfter)}`,
    `"scale":${text(r.scale)},"threshold":${text(r.threshold)},"clipped":${r.clipped}`,
    `"clippedFraction":${text(r.clippedFraction)},"skipped":${r.skipped}`,
    `"nonFinite":${r.nonFinite === null ? null : JSON.stringify(r.nonFinite)},"nonFiniteCount":${text(r.nonFiniteCount)}`,
  ];
  if (r.sparsity !== undefined) parts.push(`"sparsity":${text(r.sparsity)}`);
  if (rates) {
    parts.push(`"rates":[${rates.map(text).join()}]`);
    if (r.guards && r.guards.length > 0) parts.push(`"guards":[${r.guards.map((hit) => `{${hitText(hit)}}`).join()}]`);
  }
  if (layers) parts.push(`"layers":[${Array.from(layers, text).join()}]`);
  return `{${parts.join()}}\n`;
}

/** What `clip.auto` decided, between the steps before and after which it did. @param index among all decisions of the training */
export function decisionLine(index: number, { step, factor, threshold, decided, reason, judgedBy, extra }: AutoDecision): string {
  const numbers = `"step":${step},"factor":${text(factor)},"threshold":${text(threshold)},"decided":${decided}`;
  return `{"auto":${index},${numbers},"judgedBy":"${judgedBy}","extra":${text(extra)},"reason":${JSON.stringify(reason)}}\n`;
}

/** A step as it was read. */
export interface StepRow extends Readonly<Record<NumberColumn, number>> {
  readonly clipped: boolean;
  readonly skipped: boolean;
  readonly nonFinite: string | null;
  readonly layers: readonly number[] | null;
  /** The learning rate of each group; none where the record does not have them. */
  readonly rates: readonly number[];
  readonly findings: readonly GuardFinding[];
}

export type Line =
  | { readonly header: RecordHeader }
  | { readonly row: StepRow }
  | { readonly decision: AutoDecision }
  | { readonly event: RunEvent };

/** @throws Error that says what is wrong with the line */
export function parseLine(line: string): Line {
  let value: unknown;
  try {
    value = parseJson(line);
  } catch (error) {
    throw new Error(`expected a line of JSON: ${(error as Error).message}`);
  }
  if (!isObject(value)) throw new Error('expected an object');
  if ('format' in value) return { header: parseHeader(value) };
  if ('event' in value) return { event: parseEvent(value, EXPECTING) };
  return 'auto' in value ? { decision: parseDecision(value) } : { row: parseStep(value) };
}

const JUDGES: readonly unknown[] = ['validation', 'batches', 'norms', 'given'] satisfies AutoDecision['judgedBy'][];

function parseDecision(fields: Readonly<Record<string, unknown>>): AutoDecision {
  countOf('auto', fields.auto);
  const { reason, judgedBy } = fields;
  return {
    step: countOf('step', fields.step),
    factor: numberOf('factor', fields.factor),
    threshold: numberOf('threshold', fields.threshold),
    decided: countOf('decided', fields.decided),
    reason: expect('reason', 'a text', reason as string, typeof reason === 'string'),
    judgedBy: expect('judgedBy', JUDGES.join(', '), judgedBy as AutoDecision['judgedBy'], JUDGES.includes(judgedBy)),
    extra: numberOf('extra', fields.extra),
  };
}

function parseStep(fields: Readonly<Record<string, unknown>>): StepRow {
  const numbers = Object.keys(NUMBERS).map((name) => [name, numberOf(name, fields[name])] as const);
  const flag = (name: string): boolean => expect(name, 'true or false', fields[name], typeof fields[name] === 'boolean');
  const { nonFinite, layers = null, rates = [], guards = [] } = fields;
  const [attempt, step] = [countOf('attempt', fields.attempt), countOf('step', fields.step)];
  expect('nonFinite', 'a name or null', nonFinite, nonFinite === null || typeof nonFinite === 'string');
  expect('layers', 'a list', layers, layers === null || Array.isArray(layers));
  expect('rates', 'a list', rates, Array.isArray(rates));
  expect('guards', 'a list of objects', guards, Array.isArray(guards) && guards.every(isObject));
  return {
    ...(Object.fromEntries(numbers) as Record<NumberColumn, number>),
    attempt,
    step,
    clipped: flag('clipped'),
    skipped: flag('skipped'),
    nonFinite: nonFinite as string | null,
    layers: layers === null ? null : (layers as unknown[]).map((v, k) => numberOf(`layers[${k}]`, v)),
    rates: (rates as unknown[]).map((v, k) => numberOf(`rates[${k}]`, v)),
    findings: (guards as Readonly<Record<string, unknown>>[]).map((hit) => {
      return { event: 'guard', attempt, step, ...parseHit(hit, EXPECTING) };
    }),
  };
}

function parseHeader(fields: Readonly<Record<string, unknown>>): RecordHeader {
  const { format, version, ...header } = fields;
  expect('format', JSON.stringify(FORMAT), format, format === FORMAT);
  if (!VERSIONS.includes(version))
    throw new Error(
      `version: expected ${VERSION} to ${WITH_EVENTS}, got ${JSON.stringify(version) ?? 'nothing'}; ${readerOf(header.library)}`,
    );
  const string = (name: string): string => expect(name, 'a text', header[name], typeof header[name] === 'string');
  const list = (name: string): Readonly<Record<string, unknown>>[] => {
    const given = header[name];
    const fits = Array.isArray(given) && given.every((x) => typeof x === 'object' && x !== null);
    return expect(name, 'a list of objects', given, fits);
  };
  const named = (at: string, of: Readonly<Record<string, unknown>>): string =>
    expect(`${at}.name`, 'a text', of.name, typeof of.name === 'string');
  const optimizers = list('optimizers');
  return {
    library: string('library'),
    policy: string('policy'),
    norm: expect('norm', '2 or null', header.norm, header.norm === 2 || header.norm === null),
    ...optional<'unbounded', string | null>('unbounded', header.unbounded, (v) =>
      expect('unbounded', 'a text or null', v as string | null, v === null || typeof v === 'string'),
    ),
    optimizers: optimizers.map((o, i) => {
      const at = `optimizers[${i}]`;
      return {
        name: named(at, o),
        lr: numberOf(`${at}.lr`, o.lr),
        eps: o.eps === null ? null : numberOf(`${at}.eps`, o.eps),
        ...optional<'momentum', number | null>('momentum', o.momentum, (v) =>
          v === null ? null : numberOf(`${at}.momentum`, v),
        ),
      };
    }),
    parameters: list('parameters').map((p, i) => {
      const at = `parameters[${i}]`;
      return {
        name: named(at, p),
        shape: expect(`${at}.shape`, 'a list of numbers', p.shape, isShape(p.shape)) as readonly number[],
        optimizer: expect(`${at}.optimizer`, 'one of the optimizers', p.optimizer, isIndex(p.optimizer, optimizers.length)),
        ...optional<'rms', number>('rms', p.rms, (v) => numberOf(`${at}.rms`, v)),
      };
    }),
    seed: string('seed'),
    threads: countOf('threads', header.threads),
    batchSize: countOf('batchSize', header.batchSize),
    accumulate: countOf('accumulate', header.accumulate),
    ...optional<'precision', Precision>('precision', header.precision, (v) =>
      expect('precision', 'f32 or bf16', v as Precision, v === 'f32' || v === 'bf16'),
    ),
    perLayer: expect('perLayer', 'true or false', header.perLayer, typeof header.perLayer === 'boolean'),
    ...((version === WITH_DECISIONS || header.auto === true) && { auto: true }),
    ...(version === WITH_EVENTS && { events: true }),
  };
}

/** A field that older records lack. */
function optional<K extends string, T>(key: K, value: unknown, read: (value: unknown) => T): { readonly [k in K]?: T } {
  return value === undefined ? {} : ({ [key]: read(value) } as { readonly [k in K]?: T });
}

const isCount = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;
const isIndex = (x: unknown, length: number): boolean => isCount(x) && x < length;

/** A list of dimensions, of as many elements at most as can be counted. */
function isShape(x: unknown): boolean {
  return Array.isArray(x) && x.length <= MAX_RANK && x.every(isCount) && Number.isSafeInteger(x.reduce((a, b) => a * b, 1));
}

const countOf = (name: string, value: unknown): number => expect(name, 'a whole number from 0', value, isCount(value)) as number;

function numberOf(name: string, value: unknown): number {
  if (typeof value === 'number') return value;
  const known = value === 'NaN' || value === 'Infinity' || value === '-Infinity';
  return known ? Number(value) : expect(name, 'a number', value, false);
}

function expect<T>(name: string, expected: string, value: unknown, fits: boolean): T {
  if (!fits) throw new Error(`${name}: expected ${expected}, got ${JSON.stringify(value) ?? 'nothing'}`);
  return value as T;
}

const EXPECTING: Expecting = { number: numberOf, count: countOf, that: expect };
