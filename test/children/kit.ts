// kit.ts: starts a child process from this folder, as compiled into dist/ (see test/global-setup.ts), and collects what it says.
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Lines of standard output, parsed. */
  readonly lines: readonly unknown[];
  readonly errors: string;
}

export interface ChildOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Options of node. */
  readonly node?: readonly string[];
  /** Largest file it may write, in KiB. */
  readonly fileLimit?: number;
  /** Kill it so many milliseconds after it has said something. */
  readonly killAfter?: number;
}

/** Runs a script to its end; one that hangs is killed, which no expectation accepts. */
export function child(script: string, args: readonly string[], options: ChildOptions = {}): Promise<Ended> {
  return new Promise((done) => {
    const file = resolve(import.meta.dirname, '../../dist/test/children', script);
    const { fileLimit = 'unlimited', node = [], killAfter } = options;
    const p = spawn('bash', ['-c', `ulimit -f ${fileLimit}; exec "$@"`, 'bash', process.execPath, ...node, file, ...args], {
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 50_000,
      killSignal: 'SIGKILL',
    });
    let [out, errors] = ['', ''];
    p.stdout.on('data', (d) => {
      if (out === '' && killAfter !== undefined) setTimeout(() => p.kill('SIGKILL'), killAfter);
      out += d;
    });
    p.stderr.on('data', (d) => {
      errors += d;
    });
    p.on('close', (code, signal) => {
      const lines = out.split('\n').filter(Boolean);
      done({ code, signal, errors, lines: lines.map((l) => JSON.parse(l) as unknown) });
    });
  });
}
