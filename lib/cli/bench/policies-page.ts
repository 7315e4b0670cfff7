// policies-page.ts: the suite `policies` as one HTML page: how it was measured, on what, and tables of costs with their spread.
import { page } from '../../pages/page.ts';
import { escapeHtml } from '../../pages/svg.ts';
import { type Cell, tableHtml } from '../../pages/table.ts';

/** A row of the suite; `peer` is who was measured. */
export type PoliciesRow = Readonly<Record<string, unknown>>;

const CSS = `
main { max-width: 1240px; }
td.bar { width: 180px; padding-left: 12px; } .track { min-width: 120px; position: relative; height: 14px; background: var(--panel); border-radius: 2px; }
.track i { position: absolute; top: 0; bottom: 0; background: var(--s2); opacity: 0.35; border-radius: 2px; }
.track b { position: absolute; top: -1px; bottom: -1px; width: 2px; background: var(--s2); }
td, tbody th { font-size: 14px; padding-top: 5px; padding-bottom: 5px; }
`;

const METHOD = `Each figure compares two variants that take turns in one process: a step <em>without</em> the policy (<code>clip.none({ measure: false })</code>: no
statistic, no check) and the same step <em>with</em> it; of an optimizer, a step without a clip and one with <code>clip.globalNorm(1)</code>. Every
variant is warmed up before the first round. A round times each variant for its share of the seconds and keeps the median call; the order turns around from
round to round, and engines alternate round by round. A cost is the ratio of the two medians of one round, minus 1: what the machine does meanwhile hits
both. Given is the median over the rounds with, in brackets, what it lies between with 95 % confidence (bootstrap of the median); of times the
quartiles. An interval is honest about noise between rounds, not about another machine. A place is a model, whose whole training steps are timed (forward, backward, clip
and update), or a number and size of tensors on which clip and update run alone. Passes and bytes are what the program reads and writes by its
own account; within a training step sums of squares come with what writes the gradient, so there the first pass costs less. On tensors the last column
says how much longer a step takes with the policy, over what it would take to read the gradients that often, as measured in the same rounds: 1 is all that
memory allows, far more says that arithmetic or something else is in the way, less that the update finds in a cache what the policy has read.`;

/** @param facts lines on the machine, the versions and the command */
export function policiesPage(facts: readonly string[], rows: readonly PoliciesRow[]): string {
  const threads = unique(rows, 'threads');
  const body = [
    '<h1>What clipping and optimizers cost</h1>',
    ...facts.map((line) => `<p class="soft">${escapeHtml(line)}</p>`),
    `<h2>Method</h2>\n<p>${METHOD}</p>`,
    ...threads.flatMap((count) => {
      const own = rows.filter((row) => row.threads === count);
      return unique(own, 'place').flatMap((place) => {
        const there = own.filter((row) => row.place === place);
        const where = `${place}, ${count} thread${count === 1 ? '' : 's'}`;
        return [
          section(
            `Policies: ${where}`,
            there.filter((row) => row.kind === 'policy'),
            'policy',
          ),
          section(
            `Optimizers: ${where}`,
            there.filter((row) => row.kind === 'optimizer'),
            'optimizer',
          ),
        ];
      });
    }),
  ];
  return page('gradclip bench: policies', body.join('\n'), { css: CSS });
}

function section(title: string, rows: readonly PoliciesRow[], kind: 'policy' | 'optimizer'): string {
  if (rows.length === 0) return '';
  const { params, tensors } = rows[0]!;
  const most = Math.max(10, ...rows.map((row) => Number(row.cost_high_percent)));
  const peers = unique(rows, 'peer').length > 1;
  const timed = kind === 'policy' && rows.some((row) => typeof row.passes_ms === 'number');
  const head = [
    kind,
    ...(peers ? ['engine'] : []),
    'without, ms',
    'with, ms',
    kind === 'policy' ? 'cost' : 'a global norm costs',
    'drawn',
    kind === 'policy' ? 'passes|standalone' : 'bytes moved|a parameter',
    kind === 'policy' ? 'state,|bytes' : 'slots, bytes|a parameter',
    ...(timed ? ['times what its|passes take'] : []),
    ...(peers ? ['times as long|as gradclip'] : []),
  ];
  const lines = rows.map((row): Cell[] => [
    String(row.name),
    ...(peers ? [String(row.peer)] : []),
    number(row.without_ms),
    `${number(row.with_ms)} (${number(row.with_q1_ms)} to ${number(row.with_q3_ms)})`,
    `${percent(row.cost_percent)} (${percent(row.cost_low_percent)} to ${percent(row.cost_high_percent)})`,
    { html: bar(row, most), style: 'bar' },
    number(kind === 'policy' ? row.extra_passes : row.update_bytes_per_param),
    number(kind === 'policy' ? row.policy_state_bytes : row.slot_bytes_per_param),
    ...(timed ? [overPasses(row)] : []),
    ...(peers ? [`${number(row.ratio)}${row.ratio_low === undefined ? '' : ` (${row.ratio_low} to ${row.ratio_high})`}`] : []),
  ]);
  const caption = `${Number(params).toLocaleString('en-US')} parameters in ${Number(tensors).toLocaleString('en-US')} tensors`;
  return `<h2>${escapeHtml(title)}</h2>\n${tableHtml({ caption, head, rows: lines })}`;
}

/** What the median lies between, and the median, between no cost and the largest of the table; the cell before it has it in numbers. */
function bar(row: PoliciesRow, most: number): string {
  const at = (key: string): number => Math.min(100, Math.max(0, (100 * Number(row[key])) / most));
  const [low, median, high] = [at('cost_low_percent'), at('cost_percent'), at('cost_high_percent')];
  const width = Math.max(0.5, high - low);
  return `<div class="track" aria-hidden="true"><i style="left:${low.toFixed(1)}%;width:${width.toFixed(1)}%"></i><b style="left:${median.toFixed(1)}%"></b></div>`;
}

/** Where a policy has passes of its own: how much longer a step takes, over what they would take. */
function overPasses({ extra_ms, passes_ms, extra_passes }: PoliciesRow): string {
  return Number(extra_passes) >= 0.5 ? String(Number((Number(extra_ms) / Number(passes_ms)).toPrecision(2))) : '';
}

const number = (x: unknown): string => (typeof x === 'number' ? String(x) : '');
const percent = (x: unknown): string => (typeof x === 'number' ? `${Number(x.toPrecision(3))} %` : '');

function unique(rows: readonly PoliciesRow[], key: string): unknown[] {
  return [...new Set(rows.map((row) => row[key]))];
}
