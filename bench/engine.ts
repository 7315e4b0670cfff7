// engine.ts: one engine on one cell: a process of its own that answers one JSON line a command (bench/peers/worker.py says how).
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Sample } from './report.ts';

/** How to start an engine; what it is called in reports. */
export interface Launch {
  readonly peer: string;
  readonly command: string;
  readonly args: readonly string[];
}

/** What an engine says of its cell when it is ready. */
export interface Info {
  /** What can be timed: `step`, `noclip`, `update`... */
  readonly variants: readonly string[];
  readonly params?: number;
  /** Loss and gradient norm of the first steps, to be compared with what the workload records. */
  readonly loss?: readonly number[];
  readonly norm?: readonly number[];
  readonly [more: string]: unknown;
}

export class Engine {
  readonly peer: string;
  readonly info: Info;
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  private constructor(peer: string, info: Info, process: ChildProcess, answers: AsyncIterator<string>) {
    this.peer = peer;
    this.info = info;
    this.#process = process;
    this.#answers = answers;
  }

  /** Starts the process and waits until it has warmed up. A string says why it does not take part. */
  static async open(launch: Launch, suite: string, cell: string, threads: number): Promise<Engine | string> {
    const args = [...launch.args, '--suite', suite, '--cell', cell, '--threads', String(threads)];
    const child = spawn(launch.command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    child.stderr.on('data', (text) => {
      said = `${said}${text}`.slice(-2000);
    });
    const ended = new Promise<void>((resolve) => {
      child.on('close', () => resolve());
      child.on('error', (error) => {
        said = error.message;
        resolve();
      });
    });
    const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await answers.next();
    if (first.done) {
      await ended;
      return `failed to start: ${said.trim().split('\n').at(-1)}`;
    }
    const info = JSON.parse(first.value) as Info & { unsupported?: string };
    if (info.unsupported) return info.unsupported;
    return new Engine(launch.peer, info, child, answers);
  }

  async run(variant: string, seconds: number): Promise<Sample> {
    this.#process.stdin!.write(`${JSON.stringify({ variant, seconds })}\n`);
    const answer = await this.#answers.next();
    if (answer.done) throw new Error(`${this.peer}: the process ended while it measured ${variant}`);
    return JSON.parse(answer.value) as Sample;
  }

  /** Ends the process by closing its input. */
  close(): void {
    this.#process.stdin!.end();
  }
}
