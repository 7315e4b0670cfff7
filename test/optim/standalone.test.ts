// standalone.test.ts: an optimizer on the caller's own arrays: lists and names, state, changing arrays, and every wrong use.
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { CheckpointError, DetachedError, DisposedError, DTypeError, OptionError, ShapeError } from '../../lib/errors.ts';
import { BoundProgram } from '../../lib/native/program.ts';
import * as optim from '../../lib/optim/index.ts';
import { ALL_OPTIMIZERS, f32, shapesFor } from '../clip/kit.ts';

type ErrorClass = abstract new (...args: never[]) => Error;
const params = (): Float32Array[] => [f32(1, 2, 3), f32(4)];
const grads = (k = 1): Float32Array[] => [f32(k, -k, 2), f32(0.5 * k)];

test('parameters by name take gradients by name, in any order', () => {
  const [list, named] = [params(), { w: params()[0]!, b: params()[1]! }];
  const a = optim.adamw().bind(list);
  const b = optim.adamw().bind(named);
  for (const k of [1, 2, 3]) {
    a.step(grads(k));
    b.step({ b: grads(k)[1]!, w: grads(k)[0]! });
  }
  expect([named.w, named.b]).toEqual(list);
  expect(Object.keys(b.state().tensors).sort()).toEqual([
    'optim.b.exp_avg',
    'optim.b.exp_avg_sq',
    'optim.w.exp_avg',
    'optim.w.exp_avg_sq',
  ]);
});

test('arrays may be views into one buffer, at any multiple of 4 bytes', () => {
  const flat = Float32Array.from({ length: 200 }, (_, i) => Math.sin(i));
  const copy = flat.slice();
  const views = (x: Float32Array): Float32Array[] => [x.subarray(1, 38), x.subarray(38, 39), x.subarray(103, 200)];
  const g = [0, 1, 2].map((i) => views(copy)[i]!.map((v) => v * 2));
  const bound = optim.sgd({ lr: 0.5 }).bind(views(flat));
  bound.step(g);
  for (const v of views(flat)) expect(v).toEqual(new Float32Array(v.length));
  expect([flat[0], flat[39], flat[102]]).toEqual([copy[0], copy[39], copy[102]]);
});

test('gradients may be other arrays in every step', () => {
  const [a, b] = [params(), params()];
  const [same, changing] = [optim.adam().bind(a), optim.adam().bind(b)];
  const kept = grads();
  for (let step = 0; step < 20; step++) {
    for (const [t, g] of kept.entries()) g.set(grads(step)[t]!);
    same.step(kept);
    changing.step(grads(step));
  }
  expect(b).toEqual(a);
});

test('of gradients that change, the last four sets are kept at hand; what is bound to others is freed at once', () => {
  const freed = vi.spyOn(BoundProgram.prototype, 'dispose');
  onTestFinished(() => freed.mockRestore());
  const bound = optim.sgd().bind(params());
  const sets = Array.from({ length: 6 }, () => grads());
  const counts = sets.map((set) => {
    bound.step(set);
    return freed.mock.calls.length;
  });
  expect(counts).toEqual([0, 0, 0, 0, 1, 2]);
  // The one used last stays longest.
  bound.step(sets[2]!);
  bound.step(grads());
  bound.step(sets[2]!);
  expect(freed).toHaveBeenCalledTimes(3);
  bound.dispose();
  expect(freed).toHaveBeenCalledTimes(7);
});

test('a step of large arrays has the threads asked for, with the bits of one; a small one has one', () => {
  const make = (): Float32Array => Float32Array.from({ length: 1 << 19 }, (_, i) => Math.sin(i));
  const step = (threads: number): [Buffer, number[]] => {
    const large = make();
    using bound = optim.adamw().bind([large], { threads });
    const counts = [bound.threads];
    bound.step([make()]);
    return [Buffer.from(large.buffer), [...counts, bound.threads]];
  };
  const [one, counts] = step(1);
  expect(counts).toEqual([0, 1]);
  for (const threads of [3, 96]) {
    const [bits, had] = step(threads);
    expect(had).toEqual([0, threads]);
    expect(bits.equals(one)).toBe(true);
  }
  using small = optim.adamw().bind(params(), { threads: 3 });
  small.step(grads());
  expect(small.threads).toBe(1);
});

