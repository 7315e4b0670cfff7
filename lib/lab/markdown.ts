// markdown.ts: the outcome of the laboratory as tables of docs/LAB.md, by name.
import { mean } from '../history/numbers.ts';
import { exp, log } from '../math/index.ts';
import { count } from '../text/format.ts';
import { adviceLines } from './advice.ts';
import { REFERENCE } from './policies.ts';
import { GOOD, scoreOf, wayOf } from './score.ts';
import { FACTS, type Fact, type Ranking, type Summary, score, summaryTable, TUNED } from './summary.ts';

/** What the page has between markers. */
export type Part = 'advice' | 'runs' | 'policies' | 'pairs' | 'ranks' | 'fixed' | 'networks' | 'norms' | 'levels' | 'held';

/**
 * Each part as Markdown.
 * @param machines where the runs were made, in words
 * @param held of the networks that were held out; null where they were not tried
 */
export function labMarkdown(summary: Summary, machines: readonly string[], held: Summary | null): Record<Part, string> {
  return {
    advice: adviceLines(summary)
      .map((line, i) => wrapped(`${i + 1}. ${line}`, '   '))
      .join('\n'),
    runs: runsText(summary, machines),
    policies: markdown(summaryTable(summary)),
    pairs: pairs(summary),
    ranks: ranks(summary),
    fixed: fixed(summary),
    networks: networks(summary),
    norms: norms(summary),
    levels: levels(summary),
    held:
      held === null ? 'Not tried yet.' : [runsText(held, machines), markdown(summaryTable(held)), networks(held)].join('\n\n'),
  };
}

/** Columns of a line of text. */
const WIDE = 118;

/** Text in lines of the page's width. @param indent of all but the first */
function wrapped(text: string, indent: string = ''): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= WIDE) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(last === undefined ? word : indent + word);
  }
  return lines.join('\n');
}

/** The first column to the left, the others to the right. */
function markdown([head, ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head!), `|---|${'---:|'.repeat(head!.length - 1)}`, ...rows.map(line)].join('\n');
}

function runsText({ lines, problems, cells, refused, incomplete }: Summary, machines: readonly string[]): string {
  const seeds = new Set(lines.map(({ seed }) => seed)).size;
  const workloads = new Set(lines.map(({ workload }) => workload)).size;
  const policies = new Set(lines.map(({ policy }) => policy)).size;
  const steps = lines.reduce((sum, line) => sum + line.steps + line.extra, 0);
  const hours = lines.reduce((sum, line) => sum + line.seconds, 0) / 3600;
  const made = `${count(lines.length)} runs: ${policies} policies, ${workloads} networks, ${cells.length} networks with an optimizer, ${seeds} seed${seeds === 1 ? '' : 's'}; ${count(problems.length)} scores for each way. ${count(Math.round(steps))} steps, ${hours.toFixed(1)} hours of one core. ${machines.join('; ')}.`;
  const left =
    incomplete > 0
      ? [`${count(incomplete)} networks with an optimizer and a seed have no score: not all ten thresholds were tried.`]
      : [];
  const strangers = refused.map(({ workload, policy, why }) => `\`${policy}\` does not go with \`${workload}\`: ${why}.`);
  return [made, ...left, ...strangers].map((text) => wrapped(text)).join('\n\n');
}

/** Every usual policy against each of the others, or auto against all where it was tried. */
function pairs({ duels, rows }: Summary): string {
  const usual = rows.filter((row) => row.usual).sort((a, b) => a.mean - b.mean);
  const first = usual.find(({ name }) => name === 'auto') ?? usual[0];
  const body = usual.flatMap(({ name }) => {
    const duel = duels.find(({ a, b }) => a === first?.name && b === name);
    return duel
      ? [[name, percent(duel.wins), percent(duel.ties), percent(duel.losses), percent(duel.better), pText(duel.p)]]
      : [];
  });
  const head = [
    `\`${first?.name ?? ''}\` against`,
    'better by more than 1 %',
    'within 1 %',
    'worse by more than 1 %',
    'better at all',
    'Wilcoxon p',
  ];
  return markdown([head, ...body]);
}

