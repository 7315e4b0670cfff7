// finishing.ts: constraints and pruning, from a configuration to what a Trainer takes.
import { OptionError } from '../errors.ts';
import type { Constraint, ConstraintRule } from '../optim/constraint.ts';
import * as constraint from '../optim/constraint.ts';
import type { FinishingOptions } from '../optim/finishing.ts';
import type { Prune } from '../optim/prune.ts';
import * as prune from '../optim/prune.ts';
import { checkOptions } from '../options.ts';
import type { Named, TrainConfig } from './config.ts';
import { choice, number, optional, text, within } from './schema.ts';

const most = (value: unknown, path: string): number | undefined => optional(number({ min: 0 }), undefined)(value, path);

const CONSTRAINTS: Readonly<Record<string, (options: Record<string, unknown>, path: string) => Constraint>> = {
  weightClip({ w, ...rest }, path) {
    checkOptions(path, rest, []);
    return constraint.weightClip(most(w, `${path}.w`));
  },
  maxNorm: ({ max, ...rest }, path) => constraint.maxNorm(most(max, `${path}.max`), rest),
  unitNorm: (rest) => constraint.unitNorm(rest),
  nonNegative(rest, path) {
    checkOptions(path, rest, []);
    return constraint.nonNegative();
  },
};
const PRUNES: Readonly<Record<string, (options: never) => Prune>> = { magnitude: prune.magnitude, rows: prune.rows };

/** What the configuration says of constraints and pruning. @throws OptionError that begins with the place */
export function makeFinishing({ constraints, prune: prunes }: TrainConfig): FinishingOptions {
  return {
    constraints: constraints.map((config, i) => within(`constraints[${i}]`, (path) => ruleOf(config, path))),
    prune: prunes.map((config, i) => within(prunes.length > 1 ? `prune[${i}]` : 'prune', (path) => pruneOf(config, path))),
  };
}

function ruleOf({ type, match, ...options }: Named, path: string): ConstraintRule {
  const name = choice(...Object.keys(CONSTRAINTS))(type, `${path}.type`);
  return { match: text(match, `${path}.match`), constraint: CONSTRAINTS[name]!(options, path) };
}

function pruneOf({ type, ...options }: Named, path: string): Prune {
  const name = choice(...Object.keys(PRUNES))(type, `${path}.type`);
  if (options.match !== undefined) text(options.match, `${path}.match`);
  return PRUNES[name]!(options as never);
}

/** @throws OptionError where a model without pruned rows is to be written and nothing prunes any */
export function checkSavePruned({ savePruned, prune: prunes }: TrainConfig): void {
  if (savePruned !== null && !prunes.some(({ type }) => type === 'rows')) {
    throw new OptionError('savePruned: expected prune of type rows, which makes rows that can be left out');
  }
}
