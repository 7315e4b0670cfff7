// index.ts: the optimizers. Adding one: a file of rules/, and a line here.

export type { PerStep } from '../options/index.ts';
export type { FinishingOptions } from './apply/finishing.ts';
export { type CustomOptimizer, type CustomOptions, type CustomUpdate, custom, type HyperValue } from './custom.ts';
export {
  define,
  type GroupContext,
  type GroupUpdate,
  type HyperFill,
  type Optimizer,
  type OwnOptimizer,
  type SearchOptimizer,
  type Slot,
} from './optimizer.ts';
export { type ACClipOptions, acclip } from './rules/acclip.ts';
export { type AdaBeliefOptions, adabelief } from './rules/adabelief.ts';
export { type AdadeltaOptions, adadelta } from './rules/adadelta.ts';
export { type AdafactorOptions, adafactor } from './rules/adafactor.ts';
export { type AdagradOptions, adagrad } from './rules/adagrad.ts';
export { type AdamOptions, adam, adamw } from './rules/adam.ts';
export { type AdamaxOptions, adamax } from './rules/adamax.ts';
export { type AdanOptions, adan } from './rules/adan.ts';
export { type ADOPTOptions, adopt } from './rules/adopt.ts';
export { type ASGDOptions, asgd } from './rules/asgd.ts';
export { type LAMBOptions, lamb } from './rules/lamb.ts';
export { type LARSOptions, lars } from './rules/lars.ts';
export { type LionOptions, lion } from './rules/lion.ts';
export { type LookaheadOptions, lookahead } from './rules/lookahead.ts';
export { type MuonOptions, muon } from './rules/muon.ts';
export { type NAdamOptions, nadam } from './rules/nadam.ts';
export { type NovoGradOptions, novograd } from './rules/novograd.ts';
export { type RAdamOptions, radam } from './rules/radam.ts';
export { type RMSpropOptions, rmsprop } from './rules/rmsprop.ts';
export { type RpropOptions, rprop } from './rules/rprop.ts';
export { type ScheduleFreeOptions, scheduleFree } from './rules/schedule-free.ts';
export { type SGDOptions, sgd } from './rules/sgd.ts';
export { type SPAMOptions, spam } from './rules/spam.ts';
export { type StableAdamWOptions, stableAdamw } from './rules/stable-adamw.ts';
export { type YogiOptions, yogi } from './rules/yogi.ts';
/** Values that depend on the step: learning rates, thresholds, momenta. */
export * as schedule from './schedules/schedule.ts';
export { type LBFGSOptions, lbfgs } from './search/lbfgs.ts';
export type { SearchRule } from './search/space.ts';
export type { Named } from './standalone/arrays.ts';
export type { BindOptions, BoundOptimizer } from './standalone/bound.ts';
export type { BoundSearch, Evaluation, SearchReport } from './standalone/closure.ts';
export type { OptimizerState } from './standalone/states.ts';
export type { EMAOptions } from './weights/ema.ts';
