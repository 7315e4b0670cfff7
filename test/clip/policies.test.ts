// policies.test.ts: every clip policy for 20 steps against PyTorch, optax, Keras, or the paper in f64 (golden/clip/make_policies.py).
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { type Data, sizeOf } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import * as ops from '../../lib/ops/index.ts';
import type { Report } from '../../lib/optim/apply/report.ts';
import * as optim from '../../lib/optim/index.ts';
import { apply } from '../../lib/public/clip.ts';

interface Case {
  readonly source: string;
  readonly policy: string;
  readonly args: readonly unknown[];
  /** Which of SHAPES. */
  readonly tensors: readonly number[];
  /** The policy looks at parameters: they are those of `start`, not 0. */
  readonly parameters?: boolean;
  /** Of an element, relative to itself; or relative to the largest of its tensor. */
  readonly tolerance?: number;
  readonly ofLargest?: number;
  /** Steps left out, counted from 1; the norm of what was seen in each step; and what was, in some. */
  readonly skipped: readonly number[];
  readonly norms: readonly number[];
  readonly values: Readonly<Record<string, readonly (readonly number[])[]>>;
}
const revive = (_: string, v: unknown): unknown => (v === 'Infinity' ? Infinity : v);
const read = (file: string): Record<string, Case> =>
  JSON.parse(readFileSync(new URL(`../golden/clip/policies-${file}.json`, import.meta.url), 'utf8'), revive).cases;
const cases: Readonly<Record<string, Case>> = { ...read('norms'), ...read('adaptive'), ...read('elements') };

// As in golden/clip/make_policies.py.
const SHAPES = [[2, 3], [4], [1], [2, 1, 3], [0]];
const FACTORS = [1, 0.75, null, 1.5, 2, 0, 1, 1024, 1, 0.5, NaN, 1.25, 3, 0.875, 1, 2 ** -100, 1, 4, 2 ** 100, 1];
const array = (k: number, f: (i: number) => number): Float32Array =>
  Float32Array.from({ length: sizeOf(SHAPES[k]!) }, (_, i) => f(i));
const start = (k: number): Float32Array => array(k, (i) => (((i * 29 + k * 53 + 11) % 127) - 63) / 64);
function gradient(t: number, k: number): Float32Array {
  const by = FACTORS[t - 1];
  if (by === null) return array(k, (i) => (i !== k ? 0 : k === 0 ? 1.5 : k === 1 ? 2 : 0));
  return array(k, (i) => ((((i * 37 + t * 101 + k * 67 + 17) % 127) - 63) / 64) * by!);
}

/** Compositions have no arguments that JSON could hold. */
const COMPOSED: Readonly<Record<string, () => clip.ClipPolicy>> = {
  chain: () => clip.chain(clip.value(0.5), clip.globalNorm(1)),
  map: () => clip.map((g, { threshold }) => ops.mul(ops.sign(g), ops.relu(ops.sub(ops.abs(g), threshold))), { threshold: 0.25 }),
  groups: () => clip.groups([{ match: '1', policy: clip.value(0.25) }, { policy: clip.globalNorm(1) }]),
};
const make = ({ policy, args }: Case): clip.ClipPolicy =>
  COMPOSED[policy]?.() ?? (clip as unknown as Record<string, (...a: readonly unknown[]) => clip.ClipPolicy>)[policy]!(...args);

/** What an optimizer is given in each step: SGD with lr 1 makes -g of 0, and one with lr 0 and hardly a momentum keeps g as a slot. */
function* seenBy(c: Case, threads: number): Generator<{ seen: Float32Array[]; report: Report; state: Data[] }> {
  const kept = c.parameters === true;
  const params = c.tensors.map((k) => (kept ? start(k) : array(k, () => 0)));
  const optimizer = kept ? optim.sgd({ lr: 0, momentum: 1e-60 }) : optim.sgd({ lr: 1 });
  const bound = optimizer.bind(params, { clip: make(c), threads, shapes: c.tensors.map((k) => SHAPES[k]!) });
  for (let t = 1; t <= FACTORS.length; t++) {
    if (!kept) for (const p of params) p.fill(0);
    const report = bound.step(c.tensors.map((k) => gradient(t, k)));
    const { tensors } = bound.state();
    const slot = (i: number): Float32Array => tensors[`optim.${i}.momentum_buffer`] as Float32Array;
    const seen = params.map((p, i) => (kept ? (report.skipped ? p.map(() => 0) : slot(i)) : p.map((v) => 0 - v)));
    // But for what spikeSkip counts, which is the skips.
    const state = Object.keys(tensors).filter((name) => name.startsWith('clip.') && name !== 'clip.spikes');
    yield { seen, report, state: state.map((name) => tensors[name]!) };
  }
  bound.dispose();
}