test('thousands of small tensors', () => {
  const many = Array.from({ length: 1500 }, (_, i) => f32(i, 1));
  const g = many.map(() => f32(3, 4));
  const report = optim
    .sgd({ lr: 1 })
    .bind(many, { clip: clip.globalNorm(1) })
    .step(g);
  const n = 5 * Math.sqrt(1500);
  expect(report.norm).toBeCloseTo(n, 9);
  many.forEach((p, i) => {
    expect(p[1]).toBeCloseTo(1 - 4 / n, 6);
    expect(p[0]! - i).toBeCloseTo(-3 / n, 3);
  });
});

const RESUMED: Readonly<Record<string, () => optim.Optimizer>> = {
  ...ALL_OPTIMIZERS,
  'adamw on a schedule': () => optim.adamw({ lr: optim.schedule.cosine(0.1, { steps: 20 }) }),
};
test.each(Object.keys(RESUMED))('%s: going on from a saved state gives the bits of not stopping', (name) => {
  const [whole, first] = [params(), params()];
  const clipped = { clip: clip.globalNorm((step) => 1 + step), ...shapesFor(name, whole) };
  // One optimizer for both: what it computes of a step must not depend on the steps it was asked for before.
  const optimizer = RESUMED[name]!();
  const [a, b] = [optimizer.bind(whole, clipped), RESUMED[name]!().bind(first, clipped)];
  for (let k = 0; k < 10; k++) a.step(grads(k));
  for (let k = 0; k < 4; k++) b.step(grads(k));
  const second = first.map((p) => p.slice());
  const c = optimizer.bind(second, clipped);
  c.load(b.state());
  expect(c.counters).toEqual(b.counters);
  for (let k = 4; k < 10; k++) c.step(grads(k));
  expect(second).toEqual(whole);
  expect(c.state()).toEqual(a.state());
});

test('a state is a copy', () => {
  const bound = optim.sgd({ momentum: 0.9 }).bind(params());
  bound.step(grads());
  const state = bound.state();
  state.tensors['optim.1.momentum_buffer']!.fill(9);
  expect(bound.state().tensors['optim.1.momentum_buffer']).toEqual(f32(0.5));
});

test('load refuses what does not fit, and then changes nothing', () => {
  const bound = optim.sgd({ momentum: 0.9 }).bind(params());
  bound.step(grads());
  const state = bound.state();
  const without = { ...state, tensors: { 'optim.0.momentum_buffer': f32(1, 2, 3) } };
  const details = (saved: optim.OptimizerState): unknown => {
    try {
      bound.load(saved);
    } catch (e) {
      expect(e).toBeInstanceOf(CheckpointError);
      return (e as CheckpointError).details;
    }
    return null;
  };
  expect(details(without)).toEqual({ missing: ['optim.1.momentum_buffer'], extra: [], mismatched: [] });
  expect(details({ ...state, tensors: { ...state.tensors, x: f32(1) } })).toMatchObject({ extra: ['x'] });
  expect(details({ ...state, tensors: { ...state.tensors, 'optim.1.momentum_buffer': f32(1, 2) } })).toMatchObject({
    mismatched: ['optim.1.momentum_buffer: expected f32[1]'],
  });
  expect(() => bound.load({ ...state, step: -1 })).toThrow(OptionError);
  expect(() => bound.load({ ...state, steps: 1 } as never)).toThrow('did you mean step?');
  expect(bound.state()).toEqual(state);
});

test('disposed', () => {
  const p = params();
  const bound = optim.adamw().bind(p);
  bound.step(grads());
  const after = p.map((x) => x.slice());
  bound.dispose();
  bound.dispose();
  for (const use of [() => bound.step(grads()), () => bound.state(), () => bound.load({} as never)]) {
    expect(use).toThrow(DisposedError);
  }
  expect(p).toEqual(after);
});

