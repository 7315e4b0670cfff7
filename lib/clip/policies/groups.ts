// groups.ts: different policies for different parameters.
import { OptionError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { sizeOf } from '../../ir/op.ts';
import { pattern } from '../../nn/fields.ts';
import { matcher, type Pattern } from '../../nn/module/module.ts';
import { readsEach, type Stage, selectStages } from '../../ops/gradient/stage.ts';
import { add, equal, less, maximum, minimum, mul, sqrt, square, sum, where } from '../../ops/index.ts';
import { bool, choice, either, type Field, fn, list, options, signature, whole } from '../../options/index.ts';
import { buildPolicy, firstUnbounded, policy, togetherOf } from '../build.ts';
import type { ClipColumns, ClipContext, ClipPolicy, Clipped } from '../clip.ts';
import { samples } from '../samples.ts';
import { none } from './none.ts';
import { globalNorm, perTensorNorm } from './norm.ts';

/** Gradients that `clip.groups` gives to one policy. */
export interface ClipGroup {
  /**
   * Whose gradients: a name pattern (a string with `*`, or a RegExp), a rank (1: biases; 2: matrices), or a function of name and shape.
   * Tied parameters match by any of their names. Left out: all that no group before this one took.
   */
  readonly match?: Pattern | number | ((name: string, shape: readonly number[]) => boolean);
  /** What is done to them. */
  readonly policy: ClipPolicy;
}

/** Options of `clip.groups`. */
export interface GroupsOptions {
  /**
   * `separate`: a policy measures the gradients of its group alone. `shared`: norms of "all gradients" are of all
   * groups' gradients. Default 'separate'.
   */
  readonly norm?: 'separate' | 'shared';
}

type Test = (name: string, shape: readonly number[]) => boolean;
const match: Field<NonNullable<ClipGroup['match']>, Test> = either(
  either(
    pattern.map((given, place): Test => matcher(`${place}`, given)),
    whole({ min: 0 }).map(
      (rank): Test =>
        (_, shape) =>
          shape.length === rank,
    ),
  ),
  fn<Test>('a function of name and shape').map(
    (test, place): Test =>
      (name, shape) =>
        bool.read(test(name, shape), place.at(name)),
  ),
);
const readGroups = signature(
  'clip.groups',
  { rules: list(options<ClipGroup>()({ match: match.default(() => true), policy }), { min: 1 }) },
  options<GroupsOptions>()({ norm: choice('separate', 'shared').default('separate') }),
);

/**
 * Each gradient by the policy of the first group that matches it; those that none matches are measured and left
 * alone. Reported: the 2-norm over all, the smallest scale, the smallest threshold. A step is skipped when any policy
 * skips it.
 * @throws OptionError, also for a group that matches no parameter, when the policy is bound to parameters
 * @see optax.multi_transform
 */
export function groups(rules: readonly ClipGroup[], options: GroupsOptions = {}): ClipPolicy {
  const name = 'clip.groups';
  const { rules: given, norm } = readGroups(arguments);
  const tests = given.map(({ match }) => match);
  const policies = given.map(({ policy }) => policy);
  const rest = none();
  const limits = [...policies, rest].map((p) => p.maxSkips).filter((n) => n > 0);
  return {
    name: `groups(${policies.map((p) => p.name).join(', ')})`,
    maxSkips: limits.length > 0 ? Math.min(...limits) : 0,
    ...firstUnbounded(policies),
    ...togetherOf(name, policies),
    build(context) {
      const { names, allNames = names.map((n) => [n]) } = context;
      const owner = allNames.map((all, t) => tests.findIndex((test) => all.some((n) => test(n, shapeOf(context, t)))));
      const parts: Part[] = [];
      for (const [i, policy] of [...policies, rest].entries()) {
        const which = i < policies.length ? i : -1;
        const members = owner.flatMap((o, t) => (o === which ? [t] : []));
        if (members.length > 0)
          parts.push({ members, part: buildPolicy(policy, within(context, members, `${i}`, norm === 'shared')) });
        else if (i < policies.length) {
          throw new OptionError(`${name}: group ${i} matches no parameter; there are ${names.slice(0, 20).join(', ')}`, {
            group: i,
            names,
          });
        }
      }
      return joined(context, parts, norm === 'shared');
    },
  };
}

const shapeOf = (c: ClipContext, t: number): readonly number[] => c.grads[t]!.shape;

/** What a policy sees of some of the gradients. */
function within(c: ClipContext, members: readonly number[], name: string, shared: boolean): ClipContext {
  const pick = <T>(xs: readonly T[]): T[] => members.map((t) => xs[t]!);
  return {
    ...c,
    params: pick(c.params),
    grads: pick(c.grads),
    names: pick(c.names),
    ...(c.allNames && { allNames: pick(c.allNames) }),
    stages: selectStages(c.stages, members),
    ...(shared && { all: c.all ?? { grads: c.grads, stages: c.stages } }),
    perStep: (key, value) => c.perStep(`${name}.${key}`, value),
    state: (key, type, init) => c.state(`${name}.${key}`, type, init),
  };
}

/** A stage of some gradients, for all: it leaves the others alone. */
function spread(s: Stage, members: readonly number[], count: number): Stage {
  const at = new Array<number>(count).fill(-1);
  const unit = new Array<number>(count).fill(0);
  for (const [k, t] of members.entries()) {
    at[t] = s.at ? s.at[k]! : readsEach(s) ? k : 0;
    unit[t] = s.unit?.[k] ?? 0;
  }
  return { ...s, at, ...(s.unit && { unit }) };
}

interface Part {
  readonly members: readonly number[];
  readonly part: Clipped;
}

/** What all groups decided, as one policy would have. */
function joined(c: ClipContext, parts: readonly Part[], shared: boolean): Clipped {
  const count = c.grads.length;
  const stages: Stage[] = [];
  // Gradients that a policy replaced already have the earlier stages in them.
  const replaced = parts.filter((p) => p.part.grads);
  const grads = [...c.grads];
  for (const { members, part } of replaced) for (const [k, t] of members.entries()) grads[t] = part.grads![k]!;
  if (replaced.length > 0) {
    const done = new Set(replaced.flatMap((p) => p.members));
    for (const s of c.stages) {
      const all = spread(s, [...c.grads.keys()], count);
      stages.push({ ...all, at: all.at!.map((at, t) => (done.has(t) ? -1 : at)) });
    }
  }
  for (const { members, part } of parts) stages.push(...part.stages.map((s) => spread(s, members, count)));
  const skips = parts.flatMap(({ part }) => (part.skip ? [part.skip] : []));
  return {
    stages,
    ...(replaced.length > 0 && { grads }),
    skip: skips.length > 0 ? skips.reduce((a, b) => add(a, b)) : null,
    report: reportOf(c, parts, shared),
    // With a shared norm no policy knows the norm of its own gradients.
    measure: shared || parts.some(({ part }) => part.measure),
  };
}

function reportOf(c: ClipContext, parts: readonly Part[], shared: boolean): ClipColumns {
  const all = Math.max(
    1,
    c.grads.reduce((n, g) => n + sizeOf(g.shape), 0),
  );
  const each = (key: keyof ClipColumns): Tensor[] => parts.flatMap(({ part }) => part.report[key] ?? []);
  const reduced = (key: keyof ClipColumns, how: (a: Tensor, b: Tensor) => Tensor): ClipColumns => {
    const found = each(key);
    return found.length > 0 ? { [key]: found.reduce((a, b) => how(a, b)) } : {};
  };
  const total = (key: 'norm' | 'normAfter'): ClipColumns => {
    const found = each(key);
    return found.length === parts.length ? { [key]: sqrt(found.map((n) => square(n)).reduce((a, b) => add(a, b))) } : {};
  };
  const shares = parts.map(({ members }) => members.reduce((n, t) => n + sizeOf(c.grads[t]!.shape), 0) / all);
  const fractions = parts.map(({ part }, i) => {
    const changed = part.report.clippedFraction ?? part.report.clipped;
    return changed ? [mul(changed, shares[i]!)] : [];
  });
  const bad = parts.flatMap(({ members, part }) => (part.report.firstBad ? [firstOf(c, part.report.firstBad, members)] : []));
  const first = bad.length > 0 ? bad.reduce((a, b) => minimum(a, b)) : null;
  return {
    ...(shared ? reduced('norm', (a) => a) : { ...total('norm'), ...total('normAfter') }),
    ...reduced('scale', minimum),
    ...reduced('threshold', minimum),
    ...reduced('clipped', maximum),
    ...(fractions.flat().length > 0 && { clippedFraction: fractions.flat().reduce((a, b) => add(a, b)) }),
    ...reduced('badCount', add),
    ...(first && { firstBad: where(equal(first, Infinity), -1, first) }),
  };
}

/** The number among all gradients of the first bad one of a group, Infinity if there is none. */
function firstOf(c: ClipContext, first: Tensor, members: readonly number[]): Tensor {
  const list = (values: readonly number[]): Tensor => c.graph.constant(Float64Array.from(values), [members.length], 'f64');
  const found = sum(mul(equal(list([...members.keys()]), first), list(members)));
  return where(less(first, 0), Infinity, found);
}

samples({
  groups: () => groups([{ match: '0*', policy: perTensorNorm(0.5) }, { policy: globalNorm(1) }]),
});
