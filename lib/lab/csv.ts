// csv.ts: all runs as a table for other programs.
import type { LabLine } from './line.ts';

const COLUMNS: readonly (readonly [string, (line: LabLine) => string | number | boolean | null | undefined])[] = [
  ['workload', (l) => l.workload],
  ['kind', (l) => l.kind],
  ['optimizer', (l) => l.optimizer],
  ['policy', (l) => l.policy],
  ['level', (l) => l.level],
  ['usual', (l) => l.usual],
  ['seed', (l) => l.seed],
  ['steps', (l) => l.steps],
  ['extra_steps', (l) => l.extra],
  ['train_loss', (l) => l.train],
  ['validation_loss', (l) => l.validation],
  ['test_loss', (l) => l.test],
  ['ignorant_loss', (l) => l.ignorant],
  ['diverged', (l) => l.diverged],
  ['refused', (l) => l.refused],
  ['threshold', (l) => l.threshold],
  ['clipped_share', (l) => l.clipped],
  ['skipped_share', (l) => l.skipped],
  ['norm_median', (l) => l.norms.median],
  ['norm_p99_over_median', (l) => l.norms.p99],
  ['norm_tail_index', (l) => l.norms.tail],
  ['norm_drift', (l) => l.norms.drift],
  ['seconds', (l) => l.seconds],
  ['made', (l) => l.made],
];

/** What has a comma, a quote or an end of a line stands in quotes. Nothing stands for null. */
function cell(value: string | number | boolean | null | undefined): string {
  const text = String(value ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A head and a row for each run. */
export function labCsv(lines: readonly LabLine[]): string {
  const rows = lines.map((line) => COLUMNS.map(([, of]) => cell(of(line))).join());
  return `${[COLUMNS.map(([name]) => name).join(), ...rows].join('\n')}\n`;
}
