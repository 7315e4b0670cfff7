// summary.test.ts: scores, means, worst medians, tuned levels and duels of runs made up here, counted by hand.
import { expect, it } from 'vitest';
import { parseCsv } from '../../lib/io/index.ts';
import { labCsv } from '../../lib/lab/csv.ts';
import type { LabLine } from '../../lib/lab/line.ts';
import { labPage } from '../../lib/lab/page/page.ts';
import { LADDER } from '../../lib/lab/policies.ts';
import { problemsOf, scoreOf } from '../../lib/lab/score.ts';
import { mainRows, summarize } from '../../lib/lab/summary.ts';

type Run = Partial<LabLine> & Pick<LabLine, 'policy' | 'level'>;
const line = (run: Run): LabLine => ({
  ...{
    workload: 'a',
    optimizer: 'sgd',
    seed: 0,
    kind: 'dense',
    usual: run.level === 'usual',
    steps: 100,
    extra: 0,
    clipped: 0.5,
    skipped: 0,
  },
  ...{ train: 0.1, validation: run.test ?? null, test: 0.1, diverged: null, ignorant: 1, threshold: null },
  ...{ norms: { median: 1, p99: 2, tail: 3, drift: 0.5 }, seconds: 0.02 },
  ...run,
});
/** Ten fixed thresholds, of which the fourth is best by validation, the fifth by test. */
const ladder = (of: Partial<LabLine> = {}, best = 0.08): LabLine[] =>
  LADDER.map((times, i) =>
    line({
      policy: 'globalNorm',
      level: `x${times}`,
      validation: i === 3 ? 0.01 : 0.5,
      test: i === 3 ? best : i === 4 ? 0.01 : 0.6,
      ...of,
    }),
  );

it('a score is (L + .02 L0) / (L* + .02 L0), L* by validation, and no loss counts as more than knowing nothing', () => {
  const runs = [
    ...ladder(),
    line({ policy: 'p', level: 'usual', test: 0.18 }),
    line({ policy: 'q', level: 'usual', test: 7 }),
    line({ policy: 'r', level: 'usual', test: null, validation: null, diverged: 'gradient' }),
  ];
  const { problems, incomplete } = problemsOf(runs);
  expect(incomplete).toBe(0);
  const score = (policy: string): number => scoreOf(problems[0]!, problems[0]!.runs.get(`${policy}\nusual`)!);
  expect(score('p')).toBeCloseTo(0.2 / 0.1, 12);
  expect(score('q')).toBeCloseTo(1.02 / 0.1, 12);
  expect(score('r')).toBe(score('q'));
  expect(problemsOf(runs.slice(1))).toEqual({ problems: [], incomplete: 1 });
});

// Two networks, two seeds: scores of p 1, 2 and 4, 8; its other level is better on the second network by validation and by test.
const many: LabLine[] = ['a', 'b'].flatMap((workload, w) =>
  [0, 1].flatMap((seed) => {
    const of = { workload, seed };
    const score = [1, 2, 4, 8][2 * w + seed]!;
    const test = score * 0.1 - 0.02;
    return [
      ...ladder(of),
      line({ ...of, policy: 'none', level: 'none', usual: true, test: 0.18, clipped: 0 }),
      line({ ...of, policy: 'p', level: 'usual', test, seconds: 0.04, extra: 25 }),
      line({ ...of, policy: 'p', level: 'other', test: 0.28, validation: 0.28 }),
    ];
  }),
);

it('rows: geometric mean, worst median, share of good ones, work and time, tuned by validation', () => {
  const summary = summarize(many);
  const row = (name: string) => summary.rows.find((one) => one.name === name)!;
  expect(row('p').mean).toBeCloseTo((1 * 2 * 4 * 8) ** 0.25, 10);
  expect(row('p')).toMatchObject({ worstOf: 'b', good: 0.25, work: 1.25, problems: 4, diverged: 0, clipped: 0.5 });
  expect(row('p').worst).toBeCloseTo(6, 10);
  expect(row('p').time).toBeCloseTo(2, 10);
  expect(row('p other').mean).toBeCloseTo(3, 10);
  // On network a the usual level is better, on b the other.
  expect(row('p, best of 2').mean).toBeCloseTo((1 * 2 * 3 * 3) ** 0.25, 10);
  expect(row('p, best of 2')).toMatchObject({ work: 2.25, runs: 2 });
  expect(row('none').mean).toBeCloseTo(2, 10);
  expect(row('p').low).toBeLessThan(row('p').mean);
  expect(row('p').high).toBeGreaterThan(row('p').mean);
  // The global norm itself was not tried: its thresholds are those of the reference.
  expect(summary.ways.some(({ policy }) => policy === 'globalNorm')).toBe(false);
  expect(mainRows(summary).map(({ name }) => name)).toEqual(['none', 'p, best of 2', 'p']);
});

it('duels: shares of pairs of the same seed, ties within 1 %', () => {
  const { duels } = summarize(many);
  // Ratios of p to none: 1/2, 1, 2, 4.
  expect(duels.find(({ a, b }) => a === 'p' && b === 'none')).toMatchObject({ wins: 0.25, ties: 0.25, losses: 0.5 });
  expect(duels.find(({ a, b }) => a === 'none' && b === 'p')).toMatchObject({ wins: 0.5, ties: 0.25, losses: 0.25 });
});

it('the order of lines, and lines of what was not asked, change nothing', () => {
  const { lines: _, ...first } = summarize(many);
  const { lines: __, ...turned } = summarize(many.toReversed());
  const byName = <T extends { name: string }>(rows: readonly T[]): T[] => rows.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const figures = (rows: typeof first.rows) =>
    byName(rows).map(({ name, mean, worst, good, work, time }) => [name, mean.toFixed(9), worst, good, work, time]);
  expect(figures(turned.rows)).toEqual(figures(first.rows));
});

it('CSV: a row for each run, read again by the reader of tables', () => {
  const named = many.map((one, i) => (i === 0 ? { ...one, level: 'a, "b"' } : one));
  const table = labCsv(named);
  const rows = table.trimEnd().split('\n');
  expect(rows.length).toBe(many.length + 1);
  expect(rows[1]).toContain('"a, ""b"""');
  const read = parseCsv(table, { header: true, columns: ['seed', 'test_loss'] });
  expect([...read.features.data.filter((_, i) => i % 2 === 1)]).toEqual(many.map(({ test }) => Math.fround(test!)));
});

it('page: one file, no script, every policy and network, names escaped, and without scores it says so', () => {
  const facts = { machine: 'm <b>', version: '1' };
  const html = labPage(summarize([...many, ...many.map((one) => ({ ...one, workload: `${one.workload}<i>` }))]), facts);
  expect(html).not.toMatch(/<script|<i>|<b>|https?:|NaN|undefined|Infinity/);
  for (const name of ['Performance profiles', 'Ranks at usual levels', 'Pairs', 'a&lt;i&gt;, sgd', 'p, best of 2'])
    expect(html).toContain(name);
  expect(labPage(summarize([]), facts)).toContain('There is no score');
  expect(labPage(summarize(ladder()), facts)).not.toContain('NaN');
});