/** What `clip.apply` gives of them, its state going from step to step. */
function* appliedTo(c: Case, threads: number): ReturnType<typeof seenBy> {
  const policy = make(c);
  const params = c.tensors.map(start);
  const shapes = c.tensors.map((k) => SHAPES[k]!);
  let state: optim.OptimizerState | undefined;
  for (let t = 1; t <= FACTORS.length; t++) {
    const grads = c.tensors.map((k) => gradient(t, k));
    const given = { params, shapes, threads, ...(state && { state }) };
    const applied = apply(grads, policy, given);
    state = applied.state;
    const kept = Object.keys(state.tensors).filter((name) => name !== 'clip.spikes');
    const seen = applied.grads ?? grads.map((g) => g.map(() => 0));
    yield { seen, report: applied.report, state: kept.map((name) => applied.state.tensors[name]!) };
  }
}

const THREADS = Math.min(2, addon().threads.count);
const WAYS: Readonly<Record<string, (c: Case) => ReturnType<typeof seenBy>>> = {
  'an update on 1 thread': (c) => seenBy(c, 1),
  [`an update on ${THREADS} threads`]: (c) => seenBy(c, THREADS),
  'clip.apply': (c) => appliedTo(c, THREADS),
};

// Two roundings to f32, of the scale and of the product.
const TOLERANCE = 2 ** -23;

describe.each(Object.keys(cases))('%s', (name) => {
  const c = cases[name]!;
  test.each(Object.entries(WAYS))('%s', (_, run) => {
    let t = 0;
    let before: Data[] | null = null;
    for (const { seen, report, state } of run(c)) {
      t++;
      expect(report.skipped, `step ${t}`).toBe(c.skipped.includes(t));
      if (report.skipped) expect(state, `state after the skipped step ${t}`).toEqual(before ?? state);
      before = state;
      // The report's norm is of another kind where the policy's is.
      const p = c.args.find((a) => typeof a === 'object' && a !== null && 'p' in a);
      const after = Math.sqrt(seen.reduce((s, x) => x.reduce((sum, v) => sum + v * v, s), 0));
      const slack = (c.tolerance ?? c.ofLargest ?? TOLERANCE) + TOLERANCE;
      expect(Math.abs(after - c.norms[t - 1]!), `norm of step ${t}`).toBeLessThanOrEqual(slack * c.norms[t - 1]!);
      if (!p && !report.skipped) expect(Math.abs(report.normAfter - after), `norm of ${t}`).toBeLessThanOrEqual(slack * after);
      const want = c.values[t];
      if (!want) continue;
      for (const [i, x] of seen.entries()) {
        const largest = Math.max(0, ...want[i]!.map(Math.abs));
        for (const [j, v] of x.entries()) {
          const limit: number = c.ofLargest ? c.ofLargest * largest : (c.tolerance ?? TOLERANCE) * Math.abs(want[i]![j]!);
          const error: number = Math.abs(v - want[i]![j]!);
          if (!(error <= limit + 2 ** -149)) {
            expect.fail(
              `step ${t}, tensor ${i}, element ${j}: got ${v}, expected ${want[i]![j]} (error ${error / limit} of its limit)`,
            );
          }
        }
      }
    }
  });
});

test('every policy is in the goldens, but for those that draw, the one that only measures, and the one that a fit moves', () => {
  const policies = Object.entries(clip).filter(([, f]) => typeof f === 'function');
  const tried = new Set(Object.values(cases).map((c) => c.policy));
  expect(
    policies
      .map(([name]) => name)
      .filter((name) => !tried.has(name))
      .sort(),
  ).toEqual(['auto', 'none', 'perSample', 'qsgd', 'stochastic']); // test/per-sample has that of samples
});
