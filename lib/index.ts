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

export { type GradOptions, grad } from './autodiff.ts';
export * as clip from './clip/index.ts';
export * as preprocess from './data/preprocess.ts';
export * from './errors.ts';
export * from './history/index.ts';
export * as io from './io/index.ts';
export { Graph, type State, type Tensor, type TensorLike } from './ir/graph.ts';
export type { Data, DataOf, DType, TensorType } from './ir/op.ts';
export { printGraph } from './ir/print.ts';
export * as metrics from './metrics/index.ts';
export * as models from './models/index.ts';
export { type Runtime, runtime } from './native/runtime.ts';
export * as nn from './nn/index.ts';
export * as loss from './nn/loss/index.ts';
export { type Summary, type SummaryInput, type SummaryOptions, type SummaryRow, summary } from './nn/module/summary.ts';
export * as ops from './ops/index.ts';
export type { Report } from './optim/apply/report.ts';
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
export * as augment from './public/augment.ts';
export * as constraint from './public/constraint.ts';
export * as guard from './public/guard.ts';
export * as prune from './public/prune.ts';
export * as tokenizer from './public/tokenizer.ts';
export * from './train/index.ts';
