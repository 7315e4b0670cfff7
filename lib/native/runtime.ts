// runtime.ts: what the native side found on this machine.
import { signature } from '../options/index.ts';
import { addon } from './addon.ts';

export interface Runtime {
  /** Instruction set in use, and those this machine can run, best first. GRADCLIP_ISA forces a lower one. */
  readonly isa: string;
  readonly isas: readonly string[];
  /** Threads of a run by default, and why so many: CPU affinity, container quota or GRADCLIP_THREADS. */
  readonly threads: { readonly count: number; readonly reason: string };
  /**
   * What the threads of a run are: those of OpenMP, the default of a build from source on Linux, or native ones (`threads`), as in prebuilt
   * add-ons. The results are the same, to the bit.
   */
  readonly team: 'openmp' | 'threads';
}

const readRuntime = signature('runtime', {});

/** The instruction set, the number of threads in use and whose they are. Loads the add-on. */
export function runtime(): Runtime {
  readRuntime(arguments);
  const { isa, isas, threads, team } = addon();
  return { isa, isas: [...isas], threads: { ...threads }, team };
}
