// report.test.ts: the demo's HTML page and terminal plots, from made-up curves.
import { expect, it } from 'vitest';
import { htmlReport } from '../../lib/cli/demo/report.ts';
import type { Contender, DemoResult } from '../../lib/cli/demo/result.ts';
import { figures } from '../../lib/cli/demo/result.ts';
import { plot } from '../../lib/pages/plot.ts';
import { linearScale, logScale, smooth, tickText } from '../../lib/pages/scale.ts';
import { fit, table } from '../../lib/text/format.ts';

const steps = Array.from({ length: 600 }, (_, i) => i);

function contender(name: string, change: Partial<Contender> = {}): Contender {
  return {
    name,
    label: `${name} <b>`,
    policy: `clip.${name}()`,
    loss: steps.map((i) => 1 + 3 * Math.exp(-i / 50)),
    norm: steps.map((i) => 10 ** Math.sin(i)),
    normAfter: steps.map((i) => Math.min(1, 10 ** Math.sin(i))),
    clipped: steps.map((i) => 10 ** Math.sin(i) > 1),
    skipped: steps.map(() => false),
    ms: 1234,
    sample: 'for (;;) {}\n</pre><script>alert(1)</script>\x07',
    ...change,
  };
}

const result: DemoResult = {
  contenders: [
    contender('none', { loss: steps.map((i) => (i > 50 ? 1e30 : 4)), norm: steps.map((i) => (i > 50 ? Number.NaN : 1e7)) }),
    contender('value'),
    contender('globalNorm'),
  ],
  steps: 600,
  seed: 0,
  threads: 2,
  isa: 'avx2',
  version: '0.1.0',
  parameters: 31201,
  text: { name: 'a "text" & more', length: 1000, trained: 900, distinct: 65 },
  prompt: 'abc',
  temperature: 0.8,
  command: 'gradclip demo --seed 0',
};

it('takes the figures from the curves', () => {
  const made = figures(contender('x', { loss: steps.map((i) => (i < 550 ? 9 : 2)), norm: steps.map((i) => i + 1) }));
  expect(made).toEqual({
    finalLoss: 2,
    medianNorm: 301,
    largestNorm: 600,
    clippedPercent: expect.closeTo(50, 0),
    skipped: 0,
    seconds: 1.234,
  });
});

it('makes one page that needs nothing else, with three lines in each chart', () => {
  const html = htmlReport(result);
  expect(html).not.toMatch(/(?:src|href)=|https?:|url\((?!#)|@import|<script/i);
  expect(html.match(/<svg /g)).toHaveLength(3);
  for (const style of ['s0', 's1', 's2']) {
    expect(html.match(new RegExp(`<path class="${style} trend"`, 'g'))).toHaveLength(2);
    expect(html).toContain(`class="${style} mark"`);
  }
  expect(html).toContain('prefers-color-scheme: dark');
  expect(html).toContain('a &quot;text&quot; &amp; more');
  expect(html).toContain('&lt;/pre&gt;&lt;script&gt;');
  expect(html).not.toMatch(/NaN|undefined|Infinity/);
  expect(html.length).toBeLessThan(300_000);
});

it('stands curves that are empty, constant, or not finite throughout', () => {
  const empty = { loss: [], norm: [], normAfter: [], clipped: [], skipped: [] };
  const lost = { loss: steps.map(() => Number.NaN), norm: steps.map(() => Number.POSITIVE_INFINITY) };
  const still = { loss: steps.map(() => 2), norm: steps.map(() => 0) };
  const html = htmlReport({ ...result, contenders: [contender('a', empty), contender('b', lost), contender('c', still)] });
  expect(html).not.toMatch(/NaN|undefined|Infinity/);
});

it('gives round ticks', () => {
  expect(linearScale(0.9, 4.4, 6).ticks).toEqual([0, 1, 2, 3, 4, 5]);
  expect(linearScale(0, 600, 6).ticks).toEqual([0, 100, 200, 300, 400, 500, 600]);
  expect(linearScale(3, 3, 4)).toMatchObject({ min: expect.any(Number), max: expect.any(Number) });
  expect(logScale(0.02, 3e6, 9).ticks).toEqual([0.1, 1, 10, 100, 1000, 1e4, 1e5, 1e6]);
  expect(logScale(1.4, 52, 6).ticks).toEqual([1, 2, 5, 10, 20, 50, 100]);
  expect(logScale(1.4, 4.6, 3).ticks).toEqual([1, 2, 5]);
  expect(logScale(1e-20, 1e20, 5).ticks.length).toBeLessThanOrEqual(6);
  expect(logScale(1.1, 1.2, 2).ticks).toEqual([1, 2]);
  expect([0, 0.02, 500, 1e6, 2e-7].map(tickText)).toEqual(['0', '0.02', '500', '1e6', '2e-7']);
});

it('smooths without inventing values', () => {
  expect(smooth([1, 2, 400, 3, 4], 3)).toEqual([2, 2, 3, 4, 4]);
  expect(smooth([Number.NaN, 1, Number.POSITIVE_INFINITY, 1], 3)).toEqual([1, 1, 1, 1]);
  expect(smooth([Number.NaN], 3)).toEqual([Number.NaN]);
});

it('cuts lines where the terminal ends, and keeps their colors', () => {
  expect(fit('abc', 2)).toBe('ab');
  expect(fit('\x1b[31mabc\x1b[39mdef', 4)).toBe('\x1b[31mabc\x1b[39md');
  expect(fit('\x1b[31mabc\x1b[39mdef', 2)).toBe('\x1b[31mab\x1b[39m');
});

it('aligns more rows than a call takes arguments', () => {
  const lines = table(
    Array.from({ length: 150_000 }, (_, i) => [`${i}`, 'x']),
    ['right', 'left'],
  );
  expect([lines[0], lines[149_999]]).toEqual(['     0  x', '149999  x']);
});

it('plots into the given width and height', () => {
  const series = result.contenders.map((c) => ({ values: c.loss, paint: (text: string) => text }));
  const lines = plot(series, { width: 60, height: 8, total: 600, log: true });
  expect(lines).toHaveLength(8);
  for (const line of lines) expect([...line]).toHaveLength(60);
  expect(lines.join('')).toMatch(/[\u2801-\u28ff]/);
  const half = plot([{ values: [3, 2], paint: (text) => text }], { width: 30, height: 3, total: 4 });
  expect(
    half
      .map((line) => [...line].slice(20).join(''))
      .join('')
      .trim(),
  ).toBe('');
});
