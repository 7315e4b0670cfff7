// run.ts: `npm run -s faulty-disks`: a disk that is full, read-only, another user's, slow, a process without handles, a training that is told to end twice:
// the old file stays whole, and there is one clear error. What this machine cannot do is skipped, and said.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readRecord } from '../../lib/history/read.ts';
import { readSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { DISKS, type Disk, healthyDisk, Missing, slowDisk } from './disk.ts';

const CHILD = fileURLToPath(new URL('child.js', import.meta.url));
const PROGRAM = resolve(CHILD, '../../../lib/cli/main.js');

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Told {
  readonly failed: boolean;
  readonly own: boolean;
  readonly message: string;
  readonly system?: string;
  readonly longest: number;
}

function start(args: readonly string[], { start: { shell = ':', ...user } }: Pick<Disk, 'start'>): ChildProcess {
  const command = `${shell} && exec "$@"`;
  return spawn('sh', ['-c', command, 'sh', process.execPath, ...args], { ...user, stdio: ['ignore', 'pipe', 'pipe'] });
}

async function ended(child: ChildProcess, act?: (stdout: string) => void): Promise<Ended> {
  let [stdout, stderr] = ['', ''];
  child.stdout!.on('data', (chunk) => {
    stdout += chunk;
    act?.(stdout);
  });
  child.stderr!.on('data', (chunk) => {
    stderr += chunk;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout, stderr };
}

const told = ({ stdout, stderr }: Ended): Told => {
  const line = stdout.trim().split('\n').at(-1)!;
  if (!line.startsWith('{')) throw new Error(`expected what the child tells, got ${line} ${stderr}`);
  return JSON.parse(line) as Told;
};

const HEALTHY = { start: {} };
/** Bytes a second: a checkpoint takes two. */
const SLOW = 500_000;
let bad = 0;
function line(name: string, result: string, wrong: readonly string[] = []): void {
  console.log(`${name.padEnd(44)} ${wrong.length === 0 ? result : `WRONG: ${wrong.join('; ')}`}`);
  if (wrong.length > 0) bad++;
}

/** Whether a checkpoint is there, whole, and the one of before. */
async function checkOld(file: string, old: Buffer, others: readonly string[]): Promise<string[]> {
  const wrong: string[] = [];
  if (!readFileSync(file).equals(old)) wrong.push('the old file is another one');
  const left = readdirSync(join(file, '..')).filter((name) => !others.includes(name) && name !== 'state');
  if (left.length > 0) wrong.push(`there is ${left.join(', ')}`);
  await readSafetensors(file).catch((error: Error) => wrong.push(error.message));
  return wrong;
}

function checkError({ failed, own, message, system }: Told, file: string, code: string): string[] {
  if (!failed) return ['nothing failed'];
  const wrong = own && message.includes(file) && !message.includes('\n') ? [] : [`unclear: ${message}`];
  return system === code ? wrong : [...wrong, `expected ${code}, got ${system}: ${message}`];
}

async function onDisk(name: string, make: () => Disk): Promise<void> {
  const disk = make();
  try {
    const file = join(disk.folder, 'state');
    await ended(start([CHILD, 'save', file], HEALTHY));
    const old = readFileSync(file);
    disk.spoil();
    for (const what of ['save', 'checkpoint']) {
      const result = told(await ended(start([CHILD, what, file], disk)));
      line(`${name}: ${what}`, result.message, [
        ...checkError(result, file, disk.code!),
        ...(await checkOld(file, old, ['filler'])),
      ]);
    }
    const record = join(disk.folder, 'record');
    const result = told(await ended(start([CHILD, 'record', record], disk)));
    const wrong = checkError(result, record, disk.code!);
    if (readdirSync(disk.folder).includes('record')) await readRecord(record).catch((error: Error) => wrong.push(error.message));
    line(`${name}: record`, result.message, wrong);
    await ofProgram(name, file, old, disk);
  } finally {
    disk.remove();
  }
}

const CONFIG = {
  data: { type: 'csv', file: 'points.csv', split: { train: 40 } },
  model: { type: 'mlp', sizes: [2, 20_000, 2] },
  optimizer: { type: 'adamw', lr: 0.1 },
  threads: 1,
};

/** A folder with what `gradclip train` trains on. */
function configured(epochs: number): { config: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'gradclip-disks-'));
  writeFileSync(join(folder, 'points.csv'), Array.from({ length: 50 }, (_, i) => `${i % 7},${i % 5},${i % 2}\n`).join(''));
  const config = join(folder, 'config.json');
  writeFileSync(config, JSON.stringify({ ...CONFIG, epochs }));
  for (const path of [folder, config]) chmodSync(path, 0o755);
  return { config, remove: () => rmSync(folder, { recursive: true }) };
}