describe('wrong arrays', () => {
  const shared = new Float32Array(new SharedArrayBuffer(16));
  const buffer = new Float32Array(8);
  const bad: [string, ErrorClass, string, () => unknown][] = [
    ['no parameters', OptionError, 'at least one parameter', () => optim.sgd().bind([])],
    ['an array for the list', OptionError, 'expected a list or a record', () => optim.sgd().bind(f32(1) as never)],
    ['null', OptionError, 'got null', () => optim.sgd().bind(null as never)],
    ['plain numbers', DTypeError, 'expected a Float32Array for 0, got an array of 2', () => optim.sgd().bind([[1, 2]] as never)],
    ['Float64Array', DTypeError, 'for w, got a Float64Array', () => optim.sgd().bind({ w: new Float64Array(2) } as never)],
    ['SharedArrayBuffer', OptionError, 'SharedArrayBuffer', () => optim.sgd().bind([shared])],
    ['one array twice', OptionError, '0 and 1 share memory', () => optim.sgd().bind([buffer, buffer])],
    ['overlap', OptionError, 'a and b share memory', () => optim.sgd().bind({ b: buffer.subarray(3), a: buffer.subarray(0, 4) })],
    ['an unknown option', OptionError, 'did you mean threads?', () => optim.sgd().bind(params(), { thread: 1 } as never)],
    ['threads 0', OptionError, 'threads', () => optim.sgd().bind(params(), { threads: 0 })],
    [
      'no policy',
      OptionError,
      'expected a policy such as clip.globalNorm(), got 1',
      () => optim.sgd().bind(params(), { clip: 1 as never }),
    ],
  ];
  test.each(bad)('bind: %s', (_, type, message, use) => {
    expect(use).toThrow(type);
    expect(use).toThrow(message);
  });

  const p = params();
  const bound = optim.sgd().bind(p);
  const wrong: [string, ErrorClass, string, unknown][] = [
    ['too few', OptionError, 'expected 2 gradients, got none for 1', [f32(1, 2, 3)]],
    ['too many', OptionError, 'there is no parameter 2', [...grads(), f32(1)]],
    ['another length', ShapeError, 'expected 3 elements for 0, got 2', [f32(1, 2), f32(1)]],
    ['another type', DTypeError, 'expected a Float32Array for 1, got a Float64Array', [f32(1, 2, 3), new Float64Array(1)]],
    ['null', OptionError, 'got null', null],
    ['nothing in a place', DTypeError, 'got undefined', [f32(1, 2, 3), undefined]],
    ['shared memory', OptionError, 'SharedArrayBuffer', [new Float32Array(shared.buffer, 0, 3), f32(1)]],
    ['a parameter', OptionError, 'parameter 0 and the gradient of 0 share memory', [p[0], f32(1)]],
    ['one array twice', OptionError, 'share memory', [buffer.subarray(0, 3), buffer.subarray(2, 3)]],
    ['unknown names', OptionError, 'there is no parameter w', { w: f32(1) }],
  ];
  test.each(wrong)('step: %s', (_, type, message, given) => {
    const before = p.map((x) => x.slice());
    expect(() => bound.step(given as never)).toThrow(type);
    expect(() => bound.step(given as never)).toThrow(message);
    expect(p).toEqual(before);
  });

  test('detached', () => {
    const gone = (x: Float32Array): void => void structuredClone(x, { transfer: [x.buffer as ArrayBuffer] });
    const [p, g] = [params(), grads()];
    const bound = optim.sgd().bind(p);
    bound.step(g);
    gone(g[0]!);
    expect(() => bound.step(g)).toThrow(DetachedError);
    expect(() => bound.step([g[0]!, f32(1)])).toThrow(DetachedError);
    bound.step(grads());
    gone(p[1]!);
    expect(() => bound.step(grads())).toThrow(DetachedError);
  });
});
