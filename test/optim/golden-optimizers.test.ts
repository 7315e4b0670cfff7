// golden-optimizers.test.ts: every optimizer for 20 steps against PyTorch, optax, or the paper in f64 (golden/optim/make_optimizers.py).
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { REWRITTEN } from '../../bench/rewritten.ts';
import * as clip from '../../lib/clip/index.ts';
import { addon } from '../../lib/native/addon.ts';
import * as optim from '../../lib/optim/index.ts';
import { OPTIMIZERS } from '../../lib/optim/list.ts';
import * as kit from '../clip/kit.ts';

interface Case {
  readonly source: string;
  readonly optimizer: string;
  readonly options: object;
  /** Around it, with these options. */
  readonly lookahead?: object;
  readonly tensors: readonly number[];
  readonly values: Readonly<Record<string, readonly (readonly number[])[]>>;
  /** Steps in which the rate rises to that of the options. */
  readonly warmup?: number;
  /** A slot, and what it holds after those steps. */
  readonly average?: { readonly slot: string; readonly values: Readonly<Record<string, readonly (readonly number[])[]>> };
  readonly tolerance?: number;
}
const { cases } = JSON.parse(readFileSync(new URL('../golden/optim/optimizers.json', import.meta.url), 'utf8')) as {
  cases: Record<string, Case>;
};

// As in golden/optim/make_optimizers.py.
const SHAPES = [[7], [4, 6], [5, 3]];
const array = (k: number, f: (i: number) => number): Float32Array =>
  Float32Array.from({ length: SHAPES[k]!.reduce((a, b) => a * b) }, (_, i) => f(i));
const start = (k: number): Float32Array => array(k, (i) => (((i * 29 + k * 53 + 11) % 127) - 63) / 64);
const gradient = (t: number, k: number): Float32Array =>
  array(k, (i) => ((((i * 37 + t * 101 + k * 67 + 17) % 127) - 63) / 64) * (t === 5 ? 0 : t === 8 ? 1024 : 1));

// f32 against f64 after at most 20 steps.
const TOLERANCE = 2e-6;

test.each(Object.keys(cases))('%s', (name) => {
  const { optimizer, options, lookahead, tensors, values, average, warmup, tolerance = TOLERANCE } = cases[name]!;
  const lr = (options as { readonly lr?: number }).lr!;
  const given = warmup === undefined ? options : { ...options, lr: optim.schedule.warmup({ steps: warmup, to: lr }) };
  const written = Object.values(REWRITTEN).map((make) => make());
  const makers = [OPTIMIZERS[optimizer]!(given), ...written.filter((w) => w.golden === name).map((w) => w.own)];
  const teams = [1, Math.min(2, addon().threads.count)];
  for (const [made, threads] of makers.flatMap((made) => teams.map((n) => [made, n] as const))) {
    const params = tensors.map(start);
    const bound = (lookahead ? optim.lookahead(made, lookahead) : made).bind(params, {
      clip: clip.none({ measure: false }),
      shapes: tensors.map((k) => SHAPES[k]!),
      threads,
    });
    for (let t = 0; t < 20; t++) {
      bound.step(tensors.map((k) => gradient(t, k)));
      const want = values[t + 1];
      if (!want) continue;
      const check = (what: string, xs: readonly ArrayLike<number>[], want: readonly (readonly number[])[]): void => {
        for (const [i, x] of xs.entries()) {
          for (const [j, v] of Array.from(x).entries()) {
            const error = Math.abs(v - want[i]![j]!) / Math.max(1, Math.abs(want[i]![j]!));
            if (error <= tolerance) continue;
            const got = `got ${v}, expected ${want[i]![j]} (error ${error})`;
            expect.fail(`${made.name}, step ${t + 1}, ${what} ${i}, element ${j}: ${got}`);
          }
        }
      };
      check('tensor', params, want);
      if (!average) continue;
      const kept = bound.state().tensors;
      check(
        average.slot,
        params.map((_, i) => kept[`optim.${i}.${average.slot}`] as Float32Array),
        average.values[t + 1]!,
      );
    }
    bound.dispose();
  }
});

test('every rule that is written with optim.custom has its golden', () => {
  for (const make of Object.values(REWRITTEN)) expect(cases).toHaveProperty([make().golden]);
});

test('every optimizer is in the goldens, and in the table that clipping is tested with', () => {
  expect([...new Set(Object.values(cases).map((c) => c.optimizer))].sort()).toEqual(Object.keys(OPTIMIZERS).sort());
  const tried = new Set(Object.values(kit.ALL_OPTIMIZERS).map((make) => make().name));
  for (const name of [...Object.keys(OPTIMIZERS), 'lookahead']) expect(tried).toContain(`optim.${name}`);
});

// Published code cut the spike in a copy of the gradient, and went on with the spike.
test('SPAM cuts a spike, and not only a copy of it', () => {
  const run = (theta: number): { p: number; mean: number } => {
    const p = [Float32Array.of(1)];
    const bound = optim.spam({ lr: 0.1, threshold: theta, clipAfter: 0 }).bind(p, { clip: clip.none() });
    for (const g of [0.5, -0.25, 0.5, 1e6]) bound.step([Float32Array.of(g)]);
    return { p: p[0]![0]!, mean: bound.state().tensors['optim.0.exp_avg']![0]! };
  };
  const [cut, spiked] = [run(1000), run(Infinity)];
  // By hand: v before the spike, m before it.
  let [m, v] = [0, 0];
  for (const g of [0.5, -0.25, 0.5]) [m, v] = [0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g];
  expect(cut.mean).toBeCloseTo(0.9 * m + 0.1 * Math.sqrt(1000 * v), 5);
  expect(spiked.mean).toBeCloseTo(0.9 * m + 1e5, 0);
  expect(Math.abs(cut.p - spiked.p)).toBeGreaterThan(1e-3);
});

