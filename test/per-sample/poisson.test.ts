// poisson.test.ts: Poisson sampling: the law of what is drawn, and steps beside plain loops in f64, whatever they are cut into.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import {
  type Callback,
  clip,
  nn,
  OptionError,
  ops,
  optim,
  readRecord,
  Trainer,
  type TrainerOptions,
  windows,
} from '../../lib/index.ts';
import { mostDrawn, rowsDrawn, uniforms } from '../../lib/ir/draws.ts';
import { byKey } from '../../lib/train/feed/poisson.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-poisson-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Of 0 .. n, how likely each is as the number of rows drawn. */
function binomial(n: number, q: number): number[] {
  const p = [(1 - q) ** n];
  for (let k = 1; k <= n; k++) p.push((p[k - 1]! * (n - k + 1) * q) / (k * (1 - q)));
  return p;
}

describe.each([
  ['by a seed', (draw: number) => uniforms(7n, draw)],
  ['by a key', byKey(new Uint8Array(32).fill(5))],
])('rows that are drawn %s', (_, by) => {
  test('are as many as a binomial law has it, each as likely as the next, and none hangs on another', () => {
    const [n, q, draws] = [12, 0.3, 40_000];
    const counts = new Array(n + 1).fill(0);
    const both = Array.from({ length: n }, () => new Array(n).fill(0));
    for (let i = 0; i < draws; i++) {
      const rows = rowsDrawn(n, q, by(i));
      counts[rows.length]++;
      for (const a of rows) for (const b of rows) both[a]![b]++;
    }
    let chi = 0;
    const law = binomial(n, q).map((p) => p * draws);
    const kept = law.map((e, k) => [e, counts[k]] as const).filter(([e]) => e > 5);
    for (const [e, got] of kept) chi += (got - e) ** 2 / e;
    // The mean of a chi-square is its degrees of freedom, its variance twice that.
    expect(chi).toBeLessThan(kept.length + 5 * Math.sqrt(2 * kept.length));
    for (let a = 0; a < n; a++) {
      for (let b = 0; b < n; b++) {
        const p = a === b ? q : q * q;
        expect(Math.abs(both[a]![b] / draws - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / draws));
      }
    }
  });

  test('are in order, below n, and the same again', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.double({ min: 1e-6, max: 1, noNaN: true }), fc.nat(), (n, q, draw) => {
        const rows = [...rowsDrawn(n, q, by(draw))];
        expect(rows.every((row, i) => Number.isInteger(row) && row > (rows[i - 1] ?? -1) && row < n)).toBe(true);
        expect([...rowsDrawn(n, q, by(draw))]).toEqual(rows);
        expect(rowsDrawn(n, 1, by(draw)).length).toBe(n);
      }),
    );
  });

  test('are others in another step', () => {
    const seen = new Set(Array.from({ length: 200 }, (_, i) => rowsDrawn(100, 0.5, by(i)).join()));
    expect(seen.size).toBe(200);
  });
});

test('the most rows of a draw are beyond what is ever drawn, and no more than there are', () => {
  expect(mostDrawn(10, 1)).toBe(10);
  expect(mostDrawn(1, 0.5)).toBe(1);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.double({ min: 0.01, max: 0.99, noNaN: true }), (n, q) => {
      const most = mostDrawn(n, q);
      const beyond = binomial(n, q).slice(most + 1);
      expect(beyond.reduce((a, b) => a + b, 0)).toBeLessThan(2 ** -99);
    }),
  );
});

// ---- training ------------------------------------------------------------------------------------------------------
const N = 50;
const X = Float32Array.from({ length: N * 3 }, (_, i) => Math.fround(Math.sin(1 + i * 1.7)));
const Y = Float32Array.from({ length: N }, (_, i) => Math.fround(Math.cos(i * 0.9)));
const DATA = { x: { data: X, shape: [N, 3] }, y: { data: Y, shape: [N, 1] } };
const [C, LR] = [0.4, 0.5];

const loss: TrainerOptions<nn.Linear, 'x' | 'y'>['loss'] = ({ x, y }, model) =>
  ops.mean(ops.square(ops.sub(model.forward(x), y)), { dtype: 'f64' });

