// pruning.test.ts: which weights the pruning kernels choose: against PyTorch's choice and plain sorting, with ties, NaN and masks there are.
import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { OptionError } from '../../lib/errors.ts';
import { Graph, type Node } from '../../lib/ir/graph.ts';
import type { Data } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import { PRUNE_MAGNITUDE, PRUNE_ROWS, type RowNorm } from '../../lib/ops/update/pruning.ts';
import * as prune from '../../lib/optim/weights/prune.ts';
import { between, TEAMS } from '../kit.ts';
import { runNode, sameBits } from '../run-node.ts';

const ISAS = addon().isas;

interface Weight {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}
interface How {
  readonly unit: 'global' | 'tensor' | 'rows';
  readonly norm?: RowNorm;
  readonly owners?: readonly number[];
}

/** New values, masks and counts; `masks` are those before. */
function choose(weights: readonly Weight[], masks: readonly Uint8Array[], share: number, how: How, run = {}): Data[] {
  const graph = new Graph('train');
  const [f32, u8] = (['f32', 'u8'] as const).map((dtype) =>
    weights.map(({ shape }, i) => graph.input(`${dtype}${i}`, { dtype, shape }, 'data')),
  );
  const pruned = graph.input('pruned', { dtype: 'f64', shape: [weights.length] }, 'data');
  const target = graph.input('share', { dtype: 'f64', shape: [] }, 'step');
  const operands = [...f32!, ...u8!, pruned, target];
  const { unit, norm = 2, owners = [] } = how;
  const count = weights.length - owners.length;
  const node =
    unit === 'rows'
      ? graph.add(PRUNE_ROWS, operands, { count, norm, owners })
      : graph.add(PRUNE_MAGNITUDE, operands, { count, together: unit === 'global' });
  const given = [...weights.map((w) => w.data), ...masks, new Float64Array(weights.length).fill(7), Float64Array.of(share)];
  return runNode(node as Node, given, run);
}
const ones = (weights: readonly Weight[]): Uint8Array[] => weights.map((w) => new Uint8Array(w.data.length).fill(1));

describe('PyTorch chooses the same', () => {
  interface Golden {
    readonly weights: readonly { readonly shape: number[]; readonly data: number[] }[];
    readonly steps: readonly { readonly amount: number; readonly masks: readonly string[] }[];
  }
  const golden = JSON.parse(readFileSync(new URL('../golden/optim/prune.json', import.meta.url), 'utf8')) as {
    tensor: Golden;
    global: Golden;
    rows: (Golden & { n: string })[];
  };
  const check = ({ weights, steps }: Golden, how: How): void => {
    let now: Weight[] = weights.map(({ shape, data }) => ({ shape, data: Float32Array.from(data) }));
    let masks = ones(now);
    const n = weights.length;
    for (const { amount, masks: expected } of steps) {
      const out = choose(now, masks, amount, how);
      now = now.map(({ shape }, i) => ({ shape, data: out[i] as Float32Array }));
      masks = out.slice(n, 2 * n) as Uint8Array[];
      for (const [i, { shape }] of now.entries()) {
        const per = how.unit === 'rows' ? shape[1]! : 1;
        const wanted = Array.from({ length: masks[i]!.length }, (_, k) => Number(expected[i]![Math.floor(k / per)]));
        expect(Array.from(masks[i]!)).toEqual(wanted);
        expect(Array.from(now[i]!.data)).toEqual(weights[i]!.data.map((v, k) => (wanted[k] ? v : 0)));
        expect(out[2 * n]![i]).toBe(wanted.filter((m) => m === 0).length);
      }
    }
  };
  it('l1_unstructured', () => check(golden.tensor, { unit: 'tensor' }));
  it('global_unstructured', () => check(golden.global, { unit: 'global' }));
  it.each(golden.rows.map((g) => [g.n, g.steps[0]!.amount, g] as const))('ln_structured with n %s, amount %s', (n, _, g) => {
    check(g, { unit: 'rows', norm: n === 'inf' ? 'inf' : (Number(n) as 1 | 2) });
  });
});

