// group.ts: a process with all that it starts, which can be stopped and continued, and which never outlives this one, stopped or not.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

// Windows has no groups of processes, and nothing that stops them.
const GROUPS = process.platform !== 'win32';
/** What it may take to end once its input has ended. */
const END_MS = 10_000;

// Waits for the end of its input, which comes when this process ends in whatever way, and kills the group: one that is stopped would not
// see that its own input has ended.
const GUARD = `trap '' INT TERM HUP QUIT; read -r _; kill -s KILL -- "-$1"`;

export class Group {
  readonly input: Writable;
  readonly output: Readable;
  readonly errors: Readable;
  /** Fulfilled when the process has ended; with why it did not start, where it did not. */
  readonly ended: Promise<string | null>;
  readonly #process: ChildProcess;

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    const child = spawn(command, args, { env, detached: GROUPS, stdio: ['pipe', 'pipe', 'pipe'] });
    const guard =
      GROUPS && child.pid !== undefined
        ? spawn('/bin/sh', ['-c', GUARD, 'guard', String(child.pid)], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
        : null;
    // Whoever writes to a process that has just ended learns it from its answers.
    child.stdin.on('error', () => {});
    guard?.stdin?.on('error', () => {});
    this.ended = new Promise((resolve) => {
      child.on('error', (error) => resolve(error.message));
      child.on('close', () => resolve(null));
      child.on('exit', () => guard?.kill('SIGKILL'));
    });
    this.#process = child;
    [this.input, this.output, this.errors] = [child.stdin, child.stdout, child.stderr];
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Nothing of it runs until `go`. */
  halt(): void {
    this.#signal('SIGSTOP');
  }

  go(): void {
    this.#signal('SIGCONT');
  }

  /** Ends its input, by which it knows that it is no longer needed. */
  end(): void {
    this.go();
    this.input.end();
    setTimeout(() => this.#signal('SIGKILL'), END_MS).unref();
  }

  #signal(name: NodeJS.Signals): void {
    const { pid, exitCode, signalCode } = this.#process;
    if (!GROUPS || pid === undefined || exitCode !== null || signalCode !== null) return;
    try {
      process.kill(-pid, name);
    } catch (error) {
      // It has just ended.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
