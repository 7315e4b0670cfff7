// space.test.ts: what a search may choose: values at places, bounds, and what is refused.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { OptionError, space } from '../../lib/index.ts';
import { domainJson, placeOf, valueAt } from '../../lib/tune/space.ts';

const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

it('values lie within the bounds, and the middle is that of the scale', () => {
  expect(valueAt(space.uniform(-1, 3), 0.5)).toBe(1);
  expect(valueAt(space.log(1e-4, 1), 0.5)).toBe(0.01);
  expect(valueAt(space.log(1e-4, 1), 0)).toBe(1e-4);
  expect([0, 0.3, 0.99].map((u) => valueAt(space.integer(2, 4), u))).toEqual([2, 2, 4]);
  expect([0, 0.5, 0.99].map((u) => valueAt(space.choice(['a', 'b']), u))).toEqual(['a', 'b', 'b']);
  fc.assert(
    fc.property(
      fc.double({ min: 1e-9, max: 1e9, noNaN: true }),
      fc.double({ min: 1.001, max: 1e6, noNaN: true }),
      unit,
      (min, factor, u) => {
        for (const domain of [space.uniform(min, min * factor), space.log(min, min * factor)]) {
          const value = valueAt(domain, u) as number;
          expect(value).toBeGreaterThanOrEqual(min);
          expect(value).toBeLessThanOrEqual(min * factor);
          const place = placeOf(domain, value)!;
          // Four digits are kept.
          if (factor > 1.5) expect(Math.abs(place - u)).toBeLessThan(2e-3 * Math.max(1, factor / (factor - 1)));
        }
      },
    ),
  );
});

it('each whole number and each choice is as likely as the others', () => {
  const counts = new Map<unknown, number>();
  for (let i = 0; i < 6000; i++) {
    const value = valueAt(space.integer(-1, 4), (i + 0.5) / 6000);
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  expect([...counts]).toEqual([-1, 0, 1, 2, 3, 4].map((n) => [n, 1000]));
  const doubled = Array.from({ length: 1000 }, (_, i) => valueAt(space.integer(1, 7, { log: true }), (i + 0.5) / 1000) as number);
  // Of the logarithms from 1 to 8: a third each for 1, for 2 and 3, and for 4 to 7.
  expect(doubled.filter((n) => n === 1).length).toBe(333);
  expect(doubled.filter((n) => n >= 4).length).toBeGreaterThanOrEqual(333);
});

it('as a configuration says it, and where values lie', () => {
  expect(domainJson(space.integer(1, 8, { log: true }))).toEqual({ integer: [1, 8], log: true });
  expect(domainJson(space.choice([{ type: 'none' }]))).toEqual({ choice: [{ type: 'none' }] });
  expect(placeOf(space.choice(['a', 'b', 'c']), 'b')).toBe(0.5);
  expect(placeOf(space.choice(['a', 'b', 'c']), 'x')).toBe(null);
  expect(placeOf(space.uniform(0, 1), 2)).toBe(null);
});

it.each<[string, () => unknown, string]>([
  ['order', () => space.uniform(1, 1), 'space.uniform: argument max: expected a number above min, 1, got 1'],
  ['order of log', () => space.log(1, 0.1), 'space.log: argument max: expected a number above min, 1, got 0.1'],
  ['0 of log', () => space.log(0, 1), 'space.log: argument min: expected a finite number > 0, got 0'],
  ['a part', () => space.integer(1.5, 2), 'space.integer: argument min: expected a whole number, got 1.5'],
  [
    'log of 0',
    () => space.integer(0, 2, { log: true }),
    'space.integer: argument min: expected a whole number >= 1 with option log, got 0',
  ],
  ['no choice', () => space.choice([]), 'space.choice: argument values: expected a list of at least 1'],
  ['a function', () => space.choice([Math.abs]), 'expected what JSON can say'],
  ['not a number', () => space.choice([Number.NaN]), 'expected what JSON can say'],
])('refuses %s', (_, call, message) => {
  expect(call).toThrow(OptionError);
  expect(call).toThrow(message);
});
