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

/** What comes of a computation, tensor by tensor, in figures that do not depend on how a tensor lies in memory. */
export type Digest = readonly (readonly number[])[];

/** What an engine says of its cell when it is ready. */
export interface Info {
  /** Why it does not take part; it then says nothing else. */
  readonly unsupported?: string;
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
  #info: Info;
  #gone = false;
  readonly #group: Group;
  readonly #answers: AsyncIterator<string>;

  private constructor(peer: string, info: Info, group: Group, answers: AsyncIterator<string>) {
    this.peer = peer;
    this.#info = info;
    this.#group = group;
    this.#answers = answers;
  }

  /** Starts the process and waits until it has warmed up. A string says why it does not take part. */
  static async open(launch: Launch, task: Task): Promise<Engine | string> {
    const engine = await Engine.start(launch, task);
    if (typeof engine === 'string' || engine.fault === null) return engine;
    engine.close();
    return engine.fault;
  }

  /** As `open`, but an engine that only cannot do this one cell stays, for others. */
  static async start(launch: Launch, { suite, cell, threads, more = [] }: Task): Promise<Engine | string> {
    const args = [...launch.args, '--suite', suite, '--cell', cell, '--threads', String(threads), ...more];
    const group = new Group(launch.command, args, launch.env ?? process.env);
    let said = '';
    group.errors.on('data', (text) => {
      said = `${said}${text}`.slice(-2000);
    });
    const answers = createInterface({ input: group.output })[Symbol.asyncIterator]();
    const first = await answers.next();
    if (first.done) return `failed to start: ${(await group.ended) ?? lastWords(said)}`;
    const info = JSON.parse(first.value) as Info;
    if (info.unsupported === undefined && launch.precision !== undefined && info.precision !== launch.precision) {
      group.end();
      return `it knows no precision ${launch.precision}`;
    }
    group.halt();
    return new Engine(launch.peer, info, group, answers);
  }

  get pid(): number | undefined {
    return this.#group.pid;
  }

  get info(): Info {
    return this.#info;
  }

  /** Why it does not take part in the cell that it has; null if it does. */
  get fault(): string | null {
    return this.#info.unsupported ?? null;
  }

  /** Whether its process has ended by itself. */
  get gone(): boolean {
    return this.#gone;
  }

  async run(variant: string, seconds: number): Promise<Sample> {
    const sample = await this.#ask({ variant, seconds });
    if (sample === null) throw new Error(`${this.peer}: the process ended while it measured ${variant}`);
    return sample as Sample;
  }

  /** Another cell of the suite, on as many threads, in place of the one that it has: `info` and `fault` are then those of that. */
  async load(cell: string): Promise<void> {
    this.#info = ((await this.#ask({ cell })) as Info | null) ?? { variants: [], unsupported: 'the process ended' };
  }

  /** What it computes in its cell, in figures that others can be compared by; null where it has none. */
  async digest(): Promise<Digest | null> {
    return (await this.#ask({ digest: true })) as Digest | null;
  }

  async #ask(command: object): Promise<unknown> {
    this.#group.go();
    this.#group.input.write(`${JSON.stringify(command)}\n`);
    const answer = await this.#answers.next();
    if (answer.done) {
      this.#gone = true;
      return null;
    }
    this.#group.halt();
    return JSON.parse(answer.value);
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