/** `gradclip train` says what is wrong in one line, with the exit code of data or of usage. */
async function ofProgram(name: string, file: string, old: Buffer, disk: Disk): Promise<void> {
  const { config, remove } = configured(2);
  try {
    const { code, stderr } = await ended(start([PROGRAM, 'train', config, '--out', file], disk));
    const wrong = [
      ...(code === 4 || code === 2 ? [] : [`exit code ${code}`]),
      ...(await checkOld(file, old, ['filler', 'record'])),
    ];
    if (stderr.trim().split('\n').length !== 1 || !stderr.includes(file)) wrong.push(`unclear: ${stderr}`);
    line(`${name}: gradclip train`, `${code}, ${stderr.trim()}`, wrong);
  } finally {
    remove();
  }
}

async function withoutHandles(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'gradclip-disks-'));
  const file = join(folder, 'state');
  await ended(start([CHILD, 'save', file], HEALTHY));
  const old = readFileSync(file);
  const result = told(await ended(start([CHILD, 'handles', file], { start: { shell: 'ulimit -n 200' } })));
  line('no handles left: save', result.message, [...checkError(result, file, 'EMFILE'), ...(await checkOld(file, old, []))]);
  rmSync(folder, { recursive: true });
}

/** While it is slow the event loop is free and the old file there; killed meanwhile, at most one file is left, which the next save removes. */
async function slow(): Promise<void> {
  const disk = slowDisk(SLOW);
  try {
    const file = join(disk.folder, 'state');
    await ended(start([CHILD, 'save', file], HEALTHY));
    const old = readFileSync(file);
    disk.spoil();
    const begun = performance.now();
    const { failed, message, longest } = told(await ended(start([CHILD, 'save', file], disk)));
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    line('slow: save', `${seconds} s, the event loop stood still for ${longest.toFixed(0)} ms at most`, failed ? [message] : []);
    const child = start([CHILD, 'save', file], disk);
    const left = await temporaryIn(disk.folder);
    child.kill('SIGKILL');
    await once(child, 'close');
    const after = readdirSync(disk.folder).length - 1;
    line('slow: killed while it saves', `old file whole, left over: ${after}`, await checkOld(file, old, [left]));
    await ended(start([CHILD, 'save', file], HEALTHY));
    line('slow: the next save', 'nothing left over', await checkOld(file, readFileSync(file), []));
  } finally {
    disk.remove();
  }
}

/** The name of a file that is being written, once there is one. */
async function temporaryIn(folder: string): Promise<string> {
  for (;;) {
    const found = readdirSync(folder).find((name) => name.endsWith('.tmp'));
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** SIGTERM once: saves and ends; twice: ends, with the old file; on a disk that is slow, where there may be one. */
async function toldToEnd(): Promise<void> {
  const { config, remove } = configured(1e7);
  const disk = slowOrNot();
  disk.spoil();
  try {
    const file = join(disk.folder, 'state');
    const train = async (act: (child: ChildProcess) => Promise<unknown>): Promise<Ended> => {
      const child = start([PROGRAM, 'train', '--json', config, '--out', file], disk);
      let acted: Promise<unknown> | null = null;
      const result = await ended(child, (stdout) => {
        if (stdout.includes('"epoch":2,')) acted ??= act(child);
      });
      await acted;
      return result;
    };
    const first = await train(async (child) => child.kill('SIGTERM'));
    const wrong = first.code === 143 ? [] : [`ended with ${first.code ?? first.signal}: ${first.stderr}`];
    line('SIGTERM: gradclip train', 'exit code 143, a whole checkpoint', [
      ...wrong,
      ...(await checkOld(file, readFileSync(file), [])),
    ]);
    const old = readFileSync(file);
    let [left, told] = ['', 0];
    const twice = await train(async (child) => {
      child.kill('SIGTERM');
      left = await temporaryIn(disk.folder);
      told = performance.now();
      child.kill('SIGTERM');
    });
    const took = performance.now() - told;
    const badly = twice.code === 143 ? [] : [`ended with ${twice.code ?? twice.signal}: ${twice.stderr}`];
    line('SIGTERM twice: gradclip train', `exit code 143 after ${took.toFixed(0)} ms, old file whole`, [
      ...badly,
      // Where the disk is not slow, the second signal may come when the file has been replaced.
      ...(await checkOld(file, disk.start.shell ? old : readFileSync(file), [left])),
    ]);
  } finally {
    disk.remove();
    remove();
  }
}

function slowOrNot(): Disk {
  try {
    return slowDisk(SLOW);
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return healthyDisk();
  }
}

const tasks: readonly (readonly [string, () => Promise<void>])[] = [
  ...Object.entries(DISKS).map(([name, make]) => [name, () => onDisk(name, make)] as const),
  ['no handles left', withoutHandles],
  ['slow', slow],
  ['SIGTERM', toldToEnd],
];
for (const [name, task] of tasks) {
  try {
    await task();
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    console.log(`${name.padEnd(44)} skipped: ${error.message}`);
  }
}
process.exitCode = bad > 0 ? 1 : 0;
