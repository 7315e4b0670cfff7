// chart.test.ts: charts show the values that they are given, where they are, say the same in words, and are sound whatever the values are; so are tables.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lineChart, type SVGSeries, strip } from '../../lib/pages/svg.ts';
import { tableHtml } from '../../lib/pages/table.ts';

const WIDTH = 770;
const HEIGHT = 246;

/** The points of the paths of a class. */
const pointsOf = (html: string, style: string): [number, number][][] =>
  [...html.matchAll(new RegExp(`<path class="${style}" d="([^"]*)"`, 'g'))].map(([, d]) =>
    [...d!.matchAll(/[ML]([-\d.]+) ([-\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]),
  );
/** What the lines of the grid stand at, and what is written beside them. */
function gridOf(html: string): { at: number; value: number }[] {
  const lines = [...html.matchAll(/<line class="grid" [^>]*y1="([-\d.]+)"/g)].map(([, y]) => Number(y));
  const texts = /<div class="y"[^>]*>(.*?)<\/div>/s.exec(html)![1]!;
  const values = [...texts.matchAll(/<span style="top:([\d.]+)%">(.*?)<\/span>/g)].map(([, , text]) => {
    const [, factor = '1', power] = /^(?:([\d.]+)·)?10<sup>(-?\d+)<\/sup>$/.exec(text!) ?? [];
    return power === undefined ? Number(text) : Number(`${factor}e${power}`);
  });
  expect(values).toHaveLength(lines.length);
  return lines.map((at, i) => ({ at, value: values[i]! }));
}
const series = (values: readonly number[], more: Partial<SVGSeries> = {}): SVGSeries => ({
  style: 's0',
  label: 'one',
  values,
  ...more,
});

describe('a line chart', () => {
  it('has each value at its step and its height between the lines of the grid', () => {
    for (const log of [false, true]) {
      const values = Array.from({ length: 40 }, (_, i) => 0.3 + ((i * 7) % 11) ** 2);
      const html = lineChart([series(values)], { title: 't', unit: 'u', log });
      const [points] = pointsOf(html, 's0 raw');
      expect(points).toHaveLength(40);
      const grid = gridOf(html);
      const place = (v: number): number => (log ? Math.log(v) : v);
      const [low, high] = [grid[0]!, grid.at(-1)!];
      const heightOf = (v: number): number =>
        low.at + ((high.at - low.at) * (place(v) - place(low.value))) / (place(high.value) - place(low.value));
      values.forEach((value, i) => {
        expect(points![i]![0]).toBeCloseTo((WIDTH * i) / 39, 0);
        expect(points![i]![1]).toBeCloseTo(heightOf(value), 0);
      });
      if (log) continue;
      expect(low.at).toBe(HEIGHT);
      expect(high.at).toBe(0);
    }
  });

  it('has points of few values at the steps they are of, beside lines of all', () => {
    const few = series([5, 1], { style: 's1', label: 'few', at: [110, 190] });
    const html = lineChart([series([0, 5, 5, 0, 5]), few], { title: 't', unit: 'u', first: 100, last: 200 });
    const [line] = pointsOf(html, 's1 trend');
    expect(line!.map(([x]) => x)).toEqual([77, 693]);
    expect(line![0]![1]).toBeLessThan(line![1]![1]);
    expect(html).toMatch(/<path class="s1 dots" d="M77 [\d.]+h0M693 [\d.]+h0"\/>/);
    expect([...html.matchAll(/<span[^>]*>(\d+)<\/span>/g)].map(([, text]) => Number(text))).toEqual(
      expect.arrayContaining([100, 120, 140, 160, 180, 200]),
    );
    expect(html).toContain('<ul class="keys"><li>');
  });

  it('says in words what it shows', () => {
    const html = lineChart([series([4, 1, 2]), series([Number.NaN], { label: 'a "b" <c>', at: [1] })], {
      title: 'Loss',
      unit: 'nats',
    });
    expect(html).toContain(
      'aria-label="Loss, nats, by step: one: 4.00 at first, 2.00 at last, from 1.00 to 4.00; a &quot;b&quot; &lt;c&gt;: no value"',
    );
  });

  it('is sound whatever the values are', () => {
    const value = fc.oneof(
      fc.double(),
      fc.double({ min: 0, max: 10, noNaN: true }),
      fc.constantFrom(0, -0, Number.MAX_VALUE, 5e-324),
    );
    const one = fc.record({ values: fc.array(value, { maxLength: 60 }), sparse: fc.boolean() });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 4 }), fc.boolean(), fc.nat(1e6), (given, log, first) => {
        const all = given.map(({ values, sparse }, i) =>
          series(values, { style: `s${i}`, ...(sparse && { at: values.map((_, k) => first + k) }) }),
        );
        const html = lineChart(all, { title: 't', unit: 'u', log, first, last: first + 60 });
        expect(html).not.toMatch(/NaN|undefined|Infinity/);
        for (const [, d] of html.matchAll(/ d="([^"]*)"/g)) expect(d).toMatch(/^(?:[ML]-?\d+(?:\.\d)? -?\d+(?:\.\d)?(?:h0)?)*$/);
      }),
    );
  });

  it('keeps the least and the largest of many values', () => {
    const values = Array.from({ length: 50_000 }, (_, i) => (i === 33_333 ? 9 : i === 44_444 ? -3 : (i % 5) / 5));
    const [points] = pointsOf(lineChart([series(values)], { title: 't', unit: 'u' }), 's0 raw');
    expect(points!.length).toBeLessThan(1300);
    const heights = points!.map(([, y]) => y);
    const x = (at: number): number => points![heights.indexOf(at)]![0];
    expect(x(Math.min(...heights))).toBeCloseTo((WIDTH * 33_333) / 49_999, 0);
    expect(x(Math.max(...heights))).toBeCloseTo((WIDTH * 44_444) / 49_999, 0);
  });
});

it('a strip has a mark where something happened, the stronger the more', () => {
  const html = strip([{ style: 's3', label: 'mine', note: '40 %', marks: [0, 1, 1, 0, 0.1] }], { title: 'Steps' });
  const marks = /<g class="s3 mark">(.*?)<\/g>/.exec(html)![1]!;
  const rects = [...marks.matchAll(/x="([\d.]+)" y="\d+" width="([\d.]+)" height="\d+" opacity="([\d.]+)"/g)].map((m) =>
    m.slice(1).map(Number),
  );
  expect(rects).toEqual([
    [154, 308, 1],
    [616, 154, 0.38],
  ]);
  expect(html).toContain('aria-label="Steps, by step: mine: 40 %"');
});

it('a table has a caption, heads of columns and rows, and a frame that is reached by keyboard', () => {
  const html = tableHtml({
    caption: 'All of <it>',
    head: ['name', 'two|lines', ''],
    rows: [
      ['a & b', { text: '<1>', style: 'best', title: '"why"' }, { html: '<i>3</i>' }],
      ['c', '2', ''],
    ],
    words: [2],
  });
  expect(html).toBe(
    '<div class="scroll" role="group" tabindex="0" aria-label="All of &lt;it&gt;"><table><caption>All of &lt;it&gt;</caption><thead><tr>' +
      '<th scope="col">name</th><th scope="col">two<br>lines</th><th scope="col" class="words"><span class="unseen">remarks</span></th>' +
      '</tr></thead>\n<tbody><tr><th scope="row">a &amp; b</th><td class="best" title="&quot;why&quot;">&lt;1&gt;</td>' +
      '<td class="words"><i>3</i></td></tr>\n<tr><th scope="row">c</th><td>2</td><td class="words"></td></tr></tbody></table></div>',
  );
});
