// clip.test.ts: the edge contract of clipping, for every policy with a threshold and every optimizer.
import { describe, expect, test } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { NonFiniteError, OptionError } from '../../lib/errors.ts';
import * as optim from '../../lib/optim/index.ts';
import {
  ALL_OPTIMIZERS,
  FAMILIES,
  type Family,
  f32,
  type Grads,
  idle,
  MORE_FAMILIES,
  norm,
  sameNumbers,
  seenBy,
  shapesFor,
} from './kit.ts';

const odd = (n: number, k = 1): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(1 + i * k * 0.37) * 2 ** ((i % 7) - 3));
/** Sizes that end in the middle of lanes, chunks and blocks; one without elements. */
const several: Grads = [odd(1), odd(4111, 2), f32(), odd(37, 3), odd(1024, 5)];
const families = [...FAMILIES, ...MORE_FAMILIES].map((f) => [f.name, f] as const);

describe.each(families)('%s', (_, family: Family) => {
  test('a threshold that is negative, NaN or no number, and unknown options', () => {
    for (const c of [-1, -Infinity, NaN, '1', null, {}]) expect(() => family.make(c as number)).toThrow(OptionError);
    expect(() => family.make(1, { nonfinite: 'skip' } as never)).toThrow('did you mean nonFinite?');
    expect(() => family.make(1, { nonFinite: 'skip it' } as never)).toThrow(OptionError);
    for (const maxSkips of [0, -1, 2.5, NaN]) expect(() => family.make(1, { maxSkips })).toThrow('maxSkips');
  });

  test('c = 0 makes gradients 0', () => {
    const { seen, report } = seenBy(family.make(0), several);
    expect(
      sameNumbers(
        seen,
        several.map(({ length }) => new Float32Array(length)),
      ),
    ).toBe(true);
    expect(report).toMatchObject({ normAfter: 0, threshold: 0, clipped: true, skipped: false });
  });

  test('c = Infinity only measures', () => {
    const { seen, report } = seenBy(family.make(Infinity), several);
    expect(seen).toEqual(several);
    expect(report).toMatchObject({ scale: 1, threshold: Infinity, clipped: false, clippedFraction: 0 });
    expect(report.norm).toBe(report.normAfter);
    expect(seenBy(family.make(Infinity, { nonFinite: 'propagate' }), [f32(Infinity, 4)]).seen).toEqual([f32(Infinity, 4)]);
    expect(
      seenBy(
        family.make(() => Infinity, { nonFinite: 'propagate' }),
        [f32(Infinity, 4)],
      ).seen,
    ).toEqual([f32(Infinity, 4)]);
  });

  test('gradients of 0 stay 0, whatever the threshold', () => {
    for (const c of [0, 1e-30, 1, Infinity]) {
      const { seen, report } = seenBy(family.make(c), [f32(0, 0, 0), f32(0)]);
      expect(sameNumbers(seen, [f32(0, 0, 0), f32(0)])).toBe(true);
      expect(report).toMatchObject({ norm: 0, normAfter: 0, clipped: false });
    }
  });

  test('at and below the threshold no bit changes', () => {
    const flat = [f32(-5, 0, 0, 0)];
    // Exactly 5, 2.5 or 1.25.
    const least = family.least(flat);
    if (least === Infinity) return expect(family.exact([f32(4)], 1)[0]![0]).toBeLessThan(1);
    for (const c of [least, 1.0001 * least, 1e30]) {
      const { seen, report } = seenBy(family.make(c), flat);
      expect(seen).toEqual(flat);
      expect(report).toMatchObject({ norm: 5, normAfter: 5, scale: 1, threshold: c, clipped: false, clippedFraction: 0 });
    }
    const above = family.least(several) * 1.01;
    expect(idle(family, several, above)).toBe(true);
    expect(seenBy(family.make(above), several).seen).toEqual(several);
  });

  test('above the threshold: c / n, divided in f64 and rounded once', () => {
    const least = Math.min(3, family.least(several));
    for (const c of [1e-3 * least, 0.2 * least, 0.5 * least, 0.99 * least]) {
      const { seen, report } = seenBy(family.make(c), several);
      expect(idle(family, several, c)).toBe(false);
      if (family.bitwise) expect(sameNumbers(seen, family.truth(several, c))).toBe(true);
      else expect(worst(seen, family.exact(several, c))).toBeLessThanOrEqual(family.ulps);
      expect(report).toMatchObject({ threshold: c, clipped: true, skipped: false, nonFinite: null });
    }
  });

  test('huge and tiny gradients are clipped exactly', () => {
    for (const size of [1e30, 3e38, 1e-30, 1e-42]) {
      const grads = [f32(3 * (size / 3), -size / 7), f32(size / 2)];
      for (const c of [size / 100, size / 3, 1, 1e-3]) {
        if (idle(family, grads, c)) continue;
        const { seen, report } = seenBy(family.make(c), grads);
        expect(worst(seen, family.exact(grads, c)), `${size} ${c}`).toBeLessThanOrEqual(family.ulps);
        expect(Number.isFinite(report.norm)).toBe(true);
        expect(report.skipped).toBe(false);
      }
    }
  });

  test('a threshold may depend on the step', () => {
    const params = [new Float32Array(1)];
    const seen: number[] = [];
    const bound = optim.sgd({ lr: 1 }).bind(params, { clip: family.make((step) => step + 1) });
    for (let step = 0; step < 6; step++) {
      const before = params[0]![0]!;
      expect(bound.step([f32(4)]).threshold).toBe(step + 1);
      seen.push(before - params[0]![0]!);
    }
    const want = Array.from({ length: 6 }, (_, step) => family.exact([f32(4)], step + 1)[0]![0]!);
    want.forEach((v, step) => {
      expect(seen[step]! / (v || 1)).toBeCloseTo(v === 0 ? 0 : 1, 6);
    });
    const wrong = optim.sgd({ lr: 1 }).bind(params, { clip: family.make((step) => 1 - step) });
    wrong.step([f32(0)]);
    wrong.step([f32(0)]);
    expect(() => wrong.step([f32(0)])).toThrow('at step 2: expected a number >= 0, got -1');
  });

  test('all that is reported', () => {
    const { seen, report } = seenBy(family.make(Math.min(0.5, 0.5 * family.least(several))), several);
    const { p } = family;
    expect(report.norm / norm(several, p)).toBeCloseTo(1, 12);
    expect(report.normAfter / norm(seen, p)).toBeCloseTo(1, 6);
    const elements = several.reduce((n, g) => n + g.length, 0);
    const changed = seen.flatMap((g, t) => Array.from(g, (v, i) => Number(v !== several[t]![i]))).reduce((a, b) => a + b);
    expect(report.clippedFraction).toBeCloseTo(changed / elements, 12);
    expect(report).toMatchObject({ attempt: 0, step: 0, loss: NaN, nonFinite: null, nonFiniteCount: 0 });
  });
});

