// index.ts: the updates of all optimizers. Adding one: a line in each list.
import type { OpDef } from '../../ir/op.ts';
import type { UpdateAttrs } from '../update/update.ts';
import { UPDATE_ACCLIP } from './acclip.ts';
import { UPDATE_ADADELTA } from './adadelta.ts';
import { UPDATE_ADAGRAD } from './adagrad.ts';
import { UPDATE_ADAM } from './adam.ts';
import { UPDATE_ADAMAX } from './adamax.ts';
import { UPDATE_ADOPT } from './adopt.ts';
import { UPDATE_DESCEND } from './descend.ts';
import { UPDATE_EMA } from './ema.ts';
import { UPDATE_LAMB } from './lamb.ts';
import { UPDATE_LARS } from './lars.ts';
import { UPDATE_LION } from './lion.ts';
import { UPDATE_MOMENTUM } from './momentum.ts';
import { UPDATE_NADAM } from './nadam.ts';
import { UPDATE_RADAM } from './radam.ts';
import { UPDATE_RMSPROP } from './rmsprop.ts';
import { UPDATE_SGD } from './sgd.ts';
import { UPDATE_SPAM } from './spam.ts';
import { UPDATE_STABLE_ADAM } from './stable-adam.ts';

export * from './acclip.ts';
export * from './adadelta.ts';
export * from './adagrad.ts';
export * from './adam.ts';
export * from './adamax.ts';
export * from './adopt.ts';
export * from './descend.ts';
export * from './ema.ts';
export * from './lamb.ts';
export * from './lars.ts';
export * from './lion.ts';
export * from './momentum.ts';
export * from './nadam.ts';
export * from './radam.ts';
export * from './rmsprop.ts';
export * from './sgd.ts';
export * from './spam.ts';
export * from './stable-adam.ts';

/** Every update. */
export const UPDATES: readonly OpDef<UpdateAttrs>[] = [
  UPDATE_ACCLIP,
  UPDATE_ADADELTA,
  UPDATE_ADAGRAD,
  UPDATE_ADAM,
  UPDATE_ADAMAX,
  UPDATE_ADOPT,
  UPDATE_DESCEND,
  UPDATE_EMA,
  UPDATE_LAMB,
  UPDATE_LARS,
  UPDATE_LION,
  UPDATE_MOMENTUM,
  UPDATE_NADAM,
  UPDATE_RADAM,
  UPDATE_RMSPROP,
  UPDATE_SGD,
  UPDATE_SPAM,
  UPDATE_STABLE_ADAM,
];
