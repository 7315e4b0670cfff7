// update.test.ts: the update kernels against hand-made cases: stages, tiny scales, what is measured, bits. Against their ref: ops.test.ts.
import { expect, test } from 'vitest';
import { Graph } from '../../lib/ir/graph.ts';
import type { Data } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import type { Stage } from '../../lib/ops/gradient/stage.ts';
import * as stage from '../../lib/ops/gradient/stage.ts';
import { update } from '../../lib/ops/list.ts';
import type { Measuring, UpdateOp } from '../../lib/ops/update/update.ts';
import { UPDATES } from '../../lib/optim/list.ts';
import { SOME_TEAMS } from '../kit.ts';
import { runNode } from '../run-node.ts';

const ISAS = addon().isas;
const updateNamed = (name: string): UpdateOp => UPDATES.find((op) => op.name === name)!;
const SGD = updateNamed('update_sgd');
const ADAM = updateNamed('update_adam');

interface Case {
  readonly op?: UpdateOp;
  readonly variant?: string;
  readonly p: readonly Float32Array[];
  readonly g: readonly Float32Array[];
  readonly slots?: readonly (readonly Float32Array[])[];
  /** Those that are not named are 0. */
  readonly hyper: Readonly<Record<string, number>>;
  readonly stages?: (g: Graph) => readonly Stage[];
  readonly measure?: Measuring;
  readonly threads?: number;
  readonly isa?: string;
}
/** One update through the kernel. Default: SGD without momentum. */
function step(c: Case): { p: Float32Array[]; slots: Float32Array[]; measured: number[] } {
  const graph = new Graph();
  const values: Data[] = [];
  const inputs = (name: string, xs: readonly Float32Array[]) =>
    xs.map((x, i) => {
      values.push(x);
      return graph.input(`${name}${i}`, { dtype: 'f32', shape: [x.length] }, 'data');
    });
  const params = inputs('p', c.p);
  const grads = inputs('g', c.g);
  const slots = (c.slots ?? []).map((s, k) => inputs(`s${k}_`, s));
  const op = c.op ?? SGD;
  const hyper = graph.input('hyper', { dtype: 'f64', shape: [op.hyper.length] }, 'step');
  values.push(Float64Array.from(op.hyper, (name) => c.hyper[name] ?? 0));
  const stages = c.stages?.(graph) ?? [];
  const measure = c.measure ?? false;
  const operands = { params, grads, slots, hyper, stages, measure };
  const { node } = update(op, c.variant ?? 'plain', operands).params[0]!;
  for (const t of node.ins.slice(values.length)) values.push((t.node.attrs as { data: Data }).data);
  const outs = runNode(node, values, { threads: c.threads ?? 1, ...(c.isa && { isa: c.isa }) });
  const numbers = measure === 'all' ? 3 : measure === 'after' ? 2 : 0;
  const arrays = outs.slice(0, outs.length - numbers);
  return {
    p: arrays.slice(0, params.length) as Float32Array[],
    slots: arrays.slice(params.length) as Float32Array[],
    measured: outs.slice(outs.length - numbers).map((x) => x[0]!),
  };
}
/** The gradient as the optimizer sees it: SGD with lr -1 from 0. */
const seen = (g: Float32Array, stages: (g: Graph) => readonly Stage[], isa?: string): Float32Array =>
  step({ p: [new Float32Array(g.length)], g: [g], hyper: { lr: -1 }, stages, ...(isa && { isa }) }).p[0]!;
const scale =
  (by: number) =>
  (g: Graph): Stage[] => [stage.scale(g.scalar(by, 'f64'))];

const grads = Float32Array.from({ length: 1041 }, (_, i) => Math.sin(i * 1.7) * 10 ** ((i % 9) - 4));

test('a scale of 1, and bounds that do not bite, change no bit', () => {
  const wide = (): Stage[] => [stage.limit(-1e30, 1e30)];
  for (const isa of ISAS) {
    const plain = seen(grads, () => [], isa);
    expect(seen(grads, scale(1), isa)).toEqual(plain);
    expect(seen(grads, wide, isa)).toEqual(plain);
    expect(seen(grads, (g) => [...wide(), ...scale(1)(g)], isa)).toEqual(plain);
  }
});

test('a scale is rounded once to f32', () => {
  const by = 1 / 3;
  const want = grads.map((g) => Math.fround(g * Math.fround(by)));
  for (const isa of ISAS) expect(seen(grads, scale(by), isa)).toEqual(want);
});

test('tiny and huge scales keep all their bits', () => {
  const ones = Float32Array.from([3e38, -1.2345e38, 9.87e37, 1e36]);
  for (const by of [1.1e-38, 2 ** -126, 2 ** -127 * 1.3, 1.7e-45, 3e-60, 5e-70, 1e-75]) {
    for (const isa of ISAS) {
      seen(ones, scale(by), isa).forEach((v, i) => {
        const want = ones[i]! * by;
        // Two roundings of a normal number; below 2^-126, units of 2^-149.
        expect(Math.abs(v - want)).toBeLessThanOrEqual(Math.max(2 ** -23 * Math.abs(want), 2 ** -149));
      });
    }
  }
  const small = Float32Array.from([1e-40, -3e-42, 1e-38]);
  seen(small, scale(3e39)).forEach((v, i) => {
    expect(v / (small[i]! * 3e39)).toBeCloseTo(1, 6);
  });
});

