// parts.ts: what the page of a run tells, part by part, in its order: each is drawn anew alone where a page follows a run.
import type { Advice } from '../../history/advise.ts';
import type { RecordHeader } from '../../history/history.ts';
import type { Digest } from '../../history/run/digest.ts';
import { count, duration, percent, short } from '../../text/format.ts';
import { STYLES } from '../page.ts';
import { DECISION_HEADING, decisionRows, warningHtml } from '../replay-page.ts';
import { escapeHtml, lineChart, type SVGSeries, strip } from '../svg.ts';
import { tableHtml } from '../table.ts';
import { normMap } from './norm-map.ts';
import { has, held, isWide, measured, metricsOf, plain, span, speedOf, validated } from './series.ts';

/** What else a page shows about a run. */
export interface About {
  readonly title: string;
  /** Further lines of the table of figures. */
  readonly facts: readonly (readonly [string, string])[];
  /** What is shown as JSON; undefined: nothing is. */
  readonly configuration?: unknown;
  /** Where the page is drawn by who trained: on which machine. */
  readonly machine: string | null;
  readonly advice: Advice | null;
}

export interface Part {
  readonly id: string;
  readonly html: string;
}

/** Those that have nothing to tell are empty, so that each keeps its place. */
export function partsOf(digest: Digest, about: About): Part[] {
  return Object.entries(PARTS).map(([id, draw]) => ({
    id,
    html: digest.length === 0 && id !== 'head' ? '' : draw(digest, about),
  }));
}

const PARTS: Readonly<Record<string, (digest: Digest, about: About) => string>> = {
  head,
  warnings,
  loss,
  metrics,
  rates,
  norms,
  clipped,
  layers,
  speed,
  findings,
  decisions,
  epochs,
  configuration,
};

const section = (title: string, content: string): string => `<h2>${escapeHtml(title)}</h2>\n${content}`;
const figure = (caption: string, picture: string): string =>
  `<figure><figcaption>${escapeHtml(caption)}</figcaption>\n${picture}</figure>`;

/** The run in a line. */
export function runText({ head }: Digest): string {
  if (!head) return '';
  const elements = head.parameters.reduce((n, p) => n + p.shape.reduce((a, b) => a * b, 1), 0);
  const told = [
    `clip.${head.policy}`,
    [...new Set(head.optimizers.map((o) => o.name))].join(', '),
    `${count(elements)} parameters`,
    head.precision === 'bf16' && 'products in bf16',
    `seed ${head.seed}`,
  ];
  return told.filter(Boolean).join(' · ');
}

function head(digest: Digest, { title, facts }: About): string {
  const lead = `<h1>${escapeHtml(title)}</h1>\n<p class="soft">${escapeHtml(runText(digest))}</p>`;
  if (digest.length === 0) return `${lead}\n<p>No step has been run yet.</p>`;
  const table = tableHtml({
    caption: 'The run in figures',
    unseen: true,
    head: ['figure', 'value'],
    rows: [...figuresOf(digest), ...facts],
    words: [1],
    style: 'figures',
  });
  return `${lead}\n${table}`;
}

/** What it came to, by what figures are called. */
export function figuresOf(digest: Digest): (readonly [string, string])[] {
  const { length, skipped, clipped, badLosses, validations, validated, ended, epochs, ms, head } = digest;
  const { first } = span(digest);
  const { mean } = digest.curves.curve('loss', length);
  const losses = mean.filter(Number.isFinite);
  const known = validations.filter(({ metrics }) => Number.isFinite(metrics.loss ?? Number.NaN));
  const best = known.reduce<(typeof known)[number] | null>((a, b) => (a && a.metrics.loss! <= b.metrics.loss! ? a : b), null);
  const rows: (readonly [string, string | false])[] = [
    ['steps', `${count(length)}${first > 0 ? `, after ${count(first)} updates before` : ''}`],
    ['skipped', `${count(skipped)}${skipped > 0 ? ` (${percent(skipped, length)})` : ''}`],
    ['clipped', `${count(clipped)} (${percent(clipped, length)})`],
    ['epochs', ended > 0 && count(epochs.at(-1)!.epoch)],
    ['loss', losses.length > 0 && `${short(losses[0]!)} at first, ${short(losses.at(-1)!)} at last`],
    ['loss not finite', badLosses > 0 && `in ${count(badLosses)} steps`],
    [
      'best validation',
      best !== null && `loss ${short(best.metrics.loss!)} after ${count(best.step)} updates, of ${count(validated)}`,
    ],
    ['last validation', known.length > 0 && metricsText(known.at(-1)!.metrics)],
    ['time', ms > 0 && `${duration(ms)}, ${speedText(digest, head?.batchSize, head?.accumulate)}`],
  ];
  return rows.filter((row): row is readonly [string, string] => row[1] !== false);
}

