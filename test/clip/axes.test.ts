// axes.test.ts: rows, columns and tensors mean one thing: every clip and constraint that goes by units against one plain loop, for tensors of
// no to four dimensions.
import { expect, test } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { sizeOf } from '../../lib/ir/op.ts';
import * as optim from '../../lib/optim/index.ts';
import * as constraint from '../../lib/optim/weights/constraint.ts';

type Axis = 'rows' | 'columns' | 'tensor';
const AXES: readonly Axis[] = ['rows', 'columns', 'tensor'];
const SHAPES = [[], [1], [5], [3, 4], [1, 6], [6, 1], [2, 3, 2], [3, 2, 3, 3], [0], [3, 0]];
const draw = (seed: number): Float32Array[] =>
  SHAPES.map((s, k) => Float32Array.from({ length: sizeOf(s) }, (_, i) => ((i * 37 + k * 101 + seed) % 127) / 32 - 2));

/** Which unit each element of a tensor is in, by its indices alone. */
function unitOf(shape: readonly number[], axis: Axis): number[] {
  const index = (i: number): number[] => {
    const at: number[] = [];
    for (let d = shape.length - 1, rest = i; d >= 0; rest = Math.floor(rest / shape[d]!), d--) at.unshift(rest % shape[d]!);
    return at;
  };
  const names = new Map<string, number>();
  return Array.from({ length: sizeOf(shape) }, (_, i) => {
    const at = index(i);
    const key = shape.length < 2 || axis === 'tensor' ? '' : axis === 'rows' ? `${at[0]}` : at.slice(1).join();
    if (!names.has(key)) names.set(key, names.size);
    return names.get(key)!;
  });
}
/** A number for each unit of a tensor. */
function perUnit(x: Float32Array, unit: readonly number[], how: (values: number[]) => number): number[] {
  const members: number[][] = [];
  x.forEach((v, i) => {
    const u = unit[i]!;
    members[u] ??= [];
    members[u].push(v);
  });
  return members.map(how);
}
const norm2 = (v: readonly number[]): number => Math.sqrt(v.reduce((s, a) => s + a * a, 0));
const largest = (v: readonly number[]): number => Math.max(...v.map(Math.abs));
const scaledBy = (x: Float32Array, by: (i: number) => number): Float32Array => x.map((v, i) => v * Math.fround(by(i)));
const shrink = (n: number, c: number): number => (n <= c ? 1 : c / n);

function seen(policy: clip.ClipPolicy, grads: Float32Array[], params?: Float32Array[]): Float32Array[] {
  const p = params?.map((x) => x.slice()) ?? grads.map((g) => new Float32Array(g.length));
  const bound = optim.sgd({ lr: params ? 0 : 1, momentum: params ? 1e-60 : 0 }).bind(p, { clip: policy, shapes: SHAPES });
  bound.step(grads);
  const { tensors } = bound.state();
  bound.dispose();
  return params ? p.map((_, t) => tensors[`optim.${t}.momentum_buffer`] as Float32Array) : p.map((x) => x.map((v) => 0 - v));
}
function held(rule: constraint.Constraint, values: Float32Array[]): Float32Array[] {
  const p = values.map((x) => x.slice());
  const bound = optim.sgd({ lr: 0 }).bind(p, { constraints: [{ match: '*', constraint: rule }], shapes: SHAPES });
  bound.step(p.map((x) => new Float32Array(x.length)));
  bound.dispose();
  return p;
}
const near = (got: readonly Float32Array[], want: readonly Float32Array[]): void => {
  for (const [t, x] of got.entries()) {
    const name = `[${SHAPES[t]}]`;
    x.forEach((v, i) => {
      expect(Math.abs(v - want[t]![i]!), `${name} ${i}: ${v}, ${want[t]![i]}`).toBeLessThanOrEqual(2 ** -22 * Math.abs(v));
    });
  }
};

test.each(AXES)('axis %s', (axis) => {
  const grads = draw(5);
  const params = draw(71);
  const units = SHAPES.map((s) => unitOf(s, axis));
  const each = (f: (v: number[]) => number, xs = grads): number[][] => xs.map((x, t) => perUnit(x, units[t]!, f));
  const norms = each(norm2);
  const times = (by: (t: number, u: number) => number, xs = grads): Float32Array[] =>
    xs.map((x, t) => scaledBy(x, (i) => by(t, units[t]![i]!)));

  near(
    seen(clip.axisNorm(1.5, { axis }), grads),
    times((t, u) => shrink(norms[t]![u]!, 1.5)),
  );
  const most = each(largest);
  near(
    seen(clip.axisNorm(1.5, { axis, p: Infinity }), grads),
    times((t, u) => shrink(most[t]![u]!, 1.5)),
  );
  const sums = most.map((rows) => rows.reduce((a, b) => a + b, 0));
  near(
    seen(clip.rowMaxNorm(3, { axis }), grads),
    times((t) => shrink(sums[t]!, 3)),
  );
  const all = sums.reduce((a, b) => a + b, 0);
  near(
    seen(clip.rowMaxNorm(10, { axis, scope: 'global' }), grads),
    times(() => shrink(all, 10)),
  );
  const own = each(norm2, params);
  near(
    seen(clip.agc(0.2, { axis, eps: 0.5 }), grads, params),
    times((t, u) => shrink(norms[t]![u]!, 0.2 * Math.max(own[t]![u]!, 0.5))),
  );
  near(
    held(constraint.maxNorm(1.25, { axis }), params),
    times((t, u) => shrink(own[t]![u]!, 1.25), params),
  );
  near(
    held(constraint.unitNorm({ axis }), params),
    times((t, u) => (own[t]![u] ? 1 / own[t]![u]! : 1), params),
  );
});

test('centralize takes from each row of two and more dimensions its mean', () => {
  const grads = draw(5);
  const want = grads.map((x, t) => {
    if (SHAPES[t]!.length < 2) return x;
    const units = unitOf(SHAPES[t]!, 'rows');
    const means = perUnit(x, units, (v) => v.reduce((a, b) => a + b, 0) / v.length);
    return x.map((v, i) => v - means[units[i]!]!);
  });
  for (const [t, x] of seen(clip.centralize(), grads).entries())
    for (const [i, v] of x.entries()) expect(Math.abs(v - want[t]![i]!)).toBeLessThan(1e-6);
});

test('the sum over all rows is of all groups where they share their norm', () => {
  const grads = draw(5);
  const policy = clip.rowMaxNorm(10, { scope: 'global' });
  const rules = [{ match: 2, policy }, { policy }];
  expect(seen(clip.groups(rules, { norm: 'shared' }), grads)).toEqual(seen(policy, grads));
});
