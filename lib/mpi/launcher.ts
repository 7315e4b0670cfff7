// launcher.ts: which launcher started this process, and which library of MPI goes with it.
import { OptionError } from '../errors.ts';

/** What a launcher says in the environment. */
export interface Launched {
  /** How many processes it started; null: nobody says, and the process is alone unless its library knows more. */
  readonly size: number | null;
  /** Whose library it wants; null: any will do. */
  readonly library: 'Open MPI' | 'MPICH' | null;
  /** The variable that says so. */
  readonly by: string | null;
}

/** What each launcher sets: how many processes there are, and whose library they take. */
const LAUNCHERS: readonly (readonly [variable: string, library: Launched['library']])[] = [
  ['OMPI_COMM_WORLD_SIZE', 'Open MPI'],
  ['PMI_SIZE', 'MPICH'],
  // What `srun` starts, and not the script of a batch job around it: by the plugin that `--mpi` names, PMIx is Open MPI's way in, PMI-2 that of others.
  ['SLURM_STEP_NUM_TASKS', null],
];

/** @param env the environment of the process */
export function launchedBy(env: NodeJS.ProcessEnv): Launched {
  for (const [variable, library] of LAUNCHERS) {
    const value = env[variable];
    if (value === undefined) continue;
    const size = /^[0-9]{1,9}$/.test(value) ? Number(value) : 0;
    if (size < 1)
      throw new OptionError(`mpi.init: ${variable}: expected a number of processes, got ${value}`, { option: variable, value });
    const slurm = env.PMIX_RANK !== undefined ? 'Open MPI' : env.PMI_RANK !== undefined ? 'MPICH' : null;
    return { size, library: library ?? slurm, by: variable };
  }
  return { size: null, library: null, by: null };
}

/** Where a launcher that sets none of the above says which of its processes this is: PMIx, PMI, HPE PALS, Flux, IBM JSM. */
const RANKS = ['PMIX_RANK', 'PMI_RANK', 'PALS_RANKID', 'FLUX_TASK_RANK', 'JSM_NAMESPACE_RANK'];

/** Whether some launcher started this process, be its number unknown. @param env the environment of the process */
export const isLaunched = (env: NodeJS.ProcessEnv): boolean => RANKS.some((name) => env[name] !== undefined);

const FILES: Readonly<Record<'linux' | 'darwin', Readonly<Record<'Open MPI' | 'MPICH' | 'MPI ABI', readonly string[]>>>> = {
  linux: {
    'Open MPI': ['libmpi.so.40', 'libmpi.so.80'],
    // Intel's has the number of MPICH's own under another name.
    MPICH: ['libmpich.so.12', 'libmpi.so.12', 'libmpich.so'],
    'MPI ABI': ['libmpi_abi.so.1', 'libmpi_abi.so.0', 'libmpi_abi.so'],
  },
  darwin: {
    'Open MPI': ['/opt/homebrew/lib/libmpi.40.dylib', '/usr/local/lib/libmpi.40.dylib', 'libmpi.40.dylib'],
    MPICH: ['/opt/homebrew/lib/libmpi.12.dylib', '/usr/local/lib/libmpi.12.dylib', 'libmpi.12.dylib'],
    'MPI ABI': ['libmpi_abi.dylib'],
  },
};

/** Files of libraries that may go with the launcher, the likeliest first; none where the system has none. `GRADCLIP_MPI` names one in place of all. */
export function libraryFiles(env: NodeJS.ProcessEnv, { library }: Launched, platform: NodeJS.Platform): readonly string[] {
  if (env.GRADCLIP_MPI) return [env.GRADCLIP_MPI];
  if (platform !== 'linux' && platform !== 'darwin') return [];
  const files = FILES[platform];
  if (library) return [...files[library], ...files['MPI ABI']];
  return [...files['Open MPI'], ...files.MPICH, ...files['MPI ABI']];
}
