// table.test.ts: what holds of every clip policy, whatever it does: its state, steps that are not finite, resuming, bits.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { POLICIES } from '../../lib/clip/list.ts';
import { OptionError } from '../../lib/errors.ts';
import { Graph } from '../../lib/ir/graph.ts';
import { sizeOf } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import { staged } from '../../lib/ops/gradient/staged.ts';
import { ApplyStates, buildApply } from '../../lib/optim/apply/apply.ts';
import * as optim from '../../lib/optim/index.ts';
import { runGraph } from '../run-graph.ts';
import { bits, classifier, points } from '../train/models.ts';
import { f32, type Grads, seenBy } from './kit.ts';

/** The states that a policy keeps of parameters a and b, named as in checkpoints: none where it is not named. */
const STATES: Readonly<Record<string, readonly string[]>> = {
  autoClip: ['norms'],
  percentile: ['norms'],
  zclip: ['mean', 'steps', 'variance'],
  adaGc: ['gamma', 'steps'],
  adaClip: ['largest', 'steps'],
  adaGn: ['mean', 'square', 'steps'],
  quantile: ['threshold'],
  runningMean: ['mean', 'steps'],
  qsgd: ['residual.a', 'residual.b'],
  oneBit: ['residual.a', 'residual.b'],
  topK: ['residual.a', 'residual.b'],
  'topK global': ['residual.a', 'residual.b'],
  spikeSkip: ['spikes', 'window'],
  groups: ['0.mean', '0.steps', '0.variance'],
  'spikeSkip ema': ['mean', 'spikes', 'steps'],
};
const NAMES = Object.keys(POLICIES);
const stateful = NAMES.filter((name) => name in STATES);

/** Where the list's waits for many steps, one that does not. */
const EARLY: Readonly<Record<string, (options: clip.NonFiniteOptions) => clip.ClipPolicy>> = {
  zclip: (options) => clip.zclip({ warmup: 3, ...options }),
  adaGc: (options) => clip.adaGc({ warmup: 2, ...options }),
  spikeSkip: (options) => clip.spikeSkip({ window: 4, warmup: 2, ...options }),
  'spikeSkip ema': (options) => clip.spikeSkip({ mode: 'ema', warmup: 2, threshold: 5, ...options }),
  groups: () => clip.groups([{ match: /^a$|weight/, policy: clip.zclip({ warmup: 3 }) }, { policy: clip.globalNorm(1) }]),
};
/** The policy of that name with other options, for those that take them as the last argument. */
function build(name: string, options: clip.NonFiniteOptions = {}): clip.ClipPolicy {
  return (EARLY[name] ?? POLICIES[name]!)(options);
}

const SHAPES = { a: [3, 40], b: [37] };
const array = (n: number, k: number, size = 1): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(1 + i * 0.37 + k * 1.7) * size);
const params = (): Record<string, Float32Array> => ({ a: array(120, 0), b: array(37, 5) });
const good = (k: number): Record<string, Float32Array> => ({ a: array(120, k, 1 + (k % 3)), b: array(37, k + 9) });
const bad = (): Record<string, Float32Array> => {
  const g = good(77);
  g.b![3] = NaN;
  return g;
};

function bound(policy: clip.ClipPolicy, threads = 1): { step: optim.BoundOptimizer; p: Record<string, Float32Array> } {
  const p = params();
  return { step: optim.adamw({ lr: 0.1 }).bind(p, { clip: policy, threads, shapes: SHAPES }), p };
}
const policyState = (b: optim.BoundOptimizer) =>
  Object.fromEntries(Object.entries(b.state().tensors).filter(([name]) => name.startsWith('clip.')));

// In the list they have options of their own for what is not finite, or parts that do.
const ONE_MODE = ['value unchecked', 'chain', 'groups'];
const modes = NAMES.filter((name) => !ONE_MODE.includes(name));

