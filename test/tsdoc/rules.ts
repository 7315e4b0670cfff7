// rules.ts: what the comment of a public name must have (CONTRIBUTING.md, "Comments of public names"), and what it lacks.
import { type AnyField, type Schema, signatures } from '../../lib/options/index.ts';
import { literalsOf, same } from './literals.ts';
import type { Documented, Option, Reading } from './read.ts';

/** A part of a comment, by what the convention calls it. */
export type Part = 'summary' | 'shape' | 'default' | 'unit' | 'throws' | 'source';

/** What each name lacks, where it lacks something: in words, by part. */
export type Missing = ReadonlyMap<string, ReadonlyMap<Part, string>>;

/** @param seen classes of errors that a function was seen to throw, by its path */
export function missingOf({ items, options }: Reading, seen: ReadonlyMap<string, readonly string[]>): Missing {
  const takers = new Map<string, Option[]>();
  for (const option of options) takers.set(option.item, [...(takers.get(option.item) ?? []), option]);
  const byPath = new Map(items.map((item) => [item.path, item]));
  const missing = new Map<string, Map<Part, string>>();
  for (const item of items) {
    const lacks = new Map<Part, string>();
    const say = (part: Part, what: string | null): void => void (what !== null && lacks.set(part, what));
    say('summary', summary(item));
    say('shape', shape(item));
    say('default', usual(item, takers.get(item.path) ?? []));
    say('unit', unit(item));
    say('throws', thrown(item, byPath, seen.get(item.path) ?? []));
    say('source', source(item));
    if (lacks.size > 0) missing.set(item.path, lacks);
  }
  return missing;
}

// ---- summary -----------------------------------------------------------------------------------------------------
/** What an option is, without what it is when it is not given. */
const DEFAULT = /\b(?:Default|Absent|Not given)\b/;

function summary({ text }: Documented): string | null {
  const [said] = text.split(DEFAULT) as [string];
  const words = said.match(/[\p{L}\d]+|`[^`]+`/gu) ?? [];
  if (words.length < 2) return 'a sentence that says what it is';
  if (/^The same(?: over| as| of| for|[.,:;]|$)/.test(said)) return 'a sentence of its own: not "The same"';
  return /[.!?:)`\]]$/.test(text.trim()) ? null : 'a full stop';
}

