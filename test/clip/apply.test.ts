// apply.test.ts: clip.apply: the bits that an update sees, inputs left alone, what policies remember, and what is refused.
import { describe, expect, test } from 'vitest';
import { POLICIES } from '../../lib/clip/list.ts';
import { CheckpointError, DTypeError, NonFiniteError, OptionError, ShapeError, SkipError } from '../../lib/errors.ts';
import { CompiledProgram } from '../../lib/native/program.ts';
import * as optim from '../../lib/optim/index.ts';
import * as clip from '../../lib/public/clip.ts';
import { f32 } from './kit.ts';

const SHAPES = { '0.a': [6, 40], b: [37], s: [], k: [3, 2, 5] };
const NAMES = Object.keys(SHAPES) as (keyof typeof SHAPES)[];
const sizeOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);
const draw = (k: number, size = 1): Record<string, Float32Array> =>
  Object.fromEntries(
    NAMES.map((name, t) => [
      name,
      Float32Array.from({ length: sizeOf(SHAPES[name]) }, (_, i) => Math.sin(1 + i * 0.37 + k * 1.7 + t * 0.9) * size),
    ]),
  );
const bytesOf = (x: Record<string, Float32Array>): Record<string, Buffer> =>
  Object.fromEntries(Object.entries(x).map(([name, v]) => [name, Buffer.from(v.buffer, v.byteOffset, v.byteLength)]));

/** What an update with the policy sees, step by step: SGD with lr 1 makes -g of parameters that are 0; an optimizer of one's own keeps what it is given. */
function seen(policy: clip.ClipPolicy, steps: readonly Record<string, Float32Array>[], threads: number) {
  const p = draw(99);
  const keeps = optim.define({
    name: 'keeps',
    lr: 1,
    slots: (type) => [{ name: 'seen', type }],
    build: ({ params, grads }) => ({ params, slots: grads.map((g) => [g]) }),
  });
  const fused = draw(0);
  for (const x of Object.values(fused)) x.fill(0);
  using bound = keeps.bind(p, { clip: policy, shapes: SHAPES, threads });
  using sgd = optim.sgd({ lr: 1 }).bind(fused, { clip: policy, shapes: SHAPES, threads });
  return steps.map((grads) => {
    for (const x of Object.values(fused)) x.fill(0);
    const report = bound.step(grads);
    sgd.step(grads);
    const { tensors } = bound.state();
    const values = Object.fromEntries(NAMES.map((name) => [name, (tensors[`optim.${name}.seen`] as Float32Array).slice()]));
    const byUpdate = Object.fromEntries(NAMES.map((name) => [name, fused[name]!.map((v) => 0 - v)]));
    const state = Object.fromEntries(Object.entries(tensors).filter(([name]) => name.startsWith('clip.')));
    return { report, values, byUpdate, state, counters: bound.counters };
  });
}

// Spikes, a step of zeros, elements at the ends of f32, and a NaN.
const steps = Array.from({ length: 8 }, (_, k) => draw(k, [1, 0.1, 40, 1e-3, 0, 1e30, 3, 1e-30][k]));
steps[6]!.b![3] = Number.NaN;

describe.each(Object.entries(POLICIES))('%s', (name, make) => {
  test('gives the bits that an update sees, the report and the state of a bound optimizer, and leaves inputs alone', () => {
    for (const threads of [1, 3]) {
      const policy = make({});
      // agc and its like look at the parameters, which are 0 for the one that shows what the update took.
      const truth = seen(policy, steps, threads);
      let state: optim.OptimizerState | undefined;
      for (const [k, grads] of steps.entries()) {
        const params = draw(99);
        const before = [bytesOf(draw(99)), structuredClone(grads)];
        const applied = clip.apply(grads, policy, { params, shapes: SHAPES, threads, ...(state && { state }) });
        expect([bytesOf(params), grads]).toEqual(before);
        const { report, values, byUpdate, state: tensors, counters } = truth[k]!;
        expect(applied.report, `${name} step ${k}`).toEqual(report);
        expect(applied.state, `${name} step ${k}`).toEqual({ ...counters, tensors });
        state = applied.state;
        if (report.skipped) {
          expect(applied.grads).toBe(null);
          continue;
        }
        const { grads: clipped } = applied;
        // The parameters that agc looked at are not 0: what an optimizer of one's own was given stands for the update.
        const exact = /^agc/.test(name) ? values : byUpdate;
        for (const n of NAMES) {
          const same = clipped![n]!.every((v, i) => Object.is(v, exact[n]![i]) || v === exact[n]![i]);
          expect(same, `${name} step ${k} ${n}`).toBe(true);
        }
      }
    }
  });
});

