// cores.ts: how many threads a process has by default, where others of its group are on the same machine.
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** Where a process is. */
export interface Seat {
  /** Name of its machine. */
  readonly host: string;
  /** CPUs that it may run on, by number; null: nobody knows which. */
  readonly cpus: readonly number[] | null;
}

/** The CPUs of a list such as `0-3,8,10-11`; null where it is none. */
export function cpusOf(list: string): readonly number[] | null {
  const ranges = list
    .trim()
    .split(',')
    .map((range) => /^(\d+)(?:-(\d+))?$/.exec(range));
  if (ranges.some((range) => range === null)) return null;
  return ranges.flatMap((range) => {
    const [from, to] = [Number(range![1]), Number(range![2] ?? range![1])];
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

/** That of this process. */
export function seat(): Seat {
  let list: string | undefined;
  try {
    list = /^Cpus_allowed_list:(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  } catch {
    // Only Linux has it, and only Linux binds a process to CPUs.
  }
  return { host: hostname(), cpus: list === undefined ? null : cpusOf(list) };
}

/**
 * Threads of a process: a CPU that several may run on is shared by them, and so is the time of CPUs that a container has. At least one.
 * @param seats of all processes, by rank
 * @param count threads of a process that is alone on its machine
 */
export function threadsAt(seats: readonly Seat[], rank: number, count: number): number {
  const { host, cpus } = seats[rank]!;
  const here = seats.filter((other) => other.host === host);
  if (here.length === 1) return count;
  const even = Math.floor(count / here.length);
  if (cpus === null || here.some((other) => other.cpus === null)) return Math.max(1, even);
  const sets = here.map((other) => new Set(other.cpus));
  const own = cpus.reduce((sum, cpu) => sum + 1 / sets.filter((set) => set.has(cpu)).length, 0);
  // Sums of parts such as 1/3 may end below a whole number.
  const shared = Math.floor(own + 1e-6);
  // Fewer threads than CPUs are those of a quota.
  return Math.max(1, Math.min(count, shared, count < cpus.length ? even : shared));
}