function ranks({ ranking, rankingTuned }: Summary): string {
  const one = (title: string, of: Ranking | null): string[] => {
    if (of === null) return [];
    const order = of.ranks.map((_, i) => i).sort((a, b) => of.ranks[a]! - of.ranks[b]!);
    const text = order.map((i) => `\`${of.names[i]}\` ${of.ranks[i]!.toFixed(2)}`).join(', ');
    return [
      `${title}, over ${of.n} networks with an optimizer: ${text}. Friedman p ${pText(of.p)}, Iman and Davenport p ${pText(of.pOfF)}; critical difference ${of.difference.toFixed(2)}.`,
    ];
  };
  return [...one('At usual levels', ranking), ...one('Tuned', rankingTuned)].map((text) => wrapped(text)).join('\n\n');
}

/** The ten thresholds that scores compare with, by optimizer. */
function fixed({ problems }: Summary): string {
  const optimizers = [...new Set(problems.map(({ optimizer }) => optimizer))].sort();
  const body = REFERENCE.levels.map(({ name }) => [
    name,
    ...optimizers.flatMap((optimizer) => {
      const own = problems.filter((problem) => problem.optimizer === optimizer);
      const lines = own.map(({ runs }) => runs.get(wayOf(REFERENCE.name, name))!);
      const scores = own.map((problem, i) => scoreOf(problem, lines[i]!));
      const clipped = mean(lines.map((line) => line.clipped));
      return [score(exp(mean(scores.map(log)))), percent(mean(scores.map((s) => (s <= GOOD ? 1 : 0)))), percent(clipped)];
    }),
  ]);
  const head = optimizers.flatMap((optimizer) => [`${optimizer}: geometric mean`, 'within 10 %', 'clipped']);
  return markdown([['threshold', ...head], ...body]);
}

function networks({ cells, ways, rows }: Summary): string {
  const usual = rows.filter((row) => row.usual).sort((a, b) => a.mean - b.mean);
  const at = usual.map(({ name }) => ways.findIndex((way) => way.name === name));
  const body = cells.map(({ workload, optimizer, scores }) => [`${workload}, ${optimizer}`, ...at.map((i) => score(scores[i]!))]);
  return markdown([['network', ...usual.map(({ name }) => name)], ...body]);
}

const ALL = Object.keys(FACTS) as Fact[];

function norms({ correlations }: Summary): string {
  const body = correlations.map(({ name, of }) => [
    name,
    ...ALL.map((fact) => (Number.isNaN(of[fact]) ? '' : of[fact].toFixed(2))),
  ]);
  return markdown([['policy', ...ALL.map((fact) => FACTS[fact])], ...body]);
}

function levels({ rows }: Summary): string {
  const body = rows
    .filter(({ level }) => level !== TUNED)
    .map((row) => [
      row.name,
      `${score(row.mean)} (${score(row.low)} to ${score(row.high)})`,
      `${score(row.worst)} (${row.worstOf})`,
      percent(row.good),
      percent(row.diverged),
    ]);
  return markdown([['policy and level', 'geometric mean', 'worst', 'within 10 %', 'diverged'], ...body]);
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;
const pText = (p: number): string => (p < 1e-4 ? '< 0.0001' : p.toPrecision(2));

/** A page with new parts: each stands between `<!-- lab NAME -->` and `<!-- end of lab -->`. Parts without a place are left out. */
export function withParts(page: string, parts: Readonly<Record<Part, string>>): string {
  return page.replace(/(<!-- lab (\w+) -->\n)[\s\S]*?(<!-- end of lab -->)/g, (all, begin: string, name: string, end: string) => {
    const part = parts[name as Part];
    return part === undefined ? all : `${begin}${part}\n${end}`;
  });
}
