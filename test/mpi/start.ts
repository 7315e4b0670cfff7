// start.ts: starts groups of processes by mpirun of each library that is installed. Where there is none, it says so.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll } from 'vitest';

const CHILD = resolve(import.meta.dirname, '../../dist/test/children/mpi.js');
// A machine may have more processes than cores, and the tests may be those of root in a container.
const ENV = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1', GRADCLIP_POISON: '0' };
const LAUNCHERS = [
  { library: 'Open MPI', command: 'mpirun.openmpi', options: ['--oversubscribe'] },
  { library: 'MPICH', command: 'mpirun.mpich', options: [] },
] as const;
export type Launcher = (typeof LAUNCHERS)[number];

function isInstalled(command: string): boolean {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore', env: { ...process.env, ...ENV } });
    return true;
  } catch {
    return false;
  }
}
export const installed: readonly Launcher[] = LAUNCHERS.filter(({ command }) => isInstalled(command));
for (const { command } of LAUNCHERS.filter((l) => !installed.includes(l))) console.warn(`skipped: ${command} is not there`);

/** Of the test file, for what processes write. */
export const folder: string = mkdtempSync(join(tmpdir(), 'gradclip-mpi-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

export interface Ended {
  readonly code: number | null;
  /** Lines of JSON. */
  readonly all: readonly unknown[];
  /** The first of them; null: none. */
  readonly said: unknown;
  /** All that was printed. */
  readonly errors: string;
  readonly seconds: number;
}

/** What each of `size` processes is to run: test/children/mpi.ts, which is given a name and the folder; or another program, with its arguments. */
export function start(
  { command, options }: Launcher,
  size: number,
  what: string | readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  return new Promise((done) => {
    const from = performance.now();
    const program = typeof what === 'string' ? [CHILD, what, folder] : what;
    const args = [...options, '-n', `${size}`, process.execPath, ...program];
    const p = spawn(command, args, { env: { ...process.env, ...ENV, ...env }, timeout: 100_000, killSignal: 'SIGKILL' });
    let [out, errors] = ['', ''];
    p.stdout.on('data', (d) => {
      out += d;
    });
    p.stderr.on('data', (d) => {
      errors += d;
    });
    p.on('close', (code) => {
      const lines = out.split('\n').filter((l) => l.startsWith('{') || l.startsWith('"') || l.startsWith('['));
      const all = code === 0 ? lines.map((l) => JSON.parse(l) as unknown) : [];
      done({ code, all, said: all[0] ?? null, errors: out + errors, seconds: (performance.now() - from) / 1000 });
    });
  });
}
