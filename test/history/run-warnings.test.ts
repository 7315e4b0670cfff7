// run-warnings.test.ts: what is said of a run itself, with its figures and what to change: of histories made up to deserve it, and of others that nearly do.
import { describe, expect, it } from 'vitest';
import { type Advice, advise, type Columns, type RecordHeader, type Warning } from '../../lib/history/index.ts';

const list = (n: number, of: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => of(i));
/** Norms in a fixed order without a trend: 0.5 to 1.5. */
const bulk = (n: number): number[] => list(n, (i) => 0.5 + ((i * 617) % n) / n);
const falls = (n: number): number[] => list(n, (i) => 2 / (1 + i));
const flat = (n: number): number[] => list(n, () => 2);
const codes = (a: Advice): string[] => a.warnings.map((w) => w.code);
const of = (a: Advice, code: string): Warning | undefined => a.warnings.find((w) => w.code === code);

/** A record of one matrix of 1,000 elements of .1 in the mean square: 3.16 long. */
const header = (
  change: Partial<RecordHeader> & { lr?: number; eps?: number | null; momentum?: number | null } = {},
): RecordHeader => {
  const { lr = 0.1, eps = null, momentum = 0, ...rest } = change;
  return {
    ...{ library: '0', policy: 'globalNorm', norm: 2, seed: '0', threads: 1, batchSize: 1, accumulate: 1, perLayer: false },
    ...{ unbounded: null, optimizers: [{ name: 'optim.sgd', lr, eps, momentum }] },
    parameters: [{ name: 'w', shape: [50, 20], optimizer: 0, rms: 0.1 }],
    ...rest,
  };
};
const clipped = (norm: readonly number[], c: number): Columns => ({
  norm,
  threshold: norm.map(() => c),
  clipped: norm.map((n) => n > c),
  scale: norm.map((n) => Math.min(1, c / n)),
  normAfter: norm.map((n) => Math.min(n, c)),
  attempt: norm.map((_, i) => i),
});

describe('notLearning', () => {
  it('where the loss never fell, rose or became NaN; not where it fell', () => {
    const norm = bulk(400);
    expect(of(advise({ norm, loss: flat(400) }), 'notLearning')).toMatchObject({
      level: 'warning',
      figures: { first: 2, last: 2, until: 0, why: 'never' },
      text: expect.stringContaining('no less than its noise allows'),
      cure: null,
    });
    const rose = advise({ norm, loss: falls(400).map((l, i) => (i < 300 ? l : 14)), header: header() });
    expect(of(rose, 'notLearning')!.text).toMatch(
      /fell from 0\.667 to 0\.00\d+ and is 14 at the end; a threshold is made of the 299 steps before\./,
    );
    // Nothing tells by how much the rate is too high: the first update was sound.
    expect(of(rose, 'notLearning')!.cure).toEqual({ option: 'lr', value: 0.01 });
    const nan = advise({ norm, loss: falls(400).map((l, i) => (i < 300 ? l : Number.NaN)) });
    expect(of(nan, 'notLearning')).toMatchObject({ figures: { why: 'notFinite' } });
    expect(codes(advise({ norm, loss: falls(400) }))).toEqual([]);
    expect(codes(advise(norm))).toEqual([]);
  });

  it('names the clip, where norms rose far beyond those before', () => {
    const norm = bulk(400).map((n, i) => (i < 300 ? n : 1e4 * n));
    const found = advise({ norm, loss: falls(400).map((l, i) => (i < 300 ? l : 14)) });
    expect(of(found, 'notLearning')!.cure).toEqual({ option: 'threshold', value: Number(found.threshold!.toPrecision(2)) });
    expect(found.threshold).toBeLessThan(1.5);
  });

  it('leaves the cure to what is the cause', () => {
    const found = advise({ ...clipped(bulk(400), 0.01), loss: flat(400), header: header() });
    expect(codes(found)).toEqual(expect.arrayContaining(['notLearning', 'clipsMost']));
    expect(of(found, 'notLearning')).toMatchObject({ cure: null, text: expect.stringContaining('Look at clipsMost first.') });
    expect(of(found, 'clipsMost')!.cure).toEqual({
      option: 'threshold',
      value: Number(
        bulk(400)
          .sort((a, b) => a - b)[380]!
          .toPrecision(2),
      ),
    });
  });
});

