// privacy-suite.ts: the suite of private steps: the gradient of each sample clipped, and noise added, beside our ordinary step and beside Opacus.
import { barsOf, ratios } from './figures.ts';
import { ratio, type Sample, short, summarize } from './report.ts';
import type { Rounds, Suite } from './suite.ts';
import { loadWorkload } from './workload.ts';

/** Relative distance of a first loss from PyTorch's in f64, and of the mean norm of its samples' gradients from ours. */
const TOLERANCE = { loss: 1e-5, norm: 1e-3 } as const;

const WAYS = ['plain', 'clipped', 'seeded', 'private'] as const;

export const privacySuite: Suite = {
  cells: ['mlp-small', 'lenet', 'char-lstm', 'gpt-nano'],
  peers: ['opacus'],
  variants: (info) => info.variants,
  row(cell, info, rounds) {
    const { params, plain_mib, private_mib, ...told } = info;
    const times = WAYS.flatMap((way) => {
      const samples = rounds.get(way);
      return samples ? [{ way, samples, ...summarize(samples) }] : [];
    });
    const memory = typeof plain_mib === 'number' ? { memory_ratio: short(Number(private_mib) / plain_mib) } : {};
    const { way, own_threads } = told;
    return {
      workload: cell,
      params,
      ...(way !== undefined && { way, own_threads }),
      ...Object.fromEntries(times.map(({ way, median_ms }) => [`${way}_ms`, short(median_ms)])),
      ...costs(rounds),
      ...(plain_mib !== undefined && { plain_mib }),
      ...(private_mib !== undefined && { private_mib }),
      ...memory,
      spread_percent: short(Math.max(...times.map(({ spread }) => spread))),
    };
  },
  // Noise of a peer is of a seed, as PyTorch draws it.
  compare: (theirs, ours) =>
    ratios(theirs, ours, [
      ['ratio', 'private', 'private'],
      ['seeded_ratio', 'private', 'seeded'],
    ]),
  bars: (row) => barsOf(row, String(row.workload), { private_ms: 'A private step, ms (less is better)' }),
  async check(cell, { info }, ours) {
    const { reference } = await loadWorkload(cell);
    const off = (key: 'loss' | 'norm', expected: number | undefined): string | null => {
      const got = info[key]?.[0];
      if (expected === undefined || Math.abs(got! / expected - 1) <= TOLERANCE[key]) return null;
      return `expected ${key} ${expected} in its first step, got ${got}`;
    };
    // Who has a head of its own in place of a table that is used twice has other gradients.
    return off('loss', reference.loss[0]) ?? (info.untied ? null : off('norm', ours?.info.norm?.[0]));
  },
};

/** How many times as long as an ordinary step ours take. */
function costs(rounds: Rounds): Record<string, number> {
  const plain: readonly Sample[] | undefined = rounds.get('plain');
  if (!plain) return {};
  const others = WAYS.filter((way) => way !== 'plain' && rounds.has(way));
  return Object.fromEntries(others.map((way) => [`${way}_to_plain`, short(ratio(rounds.get(way)!, plain))]));
}