/** The largest error of an element, in units of the last place of what it should be. */
function worst(seen: Grads, want: readonly (readonly number[])[]): number {
  const error = (v: number, w: number): number =>
    v === Math.fround(w) ? 0 : Math.abs(v - w) / Math.max(2 ** -23 * Math.abs(w), 2 ** -149);
  return seen.reduce((most, g, t) => g.reduce((m, v, i) => Math.max(m, error(v, want[t]![i]!)), most), 0);
}

describe('gradients that are not finite', () => {
  const start = (): Float32Array[] => [f32(1, 2, 3), f32(4), f32(5, 6)];
  const good: Grads = [f32(1, -1, 2), f32(3), f32(-4, 5)];
  const bad = (value: number): Grads => [f32(1, -1, 2), f32(value), f32(value, 5)];

  describe.each(families)('%s', (_, family) => {
    // Every policy decides it, and every optimizer obeys: what is scaled, and what the update itself measures, stand for the rest.
    const all = ['globalNorm p=2', 'value'].includes(family.name);
    const optimizers = all ? Object.keys(ALL_OPTIMIZERS) : ['sgd with nesterov momentum', 'adamw'];
    test.each(optimizers)('%s: a skipped step changes nothing', (optimizer) => {
      const [params, twin] = [start(), start()];
      const shapes = shapesFor(optimizer, params);
      const bound = ALL_OPTIMIZERS[optimizer]!().bind(params, { clip: family.make(1), ...shapes });
      const untouched = ALL_OPTIMIZERS[optimizer]!().bind(twin, { clip: family.make(1), ...shapes });
      for (const value of [NaN, Infinity, -Infinity]) {
        bound.step(good);
        untouched.step(good);
        const report = bound.step(bad(value));
        expect(report).toMatchObject({
          skipped: true,
          clipped: false,
          scale: 0,
          normAfter: 0,
          nonFinite: '1',
          nonFiniteCount: 2,
        });
        expect(bound.counters.skips).toBe(1);
      }
      expect(params).toEqual(twin);
      expect(bound.state().tensors).toEqual(untouched.state().tensors);
      expect(bound.counters).toEqual({ step: 3, attempt: 6, skips: 1 });
    });

    test('too many skips in a row end in an error that names the tensor', () => {
      const params = start();
      const bound = optim.sgd().bind({ a: params[0]!, b: params[1]!, c: params[2]! }, { clip: family.make(1, { maxSkips: 2 }) });
      const byName = (g: Grads) => ({ a: g[0]!, b: g[1]!, c: g[2]! });
      bound.step(byName(bad(NaN)));
      bound.step(byName(good));
      bound.step(byName(bad(NaN)));
      const after = params.map((p) => p.slice());
      let error: unknown;
      try {
        bound.step(byName(bad(NaN)));
      } catch (e) {
        error = e;
      }
      expect(error).toBeInstanceOf(NonFiniteError);
      expect((error as NonFiniteError).details).toMatchObject({ tensor: 'b', skips: 2, step: 1 });
      expect((error as NonFiniteError).code).toBe('ERR_NON_FINITE');
      expect(params).toEqual(after);
      expect(bound.counters).toEqual({ step: 1, attempt: 4, skips: 2 });
      bound.step(byName(good));
      expect(bound.counters).toEqual({ step: 2, attempt: 5, skips: 0 });
    });

    test('ten in a row by default, never for Infinity', () => {
      const bound = optim.sgd().bind([f32(1)], { clip: family.make(1) });
      for (let i = 0; i < 9; i++) bound.step([f32(NaN)]);
      expect(() => bound.step([f32(NaN)])).toThrow('10 steps in a row had a non-finite gradient');
      const patient = optim.sgd().bind([f32(1)], { clip: family.make(1, { maxSkips: Infinity }) });
      for (let i = 0; i < 30; i++) expect(patient.step([f32(NaN)]).skipped).toBe(true);
    });

    test("'error' ends at once, before anything is updated", () => {
      const params = start();
      const bound = optim.adamw().bind(params, { clip: family.make(1, { nonFinite: 'error' }) });
      bound.step(good);
      const [after, state] = [params.map((p) => p.slice()), bound.state().tensors];
      expect(() => bound.step(bad(Infinity))).toThrow(NonFiniteError);
      expect(() => bound.step(bad(Infinity))).toThrow('the gradient of 1 is not finite');
      expect(params).toEqual(after);
      expect(bound.state().tensors).toEqual(state);
      expect(bound.counters.step).toBe(1);
    });

    test("'zero' counts such elements as 0, and says so", () => {
      const { seen, report } = seenBy(family.make(1, { nonFinite: 'zero' }), bad(NaN));
      expect(seen).toEqual(seenBy(family.make(1), [f32(1, -1, 2), f32(0), f32(0, 5)]).seen);
      expect(report).toMatchObject({ skipped: false, nonFinite: '1', nonFiniteCount: 2 });
      expect(seenBy(family.make(1e9, { nonFinite: 'zero' }), [f32(Infinity, 2)]).seen).toEqual([f32(0, 2)]);
    });

    test("'propagate' does nothing about them", () => {
      const { seen, report } = seenBy(family.make(1, { nonFinite: 'propagate' }), bad(NaN));
      expect(report.skipped).toBe(false);
      expect(seen[1]![0]).toBeNaN();
      expect(seen[2]![0]).toBeNaN();
    });
  });

  test('value with propagate takes no statistic, and still reports norms', () => {
    const { report } = seenBy(clip.value(1, { nonFinite: 'propagate' }), [f32(3, 4)]);
    expect(report).toMatchObject({ norm: 5, normAfter: Math.SQRT2, clipped: true, clippedFraction: 1 });
  });
});

