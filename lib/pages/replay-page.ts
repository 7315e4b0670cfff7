// replay-page.ts: advice and replays as tables for people and as one HTML page with curves.

import type { AutoDecision } from '../clip/clip.ts';
import { visible } from '../errors/visible.ts';
import type { Advice } from '../history/advise.ts';
import type { History } from '../history/history.ts';
import type { Replay, Replayed } from '../history/replay.ts';
import { tailText } from '../history/tail.ts';
import type { Cure, Warning } from '../history/warning.ts';
import { custom, type Field, nullable, signature } from '../options/index.ts';
import { count, percent, short, table } from '../text/format.ts';
import { page, STYLES } from './page.ts';
import { escapeHtml, lineChart, type SVGSeries, strip } from './svg.ts';
import { tableHtml } from './table.ts';

const part = (x: number): string => (Number.isNaN(x) ? '-' : percent(x, 1));
const middle = (values: Float64Array): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const replayed: Field<Replay> = custom('what replay gives', (value, place) => {
  const { history, policies } = (value ?? {}) as Partial<Replay>;
  if (typeof history !== 'object' || !Array.isArray(policies)) throw place.wrong('what replay gives', value);
  return value as Replay;
});
const advised: Field<Advice> = custom('what advise gives', (value, place) => {
  const { norms, rules } = (value ?? {}) as Partial<Advice>;
  if (typeof norms !== 'object' || !Array.isArray(rules)) throw place.wrong('what advise gives', value);
  return value as Advice;
});
const readReplayTable = signature('replayTable', { replay: replayed });
const readReplayPage = signature('replayPage', { replay: replayed, advice: nullable(advised).default(null) });

/**
 * What each policy would have done, a line each; those that cannot be replayed say why.
 * @param replay what `replay` gives
 * @returns lines for a terminal, with control characters escaped
 * @throws OptionError
 */
export function replayTable(replay: Replay): string[] {
  readReplayTable(arguments);
  const { policies } = replay;
  const head = ['policy', 'threshold', 'clips', 'mean scale', 'takes away', 'skips', ''];
  const rows = policies.filter((p) => p.steps > 0).map((p) => [p.name, ...figuresOf(p), noteOf(p)]);
  const lines = rows.length > 0 ? table([head, ...rows], ['left', 'right', 'right', 'right', 'right', 'right', 'left']) : [];
  const lacking = policies.filter((p) => p.steps === 0).map((p) => `${p.name} cannot be replayed: ${p.reason}`);
  // Names of policies and, where a step was not finite, of parameters; whoever asks for lines prints them.
  return [...lines, ...lacking].map((line) => visible(line));
}

function figuresOf(p: Replayed): string[] {
  return [short(middle(p.threshold)), part(p.clipRate), short(p.meanScale), removed(p.removed), count(p.skipped)];
}

/** What is taken away of the norms; where they become larger, how many times. */
function removed(x: number): string {
  return x < 0 ? `scaled up ${short(1 - x)} x` : part(x);
}

function noteOf(p: Replayed): string {
  return [p.ended && `would have ended at step ${count(p.steps)}: ${p.ended}`, p.reason].filter(Boolean).join('; ');
}

/** Thresholds by rule, and what each would have clipped. */
export function ruleTable({ rules }: Advice): string[] {
  if (rules.length === 0) return [];
  const rows = rules.map((r) => [r.rule, short(r.threshold), part(r.clipRate)]);
  return table([['rule', 'threshold', 'would clip'], ...rows], ['left', 'right', 'right']);
}

/** What `clip.auto` decided in the run, and why. */
export function decisionTable({ decisions = [] }: History): string[] {
  if (decisions.length === 0) return [];
  return table([DECISION, ...decisions.map(decisionCells)], ['right', 'right', 'right', 'right', 'right', 'left', 'left']).map(
    (line) => visible(line),
  );
}

const DECISION = ['from step', 'decided', 'threshold', 'factor', 'trials', 'by', 'why'];
/** What decisions go by, in words. */
const JUDGES: Readonly<Record<AutoDecision['judgedBy'], string>> = {
  validation: 'validation set',
  batches: 'batches',
  norms: 'norms',
  given: 'given',
};

function decisionCells({ step, decided, threshold, factor, extra, judgedBy, reason }: AutoDecision): string[] {
  return [count(step), count(decided), short(threshold), short(factor), count(Math.round(extra)), JUDGES[judgedBy], reason];
}

/** Over the decisions of `clip.auto`. */
export const DECISION_HEADING = 'Where the threshold moved, and why';

