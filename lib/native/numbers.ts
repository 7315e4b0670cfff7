// numbers.ts: what a run is asked for and what comes of it, as the numbers that pass in and out; binding/js/js_binding.h has them in the same order.
import type { RunRequest, RunResult } from './addon.ts';

export const AT = {
  steps: 0,
  micros: 1,
  attempt: 2,
  stepCount: 3,
  skips: 4,
  maxSkips: 5,
  threads: 6,
  first: 7,
  end: 8,
  base: 9,
  share: 10,
  group: 11,
  status: 12,
  tried: 13,
  instr: 14,
  position: 15,
  value: 16,
  bound: 17,
} as const;
/** How many there are. */
export const NUMBERS = 18;

export function put(request: RunRequest, numbers: Float64Array): void {
  numbers[AT.steps] = request.steps;
  numbers[AT.micros] = request.micros;
  numbers[AT.attempt] = request.attempt;
  numbers[AT.stepCount] = request.stepCount;
  numbers[AT.skips] = request.skips;
  numbers[AT.maxSkips] = request.maxSkips;
  numbers[AT.threads] = request.threads;
  const { base, share } = request.share ?? { base: 0, share: request.micros };
  numbers[AT.base] = base;
  numbers[AT.share] = share;
  numbers[AT.group] = request.share ? 1 : 0;
  numbers[AT.first] = request.part?.first ?? base;
  numbers[AT.end] = request.part?.end ?? base + share;
}

export function resultOf(numbers: Float64Array, report: ArrayBuffer): RunResult {
  const at = (k: number): number => numbers[k] as number;
  return {
    status: at(AT.status),
    tried: at(AT.tried),
    attempt: at(AT.attempt),
    stepCount: at(AT.stepCount),
    skips: at(AT.skips),
    instr: at(AT.instr),
    position: at(AT.position),
    value: at(AT.value),
    bound: at(AT.bound),
    threads: at(AT.threads),
    report,
  };
}