const metricsText = (metrics: Readonly<Record<string, number>>): string =>
  Object.entries(metrics)
    .map(([name, value]) => `${name} ${short(value)}`)
    .join(', ');

/** Of the steps whose time is known. */
function speedText({ curves, length, ms }: Digest, batchSize: number | undefined, accumulate = 1): string {
  const steps = curves.curve('timed', length).max.findLast(Number.isFinite) ?? 0;
  const rate = (1000 * steps) / ms;
  const rows = batchSize === undefined ? '' : `, at most ${short(rate * batchSize * accumulate)} rows a second`;
  return `${short(rate)} steps a second${rows}`;
}

function warnings(_: Digest, { advice }: About): string {
  return advice ? warningHtml(advice) : '';
}

/** What is drawn of many steps. */
const thinning = ({ curves: { stride } }: Digest): string =>
  stride === 1 ? 'faint as measured' : `faint from the least to the largest of ${count(stride)} steps each`;

function loss(digest: Digest): string {
  const training = measured(digest, 'loss', 's2', 'training');
  const validation = validated(digest, 'loss', 's0', 'validation');
  const series = [training, ...(validation.values.length > 0 ? [validation] : [])];
  if (!has(digest.curves.curve('loss', digest.length)) && series.length === 1) return '';
  const log = isWide(series);
  const caption = `The loss of each step, ${thinning(digest)}, strong as a running median${log ? ', on a logarithmic scale' : ''}${series.length > 1 ? '; and that on the validation set' : ''}.`;
  return section('Loss', figure(caption, lineChart(series, { title: 'Loss', unit: 'loss', log, ...span(digest) })));
}

/** Metrics with a chart of their own. */
const MOST_METRICS = 6;

function metrics(digest: Digest): string {
  const names = metricsOf(digest).filter((name) => name !== 'loss');
  const charts = names.slice(0, MOST_METRICS).map((name) => {
    const series = validated(digest, name, 's1', name);
    return section(`Validation: ${name}`, lineChart([series], { title: name, unit: name, ...span(digest) }));
  });
  const more = names.length - charts.length;
  return [
    ...charts,
    more > 0 ? `<p class="soft">Of the other ${more} metrics the last values stand in the table of figures.</p>` : '',
  ].join('\n');
}

function rates(digest: Digest): string {
  const { groups, head } = digest;
  const drawn = Math.min(groups, STYLES.length - 1);
  const series = Array.from({ length: drawn }, (_, g) => {
    const name = head?.optimizers[g]?.name ?? 'optimizer';
    return held(digest, `rate ${g}`, STYLES[g]!, groups > 1 ? `group ${g + 1}, ${name}` : name);
  }).filter(({ values }) => values.some(Number.isFinite));
  if (series.length === 0) return '';
  const log = isWide(series);
  const caption = `What each step's update was taken with${log ? ', on a logarithmic scale' : ''}.${groups > drawn ? ` The first ${drawn} of ${groups} groups.` : ''}`;
  return section(
    'Learning rate',
    figure(caption, lineChart(series, { title: 'Learning rate', unit: 'rate', log, ...span(digest) })),
  );
}

function norms(digest: Digest): string {
  const all: readonly SVGSeries[] = [
    measured(digest, 'norm', STYLES.at(-1)!, 'before the clip'),
    measured(digest, 'normAfter', 's1', 'after it'),
    plain(digest, 'threshold', 's0', 'threshold'),
  ];
  const series = all.filter(({ values }) => values.some((value) => value > 0));
  if (series.length === 0) return '';
  const caption = `The norm of the gradient before the clip and after it, as the policy measures it, ${thinning(digest)}, strong as a running median, on a logarithmic scale. After it, a step that was skipped has 0.`;
  return section(
    'Gradient norm',
    figure(caption, lineChart(series, { title: 'Gradient norm', unit: 'norm', log: true, ...span(digest) })),
  );
}

function clipped(digest: Digest): string {
  const { curves, length, skipped } = digest;
  const { stride } = curves;
  const of = (name: string): number[] =>
    [...curves.curve(name, length).mean].map((value) => (Number.isFinite(value) ? value : 0));
  // What was clipped by nothing that can be measured is still a mark.
  const [share, taken] = [of('clipped'), of('taken')];
  const lanes = [
    {
      style: 's0',
      label: 'clipped',
      note: `${percent(digest.clipped, length)} of the steps`,
      marks: stride === 1 ? taken.map((part, i) => (share[i]! > 0 ? Math.max(0.01, part) : 0)) : share,
    },
    ...(skipped > 0 ? [{ style: 's5', label: 'skipped', note: `${count(skipped)} steps`, marks: of('skipped') }] : []),
  ];
  const caption =
    stride === 1
      ? 'The stronger the color, the more of the gradient was taken away.'
      : `The stronger the color, the more of ${count(stride)} steps each were clipped.`;
  const wrong = [...digest.nonFinite].map(([name, steps]) => `${name} in ${count(steps)} steps`);
  const told = wrong.length > 0 ? `<p>Not finite: the gradient of ${escapeHtml(wrong.join(', '))}.</p>` : '';
  return section(
    'Where the clip was active',
    `${figure(caption, strip(lanes, { title: 'Steps that were clipped', ...span(digest) }))}${told}`,
  );
}

