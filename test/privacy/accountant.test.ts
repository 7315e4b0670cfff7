// accountant.test.ts: what steps spend, against Opacus, dp-accounting and quadrature (golden/privacy), a published table, and the closed form of steps that
// take all rows.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { OptionError } from '../../lib/errors.ts';
import { privacy } from '../../lib/index.ts';
import { erfc, exp } from '../../lib/math/index.ts';
import { forward, inverse, raise } from '../../lib/privacy/fft.ts';
import { type Losses, optimistic, pessimistic } from '../../lib/privacy/loss.ts';
import { composed, epsilonOf, ORDERS, rdpOf } from '../../lib/privacy/rdp.ts';
import { between } from '../kit.ts';

interface Steps {
  readonly q: number;
  readonly sigma: number;
  readonly steps: number;
}
interface Row extends Steps {
  readonly delta: number;
  readonly opacus: number;
  readonly order: number;
  readonly lower: number;
  readonly upper: number;
}
interface Golden {
  readonly rows: readonly Row[];
  readonly phases: readonly (Omit<Row, keyof Steps> & { readonly phases: readonly Steps[] })[];
  readonly moments: readonly { readonly q: number; readonly sigma: number; readonly order: number; readonly rdp: number }[];
}
const golden = JSON.parse(readFileSync('test/golden/privacy/accountants.json', 'utf8')) as Golden;
/** Rows of the reference table: our epsilon is no larger than dp-accounting's own bound. */
const TABLE = golden.rows.slice(0, 7);

// Of a plain transcription of Mironov, Talwar, Zhang 2019 in f64, whose divergences were compared with quadrature to 12 digits.
// q, sigma, steps, delta, epsilon, order
const PUBLISHED: readonly (readonly [number, number, number, number, number, number])[] = [
  [256 / 60000, 1.1, 14040, 1e-5, 2.594363354953, 8.1],
  [0.01, 1.0, 1000, 1e-5, 2.101365271643, 7.8],
  [0.01, 1.0, 10000, 1e-5, 6.712738297403, 4.1],
  [64 / 1797, 2.0, 1000, 1e-4, 2.38913556539, 6.9],
  [1, 10, 100, 1e-6, 5.221539631154, 5.9],
  [0.001, 0.7, 5000, 1e-6, 2.290778259428, 6.3],
  [0.004, 0.6, 3000, 1e-5, 6.090664072665, 3.3],
];

/** By the compiled library: what takes long. */
function asked<T>(...calls: readonly object[]): T[] {
  const { stdout, stderr } = spawnSync(process.execPath, ['dist/test/children/privacy.js', JSON.stringify(calls)], {
    encoding: 'utf8',
  });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as T[];
}
interface Bounds {
  readonly lower: number;
  readonly upper: number;
}

const cumulative = (x: number): number => erfc(-x / Math.SQRT2) / 2;
/** The divergence of n steps of all rows: Gaussian noise of sigma / sqrt(n) (Balle, Wang 2018). */
function deltaOfAll(sigma: number, steps: number, epsilon: number): number {
  const mean = Math.sqrt(steps) / sigma;
  return cumulative(mean / 2 - epsilon / mean) - exp(epsilon) * cumulative(-mean / 2 - epsilon / mean);
}

describe('moments', () => {
  it.each(golden.moments)('q $q, sigma $sigma, order $order by quadrature of 40 digits', ({ q, sigma, order, rdp }) => {
    expect(rdpOf(q, sigma, order) / rdp - 1).toBeCloseTo(0, 12);
  });
  it('an order that is no whole number lies between its neighbors, and near them', () => {
    fc.assert(
      fc.property(between(-5, 0), between(-0.9, 2), fc.integer({ min: 2, max: 10 }), (logQ, logSigma, order) => {
        const [q, sigma] = [10 ** logQ, 10 ** logSigma];
        const here = rdpOf(q, sigma, order);
        // From below and above: the integral against the sum.
        expect(rdpOf(q, sigma, order + 1e-9) / here - 1).toBeCloseTo(0, 6);
        expect(rdpOf(q, sigma, order - 1e-9) / here - 1).toBeCloseTo(0, 6);
        expect(rdpOf(q, sigma, order + 0.5)).toBeGreaterThan(here);
        expect(rdpOf(q, sigma, order + 0.5)).toBeLessThan(rdpOf(q, sigma, order + 1));
      }),
    );
  });
});

