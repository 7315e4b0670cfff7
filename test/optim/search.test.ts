// search.test.ts: L-BFGS beside torch.optim.LBFGS: its decisions in f64, on losses in plain loops; and the steps of a trainer, which are f32.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  CheckpointError,
  DetachedError,
  DTypeError,
  NonFiniteError,
  nn,
  OptionError,
  ops,
  optim,
  ShapeError,
  type Tensor,
  Trainer,
} from '../../lib/index.ts';
import { ArraySpace } from '../../lib/optim/search/arrays.ts';
import { iterate } from '../../lib/optim/search/iterate.ts';
import { Standing } from '../../lib/optim/search/standing.ts';
import { cubic } from '../../lib/optim/search/wolfe.ts';

interface Case {
  readonly loss: keyof typeof LOSSES;
  readonly size: number;
  readonly salt: number;
  readonly options: Readonly<Record<string, number | string>>;
  /** Steps for which f32 stays near f64 in PyTorch. */
  readonly f32: number;
  readonly steps: readonly {
    readonly loss: number;
    readonly p: readonly number[];
    readonly evaluations: number;
    readonly iterations: number;
  }[];
}
const { cases } = JSON.parse(readFileSync(new URL('../golden/optim/lbfgs.json', import.meta.url), 'utf8')) as {
  cases: Record<string, Case>;
};

// All as in golden/optim/make_lbfgs.py.
const numbers = (n: number, salt: number): number[] =>
  Array.from({ length: n }, (_, i) => (((i * 37 + salt * 53 + 11) % 127) - 63) / 64);
const X = { logistic: numbers(24 * 4, 7), mlp: numbers(10 * 3, 5) };
const Y = { logistic: Array.from({ length: 24 }, (_, i) => ((i * 5) % 3 === 0 ? 1 : -1)), mlp: numbers(10, 9) };
const CURVATURES = Array.from({ length: 8 }, (_, i) => 100 ** (i / 7));

type Loss = (p: ArrayLike<number>) => { readonly loss: number; readonly grad: number[] };
const sum = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);

function rosenbrock(p: ArrayLike<number>): ReturnType<Loss> {
  const grad = Array.from(p, () => 0);
  let loss = 0;
  for (let i = 0; i + 1 < p.length; i++) {
    const [a, b] = [1 - p[i]!, p[i + 1]! - p[i]! ** 2];
    loss += a * a + 100 * b * b;
    grad[i]! += -2 * a - 400 * p[i]! * b;
    grad[i + 1]! += 200 * b;
  }
  return { loss, grad };
}

const LOSSES = {
  quadratic(p) {
    const all = sum(Array.from(p));
    const b = numbers(p.length, 3);
    return {
      loss: sum(CURVATURES.map((a, i) => 0.5 * a * p[i]! ** 2 - b[i]! * p[i]!)) + 0.25 * all * all,
      grad: CURVATURES.map((a, i) => a * p[i]! - b[i]! + 0.5 * all),
    };
  },
  rosenbrock,
  chain: rosenbrock,
  logistic(p) {
    const grad = Array.from(p, (v) => 0.02 * v);
    let loss = 0.01 * sum(Array.from(p, (v) => v * v));
    for (const [i, y] of Y.logistic.entries()) {
      const x = [...X.logistic.slice(4 * i, 4 * i + 4), 1];
      const z = -y * sum(x.map((v, k) => v * p[k]!));
      loss += Math.log1p(Math.exp(z)) / 24;
      for (const [k, v] of x.entries()) grad[k]! -= (y * v) / (1 + Math.exp(-z)) / 24;
    }
    return { loss, grad };
  },
  mlp(p) {
    const grad = Array.from(p, () => 0);
    let loss = 0;
    for (const [i, y] of Y.mlp.entries()) {
      const x = X.mlp.slice(3 * i, 3 * i + 3);
      const h = [0, 1, 2, 3].map((u) => Math.tanh(sum(x.map((v, k) => v * p[3 * u + k]!)) + p[12 + u]!));
      const error = sum(h.map((v, u) => v * p[16 + u]!)) + p[20]! - y;
      loss += error ** 2 / 10;
      const by = (2 * error) / 10;
      grad[20]! += by;
      for (const [u, v] of h.entries()) {
        grad[16 + u]! += by * v;
        const inner = by * p[16 + u]! * (1 - v * v);
        grad[12 + u]! += inner;
        for (const [k, value] of x.entries()) grad[3 * u + k]! += inner * value;
      }
    }
    return { loss, grad };
  },
} satisfies Record<string, Loss>;

