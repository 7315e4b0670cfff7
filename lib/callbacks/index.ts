// index.ts: what users have of ready-made callbacks: `callbacks`.

export type { TextStream } from '../text/color.ts';
export { type CSVLogOptions, csv } from './csv.ts';
export { type LoggerOptions, type LogTarget, logger } from './logger.ts';
export type { MeasureOptions, RunLabels } from './measures.ts';
export {
  type OpenTelemetryInstrument,
  type OpenTelemetryMeter,
  openTelemetry,
} from './opentelemetry.ts';
export { type ProgressOptions, progress } from './progress.ts';
export { type PrometheusRegistry, prometheus } from './prometheus.ts';
export type { IfFails } from './sink.ts';
export { type TensorBoardOptions, tensorBoard } from './tensorboard.ts';
