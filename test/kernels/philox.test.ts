// philox.test.ts: the generator's known answers, permutations, and dropout's kernel against its ref, bit for bit.
import { describe, expect, it } from 'vitest';
import { Graph } from '../../lib/ir/graph.ts';
import { permutation, philox4x32 } from '../../lib/ir/philox.ts';
import { addon } from '../../lib/native/addon.ts';
import { dropout } from '../../lib/ops/index.ts';
import { TEAMS } from '../kit.ts';
import { refNode, runNode } from '../run-node.ts';

it('Philox4x32-10 known answers of Random123', () => {
  const out = new Uint32Array(4);
  const answer = (...words: [number, number, number, number, number, number]): number[] => {
    philox4x32(out, ...words);
    return [...out];
  };
  expect(answer(0, 0, 0, 0, 0, 0)).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  const f = 0xffffffff;
  expect(answer(f, f, f, f, f, f)).toEqual([0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
  expect(answer(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0)).toEqual([
    0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1,
  ]);
});

describe('permutation', () => {
  it('holds every row once, differs by seed and epoch, and repeats', () => {
    for (const n of [0, 1, 2, 3, 10, 1000]) {
      const p = permutation(n, 5n, 2);
      expect([...p].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
      expect(permutation(n, 5n, 2)).toEqual(p);
    }
    const first = permutation(100, 5n, 0);
    for (const other of [
      permutation(100, 6n, 0),
      permutation(100, 5n, 1),
      permutation(100, 5n, 2 ** 32),
      permutation(100, 5n << 32n, 0),
    ]) {
      expect(other).not.toEqual(first);
    }
  });

  it('has all orders equally often', () => {
    const count = new Map<string, number>();
    const draws = 12000;
    for (let epoch = 0; epoch < draws; epoch++) {
      const order = permutation(4, 1n, epoch).join('');
      count.set(order, (count.get(order) ?? 0) + 1);
    }
    expect(count.size).toBe(24);
    const chi2 = [...count.values()].reduce((s, c) => s + (c - draws / 24) ** 2 / (draws / 24), 0);
    expect(chi2).toBeLessThan(49.7); // 23 degrees of freedom, 0.1 %
  });

  it('takes a million rows', () => {
    const p = permutation(1_000_000, 9n, 0);
    const seen = new Uint8Array(p.length);
    for (const row of p) seen[row] = 1;
    expect(seen.every((s) => s === 1)).toBe(true);
  });
});

describe('dropout', () => {
  const node = (n: number, rate: number, key = 0) => {
    const g = new Graph('train');
    for (let i = 0; i < key; i++) g.randomKey();
    return dropout(g.input('x', { dtype: 'f32', shape: [n] }, 'feed'), rate).node;
  };
  const x = Float32Array.from({ length: 9001 }, (_, i) => Math.sin(i) * 3);

  it.each(addon().isas)('%s: the bits of ref, for any number of threads', (isa) => {
    for (const [n, rate, key] of [
      [1, 0.5, 0],
      [63, 0.3, 1],
      [64, 0.9, 2],
      [65, 1e-9, 3],
      [9001, 0.1, 70000],
    ] as const) {
      for (const attempt of [0, 1, 2 ** 32 + 1, 2 ** 40]) {
        const run = { seed: 0x123456789abcdef0n, attempt, isa };
        const dropped = node(n, rate, key);
        const want = refNode(dropped, [x.subarray(0, n)], run);
        for (const threads of [1, ...TEAMS]) expect(runNode(dropped, [x.slice(0, n)], { ...run, threads })).toEqual(want);
      }
    }
  });

  it('keeps the mean, drops the share asked for, and depends on seed, attempt and key', () => {
    const ones = new Float32Array(40000).fill(1);
    const run = (key: number, seed: bigint, attempt: number) =>
      runNode(node(40000, 0.25, key), [ones], { seed, attempt })[0] as Float32Array;
    const base = run(0, 1n, 0);
    const share = base.reduce((s: number, v: number) => s + (v === 0 ? 1 : 0), 0) / base.length;
    expect(Math.abs(share - 0.25)).toBeLessThan(5 * Math.sqrt((0.25 * 0.75) / base.length));
    expect(new Set(base)).toEqual(new Set([0, Math.fround(4 / 3)]));
    for (const other of [run(1, 1n, 0), run(0, 2n, 0), run(0, 1n + (1n << 32n), 0), run(0, 1n, 1), run(0, 1n, 2 ** 32)]) {
      // Independent masks agree on 0.25^2 + 0.75^2 of the elements.
      const same = other.reduce((s: number, v: number, i: number) => s + (v === base[i] ? 1 : 0), 0) / base.length;
      expect(Math.abs(same - 0.625)).toBeLessThan(0.02);
    }
  });

  it('is x itself in evaluation and at rate 0; other rates are errors', () => {
    const type = { dtype: 'f32', shape: [3] } as const;
    const inEval = new Graph('eval').input('x', type, 'feed');
    const inTrain = new Graph('train').input('x', type, 'feed');
    expect(dropout(inEval, 0.5)).toBe(inEval);
    expect(dropout(inTrain, 0)).toBe(inTrain);
    expect(dropout(inTrain).node.attrs).toEqual({ rate: 0.5, key: 0 });
    expect(dropout(inTrain).node.attrs).toEqual({ rate: 0.5, key: 1 });
    for (const rate of [1, -0.1, NaN]) expect(() => dropout(inTrain, rate)).toThrow('ops.dropout: argument p: expected');
    const f64 = new Graph('train').input('x', { dtype: 'f64', shape: [3] }, 'feed');
    expect(() => dropout(f64, 0.5)).toThrow("dropout: expected f32, got f64; convert it with cast(x, 'f32')");
  });
});