describe.each(Object.keys(ALL_OPTIMIZERS))('%s', (name) => {
  const params = (): Float32Array[] => [odd(1100, 9), odd(3, 2)];
  const steps: Grads[] = [0, 1, 2].map((k) => [odd(1100, k + 1), odd(3, k + 2)]);
  const run = (policy: clip.ClipPolicy, grads: readonly Grads[], threads = 1) => {
    const p = params();
    const bound = ALL_OPTIMIZERS[name]!().bind(p, { clip: policy, threads, ...shapesFor(name, p) });
    for (const g of grads) bound.step(g);
    return { p, tensors: bound.state().tensors };
  };
  const off = clip.none({ measure: false });

  test('a policy that does not bite gives the bits of no policy', () => {
    const want = run(off, steps);
    for (const family of FAMILIES) expect(run(family.make(1e4), steps), family.name).toEqual(want);
    expect(run(clip.none(), steps)).toEqual(want);
  });

  test('a policy that bites gives what clipped gradients give without one', () => {
    // Of two thresholds each family has one with every other optimizer.
    const turn = Object.keys(ALL_OPTIMIZERS).indexOf(name);
    for (const [k, family] of FAMILIES.entries()) {
      const c = [0.3, 2][(turn + k) % 2]!;
      const clipped = steps.map((g) => family.truth(g, c));
      expect(sameNumbers(run(family.make(c), steps).p, run(off, clipped).p), family.name).toBe(true);
    }
  });

  test('c = 0: moments and weight decay act as for a gradient of 0', () => {
    const zero = steps.map((g) => g.map((x) => new Float32Array(x.length)));
    const want = run(off, zero);
    for (const family of FAMILIES) expect(sameNumbers(run(family.make(0), steps).p, want.p), family.name).toBe(true);
  });

  test('the same bits for 1, 6 and 9 threads', () => {
    const turn = Object.keys(ALL_OPTIMIZERS).indexOf(name);
    for (const [k, family] of FAMILIES.entries()) {
      const threads = [6, 9][(turn + k) % 2]!;
      expect(run(family.make(0.5), steps, threads)).toEqual(run(family.make(0.5), steps));
    }
  });
});

