// bench-engine.test.ts: engines of the benchmark: how they are talked to, that they stand still while others are timed, and that none stays.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { Engine, type Launch, type Task } from '../../bench/engine.ts';

const launch = (script: string): Launch => ({
  peer: 'fake',
  command: process.execPath,
  args: ['--input-type=module', '-e', script, '--'],
});
const task: Task = { suite: 'step', cell: 'ncf', threads: 1 };
const open: Engine[] = [];
afterAll(() => {
  for (const engine of open) engine.close();
});
async function opened(script: string, more: Partial<Task> = {}, env?: NodeJS.ProcessEnv): Promise<Engine> {
  const engine = await Engine.open({ ...launch(script), ...(env && { env }) }, { ...task, ...more });
  if (!(engine instanceof Engine)) throw new Error(engine);
  open.push(engine);
  return engine;
}

const ANSWERS = `
  import { createInterface } from 'node:readline';
  const at = (name) => process.argv[process.argv.indexOf(name) + 1];
  console.log(JSON.stringify({ variants: ['step'], params: Number(at('--threads')), cell: at('--cell'), chunk: at('--chunk'), env: process.env.OF_TEST }));
  for await (const line of createInterface({ input: process.stdin })) {
    const { variant, seconds } = JSON.parse(line);
    console.log(JSON.stringify({ median_ms: seconds, min_ms: variant.length, n: 1 }));
  }`;

it('answers a command with a sample', async () => {
  const engine = await opened(ANSWERS, { cell: 'mlp-tiny', threads: 2, more: ['--chunk', '7'] }, { OF_TEST: 'yes' });
  expect(engine.info).toEqual({ variants: ['step'], params: 2, cell: 'mlp-tiny', chunk: '7', env: 'yes' });
  expect(await engine.run('step', 0.5)).toEqual({ median_ms: 0.5, min_ms: 4, n: 1 });
  expect(await engine.run('noclip', 2)).toEqual({ median_ms: 2, min_ms: 6, n: 1 });
});

it.each([
  ['says why it does not take part', `console.log('{"unsupported":"no model ncf"}')`, 'no model ncf'],
  ['throws', `const fail = () => { throw new TypeError('no model'); }; fail();`, 'failed to start: TypeError: no model'],
  ['dies', `console.error('no torch here'); process.exit(1)`, 'failed to start: no torch here'],
])('%s', async (_, script, expected) => {
  expect(await Engine.open(launch(script), task)).toBe(expected);
});
it('is not there', async () => {
  expect(await Engine.open({ peer: 'gone', command: '/nowhere/python', args: [] }, task)).toContain('ENOENT');
});

/** `T`: stopped; null: gone. */
function stateOf(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /s, '')[0]!;
  } catch {
    return null;
  }
}
// A signal arrives soon, not at once.
async function soon(pids: readonly number[], wanted: (state: string | null) => boolean, tries: number): Promise<boolean> {
  for (let i = 0; i < tries; i++) {
    if (pids.every((pid) => wanted(stateOf(pid)))) return true;
    await pause(5);
  }
  return false;
}
const stopped = (state: string | null): boolean => state === 'T';
// One that nobody has waited for yet runs no more.
const gone = (state: string | null): boolean => state === null || state === 'Z';

describe.runIf(process.platform === 'linux')('an engine that is not timed', () => {
  it('stands still, and ends when it is closed', async () => {
    const engine = await opened(ANSWERS);
    // Whoever measures on the same machine may continue what others have stopped: then once more.
    for (let still = false; !still; still = await soon([engine.pid!], stopped, 50)) await engine.run('step', 1);
    engine.close();
    while (!(await soon([engine.pid!], gone, 100)));
  });

  const holder = async (how: string): Promise<{ child: ChildProcess; processes: number[] }> => {
    const file = resolve(import.meta.dirname, '../../dist/test/children/engines.js');
    const child = spawn(process.execPath, [file, how], { stdio: ['ignore', 'pipe', 'ignore'] });
    for await (const line of createInterface({ input: child.stdout! })) {
      const { processes } = JSON.parse(line) as { processes: number[] };
      return { child, processes };
    }
    throw new Error('said nothing');
  };
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL', 'throw', 'exit'])('does not outlive the bench: %s', async (how) => {
    const { child, processes } = await holder(how);
    expect(processes).toHaveLength(2);
    if (how.startsWith('SIG')) {
      await soon(processes, stopped, 100);
      child.kill(how as NodeJS.Signals);
    }
    while (!(await soon(processes, gone, 100)));
  });
});
