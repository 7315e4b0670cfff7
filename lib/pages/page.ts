// page.ts: the frame of an HTML page that needs nothing else: no other file, light and dark, on a phone and on a desk, to be read by keyboard and aloud.
import { escapeHtml } from './svg.ts';

/** Colors that a series may have: classes of what is drawn. */
export const STYLES: readonly string[] = ['s0', 's1', 's2', 's3', 's4', 's5', 's6', 's7'];

/** Colors by name. Text in them is read on `page` and on `panel`: 4.5 to 1 at least. */
export const COLORS: Readonly<Record<'light' | 'dark', Readonly<Record<string, string>>>> = {
  light: {
    ...{ page: '#fdfdfc', ink: '#1c2128', soft: '#57606a', line: '#e3e6ea', panel: '#f4f5f7', focus: '#1565c8' },
    ...{ s0: '#b84706', s1: '#08764d', s2: '#1565c8', s3: '#9b2fae', s4: '#7d6200', s5: '#c2185b', s6: '#00727d', s7: '#57606a' },
  },
  dark: {
    ...{ page: '#14171b', ink: '#e7eaee', soft: '#a3adb9', line: '#2c323a', panel: '#1c2127', focus: '#6db3ff' },
    ...{ s0: '#ff9550', s1: '#3fd39a', s2: '#6db3ff', s3: '#d68bf0', s4: '#d9bd3f', s5: '#ff7faa', s6: '#4fd3e0', s7: '#a3adb9' },
  },
};

const variables = (scheme: 'light' | 'dark'): string =>
  Object.entries(COLORS[scheme])
    .map(([name, color]) => `--${name}: ${color};`)
    .join(' ');

const CSS = `
:root { color-scheme: light dark; ${variables('light')} }
@media (prefers-color-scheme: dark) { :root { ${variables('dark')} } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { margin: 0 auto; padding: 40px 24px 64px; max-width: 980px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 8px; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 40px 0 2px; } h3 { font-size: 15px; margin: 20px 0 6px; }
p, li { max-width: 90ch; overflow-wrap: anywhere; } p { margin: 8px 0; }
a { color: var(--s2); } :focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; }
.soft, figcaption, caption { color: var(--soft); font-size: 14px; }
figure { margin: 0; } figcaption { margin: 0 0 8px; max-width: 90ch; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-size: 13px; fill: var(--soft); font-variant-numeric: tabular-nums; }
svg .label { font-weight: 600; }
.grid { stroke: var(--line); } .axis { stroke: var(--soft); } .lane { fill: var(--panel); }
path { fill: none; stroke-linejoin: round; } .trend { stroke-width: 2.2; } .raw { stroke-width: 1; opacity: 0.3; }
${STYLES.map((s) => `path.${s} { stroke: var(--${s}); } text.${s}, .mark.${s} { fill: var(--${s}); } .chip.${s} { background: var(--${s}); }`).join('\n')}
.plot { display: grid; grid-template-columns: max-content minmax(0, 1fr); column-gap: 8px; font-size: 13px; color: var(--soft);
  font-variant-numeric: tabular-nums; line-height: 1.2; margin: 4px 0 0; }
.plot .y { position: relative; } .plot .y span { display: block; text-align: right; }
.plot .y span:not(.wide) { position: absolute; right: 0; transform: translateY(-50%); white-space: nowrap; } .plot .y .wide { visibility: hidden; }
.plot .area { position: relative; height: 246px; margin: 8px 0 0; } .plot .y { margin: 8px 0 0; }
.plot .area svg { position: absolute; inset: 0; width: 100%; height: 100%; } .plot path, .plot line { vector-effect: non-scaling-stroke; }
.plot .x { grid-column: 2; position: relative; height: 20px; } .plot .x span { position: absolute; top: 5px; transform: translateX(-50%); white-space: nowrap; }
.plot .x span:first-child { transform: none; } .plot .x span.last { transform: translateX(-100%); }
.plot .name { grid-column: 2; text-align: center; margin: 2px 0 0; } sup { font-size: 10px; line-height: 1; }
.keys { color: var(--ink); display: flex; flex-wrap: wrap; gap: 2px 20px; margin: 6px 0 0; padding: 0; list-style: none; font-size: 14px; }
.keys li { display: flex; align-items: baseline; } .keys .chip { margin-right: 6px; flex: none; }
.plot .unit { grid-column: 1 / -1; } .dots { stroke-width: 5; stroke-linecap: round; }
.lanes { grid-template-columns: minmax(0, 1fr); } .lanes .x, .lanes .name { grid-column: 1; }
.lane-name { position: absolute; left: 0; right: 0; height: 22px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-size: 14px; line-height: 22px; }
.scroll { overflow-x: auto; position: relative; }
table { border-collapse: collapse; width: 100%; margin: 16px 0 0; font-size: 15px; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 0 0 4px; }
th { font-weight: 600; color: var(--soft); font-size: 13px; text-align: right; vertical-align: bottom; }
th, td { padding: 8px 0 8px 20px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
tbody th { font: inherit; color: inherit; vertical-align: inherit; }
th:first-child, td:first-child { text-align: left; padding-left: 0; } td.best { font-weight: 700; }
th.words, td.words { text-align: left; white-space: normal; min-width: 16ch; overflow-wrap: anywhere; }
.chip { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 8px; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 13px; }
code { overflow-wrap: anywhere; }
.samples { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(280px, 100%), 1fr)); gap: 16px; margin-top: 8px; }
.samples h3 { margin-top: 0; }
pre { margin: 0; padding: 12px 14px; background: var(--panel); border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.45; }
@media (max-width: 600px) { main { padding: 20px 14px 40px; } h1 { font-size: 23px; } .plot .area { height: 190px; } .plot .x .odd { display: none; }
  th, td { padding-left: 14px; } }
@media print { .scroll { overflow: visible; } }
`;

/** What a page may have beside its body. */
export interface PageOptions {
  /** Further rules, for what one page alone has. */
  readonly css?: string;
  /** A script that the page loads from where it is served. */
  readonly script?: string;
}

/** @param body what its main part holds */
export function page(title: string, body: string, { css = '', script }: PageOptions = {}): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${CSS}${css}</style>${script === undefined ? '' : `\n<script src="${escapeHtml(script)}" defer></script>`}
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;
}
