// calls.ts: times a synchronous call again and again, as worker.py does.
import { median, type Sample } from '../report.ts';

/** `inner`: how many units one call does; the sample is per unit. */
export function sampleCalls(call: () => unknown, inner: number, seconds: number): Sample {
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  while (times.length === 0 || (performance.now() < end && times.length < 20_000)) {
    const start = performance.now();
    call();
    times.push((performance.now() - start) / inner);
  }
  return { median_ms: median(times), min_ms: Math.min(...times), n: times.length * inner };
}