/** The parameters with the largest parts of the norm. */
export function layerTable({ layers }: Advice, most = 12): string[] {
  const sorted = [...(layers ?? [])].sort((a, b) => b.share - a.share);
  const rows = sorted
    .slice(0, most)
    .map((l) => [l.name, count(l.elements), short(l.median), short(l.max), short(l.threshold), part(l.share)]);
  const more = sorted.length > most ? [`and ${count(sorted.length - most)} more`] : [];
  const head = ['parameter', 'elements', 'norm, median', 'largest', 'threshold', 'part of the square'];
  return [...table([head, ...rows], ['left', 'right', 'right', 'right', 'right', 'right']), ...more];
}

/** The run in a line. */
export function runLine({ header, length }: History, advice: Advice): string {
  const run = header
    ? [
        `clip.${header.policy}`,
        [...new Set(header.optimizers.map((o) => o.name))].join(', '),
        `${count(header.parameters.reduce((n, p) => n + p.shape.reduce((a, b) => a * b, 1), 0))} parameters`,
        header.precision === 'bf16' && 'products in bf16',
        `seed ${header.seed}`,
      ]
    : [];
  const steps = [`${count(length)} steps`, advice.skipped > 0 && `${count(Math.round(advice.skipped * length))} skipped`];
  const whole = advice.used === length;
  const clipped = header ? [`${part(advice.clipped)} of ${whole ? 'them' : `the ${count(advice.used)} looked at`} clipped`] : [];
  return [...run, ...steps, ...clipped].filter(Boolean).join(' · ');
}

/** What the advice rests on, and the tail of the norms; where there is no threshold, the line of the advice says the first. */
export function basisLines({ threshold, evidence, tail }: Advice): string[] {
  return [...(threshold === null ? [] : [evidence.text]), ...(tail ? [tailText(tail)] : [])];
}

/** What is wrong, and what is worth knowing: titles with their lines, each with what to try. */
export function warningLines({ warnings }: Advice): [string, string[]][] {
  const at = (wanted: Warning['level']): string[] =>
    warnings
      .filter(({ level }) => level === wanted)
      .map(({ text, cure }) => `${text}${cure ? ` Try ${CURES[cure.option]} ${short(cure.value)}.` : ''}`);
  const titled: [string, string[]][] = [
    ['What is wrong', at('warning')],
    ['What to look at', at('remark')],
  ];
  return titled.filter(([, lines]) => lines.length > 0);
}

/** What options are called in a sentence. */
const CURES: Readonly<Record<Cure['option'], string>> = {
  ...{
    lr: 'lr',
    eps: 'eps',
    threshold: 'a threshold of',
    absolute: 'absolute',
    normalize: "clip.normalize({ scope: 'tensor' }) with to",
  },
  ...{ batchSize: 'batchSize', accumulate: 'accumulate' },
};

/** Over what policies would have done: of which steps the figures are. */
export function replayHeading({ used, warmup, evidence, steps }: Advice): string {
  const whole = warmup === 0 && evidence.until === steps;
  return `What each policy would have done with these norms${whole ? '' : `, in the ${count(used)} steps looked at`}`;
}

export function adviceLine({ rate, threshold, clipRate, used, evidence }: Advice): string {
  if (threshold === null || clipRate === null) return evidence.text;
  return `Threshold for a clip rate of ${part(rate)}: ${short(threshold)} (it would have clipped ${part(clipRate)} of ${count(used)} steps)`;
}

/**
 * One HTML page that needs nothing else: the curves of norms, thresholds, scales and what is left of the norms under each policy,
 * and, where there is one, the advice.
 * @param replay what `replay` gives
 * @param advice what `advise` gives of the same history; default null
 * @returns the text of the page
 * @throws OptionError
 */
export function replayPage(replay: Replay, advice: Advice | null = null): string {
  readReplayPage(arguments);
  const { history } = replay;
  const replayed = replay.policies.filter((p) => p.steps > 0);
  const drawn = replayed.slice(0, STYLES.length - 1);
  const own = STYLES.at(-1)!;
  const styles = drawn.map((_, i) => STYLES[i]!);
  const series = (of: (p: Replayed) => Float64Array): SVGSeries[] =>
    drawn.map((p, i) => ({ style: styles[i]!, label: p.name, values: Array.from(of(p)) }));
  const norms: SVGSeries = { style: own, label: 'norm', values: Array.from(history.norm) };
  const lanes = drawn.map((p, i) => ({
    style: styles[i]!,
    label: p.name,
    note: part(p.clipRate),
    marks: Array.from(p.clipped, (on, s) => (on ? Math.max(0.01, 1 - p.scale[s]!) : 0)),
  }));
  const thresholds = series((p) => p.threshold).filter((s) => s.values.some(Number.isFinite));
  const body = [
    '<h1>What clipping did, and what it would have done</h1>',
    advice ? `<p class="soft">${escapeHtml(runLine(history, advice))}</p>` : '',
    advice ? adviceHtml(advice) : '',
    decisionHtml(history, norms),
    `<h2>${advice ? escapeHtml(replayHeading(advice)) : 'What each policy would have done'}</h2>`,
    `<p class="soft">The recorded norms, before the clip, go through each policy's own code. They stay those of the run: under another policy the weights, and
with them the norms, would have taken another way.</p>`,
    policyHtml(replay, drawn, styles),
    drawn.length < replayed.length ? `<p class="soft">The first ${drawn.length} of them are drawn below.</p>` : '',
    figure(
      'Norms and thresholds',
      'The norm of the gradient before the clip, and the threshold of each policy, on a logarithmic scale. Lines that lie on each other take turns.',
      [lineChart([norms, ...thresholds], { title: 'Norms and thresholds', unit: 'norm', log: true })],
    ),
    figure('Norms after the clip', 'What each policy leaves of the norm; 0 in a skipped step.', [
      lineChart([norms, ...series((p) => p.normAfter)], { title: 'Norms after the clip', unit: 'norm', log: true }),
    ]),
    figure('Scales', 'What gradients are multiplied by, the smallest where tensors have their own, on a logarithmic scale.', [
      lineChart(
        series((p) => p.scale),
        { title: 'Scales', unit: 'scale', log: true },
      ),
    ]),
    figure('Where each would have bitten', 'The stronger the color, the more of the gradient is taken away.', [
      strip(lanes, { title: 'Steps that each policy would have clipped' }),
    ]),
  ];
  return page('gradclip: what clipping did', body.join('\n'));
}

