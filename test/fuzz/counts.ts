// counts.ts: what was read how often, and what came of it: the table at the end of a run.
import type { Seen } from './child.ts';
import { READERS } from './readers/index.ts';

interface Row {
  inputs: number;
  failed: number;
  ms: number;
  bytes: number;
  readonly said: Map<string, number>;
}

export class Counts {
  readonly #rows = new Map<string, Row>(
    Object.keys(READERS).map((name) => [name, { inputs: 0, failed: 0, ms: 0, bytes: 0, said: new Map() }]),
  );

  add({ reader, failure, said, ms, bytes }: Seen): void {
    const row = this.#rows.get(reader)!;
    row.inputs++;
    if (failure) row.failed++;
    row.ms = Math.max(row.ms, ms);
    row.bytes = Math.max(row.bytes, bytes);
    for (const word of said) row.said.set(word, (row.said.get(word) ?? 0) + 1);
  }

  get inputs(): number {
    return [...this.#rows.values()].reduce((sum, row) => sum + row.inputs, 0);
  }

  /** The reader with the fewest inputs, as a share of all. */
  get leastShare(): number {
    return Math.min(...[...this.#rows.values()].map((row) => row.inputs)) / Math.max(1, this.inputs);
  }

  table(): string {
    const head = ['reader', 'inputs', 'accepted', 'failed', 'longest', 'memory', 'refused'];
    const body = [...this.#rows].map(([name, { inputs, failed, ms, bytes, said }]) => {
      const refused = [...said].filter(([word]) => word !== 'accepted').sort(([, a], [, b]) => b - a);
      return [
        ...[
          name,
          String(inputs),
          String(said.get('accepted') ?? 0),
          String(failed),
          `${Math.round(ms)} ms`,
          `${Math.round(bytes / 2 ** 20)} MiB`,
        ],
        refused.map(([code, n]) => `${code} ${n}`).join(', '),
      ];
    });
    const wide = head.map((_, i) => Math.max(...[head, ...body].map((row) => row[i]!.length)));
    const line = (row: readonly string[]): string =>
      row
        .map((text, i) => (i === 0 || i === row.length - 1 ? text.padEnd(wide[i]!) : text.padStart(wide[i]!)))
        .join('  ')
        .trimEnd();
    return [head, ...body].map(line).join('\n');
  }
}
