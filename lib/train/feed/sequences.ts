// sequences.ts: data sets and streams of sequences of any length, whose batches are as long as one of a few buckets.
import { type ArrayInput, isArray, isShare, type Share } from '../../data/arrays.ts';
import { type BucketRule, Buckets, type SequencesOptions, sequencesFields } from '../../data/buckets.ts';
import { missing } from '../../data/columns.ts';
import type { Scalar } from '../../data/nested.ts';
import { printed } from '../../errors/inspect.ts';
import { DataError, OptionError } from '../../errors.ts';
import { custom, options, show, signature, whole } from '../../options/index.ts';
import { comesInTurn, type InTurn } from './batch.ts';
import { type BatchStream, inTurn } from './batches.ts';
import { bucketed } from './bucketing.ts';
import { BATCH_SIZE } from './shape.ts';

export type { SequencesOptions } from '../../data/buckets.ts';

/** Sequences in a list, and what else examples have: one value each, or an array whose rows they are. */
export type SequenceLists = Readonly<Record<string, ArrayInput | readonly ArrayInput[]>>;
/** One of them: sequences and numbers by name. */
export type SequenceExample = Readonly<Record<string, Scalar | ArrayInput>>;
/** Names of arrays, of lists by name or of examples. */
export type SequenceNames<D> = (D extends readonly (infer E)[] ? keyof E : keyof D) & string;

/** The sequences of one bucket, padded. A trainer takes it for its arrays. */
export interface Bucket<N extends string = string> extends Share<N> {
  /** How many elements they were padded to, by the names of the arrays of sequences. */
  readonly lengths: Readonly<Record<string, number>>;
}

/** Sequences of any length in buckets, as `sequences` gives them. `N` are the names of a batch's tensors. */
export interface Sequences<N extends string = string> {
  /** How many examples there are. */
  readonly length: number;
  /** Those buckets that have any, the shortest first. */
  readonly buckets: readonly Bucket<N>[];
}

const readSequences = signature(
  'sequences',
  { data: custom('lists by name, or examples', (value) => value) },
  options<SequencesOptions>()(sequencesFields),
);

/**
 * Sequences of any length, each padded to the length of the first bucket that has room for it. A batch has sequences of one bucket, so there is one
 * program for each, and one for its shorter last batch. Arrays of the names that are asked for say what was padded: `lengths` for recurrent layers,
 * `padding` for attention, `mask` for a loss (its `sampleWeight`).
 *
 * ```ts
 * const data = sequences({ x: [[5, 3, 8], [2, 9]], y: [0, 1] }, { buckets: [16, 32, 64], lengths: 'lengths' });
 * await trainer.fit(data, { epochs: 3 });
 * ```
 * Each epoch has every example once: in the order of the seed they go to their buckets, and a bucket that has `batchSize` of them gives a batch; at the
 * end of the epoch what is left.
 * @param data lists by name, each a value an example: arrays are sequences, numbers are not; or a list of examples
 * @throws OptionError; ShapeError, DTypeError for values that are not as the first; DataError where there are none, or one is empty or too long
 */
export function sequences<D extends SequenceLists | readonly SequenceExample[], const L extends string = never>(
  data: D,
  options: SequencesOptions<SequenceNames<D>, L>,
): Sequences<SequenceNames<D> | L> {
  const { data: given, ...rule } = readSequences(arguments);
  if (!Array.isArray(given) && comesInTurn(given)) {
    throw new OptionError('sequences: argument data: examples one after the other are for sequenceBatches');
  }
  return inMemory(given, rule) as Sequences<SequenceNames<D> | L>;
}

/** Options of `sequenceBatches`. */
export interface SequenceBatchesOptions<K extends string = string, L extends string = string> extends SequencesOptions<K, L> {
  /** Sequences of a batch. Default 32. */
  readonly batchSize?: number;
}

const readSequenceBatches = signature(
  'sequenceBatches',
  { stream: inTurn('examples') },
  options<SequenceBatchesOptions>()({ ...sequencesFields, batchSize: whole({ min: 1 }).default(BATCH_SIZE) }),
);

/**
 * Batches for `fit` of sequences that come one after the other: each goes to its bucket, as by `sequences`, and a bucket that has `batchSize` of them
 * gives a batch; at the end each gives what it has left. Where a run goes on within an epoch, the examples before are drawn once more.
 *
 * ```ts
 * await trainer.fit(sequenceBatches(sentences, { buckets: [16, 32, 64], lengths: 'lengths' }), { epochs: 3 });
 * ```
 * @param stream examples, each sequences and numbers by name: a generator, an async one, a function that gives one, as for `fit`
 * @throws OptionError; (by the fit) ShapeError, DTypeError, DataError for an example that is not as the first, empty or too long
 */
export function sequenceBatches<E extends SequenceExample, const L extends string = never>(
  stream: InTurn<E>,
  options: SequenceBatchesOptions<keyof E & string, L>,
): BatchStream<(keyof E & string) | L> {
  const { stream: given, batchSize, ...rule } = readSequenceBatches(arguments);
  const batches = bucketed(given, new Buckets('sequenceBatches', rule), batchSize);
  return batches as BatchStream<(keyof E & string) | L>;
}

function inMemory(data: unknown, rule: BucketRule): Sequences {
  const buckets = new Buckets('sequences', rule);
  const columns = buckets.columns(Array.isArray(data) ? listsOf(data) : byName(data));
  if (columns.count === 0) throw new DataError('sequences: expected at least one example, got 0');
  const members: number[][] = Array.from({ length: buckets.count }, () => []);
  for (let i = 0; i < columns.count; i++) members[buckets.of(columns, i, `example ${i}`)]!.push(i);
  const filled = members.flatMap((rows, b): Bucket[] => {
    if (rows.length === 0) return [];
    const { lengths, arrays } = buckets.padded(columns, b, rows);
    return [{ lengths, arrays: Object.fromEntries(arrays), rows: Int32Array.from(rows) }];
  });
  const { count: length } = columns;
  const told = filled.map(({ lengths, rows }) => `${rows.length} of up to ${[...new Set(Object.values(lengths))].join(' and ')}`);
  return printed({ length, buckets: filled }, () => `Sequences: ${length} examples: ${told.join(', ')}`);
}

/** Whether it is one, by its form: one that was cloned is one too. */
export function isSequences(data: unknown): data is Sequences {
  const { buckets } = (data ?? {}) as Partial<Sequences>;
  return Array.isArray(buckets) && buckets.length > 0 && buckets.every((b) => isShare(b) && 'lengths' in b);
}

/** @throws OptionError for what has no arrays by name */
function byName(data: unknown): Readonly<Record<string, unknown>> {
  if (typeof data === 'object' && data !== null && !isArray(data)) return data as Readonly<Record<string, unknown>>;
  throw new OptionError(`sequences: argument data: expected lists by name, or a list of examples, got ${show(data)}`);
}

/** Examples as lists. @throws OptionError, DataError for one that is none, or has other names than the first */
function listsOf(examples: readonly unknown[]): Record<string, unknown[]> {
  const all = examples.map(byName);
  const names = Object.keys(all[0] ?? {});
  for (const [i, example] of all.entries()) {
    const lacking = names.find((name) => !Object.hasOwn(example, name));
    if (lacking !== undefined) throw missing(`sequences: example ${i}`, lacking, example);
  }
  return Object.fromEntries(names.map((name) => [name, all.map((example) => example[name])]));
}