/** The same of tensors. */
const TRACED: Record<keyof typeof LOSSES, (p: Tensor) => Tensor> = {
  quadratic(p) {
    const { graph } = p;
    const [a, b] = [CURVATURES, numbers(8, 3)].map((xs) => graph.constant(Float32Array.from(xs), [8], 'f32'));
    const plain = ops.sum(ops.sub(ops.mul(0.5, ops.mul(a!, ops.square(p))), ops.mul(b!, p)));
    return ops.add(plain, ops.mul(0.25, ops.square(ops.sum(p))));
  },
  rosenbrock: (p) => valley(p),
  chain: (p) => valley(p),
  logistic(p) {
    const x = p.graph.constant(Float32Array.from(X.logistic), [24, 4], 'f32');
    const y = p.graph.constant(Float32Array.from(Y.logistic), [24], 'f32');
    const z = ops.add(
      ops.reshape(ops.matmul(x, ops.reshape(ops.slice(p, { end: 4 }), [4, 1])), [24]),
      ops.slice(p, { start: 4 }),
    );
    return ops.add(ops.mean(ops.softplus(ops.neg(ops.mul(y, z)))), ops.mul(0.01, ops.sum(ops.square(p))));
  },
  mlp(p) {
    const x = p.graph.constant(Float32Array.from(X.mlp), [10, 3], 'f32');
    const y = p.graph.constant(Float32Array.from(Y.mlp), [10], 'f32');
    const part = (start: number, end: number, shape: number[]): Tensor => ops.reshape(ops.slice(p, { start, end }), shape);
    const h = ops.tanh(ops.add(ops.matmul(x, ops.transpose(part(0, 12, [4, 3]))), part(12, 16, [4])));
    const z = ops.add(ops.reshape(ops.matmul(h, part(16, 20, [4, 1])), [10]), part(20, 21, [1]));
    return ops.mean(ops.square(ops.sub(z, y)));
  },
};
function valley(p: Tensor): Tensor {
  const n = p.shape[0]!;
  const [a, b] = [ops.slice(p, { end: n - 1 }), ops.slice(p, { start: 1 })];
  const rise = ops.square(ops.sub(b, ops.square(a)));
  return ops.sum(ops.add(ops.square(ops.sub(1, a)), ops.mul(100, rise)));
}

const NAMES = {
  max_iter: 'maxIter',
  max_eval: 'maxEval',
  history_size: 'historySize',
  tolerance_grad: 'toleranceGrad',
  tolerance_change: 'toleranceChange',
} as const;
function ours({ lr, line_search_fn, ...given }: Case['options']): optim.LBFGSOptions {
  const named = Object.entries(given).map(([key, value]) => [NAMES[key as keyof typeof NAMES], value] as const);
  return {
    lr: (lr as number | undefined) ?? 1,
    lineSearch: line_search_fn === undefined ? 'none' : 'strongWolfe',
    ...Object.fromEntries(named),
  };
}

class Vector extends nn.Module {
  readonly p: nn.Parameter;

  constructor(p: readonly number[]) {
    super();
    this.p = new nn.Parameter([p.length]);
    this.p.data = Float32Array.from(p);
  }

  forward(): Tensor {
    return this.p.toTensor();
  }
}
const ROW = { x: new Float32Array(1) };

/** Of a vector, of which the loss is this. */
function trainerOf(p: readonly number[], options: optim.LBFGSOptions, loss: (p: Tensor) => Tensor): Trainer<Vector> {
  return new Trainer({ model: new Vector(p), optimizer: optim.lbfgs(options), loss: (_, model) => loss(model.forward()) });
}