test('of several scales the reported scale is the least', () => {
  expect(seenBy(clip.perTensorNorm(1), [f32(0.5), f32(3, 4), f32(2)]).report.scale).toBe(0.2);
});

test("compat 'torch' is min(1, c / (n + 1e-6))", () => {
  for (const [c, n] of [
    [1, 5],
    [5, 5],
    [5, 4.9999999],
    [1e-8, 1e-7],
  ] as const) {
    const g = f32((3 / 5) * n, (4 / 5) * n);
    const want = Math.min(1, c / (norm([g]) + 1e-6));
    const { report } = seenBy(clip.globalNorm(c, { compat: 'torch' }), [g]);
    expect(report.scale / want).toBeCloseTo(1, 14);
  }
  // A threshold of Infinity leaves all alone, also where it comes of the step.
  const nan = [f32(NaN, 2)];
  expect(
    seenBy(
      clip.globalNorm(() => Infinity, { compat: 'torch', nonFinite: 'propagate' }),
      nan,
    ).seen,
  ).toEqual(nan);
  expect(() => clip.globalNorm(1, { compat: 'tf' as never })).toThrow(OptionError);
});

test('value with separate bounds', () => {
  const g = [f32(-3, -1, 0, 1, 3)];
  expect(seenBy(clip.value({ lower: -2 }), g).seen).toEqual([f32(-2, -1, 0, 1, 3)]);
  expect(seenBy(clip.value({ upper: 0.5 }), g).seen).toEqual([f32(-3, -1, 0, 0.5, 0.5)]);
  const { seen, report } = seenBy(clip.value({ lower: (step) => -1 - step, upper: 2 }), g);
  expect(seen).toEqual([f32(-1, -1, 0, 1, 2)]);
  expect(report).toMatchObject({ threshold: 2, clipped: true, clippedFraction: 0.4 });
  for (const options of [{}, { threshold: 1, upper: 2 }, { lower: 2, upper: 1 }, { lower: NaN }]) {
    expect(() => clip.value(options)).toThrow(OptionError);
  }
});

