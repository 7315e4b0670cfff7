// policies-tables.ts: rows of suite policies as tables for docs/POLICIES-COST.md.
import type { Row } from './report.ts';
import { markdown } from './step-tables.ts';

const NOTHING = '-';
const MODELS = ['mlp-small', 'mlp-large'];
const PLACES = [...MODELS, '6x40k', '200x4k', '2000x8k', '25x1M'];

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const digits = (value: unknown, n: number): string => (isNumber(value) ? String(Number(value.toPrecision(n))) : NOTHING);

/** Percents: tenths below ten, whole above. */
const percent = (value: unknown): string => {
  if (!isNumber(value)) return NOTHING;
  const text = Math.abs(value) < 9.95 ? value.toFixed(1) : value.toFixed(0);
  return text.replace(/^-(0(\.0)?)$/, '$1');
};

/** A median and between what it lies. */
const between = (middle: string, low: string, high: string): string =>
  middle === NOTHING || low === NOTHING ? middle : `${middle} (${low} to ${high})`;
const cost = (row: Row | undefined): string =>
  between(percent(row?.cost_percent), percent(row?.cost_low_percent), percent(row?.cost_high_percent));

/** In the order of the suite. */
const placesOf = (rows: readonly Row[]): string[] => {
  const there = new Set(unique(rows, 'place'));
  return PLACES.filter((place) => there.has(place));
};
const unique = (rows: readonly Row[], key: string): string[] => [...new Set(rows.map((row) => String(row[key])))];

/**
 * What stands between the marks of docs/POLICIES-COST.md, with them.
 *
 * @param facts lines on machine, versions and command
 */
export function policiesTables(facts: readonly string[], rows: readonly Row[]): string {
  const parts = [`<!-- table policies -->\n${facts.map((fact) => `- ${fact}`).join('\n')}`];
  for (const threads of [...new Set(rows.map((row) => row.threads))].sort((a, b) => a - b)) {
    const on = `on ${threads} thread${threads === 1 ? '' : 's'}`;
    for (const kind of ['policy', 'optimizer']) {
      const own = rows.filter((row) => row.threads === threads && row.kind === kind);
      if (own.length === 0) continue;
      parts.push(
        `### ${kind === 'policy' ? 'What each policy costs' : 'What a global norm costs each optimizer'} ${on}, in percent`,
      );
      parts.push(costs(own, kind));
      const others = beside(own, kind);
      if (others) parts.push(`### Beside others ${on}`, others);
      const passes = kind === 'policy' ? againstPasses(own) : null;
      if (passes) parts.push(`### Times what their passes over the gradients would take ${on}`, passes);
    }
  }
  return [...parts, '<!-- end -->'].join('\n\n');
}

/** Ours: a line for each name, a column for each place, whose first line says what the step takes without. */
function costs(rows: readonly Row[], kind: string): string {
  const ours = rows.filter((row) => row.peer === 'gradclip');
  const places = placesOf(ours);
  const of = (name: string, place: string) => ours.find((row) => row.name === name && row.place === place);
  const base = places.map((place) => {
    const times = ours.filter((row) => row.place === place).map((row) => Number(row.without_ms));
    return `${digits(times.sort((a, b) => a - b)[times.length >> 1], 3)} ms`;
  });
  const facts = kind === 'policy' ? ['passes', 'state, bytes'] : ['bytes a parameter', 'slots, bytes a parameter'];
  const head = [kind, ...facts, ...places];
  const lines = unique(ours, 'name').map((name) => {
    const alone = ours.find((row) => row.name === name && !MODELS.includes(String(row.place)));
    const any = alone ?? ours.find((row) => row.name === name)!;
    const moved =
      kind === 'policy' ? [digits(Number(Number(any.extra_passes).toFixed(3)), 3), digits(any.policy_state_bytes, 6)] : [];
    const updates = kind === 'policy' ? [] : [digits(any.update_bytes_per_param, 3), digits(any.slot_bytes_per_param, 3)];
    return [`\`${name}\``, ...moved, ...updates, ...places.map((place) => cost(of(name, place)))];
  });
  return markdown(head, [['without', ' ', ' ', ...base], ...lines]);
}

/** What peers have: time with the clip, its cost, and how many times as long as ours. Null where nobody has any. */
function beside(rows: readonly Row[], kind: string): string | null {
  const places = placesOf(rows);
  const shared = unique(rows, 'name').filter((name) => rows.some((row) => row.name === name && row.peer !== 'gradclip'));
  if (shared.length === 0) return null;
  const lines = shared.flatMap((name) => {
    const named = rows.filter((row) => row.name === name);
    return unique(named, 'peer').map((peer) => {
      const cells = places.map((place) => {
        const row = named.find((row) => row.peer === peer && row.place === place);
        if (!row) return NOTHING;
        const times = between(digits(row.ratio, 3), digits(row.ratio_low, 3), digits(row.ratio_high, 3));
        return [`${digits(row.with_ms, 3)} ms`, `${cost(row)} %`, ...(times === NOTHING ? [] : [`${times} times`])].join('<br>');
      });
      return [`\`${name}\``, peer, ...cells];
    });
  });
  return markdown([kind, 'engine', ...places], lines);
}

/** How much longer a step takes with a policy, over what reading the gradients as often as its passes say would take. */
function againstPasses(rows: readonly Row[]): string | null {
  const ours = rows.filter((row) => row.peer === 'gradclip' && isNumber(row.passes_ms));
  const places = placesOf(ours);
  const names = unique(ours, 'name').filter((name) => ours.some((row) => row.name === name && Number(row.extra_passes) >= 0.5));
  if (names.length === 0) return null;
  const rates = places.map((place) => {
    const found = ours.filter((row) => row.place === place && isNumber(row.read_gbytes)).map((row) => Number(row.read_gbytes));
    return `${digits(found.sort((a, b) => a - b)[found.length >> 1], 3)} GB/s`;
  });
  const lines = names.map((name) => {
    const cells = places.map((place) => {
      const row = ours.find((row) => row.name === name && row.place === place);
      return row ? digits(Number(row.extra_ms) / Number(row.passes_ms), 2) : NOTHING;
    });
    const passes = ours.find((row) => row.name === name)!.extra_passes;
    return [`\`${name}\``, digits(passes, 3), ...cells];
  });
  return markdown(['policy', 'passes', ...places], [['reading alone', ' ', ...rates], ...lines]);
}
