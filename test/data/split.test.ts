// split.test.ts: every row goes to one part, in the numbers asked for; classes in proportion, groups whole.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { split } from '../../lib/data/preprocess.ts';
import { OptionError, ShapeError } from '../../lib/errors.ts';

const numbers = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => i);
const data = (y: readonly number[]) => ({ x: { data: numbers(2 * y.length), shape: [y.length, 2] }, y: Int32Array.from(y) });
const sorted = (...lists: Int32Array[]): number[] => lists.flatMap((l) => [...l]).sort((a, b) => a - b);

const labels = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 8, maxLength: 60 });

it('every row lies in one part, with its own values; the seed decides which', () => {
  fc.assert(
    fc.property(labels, fc.integer({ min: 0, max: 3 }), fc.boolean(), fc.nat(9), (y, validation, stratified, seed) => {
      const options = { test: 0.25, validation, seed, ...(stratified && { stratify: 'y' }) };
      const { train, test, validation: middle } = split(data(y), options);
      expect(test.rows.length).toBe(Math.round(0.25 * y.length));
      expect(middle.rows.length).toBe(validation);
      expect(sorted(train.rows, test.rows, middle.rows)).toEqual([...y.keys()]);
      for (const { rows, arrays } of [train, test, middle]) {
        expect(arrays.x.shape).toEqual([rows.length, 2]);
        expect([...arrays.x.data]).toEqual([...rows].flatMap((r) => [2 * r, 2 * r + 1]));
        expect([...arrays.y.data]).toEqual([...rows].map((r) => y[r]));
      }
      expect(split(data(y), options).train.rows).toEqual(train.rows);
    }),
  );
  const y = new Array(50).fill(0);
  expect(split(data(y), { test: 10, seed: 1 }).test.rows).not.toEqual(split(data(y), { test: 10, seed: 2 }).test.rows);
  const { rows } = split(data(y), { test: 10 }).train;
  expect([...rows]).not.toEqual(sorted(rows));
});

it('stratified: each part has every class in proportion, to within a row', () => {
  fc.assert(
    fc.property(labels, fc.nat(9), (y, seed) => {
      const parts = split(data(y), { test: 0.3, validation: 2, seed, stratify: 'y' });
      const rest = y.length - parts.test.rows.length;
      for (const k of new Set(y)) {
        const all = y.filter((v) => v === k).length;
        const inTest = parts.test.arrays.y.data.filter((v) => v === k).length;
        expect(Math.abs(inTest - (all * parts.test.rows.length) / y.length)).toBeLessThan(1);
        const inMiddle = parts.validation.arrays.y.data.filter((v) => v === k).length;
        expect(Math.abs(inMiddle - ((all - inTest) * parts.validation.rows.length) / rest)).toBeLessThan(1);
      }
    }),
  );
  const rare = split(data([...new Array(90).fill(0), ...new Array(10).fill(1)]), { test: 20, stratify: 'y' });
  expect(rare.test.arrays.y.data.filter((v) => v === 1).length).toBe(2);
});

it('a group of more rows than a call takes arguments', () => {
  const groups = Int32Array.from({ length: 300_000 }, (_, i) => (i < 200_000 ? 0 : 1));
  const { train, test } = split({ x: new Float32Array(300_000) }, { test: 1 / 3, groups });
  expect([train.rows.length, test.rows.length]).toEqual([200_000, 100_000]);
});

it('groups stay together, and parts come near their size', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(11), { minLength: 40, maxLength: 80 }), fc.nat(9), (groups, seed) => {
      fc.pre(new Set(groups).size > 4);
      const { train, test } = split(data(groups), { test: 0.25, seed, groups: Int32Array.from(groups) });
      const [a, b] = [train, test].map((p) => new Set(p.arrays.y.data)) as [Set<number>, Set<number>];
      expect([...a].filter((g) => b.has(g))).toEqual([]);
      expect(sorted(train.rows, test.rows)).toEqual([...groups.keys()]);
      const largest = Math.max(...[...new Set(groups)].map((g) => groups.filter((v) => v === g).length));
      expect(Math.abs(test.rows.length - 0.25 * groups.length)).toBeLessThanOrEqual(largest + 1);
    }),
  );
});

it('small groups even out what the largest leaves, whenever the shuffle has it come', () => {
  const groups = Int32Array.from({ length: 100 }, (_, i) => Math.max(0, i - 49));
  for (let seed = 0; seed < 10; seed++) {
    const { train, test } = split(data([...groups]), { test: 0.5, seed, groups });
    expect([train.rows.length, test.rows.length], `seed ${seed}`).toEqual([50, 50]);
  }
});

describe('one clear error', () => {
  const y = [0, 0, 1, 1];
  it.each<[string, () => unknown, RegExp]>([
    ['too much', () => split(data(y), { test: 4 }), /expected fewer than 4 rows of test and validation, got 4 \+ 0/],
    ['no part', () => split(data(y), {}), /expected option test, validation or both, as in .*, got neither/],
    [
      'parts in a list',
      () => split(data(y), [0.8, 0.2] as never),
      /expected an object of options, as in { validation: 0.1, test: 0.2 }, got an array of 2/,
    ],
    ['a part alone', () => split(data(y), 0.2 as never), /as in { validation: 0.1, test: 0.2 }, got 0.2/],
    [
      'a part of a part',
      () => split(split(data(y), { test: 1 }).train as never, { test: 1 }),
      /a part of preprocess.split: its arrays/,
    ],
    ['no whole number', () => split(data(y), { test: 1.5 }), /option test: expected a whole number.*1\.5/],
    ['no such array', () => split(data(y), { test: 1, stratify: 'Y' }), /no array has the name Y; did you mean y\?/],
    ['not one value', () => split(data(y), { test: 1, stratify: 'x' }), /expected one value a row in x, got \[4,2\]/],
    ['groups', () => split(data(y), { test: 1, groups: Int32Array.of(1) }), /expected 4 values, one for each row, got 1/],
    ['one group', () => split(data(y), { test: 1, groups: Int32Array.of(1, 1, 1, 1) }), /1 groups do not go round/],
    ['both', () => split(data(y), { test: 1, stratify: 'y', groups: Int32Array.from(y) }), /exclude each other/],
  ])('%s', (_, run, message) => {
    expect(run).toThrow(OptionError);
    expect(run).toThrow(message);
  });
  it('arrays of different length', () => {
    expect(() => split({ x: numbers(3), y: numbers(4) }, { test: 1 })).toThrow(ShapeError);
  });
});
