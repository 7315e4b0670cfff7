// kit.ts: what tests of clipping share: what an optimizer sees of gradients, and policies in plain f64 loops.
import type { ClipPolicy } from '../../lib/clip/index.ts';
import * as clip from '../../lib/clip/index.ts';
import type { Report } from '../../lib/optim/apply/report.ts';
import * as optim from '../../lib/optim/index.ts';
import { OPTIMIZERS as MAKERS } from '../../lib/optim/list.ts';

export type Grads = readonly Float32Array[];
export const f32 = (...values: number[]): Float32Array => Float32Array.from(values);

/** The gradients as the optimizer gets them: what SGD with lr 1 makes of parameters that are 0. And the report. */
export function seenBy(policy: ClipPolicy, grads: Grads, threads = 1): { seen: Float32Array[]; report: Report } {
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
  /** In f64, and as f32 has it. */
  exact(grads: Grads, c: number): number[][];
  truth(grads: Grads, c: number): Float32Array[];
  /** The least threshold that leaves these gradients alone; Infinity where every element shrinks. */
  least(grads: Grads): number;
  /** Which norm is reported. */
  readonly p: number;
  /** What an element may differ from `exact` by, in units of the last place; and whether it is `truth` to the bit. */
  readonly ulps: number;
  readonly bitwise: boolean;
}

/** Does a threshold of c leave these gradients alone? */
export const idle = (f: Family, grads: Grads, c: number): boolean => f.least(grads) <= c;
const quotient = (n: number, c: number): number => (n <= c ? 1 : c / n);
const largestOf = (values: readonly number[]): number => Math.max(0, ...values);

/** A family whose gradients are multiplied by a scale each. */
function byScale(
  name: string,
  make: Family['make'],
  least: Family['least'],
  scales: (grads: Grads, c: number) => number[],
  p = 2,
): Family {
  const times = (grads: Grads, by: readonly number[]): number[][] => grads.map((g, t) => Array.from(g, (v) => v * by[t]!));
  return {
    name,
    make,
    least,
    exact: (grads, c) => times(grads, scales(grads, c)),
    truth: (grads, c) => times(grads, scales(grads, c).map(Math.fround)).map((g) => Float32Array.from(g)),
    ...{ p, ulps: 1, bitwise: true },
  };
}
/** One whose gradients are scaled where their own size exceeds the threshold. */
function bySize(name: string, make: Family['make'], size: (g: Float32Array) => number, p = 2): Family {
  const least = (grads: Grads): number => largestOf(grads.map(size));
  return byScale(name, make, least, (grads, c) => grads.map((g) => quotient(size(g), c)), p);
}
/** One that sees each element by itself. */
function byElement(
  name: string,
  make: Family['make'],
  least: Family['least'],
  element: (v: number, c: number) => number,
  ulps = 0,
): Family {
  const exact = (grads: Grads, c: number): number[][] => grads.map((g) => Array.from(g, (v) => element(v, c)));
  return {
    name,
    make,
    least,
    exact,
    truth: (grads, c) => exact(grads, c).map((g) => Float32Array.from(g)),
    ...{ p: 2, ulps, bitwise: ulps === 0 },
  };
}

const global = (p: number): Family =>
  byScale(
    `globalNorm p=${p}`,
    (c, options) => clip.globalNorm(c, { p, ...options }),
    (grads) => norm(grads, p),
    (grads, c) => grads.map(() => quotient(norm(grads, p), c)),
    p,
  );
const each = (p: number): Family =>
  bySize(
    `perTensorNorm p=${p}`,
    (c, options) => clip.perTensorNorm(c, { p, ...options }),
    (g) => norm([g], p),
    p,
  );
const value: Family = byElement(
  'value',
  (c, options) => clip.value(c, options),
  (grads) => norm(grads, Infinity),
  (v, c) => Math.max(-Math.fround(c), Math.min(Math.fround(c), v)),
);
// A chain reports what its first policy measures.
const inChain = (family: Family): Family => ({
  ...family,
  name: `chain(none, ${family.name})`,
  p: 2,
  make: (c, options) => clip.chain(clip.none(options), family.make(c, options)),
});

