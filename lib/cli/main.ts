#!/usr/bin/env node
import { visible } from '../errors/visible.ts';
// main.ts: the program `gradclip`: gives the streams and signals of this process to a command.
import { main } from './cli.ts';
import { EXIT, exitCodeOfStop } from './exit.ts';
import type { StopCause } from './io.ts';

const controller = new AbortController();

function stop(cause: StopCause): void {
  // The first asks the command to end after the step it is in; the second does not wait.
  if (controller.signal.aborted && cause !== 'EPIPE') process.exit(exitCodeOfStop(cause));
  controller.abort(cause);
}

process.on('SIGINT', () => stop('SIGINT'));
process.on('SIGTERM', () => stop('SIGTERM'));
/** What stdout did not take: a disk that is full. Whoever reads a pipe and goes away has what they wanted. */
let lost: NodeJS.ErrnoException | null = null;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE' && !lost) {
    lost = error;
    process.stderr.write(`error: stdout: ${visible(error.message)}\n`);
    // The command may have ended by now.
    process.exitCode ||= EXIT.runtime;
  }
  stop('EPIPE');
});
process.stderr.on('error', () => {});

const { stdout, stderr, env } = process;
// Not process.exit: what is still to be written to a pipe gets written.
const own = {
  ...{ env, cwd: process.cwd(), program: process.argv[1]!, signal: controller.signal },
  // Opened by who asks for it.
  get stdin() {
    return process.stdin;
  },
};
const code = await main(process.argv.slice(2), Object.assign(own, { stdout, stderr }));
process.exitCode = code || (lost ? EXIT.runtime : code);
