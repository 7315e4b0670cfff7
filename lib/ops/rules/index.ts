// index.ts: the updates of all optimizers. Adding one: a line in each list.
import type { OpDef } from '../../ir/op.ts';
import type { UpdateAttrs } from '../update.ts';
import { UPDATE_ADAM } from './adam.ts';
import { UPDATE_SGD } from './sgd.ts';

export * from './adam.ts';
export * from './sgd.ts';

/** Every update. */
export const UPDATES: readonly OpDef<UpdateAttrs>[] = [UPDATE_SGD, UPDATE_ADAM];
