// build.ts: a policy's decision, checked: what it gives for a step is one of what an update can apply and a report can tell.
import { DTypeError, OptionError, ShapeError } from '../errors.ts';
import { Tensor } from '../ir/graph.ts';
import { sameType, sizeOf, typeName } from '../ir/op.ts';
import { checkStageList } from '../ops/gradient/stage.ts';
import { custom, type Field, nearest, Place, perStep, show, whole } from '../options/index.ts';
import type { ClipColumns, ClipContext, ClipPolicy, Clipped, PerSampleRule } from './clip.ts';

const COLUMNS: Readonly<Record<keyof ClipColumns, true>> = {
  norm: true,
  normAfter: true,
  scale: true,
  threshold: true,
  clipped: true,
  clippedFraction: true,
  firstBad: true,
  badCount: true,
};

const skips = whole({ min: 0 });
const anyPerStep = perStep({ infinite: true });

/** A policy; errors name what it lacks. */
export const policy: Field<ClipPolicy> = custom('a policy such as clip.globalNorm()', (given, place) => {
  const { name, build, maxSkips } = (given ?? {}) as Partial<ClipPolicy>;
  const named = typeof name === 'string' && name !== '';
  if (typeof build !== 'function' || !named) {
    const lack = typeof build === 'function' && !named ? ' without a name' : '';
    throw place.refuse(
      `expected a policy such as clip.globalNorm(), got ${given === undefined ? 'nothing' : show(given)}${lack}`,
      {
        value: given,
      },
    );
  }
  skips.read(maxSkips, new Place(`${place}: ${name}`, 'option', 'maxSkips'));
  return given as ClipPolicy;
});

/** @throws OptionError for what is no policy, naming what it lacks */
export function checkClipPolicy(where: string, given: unknown): ClipPolicy {
  return policy.read(given, new Place(where, '', ''));
}

/** Of several policies together: only if none has a threshold from the first step on. */
export function firstUnbounded(policies: readonly ClipPolicy[]): Pick<ClipPolicy, 'unboundedAtFirst'> {
  const found = policies.map((p) => p.unboundedAtFirst).filter((text) => text !== undefined);
  return found.length > 0 && found.length === policies.length ? { unboundedAtFirst: found[0]! } : {};
}

/**
 * Of several policies together: their thresholds, in columns that begin with their numbers, and who of them finds its own.
 * @throws OptionError where several do
 */
export function togetherOf(
  where: string,
  policies: readonly ClipPolicy[],
): Pick<ClipPolicy, 'thresholds' | 'auto' | 'perSample'> {
  const autos = policies.flatMap(({ auto }) => auto ?? []);
  if (autos.length > 1) {
    throw new OptionError(
      `${where}: expected one clip.auto at most, got ${autos.length}: trials of one would be trials of the others`,
    );
  }
  const thresholds = policies.flatMap(({ thresholds = [] }, i) => thresholds.map((name) => `${i}.${name}`));
  const perSample = samplesFirst(where, policies);
  return { thresholds, ...(autos[0] && { auto: autos[0] }), ...(perSample && { perSample }) };
}

/** Of a chain: samples are weighed before anything else, by the first policy; and what follows noise goes by no norms of the gradients that it hides. */
function samplesFirst(where: string, policies: readonly ClipPolicy[]): PerSampleRule | null {
  const at = policies.findIndex((p) => p.perSample);
  if (at < 0) return null;
  const [{ perSample: rule }] = [policies[at]!] as [Required<ClipPolicy>];
  if (at > 0 || where !== 'clip.chain' || policies.filter((p) => p.perSample).length > 1) {
    throw new OptionError(
      `${where}: clip.perSample weighs the gradients of samples before they are summed: it is alone, or first in a chain`,
    );
  }
  const reads = policies.find((p) => p.auto || p.followsNorms);
  if (rule.noise > 0 && reads) {
    const text = `${where}: ${reads.name} has its threshold from norms of steps before, which the noise of clip.perSample is to hide: give a threshold`;
    throw new OptionError(text, { policy: reads.name });
  }
  return {
    ...rule,
    weigh: (context) =>
      rule.weigh({
        ...context,
        perStep: (name, value) => context.perStep(`0.${name}`, value),
        state: (name, type, init) => context.state(`0.${name}`, type, init),
      }),
  };
}

/** @throws OptionError for a policy whose threshold is found while a fit is on, where there is none */
export function checkFixed(where: string, { name, auto }: ClipPolicy): void {
  if (auto)
    throw new OptionError(`${where}: ${name} finds its threshold by trials of a fit: train with fit, or take its policy`, {
      policy: name,
    });
}

/** What a policy decides. @throws OptionError that names the policy, where it decides nothing that can be done */
export function buildPolicy(policy: ClipPolicy, context: ClipContext): Clipped {
  const where = `clip policy ${policy.name}`;
  const wrong = (text: string): OptionError => new OptionError(`${where}: ${text}`, { policy: policy.name });
  const states: { readonly name: string; readonly state: ReturnType<ClipContext['state']> }[] = [];
  const given = policy.build({
    ...context,
    perStep: (name, give) => context.perStep(name, anyPerStep.read(give, new Place(where, 'option', name))),
    state(name, type, init, options) {
      const state = context.state(name, type, init, options);
      // A secret is drawn, not computed.
      if (!options?.secret) states.push({ name, state });
      return state;
    },
  });
  if (typeof given !== 'object' || given === null) {
    throw wrong(`build: expected { stages, report, skip, measure }, got ${show(given)}`);
  }
  const { stages, grads, report, skip, measure } = given;
  const scalar = (what: string, t: unknown): void => {
    if (t instanceof Tensor && t.graph === context.graph && t.dtype === 'f64' && t.shape.length === 0) return;
    throw wrong(`expected an f64 scalar as ${what}, got ${t instanceof Tensor ? typeName(t.type) : show(t)}`);
  };
  const sizes = context.grads.map((g) => sizeOf(g.shape));
  try {
    checkStageList(context.graph, stages, sizes);
  } catch (error) {
    if (!(error instanceof ShapeError || error instanceof DTypeError || error instanceof OptionError)) throw error;
    throw new OptionError(`${where}: ${error.message}`, { policy: policy.name }, { cause: error });
  }
  if (typeof report !== 'object' || report === null) throw wrong(`expected an object as report, got ${show(report)}`);
  for (const [key, t] of Object.entries(report)) {
    if (!(key in COLUMNS)) throw wrong(`the report has no ${key}; did you mean ${nearest(key, Object.keys(COLUMNS)) ?? 'norm'}?`);
    if (t !== undefined) scalar(`report.${key}`, t);
  }
  if (skip !== null) scalar('skip (null: never)', skip);
  if (typeof measure !== 'boolean') throw wrong(`expected true or false as measure, got ${show(measure)}`);
  if (grads !== undefined) {
    const fits = Array.isArray(grads) && grads.length === sizes.length;
    const at = fits ? grads.findIndex((g, t) => !(g instanceof Tensor && sameType(g.type, context.grads[t]!.type))) : 0;
    if (at >= 0) throw wrong(`expected a tensor in place of the gradient of ${context.names[at]}, of its type`);
  }
  const assigned = new Set(context.graph.assigns.map((a) => a.state));
  const forgotten = states.find(({ state }) => !assigned.has(state));
  if (forgotten) throw wrong(`state ${show(forgotten.name)} is never given a next value: graph.assign, or remembered(...).next`);
  return given;
}
