// temporary.ts: files beside their place while they are written: names that tell who writes them, and the removal of those whose writer is dead.
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, readlink, stat, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** Writers in another container or on another machine cannot be asked whether they live: what they have not touched for a day is left over. */
const DAY = 24 * 60 * 60 * 1000;
/** A name has 255 bytes; what is added to that of the file are fewer than 80. */
const LONGEST = 160;

/** Who writes. */
interface Writer {
  readonly pid: number;
  /** When the process began, in the system's ticks, since numbers of processes come again; '0' where the system does not say. */
  readonly start: string;
  /** Where numbers of processes mean the same: machine, boot, container. */
  readonly place: string;
}

const NAME = /^(\d{1,10})-(\d{1,20})-([0-9a-f]{12})-[0-9a-f]{12}\.tmp$/;

let own: Promise<Writer> | undefined;

/** A name beside `target` that nobody else has. */
export async function temporaryFor(target: string): Promise<string> {
  own ??= writer();
  const { pid, start, place } = await own;
  return `${prefixOf(target)}${pid}-${start}-${place}-${randomBytes(6).toString('hex')}.tmp`;
}

/** Remove what dead processes left of writing `target`. Whatever stands in the way of that, stands in the way of nothing else. */
export async function removeLeftovers(target: string): Promise<void> {
  own ??= writer();
  const { place } = await own;
  const folder = dirname(target);
  const prefix = basename(prefixOf(target));
  for (const name of await readdir(folder).catch(() => [])) {
    const told = name.startsWith(prefix) ? NAME.exec(name.slice(prefix.length)) : null;
    if (!told) continue;
    const file = join(folder, name);
    const dead = told[3] === place ? !(await lives(Number(told[1]), told[2]!)) : await untouched(file);
    if (dead) await unlink(file).catch(() => {});
  }
}

function prefixOf(target: string): string {
  const name = basename(target);
  const short = Buffer.byteLength(name) <= LONGEST ? name : hash(name);
  return join(dirname(target), `${short}.`);
}

async function writer(): Promise<Writer> {
  const { pid } = process;
  const [boot, space, stat] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => ''),
    readlink('/proc/self/ns/pid').catch(() => ''),
    statOf(pid),
  ]);
  return { pid, start: stat?.start ?? '0', place: hash(`${hostname()}\n${boot}\n${space}`) };
}

/** Not sure is yes: of another user's process only the number can be known. */
async function lives(pid: number, start: string): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
  const stat = await statOf(pid);
  return stat === null || (!stat.ended && stat.start === start);
}

/** What Linux says of a process; null where it does not. */
async function statOf(pid: number): Promise<{ readonly start: string; readonly ended: boolean } | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (text === null) return null;
  // The second field is the program's name in brackets, and may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { start: fields[19] ?? '0', ended: fields[0] === 'Z' || fields[0] === 'X' };
}

async function untouched(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => null);
  return found !== null && Date.now() - found.mtimeMs > DAY;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