describe('standsStill', () => {
  // An update of SGD is lr * c / sqrt(1,000) in the mean square; half an ulp of .1 at least .1 * 2^-25 = 2.98e-9.
  const still = (c: number, change: Parameters<typeof header>[0] = {}, loss = flat(400)): Warning | undefined =>
    of(advise({ ...clipped(bulk(400), c), loss, header: header(change) }), 'standsStill');

  it('where an update is below half an ulp of the weights; not right above it', () => {
    const limit = (0.1 * 2 ** -25 * Math.sqrt(1000)) / 0.1;
    expect(still(0.99 * limit)).toMatchObject({ figures: { share: 1 }, cure: { option: 'threshold' } });
    expect(still(0.99 * limit)!.figures.ratio).toBeCloseTo(0.99 * 2 ** -25, 10);
    expect(still(1.01 * limit)).toBeUndefined();
    // Momentum adds up to ten times as much.
    expect(still(0.99 * limit, { momentum: 0.9 })).toBeUndefined();
    expect(still(0.099 * limit, { momentum: 0.9 })).toBeDefined();
  });

  it('of Adam by its rate, unless eps is what it divides by', () => {
    expect(still(1e-6, { momentum: null, eps: 1e-8, lr: 1e-3 })).toBeUndefined();
    // An element of 3e-11 beside an eps of 1e-8: a step of 3e-3 of the rate.
    expect(still(1e-9, { momentum: null, eps: 1e-8, lr: 9e-7 })).toBeDefined();
    expect(still(1e-9, { momentum: null, eps: 1e-8, lr: 1e-3 })).toBeUndefined();
  });

  it('asks for another rate where it is no clip', () => {
    const found = advise({ ...clipped(bulk(400), 10), loss: flat(400), header: header({ lr: 1e-9 }) });
    const { cure } = of(found, 'standsStill')!;
    expect(cure!.option).toBe('lr');
    // An update of 3 % of the weights: lr * 1 / sqrt(1,000) is .003.
    expect(cure!.value).toBeCloseTo((0.003 * Math.sqrt(1000)) / 1, 2);
  });

  it('not of what learns, of what has no gradient, and of records that do not know the weights', () => {
    expect(still(1e-9, {}, falls(400))).toBeUndefined();
    const zeros = { ...clipped(flat(400).fill(0), 1), loss: flat(400), header: header() };
    expect(codes(advise(zeros))).not.toContain('standsStill');
    expect(still(1e-9, { parameters: [{ name: 'w', shape: [50, 20], optimizer: 0 }] })).toBeUndefined();
    expect(still(1e-9, { momentum: null, eps: null })).toBeUndefined();
  });
});

describe('exploding', () => {
  const run = (norm: readonly number[], loss: readonly number[], lr = 0.1): Advice =>
    advise({ ...clipped(norm, Infinity), loss, header: header({ lr }) });

  it('where a gradient is more than ten times as long as the weights; not right below', () => {
    // The weights are 3.162 long.
    const spike = (x: number): number[] => bulk(400).map((n, i) => (i === 0 ? x : n));
    const found = of(run(spike(32), flat(400)), 'exploding');
    expect(found).toMatchObject({
      level: 'warning',
      figures: { steps: 1, first: 0, largest: 32, times: expect.closeTo(10.12, 2) },
    });
    // 3 % of 3.162, over a rate of .1.
    expect(found!.cure).toEqual({ option: 'threshold', value: 0.95 });
    expect(of(run(spike(31), flat(400)), 'exploding')).toBeUndefined();
    // A run that learned all the same.
    expect(of(run(spike(32), falls(400)), 'exploding')).toMatchObject({ level: 'remark', cure: null });
  });

  it('asks for a lower rate where the updates before were too long', () => {
    const found = run(
      bulk(400).map((n, i) => n * 10 ** (i / 10)),
      list(400, (i) => 2 + i),
    );
    expect(of(found, 'exploding')!.cure).toBeNull();
    expect(of(found, 'notLearning')!.cure).toEqual({ option: 'lr', value: 0.01 });
    // An update ten times as long as the weights: 330 times what is sound.
    const high = run(
      bulk(400).map((n, i) => n * 10 ** (i / 10)),
      list(400, (i) => 2 + i),
      63.2,
    );
    expect(of(high, 'notLearning')!.cure!.value).toBeCloseTo((0.03 * 3.162) / 0.5, 2);
  });
});

