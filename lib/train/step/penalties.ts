// penalties.ts: what a trainer's regularization adds to the gradients of its loss.
import { backward, grad } from '../../autodiff/grad.ts';
import { OptionError } from '../../errors.ts';
import { type Graph, inSection, type Tensor } from '../../ir/graph.ts';
import { type Module, matchParameters, type Parameter } from '../../nn/module/module.ts';
import { add } from '../../ops/elementwise/elementwise.ts';
import { show } from '../../options/index.ts';
import { scalar } from './measure.ts';
import type { Regularizer } from './regularize.ts';

/** What penalizes what: parameters that are trained, each with its penalties. */
export type Penalties = readonly (readonly [Regularizer, readonly Parameter[]])[];

/** @throws OptionError if one matches nothing that is trained */
export function matchPenalties(model: Module, trained: readonly Parameter[], given: unknown): Penalties {
  const where = 'Trainer: regularize';
  return (Array.isArray(given) ? given : [given]).map((r: Regularizer) => {
    if (typeof r?.penalty !== 'function' || typeof r.name !== 'string' || r.match === undefined) {
      throw new OptionError(`${where}: expected penalties such as regularize.l2(1e-4), got ${show(r)}`, { value: r });
    }
    const matched = r.match === null ? trained.filter((p) => p.shape.length > 1) : matchParameters(where, model, r.match);
    const params = matched.filter((p) => trained.includes(p));
    if (params.length === 0) throw new OptionError(`${where}: ${r.name} matches no parameter that is trained`, { name: r.name });
    return [r, params] as const;
  });
}

/**
 * Gradients with those of the penalties added, and the sum of the penalties.
 * @param seed f64 scalar that the gradients of the loss are multiplied by
 */
export function penalize(
  graph: Graph,
  penalties: Penalties,
  trained: readonly Parameter[],
  grads: readonly Tensor[],
  seed: Tensor | null,
): { grads: readonly Tensor[]; penalty: Tensor } {
  return inSection(graph, 'apply', () => {
    const terms = penalties.flatMap(([r, params]) => params.map((p) => termOf(r, p.name, graph.state(p.state))));
    const penalty = terms.reduce((a, b) => add(a, b));
    const touched = trained.filter((p) => penalties.some(([, params]) => params.includes(p)));
    const own = grad(
      penalty,
      touched.map((p) => graph.state(p.state)),
      seed ? { seed } : {},
    );
    const added = trained.map((p, i) => (touched.includes(p) ? add(grads[i]!, own[touched.indexOf(p)]!) : grads[i]!));
    return { grads: added, penalty };
  });
}

/** The penalty of one parameter, f64. @throws OptionError if it is no scalar that moves the parameter */
function termOf(r: Regularizer, name: string, p: Tensor): Tensor {
  const where = `Trainer: regularize: ${r.name}: the penalty of ${name}`;
  const term = scalar(where, r.penalty(p));
  if (backward(term, [p]).gradients[0]) return term;
  throw new OptionError(`${where} cannot move it: it has no gradient`, { name });
}
