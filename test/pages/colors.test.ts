// colors.test.ts: text of every color can be read on what is behind it, light and dark: 4.5 to 1 at least, as WCAG 2.2 asks for.
import { expect, it } from 'vitest';
import { COLORS, page, STYLES } from '../../lib/pages/page.ts';

/** Relative luminance of #rrggbb. */
function luminance(color: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

it('knows the contrast of colors', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 10);
  // As the W3C gives it.
  expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
});

it.each(['light', 'dark'] as const)('%s: ink, soft text and all series on the page and on panels', (scheme) => {
  const colors = COLORS[scheme];
  for (const name of ['ink', 'soft', 'focus', ...STYLES]) {
    for (const behind of ['page', 'panel'])
      expect(contrast(colors[name]!, colors[behind]!), `${name} on ${behind}`).toBeGreaterThanOrEqual(4.5);
  }
});

it('are those of a page', () => {
  const html = page('t', '<h1>t</h1>');
  for (const [scheme, colors] of Object.entries(COLORS)) {
    for (const [name, color] of Object.entries(colors)) expect(html, scheme).toContain(`--${name}: ${color};`);
  }
});
