// launch.ts: groups of processes, by mpirun of each library that is installed, and how they ended.
import { execFileSync, spawn } from 'node:child_process';
import { resolve } from 'node:path';

/** A way to start processes. */
export interface Launcher {
  readonly library: 'Open MPI' | 'MPICH';
  readonly command: string;
  readonly options: readonly string[];
  /** What is opened where nobody says otherwise. */
  readonly file: string;
}

const LAUNCHERS: readonly Launcher[] = [
  { library: 'Open MPI', command: 'mpirun.openmpi', options: ['--oversubscribe'], file: 'libmpi.so.40' },
  { library: 'MPICH', command: 'mpirun.mpich', options: [], file: 'libmpich.so.12' },
];
// A machine may have more processes than cores, and the tests may be those of root in a container.
const ENV = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1', GRADCLIP_POISON: '0' };

function isInstalled({ command }: Launcher): boolean {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore', env: { ...process.env, ...ENV } });
    return true;
  } catch {
    return false;
  }
}

/** Those that are there. */
export const installed: readonly Launcher[] = LAUNCHERS.filter(isInstalled);
for (const { command } of LAUNCHERS.filter((l) => !installed.includes(l))) console.warn(`skipped: ${command} is not there`);

// What is compiled, also where a test reads this file as it stands.
const CHILDREN = import.meta.url.endsWith('.ts') ? '../../dist/test/children' : '../children';
const CHILD = resolve(import.meta.dirname, CHILDREN, 'mpi.js');
/** What test/children/mpi.ts calls by that name, as a program. */
export const scenario = (name: string, folder: string): readonly string[] => [CHILD, name, folder];

export interface Ended {
  readonly code: number | null;
  /** Lines of JSON. */
  readonly all: readonly unknown[];
  /** The first of them; null: none. */
  readonly said: unknown;
  /** All that was printed. */
  readonly errors: string;
  /** Since something went wrong, where a process says when, until the launcher had ended; else since it was started. */
  readonly seconds: number;
}

/** @param program what each of `size` processes is to run, with its arguments */
export function launch(
  { command, options }: Launcher,
  size: number,
  program: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  return new Promise((done, failed) => {
    const began = Date.now();
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
      const from = Number(/goes wrong at (\d+)/.exec(out)?.[1] ?? began);
      try {
        const all = code === 0 ? lines.map((l) => JSON.parse(l) as unknown) : [];
        done({ code, all, said: all[0] ?? null, errors: out + errors, seconds: (Date.now() - from) / 1000 });
      } catch (error) {
        failed(new Error(`what was printed is no JSON: ${out}`, { cause: error }));
      }
    });
  });
}
