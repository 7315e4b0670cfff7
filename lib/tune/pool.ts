// pool.ts: who does the jobs of a search: this thread, or several, one job each at a time.
import { Worker } from 'node:worker_threads';
import * as errors from '../errors.ts';
import { AbortError, GradclipError } from '../errors.ts';
import { type Measured, runJob, type Work } from './trial.ts';

export type Params = Readonly<Record<string, unknown>>;

/** A job, and what its trial is made with. */
export interface Task extends Work {
  readonly params: Params;
  readonly seed: number;
}

export interface Done {
  readonly measured: Measured;
  readonly state: Uint8Array | null;
}

export interface Doer {
  run(task: Task): Promise<Done>;
  /** Ends what is running. */
  close(): Promise<void>;
}

/** Where a thread finds `make`, and what that is given beside parameters and seed. */
export interface Module {
  readonly url: string;
  readonly data: unknown;
}

/** One job after the other, in this thread. */
export class Here implements Doer {
  readonly #make: (params: Params, seed: number) => unknown;
  readonly #signal: AbortSignal;
  #last: Promise<unknown> = Promise.resolve();

  constructor(make: (params: Params, seed: number) => unknown, signal: AbortSignal) {
    this.#make = make;
    this.#signal = signal;
  }

  run(task: Task): Promise<Done> {
    const mine = this.#last.then(() => {
      if (this.#signal.aborted) throw new AbortError('tune: was aborted', {}, { cause: this.#signal.reason });
      return runJob(() => this.#make(task.params, task.seed), task, this.#signal);
    });
    this.#last = mine.catch(() => {});
    return mine;
  }

  async close(): Promise<void> {
    await this.#last;
  }
}

/** What a thread answers to a task. */
export type Answer = { readonly done: Done } | { readonly failed: Failure };
interface Failure {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly code: string | null;
  readonly details: Readonly<Record<string, unknown>>;
}

/** An error as threads can pass it on. */
export function failureOf(error: unknown): Failure {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  const known = error instanceof GradclipError;
  // Values concerned may be anything; texts and numbers pass.
  const details = known
    ? Object.fromEntries(Object.entries(error.details).filter(([, x]) => /^(string|number|boolean)$/.test(typeof x)))
    : {};
  return { name, message, stack, code: known ? error.code : null, details };
}

function errorOf({ name, message, stack, code, details }: Failure): Error {
  if (code === null) return Object.assign(new Error(message), { name, stack });
  const made = Object.values<unknown>(errors).find(
    (one): one is new (message: string, details: object) => Error => typeof one === 'function' && one.name === name,
  );
  return made && made !== (GradclipError as unknown)
    ? new made(message, details)
    : new GradclipError(code, message, { ...details });
}

interface Waiting {
  readonly task: Task;
  readonly resolve: (done: Done) => void;
  readonly reject: (error: unknown) => void;
}

/** Jobs in threads of their own, in the order in which they were given. */
export class Threads implements Doer {
  readonly #module: Module;
  readonly #most: number;
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Waiting>();
  readonly #queue: Waiting[] = [];
  #closed = false;

  constructor(module: Module, count: number) {
    this.#module = module;
    this.#most = count;
  }

  run(task: Task): Promise<Done> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ task, resolve, reject });
      this.#give();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const all = [...this.#idle, ...this.#busy.keys()];
    const left = [...this.#queue, ...this.#busy.values()];
    this.#queue.length = 0;
    this.#busy.clear();
    await Promise.all(all.map((worker) => worker.terminate()));
    for (const { reject } of left) reject(new AbortError('tune: was ended'));
  }

  #give(): void {
    while (this.#queue.length > 0 && (this.#idle.length > 0 || this.#busy.size < this.#most)) {
      const worker = this.#idle.pop() ?? this.#made();
      const waiting = this.#queue.shift()!;
      this.#busy.set(worker, waiting);
      worker.postMessage(waiting.task);
    }
  }

  #made(): Worker {
    // Beside this file, in dist and in the bundle.
    const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: this.#module });
    worker.on('message', (answer: Answer) => {
      const waiting = this.#end(worker);
      if (!waiting) return;
      this.#idle.push(worker);
      if ('done' in answer) waiting.resolve(answer.done);
      else waiting.reject(errorOf(answer.failed));
      this.#give();
    });
    worker.on('error', (error: unknown) => this.#end(worker)?.reject(error));
    worker.on('exit', (code) => {
      const at = this.#idle.indexOf(worker);
      if (at >= 0) this.#idle.splice(at, 1);
      if (!this.#closed)
        this.#end(worker)?.reject(new GradclipError('ERR_WORKER', `tune: a thread ended with code ${code}`, { code }));
    });
    return worker;
  }

  #end(worker: Worker): Waiting | undefined {
    const waiting = this.#busy.get(worker);
    this.#busy.delete(worker);
    return waiting;
  }
}