test('SPAM moves an element whose gradient was 0 so far', () => {
  const p = [Float32Array.of(1)];
  const bound = optim.spam({ lr: 0.1, clipAfter: 1 }).bind(p);
  for (const g of [0, 0, 0.5]) bound.step([Float32Array.of(g)]);
  expect(p[0]![0]).toBeLessThan(1);
});

// Published code divided by the inverse of the clip: a spike made a larger step, and a small direction was enlarged.
test("Adafactor's update clip makes large directions smaller, and leaves small ones alone", () => {
  const step = (g: readonly number[], clipAt: number): number[] => {
    const p = [Float32Array.of(1, 1, 1, 1)];
    const bound = optim.adafactor({ lr: 0.1, clip: clipAt }).bind(p);
    bound.step([Float32Array.of(1, 1, 1, 1)]);
    const before = p[0]!.slice();
    bound.step([Float32Array.from(g)]);
    return Array.from(before, (v, i) => v - p[0]![i]!);
  };
  // The second step keeps 1 - 2^-0.8 of the mean of squares. alpha is 0.1 times the root mean square of p.
  const keep = 1 - 2 ** -0.8;
  const direction = (g: number): number => g / Math.sqrt(keep + (1 - keep) * g * g);
  const alpha = 0.1 * 0.9;
  for (const v of step([100, 100, 100, 100], 1)) expect(v).toBeCloseTo(alpha, 6);
  expect(direction(100)).toBeGreaterThan(1.2);
  for (const v of step([100, 100, 100, 100], Infinity)) expect(v).toBeCloseTo(alpha * direction(100), 6);
  for (const v of step([0.1, 0.1, 0.1, 0.1], 1)) expect(v).toBeCloseTo(alpha * direction(0.1), 6);
  expect(direction(0.1)).toBeLessThan(0.5);
});

test('muon takes matrices only, and says so', () => {
  const bind = (shape: number[]) => optim.muon().bind({ w: new Float32Array(12) }, { shapes: { w: shape } });
  expect(() => bind([12])).toThrow('optim.muon: expected matrices, got w of f32[12]: put it in a group with another optimizer');
  expect(() => bind([2, 2, 3])).toThrow('got w of f32[2,2,3]');
  bind([3, 4]).dispose();
});

test('a step of muon has singular values near 1', () => {
  const [m, n] = [6, 4];
  const p = [new Float32Array(m * n)];
  const bound = optim.muon({ lr: 1, weightDecay: 0 }).bind(p, { shapes: [[m, n]] });
  bound.step([Float32Array.from({ length: m * n }, (_, i) => Math.sin(i * i) * 1e-3)]);
  const u = p[0]!.map((v) => v / Math.sqrt(m / n));
  // The eigenvalues of u' u lie within Gershgorin's circles only roughly: its trace and its square's say enough.
  const gram = Array.from({ length: n }, (_, a) =>
    Array.from({ length: n }, (_, b) =>
      Array.from({ length: m }, (_, i) => u[i * n + a]! * u[i * n + b]!).reduce((x, y) => x + y),
    ),
  );
  const trace = gram.reduce((sum, row, i) => sum + row[i]!, 0);
  const squares = gram.flat().reduce((sum, v) => sum + v * v, 0);
  expect(trace / n).toBeGreaterThan(0.5);
  expect(trace / n).toBeLessThan(1.5);
  // The variance of the eigenvalues.
  expect(squares / n - (trace / n) ** 2).toBeLessThan(0.15);
});

test('lookahead: slow weights begin at the parameters and are all there is every k steps', () => {
  const p = [Float32Array.of(1, -2)];
  const bound = optim.lookahead(optim.sgd({ lr: 1 }), { k: 3, alpha: 0.25 }).bind(p);
  const seen: number[] = [];
  for (let t = 0; t < 6; t++) {
    bound.step([Float32Array.of(1, 0)]);
    seen.push(p[0]![0]!);
  }
  expect(seen).toEqual([0, -1, 0.25, -0.75, -1.75, -0.5]);
  expect(bound.state().tensors['optim.0.slow']).toEqual(p[0]);
  // A skipped first step does not begin the slow weights.
  const other = [Float32Array.of(1)];
  const skipped = optim.lookahead(optim.sgd({ lr: 1 }), { k: 2, alpha: 0.5 }).bind(other);
  for (const g of [Number.NaN, 1, 1]) skipped.step([Float32Array.of(g)]);
  expect(other[0]![0]).toBe(0);
  expect(() => optim.lookahead({} as never)).toThrow(
    'optim.lookahead: argument optimizer: expected an optimizer such as optim.adamw(), got an object without a name',
  );
  expect(() => optim.lookahead(optim.sgd(), { k: 0 })).toThrow('k');
  expect(() => optim.lookahead(optim.sgd(), { alpha: 2 })).toThrow('alpha');
});
