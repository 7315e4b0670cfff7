// importing.test.ts: importing changes nothing of the process, whatever the environment says of OpenMP.
import { describe, expect, test } from 'vitest';
import { child } from '../children/kit.ts';

interface Said {
  readonly processes: readonly Readonly<Record<string, unknown>>[];
  readonly arithmetic: readonly (readonly number[])[];
  readonly threads: { readonly count: number; readonly reason: string };
  readonly got: number;
}

async function importing(where: string, env: NodeJS.ProcessEnv): Promise<Said> {
  const ended = await child('importing.js', [where], { env: { GRADCLIP_THREADS: '', ...env } });
  // Nothing is printed either: OpenMP shows its settings on request, and complains of those it cannot read.
  expect(ended).toMatchObject({ code: 0, errors: '' });
  return ended.lines[0] as Said;
}

// Each variable would do something to the process or to the team if OpenMP saw it; those of one line do not stand in each other's way.
const ENVIRONMENTS: readonly NodeJS.ProcessEnv[] = [
  {},
  { OMP_PROC_BIND: 'spread', OMP_PLACES: '{0},{1}', OMP_NUM_THREADS: '1', OMP_THREAD_LIMIT: '1', OMP_MAX_ACTIVE_LEVELS: '0' },
  {
    GOMP_CPU_AFFINITY: '0',
    OMP_DYNAMIC: 'true',
    OMP_WAIT_POLICY: 'active',
    GOMP_SPINCOUNT: 'infinite',
    OMP_DISPLAY_ENV: 'verbose',
  },
  { OMP_PROC_BIND: 'true', OMP_PLACES: 'cores', OMP_NUM_THREADS: 'no number', OMP_STACKSIZE: '' },
  { KMP_AFFINITY: 'granularity=fine,compact,1,0', KMP_BLOCKTIME: 'infinite', KMP_SETTINGS: '1' },
];

describe.each(['main', 'worker'])('first imported in a %s', (where) => {
  test.each(ENVIRONMENTS.map((env) => [JSON.stringify(env), env] as const))('with %s', async (_, env) => {
    const { processes, arithmetic, threads, got } = await importing(where, env);
    const [before, imported, trained] = processes;
    expect(imported).toEqual(before);
    // A fit has opened what the event loop keeps open from then on.
    expect({ ...trained, fds: null }).toEqual({ ...before, fds: null });
    expect(before).toMatchObject({ own: env });
    expect(arithmetic).toEqual(Array(3).fill([2 ** -1024, 2 ** -1023, 2 ** -130, 1 / 3, -1 / 3]));
    expect(got).toBe(3);
    expect(threads).toEqual((await plain).threads);
  });
});
const plain = importing('main', {});