test('ties, zeros, NaN, infinities, masks there are: as sorting says, on every ISA, for any threads', () => {
  const value = fc.oneof(
    fc.constantFrom(0, -0, 1, -1, 2, NaN, Infinity, -Infinity, 1e-45, -1e-45, 3e38),
    fc.float({ noDefaultInfinity: true }),
  );
  const weight = fc.array(fc.tuple(value, fc.boolean()), { maxLength: 60 });
  fc.assert(
    fc.property(
      fc.array(weight, { minLength: 1, maxLength: 4 }),
      fc.constantFrom('global' as const, 'tensor' as const),
      between(-0.1, 1.1),
      fc.constantFrom(...ISAS),
      (given, unit, share, isa) => {
        const weights = given.map((w) => ({ shape: [w.length], data: Float32Array.from(w, ([v]) => v) }));
        const masks = given.map((w) => Uint8Array.from(w, ([, kept]) => Number(kept)));
        const out = choose(weights, masks, share, { unit }, { isa });
        expect(sameBits(choose(weights, masks, share, { unit }, { isa, threads: 3 }), out)).toBe(true);
        const n = weights.length;
        const key = (t: number, i: number): number => {
          const v = Math.abs(weights[t]!.data[i]!);
          return masks[t]![i] === 0 ? -1 : Number.isNaN(v) ? Infinity : v;
        };
        const isNaNAt = (t: number, i: number): number => Number(Number.isNaN(weights[t]!.data[i]!) && masks[t]![i] !== 0);
        const gone = new Set<string>();
        for (const group of unit === 'global' ? [weights.map((_, t) => t)] : weights.map((_, t) => [t])) {
          const places = group.flatMap((t) => Array.from(weights[t]!.data, (_, i) => [t, i] as const));
          const sorted = [...places].sort(
            (a, b) => key(...a) - key(...b) || isNaNAt(...a) - isNaNAt(...b) || a[0] - b[0] || a[1] - b[1],
          );
          const x = share * places.length;
          const half = x - Math.floor(x) === 0.5;
          const count = share < 0 ? 0 : Math.min(places.length, half ? 2 * Math.round(x / 2) : Math.round(x));
          for (const p of sorted.slice(0, count)) gone.add(`${p}`);
        }
        for (let t = 0; t < n; t++) {
          const wanted = Uint8Array.from(masks[t]!, (m, i) => (m === 0 || gone.has(`${[t, i]}`) ? 0 : 1));
          expect(out[n + t]).toEqual(wanted);
          if (share < 0) continue;
          expect(sameBits([out[t]!], [weights[t]!.data.map((v, i) => (wanted[i] ? v : 0))])).toBe(true);
          expect(out[2 * n]![t]).toBe(wanted.filter((m) => m === 0).length);
        }
        if (share < 0) expect(out[2 * n]).toEqual(new Float64Array(n).fill(7));
      },
    ),
    { numRuns: 300 },
  );
});

test('large tensors: the count is exact, and threads change no bit', () => {
  const weights = [70_000, 1, 5_000].map((n, t) => ({
    shape: [n],
    data: Float32Array.from({ length: n }, (_, i) => Math.fround(Math.sin(i * 7.3 + t)) * 2 ** ((i % 60) - 30)),
  }));
  for (const unit of ['global', 'tensor'] as const) {
    const out = choose(weights, ones(weights), 0.7317, { unit });
    expect(sameBits(choose(weights, ones(weights), 0.7317, { unit }, { threads: 3 }), out)).toBe(true);
    const counts = Array.from(out[6]!);
    if (unit === 'tensor') expect(counts).toEqual([51_219, 1, 3_658]);
    else expect(counts.reduce((a, b) => a + b)).toBe(Math.round(0.7317 * 75_001));
    const kept = weights.map((w, t) => w.data.filter((_, i) => out[3 + t]![i] === 1).map(Math.abs));
    const gone = weights.map((w, t) => w.data.filter((_, i) => out[3 + t]![i] === 0).map(Math.abs));
    const most = (x: Float32Array[]): number => x.reduce((m, a) => a.reduce((b, v) => Math.max(b, v), m), 0);
    const least = (x: Float32Array[]): number => x.reduce((m, a) => a.reduce((b, v) => Math.min(b, v), m), Infinity);
    if (unit === 'global') expect(most(gone)).toBeLessThanOrEqual(least(kept));
  }
});

