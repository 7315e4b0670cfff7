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
  from: 11,
  to: 12,
  group: 13,
  status: 14,
  tried: 15,
  instr: 16,
  position: 17,
  value: 18,
  bound: 19,
} as const;
/** How many there are. */
export const NUMBERS = 20;

/** @param stages of the program */
export function put(request: RunRequest, numbers: Float64Array, stages: number = 1): void {
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
  numbers[AT.from] = request.part?.stage ?? 0;
  numbers[AT.to] = request.part?.stage === undefined ? stages : request.part.stage + 1;
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
