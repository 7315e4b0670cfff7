// loss-scale.test.ts: a scaled loss trains to the same bits, saves gradients that f32 would lose, and adapts as torch.amp.GradScaler.
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { clip, loss, NonFiniteError, ops, optim, type Report, regularize, type TrainerOptions } from '../../../lib/index.ts';
import { bits, classifier, type MLP, points } from '../models.ts';

const data = points(100);
const golden = JSON.parse(readFileSync(new URL('../../golden/optim/loss-scale.json', import.meta.url), 'utf8')) as {
  readonly bad: readonly number[];
  readonly default: readonly number[];
  readonly other: readonly number[];
};

describe('a fixed scale changes no bit of what is learned, and none of the report', () => {
  const cases: [string, Partial<TrainerOptions<MLP>>][] = [
    ['global norm', { clip: clip.globalNorm(0.5) }],
    ['1-norm', { clip: clip.globalNorm(0.5, { p: 1 }) }],
    ['3-norm', { clip: clip.globalNorm(0.5, { p: 3 }) }],
    ['per tensor, maximum', { clip: clip.perTensorNorm(0.01, { p: Infinity }) }],
    ['value, which the update measures', { clip: clip.value(0.01) }],
    ['chain', { clip: clip.chain(clip.value(0.02), clip.globalNorm(0.1)) }],
    ['non-finite as 0', { clip: clip.globalNorm(0.5, { nonFinite: 'zero' }) }],
    ['measured only', { clip: clip.none() }],
    ['not measured', { clip: clip.none({ measure: false }) }],
    ['accumulated and penalized', { accumulate: 3, regularize: regularize.elasticNet(1e-3, 1e-2) }],
  ];
  test.each(cases)('%s', async (_, options) => {
    const run = async (more: Partial<TrainerOptions<MLP>>): Promise<{ reports: Omit<Report, 'lossScale'>[]; hash: string }> => {
      const trainer = classifier({ rate: 0.2, ...options, ...more });
      const reports: Report[] = [];
      for await (const r of trainer.fit(data, { steps: 30 })) reports.push(r);
      return { reports: reports.map(({ lossScale: _, ...r }) => r), hash: await bits(trainer) };
    };
    const plain = await run({});
    const scaled = await run({ lossScale: 4096, threads: 3 });
    expect(scaled.hash).toBe(plain.hash);
    expect(scaled.reports).toEqual(plain.reports);
    expect((await run({ lossScale: { interval: 5 }, threads: 1 })).hash).toBe(plain.hash);
  });
});

test('gradients that f32 cannot hold are kept', async () => {
  const tiny: TrainerOptions<MLP>['loss'] = ({ x, y }, model) => ops.mul(loss.crossEntropy(model.forward(x), y), 2 ** -140);
  const norm = async (options: Partial<TrainerOptions<MLP>>): Promise<number> => {
    const { last } = await classifier({ loss: tiny, clip: clip.none(), ...options }).fit(data, { steps: 1 });
    return last!.norm;
  };
  const { last } = await classifier({ clip: clip.none() }).fit(data, { steps: 1 });
  const want = last!.norm * 2 ** -140;
  expect(await norm({ lossScale: 2 ** 100 })).toBe(want);
  expect(Math.abs((await norm({})) / want - 1)).toBeGreaterThan(1e-5);
});

describe('dynamic', () => {
  /** Batches of 8 rows, of which some have a NaN. */
  const batches = function* (bad: (t: number) => boolean, from = 0, to = 40): Generator<ReturnType<typeof points>> {
    for (let t = from; t < to; t++) {
      const batch = points(8, 6, t + 1);
      if (bad(t)) batch.x.data[7] = Number.NaN;
      yield batch;
    }
  };
  const stream = async function* (from = 0, to = 40) {
    yield* batches((t) => golden.bad.includes(t), from, to);
  };
  const options = {
    default: { interval: 3 },
    other: { init: 1024, growth: 4, backoff: 0.25, interval: 2 },
  } as const;
  const trainer = (name: 'default' | 'other', more: Partial<TrainerOptions<MLP>> = {}) =>
    classifier({ lossScale: options[name], ...more });

  test.each(['default', 'other'] as const)('%s as GradScaler', async (name) => {
    for (const policy of [clip.globalNorm(0.5), clip.none({ measure: false }), clip.globalNorm(0.5, { nonFinite: 'zero' })]) {
      const one = trainer(name, { clip: policy });
      const reports: Report[] = [];
      for await (const r of one.fit(stream())) reports.push(r);
      expect(reports.map((r) => r.lossScale)).toEqual(golden[name]);
      expect(reports.flatMap((r, t) => (r.skipped ? [t] : []))).toEqual(golden.bad);
      expect(one.counters).toMatchObject({ attempt: 40, step: 40 - golden.bad.length });
    }
  });

  test('its state is in the checkpoint, and a resumed run goes on as it would have', async () => {
    const whole = trainer('other');
    const want: Report[] = [];
    for await (const r of whole.fit(stream())) want.push(r);
    const first = trainer('other');
    await first.fit(stream(0, 22));
    const file = join(mkdtempSync(join(tmpdir(), 'gradclip-')), 'scale.safetensors');
    await first.save(file);
    const second = trainer('other');
    await second.load(file);
    const got: Report[] = [];
    for await (const r of second.fit(stream(22))) got.push(r);
    expect(got).toEqual(want.slice(22));
    expect(await bits(second)).toBe(await bits(whole));
  });

  test('the scale does not fall below 1; too many skips in a row end the run', async () => {
    const always = async function* () {
      yield* batches(() => true);
    };
    const one = classifier({ lossScale: { init: 4 }, clip: clip.globalNorm(1, { maxSkips: 5 }) });
    const scales: (number | undefined)[] = [];
    const reading = async (): Promise<void> => {
      for await (const r of one.fit(always())) scales.push(r.lossScale);
    };
    await expect(reading()).rejects.toThrow(NonFiniteError);
    expect(scales).toEqual([4, 2, 1, 1, 1]);
  });
});

test('wrong options', () => {
  const wrong = (lossScale: unknown) => () => classifier({ lossScale: lossScale as number, optimizer: optim.sgd() });
  expect(wrong(1000)).toThrow(/option lossScale: expected a power of two from 1 to 2\^100, got 1000/);
  expect(wrong(0.5)).toThrow(/expected a power of two from 1 to 2\^100, got 0.5|expected a finite number >= 1/);
  expect(wrong({ growth: 1 })).toThrow(/option lossScale.growth/);
  expect(wrong({ backoff: 0.3 })).toThrow(/option lossScale.backoff: expected a power of two below 1, got 0.3/);
  expect(wrong({ interval: 0 })).toThrow(/option lossScale.interval/);
  expect(wrong({ initial: 1 })).toThrow(/unknown option initial/);
  expect(wrong('dynamic')).toThrow(/lossScale/);
});