function makeTrainer(options: Partial<Omit<TrainerOptions<nn.Linear, 'x' | 'y'>, 'predict'>> = {}) {
  const model = new nn.Linear(3, 1);
  const all = { model, loss, optimizer: optim.sgd({ lr: LR }), clip: clip.perSample(C), batchSize: 10, seed: 3, ...options };
  const trainer = new Trainer<nn.Linear, 'x' | 'y'>(all);
  trainer.writeParametersSync({ weight: [[0.3, -0.2, 0.5]], bias: [0.1] });
  return trainer;
}
type Made = ReturnType<typeof makeTrainer>;
const weightsOf = (trainer: Made): number[] => [...trainer.readParametersSync().values()].flatMap(({ data }) => [...data]);

/** Steps of the same in plain loops, f64: the rows of each are those that its seed draws. */
function truth(steps: number, { expected = 10, rows = 8, data = X, wait = 0 } = {}) {
  const w = [0.3, -0.2, 0.5, 0.1].map(Math.fround);
  const losses: number[] = [];
  let attempt = wait;
  for (let t = 0; t < steps; t++) {
    const drawn = rowsDrawn(N, expected / N, uniforms(3n, attempt));
    const sum = [0, 0, 0, 0];
    let lost = 0;
    for (const i of drawn) {
      const x = [data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!, 1];
      const error = x.reduce((s, v, k) => s + v * w[k]!, 0) - Y[i]!;
      const g = x.map((v) => 2 * error * v);
      const scale = Math.min(1, C / Math.hypot(...g));
      lost += error * error;
      if (Number.isFinite(scale)) for (let k = 0; k < 4; k++) sum[k]! += scale * g[k]!;
    }
    for (let k = 0; k < 4; k++) w[k]! -= (LR * sum[k]!) / expected;
    losses.push(drawn.length > 0 ? lost / drawn.length : 0);
    attempt += Math.max(1, Math.ceil(drawn.length / rows));
  }
  return { w, losses, attempt };
}

const near = (got: readonly number[], want: readonly number[], within = 3e-6): void => {
  expect(got.length).toBe(want.length);
  for (const [i, v] of want.entries()) expect(Math.abs(got[i]! - v)).toBeLessThan(within * Math.max(1, Math.abs(v)));
};

