// environment.ts: the variables of the environment that the library reads: the table of docs/reference/environment.md. A test looks into lib/ and
// binding/ for others.
export interface Variable {
  readonly values: string;
  readonly what: string;
}

export const VARIABLES: Readonly<Record<string, Variable>> = {
  GRADCLIP_THREADS: {
    values: 'a whole number of at least 1',
    what: 'how many threads there may be, in place of what affinity and quota allow; another value is refused by `runtime()` and every run',
  },
  GRADCLIP_ISA: {
    values: 'a name that `runtime().isa` may have, such as `avx2` or `x86_64`',
    what: 'use the kernels of this instruction set; one that this machine has not is refused',
  },
  GRADCLIP_PREBUILD: {
    values: 'a folder',
    what: 'where the native add-on is, in place of the package; one that is not there, or does not load, is an AddonError',
  },
  GRADCLIP_MPI: {
    values: 'a file',
    what: 'the MPI library that `mpi.init()` opens, in place of the one that goes with the launcher; one that does not open is refused',
  },
  GRADCLIP_POISON: {
    values: '0 or 1',
    what: 'for tests: memory that holds nothing yet is filled with NaN, so that what is read unwritten is seen; slow',
  },
  GRADCLIP_FEW_PROGRAMS: {
    values: '1',
    what: 'for tests: a trainer keeps no compiled program but those that a run uses; another value has no effect',
  },
  GRADCLIP_SMALL_TEAMS: {
    values: '1',
    what: 'for tests: the smallest programs have a team of threads too; another value has no effect',
  },
};
