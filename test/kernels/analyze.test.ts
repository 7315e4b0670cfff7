// analyze.test.ts: norms, zeros and what is not finite, against plain loops; the same bits as policies measure, on any team and ISA.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { OptionError } from '../../lib/errors.ts';
import { Graph } from '../../lib/ir/graph.ts';
import { addon } from '../../lib/native/addon.ts';
import { analyzed } from '../../lib/ops/gradient/analyze.ts';
import { analyze } from '../../lib/optim/standalone/analyze.ts';
import { seenBy } from '../clip/kit.ts';
import { TEAMS } from '../kit.ts';
import { runNode } from '../run-node.ts';

/** Reproducible values without any pattern that blocks of a power of two could hide; every 7th is 0. */
function noise(n: number, scale = 1): Float32Array {
  let s = 12345;
  return Float32Array.from({ length: n }, (_, i) => {
    s = (Math.imul(s, 1103515245) + 12345) | 0;
    return i % 7 === 3 ? 0 : (scale * s) / 2 ** 31;
  });
}

function truth(x: Float32Array) {
  let [squares, norm1, normInf, zeros, nonFinite, first] = [0, 0, 0, 0, 0, -1];
  x.forEach((v, i) => {
    squares += v * v;
    norm1 += Math.abs(v);
    normInf = Number.isNaN(v) || Number.isNaN(normInf) ? Number.NaN : Math.max(normInf, Math.abs(v));
    if (v === 0) zeros++;
    if (!Number.isFinite(v) && nonFinite++ === 0) first = i;
  });
  return { squares, norm1, normInf, zeros, nonFinite, first };
}

const SIZES = [0, 1, 15, 16, 17, 31, 33, 1023, 1025, 4095, 4096, 4097, 10_000];

