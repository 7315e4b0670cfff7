// gather.test.ts: indices out of bounds end the run and nothing is written, and scatterAdd does not depend on the team.
import { describe, expect, it } from 'vitest';
import { DTypeError, IndexError, OptionError, ShapeError } from '../../lib/errors.ts';
import { Graph, type Node, type Tensor } from '../../lib/ir/graph.ts';
import type { Data, DType } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import * as ops from '../../lib/ops/index.ts';
import { softmaxCrossEntropy, windows } from '../../lib/ops/list.ts';
import { INDICES } from '../../lib/ops/rows/indices.ts';
import { TEAMS } from '../kit.ts';
import { refNode, runNode, sameBits } from '../run-node.ts';

const { isas } = addon();
function nodeOf(types: [DType, number[]][], build: (...ins: Tensor[]) => Tensor): Node {
  const g = new Graph();
  return build(...types.map(([dtype, shape], i) => g.input(`x${i}`, { dtype, shape }, 'data'))).node;
}

/** The error of a run on these inputs. */
function failure(node: Node, ins: Data[], isa: string, threads: number): unknown {
  try {
    return runNode(node, ins, { isa, threads });
  } catch (error) {
    return error;
  }
}

const f32 = (n: number): Float32Array => new Float32Array(n).fill(1);
const CASES: [string, Node, (bad: number) => Data[], number[], number][] = [
  [
    'gather',
    nodeOf(
      [
        ['f32', [5, 3]],
        ['i32', [4]],
      ],
      ops.gather,
    ),
    (v) => [f32(15), new Int32Array([0, 4, v, 1])],
    [5, -1, 2 ** 31 - 1, -(2 ** 31)],
    5,
  ],
  [
    'gather u8',
    nodeOf(
      [
        ['u8', [5, 3]],
        ['u8', [4]],
      ],
      ops.gather,
    ),
    (v) => [new Uint8Array(15), new Uint8Array([0, 4, v, 1])],
    [5, 255],
    5,
  ],
  [
    'scatterAdd',
    nodeOf(
      [
        ['f32', [4, 3]],
        ['i32', [4]],
      ],
      (x, i) => ops.scatterAdd(x, i, { rows: 5 }),
    ),
    (v) => [f32(12), new Int32Array([0, 4, v, 1])],
    [5, -1, -(2 ** 31)],
    5,
  ],
  ['oneHot', nodeOf([['i32', [4]]], (i) => ops.oneHot(i, { classes: 5 })), (v) => [new Int32Array([0, 4, v, 1])], [5, -1], 5],
  [
    'windows',
    nodeOf(
      [
        ['u8', [9]],
        ['i32', [4]],
      ],
      (t, s) => windows(t, s, { length: 5 }),
    ),
    (v) => [new Uint8Array(9), new Int32Array([0, 4, v, 1])],
    [5, -1, 2 ** 31 - 1],
    5,
  ],
  [
    'softmaxCrossEntropy',
    nodeOf(
      [
        ['f32', [4, 5]],
        ['i32', [4]],
      ],
      (x, labels) => softmaxCrossEntropy(x, labels!),
    ),
    (v) => [f32(20), new Int32Array([0, 4, v, 1])],
    [5, -1],
    5,
  ],
];

describe.each(isas)('%s', (isa) => {
  it.each(CASES)('%s: an index out of bounds ends the run', (_, node, ins, bad, bound) => {
    for (const value of bad) {
      for (const threads of [1, ...TEAMS]) {
        const error = failure(node, ins(value), isa, threads);
        expect(error).toBeInstanceOf(IndexError);
        expect((error as IndexError).details).toMatchObject({ op: node.op.name, position: 2, value, bound });
      }
    }
    expect(() => runNode(node, ins(2), { isa })).not.toThrow();
  });

  it('scatterAdd adds duplicates alike for any team', () => {
    const n = 4000;
    const x = Float32Array.from({ length: n * 33 }, (_, i) => Math.sin(i) * 10 ** (i % 5));
    const skewed = Int32Array.from({ length: n }, (_, i) => ((i * i * 7) % 61) % ((i % 3) * 20 + 1));
    const node = nodeOf(
      [
        ['f32', [n, 33]],
        ['i32', [n]],
      ],
      (v, i) => ops.scatterAdd(v, i, { rows: 70 }),
    );
    const want = refNode(node, [x, skewed]);
    for (const threads of [1, ...TEAMS]) expect(sameBits(runNode(node, [x, skewed], { isa, threads }), want)).toBe(true);
  });
});

