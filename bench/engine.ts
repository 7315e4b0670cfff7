// engine.ts: one engine on one cell: a process of its own that answers one JSON line a command (bench/peers/worker.py says how).
import { createInterface } from 'node:readline';
import { Group } from './group.ts';
import type { Sample } from './report.ts';

/** How to start an engine; what it is called in reports. */
export interface Launch {
  readonly peer: string;
  readonly command: string;
  readonly args: readonly string[];
  /** What its products are to be in; f32 if not told. */
  readonly precision?: 'bf16';
  /** Default: that of this process. */
  readonly env?: NodeJS.ProcessEnv;
}

/** What is to be measured. */
export interface Task {
  readonly suite: string;
  readonly cell: string;
  readonly threads: number;
  /** Further arguments of the engine. */
  readonly more?: readonly string[];
}

/** What an engine says of its cell when it is ready. */
export interface Info {
  /** What can be timed: `step`, `noclip`, `update`... */
  readonly variants: readonly string[];
  readonly params?: number;
  /** Of the operands of products; f32 if not told. */
  readonly precision?: 'bf16';
  /** Loss and gradient norm of the first steps, to be compared with what the workload records. */
  readonly loss?: readonly number[];
  readonly norm?: readonly number[];
  readonly [more: string]: unknown;
}

/** It runs while it starts and while it is timed; in between it is stopped, so that nobody else pays for what its threads do. */
export class Engine {
  readonly peer: string;
  readonly info: Info;
  readonly #group: Group;
  readonly #answers: AsyncIterator<string>;

  private constructor(peer: string, info: Info, group: Group, answers: AsyncIterator<string>) {
    this.peer = peer;
    this.info = info;
    this.#group = group;
    this.#answers = answers;
  }

  /** Starts the process and waits until it has warmed up. A string says why it does not take part. */
  static async open(launch: Launch, { suite, cell, threads, more = [] }: Task): Promise<Engine | string> {
    const args = [...launch.args, '--suite', suite, '--cell', cell, '--threads', String(threads), ...more];
    const group = new Group(launch.command, args, launch.env ?? process.env);
    let said = '';
    group.errors.on('data', (text) => {
      said = `${said}${text}`.slice(-2000);
    });
    const answers = createInterface({ input: group.output })[Symbol.asyncIterator]();
    const first = await answers.next();
    if (first.done) return `failed to start: ${(await group.ended) ?? lastWords(said)}`;
    const info = JSON.parse(first.value) as Info & { unsupported?: string };
    if (info.unsupported) {
      group.end();
      return info.unsupported;
    }
    if (launch.precision !== undefined && info.precision !== launch.precision) {
      group.end();
      return `it knows no precision ${launch.precision}`;
    }
    group.halt();
    return new Engine(launch.peer, info, group, answers);
  }

  get pid(): number | undefined {
    return this.#group.pid;
  }

  async run(variant: string, seconds: number): Promise<Sample> {
    this.#group.go();
    this.#group.input.write(`${JSON.stringify({ variant, seconds })}\n`);
    const answer = await this.#answers.next();
    if (answer.done) throw new Error(`${this.peer}: the process ended while it measured ${variant}`);
    this.#group.halt();
    return JSON.parse(answer.value) as Sample;
  }

  /** Ends the process by closing its input. */
  close(): void {
    this.#group.end();
  }
}

/** The last line that says what is wrong: of Python the last one, of Node what stands before the stack and its version. */
function lastWords(said: string): string {
  const lines = said.split('\n').filter((line) => line.trim() && !/^(\s+at |Node\.js v|[{}])/.test(line));
  return lines.findLast((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? 'in silence';
}
