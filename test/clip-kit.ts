// clip-kit.ts: what tests of clipping share: what an optimizer sees of gradients, and policies in plain f64 loops.
import type { ClipPolicy } from '../lib/clip/index.ts';
import * as clip from '../lib/clip/index.ts';
import * as optim from '../lib/optim/index.ts';

export type Grads = readonly Float32Array[];
export const f32 = (...values: number[]): Float32Array => Float32Array.from(values);

/** The gradients as the optimizer gets them: what SGD with lr 1 makes of parameters that are 0. And the report. */
export function seenBy(policy: ClipPolicy, grads: Grads, threads = 1): { seen: Float32Array[]; report: optim.Report } {
  const params = grads.map((g) => new Float32Array(g.length));
  const bound = optim.sgd({ lr: 1 }).bind(params, { clip: policy, threads });
  const report = bound.step(grads);
  bound.dispose();
  return { seen: params.map((p) => p.map((v) => 0 - v)), report };
}

/** p-norm of several tensors, in f64; large elements first divided by the largest. */
export function norm(grads: Grads, p = 2): number {
  const all = grads.flatMap((g) => Array.from(g, Math.abs));
  const max = all.reduce((a, b) => Math.max(a, b), 0);
  if (p === Infinity || max === 0) return max;
  return max * all.reduce((s, v) => s + (v / max) ** p, 0) ** (1 / p);
}

/** Policies with one threshold, and what they make of gradients. Scales are rounded once to f32, as the library promises. */
export interface Family {
  readonly name: string;
  make(c: number | ((step: number) => number), options?: clip.NonFiniteOptions): ClipPolicy;
  truth(grads: Grads, c: number): Float32Array[];
  /** Does a threshold of c leave these gradients alone? */
  idle(grads: Grads, c: number): boolean;
}

const scaled = (g: Float32Array, n: number, c: number): Float32Array =>
  n <= c ? g.slice() : g.map((v) => Math.fround(v * Math.fround(c / n)));

const global = (p: number): Family => ({
  name: `globalNorm p=${p}`,
  make: (c, options) => clip.globalNorm(c, { p, ...options }),
  truth: (grads, c) => grads.map((g) => scaled(g, norm(grads, p), c)),
  idle: (grads, c) => norm(grads, p) <= c,
});
const each = (p: number): Family => ({
  name: `perTensorNorm p=${p}`,
  make: (c, options) => clip.perTensorNorm(c, { p, ...options }),
  truth: (grads, c) => grads.map((g) => scaled(g, norm([g], p), c)),
  idle: (grads, c) => grads.every((g) => norm([g], p) <= c),
});
const value: Family = {
  name: 'value',
  make: (c, options) => clip.value(c, options),
  truth: (grads, c) => grads.map((g) => g.map((v) => Math.max(-Math.fround(c), Math.min(Math.fround(c), v)))),
  idle: (grads, c) => norm(grads, Infinity) <= c,
};
const inChain = (family: Family): Family => ({
  ...family,
  name: `chain(none, ${family.name})`,
  make: (c, options) => clip.chain(clip.none(options), family.make(c, options)),
});

export const FAMILIES: readonly Family[] = [
  value,
  ...[1, 2, 3.5, Infinity].flatMap((p) => [global(p), each(p)]),
  inChain(value),
  inChain(global(2)),
];

export const OPTIMIZERS: Readonly<Record<string, () => optim.Optimizer>> = {
  sgd: () => optim.sgd({ lr: 0.1 }),
  'sgd with momentum, dampening and decay': () => optim.sgd({ lr: 0.1, momentum: 0.9, dampening: 0.1, weightDecay: 0.01 }),
  'sgd with nesterov momentum': () => optim.sgd({ lr: 0.1, momentum: 0.9, nesterov: true }),
  adam: () => optim.adam({ lr: 0.1, weightDecay: 0.01 }),
  adamw: () => optim.adamw({ lr: 0.1 }),
  'adam with amsgrad': () => optim.adam({ lr: 0.1, amsgrad: true }),
  adagrad: () => optim.adagrad({ lr: 0.1, initialAccumulator: 0.1 }),
  rmsprop: () => optim.rmsprop(),
  'rmsprop, centered, with momentum': () => optim.rmsprop({ momentum: 0.9, centered: true }),
  adadelta: () => optim.adadelta(),
  adamax: () => optim.adamax({ lr: 0.1 }),
  nadam: () => optim.nadam({ lr: 0.1, weightDecay: 0.1, decoupledWeightDecay: true }),
  radam: () => optim.radam({ lr: 0.1 }),
  lion: () => optim.lion({ lr: 0.1, weightDecay: 0.1 }),
  adopt: () => optim.adopt({ lr: 0.1 }),
  acclip: () => optim.acclip({ lr: 0.1, alpha: 1.5 }),
  adafactor: () => optim.adafactor({ lr: 0.1 }),
  'lookahead of adamw': () => optim.lookahead(optim.adamw({ lr: 0.1 }), { k: 2 }),
  lamb: () => optim.lamb({ lr: 0.1 }),
  lars: () => optim.lars({ lr: 10, weightDecay: 0.01 }),
  stableAdamw: () => optim.stableAdamw({ lr: 0.1 }),
  spam: () => optim.spam({ lr: 0.1, clipAfter: 1 }),
};

/** The same, and those that are for matrices, or do something else to them: bind them with `shapesFor`. */
const MATRICES: Readonly<Record<string, () => optim.Optimizer>> = {
  'adafactor of matrices': () => optim.adafactor({ weightDecay: 0.1 }),
  'muon of matrices': () => optim.muon({ lr: 0.1 }),
};
export const ALL_OPTIMIZERS: Readonly<Record<string, () => optim.Optimizer>> = { ...OPTIMIZERS, ...MATRICES };

/** Shapes to bind arrays with: of two dimensions where the optimizer is for matrices. */
export function shapesFor(name: string, arrays: Grads): { readonly shapes?: number[][] } {
  if (!(name in MATRICES)) return {};
  const rows = (n: number): number => [2, 3, 5, 7].find((d) => n % d === 0) ?? 1;
  return { shapes: arrays.map(({ length: n }) => [rows(n), n / rows(n)]) };
}

/** Equal numbers, where 0 and -0 are the same, and so are NaN. */
export function sameNumbers(a: readonly Float32Array[], b: readonly Float32Array[]): boolean {
  const same = (v: number, w: number): boolean => v === w || (Number.isNaN(v) && Number.isNaN(w));
  return a.every((x, t) => x.length === b[t]!.length && x.every((v, i) => same(v, b[t]![i]!)));
}
