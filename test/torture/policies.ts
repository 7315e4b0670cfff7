// policies.ts: every clip policy with arguments at which it bites within a few steps, and remembers.
import * as clip from '../../lib/clip/index.ts';
import type { Tensor } from '../../lib/ir/graph.ts';
import * as ops from '../../lib/ops/index.ts';
import { drawArgs } from './drawn.ts';
import { given, type Random } from './random.ts';
import type { PolicySpec } from './spec.ts';

export interface PolicyKind {
  args(r: Random): readonly unknown[];
  /** Treats rows of a gradient differently, or writes gradients of its own: not for tables that are updated by rows. */
  readonly dense?: true;
  /** So many policies are in it. */
  readonly parts?: number;
  /** It has a threshold for all its arguments. */
  readonly limits?: true;
  /** Those in it have. */
  readonly ofLimits?: true;
}

const nonFinite = (r: Random): object =>
  given({
    nonFinite: r.maybe(0.25, () => r.pick(['zero', 'propagate', 'skip'])),
    maxSkips: r.maybe(0.2, () => r.pick([1, 2, Infinity])),
  });
/** Near the norms that gradients of small networks have. */
const limit = (r: Random): number => r.pick([1e-3, 0.01, 0.1, 0.5, 1, 10]);
const p = (r: Random): object => given({ p: r.maybe(0.5, () => r.pick([1, 2, 3, Infinity])) });

/** A limit, and options. */
const limited = (more: (r: Random) => object = () => ({})): PolicyKind => ({
  args: (r) => [limit(r), { ...nonFinite(r), ...more(r) }],
  limits: true,
});
const optional = (more: (r: Random) => object = () => ({})): PolicyKind => ({ args: (r) => [{ ...nonFinite(r), ...more(r) }] });
const axis = (r: Random): object => given({ axis: r.maybe(0.5, () => r.pick(['rows', 'columns', 'tensor'])) });
const feedback = (r: Random): object => given({ errorFeedback: r.maybe(0.3, () => false) });
/** The bounds of the first steps: none, or ones that bite. */
const young = (r: Random): object => ({
  warmup: r.pick([0, 1, 3]),
  ...given({ absolute: r.maybe(0.5, () => r.pick([0.01, 0.1, 1, Infinity])), max: r.maybe(0.2, () => r.pick([0.01, 1])) }),
});
const capped = (r: Random): object => given({ cap: r.maybe(0.5, () => r.pick([1, 2, Infinity])) });
const percentile: PolicyKind = {
  args: (r) => [r.pick([5, 10, 50, 90]), { ...nonFinite(r), ...young(r), window: r.between(1, 5) }],
};

type Shape = (g: Tensor, values: { readonly threshold: Tensor }) => Tensor;
/** Of `clip.map`, by names, which a file can hold. */
const SHAPES: Readonly<Record<string, Shape>> = {
  tanh: (g, { threshold }) => ops.mul(threshold, ops.tanh(ops.div(g, threshold))),
  shrink: (g, { threshold }) => ops.mul(ops.sign(g), ops.relu(ops.sub(ops.abs(g), threshold))),
  wave: (g, { threshold }) =>
    ops.where(ops.less(ops.abs(g), threshold), g, ops.fma(ops.square(threshold), ops.sign(g), ops.mul(g, 0.5))),
};

