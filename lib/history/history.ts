// history.ts: what a run's steps told, column by column: what `fit` records, and what `advise` and `replay` work on.
import type { AutoDecision } from '../clip/clip.ts';
import { OptionError } from '../errors.ts';
import type { Precision } from '../ir/op.ts';
import type { Report } from '../optim/apply/report.ts';
import { custom, type Field, show } from '../options/index.ts';
import type { RunEvent } from './run/events.ts';

/** What a record holds about the optimizer of a group. */
export interface RecordedOptimizer {
  /** As errors have it. */
  readonly name: string;
  /** Learning rate of the first step. */
  readonly lr: number;
  /** What it adds to the root of a mean of squares that it divides by; null if it does not. */
  readonly eps: number | null;
  /** If an update is the gradient times the rate, the part of the last one that is added, 0 without momentum; else null. Absent in older records. */
  readonly momentum?: number | null;
}

/** What a record holds about a parameter. */
export interface RecordedParameter {
  /** Path within the model. */
  readonly name: string;
  /** Its shape. */
  readonly shape: readonly number[];
  /** Index of its optimizer. */
  readonly optimizer: number;
  /** Root mean square of its elements where the recording began. Absent in older records. */
  readonly rms?: number;
}

/** What a record holds about its run before the first step. */
export interface RecordHeader {
  /** Version of this library. */
  readonly library: string;
  /** Name of the clip policy. */
  readonly policy: string;
  /** 2 if `norm` is the 2-norm of all gradients; null if the policy measures something else. */
  readonly norm: 2 | null;
  /** If the policy makes its threshold of earlier steps and has none in the first ones: what would bound it there; else null. Absent in older records. */
  readonly unbounded?: string | null;
  /** Of each group of parameters. */
  readonly optimizers: readonly RecordedOptimizer[];
  /** The trained parameters in the order of `layers`. */
  readonly parameters: readonly RecordedParameter[];
  /** Seed of the trainer, in decimal digits. */
  readonly seed: string;
  /** Threads that the trainer was to take. */
  readonly threads: number;
  /** Rows per micro-batch. */
  readonly batchSize: number;
  /** Micro-batches per step. */
  readonly accumulate: number;
  /** What products took their operands as. Absent in older records. */
  readonly precision?: Precision;
  /** Every step has the 2-norms of its parameters' gradients. */
  readonly perLayer: boolean;
  /** Steps have learning rates, and events stand among them. Absent in older records. */
  readonly events?: true;
  /** The policy finds its threshold, and the record has what it decided. Absent where it does not. */
  readonly auto?: true;
}

/** 2-norms by parameter, before the clip. */
export interface Layers {
  /** Names of the parameters. */
  readonly names: readonly string[];
  /** Shapes of the parameters, in the order of `names`. */
  readonly shapes: readonly (readonly number[])[];
  /** Row by row: the norm of parameter k in step i is norms[i * names.length + k]. */
  readonly norms: Float64Array;
}

/** Steps of a run; element i of every column belongs to the i-th step tried. What nobody told is NaN (`threshold`: Infinity). */
export interface History {
  /** What the record holds about its run before the first step; null where the history is not from a record. */
  readonly header: RecordHeader | null;
  /** Steps tried: the length of every column. */
  readonly length: number;
  /** Batches drawn before the step. */
  readonly attempt: Float64Array;
  /** Updates applied before the step. */
  readonly step: Float64Array;
  /** Loss of the step. */
  readonly loss: Float64Array;
  /** Norm of the gradient before the clip, as the policy measures it. */
  readonly norm: Float64Array;
  /** Norm of what the optimizer got. */
  readonly normAfter: Float64Array;
  /** What the gradient was multiplied by; the smallest, where there are several. */
  readonly scale: Float64Array;
  /** Threshold of the step; Infinity if there was none. */
  readonly threshold: Float64Array;
  /** Fraction of the elements of the gradient that the policy changed, 0 to 1. */
  readonly clippedFraction: Float64Array;
  /** 1 in a step whose gradient the policy changed, else 0. */
  readonly clipped: Uint8Array;
  /** 1 in a step that was left out, else 0. */
  readonly skipped: Uint8Array;
  /** Name of the first tensor whose gradient was not finite, or null. */
  readonly nonFinite: readonly (string | null)[];
  /** How many tensors had a gradient that was not finite. */
  readonly nonFiniteCount: Float64Array;
  /** 2-norms by parameter; null where they were not recorded (option `perLayer` of a record). */
  readonly layers: Layers | null;
  /** What `clip.auto` decided in the run, in order. Absent where it did not clip. */
  readonly decisions?: readonly AutoDecision[];
  /** Learning rates by group of parameters: that of group g in step i is rates[g][i]; NaN where a step had fewer groups. Absent where nobody told them. */
  readonly rates?: readonly Float64Array[];
  /** Validations, ends of epochs, findings of guards and times, in order. Absent where nobody told them. */
  readonly events?: readonly RunEvent[];
  /** Bytes at the end of a record that are part of a line, which is left out: it is being written, or a kill cut it. 0 where there are none. */
  readonly torn: number;
}

