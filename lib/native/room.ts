// room.ts: how much memory there is to be had. The system gives more than it has, and ends the process when that is touched: so whoever asks for much
// looks first. What cannot be read limits nothing.
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { GradclipError } from '../errors.ts';
import { bytes as sized } from '../text/format.ts';
import { addon } from './addon.ts';

/** Where the system tells it. */
export interface Roots {
  /** The folder of processes; `self` in it is this one. */
  readonly proc: string;
  /** Trees of control groups: of version 2, and of the memory controller of version 1. */
  readonly unified: readonly string[];
  readonly memory: string;
}

const LINUX: Roots = { proc: '/proc', unified: ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'], memory: '/sys/fs/cgroup/memory' };

/** Bytes that may be touched, and whose limit that is. */
export interface Room {
  readonly bytes: number;
  readonly of: string;
}

/** What memory is for, as an error begins, and what takes less. */
export interface Purpose {
  readonly what: string;
  readonly advice?: string;
}

// Less is not looked at: to read these files takes some 200 us.
const MUCH = 64 << 20;
// What is left to everything else, page tables among it.
const RESERVE = 32 << 20;

/**
 * The least of all limits; null where none is known.
 * @param given bytes that this process was given and has not touched: addresses that it has, memory that is not there yet
 */
export function roomOf(roots: Roots = LINUX, given: number = 0): Room | null {
  const machine = fieldsOf(textOf(`${roots.proc}/meminfo`), 1024);
  const swap = machine.get('SwapFree') ?? 0;
  const free = machine.get('MemAvailable');
  const whole = free === undefined ? elsewhere() : [{ bytes: free + swap, of: 'the machine' }];
  const shared = [...whole, ...groups(roots, swap)];
  const all = [...shared.map(({ bytes, of }) => ({ bytes: bytes - given, of })), ...own(roots)];
  return all.reduce<Room | null>((least, room) => (least && least.bytes <= room.bytes ? least : room), null);
}

/**
 * Look whether there is room for so many bytes more, all of them touched.
 * @throws GradclipError ERR_MEMORY
 */
export function checkRoom({ what, advice }: Purpose, bytes: number, roots: Roots = LINUX): void {
  if (bytes < MUCH) return;
  const room = roomOf(roots, addon().untouched());
  if (!room) return;
  const available = Math.max(0, room.bytes - RESERVE);
  if (bytes <= available) return;
  const missing = bytes - available;
  const [asked, there, more] = [bytes, available, missing].map(sized);
  const text = `${what}: ${asked} of memory are asked for, and ${room.of} has ${there} left: ${more} are missing`;
  throw new GradclipError('ERR_MEMORY', advice ? `${text}. ${advice}` : text, { asked: bytes, available, missing, of: room.of });
}

/**
 * On macOS, what it has beside this process: it moves to the disk what others do not use, but what a training goes through in each step must all be there.
 * Windows gives no more than it has: what is not to be had, it refuses.
 */
function elsewhere(): Room[] {
  return process.platform === 'darwin' ? [{ bytes: totalmem() - process.memoryUsage.rss(), of: 'the machine' }] : [];
}

/** The groups that the process is in, and those they are in. */
function* groups({ proc, unified, memory }: Roots, swap: number): Generator<Room> {
  for (const line of textOf(`${proc}/self/cgroup`).split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    if (controllers === '') {
      for (const root of unified) yield* upwards(root, path, (folder) => unifiedRoom(folder, swap));
    } else if (controllers.split(',').includes('memory')) yield* upwards(memory, path, (folder) => memoryRoom(folder, swap));
  }
}

/** What there is in a group's folder and those above. In a container, the tree's root is the container's group and no other is to be seen. */
function* upwards(root: string, path: string, roomOf: (folder: string) => number | null): Generator<Room> {
  for (let at = path.replace(/\/+$/, ''); ; at = at.slice(0, at.lastIndexOf('/'))) {
    const bytes = roomOf(root + at);
    if (bytes !== null) yield { bytes: Math.max(0, bytes), of: `the control group ${at === '' ? '/' : at}` };
    if (at === '') return;
  }
}

function unifiedRoom(folder: string, swap: number): number | null {
  const [most, used] = [numberOf(`${folder}/memory.max`), numberOf(`${folder}/memory.current`)];
  if (most === null || used === null) return null;
  // `max` is no number: then the swap of the machine is the limit.
  const [mostSwap, usedSwap] = [numberOf(`${folder}/memory.swap.max`), numberOf(`${folder}/memory.swap.current`)];
  const swapped = mostSwap === null || usedSwap === null ? swap : Math.min(swap, mostSwap - usedSwap);
  return most - used + reclaimable(folder, 'inactive_file') + swapped;
}

function memoryRoom(folder: string, swap: number): number | null {
  const [most, used] = [numberOf(`${folder}/memory.limit_in_bytes`), numberOf(`${folder}/memory.usage_in_bytes`)];
  // Without a limit it is the largest multiple of a page.
  if (most === null || used === null || most > 2 ** 60) return null;
  const both = [numberOf(`${folder}/memory.memsw.limit_in_bytes`), numberOf(`${folder}/memory.memsw.usage_in_bytes`)] as const;
  const left = most - used;
  const swapped = both[0] === null || both[1] === null ? swap : Math.min(swap, Math.max(0, both[0] - both[1] - left));
  return left + reclaimable(folder, 'total_inactive_file') + swapped;
}

/** Pages of files that nobody has used of late, which the system takes back before it refuses any. */
function reclaimable(folder: string, name: string): number {
  const found = new RegExp(`^${name} (\\d+)$`, 'm').exec(textOf(`${folder}/memory.stat`));
  return found ? Number(found[1]) : 0;
}

/** What the process has asked the system to refuse it: addresses, of which some are used already, and data. */
function* own({ proc }: Roots): Generator<Room> {
  const limits = textOf(`${proc}/self/limits`);
  const used = fieldsOf(textOf(`${proc}/self/status`), 1024);
  for (const [name, limit, size] of [
    ['address space', 'Max address space', 'VmSize'],
    ['data', 'Max data size', 'VmData'],
  ] as const) {
    const most = new RegExp(`^${limit} +(\\d+) `, 'm').exec(limits);
    const now = used.get(size);
    if (most && now !== undefined) yield { bytes: Math.max(0, Number(most[1]) - now), of: `the process's limit on its ${name}` };
  }
}

/** `Name: 123 kB`, in bytes. */
function fieldsOf(text: string, unit: number): Map<string, number> {
  return new Map([...text.matchAll(/^(\w+):\s+(\d+) kB$/gm)].map(([, name, value]) => [name!, Number(value) * unit]));
}

function numberOf(file: string): number | null {
  const text = textOf(file).trim();
  return /^\d+$/.test(text) ? Number(text) : null;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
