// page.ts: the outcome of the laboratory as one page of HTML, which needs nothing else.

import { quantile, sorted } from '../../history/numbers.ts';
import { log } from '../../math/index.ts';
import { page } from '../../pages/page.ts';
import { escapeHtml } from '../../pages/svg.ts';
import { type Cell, tableHtml } from '../../pages/table.ts';
import { count, short } from '../../text/format.ts';
import { bestOf } from '../advice.ts';
import { LADDER } from '../policies.ts';
import { GOOD, scoreOf, wayOf } from '../score.ts';
import { profilesOf } from '../statistics/profiles.ts';
import {
  FACTS,
  type Fact,
  type KindFacts,
  mainRows,
  type Ranking,
  type Row,
  type Summary,
  score,
  summaryTable,
} from '../summary.ts';
import { costChart, differenceChart, profileChart } from './charts.ts';

const CSS = `
.chart svg { max-width: 860px; } svg .small { font-size: 11px; } circle.mark { stroke: none; }
table.heat td, table.heat tbody th { padding: 4px 8px; font-size: 13px; } table.heat th { padding: 4px 8px; }
table.heat th.up { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; }
td.h0 { background: color-mix(in srgb, var(--s1) 34%, transparent); } td.h1 { background: color-mix(in srgb, var(--s1) 16%, transparent); }
td.h2 { background: transparent; } td.h3 { background: color-mix(in srgb, var(--s0) 22%, transparent); }
td.h4 { background: color-mix(in srgb, var(--s0) 48%, transparent); }
td:first-child, th:first-child { position: sticky; left: 0; background: var(--page); }
summary { cursor: pointer; color: var(--soft); margin-top: 12px; }
@media (max-width: 600px) { .chart svg { min-width: 560px; } }
`;

export interface PageFacts {
  /** Where the runs were made, in words. */
  readonly machine: string;
  readonly version: string;
}

/** @param facts of the machine that made the page */
export function labPage(summary: Summary, { machine, version }: PageFacts): string {
  const { lines, problems, cells, incomplete, refused } = summary;
  const seeds = new Set(lines.map(({ seed }) => seed)).size;
  const workloads = new Set(lines.map(({ workload }) => workload)).size;
  const made = `${count(lines.length)} runs: ${workloads} networks, ${cells.length} with an optimizer, ${seeds} seeds. gradclip ${version}, ${machine}.`;
  const left =
    incomplete > 0
      ? `<p class="soft">${count(incomplete)} of a network, optimizer and seed have no score: not all ${LADDER.length} fixed thresholds were tried.</p>`
      : '';
  const body = [
    '<h1>Which clip is worth it</h1>',
    `<p class="soft">${escapeHtml(made)}</p>`,
    left,
    ...refused.map(
      ({ workload, policy, why }) => `<p class="soft">${escapeHtml(`${policy} does not go with ${workload}: ${why}`)}</p>`,
    ),
    `<p>${METHOD}</p>`,
    problems.length === 0 ? '<p>There is no score to report.</p>' : sections(summary).join('\n'),
  ];
  return page('gradclip lab', body.join('\n'), { css: CSS });
}

const METHOD = `All policies and levels are tried with the same seeds: the same data, first weights and batches. A score is (L + 0.02 L0) / (L* + 0.02 L0): L is the loss
on the test set, L0 that of who knows nothing, L* that of the best of ${LADDER.length} fixed thresholds of the global norm, chosen by the validation set. 1 is as good as a threshold
tuned by hand, 51 is nothing learned where there was everything to learn. A run that diverged, or that is worse than knowing nothing, counts as knowing nothing.`;

