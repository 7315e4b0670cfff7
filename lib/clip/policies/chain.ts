// chain.ts: policies one after the other, each measuring what the ones before it made of the gradients.
import { OptionError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { add, maximum, mul } from '../../ops/elementwise/elementwise.ts';
import type { Stage } from '../../ops/gradient/stage.ts';
import { rest, signature } from '../../options/index.ts';
import { buildPolicy, firstUnbounded, policy, togetherOf } from '../build.ts';
import type { ClipColumns, ClipPolicy, Clipped } from '../clip.ts';
import { samples } from '../samples.ts';
import { globalNorm } from './norm.ts';
import { value } from './value.ts';

const readChain = signature('clip.chain', { policies: rest(policy) });

/**
 * Apply policies in order. Reported: the norm before the first and after the last, the product of the scales, the
 * last threshold, and whether any of them clipped. A step is skipped when any of them skips it.
 * @throws OptionError
 * @see optax.chain
 */
export function chain(...policies: readonly ClipPolicy[]): ClipPolicy {
  if (policies.length === 0) throw new OptionError('clip.chain: expected at least one policy, got none');
  readChain(arguments);
  const limits = policies.map((p) => p.maxSkips).filter((n) => n > 0);
  return {
    name: `chain(${policies.map((p) => p.name).join(', ')})`,
    maxSkips: limits.length ? Math.min(...limits) : 0,
    ...firstUnbounded(policies),
    ...togetherOf('clip.chain', policies),
    build(context) {
      const parts: Clipped[] = [];
      let grads = context.grads;
      // Those that are still to be applied, to the gradients as they are now.
      let stages: readonly Stage[] = [];
      for (const [i, policy] of policies.entries()) {
        const replaced = grads !== context.grads;
        const part: Clipped = buildPolicy(policy, {
          ...context,
          grads,
          stages: replaced ? stages : [...context.stages, ...stages],
          perStep: (name, value) => context.perStep(`${i}.${name}`, value),
          state: (name, type, init, options) => context.state(`${i}.${name}`, type, init, options),
        });
        parts.push(part);
        stages = part.grads ? part.stages : [...stages, ...part.stages];
        grads = part.grads ?? grads;
      }
      const skips = parts.flatMap((p) => (p.skip ? [p.skip] : []));
      return {
        stages,
        ...(grads !== context.grads && { grads }),
        skip: skips.length ? skips.reduce((a, b) => add(a, b)) : null,
        report: merge(parts.map((p) => p.report)),
        measure: parts.some((p) => p.measure),
      };
    },
  };
}

/** One report of several. */
function merge(reports: readonly ClipColumns[]): ClipColumns {
  // A policy that does not say how much it clipped clips all or nothing.
  const value = (r: ClipColumns, key: keyof ClipColumns): Tensor | undefined =>
    key === 'clippedFraction' ? (r.clippedFraction ?? r.clipped) : r[key];
  const all = (key: keyof ClipColumns): Tensor[] => reports.flatMap((r) => value(r, key) ?? []);
  const join = (key: keyof ClipColumns, how: (a: Tensor, b: Tensor) => Tensor): Partial<Record<keyof ClipColumns, Tensor>> => {
    const found = all(key);
    return found.length ? { [key]: found.reduce((a, b) => how(a, b)) } : {};
  };
  const first = (a: Tensor): Tensor => a;
  const last = (_: Tensor, b: Tensor): Tensor => b;
  return {
    ...join('norm', first),
    ...join('normAfter', last),
    ...join('scale', mul),
    ...join('threshold', last),
    ...join('clipped', maximum),
    ...join('clippedFraction', maximum),
    ...join('firstBad', first),
    ...join('badCount', first),
  };
}

samples({
  chain: () => chain(value(0.01), globalNorm(1)),
});
