// process.test.ts: the program itself in child processes: signals, a reader that goes away, exit codes.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { folder, run } from './kit.ts';

// Built by global-setup.ts.
const PROGRAM = resolve('dist/lib/cli/main.js');
const config = {
  data: { type: 'csv', file: 'points.csv', split: { train: 40 } },
  model: { type: 'mlp', sizes: [2, 8, 2] },
  optimizer: { type: 'sgd', lr: 0.1 },
  epochs: 10_000_000,
  threads: 1,
};
const files = {
  'points.csv': Array.from({ length: 50 }, (_, i) => `${i % 7},${i % 5},${i % 2}\n`).join(''),
  'config.json': JSON.stringify(config),
};

/** Start a training that does not end, wait for its second epoch, do something to it, and see how it ends. */
async function disturb(
  cwd: string,
  act: (child: ReturnType<typeof spawn>) => void,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const argv = [PROGRAM, 'train', '--json', 'config.json', '--out', 'm.safetensors'];
  const child = spawn(process.execPath, argv, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr, acted] = ['', '', false];
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
    if (acted || !stdout.includes('"epoch":2,')) return;
    acted = true;
    act(child);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s ends a training after its step, with the checkpoint, and code %i', async (signal, code) => {
  const cwd = folder(files);
  const ended = await disturb(cwd, (child) => child.kill(signal));
  expect(ended.code).toBe(code);
  const result = JSON.parse(ended.stdout.trim().split('\n').at(-1)!) as object;
  expect(result).toMatchObject({ event: 'result', stopReason: 'stopped' });
  expect(readdirSync(cwd).sort()).toEqual(['config.json', 'm.safetensors', 'points.csv']);
  expect(await run(['inspect', 'm.safetensors'], { cwd })).toMatchObject({ code: 0 });
});

it('ends, with the checkpoint and without a crash, when nobody reads it any more', async () => {
  const cwd = folder(files);
  const ended = await disturb(cwd, (child) => child.stdout!.destroy());
  expect(ended.code).toBe(1);
  expect(ended.stderr).not.toContain('EPIPE');
  expect(existsSync(join(cwd, 'm.safetensors'))).toBe(true);
});

// Where there is no such device, there is no such disk to try.
it.skipIf(!existsSync('/dev/full'))('a disk without room for its output is an error, in one line, with code 1', () => {
  const cwd = folder({ ...files, 'short.json': JSON.stringify({ ...config, epochs: 1 }) });
  for (const command of [
    'train short.json',
    'train --json short.json',
    'train config.json',
    '--help',
    'train --help',
    '--version',
  ]) {
    const ran = spawnSync('sh', ['-c', `'${process.execPath}' '${PROGRAM}' ${command} > /dev/full`], { cwd, encoding: 'utf8' });
    const errors = ran.stderr.split('\n').filter((line) => line.startsWith('error:'));
    expect([command, ran.status, errors]).toEqual([command, 1, ['error: stdout: ENOSPC: no space left on device, write']]);
  }
});

it('gives its exit code to the shell', () => {
  const sh = (command: string): string => execFileSync('sh', ['-c', command], { encoding: 'utf8' }).trim();
  const program = `'${process.execPath}' '${PROGRAM}'`;
  expect(sh(`${program} --help >/dev/null; echo $?`)).toBe('0');
  expect(sh(`${program} bogus 2>/dev/null; echo $?`)).toBe('2');
  expect(sh(`${program} inspect /nowhere 2>/dev/null; echo $?`)).toBe('4');
  expect(sh(`${program} --help | head -1`)).toContain('gradclip');
});

it('asks, and takes answers that are piped in; of a stream without any, what it suggests', () => {
  const cwd = folder({ 't.csv': 'a,b,c\n1,x,u\n2,y,v\n3,x,u\n' });
  const sh = (command: string): string => execFileSync('sh', ['-c', command], { encoding: 'utf8', cwd }).trim();
  const program = `'${process.execPath}' '${PROGRAM}'`;
  expect(sh(`printf 'a\\nnumber\\nb\\n0.4\\none.json\\n' | ${program} init t.csv | tail -2 | head -1`)).toMatch(
    /configuration: .*one\.json$/,
  );
  expect(JSON.parse(sh('cat one.json'))).toMatchObject({
    data: { label: 'a', columns: { b: 'ignore', c: 'category' } },
    loss: 'mse',
  });
  expect(sh(`${program} init t.csv </dev/null >/dev/null; echo $?; cat t.json | head -5 | tail -1`)).toMatch(
    /^0\n *"label": "c",$/,
  );
});