describe.each(NAMES)('%s', (name) => {
  test('keeps the states it says, and no others', () => {
    const { step } = bound(build(name));
    expect(Object.keys(policyState(step)).sort()).toEqual((STATES[name] ?? []).map((s) => `clip.${s}`));
    step.dispose();
  });

  test('refuses an option it does not know', () => {
    if (name === 'chain' || name === 'groups') return expect(() => clip.groups([], { x: 1 } as never)).toThrow(OptionError);
    const f = (clip as unknown as Record<string, (...a: unknown[]) => unknown>)[name.split(' ')[0]!]!;
    const second = f.length === 0 && !/^\(?(c|v|q|k|lambda|fraction)/.test(f.toString().replace(/^function \w+/, ''));
    expect(() => (second ? f({ nonfinite: 'skip' }) : f(0.5, { nonfinite: 'skip' }))).toThrow(OptionError);
  });

  test('a step that is skipped is as if it had not been tried', () => {
    const [one, two] = [bound(build(name)), bound(build(name))];
    for (let k = 0; k < 7; k++) {
      if (k === 1 || k === 4) {
        if (name === 'value unchecked') continue;
        const before = one.step.state().tensors;
        expect(one.step.step(bad())).toMatchObject({ skipped: true, nonFinite: 'b', nonFiniteCount: 1 });
        expect(one.step.state().tensors).toEqual(before);
      }
      if (/stochastic|qsgd/.test(name)) continue; // Draws are keyed by the attempt.
      const [a, b] = [one.step.step(good(k)), two.step.step(good(k))];
      expect({ ...a, attempt: 0 }).toEqual({ ...b, attempt: 0 });
    }
    expect(one.p).toEqual(two.p);
    expect(one.step.state().tensors).toEqual(two.step.state().tensors);
  });

  test('goes on from a saved state as if it had not stopped', () => {
    const whole = bound(build(name));
    for (let k = 0; k < 5; k++) whole.step.step(good(k));
    const saved = whole.step.state();
    const at = Object.entries(whole.p).map(([key, p]) => [key, p.slice()] as const);
    const again = bound(build(name));
    again.step.step(good(99));
    again.step.load(saved);
    for (const [key, p] of at) again.p[key]!.set(p);
    for (let k = 5; k < 10; k++) expect(again.step.step(good(k))).toEqual(whole.step.step(good(k)));
    expect(again.p).toEqual(whole.p);
    expect(again.step.state()).toEqual(whole.step.state());
  });

  test('one group of it, and a chain of it alone, are the policy', () => {
    const runs = [build(name), clip.groups([{ policy: build(name) }]), clip.chain(build(name))].map((policy) => {
      const { step, p } = bound(policy);
      const reports = [0, 1, 2, 3].map((k) => step.step(good(k)));
      return {
        p,
        norm: reports.map((r) => r.norm),
        clipped: reports.map((r) => r.clipped),
        skipped: reports.map((r) => r.skipped),
      };
    });
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[2]).toEqual(runs[0]);
  });

  test('the same bits on 1 and 3 threads', () => {
    const [one, three] = [bound(build(name), 1), bound(build(name), 3)];
    for (let k = 0; k < 4; k++) expect(three.step.step(good(k))).toEqual(one.step.step(good(k)));
    expect(three.p).toEqual(one.p);
  });

  test('the same bits on AVX2 and AVX-512', () => {
    const isas = addon().isas.filter((isa) => isa !== 'x86_64');
    const runs = isas.map((isa) => onIsa(build(name), isa));
    for (const run of runs.slice(1)) expect(run).toEqual(runs[0]);
  });
});

/** What the policy makes of gradients, and its report, after 5 steps. */
function onIsa(policy: clip.ClipPolicy, isa: string): unknown {
  const graph = new Graph('train');
  const grads = Object.entries(SHAPES).map(([n, shape]) => graph.input(`g.${n}`, { dtype: 'f32', shape }, 'data'));
  const target = Object.entries(SHAPES).map(([n, shape]) => {
    return {
      name: n,
      state: {
        name: n,
        type: { dtype: 'f32' as const, shape },
        init: (out: { set(x: Float32Array): void }) => out.set(params()[n]!),
      },
    };
  });
  const watched: clip.ClipPolicy = {
    ...policy,
    build(context) {
      const made = policy.build(context);
      const seen = staged(graph, made.grads ?? grads, made.stages);
      for (const [i, x] of seen.entries()) graph.output(`seen.${i}`, x);
      return made;
    },
  };
  const groups = [{ params: target, optimizer: optim.sgd({ lr: 0.1 }) }];
  buildApply({ graph, groups: groups as never, grads, policy: watched, states: new ApplyStates() });
  const g = good(3);
  // Hyper-parameters, whatever they are.
  const others = [...graph.inputs]
    .filter(([n]) => !n.startsWith('g.'))
    .map(([n, t]) => [n, new Float64Array(sizeOf(t.shape)).fill(0.1)]);
  return runGraph(graph, { inputs: { ...Object.fromEntries(others), 'g.a': g.a!, 'g.b': g.b! }, isa, steps: 5, seed: 5n });
}

