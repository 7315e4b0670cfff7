// runtime.ts: what the native side found on this machine.
import { signature } from '../options/index.ts';
import { addon, addonFile } from './addon.ts';
import { libc } from './host.ts';

/** What `runtime` returns: instruction set, threads and native add-on of this process. */
export interface Runtime {
  /** Instruction set in use. GRADCLIP_ISA forces a lower one than the best. */
  readonly isa: string;
  /** Instruction sets that this machine can run, best first. */
  readonly isas: readonly string[];
  /**
   * Threads of a run by default, and why so many: `affinity`, the CPUs that the process may use; `performance cores`, of a Mac; a quota, `cgroup quota` or
   * that of a `job object` of Windows; or `GRADCLIP_THREADS`.
   */
  readonly threads: { readonly count: number; readonly reason: string };
  /**
   * What the threads of a run are: those of OpenMP, the default of a build from source on Linux, or native ones (`threads`), as in prebuilt
   * add-ons. The results are the same, to the bit.
   */
  readonly team: 'openmp' | 'threads';
  /** File of the native add-on that was loaded. */
  readonly binary: string;
  /** What that file is: a build that GRADCLIP_PREBUILD names, one compiled on this machine, or one that the package brings. */
  readonly origin: 'GRADCLIP_PREBUILD' | 'source build' | 'prebuilt';
  /** The C library of this process; null where the system has but one. */
  readonly libc: 'glibc' | 'musl' | null;
}

const readRuntime = signature('runtime', {});

/**
 * The instruction set, the number of threads in use and whose they are, and the native add-on, which is loaded for that.
 * @throws OptionError for any argument; AddonError if the add-on is missing or cannot be loaded
 */
export function runtime(): Runtime {
  readRuntime(arguments);
  const { isa, isas, threads, team } = addon();
  const { file, origin } = addonFile();
  return { isa, isas: [...isas], threads: { ...threads }, team, binary: file, origin, libc: libc() };
}
