// memory.ts: how much memory a process has taken at most since it was asked to look: what a model and its steps need. Linux only.
import { readFileSync, writeFileSync } from 'node:fs';

function status(field: string): number {
  const found = new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(found![1]) / 1024;
}

/** Start to look; the returned function gives the largest resident memory since then, in MiB above what there was. null elsewhere. */
export function watchMemory(): () => number | null {
  try {
    writeFileSync('/proc/self/clear_refs', '5'); // the largest so far is forgotten
    const before = status('VmRSS');
    return () => Math.round(10 * (status('VmHWM') - before)) / 10;
  } catch {
    return () => null;
  }
}
