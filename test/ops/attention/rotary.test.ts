// rotary.test.ts: rotary positions against turns of complex numbers, and what they are for.
import { describe, expect, it } from 'vitest';
import { grad } from '../../../lib/autodiff/grad.ts';
import { Graph, type Tensor } from '../../../lib/ir/graph.ts';
import { mul, type RotaryOptions, rotary, sum } from '../../../lib/ops/index.ts';
import { runGraph } from '../../run-graph.ts';

const waves = (n: number, k: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(k * i + 0.1 * i * i));

/** y, and the gradient of sum(w y), for x of `shape`. */
function run(shape: number[], options: RotaryOptions): Record<'x' | 'w' | 'y' | 'dx', Float32Array> {
  const n = shape.reduce((a, b) => a * b, 1);
  const graph = new Graph('train');
  const x = graph.input('x', { dtype: 'f32', shape }, 'feed');
  const w = graph.input('w', { dtype: 'f32', shape }, 'feed');
  const y = rotary(x, options);
  graph.output('y', y);
  graph.output('dx', grad(sum(mul(y, w)), [x])[0] as Tensor);
  const inputs = { x: waves(n, 1), w: waves(n, 2) };
  const got = runGraph(graph, { inputs });
  return { ...inputs, y: got.get('y') as Float32Array, dx: got.get('dx') as Float32Array };
}

describe('rotary', () => {
  it.each([
    { interleaved: false },
    { interleaved: true },
    { interleaved: false, base: 500, offset: 7 },
    { interleaved: false, dims: 4 },
    { interleaved: true, heads: 2, dims: 4 },
  ])('turns pairs: %j', (options) => {
    const [B, T, D] = [2, 5, 6];
    const { heads = 1, dims = D, base = 10000, offset = 0, interleaved } = options as Required<Omit<RotaryOptions, 'places'>>;
    const { x, y, w, dx } = run([B, T, heads * D], options);
    for (let row = 0; row < B * T * heads; row++) {
      const t = offset + (Math.floor(row / heads) % T);
      for (let i = 0; i < dims / 2; i++) {
        const p = row * D + (interleaved ? 2 * i : i);
        const q = p + (interleaved ? 1 : dims / 2);
        const angle = t / base ** ((2 * i) / dims);
        const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
        expect(y[p]).toBeCloseTo(x[p]! * cos - x[q]! * sin, 5);
        expect(y[q]).toBeCloseTo(x[p]! * sin + x[q]! * cos, 5);
        expect(dx[p]).toBeCloseTo(w[p]! * cos + w[q]! * sin, 5);
        expect(dx[q]).toBeCloseTo(w[q]! * cos - w[p]! * sin, 5);
      }
      for (let c = dims; c < D; c++) expect(y[row * D + c]).toBe(x[row * D + c]);
    }
  });

  it('a product of two rows depends on their distance alone', () => {
    const d = 8;
    const row = waves(d, 3);
    const product = (a: number, b: number): number => {
      const graph = new Graph();
      const x = graph.constant(row, [1, d], 'f32');
      graph.output('p', sum(mul(rotary(x, { offset: a }), rotary(x, { offset: b }))));
      return runGraph(graph, { inputs: {} }).get('p')![0]!;
    };
    expect(product(3, 5)).toBeCloseTo(product(40, 42), 4);
    expect(Math.abs(product(3, 5) - product(3, 9))).toBeGreaterThan(1e-2);
  });

  it('refuses what does not fit', () => {
    const x = new Graph().input('x', { dtype: 'f32', shape: [2, 3, 5] }, 'feed');
    expect(() => rotary(x)).toThrow('rotary: expected x [..., T, d] with an even d to turn, got [2,3,5]');
    expect(() => rotary(x, { heads: 2 })).toThrow(/expected x \[\.\.\., T, 2 d\]/);
    expect(() => rotary(x, { bais: 3 } as object)).toThrow(/did you mean base/);
  });
});
