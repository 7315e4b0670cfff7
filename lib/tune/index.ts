// index.ts: the public names of tune.
export type { TuneComparison, TuneResult, TuneRung, TuneSeed, TuneTrial } from './result.ts';
export type { Domain, ParamsOf, Space } from './space.ts';
export type { TuneEvent, TuneLogger } from './told.ts';
export type { Trial, TrialData, TrialFit, TrialTrainer } from './trial.ts';
export { type TuneBudget, type TuneOptions, tune } from './tune.ts';
