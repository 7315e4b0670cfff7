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
  /** Where numbers of processes mean the same: machine, boot and container, of which Linux alone tells the latter two. */
  readonly place: string;
}

const NAME = /^(\d{1,10})-(\d{1,20})-([0-9a-f]{12})-[0-9a-f]{12}\.tmp$/;

let asked: Promise<Writer> | undefined;
function self(): Promise<Writer> {
  asked ??= writer();
  return asked;
}

/** A name beside `target` that nobody else has. */
export async function temporaryFor(target: string): Promise<string> {
  const { pid, start, place } = await self();
  return `${prefixOf(target)}${pid}-${start}-${place}-${randomBytes(6).toString('hex')}.tmp`;
}

/** Remove what dead processes left of writing `target`. Whatever stands in the way of that, stands in the way of nothing else. */
export async function removeLeftovers(target: string): Promise<void> {
  const own = await self();
  const folder = dirname(target);
  const prefix = basename(prefixOf(target));
  for (const name of await readdir(folder).catch(() => [])) {
    const told = name.startsWith(prefix) ? NAME.exec(name.slice(prefix.length)) : null;
    if (!told) continue;
    const file = join(folder, name);
    if (await isLeft(file, { pid: Number(told[1]), start: told[2]!, place: told[3]! }, own)) await unlink(file).catch(() => {});
  }
}

/** Whether nobody goes on writing a file. */
async function isLeft(file: string, { pid, start, place }: Writer, own: Writer): Promise<boolean> {
  if (place !== own.place) return untouched(file);
  // Where nothing tells when a process began, a number may have come again, and then its file would stay forever.
  if (pid !== own.pid || start !== own.start) return !(await isRunning(pid, start)) || (start === '0' && untouched(file));
  // Node forgets to close what a worker was about to open when it was terminated.
  return !(await isOpen(file)) || untouched(file);
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

/** Whether this process has the file open, as it has while it writes it: a worker may have been terminated meanwhile. Not sure is yes. */
async function isOpen(file: string): Promise<boolean> {
  const [found, handles] = await Promise.all([
    stat(file, { bigint: true }).catch(() => null),
    readdir('/proc/self/fd').catch(() => null),
  ]);
  if (found === null || handles === null) return true;
  for (const handle of handles) {
    const open = await stat(`/proc/self/fd/${handle}`, { bigint: true }).catch(() => null);
    if (open?.ino === found.ino && open.dev === found.dev) return true;
  }
  return false;
}

/** Not sure is yes: of another user's process only the number can be known. */
async function isRunning(pid: number, start: string): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
  const stat = await statOf(pid);
  return stat === null || (!stat.ended && stat.start === start);
}

/** What Linux knows about a process; null elsewhere. */
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
