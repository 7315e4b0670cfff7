// digest.ts: all that the page of a run has, taken in step by step in a fixed amount of memory: from a trainer, from a record, or from a history.
import type { AutoDecision } from '../../clip/clip.ts';
import { LAYER_NORMS, type Reports } from '../../optim/apply/report.ts';
import type { History, NumberColumn, RecordHeader } from '../history.ts';
import type { StepRow } from '../line.ts';
import { Curves } from './curves.ts';
import type { ClockEvent, EpochEvent, GuardFinding, RunEvent, ValidationEvent } from './events.ts';
import { Heat } from './heat.ts';

/** What happened, and after how many of the steps. */
export type At<T> = T & { readonly at: number };

/** Most groups whose learning rates are drawn. */
export const MOST_RATES = 8;
const MOST_EVENTS = 4096;
/** Findings that are kept as they are; of the others the number. */
const MOST_FINDINGS = 100;

export class Digest {
  readonly curves: Curves = new Curves();
  heat: Heat | null = null;
  /** Names of the trained parameters. */
  names: readonly string[] = [];
  /** Steps tried, and updates before the first of them. */
  length = 0;
  first = 0;
  clipped = 0;
  skipped = 0;
  /** Steps whose loss was not finite. */
  badLosses = 0;
  /** Parameters whose gradients were not finite, with the number of steps in which they were the first. */
  readonly nonFinite: Map<string, number> = new Map();
  /** Groups of parameters that have a learning rate. */
  groups = 0;
  /** Validations, of which every second goes where they become too many; and how many there were. Epochs alike. */
  validations: At<ValidationEvent>[] = [];
  validated = 0;
  epochs: At<EpochEvent>[] = [];
  ended = 0;
  readonly findings: At<GuardFinding>[] = [];
  found = 0;
  readonly decisions: AutoDecision[] = [];
  head: RecordHeader | null = null;
  machine: string | null = null;
  /** Milliseconds that the steps took, as far as is known. */
  ms = 0;
  /** Steps of which the time is not known. */
  untimed = 0;
  /** Whether a record told the time. */
  hasClock = false;
  /** What `ms` was when the fit began that is on; when that was, of a record. */
  #before = 0;
  #begun: number | null = null;

  /** A fit begins, of these parameters. */
  begin(names: readonly string[]): void {
    this.#before = this.ms;
    const same = names === this.names || (names.length === this.names.length && names.every((name, i) => name === this.names[i]));
    if (!same) this.heat = null;
    this.names = names;
  }

  header(header: RecordHeader): void {
    this.head = header;
    this.names = header.parameters.map(({ name }) => name);
  }

  /**
   * Steps as a trainer reports them.
   * @param step updates before the first
   * @param ratesOf learning rates of row i, before which there were so many updates; null: they are not looked at
   */
  addReports(reports: Reports, step: number, ratesOf: (i: number, updates: number) => readonly number[] | null): void {
    const { length } = reports;
    if (length === 0) return;
    if (this.length === 0) this.first = step;
    const at = this.length;
    const columns = Object.fromEntries(READ.map((name) => [name, reports.strided(name)])) as Record<Read, Strided>;
    for (const name of ['loss', 'norm', 'threshold'] as const) {
      const { values, start, stride } = columns[name];
      this.curves.putAll(name, at, values, start, stride);
    }
    const { loss, skipped, firstBad } = columns;
    for (let i = loss.start; i < loss.values.length; i += loss.stride) if (!Number.isFinite(loss.values[i]!)) this.badLosses++;
    const [skips, clips, after, taken] = [0, 1, 2, 3].map(() => new Float64Array(length)) as Four;
    for (let i = 0; i < length; i++) if (valueAt(skipped, i, 0) !== 0) skips[i] = 1;
    for (let i = 0; i < length; i++) {
      // What the update measures is not there in a skipped step.
      after[i] = skips[i] === 1 ? 0 : valueAt(columns.normAfter, i, Number.NaN);
      if (skips[i] === 1 || valueAt(columns.clipped, i, 0) === 0) continue;
      clips[i] = 1;
      taken[i] = takenOf(valueAt(columns.norm, i, Number.NaN), after[i]!);
    }
    this.#marks(at, { skips, clips, after, taken });
    let updates = step;
    for (let i = 0; i < length; i++) {
      const first = valueAt(firstBad, i, -1);
      if (first >= 0) this.#bad(this.names[first] ?? '');
      const rates = ratesOf(i, updates);
      if (rates) this.#rates(at + i, rates);
      if (skips[i] === 0) updates++;
    }
    if (reports.vector(LAYER_NORMS, 0).length > 0) {
      for (let i = 0; i < length; i++) this.#layers(at + i, reports.vector(LAYER_NORMS, i));
    }
    this.length += length;
  }

