// index.ts: every reader of the library. Adding one: a file here, a line below; test/fuzz/fuzz.test.ts tells what is missing.
import type { Reader } from '../spec.ts';
import { CHECKPOINT, makeTrainers } from './checkpoint.ts';
import {
  CLIP_REPORT,
  EVALUATE,
  EXPORT,
  INIT,
  INSPECT,
  PRECISION,
  PREDICT,
  REPORT,
  SAMPLE,
  trainModels,
  WATCH,
} from './commands.ts';
import { CONFIG, DATA } from './config.ts';
import { CSV } from './csv.ts';
import { HUGGING_FACE } from './hugging-face.ts';
import { IDX } from './idx.ts';
import { LAB } from './lab.ts';
import { NPY } from './npy.ts';
import { NPZ } from './npz.ts';
import { ONNX } from './onnx.ts';
import { RECORD } from './record.ts';
import { SAFETENSORS } from './safetensors.ts';
import { SHARDS } from './shards.ts';
import { TABLE } from './table.ts';
import { TEXT } from './text.ts';
import { ACCOUNTANT, TOKENIZER, TRANSFORM } from './tokens.ts';
import { TORCH } from './torch.ts';
import { WRITTEN } from './written.ts';

export const READERS: Readonly<Record<string, Reader>> = {
  safetensors: SAFETENSORS,
  shards: SHARDS,
  'hugging-face': HUGGING_FACE,
  written: WRITTEN,
  checkpoint: CHECKPOINT,
  npy: NPY,
  npz: NPZ,
  idx: IDX,
  csv: CSV,
  table: TABLE,
  text: TEXT,
  record: RECORD,
  config: CONFIG,
  data: DATA,
  tokenizer: TOKENIZER,
  transform: TRANSFORM,
  accountant: ACCOUNTANT,
  inspect: INSPECT,
  'clip-report': CLIP_REPORT,
  report: REPORT,
  watch: WATCH,
  predict: PREDICT,
  evaluate: EVALUATE,
  init: INIT,
  precision: PRECISION,
  sample: SAMPLE,
  export: EXPORT,
  lab: LAB,
  torch: TORCH,
  onnx: ONNX,
};

/** What some of them need beforehand: weights that were trained. */
export async function prepareReaders(folder: string): Promise<void> {
  await makeTrainers(folder);
  await trainModels(folder);
}