const OWN: Readonly<Record<string, PolicyKind>> = {
  none: optional((r) => given({ measure: r.maybe(0.3, () => false) })),
  value: limited(),
  globalNorm: limited((r) => ({ ...p(r), ...given({ compat: r.maybe(0.3, () => 'torch') }) })),
  perTensorNorm: limited(p),
  averageNorm: limited(),
  blockRms: limited(),
  axisNorm: { ...limited((r) => ({ ...axis(r), ...given({ p: r.maybe(0.5, () => r.pick([1, 2, Infinity])) }) })), dense: true },
  rowMaxNorm: { ...limited((r) => ({ ...axis(r), ...given({ scope: r.maybe(0.5, () => 'global') }) })), dense: true },
  agc: { args: (r) => [r.pick([0.001, 0.01, 0.1]), { ...nonFinite(r), ...axis(r) }], dense: true },
  autoClip: percentile,
  percentile,
  zclip: optional((r) => ({
    warmup: r.between(1, 3),
    decay: r.pick([0.5, 0.9]),
    zThreshold: r.pick([0.1, 1]),
    max: r.pick([1, Infinity]),
  })),
  adaGc: optional((r) => ({ warmup: r.between(1, 2), decay: r.pick([0.5, 0.9]) })),
  adaClip: optional((r) => ({ ...young(r), ...capped(r), decay: r.pick([0.5, 0.9]) })),
  adaGn: optional((r) => given({ scope: r.maybe(0.5, () => 'global') })),
  quantile: optional((r) => ({ initial: limit(r), ...given({ scope: r.maybe(0.5, () => 'tensor') }) })),
  runningMean: {
    args: (r) => [r.pick([0.5, 1, 2]), { ...nonFinite(r), ...young(r), ...capped(r), window: r.pick([1, 3, Infinity]) }],
  },
  stochastic: limited((r) => ({ b: r.pick([0.3, 1]) })),
  greedyBudget: limited(),
  soft: limited(),
  softNorm: limited(),
  tanh: limited(),
  suppress: limited(),
  normalize: optional((r) => ({ to: limit(r), ...given({ scope: r.maybe(0.5, () => 'tensor') }) })),
  sign: optional(),
  centralize: { ...optional(), dense: true },
  qsgd: { ...optional((r) => ({ ...feedback(r), levels: r.pick([1, 16, 256]) })), dense: true },
  oneBit: { ...optional(feedback), dense: true },
  topK: {
    args: (r) => [r.pick([0.01, 0.2, 1]), { ...nonFinite(r), ...feedback(r), ...given({ scope: r.maybe(0.5, () => 'global') }) }],
    dense: true,
  },
  map: { args: (r) => [r.pick(Object.keys(SHAPES)), { ...nonFinite(r), threshold: limit(r) }] },
  spikeSkip: optional((r) => ({
    mode: r.pick(['window', 'ema']),
    threshold: r.pick([0.5, 1.05, 2]),
    window: r.between(2, 4),
    warmup: r.between(1, 2),
    ...given({
      of: r.maybe(0.4, () => 'loss'),
      absolute: r.maybe(0.5, () => r.pick([0.01, 0.1, Infinity])),
      patience: r.maybe(0.5, () => r.pick([1, 2, Infinity])),
    }),
  })),
  // Trials, of which a few steps take all; or factors that are given.
  auto: {
    args: (r) => [
      r.chance(0.6) ? { budget: r.pick([0.5, 4]) } : { decisions: [{ step: r.between(0, 3), factor: r.pick([0.1, 3]) }] },
    ],
    parts: 1,
    ofLimits: true,
  },
  chain: { args: () => [], parts: 2 },
  groups: { args: (r) => (r.chance(0.4) ? [{ norm: 'shared' }] : []), parts: 2 },
};

/** One that is not there is drawn as its signature says, and not for such tables: whether it is for them nobody has said. */
export const POLICIES: Readonly<Record<string, PolicyKind>> = Object.fromEntries(
  Object.entries(clip)
    // Most programs mix the samples of a batch up, somewhere.
    .filter(([name, f]) => typeof f === 'function' && name !== 'perSample')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name]) => [name, OWN[name] ?? { args: (r: Random) => drawArgs(r, `clip.${name}`), dense: true }]),
);

const MAKERS = clip as unknown as Readonly<Record<string, (...args: readonly unknown[]) => clip.ClipPolicy>>;
const SIMPLE = Object.keys(POLICIES).filter((name) => !POLICIES[name]!.parts);

/** @param dense whether policies may be used that are not for tables updated by rows */
export function drawPolicy(r: Random, name: string, dense: boolean): PolicySpec {
  const { args, parts = 0, ofLimits } = POLICIES[name]!;
  const fits = (n: string): boolean => (dense || !POLICIES[n]!.dense) && (!ofLimits || POLICIES[n]!.limits === true);
  const names = SIMPLE.filter(fits);
  const drawn = { name, args: args(r) };
  return parts === 0 ? drawn : { ...drawn, parts: Array.from({ length: parts }, () => drawPolicy(r, r.pick(names), dense)) };
}

/** @param names of the parameters: the first is a group of its own */
export function makePolicy({ name, args, parts = [] }: PolicySpec, names: readonly string[]): clip.ClipPolicy {
  const inside = parts.map((part) => makePolicy(part, names));
  if (name === 'chain') return clip.chain(...inside);
  if (name === 'auto') return clip.auto({ ...(args[0] as clip.AutoOptions), policy: inside[0]! });
  if (name === 'map') return clip.map(SHAPES[args[0] as string]!, args[1] as clip.MapOptions<never>);
  if (name !== 'groups') return MAKERS[name]!(...args);
  const [first, second] = inside as [clip.ClipPolicy, clip.ClipPolicy];
  const rules = [{ match: names[0]!, policy: first }, ...(names.length > 1 ? [{ policy: second }] : [])];
  return clip.groups(rules, ...(args as [object?]));
}
