// inputs.ts: what the trainer's functions are given, checked and in one form.
import { OptionError } from '../errors.ts';
import { Tensor } from '../ir/graph.ts';
import { Module } from '../nn/module.ts';
import { show } from '../options.ts';
import { checkedSource } from './own-source.ts';
import { type ArrayInput, type Arrays, modelArrays, rows, type Source } from './source.ts';
import type { Stream, StreamBatch } from './stream.ts';

export function checkFile(where: string, file: unknown): void {
  if (typeof file !== 'string' || file === '') {
    throw new OptionError(`${where}: expected the name of a file, got ${show(file)}`, { file });
  }
}

export function isStream(data: unknown): data is Stream {
  return typeof data === 'function' || (typeof data === 'object' && data !== null && Symbol.asyncIterator in data);
}

export function asSource(where: string, data: Arrays | Source): Source {
  if (typeof (data as Partial<Source> | null)?.trace === 'function') return checkedSource(where, data as Source);
  return rows(namedArrays(where, 'named arrays, such as { x, y }, or a source of batches', data));
}

export function inputsOf(where: string, inputs: ArrayInput | Arrays): StreamBatch {
  return modelArrays(isArray(inputs) ? { x: inputs } : namedArrays(where, 'an array of rows or named arrays', inputs));
}

/** Whether it is one array, as far as its form tells. */
export function isArray(x: unknown): x is ArrayInput {
  return ArrayBuffer.isView(x) || Array.isArray(x) || (typeof x === 'object' && x !== null && 'data' in x && 'shape' in x);
}

/** @throws OptionError for what has no arrays by name */
function namedArrays(where: string, expected: string, data: unknown): Arrays {
  if (data instanceof Map) return Object.fromEntries(data) as Arrays;
  const promise = typeof (data as { then?: unknown } | null)?.then === 'function';
  // Nobody waits for it: what it rejects with would end the process.
  if (promise) (data as PromiseLike<unknown>).then(undefined, () => {});
  const named = typeof data === 'object' && data !== null && !isArray(data) && !promise;
  if (named && !(data instanceof Tensor || data instanceof Module || Symbol.asyncIterator in data)) return data as Arrays;
  const hint = promise
    ? '; is an await missing?'
    : data instanceof Tensor
      ? ': what a model computes while it is traced has no values'
      : typeof data === 'number'
        ? '; preprocess.split takes a part of the rows'
        : '';
  throw new OptionError(`${where}: expected ${expected}, got ${show(data)}${hint}`);
}