describe('zeroGradients', () => {
  const layered = (first: (i: number) => number, second: (i: number) => number): Columns => ({
    norm: list(200, (i) => Math.hypot(first(i), second(i))),
    loss: flat(200),
    header: header(),
    layers: {
      names: ['a.weight', 'b.weight'],
      shapes: [
        [5, 5],
        [5, 5],
      ],
      norms: Float64Array.from(list(400, (k) => (k % 2 ? second : first)(k >> 1))),
    },
  });

  it('tells the share of steps, and whether units died', () => {
    const dead = of(
      advise({ norm: bulk(200).map((n, i) => (i < 100 ? n : 0)), loss: flat(200), header: header() }),
      'zeroGradients',
    );
    expect(dead).toMatchObject({
      level: 'warning',
      figures: { share: 100 / 180, steps: 100 },
      cure: { option: 'lr', value: 0.01 },
    });
    expect(dead!.text).toContain('It was not at the start');
    const never = of(advise({ norm: flat(200).fill(0), loss: flat(200), header: header() }), 'zeroGradients');
    expect(never).toMatchObject({
      figures: { share: 1 },
      cure: null,
      text: expect.stringContaining('Nothing reaches these weights'),
    });
    expect(codes(advise({ norm: bulk(200), loss: falls(200) }))).not.toContain('zeroGradients');
    // A step in fifty is nothing to be alarmed at.
    const few = advise({ norm: bulk(200).map((n, i) => (i % 50 === 49 ? 0 : n)), loss: falls(200) });
    expect(of(few, 'zeroGradients')).toMatchObject({ level: 'remark', figures: { steps: 4 } });
  });

  it('leaves no threshold where most weights had a gradient and lost it, however the loss fell', () => {
    const run = (rows: number): Columns => ({
      ...layered(
        (i) => (i < 5 ? 1 : 0),
        () => 1,
      ),
      loss: falls(200),
      layers: {
        ...layered(
          (i) => (i < 5 ? 1 : 0),
          () => 1,
        ).layers!,
        shapes: [
          [rows, 5],
          [5, 5],
        ],
      },
    });
    const most = advise(run(6));
    expect(most.evidence).toMatchObject({ learned: true, text: expect.stringContaining('none in most of the steps') });
    expect(most).toMatchObject({ threshold: null, clipRate: null, rules: [] });
    // Half of them, or weights that never had one: the others learn.
    expect(advise(run(5)).threshold).toBeCloseTo(1);
    const never = layered(
      () => 0,
      () => 1,
    );
    expect(advise({ ...never, loss: falls(200), layers: { ...never.layers!, shapes: run(6).layers!.shapes } }).threshold).toBe(1);
  });

  it('names the parameters', () => {
    const found = of(
      advise(
        layered(
          () => 0,
          () => 1,
        ),
      ),
      'zeroGradients',
    );
    expect(found).toMatchObject({ level: 'warning', figures: { name: 'a.weight', parameters: 1, steps: 0 } });
    expect(found!.text).toMatch(/^The gradient of a\.weight was 0 in more than half of the steps\./);
    expect(
      codes(
        advise(
          layered(
            (i) => (i % 3 === 0 ? 0 : 1),
            () => 1,
          ),
        ),
      ),
    ).not.toContain('zeroGradients');
  });
});