describe('analyze', () => {
  it('measures tensors of all sizes, groups of them, and all together', () => {
    const grads = Object.fromEntries(SIZES.map((n, i) => [`m${i % 3}.t${i}`, noise(n, 1 + i)]));
    const found = analyze(grads);
    for (const t of found.tensors) {
      const { squares, norm1, normInf, zeros } = truth(grads[t.name]!);
      expect(t).toMatchObject({ elements: grads[t.name]!.length, normInf, zeros, nonFinite: 0, firstNonFinite: null });
      expect(t.norm2).toBeCloseTo(Math.sqrt(squares), 9);
      expect(t.norm1).toBeCloseTo(norm1, 8);
    }
    expect(found.tensors.map((t) => t.name)).toEqual(Object.keys(grads));
    expect(found.groups.map((g) => g.name)).toEqual(['m0', 'm1', 'm2']);
    for (const parts of [found, ...found.groups]) {
      const members =
        'tensors' in parts && typeof parts.tensors[0] === 'string' ? (parts.tensors as string[]) : Object.keys(grads);
      const all = members.map((name) => truth(grads[name]!));
      expect(parts.norm2).toBeCloseTo(Math.sqrt(all.reduce((s, t) => s + t.squares, 0)), 8);
      expect(parts.norm1).toBeCloseTo(
        all.reduce((s, t) => s + t.norm1, 0),
        7,
      );
      expect(parts.normInf).toBe(Math.max(...all.map((t) => t.normInf)));
      expect(parts.zeros).toBe(all.reduce((s, t) => s + t.zeros, 0));
    }
  });

  it('groups by pattern; a tensor may be in several groups', () => {
    const grads = { 'a.weight': noise(3), 'a.bias': noise(2), 'b.weight': noise(4) };
    const { groups } = analyze(grads, { groups: { weights: '*.weight', a: /^a\./ } });
    expect(groups.map((g) => [g.name, g.tensors, g.elements])).toEqual([
      ['weights', ['a.weight', 'b.weight'], 7],
      ['a', ['a.weight', 'a.bias'], 5],
    ]);
    expect(analyze([noise(3)]).groups).toEqual([]);
    expect(() => analyze(grads, { groups: { c: 'c.*' } })).toThrow('analyze: groups: c: no tensor matches c.*');
  });

  it('finds every element that is not finite, wherever it is', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9000 }),
        fc.array(fc.tuple(fc.nat(), fc.constantFrom(Number.NaN, Infinity, -Infinity)), { maxLength: 5 }),
        (n, places) => {
          const x = noise(n);
          for (const [at, v] of places) x[at % n] = v;
          const { nonFinite, first, zeros, normInf } = truth(x);
          const found = analyze({ ok: noise(5), x });
          expect(found.tensors[1]).toMatchObject({ nonFinite, firstNonFinite: first < 0 ? null : first, zeros, normInf });
          expect(found.firstNonFinite).toEqual(first < 0 ? null : { tensor: 'x', index: first });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('has f64 norms: finite ones for finite elements, however large', () => {
    const found = analyze([Float32Array.of(3e38, -3e38), Float32Array.of(1e-40, 0)]);
    expect(found.norm2 / (Math.fround(3e38) * Math.SQRT2)).toBeCloseTo(1, 15);
    expect(found.norm1).toBe(2 * Math.fround(3e38) + Math.fround(1e-40));
    expect(found.tensors[1]).toMatchObject({ normInf: Math.fround(1e-40), zeros: 1 });
    expect(analyze([Float32Array.of(-0, 0)]).zeros).toBe(2);
  });

  it('gives the norm that policies measure, bit for bit, on any number of threads', () => {
    const grads = [noise(784 * 256), noise(256), noise(33_000, 5), noise(0)];
    const one = analyze(grads, { threads: 1 });
    expect(one.norm2).toBe(seenBy(clip.none(), grads).report.norm);
    expect(one.norm1).toBe(seenBy(clip.globalNorm(Infinity, { p: 1 }), grads).report.norm);
    expect(one.normInf).toBe(seenBy(clip.globalNorm(Infinity, { p: Infinity }), grads).report.norm);
    for (const threads of TEAMS) expect(analyze(grads, { threads })).toEqual(one);
  });

  it('has the same bits on AVX2 and AVX-512, and sums of the same size without fma', () => {
    const x = noise(20_000);
    const graph = new Graph();
    const { sumSquares } = analyzed([graph.input('x', { dtype: 'f32', shape: [x.length] }, 'data')]);
    const runs = addon().isas.map((isa) => ({ isa, outs: runNode(sumSquares.node, [x], { isa }).map((out) => out![0]!) }));
    const [first, ...rest] = runs.filter(({ isa }) => isa !== 'x86_64');
    for (const { outs } of rest) expect(outs).toEqual(first!.outs);
    const { squares, norm1, ...counts } = truth(x);
    for (const { outs } of runs) {
      expect(outs[0]! / squares).toBeCloseTo(1, 12);
      expect(outs[1]! / norm1).toBeCloseTo(1, 12);
      expect(outs.slice(2)).toEqual(Object.values(counts));
    }
  });

  it('leaves the arrays alone, and follows them: nothing of a call is kept', () => {
    const x = noise(100);
    const before = x.slice();
    const first = analyze({ x });
    expect(x).toEqual(before);
    x[4] = 50;
    expect(analyze({ x }).normInf).toBe(50);
    expect(analyze({ x: before })).toEqual(first);
  });

  it.each([
    [() => analyze([]), OptionError, 'expected at least one array'],
    [() => analyze(noise(3) as never), OptionError, 'expected a list or a record of Float32Arrays'],
    [() => analyze({ x: [1, 2] as never }), Error, 'expected a Float32Array for x, got an array of 2'],
    [() => analyze({ x: noise(2) }, { thread: 1 } as never), OptionError, 'did you mean threads'],
    [() => analyze({ x: noise(2) }, { threads: 0 }), OptionError, 'threads'],
    [() => analyze({ x: noise(2) }, { groups: ['x'] as never }), OptionError, 'expected patterns by name'],
  ])('refuses %s', (call, type, message) => {
    expect(call).toThrow(type);
    expect(call).toThrow(message);
  });
});
