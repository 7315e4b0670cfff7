// page.test.ts: the page and the table of a search: what it says of strangers' names, and how much goes with one parameter.
import { expect, it } from 'vitest';
import { space, type TuneResult, type TuneTrial } from '../../lib/index.ts';
import { explained, importanceOf } from '../../lib/tune/importance.ts';
import { tunePage } from '../../lib/tune/page.ts';
import { tuneTable } from '../../lib/tune/table.ts';

const trial = (number: number, params: object, values: readonly number[], status: TuneTrial['status'] = 'out'): TuneTrial => ({
  ...{ number, params: params as TuneTrial['params'], status, reason: status === 'failed' ? 'did not fit' : null },
  rungs: values.map((value, i) => ({ step: 10 * 3 ** i, value })),
  ...{ seeds: [], value: values.at(-1) ?? Number.NaN, metrics: null, steps: 10, length: 90, clipped: 0.25, seconds: 1 },
});

it('the part that lies between groups, less what chance would give', () => {
  // By hand: total 36, within 4, chance 4 / 6 * 1.
  expect(
    explained([
      [1, 2, 3, 2],
      [6, 7, 6, 5],
    ]),
  ).toBeCloseTo((36 - 4 - 4 / 6) / 36, 12);
  expect(
    explained([
      [1, 2, 3, 4],
      [1, 2, 3, 4],
    ]),
  ).toBe(0);
  expect(explained([[1, 2, 3]])).toBe(null);
});

it('a parameter that decides has nearly all of it, one that does nothing next to none', () => {
  const trials = Array.from({ length: 40 }, (_, i) =>
    trial(i, { lr: 0.001 * 10 ** (i / 13), kind: i % 2 ? 'a' : 'b' }, [Math.abs(i - 20)]),
  );
  const importance = importanceOf(trials, { lr: space.log(1e-3, 1), kind: space.choice(['a', 'b']) });
  expect(importance.get('lr')).toBeGreaterThan(0.6);
  expect(importance.get('kind')).toBeLessThan(0.1);
});

it('names and values of strangers are text, and nothing is no number', () => {
  const name = '<b>lr</b>';
  const trials = [
    trial(0, { [name]: '"><script>', deep: 0.5 }, [2, 1, 0.5], 'finalist'),
    trial(1, { [name]: null, deep: 3 }, [4]),
    trial(2, { [name]: '"><script>', deep: 1 }, [], 'failed'),
  ];
  const result = { trials, verdict: ['<i>best</i>'], warnings: ['<u>'], best: trials[0] } as unknown as TuneResult;
  const page = tunePage(result, {
    title: 'a & b',
    facts: ['<f>'],
    space: { [name]: space.choice(['"><script>', 'x']), deep: space.uniform(0, 1) },
    metric: 'loss',
  });
  expect(page).not.toMatch(/<script|<b>|<i>best|<u>|<f>|NaN|undefined|Infinity/);
  expect(page).toContain('a &amp; b');
  // Where nothing was measured, there is nothing to draw.
  const none = { ...result, trials: [trials[2]!] } as TuneResult;
  expect(tunePage(none, { title: 't', facts: [], space: {}, metric: 'loss' })).not.toMatch(/NaN|undefined/);
  expect(tuneTable(result, 'loss')).toEqual([
    'trial   <b>lr</b>  deep   loss  steps  clipped',
    '    0  "><script>   0.5  0.500     90     25 %  to the end',
    '    1           -     3   4.00     10     25 %  out at 11 %',
    '    2  "><script>     1      -      0     25 %  failed',
  ]);
});