describe('vanishing', () => {
  /** Layers of 100 weights, whose gradients get smaller by `factor` from one to the one before. */
  const deep = (factors: readonly number[], change: Parameters<typeof header>[0] = {}): Advice => {
    const names = factors.map((_, k) => `${k}.weight`);
    const parameters = names.map((name) => ({ name, shape: [10, 10], optimizer: 0, rms: 0.1 }));
    return advise({
      norm: flat(50),
      loss: falls(50),
      header: header({ parameters, ...change }),
      layers: {
        names,
        shapes: names.map(() => [10, 10]),
        norms: Float64Array.from(list(50 * names.length, (i) => factors[i % names.length]!)),
      },
    });
  };
  const even = (factor: number, n = 7): number[] => list(n, (k) => factor ** (n - 1 - k));

  it('from the last layers to the first, by more than 1,000 in all', () => {
    const found = of(deep(even(1 / 4)), 'vanishing');
    expect(found).toMatchObject({
      level: 'warning',
      figures: { first: '0.weight', last: '6.weight', ratio: 4 ** -6, layers: 7 },
    });
    expect(found!.figures.factor).toBeCloseTo(4, 10);
    // 3 % of the weights' length, 2.65, over a rate of .1, a part for each of seven.
    expect(found!.cure).toEqual({ option: 'normalize', value: 0.3 });
    expect(of(deep(even(1 / 4), { policy: 'normalize' }), 'vanishing')!.cure).toBeNull();
    expect(codes(deep(even(1 / 3)))).not.toContain('vanishing');
    // The other way round they explode.
    expect(codes(deep(even(4)))).not.toContain('vanishing');
  });

  it('not of one layer alone, as a table of which a step uses few rows, and not of three layers', () => {
    expect(codes(deep([1e-5, 1, 1, 1, 1, 1, 1]))).not.toContain('vanishing');
    expect(codes(deep(even(1 / 100, 3)))).not.toContain('vanishing');
  });
});

describe('noPast', () => {
  const open = (first: number, unbounded: string | null = 'option max of clip.autoClip'): Warning | undefined => {
    const norm = bulk(200).map((n, i) => (i === 0 ? first : n));
    const history = { ...clipped(norm, 1.4), threshold: norm.map((n, i) => (i === 0 ? n : 1.4)), loss: falls(200) };
    return of(advise({ ...history, header: header({ policy: 'autoClip', unbounded }) }), 'noPast');
  };

  it('tells what went through before there was a threshold', () => {
    expect(open(140)).toMatchObject({
      ...{ level: 'warning', figures: { steps: 1, largest: 140, threshold: 1.4 }, cure: { option: 'absolute', value: 1.4 } },
      text: expect.stringContaining('(option max of clip.autoClip) would hold there'),
    });
    expect(open(2)).toMatchObject({ level: 'remark', cure: null });
    expect(open(140, null)).toBeUndefined();
  });

  it('also where the first thresholds are infinite; not where the history begins later', () => {
    const norm = bulk(200).map((n, i) => (i < 3 ? 50 : n));
    const history = { ...clipped(norm, 1.4), threshold: norm.map((_, i) => (i < 3 ? Infinity : 1.4)), loss: falls(200) };
    expect(of(advise(history), 'noPast')).toMatchObject({ figures: { steps: 3, largest: 50 } });
    expect(codes(advise({ ...history, attempt: norm.map((_, i) => 100 + i) }))).not.toContain('noPast');
    expect(codes(advise({ ...history, threshold: norm.map(() => Infinity) }))).not.toContain('noPast');
  });
});

describe('what clips', () => {
  it('is not what normalizes, or changes some elements in every step', () => {
    const norm = bulk(400);
    const all = { ...clipped(norm, 0.6), loss: falls(400), attempt: list(400, (i) => i) };
    expect(codes(advise({ ...all, header: header() }))).toEqual(['clipsMost']);
    expect(codes(advise({ ...all, header: header({ policy: 'normalize' }) }))).toEqual([]);
    expect(codes(advise({ ...all, clipped: norm.map(() => true), scale: norm.map((n) => 0.6 / n) }))).toEqual([]);
    expect(codes(advise({ ...all, clippedFraction: norm.map(() => 0.01) }))).toEqual([]);
  });

  it('is not raised where the rate is so high that only the clip bears it', () => {
    const all = { ...clipped(bulk(400), 0.6), loss: falls(400) };
    // 1.45 times the rate, over 3.16: an update of 3 % of the weights times 10 at a rate of .66.
    expect(of(advise({ ...all, header: header({ lr: 0.6 }) }), 'clipsMost')!.cure).not.toBeNull();
    expect(of(advise({ ...all, header: header({ lr: 0.7 }) }), 'clipsMost')!.cure).toBeNull();
  });
});
