// log.ts: the last steps of a trainer, in memory of a fixed size.

import type { Reports } from '../optim/apply/report.ts';
import { inEpochs } from '../optim/schedules/length.ts';
import { type History, historyOf, type RecordHeader } from './history.ts';

// Steps kept: 1.4 MB of them at most.
const MOST = 16_384;
const FIRST = 256;

/** Columns of the report that are kept, and their value where the program does not compute them; a fraction of -1 is all or nothing. */
const KEPT = {
  ...{ loss: Number.NaN, norm: Number.NaN, normAfter: Number.NaN, scale: 1, threshold: Number.POSITIVE_INFINITY },
  ...{ clipped: 0, clippedFraction: -1, skipped: 0, firstBad: -1, badCount: 0 },
} as const;
type Kept = keyof typeof KEPT;
const NAMES = Object.keys(KEPT) as Kept[];

export class StepLog {
  #columns: Float64Array[] = [];
  /** Of each step, batches drawn before it. */
  #attempts: Float64Array = new Float64Array(0);
  /** Steps seen in all, and room for how many. */
  #seen = 0;
  #room = 0;
  #names: readonly string[] = [];
  /** Updates in an epoch of the last fit that knew; null where none did. */
  epochSteps: number | null = null;

  add(reports: Reports, names: readonly string[]): void {
    this.#names = names;
    // Of a chunk longer than the room only the end stays.
    for (let from = Math.max(0, reports.length - MOST), n = 0; from < reports.length; from += n) {
      this.#grow(reports.length - from);
      const at = this.#seen % this.#room;
      n = Math.min(reports.length - from, this.#room - at);
      for (const [c, name] of NAMES.entries()) {
        const { values, start, stride } = reports.strided(name);
        const column = this.#columns[c]!;
        if (start >= values.length) column.fill(KEPT[name], at, at + n);
        else for (let i = 0; i < n; i++) column[at + i] = values[start + (from + i) * stride]!;
      }
      for (let i = 0; i < n; i++) this.#attempts[at + i] = reports.attemptAt(from + i);
      this.#seen += n;
    }
  }

  clear(): void {
    this.#seen = 0;
  }

  /** @param header asked for where there are steps */
  history(header: () => RecordHeader): History {
    const length = Math.min(this.#seen, this.#room);
    const first = this.#seen - length;
    const at = Array.from({ length }, (_, i) => (first + i) % this.#room);
    const column = (name: Kept): number[] => at.map((k) => this.#columns[NAMES.indexOf(name)]![k]!);
    const skipped = column('skipped').map((s) => s !== 0);
    // As a report has it: what the update measures is not reported for a skipped step.
    const applied = (name: Kept): number[] => column(name).map((v, i) => (skipped[i] ? 0 : v));
    const clipped = applied('clipped');
    return historyOf('advise', {
      attempt: at.map((k) => this.#attempts[k]!),
      loss: column('loss'),
      norm: column('norm'),
      normAfter: applied('normAfter'),
      scale: applied('scale'),
      threshold: column('threshold'),
      clippedFraction: applied('clippedFraction').map((f, i) => (f < 0 ? clipped[i]! : f)),
      clipped: clipped.map((c) => c !== 0),
      skipped,
      nonFinite: column('firstBad').map((k) => this.#names[k] ?? null),
      nonFiniteCount: column('badCount'),
      header: length > 0 ? inEpochs(this.epochSteps, header) : null,
    });
  }

  /** Room doubles until there is enough; what wraps around by then has filled it. */
  #grow(more: number): void {
    const wanted = Math.min(MOST, this.#seen + more);
    if (this.#room >= wanted) return;
    let room = Math.max(FIRST, this.#room);
    while (room < wanted) room *= 2;
    const grown = (column: Float64Array = new Float64Array(0)): Float64Array => {
      const larger = new Float64Array(room);
      larger.set(column);
      return larger;
    };
    this.#columns = NAMES.map((_, c) => grown(this.#columns[c]));
    this.#attempts = grown(this.#attempts);
    this.#room = room;
  }
}
