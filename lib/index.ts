// index.ts: everything that users import.

// So that `using trainer = ...` needs no `lib` beyond es2022: Node has this symbol since version 18. Where a `lib` declares the same, it is the same.
declare global {
  interface SymbolConstructor {
    readonly dispose: unique symbol;
  }
  interface Disposable {
    [Symbol.dispose](): void;
  }
}

export { type GradOptions, grad } from './autodiff/grad.ts';
/** What shows a run to somebody outside: option `callbacks` of `fit` takes them. */
export * as callbacks from './callbacks/index.ts';
/** What is done to rows before a model sees them: learned from the training rows, and kept with the weights. */
export * as preprocess from './data/preprocess.ts';
export * from './errors.ts';
export * from './history/index.ts';
/** Readers and writers of files of data and weights. */
export * as io from './io/index.ts';
export { Graph, type State, type Tensor, type TensorLike } from './ir/graph.ts';
export type { Data, DataOf, DType, TensorType } from './ir/op.ts';
export { printGraph } from './ir/print.ts';
/** Metrics: functions in lower case for a trainer, classes that count arrays batch by batch. */
export * as metrics from './metrics/index.ts';
/** Models that are often wanted, with their losses. */
export * as models from './models/index.ts';
/** Several processes that train together, on one machine or many. */
export * as mpi from './mpi/index.ts';
export { type Runtime, runtime } from './native/runtime.ts';
/** Layers, and what models are made of. */
export * as nn from './nn/index.ts';
/** Losses: functions of tensors that give what a training makes small. */
export * as loss from './nn/loss/index.ts';
export { type Summary, type SummaryInput, type SummaryOptions, type SummaryRow, summary } from './nn/module/summary.ts';
/** Functions of tensors: what `forward` and losses are written with. */
export * as ops from './ops/index.ts';
export type { Report, ReportNumber } from './optim/apply/report.ts';
/** Optimizers, for a trainer or for arrays of one's own. */
export * as optim from './optim/index.ts';
export {
  type Analysis,
  type AnalyzeOptions,
  analyze,
  type GroupAnalysis,
  type Norms,
  type TensorAnalysis,
} from './optim/standalone/analyze.ts';
export { replayPage, replayTable } from './pages/replay-page.ts';
export { type RunPageOptions, runPage } from './pages/run/page.ts';
/** What training with clipped samples and noise gives away of a row: epsilon at a delta, and the noise for a budget. */
export * as privacy from './privacy/index.ts';
/** Random augmentation of images while a model trains. */
export * as augment from './public/augment.ts';
/** Policies of gradient clipping, for an optimizer, a trainer, `replay`, or arrays of one's own. */
export * as clip from './public/clip.ts';
/** What parameters are held to after each update. */
export * as constraint from './public/constraint.ts';
/** What stops, skips or logs a step while a model trains. */
export * as guard from './public/guard.ts';
/** Weights that become 0 while a model trains. */
export * as prune from './public/prune.ts';
/** What a search may choose of: `tune` takes it. */
export * as space from './public/space.ts';
/** Text to tokens and back. */
export * as tokenizer from './public/tokenizer.ts';
export { loadTrainer } from './public/trained.ts';
export * from './train/index.ts';
export * from './tune/index.ts';
