// init.ts: join the group of processes that a launcher started.
import { isMainThread } from 'node:worker_threads';
import { addon, type NativeMpi } from '../native/addon.ts';
import { signature } from '../options/index.ts';
import { type Seat, seat, threadsAt } from './cores.ts';
import { groupError } from './error.ts';
import { end, Group } from './group.ts';
import { isLaunched, launchedBy, libraryFiles } from './launcher.ts';
import { share } from './words.ts';

let joined: Promise<Group> | null = null;

const readInit = signature('mpi.init', {});

/**
 * Join the processes that `mpirun`, `mpiexec` or `srun` started with this one. The library of MPI is found when this is called, by what its launcher
 * says in the environment; variable `GRADCLIP_MPI` names another file. A process that nobody launched is a group of one, also where there is no library.
 * When the process ends well,
 * it leaves the group; one that ends with an error ends all of them.
 * @returns the group; the same one, whenever it is called
 * @throws (rejects) OptionError for any argument; GradclipError ERR_GROUP where none opens that a launcher needs, where it is another one than the launcher's, and in a
 * worker thread
 * @see torch.distributed.init_process_group
 */
export async function init(): Promise<Group> {
  readInit(arguments);
  joined ??= join().catch((error: unknown) => {
    // Who sets a variable may try again.
    joined = null;
    throw error;
  });
  return joined;
}

async function join(): Promise<Group> {
  if (!isMainThread) throw groupError('mpi.init: expected the main thread of a process: a rank of MPI is a process');
  const launched = launchedBy(process.env);
  const { mpi, threads } = addon();
  const errors: string[] = [];
  for (const file of libraryFiles(process.env, launched, process.platform)) {
    const { library, error, rank, size } = withoutHooks(() => mpi.open(file));
    if (error) {
      errors.push(`${file}: ${error}`);
      // It is there and does not work, and there is one in a process.
      if (library) break;
      continue;
    }
    if (launched.size !== null && launched.size !== size) {
      const text = `mpi.init: ${launched.by} says that there are ${launched.size} processes, and ${library} (${file}) knows of ${size}: the launcher is of another library`;
      throw groupError(`${text}; set GRADCLIP_MPI to the file of its own`, { file, library, size, launched: launched.size });
    }
    const peers = { rank, size, mpi };
    endTogether(peers);
    // All are here: so none has to do without its own part.
    const bytes = Buffer.from(JSON.stringify(seat()));
    const seats = await share(peers, 'mpi.init', { facts: { place: 'mpi.init' }, bytes }).later();
    const all = seats.map((given) => JSON.parse(Buffer.from(given).toString()) as Seat);
    return new Group(rank, size, library, mpi, threadsAt(all, rank, threads.count));
  }
  // No library, and nobody who would start several: there is nothing to reach.
  if (launched.by === null && !process.env.GRADCLIP_MPI && !isLaunched(process.env)) return new Group(0, 1, null, mpi);
  const found = errors.length > 0 ? `: ${errors.join('; ')}` : `: none is known on ${process.platform}`;
  const text = `mpi.init: no library of MPI opens${found}. Install Open MPI or MPICH, or set GRADCLIP_MPI to the file of one`;
  throw groupError(text, { errors });
}

/** A process, and how it ends. */
interface Ended {
  readonly rank: number;
  readonly size: number;
  readonly mpi: NativeMpi;
}

/** The others would wait without end for one that has failed. */
function endTogether(peers: Ended): void {
  let failure: unknown = null;
  // Node tells what ends it when it has told that it ends, which is too late.
  process.on('uncaughtExceptionMonitor', (error) => {
    failure = error;
  });
  process.on('exit', (code) => {
    if (code === 0 || peers.size === 1) peers.mpi.finalize();
    else end(peers, failure ?? `it ended with code ${code}`, code);
  });
}

/**
 * UCX, by which MPICH reaches others, rewrites the system's functions for memory while other threads of the process are in them, and takes signals
 * that Node has a use for. Who sets its variables has it as they say.
 */
function withoutHooks<R>(open: () => R): R {
  const added = Object.entries({ UCX_MEM_EVENTS: 'n', UCX_HANDLE_ERRORS: 'none' }).filter(
    ([name]) => process.env[name] === undefined,
  );
  for (const [name, value] of added) process.env[name] = value;
  try {
    return open();
  } finally {
    for (const [name] of added) delete process.env[name];
  }
}
