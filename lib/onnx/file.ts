// file.ts: a model of ONNX as files: one, or two where the weights are too many bytes for one.
import { existsSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { DataError, OptionError } from '../errors.ts';
import { insist } from '../io/file/insist.ts';
import { InOrder } from '../io/file/order.ts';
import { writeWhole } from '../io/file/write.ts';
import { hasValuesIn } from '../io/onnx/onnx.ts';
import type { OnnxModel, OnnxTensor } from './model.ts';
import { type External, encodeModel } from './proto.ts';

/** A message of Protocol Buffers is below 2 GiB. */
export const MOST_BYTES: number = 2 ** 31 - 1;
/** Bytes from which on a tensor lies in the other file, if there is one. */
const LEAST_EXTERNAL = 1024;
/** Tensors of so many bytes begin where a page may begin, so that they can be mapped into memory; others at a multiple of the smaller number. */
const MAPPED = 2 ** 20;
const PAGE = 4096;
const ALIGNED = 64;

/** What was written. */
export interface WrittenFiles {
  /** The model. */
  readonly file: string;
  /** Where its weights lie, if that is another file. */
  readonly data: string | null;
  /** Of both together. */
  readonly bytes: number;
}

/** Exports that have not ended: of a model in two files, both are of one export. */
const exports = new InOrder();

/**
 * Write the model, and its weights beside it where that is asked for, or where they do not fit into it. Each file is whole or not there; that of the
 * weights is first. A file of weights of the model before, which nothing reads any more, is removed.
 * @param external true: weights in a file of their own; false: in the model; null: in the model, if they fit
 * @param most bytes of a model that has its weights
 * @throws OptionError where they are to be in the model and do not fit; DataError for what cannot be written
 */
export async function writeModel(
  file: string,
  model: OnnxModel,
  external: boolean | null,
  most: number = MOST_BYTES,
): Promise<WrittenFiles> {
  return exports.run(resolve(file), async () => {
    const parts = external === true ? null : wholeModel(model, external, most);
    if (!parts) return writeApart(file, model);
    const data = dataOf(file);
    const left = existsSync(data) && (await hasValuesIn(file, basename(data)));
    await writeWhole(file, parts);
    if (left) await removeData(data, file);
    return { file, data: null, bytes: sizeOf(parts) };
  });
}

/** Where weights of a model lie that are not in its file. */
const dataOf = (file: string): string => `${file}.data`;

/**
 * The model with its weights, in parts; null: they do not fit.
 * @throws OptionError where they do not, and must
 */
function wholeModel(model: OnnxModel, external: false | null, most: number): Uint8Array[] | null {
  const parts = encodeModel(model);
  const bytes = sizeOf(parts);
  if (bytes <= most) return parts;
  if (external === null) return null;
  const text = `exportOnnx: option externalData: false: the model is ${bytes} bytes, and a file of ONNX has at most ${most}: leave the option out`;
  throw new OptionError(text, { option: 'externalData', bytes });
}

/**
 * The model for who has no file: in memory, or in a stream.
 * @throws OptionError where its weights are to be in a file of their own, or do not fit
 */
export function modelParts(model: OnnxModel, external: boolean | null, most: number = MOST_BYTES): Uint8Array[] {
  const parts = external === true ? null : wholeModel(model, null, most);
  if (parts) return parts;
  const why = external ? '' : `: the model is more than ${most} bytes, the most that is possible without one`;
  throw new OptionError(`exportOnnx: weights in a file of their own are for a model in a file: give its name${why}`, {
    option: 'externalData',
  });
}

async function writeApart(file: string, model: OnnxModel): Promise<WrittenFiles> {
  const data = dataOf(file);
  const { parts, places } = laidOut(model.tensors, basename(data));
  const own = encodeModel(model, places);
  await writeWhole(data, parts);
  await writeWhole(file, own);
  return { file, data, bytes: sizeOf(parts) + sizeOf(own) };
}

async function removeData(data: string, file: string): Promise<void> {
  try {
    await insist(() => unlink(data));
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return;
    const text = `${data}: cannot be removed: ${message}. It has weights of the model before; ${file} is written, and has its own`;
    throw new DataError(text, { file: data, code }, { cause });
  }
}

/** Tensors one after the other. */
function laidOut(tensors: readonly OnnxTensor[], file: string): { parts: Uint8Array[]; places: Map<OnnxTensor, External> } {
  const parts: Uint8Array[] = [];
  const places = new Map<OnnxTensor, External>();
  let at = 0;
  for (const tensor of tensors) {
    const { length } = tensor.bytes;
    if (length < LEAST_EXTERNAL) continue;
    const unit = length >= MAPPED ? PAGE : ALIGNED;
    const offset = Math.ceil(at / unit) * unit;
    if (offset > at) parts.push(new Uint8Array(offset - at));
    parts.push(tensor.bytes);
    places.set(tensor, { file, offset, length });
    at = offset + length;
  }
  return { parts, places };
}

const sizeOf = (parts: readonly Uint8Array[]): number => parts.reduce((sum, { length }) => sum + length, 0);