// ---- shapes ------------------------------------------------------------------------------------------------------
const TENSOR = /\b(?:Tensor|TensorLike|Operand)\b/;
/** What stands before a function's body. */
const headOf = (code: string): string => code.split(/\{\n/)[0]!;
const tagsOf = ({ tags }: Documented, name: string): string[] => tags.filter((tag) => tag.name === name).map(({ text }) => text);

/** Layers, and metrics that count arrays: their class says what goes in and out. */
const COUNTS = /^(?:nn|models|metrics)\.[A-Z]\w*$/;
/** Of nn, but no layers. */
const NO_LAYER = /^nn\.(?:Module|Parameter|Buffer)$/;
const isLayer = ({ path, kind }: Documented): boolean => kind === 'class' && COUNTS.test(path) && !NO_LAYER.test(path);

function shape(item: Documented): string | null {
  const { path, kind, code, text } = item;
  const said = tagsOf(item, 'shape');
  if (kind === 'property') return !TENSOR.test(code) || said.length > 0 || /\[|scalar|shape/i.test(text) ? null : 'its shape';
  const needed =
    isLayer(item) ||
    (['function', 'constant'].includes(kind) && TENSOR.test(headOf(code))) ||
    (kind === 'method' && TENSOR.test(headOf(code)) && !/\.(?:forward|toTensor)$/.test(path));
  if (!needed) return null;
  return said.some((one) => /\[.*\]|scalar/.test(one)) ? null : '@shape';
}

// ---- defaults and units ------------------------------------------------------------------------------------------
function usual(item: Documented, takers: readonly Option[]): string | null {
  if (item.kind !== 'property' || !item.optional || (takers.length === 0 && !/Options\.\w+$/.test(item.path))) return null;
  if (!DEFAULT.test(item.text)) return 'Default';
  const told = literalsOf(item.text.slice(item.text.search(DEFAULT)));
  // What nobody may give is no value that stands for the option.
  const real = takers.map(realOf).filter((value) => value !== undefined && (value !== null || /\bnull\b/.test(item.code)));
  const distinct = real.filter((value, i) => real.findIndex((other) => same(other, value)) === i);
  const wrong =
    distinct.length === 1 ? !same(told[0], distinct[0]) : !distinct.every((value) => told.some((one) => same(one, value)));
  return wrong ? `Default ${distinct.map((value) => JSON.stringify(value) ?? String(value)).join(' or ')}` : null;
}

/** What a call without the option reads, where that is a value that a comment can spell; else undefined. */
function realOf({ taker, key }: Option): unknown {
  const field: AnyField | undefined = signatures.get(taker)?.options?.[key];
  if (!field || field.required) return undefined;
  const { default: json } = (field.schema ?? {}) as Schema;
  const value = json === undefined ? field.fallback : json === 'inf' ? Infinity : json;
  const spelled = value === null || Array.isArray(json) || ['number', 'string', 'boolean'].includes(typeof value);
  return spelled ? value : undefined;
}

/** Options that count or measure something, by name, and what they may count in. */
const MEASURES =
  /\.(?:patience|cooldown|window|warmup|steps|every|interval|period|size|maxSkips|timeout|maxBytes|bytes|chunkSteps|batchSize|epochs|lag|keep|rows|maxSteps|up|down|milestones)$/;
const UNITS =
  /\b(?:steps?|epochs?|batch(?:es)?|rows?|bytes?|[KMG]iB|milliseconds|seconds|threads?|tokens?|updates?|validations?|elements?|norms?|files?|columns?|pixels?|skips?|numbers?|places?|values?|samples?)\b/i;

function unit({ path, kind, code, text }: Documented): string | null {
  if (kind !== 'property' || !/Options\.\w+$/.test(path) || !MEASURES.test(path) || !/number|Length|Every/.test(code))
    return null;
  return UNITS.test(text) ? null : 'what it counts: steps, rows, bytes, ...';
}

// ---- errors ------------------------------------------------------------------------------------------------------
function thrown(item: Documented, byPath: ReadonlyMap<string, Documented>, seen: readonly string[]): string | null {
  const { path, kind, code } = item;
  if (kind === 'type' || kind === 'property' || kind === 'namespace') return null;
  // Of a method, what its class says of all of them counts.
  const above = kind === 'method' ? byPath.get(path.slice(0, path.lastIndexOf('.'))) : undefined;
  const told = [item, ...(above ? [above] : [])].flatMap((one) => tagsOf(one, 'throws')).join(' ');
  const thrown = new Set([
    ...(signatures.has(path) ? ['OptionError'] : []),
    ...[...code.matchAll(/throw new (\w+Error)\b/g)].map(([, name]) => name!),
    ...seen,
  ]);
  const untold = [...thrown].filter((name) => !new RegExp(`\\b${name}\\b`).test(told));
  return untold.length === 0 ? null : `@throws ${untold.join(', ')}`;
}

// ---- source ------------------------------------------------------------------------------------------------------
/** Functions and classes that stand for something known elsewhere. */
const KNOWN = /^(?:ops|loss|metrics|models|clip|optim|optim\.schedule|nn|nn\.init)\.\w+$/;
const NO_SOURCE = /^(?:nn\.(?:Module|Parameter|Buffer)|optim\.define)$/;
/** A name of another library, a paper by its year, or this library alone. */
const SOURCE = /^(?:[a-z]\w*(?:\.\w+)+|gradclip\b)|\b(?:19|20)\d\d\b/;

function source(item: Documented): string | null {
  const { path, kind } = item;
  if (!['function', 'constant', 'class'].includes(kind) || !KNOWN.test(path) || NO_SOURCE.test(path)) return null;
  return tagsOf(item, 'see').some((said) => SOURCE.test(said)) ? null : '@see';
}
