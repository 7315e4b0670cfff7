// lane.ts: reads inputs in a process of its own, which is started anew when it dies or hangs; what it was at then is told.
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Answer, Request, Seen } from './child.ts';
import type { Unreached } from './coverage.ts';
import { readerOf } from './draw.ts';
import type { Failure, Input } from './spec.ts';

// Far beyond the limit for a call, on a machine that others use too.
const HANGS_MS = 60_000;
/** Seeds that are asked for at once. */
const AT_ONCE = 100;

const CHILD = new URL('child.js', import.meta.url);

export interface LaneOptions {
  /** Count which lines are reached. */
  readonly coverage?: boolean;
  /** What the process runs. */
  readonly script?: URL;
  /** Milliseconds after which an input hangs. */
  readonly hangs?: number;
}

export class Lane {
  readonly #folder: string;
  readonly #coverage: boolean;
  readonly #script: URL;
  readonly #hangs: number;
  #child: Promise<Child> | null = null;

  /** @param folder for the files that are read */
  constructor(folder: string, { coverage = false, script = CHILD, hangs = HANGS_MS }: LaneOptions = {}) {
    this.#folder = folder;
    this.#coverage = coverage;
    this.#script = script;
    this.#hangs = hangs;
  }

  /** What came of each of these seeds. */
  async range(from: number, to: number, only: string | null): Promise<readonly Seen[]> {
    const seen: Seen[] = [];
    for (let at = from; at < to; ) {
      const end = Math.min(to, at + AT_ONCE);
      const answer = await this.#ask({ kind: 'range', from: at, to: end, only });
      if ('seen' in answer) {
        seen.push(...answer.seen);
        at = end;
      } else {
        const { seed, failure } = answer as Ended;
        // What was seen before of these is asked for again: they are few.
        if (seed > at) seen.push(...(await this.range(at, seed, only)));
        seen.push({ seed, reader: readerOf(seed, only), failure, said: [failure.kind], ms: 0, bytes: 0 });
        at = seed + 1;
      }
    }
    return seen;
  }

  async check(input: Input): Promise<Failure | null> {
    const answer = await this.#ask({ kind: 'input', input });
    return 'failure' in answer ? answer.failure : null;
  }

  /** What a seed is drawn to; null where drawing it fails. */
  async draw(seed: number, only: string | null): Promise<Input | null> {
    const answer = await this.#ask({ kind: 'draw', seed, only });
    return 'input' in answer ? answer.input : null;
  }

  /** What it has not reached in all that it was asked since it was started. */
  async unreached(): Promise<Unreached | null> {
    const answer = this.#child && (await this.#ask({ kind: 'coverage' }));
    return answer && 'unreached' in answer ? answer.unreached : null;
  }

  async close(): Promise<void> {
    const child = await this.#child;
    this.#child = null;
    child?.process.disconnect();
  }

  async #ask(request: Request): Promise<Answer | Ended> {
    this.#child ??= start(this.#script, this.#folder, this.#coverage);
    const { process: child, folder } = await this.#child;
    return new Promise((resolve) => {
      let [before, since] = ['', Date.now()];
      const nowAt = (): string => readFileSync(join(folder, 'now'), 'utf8').trim();
      const settle = (answer: Answer | Ended): void => {
        clearInterval(timer);
        child.removeAllListeners();
        resolve(answer);
      };
      const ended = (kind: 'dies' | 'hangs', message: string): void => {
        this.#child = null;
        child.kill('SIGKILL');
        settle({ seed: Number(nowAt()), failure: { kind, way: 'process', message } });
      };
      const timer = setInterval(() => {
        const now = nowAt();
        if (now !== before) [before, since] = [now, Date.now()];
        else if (Date.now() - since > this.#hangs) ended('hangs', `no answer within ${this.#hangs / 1000} s`);
      }, 1000);
      child.once('message', (answer) => settle(answer as Answer));
      child.once('exit', (code, signal) => ended('dies', `the process ended with ${signal ?? code}`));
      child.send(request);
    });
  }
}

interface Child {
  readonly process: ChildProcess;
  /** Where it says what it is at. */
  readonly folder: string;
}

/** It ended within a call. */
interface Ended {
  readonly seed: number;
  readonly failure: Failure;
}

function start(script: URL, folder: string, coverage: boolean): Promise<Child> {
  return new Promise((resolve, reject) => {
    const made = fork(fileURLToPath(script), [folder, coverage ? 'coverage' : 'plain'], {
      serialization: 'advanced',
      // A reader that takes more than this would end a server that has no more.
      execArgv: ['--max-old-space-size=1024'],
      // What is freed goes back to the system, so that it can be told what the next call takes.
      env: { ...process.env, MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' },
    });
    made.once('message', (ready) => {
      made.removeAllListeners();
      resolve({ process: made, folder: (ready as { folder: string }).folder });
    });
    made.once('exit', (code) => reject(new Error(`a process did not start: ${code}`)));
  });
}
