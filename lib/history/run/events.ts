// events.ts: what happens in a run beside its steps: validations, ends of epochs, what guards find, and the time; as lines of a record, and back.
import type { GuardAction, GuardHit } from '../../optim/apply/report.ts';

/** A validation: what was measured. */
export interface ValidationEvent {
  /** What it is. */
  readonly event: 'validation';
  /** Batches drawn before it. */
  readonly attempt: number;
  /** Updates applied before it. */
  readonly step: number;
  /** What was measured: `loss`, and the trainer's metrics by name. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** The end of an epoch. */
export interface EpochEvent {
  /** What it is. */
  readonly event: 'epoch';
  /** Batches drawn before it. */
  readonly attempt: number;
  /** Updates applied before it. */
  readonly step: number;
  /** Epochs finished, of all fits. */
  readonly epoch: number;
  /** Mean loss over the steps of the epoch. */
  readonly loss: number;
  /** Steps tried in the epoch. */
  readonly steps: number;
  /** Steps of the epoch whose gradient the policy changed. */
  readonly clipped: number;
  /** Steps of the epoch that were left out. */
  readonly skipped: number;
}

/** What a guard has found. */
export interface GuardFinding {
  /** What it is. */
  readonly event: 'guard';
  /** Batches drawn before the step. */
  readonly attempt: number;
  /** Updates applied before the step. */
  readonly step: number;
  /** Which guard it was: `guard.loss` and so on. */
  readonly guard: string;
  /** What the guard did about it. */
  readonly action: GuardAction;
  /** The parameter or module; `loss`, or `model`. */
  readonly name: string;
  /** What was measured; null where the step was not reported (`rollback`, `stop`). */
  readonly value: number | null;
}

/** What time it was: of records with `clock: true`. */
export interface ClockEvent {
  /** What it is. */
  readonly event: 'clock';
  /** Batches drawn before it. */
  readonly attempt: number;
  /** When it was, in milliseconds since 1970. */
  readonly time: number;
  /** Processor, instruction set and Node.js, where a fit has begun. Absent elsewhere. */
  readonly machine?: string;
}

/** What stands among the steps of a record. */
export type RunEvent = ValidationEvent | EpochEvent | GuardFinding | ClockEvent;

/** A number as a line has it: JSON has no NaN and no infinity. */
export const text = (v: number): string => (Number.isFinite(v) ? (Object.is(v, -0) ? '-0' : String(v)) : `"${v}"`);

/** A line of a record. */
export function eventLine(e: RunEvent): string {
  const begin = `"event":"${e.event}","attempt":${e.attempt}`;
  return `{${begin},${rest(e)}}\n`;
}

function rest(e: RunEvent): string {
  if (e.event === 'validation') {
    const metrics = Object.entries(e.metrics).map(([name, value]) => `${JSON.stringify(name)}:${text(value)}`);
    return `"step":${e.step},"metrics":{${metrics.join()}}`;
  }
  if (e.event === 'epoch') {
    const counts = `"steps":${e.steps},"clipped":${e.clipped},"skipped":${e.skipped}`;
    return `"step":${e.step},"epoch":${e.epoch},"loss":${text(e.loss)},${counts}`;
  }
  if (e.event === 'guard') return `"step":${e.step},${hitText(e)}`;
  return `"time":${e.time}${e.machine === undefined ? '' : `,"machine":${JSON.stringify(e.machine)}`}`;
}

/** Of a finding, within a line. */
export function hitText({ guard, action, name, value }: Omit<GuardHit, 'value'> & { readonly value: number | null }): string {
  const words = `"guard":${JSON.stringify(guard)},"action":"${action}","name":${JSON.stringify(name)}`;
  return `${words},"value":${value === null ? null : text(value)}`;
}

type Fields = Readonly<Record<string, unknown>>;

/** What checks fields, and says what is wrong with them. */
export interface Expecting {
  readonly number: (name: string, value: unknown) => number;
  readonly count: (name: string, value: unknown) => number;
  readonly that: <T>(name: string, expected: string, value: unknown, fits: boolean) => T;
}

const ACTIONS: readonly unknown[] = ['warn', 'skip', 'rollback', 'stop'] satisfies GuardAction[];
const KINDS: readonly unknown[] = ['validation', 'epoch', 'guard', 'clock'] satisfies RunEvent['event'][];

/** @throws what `expecting` does */
export function parseEvent(fields: Fields, expecting: Expecting): RunEvent {
  const { number, count, that } = expecting;
  const event = that<RunEvent['event']>('event', KINDS.join(', '), fields.event, KINDS.includes(fields.event));
  const attempt = count('attempt', fields.attempt);
  if (event === 'clock') {
    const { machine } = fields;
    if (machine !== undefined) that('machine', 'a text', machine, typeof machine === 'string');
    return { event, attempt, time: number('time', fields.time), ...(machine !== undefined && { machine: machine as string }) };
  }
  const step = count('step', fields.step);
  if (event === 'guard') return { event, attempt, step, ...parseHit(fields, expecting) };
  if (event === 'validation') {
    const { metrics } = fields;
    that('metrics', 'numbers by name', metrics, isObject(metrics));
    const named = Object.entries(metrics as Fields).map(([name, value]) => [name, number(`metrics.${name}`, value)] as const);
    return { event, attempt, step, metrics: Object.fromEntries(named) };
  }
  const counts = { steps: count('steps', fields.steps), clipped: count('clipped', fields.clipped) };
  const skipped = count('skipped', fields.skipped);
  const epoch = count('epoch', fields.epoch);
  return { event, attempt, step, epoch, loss: number('loss', fields.loss), ...counts, skipped };
}

/** Of a finding, within a line. @throws what `expecting` does */
export function parseHit(fields: Fields, { number, that }: Expecting): Omit<GuardFinding, 'event' | 'attempt' | 'step'> {
  const { guard, action, name, value } = fields;
  return {
    guard: that('guard', 'a text', guard, typeof guard === 'string'),
    action: that('action', ACTIONS.join(', '), action, ACTIONS.includes(action)),
    name: that('name', 'a text', name, typeof name === 'string'),
    value: value === null ? null : number('value', value),
  };
}

export const isObject = (x: unknown): x is Fields => typeof x === 'object' && x !== null && !Array.isArray(x);
