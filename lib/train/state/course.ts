// course.ts: the course of a training in a file: where its run began, and what is kept of whoever follows it: JSON in the header, values as tensors.

import type { TensorData } from '../../io/file/file.ts';
import { parseJson } from '../../io/json.ts';
import type { Data } from '../../ir/op.ts';
import { dtypeOf } from '../feed/source.ts';
import type { Kept } from '../flow/kept.ts';
import { NUMBER } from '../flow/plain.ts';
import type { Course } from '../flow/progress.ts';

const PREFIX = 'gradclip.watch.';

/** Values that are kept: by the watcher's name and the set's, then by names of states. */
export type KeptTensors = ReadonlyMap<string, ReadonlyMap<string, Data>>;

/** The course for the header; its values are added to the tensors. */
export function writeCourse({ tried, begin, validated, data, kept }: Course, tensors: Map<string, TensorData>): string {
  const entries = [...kept].map(([name, { key, state, values = {} }]) => {
    for (const [set, of] of Object.entries(values)) {
      for (const [state, data] of of) {
        tensors.set(`${PREFIX}${name}.${set}.${state}`, { dtype: dtypeOf(data), shape: [data.length], data });
      }
    }
    return [name, key, state, Object.keys(values)];
  });
  return JSON.stringify({ tried, begin, validated, ...(data && { data: data.contents }), kept: entries }, (_, value: unknown) =>
    asJson(value),
  );
}

/** Part what is kept from all other tensors of a file. */
export function partKept(all: ReadonlyMap<string, TensorData>): [Map<string, TensorData>, KeptTensors] {
  const tensors = new Map<string, TensorData>();
  const kept = new Map<string, Map<string, Data>>();
  for (const [name, t] of all) {
    const [watcher, set, ...state] = name.startsWith(PREFIX) ? name.slice(PREFIX.length).split('.') : [];
    if (watcher === undefined) {
      tensors.set(name, t);
      continue;
    }
    const sets = `${watcher}.${set}`;
    kept.set(sets, (kept.get(sets) ?? new Map<string, Data>()).set(state.join('.'), t.data));
  }
  return [tensors, kept];
}

/** @throws TypeError, SyntaxError for what `writeCourse` does not write */
export function readCourse(text: string, tensors: KeptTensors): Course {
  const { tried, begin, validated, data, kept } = ofJson(parseJson(text)) as Record<string, unknown>;
  const from = begin as Record<string, unknown> | null | undefined;
  const entries = Array.isArray(kept) ? kept.map((entry) => keptOf(entry, tensors)) : [];
  return {
    tried: count('tried', tried),
    begin: { tried: count('begin.tried', from?.tried), epoch: count('begin.epoch', from?.epoch) },
    validated: count('validated', validated),
    // Versions before did not say it.
    data: typeof data === 'string' ? { contents: data, stream: null } : null,
    kept: new Map(entries),
    left: null,
  };
}

function keptOf(entry: unknown, tensors: KeptTensors): [string, Kept] {
  const [name, key, state, sets] = Array.isArray(entry) ? (entry as unknown[]) : [];
  if (typeof name !== 'string' || typeof key !== 'string' || !Array.isArray(sets))
    throw new TypeError('what is kept is another list');
  if (sets.length === 0) return [name, { key, state }];
  const values = sets.map((set) => [String(set), tensors.get(`${name}.${set}`) ?? new Map<string, Data>()] as const);
  return [name, { key, state, values: Object.fromEntries(values) }];
}

function count(what: string, value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new TypeError(`${what} is ${String(value)}`);
  return value as number;
}

/** JSON has no numbers that are not finite, and no -0. */
function asJson(value: unknown): unknown {
  return typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))
    ? { [NUMBER]: Object.is(value, -0) ? '-0' : String(value) }
    : value;
}

/** No deeper than what was parsed. */
function ofJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ofJson);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [first] = entries;
  if (entries.length === 1 && first![0] === NUMBER && typeof first![1] === 'string') return Number(first![1]);
  return Object.fromEntries(entries.map(([key, v]) => [key, ofJson(v)]));
}
