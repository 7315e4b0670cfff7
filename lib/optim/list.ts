// list.ts: every optimizer by its name, for configurations and for tests that enumerate them; and their updates, with which all ops are
// complete. Both follow from what index.ts exports.
import type { OpDef } from '../ir/op.ts';
import { OPS } from '../ops/list.ts';
import { type UpdateOp, updates } from '../ops/update/update.ts';
import { signatures } from '../options/index.ts';
import * as optim from './index.ts';
import type { Optimizer } from './optimizer.ts';

/** Those that need no more than options, of which none is required. */
function optimizers(): Readonly<Record<string, (options: object) => Optimizer>> {
  const found = Object.entries(optim).filter(([name, f]) => {
    const given = signatures.get(`optim.${name}`);
    if (typeof f !== 'function' || !given?.options) return false;
    return [given.positional, given.options].every((fields) => Object.values(fields).every((field) => !field.required));
  });
  // Each way of loading modules lists what they export in an order of its own.
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1))) as Record<string, (options: object) => Optimizer>;
}

type Makers = Readonly<Record<string, (options: object) => Optimizer>>;

/** Each takes its options, of which none is required. */
export const ALL_OPTIMIZERS: Makers = optimizers();

function some(searching: boolean): Makers {
  return Object.fromEntries(Object.entries(ALL_OPTIMIZERS).filter(([, make]) => (make({}).search !== undefined) === searching));
}

/** Those that update parameters by one gradient. */
export const OPTIMIZERS: Makers = some(false);

/** Those that evaluate loss and gradient several times in a step. */
export const SEARCHES: Makers = some(true);

/** Every update. */
export const UPDATES: readonly UpdateOp[] = updates();

/** Every op there is. */
// biome-ignore lint/suspicious/noExplicitAny: each has attributes of its own
export const ALL_OPS: readonly OpDef<any>[] = [...OPS, ...UPDATES];
