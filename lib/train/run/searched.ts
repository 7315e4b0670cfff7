// searched.ts: a step of an optimizer that searches: evaluations of loss and gradient on its batch, each one run, and work on vectors between them.
import type { RunResult } from '../../native/addon.ts';
import { STATUS } from '../../native/program.ts';
import { inEpochs } from '../../optim/schedules/length.ts';
import { iterate } from '../../optim/search/iterate.ts';
import { type Evaluated, INFINITELY_BAD } from '../../optim/search/space.ts';
import { EVALUATED } from '../../optim/search/vectors.ts';
import type { Chunk } from '../feed/feeder.ts';
import type { Effect, Loop } from '../flow/effect.ts';
import type { Place } from '../flow/running.ts';
import { insist, type Searching } from '../programs/searching.ts';
import type { Compiled } from '../programs/session.ts';
import type { Setup } from '../state/setup.ts';
import { runParts, type Terms } from './parts.ts';

type Programs = readonly Compiled<unknown>[];
type Counted = Pick<Place, 'seed' | 'counters'>;

/** The steps of a chunk, in a turn: `most`, if it has one part. */
export function* runSteps(
  programs: Programs,
  chunk: Chunk,
  place: Counted,
  terms: Omit<Terms, 'setup'> & { readonly setup: Pick<Setup, 'fillRows' | 'policy' | 'searching' | 'rateOf'> },
  most: number,
): Loop<RunResult> {
  const { setup, epochSteps } = terms;
  if (!setup.searching) return yield* runParts(programs, chunk, place, terms, [0, most]);
  const lr = inEpochs(epochSteps, () => setup.rateOf(place.counters.step));
  return yield* searched(setup.searching, programs, chunk, place, terms, lr);
}

/**
 * The only step of a chunk, in a turn. The report is that of the first evaluation; of what ends the step before that, nothing has happened.
 * @param lr of the step
 */
function* searched(
  searching: Searching,
  programs: Programs,
  chunk: Chunk,
  { seed, counters }: Counted,
  terms: Terms,
  lr: number,
): Loop<RunResult> {
  const first = yield* runParts(programs, chunk, { seed, counters }, terms, [0, 1]);
  if (first.tried === 0) return first;
  const step = searching.begin();
  const { standing } = step;
  try {
    const found = foundIn(programs, first, counters.step);
    if (found === null) {
      // Where the last iteration of the step before has led to, nothing was evaluated yet.
      if (first.status === STATUS.ok && standing.unseen && isBad(programs, first)) yield* giveUp(step);
      return first;
    }
    const again: Terms = { ...terms, setup: { fillRows: (...row) => terms.setup.fillRows(...row), policy: NEVER(terms) } };
    const place = { seed, counters: { ...counters, skips: 0 } };
    const space = {
      do: step.do.bind(step),
      *evaluate(): Loop<Evaluated> {
        const result = yield* insist(() => runParts(programs, chunk, place, again, [0, 1]));
        return foundIn(programs, result, counters.step) ?? INFINITELY_BAD;
      },
    };
    yield* iterate<Effect<unknown>>(space, searching.rule, lr, standing, found);
    step.keep();
    yield* step.average(counters.step);
    return first;
  } catch (error) {
    if (step.moved) yield* giveUp(step);
    throw error;
  } finally {
    step.release();
  }
}

/** Skips of evaluations end nothing. */
const NEVER = ({ setup: { policy } }: Terms): Terms['setup']['policy'] => ({ ...policy, maxSkips: 0 });

/** The parameters are again where the last iteration began, and what was known of the curvature is forgotten. */
function* giveUp(step: ReturnType<Searching['begin']>): Loop<void> {
  yield* step.do({ kind: 'back' });
  step.standing.forget();
  step.keep();
}

/** Numbers of the row that a run has reported. */
function row(programs: Programs, { report }: RunResult): (name: string) => number {
  const { columns } = programs.at(-1)!.program.report;
  const values = new Float64Array(report);
  return (name) => {
    const column = columns.find((c) => c.name === name);
    return column ? values[column.offset / 8]! : 0;
  };
}

/** What a run has found; null where loss or gradient are not finite, or the step was left out or ended for another reason. */
function foundIn(programs: Programs, result: RunResult, step: number): Evaluated | null {
  if (result.status !== STATUS.ok || result.stepCount === step) return null;
  const of = row(programs, result);
  const found = { loss: of('loss') + of('penalty'), slope: of(EVALUATED.slope), largest: of(EVALUATED.largest) };
  return Number.isFinite(found.loss) && Number.isFinite(found.largest) ? found : null;
}

function isBad(programs: Programs, result: RunResult): boolean {
  const of = row(programs, result);
  return of('badCount') > 0 || !Number.isFinite(of('loss') + of('penalty'));
}
