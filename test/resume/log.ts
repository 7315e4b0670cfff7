// log.ts: writes down whatever a run tells. As a callback with a state, what it has written goes through the checkpoints of the runs it follows.
import type { Data } from '../../lib/ir/op.ts';
import type { GuardEvent } from '../../lib/train/flow/progress.ts';
import type { Callback, CallbackRun, StepReports } from '../../lib/train/watch/callback.ts';

type Entry = readonly [name: string, value: string];

export class Log implements Callback<'size'> {
  readonly name = 'log';
  #entries: Entry[] = [];
  #counts: Record<string, number> = {};
  /** Told how many steps have been tried, as far as they have been told. */
  stop: (steps: number) => void = () => {};

  onSteps(steps: StepReports): void {
    for (const report of steps) this.#add('step', report);
    this.#tried(steps.length);
  }
  onValidation(metrics: object, { counters: { attempt, step } }: CallbackRun): void {
    this.#add('validation', { ...metrics, attempt, step });
  }
  onEpoch(end: object): void {
    this.#add('epoch', end);
  }
  onGuard(event: GuardEvent): void {
    this.#add('guard', event);
    // A step that is taken back has no report.
    if (event.action === 'rollback') this.#tried(1);
  }

  state(): unknown {
    return { entries: this.#entries, counts: this.#counts };
  }
  restore(state: unknown): void {
    const { entries, counts } = state as { entries: Entry[]; counts: Record<string, number> };
    this.#entries = entries;
    this.#counts = counts;
  }

  #tried(steps: number): void {
    this.#counts.tried = (this.#counts.tried ?? 0) + steps;
    this.stop(this.#counts.tried);
  }

  /** All of it, the first first. */
  get told(): Map<string, Data | string> {
    return new Map(this.#entries);
  }

  #add(kind: string, value: object): void {
    const count = this.#counts[kind] ?? 0;
    this.#counts[kind] = count + 1;
    for (const [key, v] of Object.entries(value)) this.#entries.push([`${kind} ${count} ${key}`, textOf(v)]);
  }
}

/** Of a number all of its digits, and its sign. */
const textOf = (value: unknown): string =>
  typeof value === 'number' ? (Object.is(value, -0) ? '-0' : String(value)) : (JSON.stringify(value, numbers) ?? 'undefined');
const numbers = (_: string, value: unknown): unknown => (typeof value === 'number' ? textOf(value) : value);