describe('epsilon by moments', () => {
  it.each(PUBLISHED)('q %f, sigma %f, %i steps, delta %f', (q, sigma, steps, delta, epsilon, order) => {
    expect(Math.abs(privacy.epsilon({ q, sigma, steps, delta }) / epsilon - 1)).toBeLessThan(1e-9);
    expect(epsilonOf(composed([{ q, sigma, steps }]), delta).order).toBeCloseTo(order, 12);
  });
  it.each(golden.rows)('Opacus: q $q, sigma $sigma, $steps steps, delta $delta', ({ opacus, order, ...row }) => {
    const own = privacy.epsilon({ q: row.q, sigma: row.sigma, steps: row.steps, delta: row.delta });
    expect(Math.abs(own / opacus - 1)).toBeLessThan(1e-9);
    expect(ORDERS).toContain(order);
  });
  it('of phases one after the other', () => {
    for (const { phases, delta, opacus } of golden.phases) {
      const accountant = new privacy.Accountant();
      for (const phase of phases) accountant.add(phase);
      expect(Math.abs(accountant.epsilon({ delta }) / opacus - 1)).toBeLessThan(1e-9);
    }
  });
});

describe('epsilon by the distribution of the loss', () => {
  const rows = golden.rows.filter(({ steps }) => steps < 15_000);
  it('within the bounds of dp-accounting', () => {
    const found = asked<Bounds>(...rows.map(({ q, sigma, steps, delta }) => ({ bounds: { q, sigma, steps, delta } })));
    for (const [i, row] of rows.entries()) {
      const { q, sigma, steps, delta } = row;
      const { lower, upper } = found[i]!;
      const what = `q ${q}, sigma ${sigma}, ${steps} steps`;
      expect(lower, what).toBeLessThanOrEqual(upper);
      expect(upper - lower, what).toBeLessThan(1e-5 * upper);
      expect(upper, what).toBeLessThan(privacy.epsilon({ q, sigma, steps, delta }));
      // The true epsilon lies between theirs, and between ours. At delta 1e-12 their lower bound lies above it (the closed form, below): they leave out
      // more of the tails.
      expect(lower, what).toBeLessThanOrEqual(row.upper);
      if (delta > 1e-12) expect(upper, what).toBeGreaterThanOrEqual(row.lower);
      if (TABLE.includes(row)) expect(upper, what).toBeLessThanOrEqual(row.upper);
    }
  }, 120_000);
  it('of phases one after the other', () => {
    const { phases, delta, lower, upper } = golden.phases[0]!;
    const [epsilon] = asked<number>({ spent: { from: { accountant: 'pld', phases }, delta } });
    expect(epsilon).toBeLessThanOrEqual(upper);
    expect(epsilon).toBeGreaterThanOrEqual(lower);
  }, 60_000);
  it.each([
    [1, 1, 1e-12],
    [0.3, 1, 1e-9],
    [100, 1, 1e-3],
    [4, 1000, 0.3],
  ])(
    'steps of all rows have a closed form: sigma %f, %i steps, delta %f',
    (sigma, steps, delta) => {
      const [{ lower, upper }] = asked<Bounds>({ bounds: { q: 1, sigma, steps, delta } }) as [Bounds];
      expect(deltaOfAll(sigma, steps, lower)).toBeGreaterThanOrEqual(delta * (1 - 1e-9));
      expect(deltaOfAll(sigma, steps, upper)).toBeLessThanOrEqual(delta * (1 + 1e-9));
      expect(upper - lower).toBeLessThanOrEqual(1e-5 * upper);
    },
    60_000,
  );
  it('one step of some rows: the divergence by its definition', () => {
    // P - e^epsilon Q where that is above 0, over all x, for both directions: plain sums.
    const [q, sigma] = [0.3, 0.8];
    const deltas = [0.1, 1e-2, 1e-5]; // the total variation is .14
    const found = asked<Bounds>(...deltas.map((delta) => ({ bounds: { q, sigma, steps: 1, delta } })));
    for (const [i, delta] of deltas.entries()) {
      const { lower, upper } = found[i]!;
      const of = (epsilon: number): number => {
        let [taken, added] = [0, 0];
        for (let x = -12; x < 12; x += 1e-4) {
          const off = exp((-x * x) / 2 / sigma ** 2) / sigma / Math.sqrt(2 * Math.PI);
          const on = (1 - q) * off + (q * exp(-((x - 1) ** 2) / 2 / sigma ** 2)) / sigma / Math.sqrt(2 * Math.PI);
          taken += Math.max(0, on - exp(epsilon) * off) * 1e-4;
          added += Math.max(0, off - exp(epsilon) * on) * 1e-4;
        }
        return Math.max(taken, added);
      };
      expect(of(upper)).toBeLessThanOrEqual(delta * (1 + 1e-5));
      expect(of(lower)).toBeGreaterThanOrEqual(delta * (1 - 1e-5));
    }
  }, 60_000);
  it('a step is rounded to less privacy, and to more', () => {
    /** The divergence of masses at a threshold, of what a row has. */
    const stick = ({ origin, at, p }: Losses, width: number, epsilon: number): number =>
      at.reduce((sum, a, i) => sum + p[i]! * Math.max(0, 1 - exp(epsilon - origin - a * width)), 0);
    fc.assert(
      fc.property(between(-3, 0), between(0.4, 5), between(-3, -1), (logQ, sigma, logWidth) => {
        const [q, width] = [10 ** logQ, 10 ** logWidth];
        const grid = { width, widest: width, part: 0, reach: 9 };
        const [less, more] = [pessimistic(q, sigma, grid), optimistic(q, sigma, grid)];
        for (const one of [less, more]) for (const m of [one.p, one.q]) expect(m.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 10);
        for (let i = -20; i <= 20; i++) {
          const epsilon = (i / 10) * q + i * 0.37 * width;
          expect(stick(less, width, epsilon)).toBeGreaterThanOrEqual(stick(more, width, epsilon) - 1e-12);
        }
      }),
      { numRuns: 20 },
    );
  });
});

