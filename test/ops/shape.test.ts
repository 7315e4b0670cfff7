// shape.test.ts: what the ops that move elements mean, by hand; their errors; and random views against plain loops.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OptionError, ShapeError } from '../../lib/errors.ts';
import { Graph, type Node, type Tensor } from '../../lib/ir/graph.ts';
import { type DType, sizeOf } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import * as ops from '../../lib/ops/index.ts';
import { TRANSPOSE } from '../../lib/ops/shape/shape.ts';
import { refNode, runNode, sameBits, zeros } from '../run-node.ts';

const input = (shape: readonly number[], dtype: DType = 'f32'): Tensor => new Graph().input('x', { dtype, shape }, 'data');

/** The result of `build` on 0, 1, 2, ... */
function counted(shape: readonly number[], build: (x: Tensor) => Tensor): { shape: readonly number[]; values: number[] } {
  const x = input(shape);
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => i);
  const y = build(x);
  const values = y === x || y.node.op.alias ? data : runNode(y.node, [data])[0]!;
  return { shape: y.shape, values: [...values] };
}

describe('slice', () => {
  it('counts from the end and cuts to the dimension, as Python does', () => {
    expect(counted([5], (x) => ops.slice(x, { start: -2 })).values).toEqual([3, 4]);
    expect(counted([5], (x) => ops.slice(x, { start: 1, end: -1, step: 2 })).values).toEqual([1, 3]);
    expect(counted([5], (x) => ops.slice(x, { start: -9, end: 99, step: 4 })).values).toEqual([0, 4]);
    expect(counted([5], (x) => ops.slice(x, { start: 4, end: 2 })).shape).toEqual([0]);
    expect(counted([2, 3], (x) => ops.slice(x, { axis: -1, start: 1 })).values).toEqual([1, 2, 4, 5]);
  });
  it('makes no instruction of the whole', () => {
    const x = input([4, 2]);
    expect(ops.slice(x, { axis: 1 })).toBe(x);
  });
  it('refuses a step below 1 and an unknown axis', () => {
    expect(() => ops.slice(input([4]), { step: 0 })).toThrow(OptionError);
    expect(() => ops.slice(input([4]), { axis: 1 })).toThrow('slice: expected an axis in [-1, 1), got 1');
  });
});

describe('transpose', () => {
  it('swaps the last two dimensions, or reorders all', () => {
    expect(counted([2, 3], (x) => ops.transpose(x))).toEqual({ shape: [3, 2], values: [0, 3, 1, 4, 2, 5] });
    expect(counted([1, 2, 3], (x) => ops.transpose(x, { axes: [2, 0, 1] })).values).toEqual([0, 3, 1, 4, 2, 5]);
  });
  it('is a reshape when only dimensions of 1 move', () => {
    expect(ops.transpose(input([4, 1])).node.op.alias).toBe(true);
    expect(ops.transpose(input([2, 1, 3]), { axes: [1, 0, 2] }).node.op.alias).toBe(true);
  });
  it('refuses what is no permutation', () => {
    expect(() => ops.transpose(input([2, 3]), { axes: [0, 0] })).toThrow('expected a permutation of 2 axes, got [0,0]');
    expect(() => ops.transpose(input([2, 3]), { axes: [0] })).toThrow(ShapeError);
    expect(() => ops.transpose(input([2]))).toThrow(ShapeError);
  });
});

describe('reshape, expandDims, squeeze, broadcastTo', () => {
  it('work out shapes', () => {
    expect(ops.reshape(input([2, 6]), [3, -1]).shape).toEqual([3, 4]);
    expect(ops.expandDims(input([2, 6]), -1).shape).toEqual([2, 6, 1]);
    expect(ops.squeeze(input([1, 2, 1])).shape).toEqual([2]);
    expect(ops.squeeze(input([1, 2, 1]), 0).shape).toEqual([2, 1]);
    expect(counted([2], (x) => ops.broadcastTo(x, [2, 2])).values).toEqual([0, 1, 0, 1]);
  });
  it('refuse what does not fit', () => {
    expect(() => ops.reshape(input([5]), [2, -1])).toThrow(ShapeError);
    expect(() => ops.reshape(input([4]), [-1, -1])).toThrow('reshape: expected at most one -1');
    expect(() => ops.squeeze(input([2]), 0)).toThrow('squeeze: expected dimension 0');
    expect(() => ops.broadcastTo(input([3]), [3, 2])).toThrow('broadcastTo: expected a shape that [3] broadcasts to');
  });
});

describe('concat, stack, pad', () => {
  const two = (build: (a: Tensor, b: Tensor) => Tensor, a: number[], b: number[]): number[] => {
    const g = new Graph();
    const [x, y] = [a, b].map((v, i) => g.input(`x${i}`, { dtype: 'f32', shape: [v.length] }, 'data')) as [Tensor, Tensor];
    return [...runNode(build(x, y).node, [new Float32Array(a), new Float32Array(b)])[0]!];
  };
  it('join and fill', () => {
    expect(two((x, y) => ops.concat([x, y]), [1, 2], [3])).toEqual([1, 2, 3]);
    expect(counted([3], (x) => ops.pad(x, { before: 1, after: 2 })).values).toEqual([0, 0, 1, 2, 0, 0]);
    expect(counted([3], (x) => ops.pad(x, { step: 3 })).values).toEqual([0, 0, 0, 1, 0, 0, 2]);
    const g = new Graph();
    const xs = [0, 1].map((i) => g.input(`x${i}`, { dtype: 'f32', shape: [2] }, 'data'));
    expect(ops.stack(xs, 1).shape).toEqual([2, 2]);
  });
  it('refuse what does not fit', () => {
    const g = new Graph();
    const a = g.input('a', { dtype: 'f32', shape: [2, 3] }, 'data');
    const b = g.input('b', { dtype: 'f32', shape: [2, 4] }, 'data');
    expect(() => ops.concat([a, b], 0)).toThrow('concat: expected [2,3] but for axis 0, got [2,4]');
    expect(() => ops.concat([])).toThrow('ops.concat: argument xs: expected a list of at least 1');
    expect(() => ops.pad(a, { before: -1 })).toThrow(OptionError);
  });
});

describe.each(addon().isas)('random views on %s', (isa) => {
  const shapes = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 5 });
  it('transpose', () => {
    const cases = shapes.chain((shape) =>
      fc.tuple(
        fc.constant(shape),
        fc.shuffledSubarray([...shape.keys()], { minLength: shape.length }),
        fc.constantFrom<DType>('f32', 'f64', 'u8'),
      ),
    );
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 3 }), ([shape, axes, dtype], threads) => {
        const x = input(shape, dtype);
        const node = x.graph.add(TRANSPOSE, [x], { axes }) as Node;
        const data = zeros({ dtype, shape }).map((_: number, i: number) => i % 251);
        expect(sameBits(runNode(node, [data], { isa, threads }), refNode(node, [data]))).toBe(true);
      }),
      { numRuns: 150 },
    );
  });
});
