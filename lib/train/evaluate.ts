// evaluate.ts: loss and metrics of a model over a data set, means over its rows.
import type { RunResult } from '../native/addon.ts';
import { threadsFor } from '../native/threads.ts';
import { type Loop, perform } from './effect.ts';
import type { Halt } from './halt.ts';
import { Pace } from './pace.ts';
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
  /** Wait for a turn among those who use the state; absent where the whole evaluation has it. */
  readonly turn?: <T>(task: () => Promise<T>) => Promise<T>;
  /** Ends the evaluation, which gives null then. */
  readonly halt?: Halt;
}

export function* evaluateLoop(c: EvaluateContext): Loop<Metrics | null> {
  const { session, source, batchSize, threads, turn = (task) => task(), halt } = c;
  const sums = new Map<string, number>();
  const pace = new Pace();
  for (let start = 0; start < source.length; ) {
    const left = source.length - start;
    const count = Math.min(batchSize, left);
    const steps = Math.min(pace.steps, MOST_STEPS, Math.floor(left / count));
    const { program, bound } = session.program(count);
    const feed = new Uint8Array(steps * program.feed.bytes);
    for (let j = 0; j < steps; j++) {
      source.fillInOrder(new Int32Array(feed.buffer, j * program.feed.bytes, count), start + j * count);
    }
    const request = { ...EVALUATE, steps, feed, threads: threadsFor(program, threads) };
    let started = performance.now();
    const later = (): Promise<RunResult> => {
      started = performance.now();
      return bound.run(request);
    };
    const result = yield* perform<RunResult>({ now: () => bound.runSync(request), later: () => turn(later) });
    if (halt?.called) return null;
    pace.took(performance.now() - started, result.tried);
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
