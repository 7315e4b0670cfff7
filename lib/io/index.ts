// index.ts: the public functions of io.

export { parseIdx, readIdx } from './arrays/idx.ts';
export { type NPZOptions, parseNpy, parseNpz, readNpy, readNpz } from './arrays/npy.ts';
export {
  inspectSafetensors,
  type NamedTensors,
  parseSafetensors,
  readSafetensors,
  type Safetensors,
  type SafetensorsOptions,
  serializeSafetensors,
  writeSafetensors,
} from './arrays/safetensors.ts';
export type { SafetensorsEntry, SafetensorsHeader } from './arrays/safetensors-header.ts';
export type { ColumnCells } from './csv/cells-column.ts';
export { parseCsv, readCsv } from './csv/csv.ts';
export type { CSVOptions, LabeledTable, Table } from './csv/options.ts';
export { type CellTable, parseTable, type ReadTableOptions, readTable } from './csv/table.ts';
export type { ReadOptions, TensorData } from './file/file.ts';
export type { ByteSink, NodeSink, WebSink } from './file/stream.ts';
export { type OnnxReadOptions, parseOnnx, readOnnx } from './onnx/onnx.ts';
export { readText } from './text.ts';
export { readTorch, type TorchOptions } from './torch/torch.ts';