describe.each(modes)('%s, gradients that are not finite', (name) => {
  test("'error' stops", () => {
    const { step } = bound(build(name, { nonFinite: 'error' }));
    step.step(good(1));
    expect(() => step.step(bad())).toThrow('the gradient of b is not finite');
  });

  test("'zero' counts the element as 0", () => {
    const { step, p } = bound(build(name, { nonFinite: 'zero' }));
    expect(step.step(bad())).toMatchObject({ skipped: false, nonFinite: 'b' });
    for (const x of Object.values(p)) expect(x.every(Number.isFinite)).toBe(true);
  });

  test.each(['zero', 'propagate'] as const)("with '%s', what is remembered takes nothing of such a step", (nonFinite) => {
    const { step } = bound(build(name, { nonFinite }));
    for (let k = 0; k < 4; k++) step.step(good(k));
    const before = policyState(step);
    const report = step.step(bad());
    expect(report.skipped).toBe(false);
    const after = policyState(step);
    for (const key of Object.keys(before)) {
      // What zeroed gradients lose is lost for good otherwise.
      if (key.includes('residual') && nonFinite === 'zero') expect(after[key]!.every(Number.isFinite)).toBe(true);
      else expect(after[key], key).toEqual(before[key]);
    }
  });
});

test.each(stateful)('%s: a trainer that saves, loads and goes on', async (name) => {
  const file = join(mkdtempSync(join(tmpdir(), 'gradclip-')), 'x.safetensors');
  const data = points(64);
  const make = () => classifier({ clip: build(name), threads: 1 });
  const [whole, first, second] = [make(), make(), make()];
  await whole.fit(data, { steps: 20 });
  await first.fit(data, { steps: 9 });
  await first.save(file);
  await second.load(file);
  await second.fit(data, { steps: 11 });
  expect(await bits(second)).toBe(await bits(whole));
  for (const t of [whole, first, second]) t.dispose();
});

test('draws that clip: none where nothing exceeds c, all where b is 1, and about b^(c/n) of the steps', () => {
  const share = (c: number, b: number): number => {
    const policy = clip.stochastic(c, { b });
    const step = optim.sgd({ lr: 1 }).bind([f32(0, 0)], { clip: policy });
    let clipped = 0;
    for (let k = 0; k < 4000; k++) {
      const report = step.step([f32(3, 4)]);
      if (report.clipped) clipped++;
      expect([1, c / 5]).toContain(report.scale);
    }
    return clipped / 4000;
  };
  expect(share(1, 1)).toBe(1);
  const [n, b, c] = [5, 0.3, 2];
  const p = b ** (c / n);
  // Five standard errors.
  expect(Math.abs(share(c, b) - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / 4000));
});

test('topK keeps one element of however few', () => {
  const { seen } = seenBy(clip.topK(0.01, { errorFeedback: false }), [f32(1, -3, 2), f32(0.5), f32()]);
  expect(seen).toEqual([f32(0, -3, 0), f32(0.5), f32()]);
});

test('QSGD: values on the grid, next to what they stand for, and right in the mean', () => {
  const g: Grads = [array(40, 2), f32(0, 0), f32(2)];
  const levels = 4;
  const n = Math.sqrt(g[0]!.reduce((s, v) => s + v * v, 0));
  const p = g.map((x) => new Float32Array(x.length));
  const step = optim.sgd({ lr: 1 }).bind(p, { clip: clip.qsgd({ levels, errorFeedback: false }) });
  const sum = new Float64Array(40);
  const tries = 4000;
  for (let k = 0; k < tries; k++) {
    for (const x of p) x.fill(0);
    step.step(g);
    p[0]!.forEach((v, i) => {
      const level = (0 - v / n) * levels;
      expect(Math.abs(level - Math.round(level))).toBeLessThan(1e-5);
      expect(Math.abs(level - (g[0]![i]! / n) * levels)).toBeLessThan(1 + 1e-5);
      sum[i]! -= v;
    });
    expect([...p[1]!, ...p[2]!].map((v) => 0 - v)).toEqual([0, 0, 2]);
  }
  // A rounding between two levels has a standard deviation of half a level at most.
  const limit = (5 * (n / levels / 2)) / Math.sqrt(tries);
  sum.forEach((s, i) => {
    expect(Math.abs(s / tries - g[0]![i]!)).toBeLessThan(limit);
  });
});