export const FAMILIES: readonly Family[] = [
  value,
  ...[1, 2, 3.5, Infinity].flatMap((p) => [global(p), each(p)]),
  inChain(value),
  inChain(global(2)),
];

function budget(grads: Grads, c: number): number[] {
  let used = 0;
  const scales = grads.map(() => 1);
  const size = norm(grads);
  for (let t = grads.length - 1; t >= 0 && size > c; t--) {
    const n = norm([grads[t]!]) / c;
    scales[t] = n === 0 ? 1 : Math.min(1, Math.sqrt(Math.max(0, 1 - used)) / n);
    used = scales[t]! < 1 ? 1 : used + n * n;
  }
  return scales;
}
const never = (): number => Infinity;

/** The others with a threshold: under the edge contract, each beside few optimizers. */
export const MORE_FAMILIES: readonly Family[] = [
  bySize('averageNorm', clip.averageNorm, (g) => norm([g]) / Math.max(1, g.length)),
  bySize('blockRms', clip.blockRms, (g) => norm([g]) / Math.sqrt(Math.max(1, g.length))),
  // Parameters of one dimension are one row.
  bySize('rowMaxNorm', clip.rowMaxNorm, (g) => norm([g], Infinity)),
  bySize('axisNorm', clip.axisNorm, (g) => norm([g])),
  byScale('greedyBudget', clip.greedyBudget, norm, budget),
  byElement(
    'suppress',
    clip.suppress,
    (grads) => norm(grads, Infinity),
    (v, c) => (Math.abs(v) > Math.fround(c) ? 0 : v),
  ),
  byScale('softNorm', clip.softNorm, never, (grads, c) => grads.map(() => (norm(grads) === 0 ? 1 : c / (c + norm(grads))))),
  byElement('soft', clip.soft, never, (v, c) => (v === 0 ? 0 : (Math.sign(v) * c) / (c / Math.abs(v) + 1)), 4),
  byElement('tanh', clip.tanh, never, (v, c) => (v === 0 ? 0 : c * Math.tanh(v / c)), 8),
];

/** With options of their own; every other optimizer is tried with its defaults. */
const SPECIAL: Readonly<Record<string, () => optim.Optimizer>> = {
  'sgd with momentum, dampening and decay': () => optim.sgd({ lr: 0.1, momentum: 0.9, dampening: 0.1, weightDecay: 0.01 }),
  'sgd with nesterov momentum': () => optim.sgd({ lr: 0.1, momentum: 0.9, nesterov: true }),
  adam: () => optim.adam({ lr: 0.1, weightDecay: 0.01 }),
  'adam with amsgrad': () => optim.adam({ lr: 0.1, amsgrad: true }),
  adagrad: () => optim.adagrad({ lr: 0.1, initialAccumulatorValue: 0.1 }),
  rmsprop: () => optim.rmsprop(),
  'rmsprop, centered, with momentum': () => optim.rmsprop({ momentum: 0.9, centered: true }),
  adadelta: () => optim.adadelta(),
  nadam: () => optim.nadam({ lr: 0.1, weightDecay: 0.1, decoupledWeightDecay: true }),
  lion: () => optim.lion({ lr: 0.1, weightDecay: 0.1 }),
  acclip: () => optim.acclip({ lr: 0.1, alpha: 1.5 }),
  'lookahead of adamw': () => optim.lookahead(optim.adamw({ lr: 0.1 }), { k: 2 }),
  lars: () => optim.lars({ lr: 10, weightDecay: 0.01 }),
  spam: () => optim.spam({ lr: 0.1, clipAfter: 1 }),
};
const plain = Object.entries(MAKERS).filter(([name]) => name !== 'muon' && !(name in SPECIAL));
export const OPTIMIZERS: Readonly<Record<string, () => optim.Optimizer>> = {
  ...Object.fromEntries(plain.map(([name, make]) => [name, () => make({ lr: 0.1 })])),
  ...SPECIAL,
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