test('lists give lists, records give records, in their order', () => {
  const list = clip.apply([f32(3), f32(4, 0)], clip.globalNorm(1));
  expect(list.grads!.map((x) => [...x].map((v) => Math.fround(v)))).toEqual([[Math.fround(0.6)], [Math.fround(0.8), 0]]);
  const record = clip.apply({ b: f32(3), a: f32(4) }, clip.value(3.5));
  expect(record.grads).toEqual({ b: f32(3), a: f32(3.5) });
  expect(Object.keys(record.grads!)).toEqual(['b', 'a']);
  expect(list.report).toMatchObject({ norm: 5, scale: 0.2, clipped: true, threshold: 1, skipped: false });
});

test('what a policy does not change has its bits: -0, denormals, infinities that are let through', () => {
  const x = f32(-0, 0, 1e-42, -1e-45, 3e38, Number.POSITIVE_INFINITY, Number.NaN);
  for (const policy of [
    clip.none({ nonFinite: 'propagate' }),
    clip.value(Number.POSITIVE_INFINITY, { nonFinite: 'propagate' }),
    clip.suppress(Number.POSITIVE_INFINITY, { nonFinite: 'propagate' }),
  ]) {
    const { grads } = clip.apply([x], policy);
    expect(Buffer.from(grads![0]!.buffer).equals(Buffer.from(x.buffer)), policy.name).toBe(true);
  }
});

test('thresholds by step follow the state, or option step', () => {
  const policy = clip.globalNorm((step) => 10 ** -step);
  const first = clip.apply([f32(8)], policy);
  const second = clip.apply([f32(8)], policy, { state: first.state });
  expect([first, second, clip.apply([f32(8)], policy, { step: 2 })].map((a) => a.report.threshold)).toEqual([1, 0.1, 0.01]);
  expect(second.report).toMatchObject({ step: 1, attempt: 1 });
});

test('a state is not changed by the call that it goes into, and may be used again', () => {
  const policy = clip.autoClip();
  const { state } = clip.apply([f32(1, 2)], policy);
  const before = structuredClone(state);
  const [a, b] = [0, 1].map(() => clip.apply([f32(30, 4)], policy, { state }));
  expect(state).toEqual(before);
  expect(a).toEqual(b);
  expect(a!.state.tensors).not.toEqual(state.tensors);
});

test('a skipped step gives no gradients, leaves what the policy remembers, and ends after maxSkips', () => {
  const policy = clip.zclip({ maxSkips: 2, warmup: 1 });
  const good = clip.apply([f32(1, 2)], policy);
  const bad = clip.apply([f32(1, Number.NaN)], policy, { state: good.state });
  expect(bad.grads).toBe(null);
  expect(bad.report).toMatchObject({ skipped: true, nonFinite: '0', nonFiniteCount: 1 });
  expect(bad.state).toEqual({ ...good.state, attempt: 2, skips: 1 });
  expect(() => clip.apply({ w: f32(1, Number.NaN) }, policy, { state: bad.state })).toThrow(NonFiniteError);
  expect(() => clip.apply([f32(1, Number.NaN)], policy, { state: bad.state })).toThrow('clip.apply: 2 steps in a row');
  expect(() => clip.apply({ w: f32(1), b: f32(Number.NaN) }, clip.none({ nonFinite: 'error' }))).toThrow('the gradient of b');
  const spikes = clip.spikeSkip({ max: 1, maxSkips: 1 });
  expect(() => clip.apply([f32(2)], spikes)).toThrow(SkipError);
});

test('the loss, for a policy that looks at it', () => {
  const policy = clip.spikeSkip({ of: 'loss', max: 5 });
  expect(clip.apply([f32(1)], policy, { loss: 4 })).toMatchObject({ grads: [f32(1)], report: { loss: 4, skipped: false } });
  expect(clip.apply([f32(1)], policy, { loss: 6 })).toMatchObject({ grads: null, report: { loss: 6, skipped: true } });
  expect(() => clip.apply([f32(1)], policy)).toThrow('the loss is not known');
  expect(clip.apply([f32(1)], clip.none()).report.loss).toBeNaN();
});

test('policies that look at parameters ask for them', () => {
  expect(() => clip.apply([f32(1)], clip.agc())).toThrow(OptionError);
  expect(() => clip.apply([f32(1)], clip.agc())).toThrow('clip.apply: policy agc looks at parameters: give option params');
  const { grads } = clip.apply([f32(3, 4)], clip.agc(0.1), { params: [f32(6, 8)] });
  expect(grads![0]![0]).toBeCloseTo(0.6, 6);
});

