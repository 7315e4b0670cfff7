// jobs.ts: the runs of `gradclip lab` shared between processes: each takes one network with one optimizer at a time, and tells its lines to this one.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { GradclipError, OptionError } from '../../errors.ts';
import { keyOf, type LabLine } from '../../lab/line.ts';
import { type PlannedCell, shardOf } from '../../lab/plan.ts';
import type { Arguments } from '../args.ts';
import type { IO } from '../io.ts';

export interface Jobs {
  readonly args: Arguments;
  readonly io: IO;
  /** Processes beside each other. */
  readonly count: number;
  /** All cells of the plan, and those of which runs are left. */
  readonly all: readonly PlannedCell[];
  readonly left: readonly PlannedCell[];
  /** Records whose runs are not run again. */
  readonly records: readonly string[];
}

/** Flags that say what is run: what a child gets as it was given. */
const PLAN_FLAGS = ['workloads', 'policies', 'optimizers', 'seeds'];

/**
 * A child for each part of the work that has something to do, so many beside each other.
 * @param each called with every line
 * @throws what a child could not do
 */
export async function runJobs({ args, io, count, all, left, records }: Jobs, each: (line: LabLine) => void): Promise<void> {
  const { program } = io;
  if (program === undefined)
    throw new OptionError('gradclip lab: --jobs: this program cannot start others of its kind', { count });
  const seeds = new Set(all.flatMap(({ runs }) => runs.map(({ key }) => key.seed))).size;
  const parts = all.length >= count ? all.length : all.length * seeds;
  const keys = new Set(left.flatMap(({ runs }) => runs.map(({ key }) => keyOf(key))));
  const waiting = Array.from({ length: parts }, (_, i) => ({ index: i + 1, count: parts })).filter((shard) =>
    shardOf(all, shard).some(({ runs }) => runs.some(({ key }) => keys.has(keyOf(key)))),
  );
  const given = PLAN_FLAGS.flatMap((flag) => (args.has(flag) ? [`--${flag}`, args.text(flag)!] : []));
  const from = records.length > 0 ? ['--from', records.join()] : [];
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  io.signal.addEventListener('abort', stop);
  let failed: unknown = null;
  const worker = async (): Promise<void> => {
    for (let part = waiting.shift(); part && !io.signal.aborted && failed === null; part = waiting.shift()) {
      const argv = [
        program,
        args.command.name,
        ...args.operands,
        '--json',
        '--shard',
        `${part.index}/${part.count}`,
        ...given,
        ...from,
      ];
      try {
        await child(argv, io.cwd, stopping.signal, (line) => {
          // What another part of a plan has done is none of this one's.
          if (keys.has(keyOf(line))) each(line);
        });
      } catch (error) {
        failed ??= error;
        stop();
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(count, waiting.length) }, worker));
  } finally {
    io.signal.removeEventListener('abort', stop);
  }
  if (failed !== null && !io.signal.aborted) throw failed;
}

/** @throws GradclipError with what the child says, where it ends otherwise than by its end or by the signal */
async function child(argv: readonly string[], cwd: string, signal: AbortSignal, each: (line: LabLine) => void): Promise<void> {
  const process_ = spawn(process.execPath, argv, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const stop = (): void => void process_.kill('SIGTERM');
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop);
  let told = '';
  process_.stderr.on('data', (chunk: Buffer) => {
    told = (told + chunk.toString()).slice(-4000);
  });
  try {
    const ended = new Promise<number | null>((resolve, reject) => {
      process_.on('error', reject);
      process_.on('close', resolve);
    });
    const reading = (async () => {
      for await (const text of createInterface({ input: process_.stdout })) {
        const { event, ...line } = JSON.parse(text) as { readonly event: string } & LabLine;
        if (event === 'run') each(line as LabLine);
      }
    })();
    const [code] = await Promise.all([ended, reading]);
    if (code === 0 || signal.aborted) return;
    const said = told.trim().split('\n');
    const error = (said.findLast((line) => line.startsWith('error:')) ?? said.at(-1)!).replace(/^error: /, '');
    throw new GradclipError(
      'ERR_PROCESS',
      `a process of --jobs ended with ${code === null ? 'a signal' : `code ${code}`}: ${error}`,
      {
        exit: code,
      },
    );
  } finally {
    signal.removeEventListener('abort', stop);
    process_.kill('SIGTERM');
  }
}
