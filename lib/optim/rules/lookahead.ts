// lookahead.ts: Lookahead (Zhang, Lucas, Hinton and Ba 2019) around any optimizer.
import { OptionError } from '../../errors.ts';
import { number, options, signature, whole } from '../../options/index.ts';
import { average } from '../apply/average.ts';
import { buildUpdate, optimizer } from '../apply/build.ts';
import { defineOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.lookahead`. */
export interface LookaheadOptions {
  /** Steps of the optimizer between two of the slow weights. Default 5. */
  readonly k?: number;
  /** Part of the way to the fast weights that the slow weights go. Default 0.5. */
  readonly alpha?: number;
}

const readLookahead = signature(
  'optim.lookahead',
  { optimizer },
  options<LookaheadOptions>()({ k: whole({ min: 1 }).default(5), alpha: number({ min: 0, max: 1 }).default(0.5) }),
);

/**
 * Every k applied steps the slow weights go `alpha` of the way to the parameters, which then start from there. In
 * between it costs nothing. Slots: those of the optimizer, and `slow`, the value of the parameter before the first
 * step. In f32, where slow and fast weights are averaged as `torch.lerp` does. The optimizer's own slots stay as they
 * are (the paper's "maintain").
 * @throws OptionError
 * @see Zhang et al. 2019, Lookahead Optimizer: k Steps Forward, 1 Step Back
 */
export function lookahead(optimizer: Optimizer, options: LookaheadOptions = {}): Optimizer {
  const { k, alpha } = readLookahead(arguments);
  if (optimizer.average !== undefined) {
    const text = `optim.lookahead: argument optimizer: ${optimizer.name} keeps an average of what it goes through, which steps back would break`;
    throw new OptionError(text, { optimizer: optimizer.name });
  }
  if (optimizer.search) {
    const text = `optim.lookahead: argument optimizer: ${optimizer.name} takes steps of several evaluations, which steps back would break`;
    throw new OptionError(text, { optimizer: optimizer.name });
  }
  const syncs = (step: number): boolean => (step + 1) % k === 0;
  return defineOptimizer({
    name: 'optim.lookahead',
    ...(optimizer.eps === undefined ? {} : { eps: optimizer.eps }),
    ...(optimizer.limit === undefined ? {} : { limit: optimizer.limit }),
    lr: (step) => optimizer.lr(step),
    slots: (type) => [...optimizer.slots(type), { name: 'slow', type }],
    build(group) {
      const weight = (name: string, value: (step: number) => number) => {
        return group.column(`lookahead.${name}`, 1, (step, _, out) => {
          out[0] = value(step);
        });
      };
      const slow = group.slots.map((slots) => slots.at(-1)!);
      // Before the optimizer writes the parameters, in place.
      const kept = average(
        slow,
        group.params,
        weight('first', (step) => (step === 0 ? 1 : 0)),
      );
      const fast = buildUpdate(optimizer, { ...group, slots: group.slots.map((slots) => slots.slice(0, -1)), finish: null });
      const gone = average(
        kept,
        fast.params,
        weight('slow', (step) => (syncs(step) ? alpha : 0)),
      );
      const params = average(
        fast.params,
        gone,
        weight('fast', (step) => (syncs(step) ? 1 : 0)),
        group.finish,
      );
      return { params, slots: gone.map((s, t) => [...(fast.slots[t] ?? []), s]), measured: fast.measured };
    },
  });
}