function sections(summary: Summary): string[] {
  const { ranking, rankingTuned, kinds } = summary;
  return [
    section(
      'What to take',
      'The least geometric mean of the usual levels, by kind of network and optimizer, with the interval of 95 %.',
      kindTable(kinds),
    ),
    section(
      'Policies',
      `As they are usually set, and tuned: the best of their levels by the validation set. Worst is the largest median of a network's scores; within 10 %, the share of scores up to ${GOOD}; work and time are those of all runs it takes, over one without a clip.`,
      plainTable('Policies', summaryTable(summary)),
    ),
    section(
      'Performance profiles',
      'Of how many networks, optimizers and seeds a policy at its usual level comes within a factor of the best of these (Dolan and Moré 2002). The best mean first; more to the upper left is better.',
      profiles(summary),
    ),
    ranking ? section('Ranks at usual levels', rankText(ranking), differenceChart(ranking)) : '',
    rankingTuned ? section('Ranks of tuned policies', rankText(rankingTuned), differenceChart(rankingTuned)) : '',
    section(
      'Cost beside quality',
      'Lower and further to the left is better. Green: at the usual level; blue: tuned.',
      costChart(mainRows(summary)),
    ),
    section(
      'Network by network',
      'Median score over the seeds, at usual levels. Green is as good as the best fixed threshold, or better; orange is worse.',
      heat(summary),
    ),
    section(
      'Pairs',
      'How often the policy of the row is better than that of the column by more than 1 %, with the same data, weights and batches; a dot where the medians of networks do not differ by more than chance (Wilcoxon, p > 0.05).',
      duels(summary),
    ),
    section(
      'Where, and why',
      'What the norms of a run without a clip were: medians over the seeds. Then Spearman’s correlation of a policy’s scores with them, over networks: above 0, the policy is worse where the number is larger.',
      facts(summary),
    ),
    `<details><summary>All levels</summary>${plainTable('All levels', levels(summary))}</details>`,
    `<p class="soft"><a download="lab.csv" href="data:text/csv;charset=utf-8,${encodeURIComponent(cellCsv(summary))}">Median scores by network as CSV</a>; <code>gradclip lab --csv</code> writes every run.</p>`,
  ].filter((part) => part !== '');
}

const section = (title: string, text: string, content: string): string =>
  `<h2>${escapeHtml(title)}</h2>\n<p class="soft">${escapeHtml(text)}</p>\n${content}`;

/** Text in cells. */
function plainTable(caption: string, rows: readonly (readonly string[])[]): string {
  const [head, ...body] = rows;
  return tableHtml({ caption, unseen: true, head: head!, rows: body });
}

function kindTable(kinds: readonly KindFacts[]): string {
  const rows = kinds.flatMap((kind): string[][] => {
    if (kind.ways.length === 0) return [];
    const { best, alike } = bestOf(kind);
    const without = kind.ways.find(({ name }) => name === 'none');
    return [
      [
        `${kind.kind}, ${kind.optimizer}`,
        String(kind.workloads),
        best.name,
        `${score(best.mean)} (${score(best.low)} to ${score(best.high)})`,
        without ? score(without.mean) : '',
        alike.slice(0, 4).join(', ') + (alike.length > 4 ? ` and ${alike.length - 4} more` : ''),
      ],
    ];
  });
  return plainTable('What to take, by kind', [
    ['kind', 'networks', 'best', 'mean of its scores', 'without a clip', 'no worse beyond noise'],
    ...rows,
  ]);
}

/** Of all ratios this share is within the chart; the others lie to the right of it. */
const SHOWN = 0.985;
/** Ways with a color of their own. */
const DRAWN = 8;

function profiles(summary: Summary): string {
  const usual = summary.rows.filter((row) => row.usual).sort((a, b) => a.mean - b.mean);
  const wanted = ['none', 'auto', 'globalNorm'];
  const first = usual.filter((row) => wanted.includes(row.name));
  const others = usual.filter((row) => !wanted.includes(row.name)).slice(0, DRAWN - first.length);
  const rows = usual.filter((row) => first.includes(row) || others.includes(row));
  const costs = summary.problems.flatMap((problem) => {
    const runs = rows.map(({ policy, level }) => problem.runs.get(wayOf(policy, level)));
    return runs.includes(undefined) ? [] : [runs.map((line) => scoreOf(problem, line!))];
  });
  if (costs.length === 0) return '<p>No problem was tried with all of them.</p>';
  const made = profilesOf(costs);
  const most = quantile(sorted(costs.flatMap((row) => row.map((cost) => cost / Math.min(...row)))), SHOWN);
  return profileChart(
    rows.map(({ name }, i) => ({ name, profile: made[i]! })),
    Math.min(50, most),
  );
}

function rankText({ p, pOfF, n }: Ranking): string {
  const small = (x: number): string => (x < 1e-4 ? '< 0.0001' : x.toPrecision(2));
  return `Mean rank over ${n} networks with an optimizer, of median scores; 1 is best. Are all alike? Friedman p ${small(p)}, Iman and Davenport p ${small(pOfF)}. Policies that a bar joins do not differ by more than chance (Nemenyi, 95 %; Demšar 2006).`;
}