describe('steps by Poisson sampling', () => {
  test.each([
    { microBatch: 1 },
    { microBatch: 3 },
    { microBatch: 8 },
    { microBatch: 17 },
    { microBatch: N },
    { microBatch: 8, chunkSteps: 1 },
    { microBatch: 8, chunkSteps: 7 },
  ])('are those of plain loops: %o', async ({ microBatch, ...options }) => {
    using trainer = makeTrainer();
    const losses: number[] = [];
    const run = trainer.fit(DATA, { sampling: 'poisson', steps: 20, microBatch, ...options });
    for await (const report of run) losses.push(report.loss);
    const want = truth(20, { rows: microBatch });
    near(losses, want.losses);
    near(weightsOf(trainer), want.w);
    expect(trainer.counters).toMatchObject({ step: 20, attempt: want.attempt, epoch: 4, batch: 0 });
  });

  test('have a quarter of the rows at a time where nobody says how many', () => {
    using trainer = makeTrainer({ batchSize: 20, accumulate: 2 });
    trainer.fitSync(DATA, { sampling: 'poisson', steps: 9 });
    near(weightsOf(trainer), truth(9, { expected: 40, rows: 10 }).w);
  });

  test('of all rows are those of whole batches', () => {
    using trainer = makeTrainer({ batchSize: N });
    trainer.fitSync(DATA, { sampling: 'poisson', epochs: 4 });
    using whole = makeTrainer({ batchSize: N });
    whole.fitSync(DATA, { epochs: 4 });
    near(weightsOf(trainer), weightsOf(whole), 1e-6);
    expect(trainer.counters.epoch).toBe(4);
  });

  test('may have no rows: nothing but noise moves the weights then, and they count', async () => {
    const empty = (noise: number) => ({ batchSize: 1, clip: clip.perSample(C, { noise, secure: false }) });
    using trainer = makeTrainer(empty(0));
    const want = truth(40, { expected: 1, rows: 8 });
    const losses: number[] = [];
    for await (const { loss } of trainer.fit(DATA, { sampling: 'poisson', steps: 40, microBatch: 8 })) losses.push(loss);
    expect(losses.filter((l) => l === 0).length).toBeGreaterThan(5);
    near(losses, want.losses);
    near(weightsOf(trainer), want.w);

    using noisy = makeTrainer(empty(1));
    const first = want.losses.indexOf(0);
    noisy.fitSync(DATA, { sampling: 'poisson', steps: first, microBatch: 8 });
    const before = weightsOf(noisy);
    const { applied } = noisy.fitSync(DATA, { sampling: 'poisson', steps: 1, microBatch: 8 });
    expect([applied, noisy.counters.step]).toEqual([1, first + 1]);
    weightsOf(noisy).forEach((v, i) => {
      expect(v).not.toBe(before[i]);
    });
  });

  test('read nothing of rows that fill up: a first row that is not finite is left out where it is drawn', async () => {
    const bad = X.slice();
    bad[0] = Number.NaN;
    using trainer = makeTrainer();
    const data = { ...DATA, x: { data: bad, shape: [N, 3] } };
    const counts: (number | undefined)[] = [];
    for await (const r of trainer.fit(data, { sampling: 'poisson', steps: 20, microBatch: 8 })) {
      counts.push((r as { badCount?: number }).badCount);
    }
    const want = truth(20, { data: bad });
    near(weightsOf(trainer), want.w);
    const without = truth(20);
    expect(want.losses.filter(Number.isNaN).length).toBeGreaterThan(1);
    expect(want.losses.filter(Number.isNaN).length).toBeLessThan(without.losses.length);
  });

  test('go on after a stop, a save and a load as if there had been none', async () => {
    const options = { clip: clip.perSample(C, { noise: 0.7, secure: false }), optimizer: optim.adam({ lr: 0.05 }) };
    using whole = makeTrainer(options);
    await whole.fit(DATA, { sampling: 'poisson', steps: 13 });
    for (const threads of [1, 3]) {
      using first = makeTrainer({ ...options, threads });
      await first.fit(DATA, { sampling: 'poisson', steps: 6 });
      const file = join(folder, `${threads}.safetensors`);
      await first.save(file);
      using second = makeTrainer({ ...options, threads });
      await second.load(file);
      const rest = second.fitSync(DATA, { sampling: 'poisson', steps: 7, chunkSteps: 2 });
      expect(weightsOf(second)).toEqual(weightsOf(whole));
      expect(rest.warnings).toEqual([]);
      expect(second.counters).toEqual(whole.counters);
    }
  });

  test('are in a record, whose norms are means over samples', async () => {
    const record = join(folder, 'run.jsonl');
    using trainer = makeTrainer();
    await trainer.fit(DATA, { sampling: 'poisson', steps: 5, record });
    const { header, loss } = await readRecord(record);
    expect(header!.norm).toBe(null);
    near([...loss], truth(5).losses);
  });

  test('are resumed within an epoch', async () => {
    const checkpoint = { file: join(folder, 'run-{step}.safetensors'), every: { steps: 4 }, keep: 2 };
    const options = { sampling: 'poisson', epochs: 3 } as const;
    using whole = makeTrainer();
    const { tried } = await whole.fit(DATA, options);
    using first = makeTrainer();
    await first.fit(DATA, {
      ...options,
      checkpoint,
      callbacks: [{ name: 'stops', onSteps: (_, run) => run.counters.step >= 6 && run.stop() }] as Callback[],
    });
    using second = makeTrainer();
    await second.fit(DATA, { ...options, checkpoint, resume: 'auto' });
    expect(second.counters).toEqual(whole.counters);
    expect(tried).toBe(15);
    expect(weightsOf(second)).toEqual(weightsOf(whole));
  });

  test('make epochs in which each row is expected once', () => {
    using trainer = makeTrainer({ batchSize: 15 });
    const ends: number[] = [];
    const extents: unknown[] = [];
    let rows = 0;
    const watcher: Callback = {
      name: 'rows',
      onStart: (run) => void extents.push(run.extent),
      onSteps: (reports) => {
        rows += reports.rows;
      },
    };
    trainer.fitSync(DATA, { sampling: 'poisson', epochs: 50, onEpoch: ({ steps }) => ends.push(steps), callbacks: [watcher] });
    expect(ends).toEqual(new Array(50).fill(4));
    expect(extents).toMatchObject([{ steps: 200, epochSteps: 4, rows: 15 }]);
    // 200 draws of a binomial law.
    expect(Math.abs(rows - 3000)).toBeLessThan(5 * Math.sqrt(200 * 15 * 0.7));
  });

  test('beside secure noise are others each time, whatever the seed', async () => {
    const draws = async (secure: boolean): Promise<number[]> => {
      // So little that only what is drawn tells.
      using trainer = makeTrainer({ clip: clip.perSample(C, { noise: 1e-30, secure }) });
      const losses: number[] = [];
      for await (const { loss } of trainer.fit(DATA, { sampling: 'poisson', steps: 8 })) losses.push(loss);
      return losses;
    };
    expect(await draws(false)).toEqual(await draws(false));
    expect(await draws(true)).not.toEqual(await draws(true));
    expect(await draws(true)).not.toEqual(await draws(false));
  });

  test('a fit of fixed batches beside noise says what does not hold of it', async () => {
    const of = (noise: number, sampling: 'fixed' | 'poisson') => {
      using trainer = makeTrainer({ clip: clip.perSample(C, { noise }) });
      return trainer.fitSync(DATA, { sampling, steps: 2 }).warnings.map(({ code, details }) => `${code} ${details.name}`);
    };
    expect(of(1, 'fixed')).toEqual(['fixedBatches sampling']);
    expect(of(1, 'poisson')).toEqual([]);
    expect(of(0, 'fixed')).toEqual([]);
  });

  test('in between, fits of batches and of one row more go on', () => {
    using trainer = makeTrainer();
    trainer.fitSync(DATA, { sampling: 'poisson', steps: 3 });
    // Batches of the epoch under way were others: it begins anew.
    expect(trainer.fitSync(DATA, { epochs: 1 }).tried).toBe(5);
    const { attempt } = trainer.counters;
    trainer.fitSync(DATA, { sampling: 'poisson', steps: 2 });
    expect(trainer.counters.attempt).toBeGreaterThan(attempt + 1);
  });
});

