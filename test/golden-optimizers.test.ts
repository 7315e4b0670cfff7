// golden-optimizers.test.ts: every optimizer for 20 steps against PyTorch, optax, or the paper in f64 (golden/make_optimizers.py).
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as clip from '../lib/clip/index.ts';
import { addon } from '../lib/native/addon.ts';
import * as optim from '../lib/optim/index.ts';
import { OPTIMIZERS } from '../lib/optim/list.ts';
import * as kit from './clip-kit.ts';

interface Case {
  readonly source: string;
  readonly optimizer: string;
  readonly options: object;
  readonly tensors: readonly number[];
  readonly values: Readonly<Record<string, readonly (readonly number[])[]>>;
  readonly tolerance?: number;
}
const { cases } = JSON.parse(readFileSync(new URL('golden/optimizers.json', import.meta.url), 'utf8')) as {
  cases: Record<string, Case>;
};

// As in golden/make_optimizers.py.
const SHAPES = [[7], [4, 6], [5, 3]];
const array = (k: number, f: (i: number) => number): Float32Array =>
  Float32Array.from({ length: SHAPES[k]!.reduce((a, b) => a * b) }, (_, i) => f(i));
const start = (k: number): Float32Array => array(k, (i) => (((i * 29 + k * 53 + 11) % 127) - 63) / 64);
const gradient = (t: number, k: number): Float32Array =>
  array(k, (i) => ((((i * 37 + t * 101 + k * 67 + 17) % 127) - 63) / 64) * (t === 5 ? 0 : t === 8 ? 1024 : 1));

// f32 against f64 after at most 20 steps.
const TOLERANCE = 2e-6;

test.each(Object.keys(cases))('%s', (name) => {
  const { optimizer, options, tensors, values, tolerance = TOLERANCE } = cases[name]!;
  for (const threads of [1, Math.min(2, addon().threads.count)]) {
    const params = tensors.map(start);
    const bound = OPTIMIZERS[optimizer]!(options).bind(params, { clip: clip.none({ measure: false }), threads });
    for (let t = 0; t < 20; t++) {
      bound.step(tensors.map((k) => gradient(t, k)));
      const want = values[t + 1];
      if (!want) continue;
      params.forEach((p, i) => {
        p.forEach((v, j) => {
          const error = Math.abs(v - want[i]![j]!) / Math.max(1, Math.abs(want[i]![j]!));
          if (!(error <= tolerance)) {
            expect.fail(`step ${t + 1}, tensor ${i}, element ${j}: got ${v}, expected ${want[i]![j]} (error ${error})`);
          }
        });
      });
    }
    bound.dispose();
  }
});

test('every optimizer is in the goldens, and in the table that clipping is tested with', () => {
  expect([...new Set(Object.values(cases).map((c) => c.optimizer))].sort()).toEqual(Object.keys(OPTIMIZERS).sort());
  const tried = new Set(Object.values(kit.OPTIMIZERS).map((make) => make().name));
  expect([...tried].sort()).toEqual(
    Object.keys(OPTIMIZERS)
      .map((name) => `optim.${name}`)
      .sort(),
  );
});

// Published code cut the spike in a copy of the gradient, and went on with the spike.
test('SPAM cuts a spike, and not only a copy of it', () => {
  const run = (theta: number): { p: number; mean: number } => {
    const p = [Float32Array.of(1)];
    const bound = optim.spam({ lr: 0.1, theta, clipAfter: 0 }).bind(p, { clip: clip.none() });
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
