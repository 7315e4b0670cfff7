// guards.ts: what becomes of what a trainer's guards find, and of steps that were not finite: told, rolled back, or the end of the run.
import { type GradclipError, GuardError, NonFiniteError } from '../../errors.ts';
import type { RunResult } from '../../native/addon.ts';
import { STATUS } from '../../native/program.ts';
import { type Reports, tooManySkips } from '../../optim/apply/report.ts';
import { type Chunk, microsOfStep } from '../feed/feeder.ts';
import { type Loop, perform } from '../flow/effect.ts';
import type { GuardEvent } from '../flow/progress.ts';
import type { Running } from '../flow/running.ts';
import type { Current } from '../state/current.ts';
import { afterYoung, type Culprit, type Inquiry } from './culprit.ts';
import type { Rollback } from './rollback.ts';
import type { Tally } from './tally.ts';
import type { Ran, Watcher } from './watcher.ts';

// Of what guards find, in a result.
const MOST_EVENTS = 100;

export class Guards implements Watcher {
  readonly name = 'guards';
  /** What guards found: the first of it. */
  readonly events: GuardEvent[] = [];
  readonly #current: Current;
  readonly #running: Running;
  readonly #tally: Tally;
  readonly #rollback: Rollback | null;
  readonly #inquiry: Inquiry;

  /** @param rollback null where no guard rolls back */
  constructor(current: Current, running: Running, tally: Tally, rollback: Rollback | null, inquiry: Inquiry) {
    this.#current = current;
    this.#running = running;
    this.#tally = tally;
    this.#rollback = rollback;
    this.#inquiry = inquiry;
  }

  steps(reports: Reports): void {
    const { guarding } = this.#current.setup;
    if (!guarding) return;
    const any = guarding.placed.some((_, g) => reports.column(`guard.${g}`).some((at) => at >= 0));
    if (!any) return;
    for (const { guards = [], attempt, step } of reports) {
      for (const hit of guards) this.#tell({ ...hit, attempt, step });
    }
  }

  /** At steps that were not finite, and at what has ended it. @throws what ends the run */
  *examine(chunk: Chunk, { reports, result }: Ran): Loop<void> {
    const [running, tally] = [this.#running, this.#tally];
    const { access, setup } = this.#current;
    if (tally.bad >= 0) yield* this.#inquiry.tell(chunk, reports, tally.bad);
    if (result.status === STATUS.tooManySkips) {
      const last = reports.length - 1;
      const culprit = reports.at(last).nonFinite ? yield* this.#inquiry.ofEnd(chunk, reports, last) : null;
      throw this.#skippedTooOften(reports, culprit);
    }
    if (result.status !== STATUS.nonFinite) return;
    const found = setup.guarding?.at(result.position);
    const culprit = !found || found.action === 'stop' ? yield* this.#inquiry.ofEnd(chunk, reports, result.tried) : null;
    if (!found) throw this.#nonFinite(result, culprit);
    const { attempt, step } = running.counters;
    const { label: guard, name, action } = found;
    const tell = (): void => this.#tell({ guard, action, name, value: null, attempt, step });
    if (action === 'stop') {
      yield* perform(access.inTurn(tell));
      const text = `fit: ${guard}: ${name} at step ${step}${because(culprit)}`;
      throw new GuardError(text, { guard, name, action, attempt, step, culprit });
    }
    chunk.giveBack?.(result.tried + 1);
    // What was undone counts, and is reported, in the same turn as what it was undone by.
    yield* perform(
      access.inTurn(() => {
        tell();
        this.#rollback!.back(microsOfStep(chunk), { guard, name });
        tally.addUndone();
        running.undone();
      }),
    );
  }

  #tell(event: GuardEvent): void {
    if (this.events.length < MOST_EVENTS) this.events.push(event);
    this.#running.watchers!.tell('guard', event);
  }

  #skippedTooOften(reports: Reports, culprit: Culprit | null): GradclipError {
    const last = reports.at(reports.length - 1);
    const hit = last.nonFinite === null ? last.guards?.[0] : undefined;
    const { skips } = this.#running.counters;
    if (hit) {
      const { step, attempt } = last;
      const text = `fit: ${skips} steps in a row were skipped, the last by ${hit.guard}: ${hit.name} is ${hit.value}`;
      return new GuardError(text, { guard: hit.guard, name: hit.name, action: 'skip', step, attempt, skips });
    }
    const text = because(culprit) + (culprit?.kind === 'input' ? '' : afterYoung(this.#current.setup.policy, last.step));
    return tooManySkips('fit', last, skips, { text, culprit });
  }

  #nonFinite(result: RunResult, culprit: Culprit | null): NonFiniteError {
    const tensor = this.#current.setup.trained[result.position] ?? null;
    const { step, attempt, skips } = this.#running.counters;
    const text = `fit: the gradient of ${tensor ?? 'an unknown tensor'} is not finite${because(culprit)}`;
    return new NonFiniteError(text, { tensor, step, attempt, skips, culprit });
  }
}

/** What an error adds that has named a gradient. */
function because(culprit: Culprit | null): string {
  if (!culprit) return '';
  return `; ${culprit.text}${culprit.kind === 'gradient' ? ': option debug of the trainer names the op where it begins' : ''}`;
}
