// rooms.ts: which functions of the library a configuration may name, by key. Adding one there adds it here, but for what is left out by name.
import type { ClipPolicy } from '../../clip/index.ts';
import * as clip from '../../clip/index.ts';
import * as augment from '../../data/augment.ts';
import * as preprocess from '../../data/preprocess.ts';
import type { Optimizer } from '../../optim/index.ts';
import { schedule } from '../../optim/index.ts';
import { ALL_OPTIMIZERS as LIST } from '../../optim/list.ts';
import { length } from '../../optim/schedules/length.ts';
import type { Constraint } from '../../optim/weights/constraint.ts';
import * as constraint from '../../optim/weights/constraint.ts';
import type { Prune } from '../../optim/weights/prune.ts';
import * as prune from '../../optim/weights/prune.ts';
import { choice, either, type Fields, list, object, optionsOf, signatures, text, whole } from '../../options/index.ts';
import * as guard from '../../train/step/guard.ts';
import * as regularize from '../../train/step/regularize.ts';
import { type Composed, makeAll, type Named, named, type Room, several, within } from './named.ts';

type Functions<T> = Readonly<Record<string, (...given: never[]) => T>>;

/** Of all that a file exports, functions with a signature and of other names than these: but those that need what nothing in JSON can be. */
function functions<T>(path: string, all: object, except: readonly string[] = []): Functions<T> {
  const found = Object.entries(all).filter(
    ([name, f]) =>
      typeof f === 'function' && signatures.has(`${path}.${name}`) && !except.includes(name) && isJson(`${path}.${name}`),
  );
  // Each way of loading modules lists what they export in an order of its own.
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1))) as Functions<T>;
}

/** Whether all that a function needs can stand in a configuration. */
function isJson(path: string): boolean {
  const { positional, options } = signatures.get(path)!;
  const fields = Object.values<Fields[string]>({ ...positional, ...options });
  return fields.every(({ required, schema }) => !required || schema !== null);
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
export const SINGLE_POLICIES: Room<ClipPolicy> = {
  path: 'clip',
  functions: functions('clip', clip, ['chain', 'groups', 'auto']),
};

const { policy: _, ...ofAuto } = signatures.get('clip.auto')!.options!;

/** One that finds its threshold, or those of several in order. */
const auto: Composed<ClipPolicy> = {
  fields: {
    policy: several(named(SINGLE_POLICIES), 1)
      .or([{ type: 'globalNorm' }])
      .about('a policy, or several in order, whose thresholds are found; `globalNorm` of 1 where it is not given'),
    ...ofAuto,
  },
  make({ type: _, policy, ...options }, path) {
    const inner = inOrder(policy as readonly Named[], `${path}.policy`);
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    return within(path, () => clip.auto({ ...given, policy: inner }));
  },
};

/** Those that rules of groups may name: one of them finds its threshold. */
const OF_RULES: Room<ClipPolicy> = { ...SINGLE_POLICIES, composed: { auto } };

interface Rule {
  readonly match: string | number | undefined;
  readonly policy: readonly Named[];
}

const groups: Composed<ClipPolicy> = {
  fields: {
    rules: list(
      object<Rule>({
        match: either(text, whole({ min: 0 }))
          .optional()
          .about(
            'pattern of the names of parameters, `*.bias`, or their number of dimensions; those that are left where it is not given',
          ),
        policy: several(named(OF_RULES), 1).about('a policy, or several in order'),
      }),
      { min: 1 },
    ).about('which gradients go by which policy; the first that matches'),
    norm: choice('separate', 'shared').default('separate').about('of each group alone, or of all gradients'),
  },
  make({ rules, norm }, path) {
    const made = (rules as readonly Rule[]).map(({ match, policy }, i) => ({
      ...(match !== undefined && { match }),
      policy: inOrder(policy, `${path}.rules[${i}].policy`),
    }));
    return within(path, () => clip.groups(made, { norm: norm as 'separate' | 'shared' }));
  },
};

/** Several policies apply in order; none means measured only. */
export function inOrder(configs: readonly Named[], path: string): ClipPolicy {
  const made = makeAll(POLICIES, configs, path);
  return made.length > 1 ? clip.chain(...made) : (made[0] ?? clip.none());
}

/** Those that several in order make are lists. */
export const POLICIES: Room<ClipPolicy> = { ...SINGLE_POLICIES, composed: { auto, groups } };

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
  functions: functions('preprocess', preprocess, ['split', 'pipeline', 'fromJSON', 'schema']),
};