function layers(digest: Digest): string {
  const map = normMap(digest);
  return map === '' ? '' : section('Norms by parameter', map);
}

function speed(digest: Digest): string {
  const series = speedOf(digest, 's6');
  if (!series) return '';
  const caption = 'Steps a second, with whatever comes between steps: compiling, validations, checkpoints.';
  return section('Speed', figure(caption, lineChart([series], { title: 'Speed', unit: 'steps a second', ...span(digest) })));
}

function findings(digest: Digest): string {
  const { findings, found } = digest;
  if (found === 0) return '';
  const rows = findings.map(({ step, attempt, guard, action, name, value }) => [
    count(step),
    count(attempt),
    guard,
    name,
    value === null ? '' : short(value),
    action,
  ]);
  const caption = found > findings.length ? `The first ${count(findings.length)} of ${count(found)}.` : 'All of it.';
  return section(
    'What guards have found',
    tableHtml({ caption, head: ['updates|before', 'batches|before', 'guard', 'name', 'value', 'what it did'], rows }),
  );
}

function decisions({ decisions }: Digest): string {
  return decisions.length === 0 ? '' : section(DECISION_HEADING, decisionRows(decisions));
}

/** Epochs that have a row: the last ones. */
const MOST_EPOCHS = 200;

function epochs(digest: Digest): string {
  const { epochs, ended, validations } = digest;
  if (ended === 0) return '';
  const byPlace = new Map(validations.map(({ at, metrics }) => [at, metrics]));
  const shown = epochs.slice(-MOST_EPOCHS);
  const names = shown.some(({ at }) => byPlace.has(at)) ? metricsOf(digest).slice(0, MOST_METRICS) : [];
  const rows = shown.map(({ at, epoch, loss, steps, clipped, skipped }) => {
    const measured = names.map((name) => short(byPlace.get(at)?.[name] ?? Number.NaN));
    return [count(epoch), short(loss), ...measured, count(steps), percent(clipped, steps, 0), count(skipped)];
  });
  const caption = rows.length < ended ? `${count(rows.length)} of ${count(ended)} epochs` : 'Each epoch';
  const head = ['epoch', 'loss,|mean', ...names.map((name) => `validation:|${name}`), 'steps', 'clipped', 'skipped'];
  const table = tableHtml({ caption, head, rows });
  return section('Epochs', rows.length > 20 ? `<details><summary>Show them</summary>${table}</details>` : table);
}

function configuration({ head, machine: recorded }: Digest, { configuration, machine: own }: About): string {
  const machine = own ?? recorded;
  const rows = [...(head ? settingsOf(head) : []), ...(machine === null ? [] : [['machine', machine] as const])];
  if (rows.length === 0 && configuration === undefined) return '';
  const table = tableHtml({
    ...{ caption: 'What was trained with', unseen: true, head: ['key', 'value'] },
    ...{ rows, words: [1], style: 'figures' },
  });
  const json = configuration === undefined ? '' : JSON.stringify(configuration, null, 2);
  return section('Settings', json === '' ? table : `${table}\n<h3>Configuration</h3>\n<pre>${escapeHtml(json)}</pre>`);
}

function settingsOf(head: RecordHeader): (readonly [string, string])[] {
  const { library, policy, optimizers, batchSize, accumulate, precision, seed, threads, parameters } = head;
  return [
    ['gradclip', library],
    ['clip', policy],
    ...optimizers.map(({ name, lr, eps, momentum }, g): [string, string] => [
      optimizers.length > 1 ? `optimizer, group ${g + 1}` : 'optimizer',
      [name, `lr ${short(lr)} in the first step`, eps !== null && `eps ${eps}`, momentum && `momentum ${momentum}`]
        .filter(Boolean)
        .join(', '),
    ]),
    ['rows of a batch', count(batchSize)],
    ...(accumulate > 1 ? [['batches of a step', count(accumulate)] as const] : []),
    ...(precision === undefined ? [] : [['precision', precision] as const]),
    ['seed', seed],
    ['threads', `at most ${count(threads)}`],
    ['trained', `${count(parameters.length)} tensors`],
  ];
}
