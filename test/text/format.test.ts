// format.test.ts: numbers, durations and sizes as people read them, at the edges between two forms.
import { expect, test } from 'vitest';
import { bytes, count, duration, median, percent, short } from '../../lib/text/format.ts';

test.each([
  [
    duration,
    [0, 999, 1000, 12_340, 59_949, 60_000, 245_000, 3_599_000, 3_600_000, 7_390_000],
    '0 ms, 999 ms, 1.0 s, 12.3 s, 59.9 s, 1:00 min, 4:05 min, 59:59 min, 1:00:00 h, 2:03:10 h',
  ],
  [
    bytes,
    [0, 1023, 1024, 1234, 35_651_584, 2 ** 40, 2 ** 52],
    '0 B, 1023 B, 1.00 KiB, 1.21 KiB, 34.0 MiB, 1.00 TiB, 4.10e+3 TiB',
  ],
  [
    short,
    [0, 0.2531, 12.44, 999.4, 1530.2, 99_999, 3.2e6, 4e-7, -0.001, Number.NaN, -Infinity],
    '0, 0.253, 12.4, 999, 1,530, 99,999, 3.2e6, 4e-7, -0.00100, -, -∞',
  ],
  [count, [235_146, 7], '235,146, 7'],
])('%o', (format, values, want) => {
  expect(values.map((value) => format(value)).join(', ')).toBe(want);
});

test('shares, and the value in the middle', () => {
  expect([percent(1, 3), percent(1, 3, 0), percent(1, 0)]).toEqual(['33.3 %', '33 %', '-']);
  expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([5])]).toEqual([2, 2.5, 5]);
});
