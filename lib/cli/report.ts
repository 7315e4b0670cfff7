// report.ts: the demo's result as one HTML file that needs nothing else: pictures are SVG within it, there is no script.
import { type DemoResult, figures } from './demo-result.ts';
import { count, short } from './format.ts';
import { escapeHtml, lineChart, strip } from './svg.ts';

const CSS = `
:root { color-scheme: light dark; --page: #fdfdfc; --ink: #1c2128; --soft: #5b6570; --line: #e3e6ea; --panel: #f4f5f7;
  --s0: #c8500a; --s1: #0b8457; --s2: #1565c8; }
@media (prefers-color-scheme: dark) { :root { --page: #14171b; --ink: #e7eaee; --soft: #9aa5b1; --line: #2c323a; --panel: #1c2127;
  --s0: #ff9550; --s1: #3fd39a; --s2: #6db3ff; } }
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
path.s0 { stroke: var(--s0); } path.s1 { stroke: var(--s1); } path.s2 { stroke: var(--s2); }
text.s0, .mark.s0 { fill: var(--s0); } text.s1, .mark.s1 { fill: var(--s1); } text.s2, .mark.s2 { fill: var(--s2); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: 16px 0 0; font-size: 15px; font-variant-numeric: tabular-nums; }
th { font-weight: 600; color: var(--soft); font-size: 13px; text-align: right; vertical-align: bottom; }
th, td { padding: 8px 0 8px 20px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; } td.best { font-weight: 700; }
.chip { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 8px; }
.chip.s0 { background: var(--s0); } .chip.s1 { background: var(--s1); } .chip.s2 { background: var(--s2); }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 13px; }
.samples { display: grid; grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); gap: 16px; margin-top: 8px; }
.samples h3 { font-size: 15px; margin: 0 0 6px; }
pre { margin: 0; padding: 12px 14px; background: var(--panel); border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.45; }
`;

export function htmlReport(result: DemoResult): string {
  const { contenders, text, steps } = result;
  const styles = contenders.map((_, i) => `s${i}`);
  const series = (key: 'loss' | 'norm') => contenders.map((c, i) => ({ style: styles[i]!, label: c.label, values: c[key] }));
  const guess = Math.log(text.distinct);
  const lanes = contenders.map((c, i) => {
    return {
      style: styles[i]!,
      label: c.label,
      note: `${short(figures(c).clippedPercent)} % of steps`,
      marks: c.clipped.map((on, step) => (on ? Math.max(0.01, 1 - c.normAfter[step]! / c.norm[step]!) : 0)),
    };
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>gradclip demo: ${escapeHtml(text.name)}</title>
<style>${CSS}</style>
</head>
<body>
<h1>The same network, three ways to clip its gradient</h1>
<p>A character-level recurrent network (${count(result.parameters)} parameters) learns to predict the next character of
${escapeHtml(text.name)}, three times from the same weights on the same batches. Only the clip policy differs.</p>
<p class="soft">${count(text.trained)} of ${count(text.length)} characters train, ${text.distinct} of them distinct · ${count(steps)} steps ·
seed ${result.seed} · ${result.threads} thread${result.threads === 1 ? '' : 's'} · ${escapeHtml(result.isa)} · gradclip ${escapeHtml(result.version)}</p>
${table(result, styles)}
<h2>Loss</h2>
<figure><figcaption>Cross-entropy of the next character, in nats, on a logarithmic scale: faint as
measured, strong as a running median. Guessing among all
${text.distinct} characters costs ${guess.toFixed(2)}.</figcaption>
${lineChart(series('loss'), { title: 'Loss', unit: 'nats per character', log: true })}</figure>
<h2>Gradient norm</h2>
<figure><figcaption>L2 norm of the whole gradient before clipping, on a logarithmic scale.</figcaption>
${lineChart(series('norm'), { title: 'Gradient norm', unit: 'norm', log: true })}</figure>
<h2>Where the clip bit</h2>
<figure><figcaption>Steps in which the policy changed the gradient: the stronger the colour, the more of the norm it took away.</figcaption>
${strip(lanes, 'Steps in which the policy changed the gradient')}</figure>
<h2>What each has learnt to write</h2>
<p class="soft">Characters drawn one by one at temperature ${result.temperature}, after the same ${[...result.prompt].length} characters of text
that no model was trained on.</p>
<div class="samples">
${contenders.map((c, i) => `<div><h3><span class="chip ${styles[i]}"></span>${escapeHtml(c.label)}</h3><pre>${escapeHtml(visible(c.sample))}</pre></div>`).join('\n')}
</div>
<p class="soft" style="margin-top:40px">The same again: <code>${escapeHtml(result.command)}</code></p>
</body>
</html>
`;
}

function table({ contenders }: DemoResult, styles: readonly string[]): string {
  const all = contenders.map(figures);
  const best = Math.min(...all.map((f) => f.finalLoss).filter((loss) => Number.isFinite(loss)));
  const rows = contenders.map((c, i) => {
    const f = all[i]!;
    const loss = Number.isFinite(f.finalLoss) ? f.finalLoss.toFixed(2) : 'not finite';
    const cells = [
      short(f.medianNorm),
      short(f.largestNorm),
      `${short(f.clippedPercent)} %`,
      count(f.skipped),
      `${f.seconds.toFixed(1)} s`,
    ];
    return `<tr><td><span class="chip ${styles[i]}"></span>${escapeHtml(c.label)} <code>${escapeHtml(c.policy)}</code></td>
<td${f.finalLoss === best ? ' class="best"' : ''}>${loss}</td>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  return `<div class="scroll"><table>
<thead><tr><th>policy</th><th>loss, mean of<br>the last 50 steps</th><th>norm,<br>median</th><th>norm,<br>largest</th><th>steps<br>clipped</th><th>steps<br>skipped</th><th>time</th></tr></thead>
<tbody>${rows.join('\n')}</tbody>
</table></div>`;
}

/** Control characters, which a page cannot show, as a dot. */
function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f]/g, '·');
}