describe('edges', () => {
  const at = { q: 0.01, sigma: 1, steps: 100, delta: 1e-5 } as const;
  test.each(['rdp', 'pld'] as const)(
    '%s',
    (accountant) => {
      const epsilon = (more: Partial<typeof at>): number => privacy.epsilon({ ...at, ...(more as object), accountant });
      expect(epsilon({ q: 0 as 0.01 })).toBe(0);
      expect(epsilon({ steps: 0 as 100 })).toBe(0);
      expect(epsilon({ sigma: 0 as 1 })).toBe(Infinity);
      expect(privacy.epsilon({ ...at, q: 0, sigma: 0, accountant })).toBe(0);
      expect(privacy.epsilon({ ...at, sigma: 1e300, accountant })).toBeLessThan(0.02);
      expect(privacy.epsilon({ ...at, q: 1e-300, accountant })).toBeLessThan(0.02);
      for (const [q, sigma, steps, delta] of [
        [1, 0.3, 1, 1e-12],
        [1e-5, 0.3, 1e4, 0.5],
        [0.5, 100, 1, 1e-12],
        [0.9999, 0.3, 3, 1e-9],
        [1e-12, 0.01, 1, 1e-12],
        [1, 1e-3, 1, 1e-5],
        [1, 1, 2 ** 53 - 1, 1e-5],
        [1e-8, 1, 1e12, 1e-100],
      ] as const) {
        const one =
          accountant === 'rdp'
            ? privacy.epsilon({ q, sigma, steps, delta })
            : asked<number>({ epsilon: { q, sigma, steps, delta, accountant } })[0]!;
        expect(one, `${q} ${sigma} ${steps} ${delta}`).toBeGreaterThanOrEqual(0);
        expect(one).toBeLessThanOrEqual(privacy.epsilon({ q, sigma, steps, delta }) * (1 + 1e-12));
      }
    },
    60_000,
  );
  it('by the loss epsilon is 0 where delta is all there is to see', () => {
    expect(privacy.bounds({ q: 0.01, sigma: 100, steps: 100, delta: 0.1 })).toEqual({ lower: 0, upper: 0 });
    // The total variation is .3829.
    const at = { q: 1, sigma: 1, steps: 1 };
    const [above, below] = asked<Bounds>({ bounds: { ...at, delta: 0.383 } }, { bounds: { ...at, delta: 0.3828 } });
    expect(above!.upper).toBe(0);
    expect(below!.lower).toBeGreaterThan(0);
  }, 60_000);
  it.each([
    [{ q: 1.1 }, 'q'],
    [{ q: -0.1 }, 'q'],
    [{ q: Number.NaN }, 'q'],
    [{ sigma: -1 }, 'sigma'],
    [{ sigma: Infinity }, 'sigma'],
    [{ steps: 1.5 }, 'steps'],
    [{ steps: -1 }, 'steps'],
    [{ delta: 0 }, 'delta'],
    [{ delta: 1 }, 'delta'],
    [{ accountant: 'prv' }, 'accountant'],
  ])('refuses %j', (wrong, option) => {
    expect(() => privacy.epsilon({ ...at, ...wrong } as never)).toThrow(`privacy.epsilon: option ${option}`);
  });
});

