// sparse.test.ts: tables of which a step updates only the rows that it looked up: rules in plain loops, clip policies against dense tables, what is
// refused, and that nothing grows with the table.
import { describe, expect, test } from 'vitest';
import { POLICIES } from '../../../lib/clip/list.ts';
import { OptionError } from '../../../lib/errors.ts';
import { batches, clip, constraint, loss, nn, optim, regularize, Trainer, type TrainerOptions } from '../../../lib/index.ts';
import type { Tensor } from '../../../lib/ir/graph.ts';
import { add, matmul, mul, sum, transpose } from '../../../lib/ops/index.ts';
import { OPTIMIZERS } from '../../../lib/optim/list.ts';
import { SOME_TEAMS } from '../../kit.ts';

const ROWS = 400;
const DIM = 20;

class Tables extends nn.Module {
  table: nn.Embedding;
  constructor(sparse: boolean, rows = ROWS) {
    super();
    this.table = new nn.Embedding(rows, DIM, { sparse, paddingIdx: 0 });
  }
  forward(x: Tensor): Tensor {
    return sum(this.table.forward(x), { axes: [1] });
  }
}

type Options = Partial<TrainerOptions<Tables>> & { rows?: number; sparse?: boolean };
function trainer({ rows = ROWS, sparse = true, ...options }: Options = {}): Trainer<Tables> {
  return new Trainer({
    model: new Tables(sparse, rows),
    loss: ({ x, y }, m) => loss.mse(m.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    batchSize: 1000,
    ...options,
  });
}
const batch = (ids: readonly number[]) => ({ x: Int32Array.from(ids), y: Float32Array.from(ids, (v, i) => (v % 7) - i / 8) });
const weight = async (t: Trainer<Tables>): Promise<Float32Array> =>
  Float32Array.from((await t.readParameters()).get('table.weight')!.data);
const row = (table: Float32Array, v: number): number[] => [...table.subarray(v * DIM, (v + 1) * DIM)];

/** Lookups of a few steps: rows come twice in one step, come again later, or never. */
const STEPS = [
  [5, 9, 5, 300, 17],
  [9, 1, 17],
  [44, 0, 0, 5],
  [17, 9, 399, 5],
];

/** The gradient of a row: all its elements have the same. */
function gradient(ids: readonly number[], table: Float64Array, of: number): number {
  let g = 0;
  ids.forEach((v, i) => {
    const y = (v % 7) - i / 8;
    const out = table.subarray(v * DIM, (v + 1) * DIM).reduce((a, b) => a + b, 0);
    if (v === of) g += (2 * (out - y)) / ids.length;
  });
  return g;
}

interface Rule {
  readonly make: () => optim.Optimizer;
  /** One element: `s` are its slots, `t` the step from 1. */
  readonly step: (p: number, g: number, s: number[], t: number) => number;
}
const rules: Record<string, Rule> = {
  sgd: { make: () => optim.sgd({ lr: 0.1, weightDecay: 0.02 }), step: (p, g) => p - 0.1 * (g + 0.02 * p) },
  'sgd with momentum': {
    make: () => optim.sgd({ lr: 0.1, momentum: 0.9 }),
    step(p, g, s) {
      s[0] = 0.9 * (s[0] ?? 0) + g;
      return p - 0.1 * s[0];
    },
  },
  adamw: {
    make: () => optim.adamw({ lr: 0.05, weightDecay: 0.1 }),
    step(p, g, s, t) {
      s[0] = 0.9 * (s[0] ?? 0) + 0.1 * g;
      s[1] = 0.999 * (s[1] ?? 0) + 0.001 * g * g;
      const root = Math.sqrt(s[1] / (1 - 0.999 ** t)) + 1e-8;
      return p * (1 - 0.05 * 0.1) - ((0.05 / (1 - 0.9 ** t)) * s[0]) / root;
    },
  },
  adagrad: {
    make: () => optim.adagrad({ lr: 0.1 }),
    step(p, g, s) {
      s[0] = (s[0] ?? 0) + g * g;
      return p - (0.1 * g) / (Math.sqrt(s[0]) + 1e-10);
    },
  },
};

/** A step in one micro-batch, or in up to three, the last of them shorter. */
const CUTS = [{}, { batchSize: 2, accumulate: 3 }];
describe.each(CUTS)('rows that are looked up, by the rule; others not at all: %o', (cut) => {
  test.each(Object.entries(rules))('%s', async (_, { make, step }) => {
    let bits: Float32Array | null = null;
    for (const threads of [1, ...SOME_TEAMS]) {
      const t = trainer({ optimizer: make(), threads, ...cut });
      const start = await weight(t);
      expect(row(start, 0)).toEqual(new Array(DIM).fill(0));
      const truth = Float64Array.from(start);
      const slots = Array.from({ length: truth.length }, (): number[] => []);
      STEPS.forEach((ids, k) => {
        const before = Float64Array.from(truth);
        for (const v of new Set(ids)) {
          if (v === 0) continue;
          const g = gradient(ids, before, v);
          for (let i = v * DIM; i < (v + 1) * DIM; i++) truth[i] = step(truth[i]!, g, slots[i]!, k + 1);
        }
        t.fitSync(batch(ids), { steps: 1 });
      });
      const got = await weight(t);
      const touched = new Set(STEPS.flat().filter((v) => v !== 0));
      for (let v = 0; v < ROWS; v++) {
        if (!touched.has(v)) expect(row(got, v)).toEqual(row(start, v));
      }
      for (const [i, want] of truth.entries()) {
        if (!(Math.abs(got[i]! - want) <= 2e-5 * Math.max(1, Math.abs(want))))
          throw new Error(`element ${i}: ${got[i]}, ${want}`);
      }
      bits ??= got;
      expect(got).toEqual(bits);
      t.dispose();
    }
  });
});

const every = Array.from({ length: ROWS - 1 }, (_, i) => i + 1);

describe('every row looked up in every step: as a dense table', () => {
  test.each(Object.entries(OPTIMIZERS))('%s', async (_, make) => {
    const optimizer = make({});
    if (!optimizer.rowwise) {
      expect(() => trainer({ optimizer })).toThrow(/^table\.weight: sparse updates are not for /);
      return;
    }
    const [dense, sparse] = [false, true].map((sparse) => {
      const t = trainer({ optimizer, sparse, clip: clip.none() });
      for (let k = 0; k < 3; k++) t.fitSync(batch(every), { steps: 1 });
      return t;
    }) as [Trainer<Tables>, Trainer<Tables>];
    expect((await weight(sparse)).subarray(DIM)).toEqual((await weight(dense)).subarray(DIM));
    for (const t of [dense, sparse]) t.dispose();
  });
});

describe.each(CUTS)('policies decide as on a dense table: %o', (cut) => {
  const groups = () => clip.groups([{ match: 'table*', policy: clip.perTensorNorm(0.5) }]);
  test.each(Object.entries({ ...POLICIES, groups }))('%s', async (_, make) => {
    const runs: { report: Record<string, unknown>; weights: Float32Array }[] = [];
    for (const sparse of [false, true]) {
      const t = trainer({ sparse, clip: make(), ...cut });
      let report: Record<string, unknown> = {};
      try {
        for (let k = 0; k < 2; k++) report = { ...t.fitSync(batch(STEPS[0]!), { steps: 1 }).last };
      } catch (error) {
        expect(sparse).toBe(true);
        expect(error).toBeInstanceOf(OptionError);
        expect((error as Error).message).toMatch(/^table\.weight: sparse updates do not go with \S+, which (writes|treats)/);
        return;
      } finally {
        if (report.loss !== undefined) runs.push({ report, weights: await weight(t) });
        t.dispose();
      }
    }
    const [dense, rows] = runs as [(typeof runs)[0], (typeof runs)[0]];
    for (const key of ['loss', 'norm', 'normAfter', 'scale', 'threshold', 'clippedFraction']) {
      const [a, b] = [dense.report[key], rows.report[key]];
      if (typeof a === 'number' && Number.isFinite(a)) expect((b as number) / (a || 1), key).toBeCloseTo(a === 0 ? 0 : 1, 6);
      else expect(b, key).toEqual(a);
    }
    expect(rows.report.norm).toBeGreaterThan(0);
    for (const [i, w] of dense.weights.entries()) expect(Math.abs(rows.weights[i]! - w)).toBeLessThan(1e-5);
  });
});

describe('a table used more than once', () => {
  class Pair extends nn.Module {
    table: nn.Embedding;
    constructor(sparse: boolean) {
      super();
      this.table = new nn.Embedding(ROWS, DIM, { sparse });
    }
    forward(a: Tensor, b: Tensor): Tensor {
      return sum(mul(this.table.forward(a), this.table.forward(b)), { axes: [1] });
    }
  }
  test('the lookups are joined', async () => {
    const data = { ...batch([3, 4, 3, 200]), z: Int32Array.of(4, 4, 250, 3) };
    const tables = await Promise.all(
      [false, true].map(async (sparse) => {
        const t = new Trainer({
          model: new Pair(sparse),
          loss: ({ x, y, z }, m) => loss.mse(m.forward(x, z!), y),
          optimizer: optim.sgd({ lr: 0.01 }),
          clip: clip.globalNorm(1),
        });
        const norms = [1, 2, 3].map(() => t.fitSync(data, { steps: 1 }).last!.norm);
        return { norms, table: (await t.readParameters()).get('table.weight')!.data };
      }),
    );
    for (const [k, n] of tables[0]!.norms.entries()) expect(tables[1]!.norms[k]).toBeCloseTo(n, 5);
    for (const [i, w] of tables[0]!.table.entries()) expect(Math.abs(tables[1]!.table[i]! - w)).toBeLessThan(1e-5);
  });
});

test('a table of fewer rows than are looked up, before a layer that would else multiply the table', async () => {
  const few = 10;
  const ids = Int32Array.from({ length: 40 }, (_, i) => (i * 7) % few);
  const weights = await Promise.all(
    [false, true].map(async (sparse) => {
      const t = new Trainer({
        model: new nn.Sequential(new nn.Embedding(few, DIM, { sparse }), new nn.Linear(DIM, 3)),
        loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
        optimizer: optim.sgd({ lr: 0.1 }),
        batchSize: ids.length,
      });
      t.fitSync({ x: ids, y: ids.map((v) => v % 3) }, { steps: 3 });
      const read = await t.readParameters();
      t.dispose();
      return [...read.values()].flatMap(({ data }) => [...data]);
    }),
  );
  for (const [i, w] of weights[0]!.entries()) expect(Math.abs(weights[1]![i]! - w)).toBeLessThan(1e-5);
});

test('a bag with padding trains its members alone', async () => {
  class Bag extends nn.Module {
    bag = new nn.EmbeddingBag(50, 16, { mode: 'sum', sparse: true, paddingIdx: 2 });
    forward(x: Tensor): Tensor {
      return sum(this.bag.forward(x), { axes: [1] });
    }
  }
  const t = new Trainer({ model: new Bag(), loss: ({ x, y }, m) => loss.mse(m.forward(x), y), optimizer: optim.adam() });
  const before = Float32Array.from((await t.readParameters()).get('bag.weight')!.data);
  t.fitSync({ x: { data: Int32Array.of(4, 2, 9, 4, 2, 2), shape: [2, 3] }, y: Float32Array.of(1, 2) }, { steps: 3 });
  const after = (await t.readParameters()).get('bag.weight')!.data;
  for (let v = 0; v < 50; v++) {
    const same = Array.from({ length: 16 }, (_, c) => before[v * 16 + c] === after[v * 16 + c]);
    expect(same.every((x) => x === (v !== 4 && v !== 9))).toBe(true);
  }
});

describe('micro-batches of a step', () => {
  const long = batch(Array.from({ length: 60 }, (_, i) => 1 + ((i * 37) % 90)));
  const fitted = async (options: Options, fits: readonly ReturnType<typeof batch>[]): Promise<Float32Array> => {
    const t = trainer({ optimizer: optim.adam({ lr: 0.1 }), clip: clip.globalNorm(0.5), ...options });
    for (const data of fits) t.fitSync(data, { epochs: 2, shuffle: false });
    const got = await weight(t);
    t.dispose();
    return got;
  };
  const near = (got: Float32Array, want: Float32Array): void => {
    for (const [i, w] of want.entries()) expect(Math.abs(got[i]! - w)).toBeLessThan(1e-5);
  };

  test('of more rows than those that were compiled for before', async () => {
    const fits = [batch([7]), batch([7, 8, 7]), long, batch([5, 6]), long];
    near(await fitted({ batchSize: 12, accumulate: 2 }, fits), await fitted({ batchSize: 24 }, fits));
  });
  test('of sequences whose lengths differ: a step has several shapes, the longest last', async () => {
    const texts = [[3], [4, 4], [9, 2, 9], [1, 2, 3, 4, 5, 6], [3, 3], [8]].map((x) => ({ x: Int32Array.from(x), y: x.length }));
    const trained = async (sparse: boolean, options: object, order: number[]): Promise<Float32Array> => {
      const t = trainer({ sparse, loss: ({ x, y }, m) => loss.mse(sum(m.forward(x), { axes: [1] }), y), ...options });
      // A stream of batches of one shape each.
      const rows = order.map((k) => texts[k]!);
      const given = rows.map(({ x, y }) => ({ x: { data: x, shape: [1, x.length] }, y: Float32Array.of(y) }));
      await t.fit(batches(given), { steps: 2 });
      const got = await weight(t);
      t.dispose();
      return got;
    };
    for (const order of [
      [0, 1, 2, 3, 4, 5],
      [3, 2, 1, 0, 5, 4],
    ]) {
      near(await trained(true, { accumulate: 3 }, order), await trained(false, { accumulate: 3 }, order));
    }
  });
  test('a row that is not finite skips the step, and the next one is as if it had not been', async () => {
    const bad = { ...batch([5, 6, 7]), y: Float32Array.of(1, Number.NaN, 2) };
    expect(await fitted({ batchSize: 2, accumulate: 2 }, [bad])).toEqual(await fitted({ batchSize: 2, accumulate: 2 }, []));
    const [a, b] = [
      await fitted({ batchSize: 2, accumulate: 2 }, [bad, long]),
      await fitted({ batchSize: 2, accumulate: 2 }, [long]),
    ];
    expect(a).toEqual(b);
  });
  test('gradients of a data set', async () => {
    const found = [1, 3].map((accumulate) => {
      const t = trainer({ batchSize: 60 / accumulate, accumulate });
      const { gradients, norm } = t.gradientsSync(long);
      t.dispose();
      return { g: gradients.get('table.weight')!.data, norm };
    });
    expect(found[1]!.norm / found[0]!.norm).toBeCloseTo(1, 6);
    near(found[1]!.g, found[0]!.g);
  });
  test('op by op', async () => {
    const options = { batchSize: 7, accumulate: 3 };
    near(await fitted({ ...options, debug: true }, [long]), await fitted(options, [long]));
  });
});

test('a skipped step changes nothing, and constraints and averages hold', async () => {
  const t = trainer({
    optimizer: optim.adam({ lr: 0.1 }),
    clip: clip.globalNorm(1),
    constraints: [{ match: 'table.*', constraint: constraint.weightClip(0.5) }],
    ema: { decay: 0.5 },
  });
  const before = await weight(t);
  const bad = batch([5, 6]);
  bad.y[0] = Number.NaN;
  expect(t.fitSync(bad, { steps: 1 }).skipped).toBe(1);
  expect(await weight(t)).toEqual(before);
  t.fitSync(batch([5, 6]), { steps: 1 });
  const first = await weight(t);
  t.fitSync(batch([5, 6]), { steps: 1 });
  const after = await weight(t);
  expect(Math.max(...row(after, 5).map(Math.abs))).toBeLessThanOrEqual(0.5);
  expect(row(after, 7)).toEqual(row(before, 7));
  const average = (await t.readParameters({ weights: 'ema' })).get('table.weight')!.data;
  for (let i = 5 * DIM; i < 7 * DIM; i++) expect(average[i]).toBeCloseTo((first[i]! + after[i]!) / 2, 5);
  t.dispose();
});

test('nothing in a step grows with the table', () => {
  const work = [1000, 100_000].map((rows) => {
    const t = trainer({ rows, optimizer: optim.adamw(), clip: clip.globalNorm(0.1) });
    const { instrs } = t.fitSync(batch(STEPS[0]!), { steps: 2, profile: true }).profile![0]!;
    t.dispose();
    return instrs.map(({ kernel, flops, bytes }) => `${kernel} ${flops} ${bytes}`);
  });
  expect(work[1]).toEqual(work[0]);
  expect(work[0]!.filter((k) => k.startsWith('lookupRows')).length).toBe(1);
  expect(work[0]!.filter((k) => k.startsWith('scatter'))).toEqual([]);
});

describe('refused', () => {
  test('what gives every row a gradient', () => {
    expect(() => trainer({ regularize: regularize.l2(0.1) })).toThrow(/do not go with option regularize/);
  });
  test('a table that is used otherwise, or not at all', () => {
    const fit = (forward: (x: Tensor, m: Tables) => Tensor) => {
      const t = trainer({ loss: ({ x, y }, m) => loss.mse(forward(x, m), y) });
      return expect(() => t.fitSync(batch([1, 2]), { steps: 1 }));
    };
    const all = (m: Tables): Tensor => sum(matmul(m.table.weight, transpose(m.table.weight.toTensor())));
    fit((x, m) => add(m.forward(x), all(m))).toThrow(
      /^table\.weight: sparse updates need a gradient that comes from lookups alone/,
    );
  });
  test('options that are none', () => {
    expect(() => new nn.Embedding(3, 2, { paddingIdx: 3 })).toThrow(
      /Embedding: option paddingIdx: expected a whole number >= 0 and < 3/,
    );
    expect(() => new nn.Embedding(3, 2, { sparse: 1 as never })).toThrow(/option sparse: expected true or false/);
    expect(() => new nn.EmbeddingBag(3, 2, { mode: 'avg' as 'sum' })).toThrow(
      /EmbeddingBag: option mode: expected one of sum, mean, max/,
    );
  });
});