describe('what Poisson sampling is not for', () => {
  const refused = (code: string, text: RegExp, fit: () => unknown): void => {
    const error = (() => {
      try {
        fit();
        return null;
      } catch (error) {
        return error as OptionError;
      }
    })();
    expect(error).toBeInstanceOf(OptionError);
    expect(error!.message).toMatch(text);
    expect(error!.details.option).toBe(code);
  };
  const on =
    (options: object, made: Parameters<typeof makeTrainer>[0] = {}, data: unknown = DATA) =>
    () => {
      using trainer = makeTrainer(made);
      trainer.fitSync(data as typeof DATA, { sampling: 'poisson', steps: 1, ...options });
    };

  test('is refused', () => {
    refused('sampling', /clip\.perSample/, on({}, { clip: clip.globalNorm(1) }));
    refused('shuffle', /no order/, on({ shuffle: true }));
    refused('shuffle', /no order/, on({ shuffle: false }));
    refused('dropLast', /dropLast/, on({}, { dropLast: true }));
    refused('batchSize', /51 rows cannot be drawn of 50/, on({ batchSize: N + 1 }));
    refused('microBatch', /50 at most/, on({ microBatch: N + 1 }));
    refused('microBatch', /whole number/, on({ microBatch: 0 }));
    refused('microBatch', /sampling: 'poisson'/, on({ microBatch: 4, sampling: 'fixed' }));
    refused('sampling', /poisson/, on({ sampling: 'Poisson' }));
    refused('sampling', /stream/, on({}, {}, [DATA]));
    refused('sampling', /chooses its own rows/, on({}, {}, windows(new Int32Array(50), { length: 3 })));
  });
});