test('a scale of 0 gives 0, a NaN gives NaN, and bounds pass a NaN on', () => {
  for (const v of seen(grads, scale(0))) expect(Math.abs(v)).toBe(0);
  for (const v of seen(grads, scale(NaN))) expect(v).toBeNaN();
  const odd = Float32Array.from([NaN, Infinity, -Infinity, 1, -1, 0]);
  const limit = stage.limit(-0.5, 0.25);
  for (const isa of ISAS) {
    expect(seen(odd, () => [limit], isa)).toEqual(Float32Array.from([NaN, 0.25, -0.5, 0.25, -0.5, 0]));
    expect(seen(odd, () => [stage.zeroNonFinite(), limit], isa)).toEqual(Float32Array.from([0, 0, 0, 0.25, -0.5, 0]));
  }
});

test('scales per tensor reach their tensors, from the offset of the group on', () => {
  const sizes = [1, 1025, 0, 5000, 3];
  const g = sizes.map((n) => new Float32Array(n).fill(2));
  const by = Float64Array.from([0.5, 0.25, 7, 0.125, 1]);
  const zerosOf = sizes.map((n) => new Float32Array(n));
  const each = (graph: Graph): Stage[] => [stage.scale(graph.constant(by, [5], 'f64'))];
  for (const threads of [1, ...SOME_TEAMS]) {
    const { p } = step({ p: zerosOf, g, hyper: { lr: -1 }, stages: each, threads });
    p.forEach((x, t) => {
      expect(x).toEqual(new Float32Array(sizes[t]!).fill(2 * by[t]!));
    });
  }
});

test('what is measured: sums of squares before and after, and the elements changed', () => {
  const g = Float32Array.from({ length: 5000 }, (_, i) => ((i * 37) % 101) - 50);
  const after = g.map((v) => Math.max(-20, Math.min(30, v)));
  const squares = (x: Float32Array): number => x.reduce((s, v) => s + v * v, 0);
  const limit = (): Stage[] => [stage.limit(-20, 30)];
  for (const isa of ISAS) {
    for (const threads of [1, ...SOME_TEAMS]) {
      const { measured } = step({
        p: [g, g.slice(0, 7)],
        g: [g, g.slice(0, 7)],
        hyper: {},
        stages: limit,
        measure: 'all',
        isa,
        threads,
      });
      const changed = (x: Float32Array): number => x.filter((v) => v < -20 || v > 30).length;
      expect(measured).toEqual([
        squares(after) + squares(after.slice(0, 7)),
        changed(g) + changed(g.slice(0, 7)),
        squares(g) + squares(g.slice(0, 7)),
      ]);
    }
  }
  const nan = Float32Array.from([NaN, 1, 50]);
  expect(step({ p: [nan], g: [nan], hyper: {}, stages: limit, measure: 'all' }).measured[1]).toBe(1);
});

test('the first momentum step takes the gradient as it is, later ones damp it', () => {
  const p = [Float32Array.from([1])];
  const g = [Float32Array.from([2])];
  const slots = [[Float32Array.from([10])]];
  const run = (variant: string, first: number) =>
    step({ p, g, slots, variant, hyper: { lr: 0.5, momentum: 0.5, oneMinusDampening: 0.75, first } });
  expect([run('momentum', 1).slots[0]![0], run('momentum', 1).p[0]![0]]).toEqual([2, 0]);
  expect([run('momentum', 0).slots[0]![0], run('momentum', 0).p[0]![0]]).toEqual([6.5, -2.25]);
  expect([run('nesterov', 0).slots[0]![0], run('nesterov', 0).p[0]![0]]).toEqual([6.5, 1 - 0.5 * 5.25]);
});

test('beta1 = 0 makes the first moment the gradient, exactly', () => {
  const g = [grads];
  const zero = [new Float32Array(grads.length).fill(0.1)];
  const hyper = { stepSize: 1e-3, oneMinusBeta1: 1, beta2: 0.999, oneMinusBeta2: 1e-3, inverseRoot: 1, eps: 1e-8 };
  for (const isa of ISAS) {
    const { slots } = step({ op: ADAM, variant: 'adam', p: zero, g, slots: [zero, zero], hyper, isa });
    expect(slots[0]).toEqual(grads);
  }
});

test('a cheap stage alone, which the loop itself does, gives the bits of the same stage among others', () => {
  const g = Float32Array.from({ length: 1063 }, (_, i) => (i % 97 === 5 ? NaN : Math.sin(i * 1.7) * 2 ** ((i % 9) - 4)));
  const cheap: Record<string, () => Stage> = {
    limit: () => stage.limit(-0.5, 0.25),
    sign: () => stage.sign(),
    shrinkAbove: () => stage.shrinkAbove(0.5, 0.1),
    suppress: () => stage.shrinkAbove(0.5, 0),
    zeroBelow: () => stage.zeroBelow(0.5),
  };
  for (const isa of ISAS) {
    for (const [name, make] of Object.entries(cheap)) {
      const run = (stages: () => Stage[]) =>
        step({ p: [g], g: [g], hyper: { lr: 0.1, weightDecay: 0.5 }, stages, measure: 'after', isa });
      const alone = run(() => [make()]);
      const among = run(() => [make(), stage.scale(1)]);
      expect(alone.p, `${name} on ${isa}`).toEqual(among.p);
      expect(alone.measured[1], `${name} on ${isa}`).toBe(among.measured[1]);
      expect(alone.measured[1]).toBeGreaterThan(0);
      expect(alone.p[0]).not.toEqual(run(() => [stage.scale(1)]).p[0]);
    }
  }
});

test('hyper-parameters have the same names in the same order here and in the kernel', () => {
  const here = Object.fromEntries(UPDATES.map((op) => [op.name, op.hyper.join(', ')]));
  expect(addon().hyper).toEqual(here);
  expect(addon().hyper.update_sgd).toBe('lr, weightDecay, momentum, oneMinusDampening, first');
});