describe('epsilon never falls where less is private', () => {
  const given = fc.record({
    q: between(-4, 0).map((x) => 10 ** x),
    sigma: between(-0.3, 1.5).map((x) => 10 ** x),
    steps: between(0, 3).map((x) => Math.round(10 ** x)),
    delta: between(-10, -1).map((x) => 10 ** x),
    by: between(0.01, 1),
  });
  /** Each as it is, and with less privacy in one way. */
  const less = ({
    by,
    q,
    sigma,
    steps,
    delta,
  }: {
    by: number;
    q: number;
    sigma: number;
    steps: number;
    delta: number;
  }): object[] => [
    { q, sigma, steps, delta },
    { q: Math.min(1, q * (1 + by)), sigma, steps, delta },
    { q, sigma: sigma / (1 + by), steps, delta },
    { q, sigma, steps: steps + Math.ceil(by * steps), delta },
    { q, sigma, steps, delta: delta / (1 + by) },
  ];
  it('by moments', () => {
    fc.assert(
      fc.property(given, (options) => {
        const [here, ...more] = less(options).map((one) => privacy.epsilon(one as privacy.EpsilonOptions));
        for (const epsilon of more) expect(epsilon).toBeGreaterThanOrEqual(here! * (1 - 1e-10));
      }),
      { numRuns: 30 },
    );
  }, 60_000);
  it('by the loss, but for how it is rounded', () => {
    fc.assert(
      fc.property(given, (options) => {
        const calls = less(options).map((one) => ({ epsilon: { ...one, accountant: 'pld' } }));
        const [here, ...more] = asked<number>(...calls);
        for (const epsilon of more) expect(epsilon).toBeGreaterThanOrEqual(here! * (1 - 1e-4) - 1e-9);
      }),
      { numRuns: 3 },
    );
  }, 120_000);
});

describe('sigmaFor', () => {
  it('is the least noise within a budget', () => {
    fc.assert(
      fc.property(between(-3, 0), between(0, 4), between(-1, 1.5), (logQ, logSteps, logEpsilon) => {
        const options = { q: 10 ** logQ, steps: Math.round(10 ** logSteps), delta: 1e-5 };
        const most = 10 ** logEpsilon;
        const sigma = privacy.sigmaFor({ ...options, epsilon: most });
        expect(privacy.epsilon({ ...options, sigma })).toBeLessThanOrEqual(most);
        expect(privacy.epsilon({ ...options, sigma: sigma * (1 - 1e-9) })).toBeGreaterThan(most);
      }),
      { numRuns: 10 },
    );
  });
  it('needs less by the loss', () => {
    const options = { q: 0.01, steps: 200, delta: 1e-5, epsilon: 2 };
    const [sigma] = asked<number>({ sigmaFor: { ...options, accountant: 'pld' } });
    expect(sigma).toBeLessThan(0.97 * privacy.sigmaFor(options));
    const [found] = asked<Bounds>({ bounds: { q: 0.01, steps: 200, delta: 1e-5, sigma } });
    expect(found!.upper).toBeLessThanOrEqual(2);
    expect(found!.lower).toBeGreaterThan(2 - 1e-4);
  }, 60_000);
  it('no noise where nothing is looked at; an error where none is enough', () => {
    expect(privacy.sigmaFor({ q: 0, steps: 10, delta: 1e-5, epsilon: 1 })).toBe(0);
    expect(privacy.sigmaFor({ q: 0.1, steps: 0, delta: 1e-5, epsilon: 1 })).toBe(0);
    expect(() => privacy.sigmaFor({ q: 0.1, steps: 10, delta: 1e-5, epsilon: 1e-4 })).toThrow(OptionError);
    const little = { q: 0.1, steps: 10, delta: 1e-5, accountant: 'pld' };
    const [sigma] = asked<number>({ sigmaFor: { ...little, epsilon: 1e-2 } });
    expect(asked<number>({ epsilon: { ...little, sigma } })[0]).toBeLessThanOrEqual(1e-2);
  });
});