/** The numbers of a step, and the value of each where nobody told it. */
export const NUMBERS: Readonly<Record<NumberColumn, number>> = {
  attempt: Number.NaN,
  step: Number.NaN,
  loss: Number.NaN,
  norm: Number.NaN,
  normAfter: Number.NaN,
  scale: Number.NaN,
  threshold: Number.POSITIVE_INFINITY,
  clippedFraction: Number.NaN,
  nonFiniteCount: Number.NaN,
};
export type NumberColumn =
  | 'attempt'
  | 'step'
  | 'loss'
  | 'norm'
  | 'normAfter'
  | 'scale'
  | 'threshold'
  | 'clippedFraction'
  | 'nonFiniteCount';
const FLAGS = ['clipped', 'skipped'] as const;

/** Some columns of a history, of which only the norms are needed; all of one length. */
export type Columns = { readonly norm: ArrayLike<number> } & {
  readonly [K in NumberColumn]?: ArrayLike<number>;
} & { readonly [K in (typeof FLAGS)[number]]?: ArrayLike<number | boolean> } & {
  readonly nonFinite?: readonly (string | null)[];
  readonly layers?: Layers | null;
  readonly header?: RecordHeader | null;
  readonly decisions?: readonly AutoDecision[];
  readonly rates?: readonly ArrayLike<number>[];
  readonly events?: readonly RunEvent[];
  readonly torn?: number;
};

/** What `advise` and `replay` take: a history, some of its columns, the reports of steps, or the norms alone. */
export type HistoryLike = History | Columns | readonly Report[] | readonly number[] | Float64Array | Float32Array;

const ABOUT = ['layers', 'header', 'length', 'torn', 'decisions', 'rates', 'events'];
const COLUMNS = [...Object.keys(NUMBERS), ...FLAGS, 'nonFinite', ...ABOUT];

/** What `advise` and `replay` are given, as a history. */
export const historyLike: Field<HistoryLike, History> = custom('norms, reports or a history', (given, { where }) =>
  historyOf(where, given as HistoryLike),
);

/** @throws OptionError for what is none, or columns of several lengths */
export function historyOf(where: string, given: HistoryLike): History {
  if (ArrayBuffer.isView(given)) return fromColumns(where, { norm: given as Float64Array });
  if (Array.isArray(given)) {
    const list = given as readonly (number | Report)[];
    if (list.every((x) => typeof x === 'number')) return fromColumns(where, { norm: list as readonly number[] });
    if (list.every((x) => typeof x === 'object' && x !== null && 'norm' in x)) return fromReports(list as readonly Report[]);
    throw new OptionError(`${where}: expected norms, reports or a history, got ${show(given)} of something else`);
  }
  if (typeof given !== 'object' || given === null || !('norm' in given)) {
    throw new OptionError(`${where}: expected norms, reports or a history, got ${show(given)}`);
  }
  return fromColumns(where, given as Columns);
}

/** A plain array, or a typed one of numbers. */
const isList = (x: unknown): boolean => {
  if (Array.isArray(x)) return true;
  return ArrayBuffer.isView(x) && !(x instanceof DataView || x instanceof BigInt64Array || x instanceof BigUint64Array);
};

