// stepping.ts: one update on a batch that is given now: what a fit does with a batch of a stream, without a fit around it.
import { GuardError, IndexError, NonFiniteError, OptionError } from '../../errors.ts';
import { groupError } from '../../mpi/error.ts';
import { abort, type Group, largest } from '../../mpi/group.ts';
import { known } from '../../mpi/words.ts';
import type { RunResult } from '../../native/addon.ts';
import { STATUS } from '../../native/program.ts';
import { type Report, type Reports, tooManySkips } from '../../optim/apply/report.ts';
import type { Came } from '../feed/batches.ts';
import { batchesOf, type Chunk, chunkOfBatches } from '../feed/feeder.ts';
import { drive, driveSync, type Loop, perform } from '../flow/effect.ts';
import type { Warnings } from '../flow/warnings.ts';
import { inThisTurn, shareSecrets } from '../group/secrets.ts';
import { shardsOf } from '../group/sharing.ts';
import { digest } from '../programs/digest.ts';
import { located } from '../programs/located.ts';
import { tellPrints } from '../programs/prints.ts';
import type { Use } from '../programs/sessions.ts';
import type { Current } from '../state/current.ts';
import type { Heard, Setup } from '../state/setup.ts';
import type { Standing } from '../state/standing.ts';
import type { TracedStep } from '../step/step.ts';
import { warnOfStep } from '../watch/oversights.ts';
import { cutStep } from './cut-step.ts';
import { reportsOf } from './parts.ts';
import { runSteps } from './searched.ts';

export class Stepping implements Heard {
  readonly #current: Current;
  readonly #standing: Standing;
  /** What a program is found to do that nobody may have meant is reported once for each trainer. */
  readonly #warnings: Warnings;
  #use: { readonly of: Setup; readonly use: Use<TracedStep> } | null = null;

  constructor(current: Current, standing: Standing, warnings: Warnings) {
    this.#current = current;
    this.#standing = standing;
    this.#warnings = warnings;
  }

  /**
   * When its turn comes, with the model as it is now.
   * @param batches the micro-batches of the step
   * @throws (rejects) what ends a fit; BusyError while a fit is on, or the model was changed and a call is not done
   */
  async later(where: string, batches: readonly Came[]): Promise<Report> {
    const { access } = this.#current;
    access.checkAlone(where);
    // A call that has its turn is one that is not done: what was changed is taken in before.
    this.#current.takeIn(where);
    return access.step(where, () => drive(this.#step(where, batches)));
  }

  /** The same, blocking this thread. @throws what ends a fit; BusyError while a call is not done */
  now(where: string, batches: readonly Came[]): Report {
    const { access } = this.#current;
    access.checkIdle(where);
    access.checkAlone(where);
    this.#current.takeIn(where);
    return driveSync(this.#step(where, batches));
  }

  /** In a turn, when no fit is on. */
  *#step(where: string, batches: readonly Came[]): Loop<Report> {
    const { setup, trainer } = this.#current;
    if (setup.guarding?.rollsBack) {
      throw new OptionError(`${where}: a guard of the trainer rolls back, to what a fit keeps of its steps: train with fit`);
    }
    if (setup.policy.auto) {
      throw new OptionError(
        `${where}: option clip of the trainer: clip.auto finds its threshold by trials of a fit: train with fit`,
      );
    }
    setup.enter(trainer);
    const { options } = this.#current;
    const { group } = options;
    const of = (j: number): string => (batches.length > 1 ? ` of batch ${j}` : ' of the batch');
    const chunk = group
      ? cutStep(where, batches, this.#current.rowsOfMicro(this.#current.batchSize), shardsOf(options))
      : chunkOfBatches(batches, batches.length, of);
    if (group) {
      yield* this.#alike(group, where, batches);
      if (setup.store.unshared.size > 0) yield* shareSecrets(group, where, setup.store, inThisTurn);
    }
    const { programs, release } = this.#useOf(setup).hold(chunk.parts.map(({ shape }) => shape));
    try {
      for (const { extra } of programs) this.traced(extra);
      const { seed, counters } = this.#standing;
      let result: RunResult;
      try {
        const terms = { setup, epochSteps: null, ...(group && { group }) };
        result = yield* runSteps(programs, chunk, { seed, counters }, terms, chunk.steps);
      } catch (error) {
        // The others wait for what does not come.
        if (group) abort(group, error instanceof IndexError ? located(error, (step) => batchesOf(chunk, step)) : error);
        throw error instanceof IndexError ? located(error, (step) => batchesOf(chunk, step)) : error;
      }
      const reports = reportsOf(programs, chunk, result, counters, setup);
      this.#standing.stepped(result);
      this.#standing.log.add(reports, setup.trained);
      this.#standing.digest.begin(setup.trained);
      this.#standing.digest.untimed += reports.length;
      this.#standing.digest.addReports(reports, counters.step, (_, updates) => setup.ratesAt(updates));
      const whole = result.tried + (result.status === STATUS.nonFinite ? 1 : 0);
      tellPrints(programs.at(-1)!, result.report, whole, () => counters.attempt + chunk.micros - 1);
      this.#check(where, setup, chunk, result, reports);
      return reports.at(0);
    } finally {
      release();
    }
  }

  /** All processes of a group are at this step, with these batches. @throws GradclipError ERR_GROUP */
  *#alike(group: Group, where: string, batches: readonly Came[]): Loop<void> {
    const bytes = Buffer.from(digest(batches.flatMap(({ arrays }) => [...arrays.values()].map(({ data }) => data))), 'hex');
    const { step } = this.#standing.counters;
    const [high, low] = [bytes.readUInt32LE(0), bytes.readUInt32LE(4)];
    const all = yield* perform(largest(group, where, [step, -step, high, -high, low, -low]));
    if (all.every((v, i) => i % 2 === 1 || v === -all[i + 1]!)) return;
    throw known(
      groupError(
        `${where}: processes of a group have other batches, or are at other steps: all of them call it with the same batch`,
      ),
    );
  }

  traced(traced: TracedStep): void {
    warnOfStep(this.#warnings, traced, this.#standing.counters.step);
  }

  /** A rate that is nothing is seen over the steps of a fit. */
  rate(): void {}

  #useOf(setup: Setup): Use<TracedStep> {
    if (this.#use?.of !== setup || this.#use.use.session.disposed)
      this.#use = { of: setup, use: setup.steps({ kind: 'stream', data: new Map() }, this) };
    else setup.hear(this);
    return this.#use.use;
  }

  /** @throws what such a step ends a fit with */
  #check(where: string, setup: Setup, { micros }: Chunk, { status, position }: RunResult, reports: Reports): void {
    const { step, attempt, skips } = this.#standing.counters;
    if (status === STATUS.tooManySkips) throw tooManySkips(where, reports.at(0), skips);
    if (status !== STATUS.nonFinite) return;
    const found = setup.guarding?.at(position);
    if (found) {
      const { label: guard, name, action } = found;
      throw new GuardError(`${where}: ${guard}: ${name} at step ${step}`, { guard, name, action, attempt, step });
    }
    const tensor = setup.trained[position] ?? null;
    const text = `${where}: the gradient of ${tensor ?? 'an unknown tensor'} is not finite`;
    throw new NonFiniteError(text, { tensor, step, attempt: attempt + micros - 1, skips });
  }
}
