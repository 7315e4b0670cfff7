// launcher.test.ts: what launchers say in the environment, and which files of libraries are tried.
import { describe, expect, it } from 'vitest';
import { OptionError } from '../../lib/errors.ts';
import { isLaunched, launchedBy, libraryFiles } from '../../lib/mpi/launcher.ts';
import { thrown } from '../kit.ts';

const NOBODY = { size: null, library: null, by: null };

describe('who started the process', () => {
  it.each([
    ['nobody', {}, NOBODY],
    [
      'Open MPI',
      { OMPI_COMM_WORLD_SIZE: '4', OMPI_COMM_WORLD_RANK: '1' },
      { size: 4, library: 'Open MPI', by: 'OMPI_COMM_WORLD_SIZE' },
    ],
    ['MPICH, Intel MPI', { PMI_SIZE: '2', PMI_RANK: '0' }, { size: 2, library: 'MPICH', by: 'PMI_SIZE' }],
    [
      'srun with PMIx',
      { SLURM_STEP_NUM_TASKS: '8', SLURM_NTASKS: '8', PMIX_RANK: '3' },
      { size: 8, library: 'Open MPI', by: 'SLURM_STEP_NUM_TASKS' },
    ],
    ['srun with PMI-2', { SLURM_STEP_NUM_TASKS: '8', PMI_RANK: '3' }, { size: 8, library: 'MPICH', by: 'SLURM_STEP_NUM_TASKS' }],
    ['srun', { SLURM_STEP_NUM_TASKS: '8' }, { size: 8, library: null, by: 'SLURM_STEP_NUM_TASKS' }],
    // The script of a batch job of several tasks is one process.
    ['sbatch', { SLURM_NTASKS: '8', SLURM_PROCID: '0', SLURM_JOB_ID: '77' }, NOBODY],
    // What mpirun starts within a job is mpirun's.
    [
      'mpirun in a job',
      { SLURM_NTASKS: '8', SLURM_STEP_NUM_TASKS: '2', OMPI_COMM_WORLD_SIZE: '4' },
      { size: 4, library: 'Open MPI', by: 'OMPI_COMM_WORLD_SIZE' },
    ],
  ])('%s', (_, env, launched) => {
    expect(launchedBy(env)).toEqual(launched);
  });

  it.each(['', '0', '-1', '2.5', 'two', '1e3', '99999999999'])('refuses %j processes', (value) => {
    const error = thrown(() => launchedBy({ PMI_SIZE: value })) as OptionError;
    expect(error).toBeInstanceOf(OptionError);
    expect(error.message).toBe(`mpi.init: PMI_SIZE: expected a number of processes, got ${value}`);
    expect(error.details).toEqual({ option: 'PMI_SIZE', value });
  });
});

describe('files of libraries', () => {
  const of = (library: 'Open MPI' | 'MPICH' | null) => ({ size: 2, library, by: 'X' });

  it('are those of the launcher, then that of the standard', () => {
    expect(libraryFiles({}, of('Open MPI'), 'linux')[0]).toBe('libmpi.so.40');
    expect(libraryFiles({}, of('MPICH'), 'linux')[0]).toBe('libmpich.so.12');
    expect(libraryFiles({}, of('MPICH'), 'linux')).not.toContain('libmpi.so.40');
    expect(libraryFiles({}, of('Open MPI'), 'darwin').every((file) => file.endsWith('.dylib'))).toBe(true);
    const any = libraryFiles({}, of(null), 'linux');
    expect(any).toEqual(expect.arrayContaining(['libmpi.so.40', 'libmpich.so.12', 'libmpi_abi.so.1']));
  });

  it('or one that the user names, whatever the launcher', () => {
    expect(libraryFiles({ GRADCLIP_MPI: '/opt/mpi/libmpi.so' }, of('MPICH'), 'win32')).toEqual(['/opt/mpi/libmpi.so']);
  });

  it('there are none for Windows', () => {
    expect(libraryFiles({}, of(null), 'win32')).toEqual([]);
  });
});

describe('a launcher that says no number of processes', () => {
  it.each(['PMIX_RANK', 'PMI_RANK', 'PALS_RANKID', 'FLUX_TASK_RANK', 'JSM_NAMESPACE_RANK'])('%s', (name) => {
    expect(isLaunched({ [name]: '0' })).toBe(true);
  });

  it('and none at all', () => {
    expect(isLaunched({ HOME: '/root', SLURM_JOB_ID: '77' })).toBe(false);
  });
});