function fromColumns(where: string, columns: Columns): History {
  for (const [name, value] of Object.entries(columns)) {
    if (ABOUT.includes(name) || value === undefined || isList(value)) continue;
    throw new OptionError(`${where}: expected a list of values as ${name}, got ${show(value)}`, { column: name });
  }
  const stranger = Object.keys(columns).find((key) => !COLUMNS.includes(key));
  if (stranger !== undefined) throw new OptionError(`${where}: a history has no column ${stranger}: ${COLUMNS.join(', ')}`);
  const { norm, layers = null, header = null, torn = 0, decisions, rates, events } = columns;
  const { length } = norm;
  const fits = (name: string, found: number, expected: number): void => {
    if (found !== expected)
      throw new OptionError(`${where}: expected ${expected} values of ${name}, got ${found}`, { column: name });
  };
  const numbers = Object.entries(NUMBERS).map(([name, missing]) => {
    const given = columns[name as NumberColumn];
    if (given) fits(name, given.length, length);
    return [name, given ? Float64Array.from(given) : new Float64Array(length).fill(missing)] as const;
  });
  const flags = FLAGS.map((name) => {
    const given = columns[name];
    if (given) fits(name, given.length, length);
    return [name, given ? Uint8Array.from(given as ArrayLike<number>, Number) : new Uint8Array(length)] as const;
  });
  const { nonFinite = new Array<null>(length).fill(null) } = columns;
  fits('nonFinite', nonFinite.length, length);
  if (decisions !== undefined && !Array.isArray(decisions))
    throw new OptionError(`${where}: expected a list as decisions, got ${show(decisions)}`, { column: 'decisions' });
  if (events !== undefined && !Array.isArray(events))
    throw new OptionError(`${where}: expected a list as events, got ${show(events)}`, { column: 'events' });
  if (rates !== undefined && !(Array.isArray(rates) && rates.every(isList)))
    throw new OptionError(`${where}: expected lists of numbers as rates, got ${show(rates)}`, { column: 'rates' });
  for (const [g, group] of (rates ?? []).entries()) fits(`rates[${g}]`, group.length, length);
  if (layers) {
    const wrong = (['names', 'shapes', 'norms'] as const).find((key) => !isList(layers[key]));
    if (wrong)
      throw new OptionError(`${where}: expected a list as layers.${wrong}, got ${show(layers[wrong])}`, { column: 'layers' });
    fits('layers.norms', layers.norms.length, length * layers.names.length);
    fits('layers.shapes', layers.shapes.length, layers.names.length);
  }
  return {
    ...(Object.fromEntries([...numbers, ...flags]) as unknown as History),
    length,
    nonFinite,
    layers,
    header,
    torn,
    ...(decisions && { decisions }),
    ...(rates && { rates: rates.map((group) => Float64Array.from(group)) }),
    ...(events && { events }),
  };
}

function fromReports(reports: readonly Report[]): History {
  const column = (name: NumberColumn | (typeof FLAGS)[number]): number[] => reports.map((r) => Number(r[name]));
  const names = [...Object.keys(NUMBERS), ...FLAGS] as (NumberColumn | (typeof FLAGS)[number])[];
  const columns = Object.fromEntries(names.map((name) => [name, column(name)]));
  return fromColumns('history', { ...columns, nonFinite: reports.map((r) => r.nonFinite) } as unknown as Columns);
}

/** The 2-norm of all gradients, step by step: as it was recorded, or where the policy measured another norm or none, from those of the layers. */
export function twoNorms({ header, layers, norm }: History): Float64Array | null {
  if (header?.norm !== null) return norm;
  return layers && norm.map((_, i) => Math.sqrt(rowOf(layers, i).reduce((s, n) => s + n * n, 0)));
}

function rowOf({ names, norms }: Layers, i: number): Float64Array {
  return norms.subarray(i * names.length, (i + 1) * names.length);
}

/** The norms of one parameter, step by step. */
export function layerNorms({ names, norms }: Layers, k: number): Float64Array {
  return Float64Array.from({ length: norms.length / names.length }, (_, i) => norms[i * names.length + k]!);
}