describe.each(Object.keys(cases))('%s', (name) => {
  const { loss, size, salt, options, steps, f32 } = cases[name]!;

  it('decides as PyTorch, in f64', () => {
    const { lr, search } = optim.lbfgs(ours(options)) as Required<optim.Optimizer>;
    const p = Float64Array.from(numbers(size, salt));
    const evaluate = (): { loss: number; grads: Float64Array[] } => {
      const found: ReturnType<Loss> = LOSSES[loss](p);
      return { loss: found.loss, grads: [Float64Array.from(found.grad)] };
    };
    const space = new ArraySpace([p], new Map(), (n) => new Float64Array(n), evaluate);
    const standing = new Standing(search.historySize);
    for (const [t, want] of steps.entries()) {
      const first = space.evaluate().next().value as Extract<ReturnType<(typeof space)['evaluate']>, object> & {
        loss: number;
        largest: number;
        slope: number;
      };
      expect(Math.abs(first.loss - want.loss), `loss of step ${t}`).toBeLessThan(1e-6 * Math.max(1, Math.abs(want.loss)));
      expect(iterate(space, search, lr(t), standing, first).next().done).toBe(true);
      // What is kept of it is all that there is.
      standing.read(standing.write());
      expect([t, standing.evaluations, standing.iterations]).toEqual([t, want.evaluations, want.iterations]);
      for (const [i, v] of want.p.entries()) {
        expect(Math.abs(p[i]! - v), `step ${t}, element ${i}: ${p[i]} for ${v}`).toBeLessThan(1e-6 * Math.max(1, Math.abs(v)));
      }
    }
  });

  it('a trainer steps as PyTorch, in f32', () => {
    const trainer = trainerOf(numbers(size, salt), ours(options), TRACED[loss]);
    for (const { loss: wanted, p } of steps.slice(0, f32)) {
      const { loss, skipped } = trainer.stepSync(ROW);
      expect(skipped).toBe(false);
      expect(Math.abs(loss - wanted)).toBeLessThan(4e-3 * Math.max(1, Math.abs(wanted)));
      const found = trainer.model.p.data;
      for (const [i, v] of p.entries()) expect(Math.abs(found[i]! - v)).toBeLessThan(4e-3 * Math.max(1, Math.abs(v)));
    }
    trainer.dispose();
  });
});

const valleyOf = (p: Float32Array) => (): optim.Evaluation => {
  const { loss, grad } = rosenbrock(p);
  return { loss, grads: [Float32Array.from(grad)] };
};