function figure(title: string, caption: string, pictures: readonly string[]): string {
  return `<h2>${title}</h2>\n<figure><figcaption>${caption}</figcaption>\n${pictures.join('\n')}</figure>`;
}

function decisionHtml(history: History, norms: SVGSeries): string {
  const { decisions = [] } = history;
  if (decisions.length === 0) return '';
  const threshold: SVGSeries = { style: STYLES[0]!, label: 'threshold', values: Array.from(history.threshold) };
  const caption =
    'The norm of the gradient before the clip, and the threshold, on a logarithmic scale. In the steps of a race they are those of the branch that the run was then; trials are steps of the others, so far.';
  return [
    figure(DECISION_HEADING, caption, [
      lineChart([norms, threshold], { title: 'Where the threshold moved', unit: 'norm', log: true }),
    ]),
    decisionRows(decisions),
  ].join('\n');
}

/** Decisions as a table of a page. */
export function decisionRows(decisions: readonly AutoDecision[]): string {
  const rows = decisions.map(decisionCells);
  return tableHtml({ caption: DECISION_HEADING, unseen: true, head: DECISION, rows, words: [5, 6] });
}

/** Warnings of an advice as parts of a page. */
export function warningHtml(advice: Advice): string {
  return warningLines(advice)
    .map(([title, lines]) => `<h2>${title}</h2>\n<ul>${lines.map((line) => `<li>${escapeHtml(line)}</li>`).join('\n')}</ul>`)
    .join('\n');
}

function adviceHtml(advice: Advice): string {
  const rows = advice.rules.map((r) => [r.rule, short(r.threshold), part(r.clipRate)]);
  const layers = [...(advice.layers ?? [])]
    .sort((a, b) => b.share - a.share)
    .map((l) => [l.name, count(l.elements), short(l.median), short(l.max), short(l.threshold), part(l.share)]);
  const layerHead = ['parameter', 'elements', 'norm, median', 'largest', 'threshold', 'part of|the square'];
  return [
    `<h2>Which threshold</h2>\n<p>${escapeHtml(adviceLine(advice).replace(/\.?$/, '.'))}</p>`,
    ...basisLines(advice).map((line) => `<p class="soft">${escapeHtml(line)}</p>`),
    rows.length > 0
      ? tableHtml({ caption: 'Thresholds by rule', unseen: true, head: ['rule', 'threshold', 'would clip'], rows })
      : '',
    warningHtml(advice),
    layers.length > 0
      ? `<h2>By parameter</h2>\n${tableHtml({ caption: 'Norms by parameter', unseen: true, head: layerHead, rows: layers })}`
      : '',
  ].join('\n');
}

function policyHtml({ policies }: Replay, drawn: readonly Replayed[], styles: readonly string[]): string {
  const head = ['policy', 'threshold,|median', 'steps|clipped', 'mean|scale', 'taken away|of the norm', 'steps|skipped', ''];
  const rows = policies.map((p) => {
    const at = drawn.indexOf(p);
    const chip = at < 0 ? '' : `<span class="chip ${styles[at]}"></span>`;
    const cells = p.steps > 0 ? figuresOf(p) : ['', '', '', '', ''];
    const note = p.steps > 0 ? noteOf(p) : `cannot be replayed: ${p.reason}`;
    return [{ html: `${chip}${escapeHtml(p.name)}` }, ...cells, note];
  });
  return tableHtml({ caption: 'Policies', unseen: true, head, rows, words: [6] });
}
