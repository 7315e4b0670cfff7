// ranks.ts: processes of a group that are asked for steps, all of them at once, through a socket: between two questions they sleep.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Sample } from '../../lib/cli/bench/sample.ts';

/** A question to all: a workload to do from now on, so many of its steps, the time of so many but for their sums over processes, or that of
 * the sums of so many gradients. */
export type Asked =
  | { readonly open: string; readonly shards: number; readonly shardOptimizer?: boolean }
  | { readonly steps: number }
  | { readonly own: number }
  | { readonly exchange: number; readonly steps: number };

/** A way to start processes. */
export interface Launcher {
  readonly library: 'Open MPI' | 'MPICH';
  readonly command: string;
  /** Before `-n`. */
  readonly options: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

// More processes than cores, and root in a container: both are what a measurement may be.
const ROOT = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };
const COMMANDS = ['mpirun.openmpi', 'mpirun.mpich', 'mpirun', 'mpiexec'];

/** Those that are installed, each library once. */
export function launchers(commands: readonly string[] = COMMANDS): Launcher[] {
  const found = new Map<string, Launcher>();
  for (const command of commands) {
    let version: string;
    try {
      version = execFileSync(command, ['--version'], { encoding: 'utf8', stdio: 'pipe', env: { ...process.env, ...ROOT } });
    } catch {
      continue;
    }
    const library = /Open MPI|OpenRTE/.test(version) ? 'Open MPI' : 'MPICH';
    const options = library === 'Open MPI' ? ['--oversubscribe', '--bind-to', 'none'] : [];
    if (!found.has(library)) found.set(library, { library, command, options, env: ROOT });
  }
  return [...found.values()];
}

// What is compiled, also where a test reads this file as it stands.
const RANK = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../dist/bench/mpi/rank.js' : 'rank.js', import.meta.url),
);

/** What a rank says when it is there. */
interface Who {
  readonly rank: number;
  readonly size: number;
  readonly library: string;
}

/** What processes may take to end. */
const END_MS = 5000;

export class Ranks {
  /** As the first of them says. */
  readonly who: Who;
  readonly #sockets: readonly Socket[];
  readonly #answers: AsyncIterator<string>;
  readonly #ended: Promise<string>;
  readonly #kill: () => void;

  private constructor(
    who: Who,
    sockets: readonly Socket[],
    answers: AsyncIterator<string>,
    [ended, kill]: readonly [Promise<string>, () => void],
  ) {
    this.who = who;
    this.#sockets = sockets;
    this.#answers = answers;
    this.#ended = ended;
    this.#kill = kill;
  }

  /** @throws Error where they do not come */
  static async start({ command, options, env }: Launcher, size: number, threads: number): Promise<Ranks> {
    const folder = mkdtempSync(join(tmpdir(), 'gradclip-ranks-'));
    const path = join(folder, 'socket');
    const server = createServer();
    await new Promise<void>((listening) => server.listen(path, listening));
    const args = [...options, '-n', `${size}`, process.execPath, RANK, path, `${threads}`];
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = lastWords(child);
    const came = await Promise.race([coming(server, size), ended]);
    server.close();
    // Who is connected needs no path, and whatever ends us leaves nothing behind.
    rmSync(folder, { recursive: true, force: true });
    if (typeof came === 'string') throw new Error(`${command}: ${came}`);
    came.sort((a, b) => a.who.rank - b.who.rank);
    const [first] = came;
    return new Ranks(
      first!.who,
      came.map(({ socket }) => socket),
      first!.lines,
      [ended, () => void child.kill()],
    );
  }

  /** What process 0 answers when all have done it. @throws Error where they end instead */
  async ask<T>(asked: Asked): Promise<T> {
    for (const socket of this.#sockets) socket.write(`${JSON.stringify(asked)}\n`);
    const answer = await Promise.race([this.#answers.next(), this.#ended]);
    if (typeof answer === 'string' || answer.done) throw new Error(`processes ended: ${await this.#ended}`);
    return JSON.parse(answer.value) as T;
  }

  /** Steps of the workload that they have opened, for about as long. */
  async steps(seconds: number, perStep: number): Promise<Sample> {
    return this.ask<Sample>({ steps: Math.max(3, Math.round((1000 * seconds) / perStep)) });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.end();
    // MPICH over UCX and TCP does not come back from MPI_Finalize now and then, when all is done.
    const late = setTimeout(this.#kill, END_MS);
    await this.#ended;
    clearTimeout(late);
  }
}

/** What it said at last, when it has ended. */
function lastWords(child: ChildProcess): Promise<string> {
  let said = '';
  const hear = (data: unknown): void => {
    said = `${said}${data}`.slice(-2000);
  };
  child.stdout!.on('data', hear);
  child.stderr!.on('data', hear);
  return new Promise((resolve) => {
    child.on('error', ({ message }) => resolve(message));
    child.on('close', (code) => resolve(said.trim() || `ended with code ${code}`));
  });
}

/** So many that have said who they are. */
function coming(server: Server, size: number): Promise<{ who: Who; socket: Socket; lines: AsyncIterator<string> }[]> {
  const came: { who: Who; socket: Socket; lines: AsyncIterator<string> }[] = [];
  return new Promise((resolve) => {
    server.on('connection', async (socket) => {
      // One that ends amid a question is known by its end.
      socket.on('error', () => {});
      const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
      const first = await lines.next();
      if (first.done) return;
      if (came.push({ who: JSON.parse(first.value) as Who, socket, lines }) === size) resolve(came);
    });
  });
}