describe('bindClosure', () => {
  test.each(Object.keys(cases).filter((name) => cases[name]!.f32 > 0))('%s', (name) => {
    const { loss, size, salt, options, steps, f32 } = cases[name]!;
    const whole = Float32Array.from(numbers(size, salt));
    // As two arrays by name.
    const parts = { a: whole.subarray(0, 1).slice(), b: whole.subarray(1).slice() };
    const bound = optim.lbfgs(ours(options)).bindClosure(parts);
    for (const [t, want] of steps.slice(0, f32).entries()) {
      const report = bound.step(() => {
        const found: ReturnType<Loss> = LOSSES[loss]([...parts.a, ...parts.b]);
        return { loss: found.loss, grads: { b: Float32Array.from(found.grad.slice(1)), a: Float32Array.of(found.grad[0]!) } };
      });
      expect(report.step).toBe(t);
      expect(Math.abs(report.loss - want.loss)).toBeLessThan(4e-3 * Math.max(1, Math.abs(want.loss)));
      for (const [i, v] of [...parts.a, ...parts.b].entries()) {
        expect(Math.abs(v - want.p[i]!)).toBeLessThan(4e-3 * Math.max(1, Math.abs(want.p[i]!)));
      }
    }
    expect(bound.counters.step).toBe(f32);
  });

  it('goes on from its state to the bit', () => {
    const options = { lineSearch: 'strongWolfe', maxIter: 3, historySize: 3 } as const;
    const whole = Float32Array.of(-1.5, 2);
    const one = optim.lbfgs(options).bindClosure([whole]);
    for (let i = 0; i < 6; i++) one.step(valleyOf(whole));
    const p = Float32Array.of(-1.5, 2);
    let bound = optim.lbfgs(options).bindClosure([p]);
    for (let i = 0; i < 6; i++) {
      bound.step(valleyOf(p));
      const saved = bound.state();
      bound = optim.lbfgs(options).bindClosure([p]);
      bound.load(saved);
    }
    expect(p).toEqual(whole);
    expect(bound.counters).toEqual(one.counters);
    const wider = optim.lbfgs({ ...options, historySize: 4 }).bindClosure([p]);
    expect(() => wider.load(bound.state())).toThrow(CheckpointError);
    expect(() =>
      optim
        .lbfgs(options)
        .bindClosure([new Float32Array(3)])
        .load(bound.state()),
    ).toThrow(CheckpointError);
  });

  it('an error leaves the parameters where an iteration began, and the search goes on anew', () => {
    const p = Float32Array.of(-1.5, 2);
    const bound = optim.lbfgs({ lr: 1e-3, maxIter: 4 }).bindClosure([p]);
    let left = 2;
    const wrong = (): optim.Evaluation => {
      if (left-- === 0) throw new TypeError('no more');
      return valleyOf(p)();
    };
    expect(() => bound.step(wrong)).toThrow(TypeError);
    expect(rosenbrock(p).loss).toBeLessThanOrEqual(rosenbrock([-1.5, 2]).loss);
    expect(bound.counters.step).toBe(0);
    const before = bound.step(valleyOf(p)).loss;
    expect(bound.step(valleyOf(p)).loss).toBeLessThan(before);
    expect(() => bound.step(() => ({ loss: Number.NaN, grads: [new Float32Array(2)] }))).toThrow(NonFiniteError);
    // Where the last iteration has led to, nothing was evaluated: it goes back from there.
    expect(rosenbrock(p).loss).toBeLessThan(before);
  });

  it('what it is not made for', () => {
    const p = new Float32Array(2);
    const of = optim.lbfgs();
    const bound = of.bindClosure({ p });
    const give = (given: unknown) => () => bound.step(() => given as optim.Evaluation);
    expect(() => of.bindClosure([])).toThrow(OptionError);
    expect(() => of.bindClosure([p, p])).toThrow(OptionError);
    expect(() => of.bindClosure([new Float64Array(2) as never])).toThrow(DTypeError);
    expect(give(3)).toThrow(OptionError);
    expect(give({ loss: 1 })).toThrow(OptionError);
    expect(give({ loss: 1, grads: { q: p } })).toThrow(OptionError);
    expect(give({ loss: 1, grads: { p: new Float32Array(3) } })).toThrow(ShapeError);
    const within = (): optim.Evaluation => {
      bound.step(valleyOf(p));
      return valleyOf(p)();
    };
    expect(() => bound.step(within)).toThrow(/own closure/);
    expect(() => bound.step(undefined as never)).toThrow(OptionError);
    structuredClone(p, { transfer: [p.buffer] });
    expect(() => bound.step(valleyOf(p))).toThrow(DetachedError);
  });

  it('nothing to go down', () => {
    const p = Float32Array.of(1, 1);
    expect(optim.lbfgs().bindClosure([p]).step(valleyOf(p))).toEqual({ step: 0, loss: 0, evaluations: 1, iterations: 0 });
    expect(p).toEqual(Float32Array.of(1, 1));
    const none = new Float32Array(0);
    expect(
      optim
        .lbfgs()
        .bindClosure([none])
        .step(() => ({ loss: 2, grads: [none] })).loss,
    ).toBe(2);
  });
});

test('the cases are of all losses, and most are long enough to tell something in f32', () => {
  const all = Object.values(cases);
  expect(new Set(all.map((c) => c.loss))).toEqual(new Set(Object.keys(LOSSES)));
  expect(all.filter((c) => c.f32 >= 5).length).toBeGreaterThan(25);
});

test('the least of a cubic', () => {
  const finite = fc.double({ min: -10, max: 10, noNaN: true });
  fc.assert(
    fc.property(finite, finite, finite, fc.double({ min: 0.1, max: 5, noNaN: true }), finite, (c1, c2, c3, width, left) => {
      const at = (t: number): { t: number; loss: number; slope: number } => {
        const u = t - left;
        return { t, loss: c1 * u + c2 * u * u + c3 * u ** 3, slope: c1 + 2 * c2 * u + 3 * c3 * u * u };
      };
      const [a, b] = [at(left), at(left + width)];
      const t = cubic(a, b, [a.t, b.t]);
      expect(t).toBe(cubic(b, a, [a.t, b.t]));
      expect(t).toBeGreaterThanOrEqual(a.t);
      expect(t).toBeLessThanOrEqual(b.t);
      // Where it goes down and up again, nothing between is lower.
      if (!(a.slope < -1e-3 && b.slope > 1e-3)) return;
      for (let i = 0; i <= 20; i++)
        expect(at(t).loss).toBeLessThanOrEqual(at(left + (width * i) / 20).loss + 1e-6 * (1 + Math.abs(b.loss)));
    }),
  );
  const point = (t: number, loss: number, slope: number): { t: number; loss: number; slope: number } => ({ t, loss, slope });
  expect(cubic(point(0, 1, -1), point(2, Infinity, Number.NaN), [0, 2])).toBe(1);
});