test('rows: of equal norms the first; rows pruned before stay so; biases go with their rows', () => {
  const weight = { shape: [5, 2], data: Float32Array.of(3, 4, 1, 0, 0, -1, NaN, 0, 2, 2) };
  const bias = { shape: [5], data: Float32Array.of(9, 8, 7, 6, 5) };
  const other = { shape: [2, 1], data: Float32Array.of(0.1, 0.2) };
  const masks = ones([weight, other, bias]);
  masks[0]!.fill(0, 0, 2);
  masks[2]![0] = 0;
  for (const isa of ISAS) {
    for (const threads of [1, ...TEAMS]) {
      const out = choose([weight, other, bias], masks, 0.4, { unit: 'rows', owners: [0] }, { isa, threads });
      expect(out[0]).toEqual(Float32Array.of(0, 0, 0, 0, 0, -1, NaN, 0, 2, 2));
      expect(out[1]).toEqual(Float32Array.of(0, 0.2));
      expect(out[2]).toEqual(Float32Array.of(0, 0, 7, 6, 5));
      expect(Array.from(out[5]!)).toEqual([0, 0, 1, 1, 1]);
      expect(Array.from(out[6]!)).toEqual([4, 1, 2]);
    }
  }
});

describe('the schedule', () => {
  it('is cubic, and ends with the share that was asked for', () => {
    const { share } = prune.magnitude({ sparsity: 0.8, initial: 0.2, begin: 100, end: 530, every: 100 });
    const at = (t: number): number => 0.8 + (0.2 - 0.8) * (1 - (t - 100) / 430) ** 3;
    expect([99, 100, 101, 200, 300, 400, 500, 529, 530, 531, 600].map(share)).toEqual([
      null,
      0.2,
      null,
      at(200),
      at(300),
      at(400),
      at(500),
      null,
      0.8,
      null,
      null,
    ]);
  });
  it('may be a single step, or of another power', () => {
    expect([0, 1, 100].map(prune.rows({ sparsity: 0.5, match: '*' }).share)).toEqual([0.5, null, null]);
    expect([5, 6].map(prune.magnitude({ sparsity: 0.5, begin: 6 }).share)).toEqual([null, 0.5]);
    expect([0, 5, 10].map(prune.magnitude({ sparsity: 0.5, end: 10, every: 5, power: 1 }).share)).toEqual([0, 0.25, 0.5]);
  });
  // biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
  const any = (x: unknown): any => x;
  it.each<[string, () => unknown, string]>([
    [
      'a share above 1',
      () => prune.magnitude({ sparsity: 1.5 }),
      'prune.magnitude: option sparsity: expected a finite number >= 0 and <= 1, got 1.5',
    ],
    [
      'an initial share above it',
      () => prune.magnitude({ sparsity: 0.5, initial: 0.6 }),
      'option initial: expected a number <= sparsity, got 0.6 and 0.5',
    ],
    [
      'an end before the beginning',
      () => prune.magnitude({ sparsity: 0.5, begin: 10, end: 9 }),
      'option end: expected a step from 10, its begin, on, got 9',
    ],
    ['no interval', () => prune.magnitude({ sparsity: 0.5, every: 0 }), 'option every'],
    ['a scope', () => prune.magnitude({ sparsity: 0.5, scope: any('all') }), 'option scope: expected one of global, tensor'],
    ['an option', () => prune.magnitude(any({ sparcity: 0.5 })), 'did you mean sparsity?'],
    [
      'rows of nothing',
      () => prune.rows(any({ sparsity: 0.5 })),
      'prune.rows: option match: expected a pattern of the weights that lose rows',
    ],
    ['a norm', () => prune.rows({ sparsity: 0.5, match: '*', norm: 3 }), 'option norm: expected 1, 2 or Infinity, got 3'],
  ])('%s is refused', (_, run, message) => {
    expect(run).toThrow(OptionError);
    expect(run).toThrow(message);
  });
});