/** From much better than the best fixed threshold to much worse. */
function heatOf(value: number): string {
  if (Number.isNaN(value)) return 'h2';
  const away = log(value) / log(GOOD);
  return away < -0.5 ? 'h0' : away <= 1 ? 'h1' : away <= 2 ? 'h2' : away <= 5 ? 'h3' : 'h4';
}

function usualOf({ ways }: Summary): { readonly name: string; readonly at: number }[] {
  return ways.flatMap((way, at) => (way.usual ? [{ name: way.name, at }] : []));
}

function heat(summary: Summary): string {
  const usual = usualOf(summary);
  const rows = summary.cells.map(({ workload, optimizer, scores }): Cell[] => [
    `${workload}, ${optimizer}`,
    ...usual.map(({ at }) => ({ text: score(scores[at]!), style: heatOf(scores[at]!) })),
  ]);
  const head = ['network', ...usual.map(({ name }) => name)];
  return tableHtml({ caption: 'Median scores by network', unseen: true, head, rows, style: 'heat', headStyle: 'up' });
}

function duels(summary: Summary): string {
  const names = usualOf(summary).map(({ name }) => name);
  const rows = names.map((a): Cell[] => [
    a,
    ...names.map((b): Cell => {
      const duel = summary.duels.find((one) => one.a === a && one.b === b);
      if (!duel) return '';
      const style = duel.p > 0.05 ? 'h2' : duel.wins > duel.losses ? 'h1' : 'h3';
      const text = `${Math.round(100 * duel.wins)} %${duel.p > 0.05 ? ' ·' : ''}`;
      return { text, style, title: `${Math.round(100 * duel.ties)} % ties, p ${duel.p.toPrecision(2)}` };
    }),
  ]);
  const head = ['better than', ...names];
  return tableHtml({ caption: 'Wins of the row over the column', unseen: true, head, rows, style: 'heat', headStyle: 'up' });
}

const NAMES = Object.keys(FACTS) as Fact[];
const shown = (x: number): string => (Number.isNaN(x) ? '' : short(x));

function facts(summary: Summary): string {
  const usual = usualOf(summary);
  const cells = summary.cells.map((cell) => {
    const tried = usual.filter(({ at }) => !Number.isNaN(cell.scores[at]));
    const best = tried.reduce<{ name: string; at: number } | null>(
      (a, b) => (a && cell.scores[a.at]! <= cell.scores[b.at]! ? a : b),
      null,
    );
    const wins = best ? `${best.name} ${score(cell.scores[best.at]!)}` : '';
    return [`${cell.workload}, ${cell.optimizer}`, ...NAMES.map((name) => shown(cell.norms[name])), shown(cell.learned), wins];
  });
  const head = ['network', ...NAMES.map((name) => FACTS[name]), 'best loss / knowing nothing', 'best policy'];
  const correlations = summary.correlations.map(({ name, of }) => [
    name,
    ...NAMES.map((fact) => (Number.isNaN(of[fact]) ? '' : of[fact].toFixed(2))),
  ]);
  const over = ['policy', ...NAMES.map((name) => FACTS[name])];
  return `${plainTable('Norms by network', [head, ...cells])}\n${plainTable('Correlations of scores with norms', [over, ...correlations])}`;
}

function levels({ rows }: Summary): string[][] {
  const line = (row: Row): string[] => [
    row.name,
    score(row.mean),
    `${score(row.low)} to ${score(row.high)}`,
    `${score(row.worst)} (${row.worstOf})`,
    score(row.worstCell),
    `${Math.round(100 * row.good)} %`,
    `${Math.round(100 * row.diverged)} %`,
    `${Math.round(100 * row.clipped)} %`,
    String(row.problems),
  ];
  const head = [
    'policy and level',
    'geometric mean',
    '95 %',
    'worst',
    'with one optimizer',
    'within 10 %',
    'diverged',
    'clipped',
    'runs',
  ];
  return [head, ...rows.filter((row) => row.runs === 1).map(line)];
}

function cellCsv(summary: Summary): string {
  const usual = usualOf(summary);
  const rows = summary.cells.map(({ workload, kind, optimizer, scores }) =>
    [workload, kind, optimizer, ...usual.map(({ at }) => (Number.isNaN(scores[at]) ? '' : scores[at]!.toPrecision(5)))].join(),
  );
  return [['workload', 'kind', 'optimizer', ...usual.map(({ name }) => name)].join(), ...rows].join('\n');
}