it('windows gives neighbors as i32', () => {
  const node = nodeOf(
    [
      ['u8', [9]],
      ['i32', [2]],
    ],
    (t, s) => windows(t, s, { length: 3 }),
  );
  expect([...runNode(node, [new Uint8Array([9, 8, 7, 6, 5, 4, 3, 2, 255]), new Int32Array([6, 0])])[0]!]).toEqual([
    3, 2, 255, 9, 8, 7,
  ]);
});

describe.each(isas)('floats that are indices, %s', (isa) => {
  const node = (dtype: DType): Node => nodeOf([[dtype, [1000]]], (x) => x.graph.add(INDICES, [x], {}).out);
  const values = (dtype: DType): Data => {
    const data = dtype === 'f32' ? new Float32Array(1000) : new Float64Array(1000);
    return data.map((_, i) => (i % 7) - 3);
  };
  it.each(['f32', 'f64'] as const)('%s: whole numbers are taken', (dtype) => {
    for (const threads of [1, ...TEAMS]) {
      expect(runNode(node(dtype), [values(dtype)], { isa, threads })[0]).toEqual(Int32Array.from(values(dtype)));
    }
  });
  it.each([
    ['f32', 0.5, 2 ** 24],
    ['f32', 2 ** 24, 2 ** 24],
    ['f32', -(2 ** 24), 2 ** 24],
    ['f32', Number.NaN, 2 ** 24],
    ['f64', Number.NEGATIVE_INFINITY, 2 ** 31],
    ['f64', 1 + 2 ** -40, 2 ** 31],
    ['f64', 2 ** 31, 2 ** 31],
  ] as const)('%s: %d ends the run', (dtype, value, bound) => {
    const data = values(dtype);
    data[777] = value;
    for (const threads of [1, ...TEAMS]) {
      const error = failure(node(dtype), [data], isa, threads);
      expect(error).toBeInstanceOf(IndexError);
      expect((error as IndexError).details).toMatchObject({ op: 'indices', position: 777, value, bound });
      expect((error as IndexError).message).toContain(`got ${value} at position 777`);
    }
  });
});

it('refuses what cannot be an index, and shapes that do not fit', () => {
  expect(() => nodeOf([['i32', [3]]], (x) => x.graph.add(INDICES, [x], {}).out)).toThrow(DTypeError);
  expect(() =>
    nodeOf(
      [
        ['f32', []],
        ['i32', [2]],
      ],
      ops.gather,
    ),
  ).toThrow(ShapeError);
  expect(() =>
    nodeOf(
      [
        ['f32', [3, 2]],
        ['i32', [2]],
      ],
      (x, i) => ops.scatterAdd(x, i, { rows: 2 }),
    ),
  ).toThrow(ShapeError);
  expect(() =>
    nodeOf(
      [
        ['u8', [3]],
        ['i32', [2]],
      ],
      (t, s) => windows(t, s, { length: 4 }),
    ),
  ).toThrow('windows: expected a length in [1, 3], got 4');
  expect(() => nodeOf([['i32', [3]]], (i) => ops.oneHot(i, { classes: 0 }))).toThrow(OptionError);
  expect(() =>
    nodeOf(
      [
        ['f32', [3, 2]],
        ['i32', [2]],
      ],
      (x, labels) => softmaxCrossEntropy(x, labels!),
    ),
  ).toThrow(ShapeError);
});