  /** A step as a record has it. */
  step(row: StepRow): void {
    if (this.length === 0) this.first = row.step;
    const at = this.length++;
    for (const name of ['loss', 'norm', 'threshold'] as const) this.curves.put(name, at, row[name]);
    if (!Number.isFinite(row.loss)) this.badLosses++;
    const clipped = row.clipped && !row.skipped;
    this.#marks(at, {
      skips: Float64Array.of(row.skipped ? 1 : 0),
      clips: Float64Array.of(clipped ? 1 : 0),
      after: Float64Array.of(row.normAfter),
      taken: Float64Array.of(clipped ? takenOf(row.norm, row.normAfter) : 0),
    });
    if (row.nonFinite !== null) this.#bad(row.nonFinite);
    this.#rates(at, row.rates);
    if (row.layers) this.#layers(at, row.layers);
    for (const finding of row.findings) this.#finding(finding);
  }

  /** What happened after the steps so far. */
  event(event: RunEvent): void {
    const at = this.length;
    switch (event.event) {
      case 'validation':
        this.validated++;
        this.validations = thinned(this.validations, { ...event, at });
        break;
      case 'epoch':
        this.ended++;
        this.epochs = thinned(this.epochs, { ...event, at });
        break;
      case 'guard':
        this.#finding(event);
        break;
      default:
        this.#clock(event);
    }
  }

  decision(decision: AutoDecision): void {
    const last = this.decisions.at(-1);
    // A fit that follows gets the last one of the fit before it again.
    if (last?.step === decision.step && last.decided === decision.decided) return;
    if (this.decisions.length < MOST_EVENTS) this.decisions.push(decision);
  }

  /** So long after the fit has begun. */
  time(ms: number): void {
    if (this.length === 0) return;
    this.ms = this.#before + ms;
    this.curves.put('time', this.length - 1, this.ms);
    this.curves.put('timed', this.length - 1, this.length - this.untimed);
  }

  #clock({ time, machine }: ClockEvent): void {
    if (!this.hasClock) this.untimed = this.length;
    this.hasClock = true;
    if (machine !== undefined) this.machine = machine;
    if (machine !== undefined || this.#begun === null) {
      this.#before = this.ms;
      this.#begun = time;
    }
    this.time(Math.max(0, time - this.#begun));
  }

  #finding(finding: GuardFinding): void {
    this.found++;
    if (this.findings.length < MOST_FINDINGS) this.findings.push({ ...finding, at: this.length });
  }

  #bad(name: string): void {
    if (this.nonFinite.has(name) || this.nonFinite.size < MOST_FINDINGS)
      this.nonFinite.set(name, (this.nonFinite.get(name) ?? 0) + 1);
  }

  #rates(at: number, rates: readonly number[]): void {
    this.groups = Math.max(this.groups, rates.length);
    for (let g = 0; g < Math.min(rates.length, MOST_RATES); g++) this.curves.put(`rate ${g}`, at, rates[g]!);
  }

  #layers(at: number, norms: ArrayLike<number>): void {
    this.heat ??= new Heat(this.names, at);
    this.heat.put(at, norms);
  }

  #marks(at: number, { skips, clips, after, taken }: Record<'skips' | 'clips' | 'after' | 'taken', Float64Array>): void {
    for (let i = 0; i < skips.length; i++) {
      this.skipped += skips[i]!;
      this.clipped += clips[i]!;
    }
    this.curves.putAll('normAfter', at, after, 0, 1);
    this.curves.putAll('skipped', at, skips, 0, 1);
    this.curves.putAll('clipped', at, clips, 0, 1);
    this.curves.putAll('taken', at, taken, 0, 1);
  }
}

const READ = ['loss', 'norm', 'normAfter', 'threshold', 'skipped', 'clipped', 'firstBad'] as const;
type Read = (typeof READ)[number];
type Strided = ReturnType<Reports['strided']>;
type Four = [Float64Array, Float64Array, Float64Array, Float64Array];

/** What the report has in row i; `missing` where the program does not compute it. */
const valueAt = ({ values, start, stride }: Strided, i: number, missing: number): number =>
  start < values.length ? values[start + i * stride]! : missing;

/** The part of the norm that the clip takes away. */
const takenOf = (norm: number, after: number): number => Math.min(1, Math.max(0, 1 - after / norm));

/** With one more; every second goes where there are too many, never the last. */
function thinned<T>(list: T[], one: T): T[] {
  list.push(one);
  return list.length <= MOST_EVENTS ? list : list.filter((_, i) => (list.length - 1 - i) % 2 === 0);
}

/** What a history tells. */
export function digestOf(history: History): Digest {
  const { header, length, layers, rates = [], events = [], decisions = [], nonFinite } = history;
  const digest = new Digest();
  if (header) digest.header(header);
  else digest.names = layers?.names ?? [];
  let next = 0;
  for (let i = 0; i < length; i++) {
    for (; next < events.length && events[next]!.attempt <= history.attempt[i]!; next++) digest.event(events[next]!);
    digest.step({
      ...(Object.fromEntries(TOLD.map((name) => [name, history[name][i]!])) as unknown as StepRow),
      clipped: history.clipped[i] !== 0,
      skipped: history.skipped[i] !== 0,
      nonFinite: nonFinite[i] ?? null,
      layers: layers && [...layers.norms.subarray(i * layers.names.length, (i + 1) * layers.names.length)],
      rates: rates.map((group) => group[i]!),
      findings: [],
    });
  }
  for (; next < events.length; next++) digest.event(events[next]!);
  for (const decision of decisions) digest.decision(decision);
  return digest;
}

/** Numbers of a step that are looked at. */
const TOLD = ['step', 'loss', 'norm', 'normAfter', 'threshold'] as const satisfies readonly NumberColumn[];
