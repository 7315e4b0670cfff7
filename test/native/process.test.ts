// process.test.ts: beginnings and ends of processes and worker threads, thread counts, idle cores. In child processes.
import { spawn, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const script = fileURLToPath(new URL('fixtures/scenarios.mjs', import.meta.url));
const gyp = createRequire(import.meta.url)('node-gyp-build') as { path(dir: string): string };
const binary = gyp.path(root);

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly lines: readonly unknown[];
  readonly errors: string;
}

/** Runs a scenario to its end; one that hangs is killed, which no expectation accepts. */
function child(args: readonly string[], options: { env?: NodeJS.ProcessEnv; node?: readonly string[] } = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const p = spawn(process.execPath, [...(options.node ?? []), script, binary, ...args], {
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 45_000,
      killSignal: 'SIGKILL',
    });
    let [out, errors] = ['', ''];
    p.stdout.on('data', (d) => {
      out += d;
    });
    p.stderr.on('data', (d) => {
      errors += d;
    });
    p.on('close', (code, signal) => {
      const lines = out.split('\n').filter(Boolean);
      resolve({ code, signal, errors, lines: lines.map((l) => JSON.parse(l) as unknown) });
    });
  });
}

test('a pending run keeps the process alive, a finished one does not', async () => {
  expect(await child(['finish'])).toMatchObject({ code: 0, lines: [500], errors: '' });
});

test('process.exit with a run pending', async () => {
  expect(await child(['exit'])).toMatchObject({ code: 7, signal: null, errors: '' });
});

test('an uncaught exception with a run pending', async () => {
  const r = await child(['throw']);
  expect(r).toMatchObject({ code: 1, signal: null });
  expect(r.errors).toContain('on purpose');
});

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'])('%s with a run pending', async (signal) => {
  expect(await child(['signal', signal])).toMatchObject({ code: null, signal, errors: '' });
});

test('four worker threads at once, one terminated half-way', async () => {
  expect(await child(['workers'])).toMatchObject({ code: 0, lines: [[true, true, true]], errors: '' });
});

test('worker threads that end with runs pending, again and again', async () => {
  expect(await child(['churn'])).toMatchObject({ code: 0, lines: ['done'], errors: '' });
});

test('environments share one budget of threads', async () => {
  const r = await child(['budget'], { env: { GRADCLIP_THREADS: '2' } });
  expect(r).toMatchObject({ code: 0, lines: [{ alone: 2, beside: 1, after: 2 }], errors: '' });
});

test('runs and bindings hold their memory when nobody else does; what nobody holds is collected', async () => {
  const r = await child(['collect'], { node: ['--expose-gc'] });
  expect(r).toMatchObject({ code: 0, lines: [Array(20).fill([20, 20]).flat(), 3, true], errors: '' });
});

test('an idle add-on burns no core', async () => {
  const r = await child(['idle']);
  expect(r).toMatchObject({ code: 0, errors: '' });
  expect(r.lines[0]).toBeLessThan(200);
});

// RLIMIT_NPROC does not bind root, so as another user; that user may have no way to read the sources.
test('where the system refuses threads, runs get fewer or an error', (context) => {
  const limited = (threads: number, scenario: string): { status: number | null; stdout: string } =>
    spawnSync(
      'setpriv',
      [
        '--reuid=65533',
        '--regid=65533',
        '--clear-groups',
        'prlimit',
        `--nproc=${threads}`,
        process.execPath,
        script,
        binary,
        scenario,
      ],
      { encoding: 'utf8', timeout: 100_000, killSignal: 'SIGKILL' },
    );
  let least = 8;
  while (least < 24 && limited(least, 'about').status !== 0) least++;
  if (least === 24) context.skip();
  for (const more of [0, 1, 2, 5, 8]) {
    const { status, stdout } = limited(least + more, 'many');
    expect(status).toBe(0);
    if (stdout.trim() !== '"ERR_MEMORY"') expect(Number(stdout)).toBeLessThanOrEqual(more + 1);
  }
});

// Threads of OpenMP have larger stacks than ours, and it ends the process where one is refused.
test.skipIf(process.env.LD_PRELOAD || process.platform !== 'linux').each([20, 40, 60, 80])(
  'where there is room for %i MiB more, a team is as large as its stacks allow',
  (more) => {
    const args = ['--min-semi-space-size=16', script, binary, 'crowded', String(more)];
    const ended = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 100_000 });
    expect(ended).toMatchObject({ status: 0, stderr: '' });
    if (ended.stdout.trim() !== '"ERR_MEMORY"') expect(Number(ended.stdout)).toBeLessThanOrEqual(8);
  },
);

// There is no room for a stack while all else has some. A sanitizer reserves more than that for itself.
test.skipIf(process.env.LD_PRELOAD)('where the system refuses the executor its thread, runs reject until it does not', () => {
  const node = ['--min-semi-space-size=16', script, binary, 'refused'];
  const ended = spawnSync(process.execPath, node, { encoding: 'utf8', timeout: 100_000 });
  expect(ended).toMatchObject({ status: 0, stderr: '' });
  expect(JSON.parse(ended.stdout)).toEqual([...Array(5).fill('ERR_MEMORY'), 5]);
});

test('GRADCLIP_ISA forces downwards and names what it does not know', async () => {
  const all = (await child(['about'], { env: { GRADCLIP_ISA: '' } })).lines[0] as { isas: string[] };
  for (const [k, isa] of all.isas.entries()) {
    expect((await child(['about'], { env: { GRADCLIP_ISA: isa } })).lines).toMatchObject([{ isa, isas: all.isas.slice(k) }]);
  }
  const r = await child(['about'], { env: { GRADCLIP_ISA: 'avx1024' } });
  expect(r.code).toBe(1);
  expect(r.errors).toContain(`GRADCLIP_ISA: expected one of ${all.isas.join(', ')} on this machine, got avx1024`);
  expect(r.errors).toContain('ERR_OPTION');
});

test('GRADCLIP_THREADS sets the default', async () => {
  expect((await child(['about'], { env: { GRADCLIP_THREADS: '5' } })).lines).toMatchObject([
    { threads: { count: 5, reason: 'GRADCLIP_THREADS' } },
  ]);
  for (const wrong of ['0', '257', '2x', '-1']) {
    const r = await child(['about'], { env: { GRADCLIP_THREADS: wrong } });
    expect(r.code).toBe(1);
    expect(r.errors).toContain(`GRADCLIP_THREADS: expected a whole number from 1 to 256, got ${wrong}`);
  }
});

test('GRADCLIP_POISON is 0 or 1', async () => {
  for (const right of ['', '0', '1']) expect((await child(['about'], { env: { GRADCLIP_POISON: right } })).code).toBe(0);
  const r = await child(['about'], { env: { GRADCLIP_POISON: 'yes' } });
  expect(r.code).toBe(1);
  expect(r.errors).toContain('GRADCLIP_POISON: expected 0 or 1, got yes');
});

test('the default number of threads is no more than affinity allows', async () => {
  const { threads } = (await child(['about'], { env: { GRADCLIP_THREADS: '' } })).lines[0] as { threads: { count: number } };
  expect(threads.count).toBeLessThanOrEqual(cpus().length);
  const one = spawnSync('taskset', ['-c', '0', process.execPath, script, binary, 'about'], {
    encoding: 'utf8',
    env: { ...process.env, GRADCLIP_THREADS: '' },
  });
  if (!one.error && one.status === 0) expect(JSON.parse(one.stdout)).toMatchObject({ threads: { count: 1, reason: 'affinity' } });
});
