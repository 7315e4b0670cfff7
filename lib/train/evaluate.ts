// evaluate.ts: loss and metrics of a model over a data set, means over its rows.
import type { RunResult } from '../native/addon.ts';
import { threadsFor } from '../native/threads.ts';
import { type Loop, perform } from './effect.ts';
import type { Metrics } from './progress.ts';
import type { Session } from './session.ts';
import type { Source } from './source.ts';

// Steps of one run: bounds the memory of index rows and reports.
const MOST_STEPS = 256;

export interface EvaluateContext {
  readonly session: Session<unknown>;
  readonly source: Source;
  readonly batchSize: number;
  readonly threads: number;
}

export function* evaluateLoop({ session, source, batchSize, threads }: EvaluateContext): Loop<Metrics> {
  const sums = new Map<string, number>();
  for (let start = 0; start < source.length; ) {
    const left = source.length - start;
    const count = Math.min(batchSize, left);
    const steps = Math.min(MOST_STEPS, Math.floor(left / count));
    const { program, bound } = session.program(count);
    const feed = new Uint8Array(steps * program.feed.bytes);
    for (let j = 0; j < steps; j++) {
      source.fillInOrder(new Int32Array(feed.buffer, j * program.feed.bytes, count), start + j * count);
    }
    const request = { ...EVALUATE, steps, feed, threads: threadsFor(program, threads) };
    const result = yield* perform<RunResult>({ now: () => bound.runSync(request), later: () => bound.run(request) });
    const values = new Float64Array(result.report);
    for (const { name, offset } of program.report.columns) {
      let sum = sums.get(name) ?? 0;
      for (let j = 0; j < steps; j++) sum += count * values[(j * program.report.bytes + offset) / 8]!;
      sums.set(name, sum);
    }
    start += steps * count;
  }
  return Object.fromEntries([...sums].map(([name, sum]) => [name, sum / source.length])) as Metrics;
}

/** Counters of a run that neither draws randomness nor updates. */
export const EVALUATE = { micros: 1, seed: 0n, attempt: 0, stepCount: 0, skips: 0, maxSkips: 0 } as const;
