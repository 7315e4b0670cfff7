// file.ts: a model of ONNX as files: one, or two where the weights are too many bytes for one.
import { basename } from 'node:path';
import { OptionError } from '../errors.ts';
import { writeWhole } from '../io/file/write.ts';
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

/**
 * Write the model, and its weights beside it where that is asked for, or where they do not fit into it. Each file is whole or not there; that of the
 * weights is first.
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
  if (external !== true) {
    const parts = encodeModel(model);
    const bytes = sizeOf(parts);
    if (bytes <= most) {
      await writeWhole(file, parts);
      return { file, data: null, bytes };
    }
    if (external === false) {
      const text = `exportOnnx: option externalData: false: the model is ${bytes} bytes, and a file of ONNX has at most ${most}: leave the option out`;
      throw new OptionError(text, { option: 'externalData', bytes });
    }
  }
  const data = `${file}.data`;
  const { parts, places } = laidOut(model.tensors, basename(data));
  const own = encodeModel(model, places);
  await writeWhole(data, parts);
  await writeWhole(file, own);
  return { file, data, bytes: sizeOf(parts) + sizeOf(own) };
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
