// attention.test.ts: what attention promises beyond the table of ops: layouts agree, queries that see nothing, masks against causal.
import { describe, expect, it } from 'vitest';
import { grad } from '../../../lib/autodiff/grad.ts';
import { Graph, type Tensor } from '../../../lib/ir/graph.ts';
import { attention, headsAttention, mul, reshape, slice, sum, transpose } from '../../../lib/ops/index.ts';
import { runGraph } from '../../run-graph.ts';
import { sameBits } from '../../run-node.ts';

const [B, H, T, D] = [2, 3, 37, 8];
const waves = (n: number, k: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(k * i + 0.3 * i * k));

/** The output and the gradient of `qkv` when `build` makes attention of it; weighted, so that each output counts. */
function both(build: (qkv: Tensor) => Tensor, mask?: { data: Float32Array | Uint8Array; shape: number[] }): Float32Array[] {
  const graph = new Graph('train');
  const qkv = graph.input('qkv', { dtype: 'f32', shape: [B, T, 3 * H * D] }, 'feed');
  if (mask) graph.input('mask', { dtype: mask.data instanceof Uint8Array ? 'u8' : 'f32', shape: mask.shape }, 'feed');
  const o = build(qkv);
  const weights = graph.constant(waves(B * T * H * D, 5), [B, T, H * D], 'f32');
  graph.output('o', o);
  graph.output('d', grad(sum(mul(o, weights)), [qkv])[0]!);
  const inputs = { qkv: waves(B * T * 3 * H * D, 2), ...(mask && { mask: mask.data }) };
  const run = runGraph(graph, { inputs });
  return [run.get('o') as Float32Array, run.get('d') as Float32Array];
}
const inHeads = (x: Tensor): Tensor => transpose(x, { axes: [0, 2, 1, 3] });
const part = (qkv: Tensor, i: number): Tensor => slice(qkv, { axis: 2, start: i * H * D, end: (i + 1) * H * D });
const heads = (x: Tensor): Tensor => inHeads(reshape(x, [B, T, H, D]));

describe('attention', () => {
  it('gives the same bits in every layout', () => {
    for (const causal of [false, true]) {
      const packed = both((x) => headsAttention(x, null, null, { heads: H, causal }));
      const rows = both((x) => headsAttention(part(x, 0), part(x, 1), part(x, 2), { heads: H, causal }));
      const kv = both((x) => {
        const both = slice(x, { axis: 2, start: H * D, end: 3 * H * D });
        return headsAttention(part(x, 0), both, null, { heads: H, causal });
      });
      const apart = both((x) => {
        const o = attention(heads(part(x, 0)), heads(part(x, 1)), heads(part(x, 2)), { causal });
        return reshape(inHeads(o), [B, T, H * D]);
      });
      for (const other of [rows, kv, apart]) expect(sameBits(other, packed)).toBe(true);
    }
  });

  it('causal is a mask of the lower triangle', () => {
    const triangle = { data: Uint8Array.from({ length: T * T }, (_, i) => +(i % T <= Math.floor(i / T))), shape: [T, T] };
    const added = { data: Float32Array.from(triangle.data, (v) => (v ? 0 : -Infinity)), shape: [1, 1, T, T] };
    const causal = both((x) => headsAttention(x, null, null, { heads: H, causal: true }));
    for (const mask of [triangle, added]) {
      const masked = both((x) => headsAttention(x, null, null, { heads: H, mask: x.graph.inputs.get('mask')! }), mask);
      for (const [i, values] of masked.entries()) {
        expect(values.reduce((most, v, k) => Math.max(most, Math.abs(v - causal[i]![k]!)), 0)).toBeLessThan(1e-6);
      }
    }
  });

  it('a query that sees no key gives 0 and gets no gradient', () => {
    const blind = 5;
    const data = new Uint8Array(B * T * T).fill(1);
    data.fill(0, blind * T, (blind + 1) * T);
    const [o, d] = both((x) => headsAttention(x, null, null, { heads: H, mask: x.graph.inputs.get('mask')! }), {
      data,
      shape: [B, 1, T, T],
    }) as [Float32Array, Float32Array];
    expect(o.every((v) => Number.isFinite(v)) && d.every((v) => Number.isFinite(v))).toBe(true);
    expect(o.subarray(blind * H * D, (blind + 1) * H * D).every((v) => v === 0)).toBe(true);
    expect(d.subarray(blind * 3 * H * D, blind * 3 * H * D + H * D).every((v) => v === 0)).toBe(true);
    expect(o.subarray((T + blind) * H * D, (T + blind + 1) * H * D).some((v) => v !== 0)).toBe(true);
  });

  it('hands NaN on', () => {
    const graph = new Graph();
    const q = graph.input('q', { dtype: 'f32', shape: [1, 1, 2, 4] }, 'feed');
    graph.output('o', attention(q, q, q));
    const o = runGraph(graph, { inputs: { q: Float32Array.of(1, 2, NaN, 4, 5, 6, 7, 8) } }).get('o')!;
    expect([...o].every(Number.isNaN)).toBe(true);
  });

  it('refuses what does not fit', () => {
    const g = new Graph('train');
    const x = (...shape: number[]): Tensor => g.input(`x${shape}`, { dtype: 'f32', shape }, 'feed');
    expect(() => attention(x(2, 3, 4, 5), x(2, 3, 4, 6), x(2, 3, 4, 6))).toThrow(
      'attention: expected q [B, H, T, d], k and v [B, H, S, d] with d >= 1, got [2,3,4,5], [2,3,4,6], [2,3,4,6]',
    );
    expect(() => headsAttention(x(2, 4, 13), null, null, { heads: 2 })).toThrow(
      'attention: expected qkv [B, T, 3 H d] with 2 heads, got [2,4,13]',
    );
    expect(() => headsAttention(x(2, 4, 12), null, null, { heads: 2, mask: x(4, 3) })).toThrow(
      'attention: expected a mask that broadcasts to [2,2,4,4], its last dimension whole, got [4,3]',
    );
    expect(() => attention(x(2, 4, 4, 8), x(2, 3, 4, 8), x(2, 3, 4, 8))).toThrow(
      /heads of k and v that divide those of q, got 3 and 4/,
    );
    expect(() => headsAttention(x(2, 4, 12), null, null, { heads: 2, dropout: 1 })).toThrow(/option dropout/);
    expect(() => attention(x(2, 3, 4, 5), x(2, 3, 4, 5), x(2, 3, 4, 5), { causal: 1 } as object)).toThrow(/option causal/);
  });
});