describe('Accountant', () => {
  it('adds up steps, in as many calls as one likes', () => {
    const [many, one] = [new privacy.Accountant(), new privacy.Accountant()];
    for (let i = 0; i < 100; i++) many.add({ q: 0.01, sigma: 1, steps: i });
    one.add({ q: 0.01, sigma: 1, steps: 4950 });
    expect(many.phases).toEqual(one.phases);
    expect(many.epsilon({ delta: 1e-5 })).toBe(privacy.epsilon({ q: 0.01, sigma: 1, steps: 4950, delta: 1e-5 }));
    expect(new privacy.Accountant().epsilon({ delta: 1e-5 })).toBe(0);
  });
  it('says how many more steps a budget has', () => {
    fc.assert(
      fc.property(
        between(-3, 0),
        between(0.4, 20),
        between(0.1, 10),
        fc.integer({ min: 0, max: 500 }),
        (logQ, sigma, epsilon, before) => {
          const accountant = new privacy.Accountant().add({ q: 0.01, sigma: 2, steps: before });
          const q = 10 ** logQ;
          const more = accountant.stepsWithin({ q, sigma, epsilon, delta: 1e-5 });
          const after = (steps: number): number =>
            new privacy.Accountant().add({ q: 0.01, sigma: 2, steps: before }).add({ q, sigma, steps }).epsilon({ delta: 1e-5 });
          if (more > 0) expect(after(more)).toBeLessThanOrEqual(epsilon);
          expect(after(more + 1)).toBeGreaterThan(epsilon);
        },
      ),
    );
  });
  it('more of them by the loss', () => {
    const given = { q: 0.02, sigma: 1, epsilon: 1.5, delta: 1e-4 };
    const phases = [{ q: 0.02, sigma: 1, steps: 10 }];
    const [more] = asked<number>({ within: { from: { accountant: 'pld', phases }, options: given } });
    expect(more).toBeGreaterThan(privacy.fromJSON({ accountant: 'rdp', phases }).stepsWithin(given));
    const [last, next] = asked<number>(
      ...[10, 11].map((n) => ({ epsilon: { q: 0.02, sigma: 1, steps: n + more!, delta: 1e-4, accountant: 'pld' } })),
    );
    expect(last).toBeLessThanOrEqual(1.5);
    expect(next).toBeGreaterThan(1.5);
  }, 60_000);
  it('0 steps where a budget is spent, and where steps have no noise; no end where they cost nothing', () => {
    const accountant = new privacy.Accountant().add({ q: 0.5, sigma: 1, steps: 1000 });
    expect(accountant.stepsWithin({ q: 0.01, sigma: 1, epsilon: 1, delta: 1e-5 })).toBe(0);
    expect(new privacy.Accountant().stepsWithin({ q: 0.01, sigma: 0, epsilon: 1, delta: 1e-5 })).toBe(0);
    for (const kind of ['rdp', 'pld'] as const)
      expect(new privacy.Accountant({ accountant: kind }).stepsWithin({ q: 0, sigma: 1, epsilon: 1, delta: 1e-5 })).toBe(
        Infinity,
      );
  });
  it('goes through JSON', () => {
    const made = new privacy.Accountant({ accountant: 'pld' })
      .add({ q: 0.01, sigma: 1, steps: 10 })
      .add({ q: 0.1, sigma: 2, steps: 3 });
    const back = privacy.fromJSON(JSON.parse(JSON.stringify(made)));
    expect(back.accountant).toBe('pld');
    expect(back.phases).toEqual(made.phases);
    expect(JSON.stringify(made)).toBe(
      '{"accountant":"pld","phases":[{"q":0.01,"sigma":1,"steps":10},{"q":0.1,"sigma":2,"steps":3}]}',
    );
    for (const wrong of [{}, { accountant: 'rdp', phases: [{ q: 2, sigma: 1, steps: 1 }] }, { accountant: 'x', phases: [] }])
      expect(() => privacy.fromJSON(wrong as never)).toThrow(OptionError);
  });
  it('counts no more than numbers can', () => {
    const made = new privacy.Accountant().add({ q: 0.1, sigma: 1, steps: Number.MAX_SAFE_INTEGER });
    expect(() => made.add({ q: 0.1, sigma: 1, steps: 1 })).toThrow(OptionError);
  });
});

test('the transform is undone, and powers are convolutions', () => {
  const values = [0.25, 0.5, 0, 0.125, 0, 0, 0, 0.125];
  const [re, im] = [Float64Array.from(values), new Float64Array(8)];
  forward(re, im);
  inverse(re, im);
  for (const [i, v] of values.entries()) expect(re[i]).toBeCloseTo(v, 14);
  let plain = [1, 0, 0, 0, 0, 0, 0, 0];
  for (let n = 0; n < 5; n++) plain = plain.map((_, i) => plain.reduce((sum, p, j) => sum + p * values[(i - j + 8) % 8]!, 0));
  forward(re, im);
  raise(re, im, 5);
  inverse(re, im);
  for (const [i, v] of plain.entries()) expect(re[i]).toBeCloseTo(v, 14);
});
