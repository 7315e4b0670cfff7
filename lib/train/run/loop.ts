// loop.ts: the training loop, chunk by chunk; the same for `fit` and `fitSync` (see flow/effect.ts). It knows steps, validations and epochs; whoever follows
// them (watch/) it does not know.
import { AbortError } from '../../errors.ts';
import type { Feeder } from '../feed/feeder.ts';
import { type Loop, perform, waitFor } from '../flow/effect.ts';
import type { StopReason } from '../flow/progress.ts';
import type { Running } from '../flow/running.ts';
import type { Watchers } from '../watch/watcher.ts';
import type { Chunks } from './chunks.ts';
import type { Epochs } from './epochs.ts';
import type { Together } from './together.ts';

/** @param together with whom it is run; null: alone */
export function* fitLoop(
  running: Running,
  feeder: Feeder,
  chunks: Chunks,
  epochs: Epochs,
  watchers: Watchers,
  together: Together | null,
): Loop<StopReason> {
  const { halt } = running;
  for (;;) {
    if (together) yield* together.agree(chunks.steps);
    if (halt.aborted) {
      const by = halt.by === null || halt.asked.abort ? '' : ` by process ${halt.by}`;
      throw new AbortError(`fit: the run was aborted${by}`, {}, { cause: halt.reason });
    }
    if (halt.called) return 'stopped';
    yield* chunks.prepare();
    if (halt.called) continue;
    if (running.validationDue) {
      yield* epochs.validate();
      continue;
    }
    const over = watchers.stop ?? running.reached;
    if (over === 'epochs') return over;
    if (over) {
      // The last step may have been that of an epoch.
      const ends = feeder.ends(running.counters);
      const own = (yield* perform({ now: ends.now, later: () => halt.or(ends.later()) })) ?? false;
      if (together ? yield* together.ends(own) : own) yield* epochs.end();
      if (halt.called) continue;
      // The validation at its end may end the run as well, and the epoch may have been the last.
      return watchers.stop ?? running.reached ?? over;
    }
    const unsettled = watchers.settled();
    if (unsettled instanceof Promise) {
      yield* perform<unknown>({ now: () => {}, later: () => halt.or(unsettled) });
      if (halt.called) continue;
    }
    if (together && !(yield* together.look())) continue;
    const { tried } = running.course;
    const most = Math.min(together?.left ?? chunks.steps, running.stepsLeft, running.untilValidation, watchers.until(tried));
    const next = feeder.next(most, running.counters);
    const chunk = yield* perform({ now: next.now, later: () => halt.or(next.later()) });
    if (chunk === null) continue;
    if (chunk === 'endOfData') return chunk;
    if (chunk === 'endOfEpoch') {
      yield* epochs.end();
      continue;
    }
    if (chunk === 'otherData') {
      yield* epochs.anew();
      continue;
    }
    // When the end of an epoch has been announced: whoever goes on after a stop there finds what followed from it.
    const task = watchers.before(tried);
    if (task) yield* perform(task);
    const ran = yield* chunks.run(chunk);
    if (!ran) continue;
    yield* waitFor(watchers.told());
    yield* watchers.examine(chunk, ran);
    // With one that a guard has undone, which has taken its batches as well.
    together?.ran(running.course.tried - tried);
    // A guard that has undone a step is reported by then.
    yield* waitFor(watchers.told());
    chunk.done?.();
  }
}
