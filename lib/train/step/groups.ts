// groups.ts: which optimizer updates which parameters.
import { OptionError } from '../../errors.ts';
import { type Match, type Module, matchParameters, type Parameter } from '../../nn/module/module.ts';
import type { ApplyGroup } from '../../optim/apply/apply.ts';
import { checkSparse } from '../../optim/apply/lookups.ts';
import type { Optimizer } from '../../optim/optimizer.ts';
import { show } from '../../options/index.ts';
import type { TrainerOptions } from '../options.ts';

/** The parameters that any of the patterns matches. @throws OptionError for one that matches none */
export function matching(where: string, model: Module, patterns: Match | readonly Match[]): Parameter[] {
  const all = Array.isArray(patterns) ? (patterns as readonly Match[]) : [patterns as Match];
  return all.flatMap((match) => matchParameters(where, model, match));
}

/** What a trainer trains: of the parameters that it is for, those that require a gradient. @throws OptionError for a pattern that matches none */
export function trainedOf<M extends Module>({ model, parameters }: TrainerOptions<M, string>): Parameter[] {
  const all = model.parameters().filter((p) => p.requiresGrad);
  if (parameters === undefined) return all;
  const own = new Set(matching('Trainer: option parameters', model, parameters));
  return all.filter((p) => own.has(p));
}

/**
 * Trained parameters by group: the rules' first, in their order, then the rest; of each those first that have been trained for longest. None if
 * nothing is trained.
 * @param since the first step of parameters that were not trained from the beginning
 */
export function groupParameters<M extends Module>(
  options: TrainerOptions<M, string>,
  since: ReadonlyMap<Parameter, number>,
): ApplyGroup[] {
  const { model, groups = [], optimizer } = options;
  const left = new Set(trainedOf(options));
  const taken = new Set<Parameter>();
  const made: ApplyGroup[] = [];
  const add = (params: readonly Parameter[], optimizer: Optimizer): void => {
    // All parameters of a search are one vector.
    const steps = new Set(optimizer.search ? [] : params.map((p) => since.get(p) ?? 0));
    if (optimizer.search && params.length > 0) made.push({ params, optimizer, since: 0 });
    for (const step of [...steps].sort((a, b) => a - b)) {
      made.push({ params: params.filter((p) => (since.get(p) ?? 0) === step), optimizer, since: step });
    }
  };
  for (const rule of groups) {
    const matched = matchParameters('Trainer: groups', model, rule.match);
    if (matched.every((p) => taken.has(p))) {
      const text = `Trainer: groups: groups before have all that ${show(rule.match)} matches: put the narrower group first`;
      throw new OptionError(text, { option: 'groups', match: rule.match });
    }
    for (const p of matched) taken.add(p);
    add(
      matched.filter((p) => left.delete(p)),
      rule.optimizer,
    );
  }
  add([...left], optimizer);
  return made;
}

/**
 * @param carries something goes from one batch to the next
 * @throws OptionError for what does not go with an optimizer that searches
 */
export function checkSearch(options: TrainerOptions<Module, string>, carries: boolean): void {
  const { optimizer, groups = [], constraints = [], prune = [], lossScale, guards = [] } = options;
  const { name } = [optimizer, ...groups.map((g) => g.optimizer)].find((o) => o.search) ?? {};
  if (name === undefined) return;
  const found = {
    groups: groups.length > 0 && 'all parameters are one vector to it, and have one optimizer',
    constraints: [constraints].flat().length > 0 && 'what is held somewhere is not where it has searched',
    prune: [prune].flat().length > 0 && 'what is pruned is not where it has searched',
    lossScale: lossScale !== undefined && 'it compares losses with gradients',
    guards: guards.some(({ action }) => action === 'rollback') && 'no guard rolls its steps back',
    optimizer:
      carries &&
      'it evaluates a batch several times, and what the model carries from one batch to the next would go on each time',
  };
  for (const [option, why] of Object.entries(found)) {
    if (why) throw new OptionError(`Trainer: option ${option}: ${name}: ${why}`, { option, optimizer: name });
  }
}

/** @throws OptionError if a table that is to be updated by rows cannot be */
export function checkSparseTables(groups: readonly ApplyGroup[], penalized: Iterable<string>): void {
  const names = new Set(penalized);
  for (const { params, optimizer } of groups) {
    for (const { name, sparse } of params) {
      if (!sparse) continue;
      checkSparse(name, optimizer);
      if (!names.has(name)) continue;
      throw new OptionError(
        `${name}: sparse updates do not go with option regularize, which gives every row of a table a gradient`,
      );
    }
  }
}
