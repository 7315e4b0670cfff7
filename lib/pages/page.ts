// page.ts: the frame of an HTML page that needs nothing else: no script, no other file, light and dark.
import { escapeHtml } from './svg.ts';

/** Colors that a series may have: classes of what is drawn. */
export const STYLES: readonly string[] = ['s0', 's1', 's2', 's3', 's4', 's5', 's6', 's7'];

const CSS = `
:root { color-scheme: light dark; --page: #fdfdfc; --ink: #1c2128; --soft: #5b6570; --line: #e3e6ea; --panel: #f4f5f7;
  --s0: #c8500a; --s1: #0b8457; --s2: #1565c8; --s3: #9b2fae; --s4: #8a6d00; --s5: #c2185b; --s6: #00838f; --s7: #5b6570; }
@media (prefers-color-scheme: dark) { :root { --page: #14171b; --ink: #e7eaee; --soft: #9aa5b1; --line: #2c323a; --panel: #1c2127;
  --s0: #ff9550; --s1: #3fd39a; --s2: #6db3ff; --s3: #d68bf0; --s4: #d9bd3f; --s5: #ff7faa; --s6: #4fd3e0; --s7: #9aa5b1; } }
body { margin: 0 auto; padding: 40px 24px 64px; max-width: 980px; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 8px; letter-spacing: -0.01em; }
h2 { font-size: 18px; margin: 40px 0 2px; }
p { margin: 8px 0; max-width: 90ch; }
.soft, figcaption { color: var(--soft); font-size: 14px; }
figure { margin: 0; } figcaption { margin: 0 0 8px; max-width: 90ch; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-size: 13px; fill: var(--soft); font-variant-numeric: tabular-nums; }
svg .power { font-size: 10px; } svg .label { font-weight: 600; }
.grid { stroke: var(--line); } .axis { stroke: var(--soft); } .lane { fill: var(--panel); }
path { fill: none; stroke-linejoin: round; } .trend { stroke-width: 2.2; } .raw { stroke-width: 1; opacity: 0.3; }
${STYLES.map((s) => `path.${s} { stroke: var(--${s}); } text.${s}, .mark.${s} { fill: var(--${s}); } .chip.${s} { background: var(--${s}); }`).join('\n')}
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: 16px 0 0; font-size: 15px; font-variant-numeric: tabular-nums; }
th { font-weight: 600; color: var(--soft); font-size: 13px; text-align: right; vertical-align: bottom; }
th, td { padding: 8px 0 8px 20px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; } td.best { font-weight: 700; }
.chip { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 8px; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 13px; }
.samples { display: grid; grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); gap: 16px; margin-top: 8px; }
.samples h3 { font-size: 15px; margin: 0 0 6px; }
pre { margin: 0; padding: 12px 14px; background: var(--panel); border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.45; }
`;

/** @param css further rules, for what one page alone has */
export function page(title: string, body: string, css = ''): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${CSS}${css}</style>
</head>
<body>
${body}
</body>
</html>
`;
}
