// report.ts: the demo's result as one HTML file that needs nothing else: pictures are SVG within it, there is no script.
import { log } from '../../math/index.ts';
import { page } from '../../pages/page.ts';
import { escapeHtml, lineChart, strip } from '../../pages/svg.ts';
import { type Cell, tableHtml } from '../../pages/table.ts';
import { count, short } from '../../text/format.ts';
import { type DemoResult, figures } from './result.ts';

export function htmlReport(result: DemoResult): string {
  const { contenders, text, steps } = result;
  const styles = contenders.map((_, i) => `s${i}`);
  const series = (key: 'loss' | 'norm') => contenders.map((c, i) => ({ style: styles[i]!, label: c.label, values: c[key] }));
  const guess = log(text.distinct);
  const lanes = contenders.map((c, i) => {
    return {
      style: styles[i]!,
      label: c.label,
      note: `${short(figures(c).clippedPercent)} % of steps`,
      marks: c.clipped.map((on, step) => (on ? Math.max(0.01, 1 - c.normAfter[step]! / c.norm[step]!) : 0)),
    };
  });
  const body = `<h1>The same network, three ways to clip its gradient</h1>
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
<h2>Where the clip was active</h2>
<figure><figcaption>Steps in which the policy changed the gradient: the stronger the color, the more of the norm it took away.</figcaption>
${strip(lanes, { title: 'Steps in which the policy changed the gradient' })}</figure>
<h2>What each has learned to write</h2>
<p class="soft">Characters drawn one by one at temperature ${result.temperature}, after the same ${[...result.prompt].length} characters of text
that no model was trained on.</p>
<div class="samples">
${contenders.map((c, i) => `<div><h3><span class="chip ${styles[i]}"></span>${escapeHtml(c.label)}</h3><pre>${escapeHtml(c.sample)}</pre></div>`).join('\n')}
</div>
<p class="soft" style="margin-top:40px">The same again: <code>${escapeHtml(result.command)}</code></p>`;
  return page(`gradclip demo: ${text.name}`, body);
}

function table({ contenders }: DemoResult, styles: readonly string[]): string {
  const all = contenders.map(figures);
  const best = Math.min(...all.map((f) => f.finalLoss).filter((loss) => Number.isFinite(loss)));
  const rows = contenders.map((c, i): Cell[] => {
    const f = all[i]!;
    const loss = Number.isFinite(f.finalLoss) ? f.finalLoss.toFixed(2) : 'not finite';
    return [
      { html: `<span class="chip ${styles[i]}"></span>${escapeHtml(c.label)} <code>${escapeHtml(c.policy)}</code>` },
      { text: loss, ...(f.finalLoss === best && { style: 'best' }) },
      short(f.medianNorm),
      short(f.largestNorm),
      `${short(f.clippedPercent)} %`,
      count(f.skipped),
      `${f.seconds.toFixed(1)} s`,
    ];
  });
  const head = [
    'policy',
    'loss, mean of|the last 50 steps',
    'norm,|median',
    'norm,|largest',
    'steps|clipped',
    'steps|skipped',
    'time',
  ];
  return tableHtml({ caption: 'The three trainings', unseen: true, head, rows });
}
