// rooms.ts: which functions of the library a configuration may name, by key. Adding one there adds it here, but for what is left out by name.
import type { ClipPolicy } from '../../clip/index.ts';
import * as clip from '../../clip/index.ts';
import * as augment from '../../data/augment.ts';
import * as preprocess from '../../data/preprocess.ts';
import type { Optimizer } from '../../optim/index.ts';
import { schedule } from '../../optim/index.ts';
import { OPTIMIZERS as LIST } from '../../optim/list.ts';
import { length } from '../../optim/schedules/length.ts';
import type { Constraint } from '../../optim/weights/constraint.ts';
import * as constraint from '../../optim/weights/constraint.ts';
import type { Prune } from '../../optim/weights/prune.ts';
import * as prune from '../../optim/weights/prune.ts';
import { optionsOf, signatures, text } from '../../options/index.ts';
import * as guard from '../../train/step/guard.ts';
import * as regularize from '../../train/step/regularize.ts';
import type { Room } from './named.ts';

type Functions<T> = Readonly<Record<string, (...given: never[]) => T>>;

/** Of all that a file exports, functions with a signature and of other names than these. */
function functions<T>(path: string, all: object, except: readonly string[] = []): Functions<T> {
  const found = Object.entries(all).filter(
    ([name, f]) => typeof f === 'function' && signatures.has(`${path}.${name}`) && !except.includes(name),
  );
  // Each way of loading modules lists what they export in an order of its own.
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1))) as Functions<T>;
}

export const OPTIMIZERS: Room<Optimizer> = {
  path: 'optim',
  functions: LIST as Functions<Optimizer>,
  beside: {
    lookahead: optionsOf(signatures.get('optim.lookahead')!.options!, 'an object').optional().about('goes around it'),
  },
};

/** Those that begin at a learning rate, or lead to it; the others are made of functions and of other schedules. */
export const SCHEDULES: Room<schedule.Schedule> = {
  path: 'optim.schedule',
  functions: functions('optim.schedule', schedule, [
    'warmup',
    'lambda',
    'multiplicative',
    'sequential',
    'product',
    'oneCycleMomentum',
  ]),
  first: true,
  beside: { warmup: length(1).optional().about('steps from 0 up to the first value') },
};

/** All but those made of several. */
export const POLICIES: Room<ClipPolicy> = { path: 'clip', functions: functions('clip', clip, ['chain', 'groups']) };

export const CONSTRAINTS: Room<Constraint> = {
  path: 'constraint',
  functions: functions('constraint', constraint),
  beside: { match: text.about('pattern of the names of parameters: `*.weight`') },
};
export const PRUNES: Room<Prune> = { path: 'prune', functions: functions('prune', prune) };
export const PENALTIES: Room<regularize.Regularizer> = { path: 'regularize', functions: functions('regularize', regularize) };
export const GUARDS: Room<guard.Guard> = { path: 'guard', functions: functions('guard', guard) };
export const AUGMENTATIONS: Room<augment.Augmentation> = { path: 'augment', functions: functions('augment', augment) };
export const TRANSFORMS: Room<preprocess.Unfitted> = {
  path: 'preprocess',
  functions: functions('preprocess', preprocess, ['split', 'pipeline', 'fromJSON']),
};
