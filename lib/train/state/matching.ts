// matching.ts: how what a checkpoint has fits a model: which names, which types; and what is left out.
import { CheckpointError } from '../../errors.ts';
import type { State } from '../../ir/graph.ts';
import { ARRAYS, type Data, type DType, sameShape, sizeOf, typeName } from '../../ir/op.ts';
import { show } from '../../options/index.ts';
import { dtypeOf } from '../feed/source.ts';
import { sameBits } from '../flow/kept.ts';
import { type Checkpoint, type Mismatch, PREFIX } from './checkpoint.ts';

/** What `Trainer.load` gives: how the names of the file fit those of the model. */
export interface LoadResult {
  /** Names the model has and the file does not; of a tensor with several names, where it has none of them, the first. */
  readonly missing: readonly string[];
  /** Names the file has and the model does not. */
  readonly extra: readonly string[];
  /** With option `skipMismatched`: weights that were left out since their shapes differ. */
  readonly mismatched?: readonly Mismatch[];
}

/** What a checkpoint is matched for, as errors begin. */
export type Purpose = 'load' | 'resume' | 'restore';

/** What is said to what does not fit, where nothing may be left out. */
const REMEDIES: Partial<Record<Purpose, string>> = {
  resume: '; a run goes on with the model, optimizer and options that it began with',
  restore: '; a snapshot is for a trainer of the model, optimizer and options that it was taken with',
};

/** What a checkpoint has for a model. */
export interface Matched extends LoadResult {
  readonly values: ReadonlyMap<State, Data>;
}

/** A checkpoint without the weights that have other shapes in the model; if there are any, it is one of weights only. */
export function withoutMismatched(checkpoint: Checkpoint, weights: ReadonlyMap<string, State>): Checkpoint {
  const tensors = new Map(checkpoint.tensors);
  const mismatched: Mismatch[] = [];
  for (const [name, { type }] of weights) {
    const t = tensors.get(name);
    if (!t || sameShape(t.shape, type.shape)) continue;
    mismatched.push({ name, model: type.shape, file: t.shape });
    tensors.delete(name);
  }
  return { ...checkpoint, tensors, mismatched, ...(mismatched.length > 0 && { progress: null }) };
}

/**
 * Match a checkpoint with a model. A tensor with several names is found by any of them, and by several if they agree. Everything is checked before
 * anything is returned, so a refused file changes nothing.
 *
 * @param purpose what is done with it: a run that is resumed, and a snapshot, are of the same model and options
 * @throws CheckpointError if it does not fit: names (when strict), dtypes or shapes
 */