test('none measures, unless it is told not to', () => {
  const g = [f32(3, 4), f32(12)];
  expect(seenBy(clip.none(), g)).toMatchObject({ seen: g, report: { norm: 13, normAfter: 13, scale: 1, clipped: false } });
  const nan = [f32(NaN, 4), f32(12)];
  expect(seenBy(clip.none(), nan).report).toMatchObject({ skipped: true, nonFinite: '0' });
  const off = seenBy(clip.none({ measure: false }), nan);
  expect(off.seen).toEqual(nan);
  expect(off.report).toMatchObject({ norm: NaN, normAfter: NaN, skipped: false, nonFinite: null });
  expect(() => clip.none({ measured: false } as never)).toThrow('did you mean measure?');
});

test('chains: each policy measures what the ones before it left', () => {
  const g = [f32(30, 4), f32(0.5)];
  const [value, global] = [clip.value(3), clip.globalNorm(1)];
  const a = seenBy(clip.chain(value, global), g);
  expect(a.seen).toEqual(seenBy(global, seenBy(value, g).seen).seen);
  expect(a.report.norm).toBeCloseTo(norm(g), 12);
  expect(a.report.normAfter).toBeCloseTo(1, 6);
  expect(a.report).toMatchObject({ threshold: 1, clipped: true, clippedFraction: 1 });
  const b = seenBy(clip.chain(global, value), g);
  expect(b.seen).toEqual(seenBy(value, seenBy(global, g).seen).seen);
  expect(b.seen).not.toEqual(a.seen);
  expect(seenBy(clip.chain(clip.globalNorm(4), clip.globalNorm(1)), g).report.scale).toBeCloseTo(1 / norm(g), 8);
  expect(() => clip.chain()).toThrow(OptionError);
  expect(() => clip.chain(value, 1 as never)).toThrow('expected a policy such as clip.globalNorm(), got 1');
});

test('a chain may repair with one policy what another would refuse', () => {
  const g = [f32(NaN, 3), f32(4)];
  const zero = clip.chain(clip.none({ nonFinite: 'zero' }), clip.globalNorm(1));
  expect(seenBy(zero, g)).toMatchObject({ report: { skipped: false, norm: 5, nonFinite: '0', nonFiniteCount: 1 } });
  expect(seenBy(clip.chain(clip.value(1, { nonFinite: 'propagate' }), clip.globalNorm(1)), g).report).toMatchObject({
    skipped: true,
    nonFinite: '0',
  });
});
