// measure.ts: what a call takes: time, memory at its peak, and the longest time that the event loop had no turn. Others may use the machine.
import { openSync, readSync, writeSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What came of a call, and what it took. */
export interface Reading {
  readonly value?: unknown;
  readonly error?: unknown;
  /** Time: at work, or waiting for something; what others had of the machine meanwhile is none of it. */
  readonly ms: number;
  /** Most that the process had beyond what it had before. */
  readonly bytes: number;
  /** Time that the thread of the call was at work; no turn of the event loop took longer. */
  readonly busy: number;
}

setFlagsFromString('--expose-gc');
/** Let the garbage collector run. */
export const collect: () => void = runInNewContext('gc') as () => void;

const MIB = 1 << 20;

/** What the kernel says of this process: memory that is there, and at its peak since it was told to forget the peak before. */
class Memory {
  readonly #status = openSync('/proc/self/status', 'r');
  readonly #forget = openSync('/proc/self/clear_refs', 'w');
  readonly #text = Buffer.alloc(4096);
  /** What there is after the collector has run. */
  #base: number;
  #before = 0;

  constructor() {
    this.#base = this.#read('VmRSS');
  }

  begin(): void {
    this.#before = this.#read('VmRSS');
    // What lies around would serve the next call, and hide what it takes.
    if (this.#before - this.#base > 48 * MIB) {
      collect();
      this.#before = this.#read('VmRSS');
      this.#base = this.#before;
    }
    // Peaks of memory that is there, and nothing else.
    writeSync(this.#forget, '5', 0);
  }

  end(): number {
    return this.#read('VmHWM') - this.#before;
  }

  #read(key: string): number {
    const text = this.#text.toString('latin1', 0, readSync(this.#status, this.#text, 0, 4096, 0));
    const at = text.indexOf(key) + key.length + 1;
    return 1024 * Number.parseInt(text.slice(at, at + 24), 10);
  }
}

/** Milliseconds that the thread of this file has had a core. */
class Work {
  readonly #stat = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
  readonly #text = Buffer.alloc(64);

  now(): number {
    return Number.parseInt(this.#text.toString('latin1', 0, readSync(this.#stat, this.#text, 0, 64, 0)), 10) / 1e6;
  }
}

let memory: Memory | undefined;
let work: Work | undefined;

/** Call, and wait for what is promised. */
export async function measure(call: () => unknown): Promise<Reading> {
  memory ??= new Memory();
  work ??= new Work();
  memory.begin();
  const [loop, cpu, started, worked] = [performance.eventLoopUtilization(), process.cpuUsage(), performance.now(), work.now()];
  const taken = (): Pick<Reading, 'ms' | 'bytes' | 'busy'> => {
    const { user, system } = process.cpuUsage(cpu);
    const { idle } = performance.eventLoopUtilization(loop);
    const ms = Math.min(performance.now() - started, (user + system) / 1000 + idle);
    return { ms, bytes: memory!.end(), busy: work!.now() - worked };
  };
  try {
    const value = await call();
    return { value, ...taken() };
  } catch (error) {
    return { error, ...taken() };
  }
}

/** The longest that the thread worked between two turns of the event loop while a call is on. */
export async function longestTurn(call: () => unknown): Promise<number> {
  work ??= new Work();
  let [longest, last, on] = [0, work.now(), true];
  const turn = (): void => {
    const now = work!.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (on) setImmediate(turn);
  };
  turn();
  try {
    await call();
  } catch {
    // What it ends with was seen before.
  }
  on = false;
  return Math.max(longest, work.now() - last);
}
