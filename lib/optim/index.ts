// index.ts: the optimizers. Adding one: a file, and a line here and in list.ts.

export type { PerStep } from '../options/index.ts';
export { type ACClipOptions, acclip } from './acclip.ts';
export { type AdadeltaOptions, adadelta } from './adadelta.ts';
export { type AdafactorOptions, adafactor } from './adafactor.ts';
export { type AdagradOptions, adagrad } from './adagrad.ts';
export { type AdamOptions, adam, adamw } from './adam.ts';
export { type AdamaxOptions, adamax } from './adamax.ts';
export { type ADOPTOptions, adopt } from './adopt.ts';
export type { Named } from './arrays.ts';
export type { BindOptions, BoundOptimizer, OptimizerState } from './bound.ts';
export type { EMAOptions } from './ema.ts';
export type { FinishingOptions } from './finishing.ts';
export { type LAMBOptions, lamb } from './lamb.ts';
export { type LARSOptions, lars } from './lars.ts';
export { type LionOptions, lion } from './lion.ts';
export { type LookaheadOptions, lookahead } from './lookahead.ts';
export { type MuonOptions, muon } from './muon.ts';
export { type NAdamOptions, nadam } from './nadam.ts';
export {
  define,
  type GroupContext,
  type GroupUpdate,
  type HyperFill,
  type Optimizer,
  type OwnOptimizer,
  type Slot,
} from './optimizer.ts';
export { type RAdamOptions, radam } from './radam.ts';
export { type RMSpropOptions, rmsprop } from './rmsprop.ts';
export * as schedule from './schedule.ts';
export { type SGDOptions, sgd } from './sgd.ts';
export { type SPAMOptions, spam } from './spam.ts';
export { type StableAdamWOptions, stableAdamw } from './stable-adamw.ts';
