// table.ts: a search as a table for people.
import { percent, short, table } from '../text/format.ts';
import type { TuneResult, TuneTrial } from './result.ts';

/** A value as a table has it. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return '-';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return value;
  const { type, ...more } = value as { readonly type?: unknown };
  return typeof type === 'string' && Object.keys(more).length === 0 ? type : JSON.stringify(value);
}

/** How a trial ended, in a few words. */
export function statusText({ status, reason, rungs, length, seeds }: TuneTrial): string {
  if (status === 'finalist') return seeds.length > 1 ? `${seeds.length} seeds` : 'to the end';
  if (status === 'out') return reason ?? `out at ${percent(rungs.at(-1)?.step ?? 0, length, 0)}`;
  return status;
}

/** The best trials, a line each. @param most lines */
export function tuneTable({ trials }: TuneResult, metric: string, most = 12): string[] {
  const names = Object.keys(trials[0]?.params ?? {});
  const rows = trials
    .slice(0, most)
    .map((trial) => [
      String(trial.number),
      ...names.map((name) => valueText(trial.params[name])),
      short(trial.value),
      String(trial.rungs.at(-1)?.step ?? 0),
      percent(trial.clipped, 1, 0),
      statusText(trial),
    ]);
  const head = ['trial', ...names, metric, 'steps', 'clipped', ''];
  const more = trials.length > most ? [`and ${trials.length - most} more`] : [];
  return [...table([head, ...rows], [...head.slice(0, -1).map(() => 'right' as const), 'left']), ...more];
}
