// disk.ts: folders on disks that fail: full, read-only, another user's, of small files, slow. What a machine cannot do is said, not tried.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

export interface Disk {
  readonly folder: string;
  /** How the system calls what is wrong; null where it is only slow. */
  readonly code: string | null;
  /** How a process is started that shall find it so. */
  readonly start: { readonly uid?: number; readonly gid?: number; readonly shell?: string };
  /** From now on it is as its name says. */
  spoil(): void;
  remove(): void;
}

/** Why a machine cannot have such a disk. */
export class Missing extends Error {}

const ROOT = process.getuid?.() === 0;
const NOBODY = 65534;

function sh(command: string, ...args: readonly string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  } catch (error) {
    throw new Missing(`${command} ${args[0] ?? ''}: ${String((error as { stderr?: string }).stderr || error).trim()}`);
  }
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gradclip-disk-'));
  // So that another user may look into it.
  chmodSync(folder, 0o755);
  return folder;
}

/** A file system in memory. */
function mounted(mebibytes: number): { folder: string; remove(): void } {
  if (!ROOT) throw new Missing('only root mounts');
  const folder = newFolder();
  try {
    sh('mount', '-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'gradclip-disk', folder);
  } catch (error) {
    rmdirSync(folder);
    throw error;
  }
  const remove = (): void => {
    sh('umount', folder);
    rmdirSync(folder);
  };
  return { folder, remove };
}

/** So many KiB are free, or are the most that a file may have. */
const FREE = 400;

export const DISKS: Readonly<Record<string, () => Disk>> = {
  full() {
    const disk = mounted(16);
    const spoil = (): void => {
      const { bavail, bsize } = statfsSync(disk.folder);
      writeFileSync(join(disk.folder, 'filler'), new Uint8Array(bavail * bsize - FREE * 1024));
    };
    return { ...disk, code: 'ENOSPC', start: {}, spoil };
  },
  'read-only': () => {
    const disk = mounted(16);
    return { ...disk, code: 'EROFS', start: {}, spoil: () => void sh('mount', '-o', 'remount,ro', disk.folder) };
  },
  "another user's": () => {
    if (!ROOT) throw new Missing('only root starts a process of another user');
    return { ...healthyDisk(), code: 'EACCES', start: { uid: NOBODY, gid: NOBODY } };
  },
  'of small files': () => {
    return { ...healthyDisk(), code: 'EFBIG', start: { shell: `ulimit -f ${2 * FREE}` } };
  },
};

/** One that takes whatever comes. */
export function healthyDisk(): Disk {
  const folder = newFolder();
  return { folder, code: null, start: {}, spoil: () => {}, remove: () => rmSync(folder, { recursive: true }) };
}

const BLKIO = '/sys/fs/cgroup/blkio';

/** A disk of its own whose writes are held to so many bytes a second by a cgroup, for the processes that are started on it. */
export function slowDisk(bytesPerSecond: number): Disk {
  if (!ROOT) throw new Missing('only root makes a disk');
  const throttle = 'blkio.throttle.write_bps_device';
  if (!existsSync(join(BLKIO, throttle))) throw new Missing(`there is no ${join(BLKIO, throttle)}`);
  const home = newFolder();
  const [image, folder, group] = [join(home, 'image'), join(home, 'disk'), join(BLKIO, basename(home))];
  writeFileSync(image, new Uint8Array(64 << 20));
  const undo: (() => void)[] = [() => rmSync(home, { recursive: true })];
  const remove = (): void => {
    for (const step of undo.reverse()) step();
  };
  try {
    const device = sh('losetup', '-f', '--show', image);
    undo.push(() => void sh('losetup', '-d', device));
    sh('mkfs.ext4', '-q', device);
    mkdirSync(folder);
    sh('mount', device, folder);
    undo.push(() => void sh('umount', folder));
    rmdirSync(join(folder, 'lost+found'));
    mkdirSync(group);
    undo.push(() => rmdirSync(group));
    const number = sh('cat', `/sys/block/${basename(device)}/dev`);
    const spoil = (): void => writeFileSync(join(group, throttle), `${number} ${bytesPerSecond}`);
    return { folder, code: null, start: { shell: `echo $$ > ${join(group, 'cgroup.procs')}` }, spoil, remove };
  } catch (error) {
    remove();
    throw error;
  }
}
