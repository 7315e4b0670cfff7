// index.ts: the public functions of io.
export { parseCsv, readCsv } from './csv.ts';
export type { CSVOptions, LabeledTable, Table } from './csv-options.ts';
export type { ReadOptions, TensorData } from './file.ts';
export { parseIdx, readIdx } from './idx.ts';
export { type NPZOptions, parseNpy, parseNpz, readNpy, readNpz } from './npy.ts';
export {
  inspectSafetensors,
  type NamedTensors,
  parseSafetensors,
  readSafetensors,
  type Safetensors,
  type SafetensorsOptions,
  serializeSafetensors,
  writeSafetensors,
} from './safetensors.ts';
export type { SafetensorsEntry, SafetensorsHeader } from './safetensors-header.ts';
export { readText } from './text.ts';