test('shapes, for policies by rows', () => {
  const g = { w: f32(3, 4, 0, 10) };
  expect([...clip.apply(g, clip.axisNorm(1), { shapes: { w: [2, 2] } }).grads!.w].map((v) => Number(v.toFixed(6)))).toEqual([
    0.6, 0.8, 0, 1,
  ]);
  expect(() => clip.apply(g, clip.axisNorm(1), { shapes: { w: [2, 3] } })).toThrow(ShapeError);
});

test('policies that compute the same share a program: one made anew in each call compiles once', () => {
  const sizes = f32(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
  let programs = 0;
  const { bind } = CompiledProgram.prototype;
  const found = new Set<CompiledProgram>();
  CompiledProgram.prototype.bind = function (...given: Parameters<typeof bind>) {
    found.add(this);
    programs = found.size;
    return bind.apply(this, given);
  };
  try {
    for (let k = 1; k < 20; k++) expect(clip.apply([sizes], clip.globalNorm(k)).report.threshold).toBe(k);
    expect(programs).toBe(1);
    clip.apply([sizes], clip.value(1));
    expect(programs).toBe(2);
    clip.apply([sizes], clip.globalNorm(1));
    expect(programs).toBe(2);
    // As many as are kept.
    for (let n = 1; n <= 8; n++) clip.apply([new Float32Array(n)], clip.none());
    clip.apply([sizes], clip.globalNorm(1));
    expect(programs).toBe(11);
  } finally {
    CompiledProgram.prototype.bind = bind;
  }
});

test('policies that differ in how they begin do not share that', () => {
  const at = (initial: number) => clip.apply([f32(5)], clip.quantile({ initial })).report.threshold;
  expect([at(2), at(3), at(2)]).toEqual([2, 3, 2]);
});

describe('wrong input', () => {
  const g = { w: f32(1, 2), b: f32(3) };
  const other = clip.apply({ w: f32(1, 2) }, clip.topK(0.5)).state;
  const cases: [string, new (...args: never[]) => Error, string, () => unknown][] = [
    ['no gradients', OptionError, 'at least one gradient', () => clip.apply([], clip.none())],
    ['an array for the list', OptionError, 'a list or a record', () => clip.apply(f32(1) as never, clip.none())],
    ['another type', DTypeError, 'for w, got a Float64Array', () => clip.apply({ w: new Float64Array(2) } as never, clip.none())],
    ['no policy', OptionError, 'argument policy: expected a policy', () => clip.apply(g, 1 as never)],
    ['policies in place of one', OptionError, 'argument policy', () => clip.apply(g, clip.globalNorm as never)],
    ['an option nobody knows', OptionError, 'did you mean params?', () => clip.apply(g, clip.none(), { param: g } as never)],
    ['too few parameters', OptionError, 'got none for b', () => clip.apply(g, clip.agc(), { params: { w: f32(1, 2) } })],
    [
      'parameters of others',
      OptionError,
      'there is no gradient v',
      () => clip.apply(g, clip.agc(), { params: { ...g, v: f32(1) } }),
    ],
    [
      'parameters of other sizes',
      ShapeError,
      'expected 1 elements',
      () => clip.apply(g, clip.none(), { params: { ...g, b: f32(3, 4) } }),
    ],
    ['another state', CheckpointError, 'option state', () => clip.apply(g, clip.topK(0.5), { state: other })],
    ['a state for none', CheckpointError, 'clip.residual.w', () => clip.apply(g, clip.none(), { state: other })],
    ['a state without counters', OptionError, 'state.attempt', () => clip.apply(g, clip.none(), { state: { step: 0 } as never })],
    ['a step below 0', OptionError, 'option step', () => clip.apply(g, clip.none(), { step: -1 })],
    ['a loss that is no number', OptionError, 'option loss', () => clip.apply(g, clip.none(), { loss: '1' as never })],
    ['no threads', OptionError, 'option threads', () => clip.apply(g, clip.none(), { threads: 0 })],
    [
      'shared memory',
      OptionError,
      'SharedArrayBuffer',
      () => clip.apply([new Float32Array(new SharedArrayBuffer(8))], clip.none()),
    ],
  ];
  test.each(cases)('%s', (_, type, message, call) => {
    expect(call).toThrow(type);
    expect(call).toThrow(message);
  });
});