export function matchCheckpoint(
  checkpoint: Checkpoint,
  names: ReadonlyMap<string, State>,
  strict: boolean,
  purpose: Purpose,
): Matched {
  const where = purpose;
  const remedy = (option: string): string => REMEDIES[purpose] ?? ` (${option})`;
  const { file, tensors, unread, mismatched: left } = checkpoint;
  const skipped = new Set(left?.map(({ name }) => name));
  const own = checkpoint.progress !== null;
  // A file from elsewhere (PyTorch) holds weights only: optimizer and policy then start afresh.
  const wanted = new Map<State, string[]>();
  for (const [name, state] of names) {
    if (own || !name.startsWith(PREFIX)) wanted.set(state, [...(wanted.get(state) ?? []), name]);
  }
  const missing: string[] = [];
  const extra = [...tensors.keys(), ...unread.keys()].filter((name) => !names.has(name));
  const values = new Map<State, Data>();
  const mismatched: string[] = [];
  let hint = '';
  for (const [state, all] of wanted) {
    const there = all.filter((name) => tensors.has(name));
    const wrong = all.filter((name) => unread.has(name));
    for (const name of wrong) mismatched.push(unread.get(name)!.message.replace(`${file}: `, ''));
    if (there.length + wrong.length === 0 && !all.some((name) => skipped.has(name))) missing.push(all[0]!);
    for (const name of there) {
      const t = tensors.get(name)!;
      const { part } = state;
      // A snapshot has what this process had.
      const whole = part !== undefined && purpose !== 'restore';
      const { shape } = whole ? part.whole : state.type;
      const all = held(t.data, state.type.dtype);
      const data = whole ? all.slice(part.from, part.from + sizeOf(state.type.shape)) : all;
      const before = values.get(state);
      if (dtypeOf(data) !== state.type.dtype || !sameShape(t.shape, shape)) {
        mismatched.push(`${name}: expected ${typeName(part?.whole ?? state.type)}, got ${typeName(t)}`);
        if (!sameShape(t.shape, shape)) hint = remedy('skipMismatched: true leaves out weights of other shapes');
      } else if (before && !sameBits(before, data)) {
        mismatched.push(`${name}: other values than ${there[0]}, which is the same tensor of the model`);
      } else values.set(state, data);
    }
  }
  if (mismatched.length > 0) {
    throw new CheckpointError(`${where}: ${file}: ${mismatched.join('; ')}${hint}`, { file, missing, extra, mismatched });
  }
  const lost = checkpoint.ofPredictions ? missing.filter((name) => !COUNT.test(name)) : missing;
  if (strict && lost.length + extra.length > 0) {
    const shifted = prefixed(lost, names, extra, tensors);
    if (shifted !== null) throw new CheckpointError(`${where}: ${file}: ${shifted}`, { file, missing, extra, mismatched });
    const parts = [lost.length > 0 ? `missing ${lost.join(', ')}` : '', extra.length > 0 ? `extra ${extra.join(', ')}` : ''];
    const text = parts.filter((p) => p !== '').join('; ');
    throw new CheckpointError(`${where}: ${file}: ${text}${remedy('strict: false loads what fits')}`, {
      file,
      missing,
      extra,
      mismatched,
    });
  }
  return { values, missing, extra, ...(left && { mismatched: left }) };
}

/** How many batches a norm has seen: read in training alone. */
const COUNT = /(^|\.)num_batches_tracked$/;

type Names = ReadonlyMap<string, unknown>;

/** What helps. */
const remedyOf = (from: string, to: string): string => `; option rename: { ${show(from)}: ${show(to)} } takes them`;

/** What is said where the weights' names in the file and in the model are the same but for one prefix; null where they are not. */
function prefixed(missing: readonly string[], model: Names, extra: readonly string[], file: Names): string | null {
  const [lost, left] = [missing, extra].map((names) => names.filter((name) => !name.startsWith(PREFIX))) as [string[], string[]];
  const more = prefixOf(left, file, lost, model);
  if (more !== undefined)
    return `the names in the file have a prefix ${show(more)} that the model's have not: ${more}${lost[0]}${remedyOf(more, '')}`;
  const less = prefixOf(lost, model, left, file);
  return less === undefined
    ? null
    : `the names in the file lack the prefix ${show(less)} of the model's: ${less}${left[0]}${remedyOf('', less)}`;
}

/** What all of the `long` names have before the `short` ones; `longs` and `shorts` are all names that there are, of tied tensors too. */
function prefixOf(long: readonly string[], longs: Names, short: readonly string[], shorts: Names): string | undefined {
  const first = short[0];
  if (first === undefined || long.length === 0) return undefined;
  const prefixes = long.filter((name) => name.endsWith(`.${first}`)).map((name) => name.slice(0, -first.length));
  const isBetween = (prefix: string): boolean =>
    short.every((name) => longs.has(prefix + name)) &&
    long.every((name) => name.startsWith(prefix) && shorts.has(name.slice(prefix.length)));
  return prefixes.find(isBetween);
}

/** Whole numbers as another dtype, if it holds every one: PyTorch counts in int64, which is read as i32, and our counts are f64. Else as they are. */
function held(data: Data, dtype: DType): Data {
  if (dtypeOf(data) === dtype || data instanceof Float32Array || data instanceof Float64Array) return data;
  const same = new ARRAYS[dtype](data);
  return same.every((value, i) => value === data[i]) ? same : data;
}
