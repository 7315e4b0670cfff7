#!/usr/bin/env node
// main.ts: the program `gradclip`: gives the streams and signals of this process to a command.
import { main } from './cli.ts';
import { exitCodeOfStop } from './exit.ts';
import type { StopCause } from './io.ts';

const controller = new AbortController();

function stop(cause: StopCause): void {
  // The first asks the command to end after the step it is in; the second does not wait.
  if (controller.signal.aborted && cause !== 'EPIPE') process.exit(exitCodeOfStop(cause));
  controller.abort(cause);
}

process.on('SIGINT', () => stop('SIGINT'));
process.on('SIGTERM', () => stop('SIGTERM'));
process.stdout.on('error', () => stop('EPIPE'));
process.stderr.on('error', () => {});

const { stdout, stderr, env } = process;
// Not process.exit: what is still to be written to a pipe gets written.
process.exitCode = await main(process.argv.slice(2), { stdout, stderr, env, cwd: process.cwd(), signal: controller.signal });
