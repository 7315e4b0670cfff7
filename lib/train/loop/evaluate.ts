// evaluate.ts: loss and metrics of a model over a data set.
import type { RunResult } from '../../native/addon.ts';
import { threadsFor } from '../../native/threads.ts';
import type { Source } from '../feed/source.ts';
import type { Compiled, Session } from '../state/session.ts';
import { Gathering, type TracedMetric } from '../step/measure.ts';
import { type Loop, perform } from './effect.ts';
import type { Halt } from './halt.ts';
import { located, rowsFrom } from './located.ts';
import { Pace } from './pace.ts';
import { tellPrints } from './prints.ts';
import type { Metrics } from './progress.ts';

// Steps of one run, and bytes of their reports: bounds the memory of both and of index rows.
const MOST_STEPS = 256;
const MOST_BYTES = 16 << 20;

export interface EvaluateContext {
  readonly session: Session<readonly TracedMetric[]>;
  readonly source: Source;
  readonly batchSize: number;
  readonly threads: number;
  /** Wait for a turn among those who use the state; absent where the whole evaluation has it. */
  readonly turn?: <T>(task: () => Promise<T>) => Promise<T>;
  /** Ends the evaluation, which gives null then. */
  readonly halt?: Halt;
}

export function* evaluateLoop(c: EvaluateContext): Loop<Metrics<string> | null> {
  const { session, source, batchSize, threads, turn = (task) => task(), halt } = c;
  const gathering = new Gathering();
  const pace = new Pace();
  // How many rows there are behind; null once it is told to end.
  const part = function* (compiled: Compiled<readonly TracedMetric[]>, start: number, count: number): Loop<number | null> {
    const { program, bound, extra } = compiled;
    const most = Math.max(1, Math.floor(MOST_BYTES / Math.max(1, program.report.bytes)));
    const steps = Math.min(pace.steps, MOST_STEPS, most, Math.floor((source.length - start) / count));
    const feed = new Uint8Array(steps * program.feed.bytes);
    for (let j = 0; j < steps && feed.length > 0; j++) {
      source.fillInOrder(new Int32Array(feed.buffer, j * program.feed.bytes, count), start + j * count);
    }
    const request = { ...EVALUATE, steps, feed, threads: threadsFor(program, threads) };
    let started = performance.now();
    const later = (): Promise<RunResult> => {
      started = performance.now();
      return bound.run(request);
    };
    const result = yield* located(perform<RunResult>({ now: () => bound.runSync(request), later: () => turn(later) }), (step) =>
      source.byRow ? [rowsFrom(source.data, start + step * count, count)] : [],
    );
    if (halt?.called) return null;
    const batch = Math.floor(start / batchSize);
    tellPrints(compiled, result.report, result.tried, (i) => batch + i);
    pace.took(performance.now() - started, result.tried);
    const offsets = new Map(program.report.columns.map(({ name, offset }) => [name, offset]));
    for (let j = 0; j < steps; j++) {
      const at = (column: string, elements: number): Float64Array =>
        new Float64Array(result.report, j * program.report.bytes + offsets.get(column)!, elements);
      gathering.add(extra, count, at);
    }
    return start + steps * count;
  };
  for (let start = 0; start < source.length; ) {
    const count = Math.min(batchSize, source.length - start);
    const end = yield* session.use([count], ([compiled]) => part(compiled!, start, count));
    if (end === null) return null;
    start = end;
  }
  return gathering.finish() as Metrics<string>;
}

/** Counters of a run that neither draws randomness nor updates. */
export const EVALUATE = { micros: 1, seed: 0n, attempt: 0, stepCount: 0, skips: 0, maxSkips: 0 } as const;
