// inputs.ts: what the trainer's functions are given, checked and in one form.
import { OptionError } from '../errors.ts';
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
  if (typeof data !== 'object' || data === null || Array.isArray(data) || ArrayBuffer.isView(data)) {
    throw new OptionError(`${where}: expected named arrays or a source of batches, got ${show(data)}`);
  }
  return typeof (data as Source).trace === 'function' ? checkedSource(where, data as Source) : rows(data as Arrays);
}

export function inputsOf(where: string, inputs: ArrayInput | Arrays): StreamBatch {
  if (typeof inputs !== 'object' || inputs === null) {
    throw new OptionError(`${where}: expected an array of rows or named arrays, got ${show(inputs)}`);
  }
  const bare = ArrayBuffer.isView(inputs) || Array.isArray(inputs) || ('data' in inputs && 'shape' in inputs);
  return modelArrays(bare ? { x: inputs as ArrayInput } : (inputs as Arrays));
}
