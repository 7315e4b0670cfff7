// writing.test.ts: a file that is written is whole or as it was: the order of what the system is asked, and every one of these calls made to fail.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { DataError } from '../../lib/errors.ts';
import { temporaryFor } from '../../lib/io/file/temporary.ts';
import { checkWritable, writeWhole } from '../../lib/io/file/write.ts';
import { pretendSystem } from '../pretend.ts';

/** What the system is asked, in order; the call of this number fails with this code. */
const system = vi.hoisted(() => ({
  calls: [] as string[],
  fails: null as { readonly call: number; readonly code: string } | null,
  /** Whether nothing tells of processes, as it is where there is no /proc. */
  silent: false,
  /** Called before each. */
  before: (_: string): void | Promise<void> => {},
  /** What each descriptor is of. */
  names: new Map<number, string>(),
  async asked(call: string): Promise<void> {
    this.calls.push(call);
    await this.before(call);
    if (this.fails?.call !== this.calls.length) return;
    throw Object.assign(new Error(`${this.fails.code}: made to fail`), { code: this.fails.code });
  },
}));

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const fsync: (fd: number, done: (error: unknown) => void) => void = (fd, done) => {
    system.asked(`sync ${system.names.get(fd)}`).then(() => fs.fsync(fd, done), done);
  };
  return { ...fs, fsync };
});

vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof import('node:fs/promises')>();
  const named = (path: unknown): string => {
    const name = basename(String(path));
    return name.endsWith('.tmp') ? 'temporary' : name.startsWith('gradclip-writing-') ? 'folder' : name;
  };
  return {
    ...fs,
    async open(path: string, flags: string, mode?: number): Promise<FileHandle> {
      const name = named(path);
      await system.asked(`open ${name}`);
      const handle = await fs.open(path, flags, mode);
      system.names.set(handle.fd, name);
      for (const method of ['writeFile', 'chmod', 'chown', 'close'] as const) {
        const real = handle[method].bind(handle) as (...given: unknown[]) => Promise<void>;
        const traced = async (...given: unknown[]): Promise<void> => {
          // A handle is closed, whatever that says.
          if (method === 'close') await real();
          await system.asked(`${method} ${name}`);
          if (method !== 'close') await real(...given);
        };
        Object.assign(handle, { [method]: traced });
      }
      return handle;
    },
    async readFile(path: string, encoding: 'utf8'): Promise<string> {
      if (system.silent && path.startsWith('/proc/')) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
      return fs.readFile(path, encoding);
    },
    async rename(from: string, to: string): Promise<void> {
      await system.asked(`rename ${named(from)} ${named(to)}`);
      await fs.rename(from, to);
    },
  };
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gradclip-writing-'));
  Object.assign(system, { calls: [], fails: null, silent: false, before: () => {} });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
});
const at = (name: string): string => join(folder, name);
const mode = (file: string): number => statSync(file).mode & 0o7777;

/** The error, which must be the library's own and name the file. */
async function failure(run: Promise<unknown>): Promise<DataError> {
  const error = await run.then(
    () => new Error('expected a DataError, nothing was thrown'),
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(DataError);
  return error as DataError;
}

const TRACE = [
  'open folder',
  'open temporary',
  'writeFile temporary',
  'writeFile temporary',
  'chmod temporary',
  'sync temporary',
  'rename temporary model',
  'close temporary',
  'sync folder',
  'close folder',
];
const PARTS = [Buffer.from('all of '), Buffer.from('the new')];

describe('one write', () => {
  it('goes to the disk before its name does, and the name after it', async () => {
    writeFileSync(at('model'), 'old');
    await writeWhole(at('model'), PARTS);
    expect(system.calls).toEqual(TRACE);
    expect(readFileSync(at('model'), 'utf8')).toBe('all of the new');
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it.each(
    TRACE.slice(0, 7).flatMap((call, i) => ['ENOSPC', 'EIO', 'EMFILE', 'EROFS'].map((code) => [code, call, i + 1] as const)),
  )('%s of "%s" leaves the old file, no other, and one error', async (code, call, number) => {
    writeFileSync(at('model'), 'old');
    system.fails = { call: number, code };
    const error = await failure(writeWhole(at('model'), PARTS));
    expect(system.calls).toContain(call);
    expect(error.message.startsWith(`${at('model')}: `)).toBe(true);
    expect(error).toMatchObject({ code: 'ERR_DATA', details: { file: at('model'), code }, cause: { code } });
    expect(readFileSync(at('model'), 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['model']);
    system.fails = null;
    await writeWhole(at('model'), 'new');
    expect(readFileSync(at('model'), 'utf8')).toBe('new');
  });

  it('says so where the folder did not reach the disk, and is content where folders cannot', async () => {
    system.fails = { call: TRACE.length - 2, code: 'EIO' };
    const error = await failure(writeWhole(at('model'), PARTS));
    expect(system.calls.at(-2)).toBe('sync folder');
    expect(error.details).toMatchObject({ code: 'EIO' });
    expect(readFileSync(at('model'), 'utf8')).toBe('all of the new');
    Object.assign(system, { calls: [], fails: { call: TRACE.length - 1, code: 'EINVAL' } });
    await writeWhole(at('model'), PARTS);
    expect(system.calls.at(-2)).toBe('sync folder');
  });
});

describe('what is replaced', () => {
  it.each([0o600, 0o640, 0o644, 0o755])('keeps its mode %o', async (bits) => {
    writeFileSync(at('model'), 'old');
    chmodSync(at('model'), bits);
    await writeWhole(at('model'), 'new');
    expect(mode(at('model'))).toBe(bits);
  });

  it('a new file has the mode that the process gives', async () => {
    writeFileSync(at('usual'), '');
    await writeWhole(at('model'), 'new');
    expect(mode(at('model'))).toBe(mode(at('usual')));
  });

  it('nobody else can read it while it is written', async () => {
    writeFileSync(at('model'), 'old');
    chmodSync(at('model'), 0o644);
    const modes: number[] = [];
    system.before = (call) => {
      if (call !== 'writeFile temporary') return;
      modes.push(...readdirSync(folder).flatMap((name) => (name.endsWith('.tmp') ? [mode(at(name))] : [])));
    };
    await writeWhole(at('model'), 'new');
    expect(modes).toEqual([0o600]);
  });

  it.skipIf(process.getuid?.() !== 0)('keeps its owner', async () => {
    writeFileSync(at('model'), 'old');
    chownSync(at('model'), 1234, 2345);
    chmodSync(at('model'), 0o4750);
    await writeWhole(at('model'), 'new');
    expect(statSync(at('model'))).toMatchObject({ uid: 1234, gid: 2345 });
    expect(mode(at('model'))).toBe(0o4750);
  });

  it.skipIf(process.getuid?.() !== 0)('whose group cannot be kept lets another group do no more than all', async () => {
    writeFileSync(at('model'), 'old');
    chownSync(at('model'), 0, 2345);
    chmodSync(at('model'), 0o660);
    system.before = (call) => {
      if (call === 'chown temporary') throw Object.assign(new Error('EPERM'), { code: 'EPERM' });
    };
    await writeWhole(at('model'), 'new');
    expect(statSync(at('model')).gid).toBe(statSync(folder).gid);
    expect(mode(at('model'))).toBe(0o600);
  });

  it('through links, to the file at their end, there or not yet', async () => {
    mkdirSync(at('far'));
    writeFileSync(at('far/real'), 'old');
    symlinkSync('far/real', at('link'));
    symlinkSync('link', at('chain'));
    symlinkSync(join('far', 'coming'), at('dangling'));
    await writeWhole(at('chain'), 'new');
    await writeWhole(at('dangling'), 'new');
    expect(readFileSync(at('far/real'), 'utf8')).toBe('new');
    expect(readFileSync(at('far/coming'), 'utf8')).toBe('new');
    expect(readlinkSync(at('chain'))).toBe('link');
    expect(readlinkSync(at('dangling'))).toBe('far/coming');
    expect(readdirSync(at('far')).sort()).toEqual(['coming', 'real']);
    symlinkSync('b', at('a'));
    symlinkSync('a', at('b'));
    expect((await failure(writeWhole(at('a'), 'new'))).details).toMatchObject({ code: 'ELOOP' });
  });

  it.skipIf(process.platform === 'win32')('is a file, in a folder that is there', async () => {
    mkdirSync(at('taken'));
    execFileSync('mkfifo', [at('pipe')]);
    const cases: [string, RegExp][] = [
      [at('taken'), /taken: expected a regular file, got a folder/],
      [at('pipe'), /pipe: expected a regular file, got a pipe/],
      ['/dev/null', /\/dev\/null: expected a regular file, got a device/],
      [at('no/such/x'), /cannot be written: there is no folder .*no\/such/],
      [at('n'.repeat(300)), /the name is too long/],
      ['a\0b', /null bytes/],
    ];
    for (const [file, message] of cases) {
      expect((await failure(writeWhole(file, 'new'))).message).toMatch(message);
      expect((await failure(checkWritable(file))).message).toMatch(message);
    }
    expect(readdirSync(folder).sort()).toEqual(['pipe', 'taken']);
    await checkWritable(at('free'));
    expect(existsSync(at('free'))).toBe(false);
  });

  it('may have the longest name there is', async () => {
    const name = 'ü'.repeat(127);
    await writeWhole(at(name), 'new');
    expect(readdirSync(folder)).toEqual([name]);
  });
});

describe('on Windows, a file that another program has open', () => {
  /** Milliseconds that were waited. */
  let waited = 0;
  /** Whether a rename is refused, by what it is called. */
  const refused = (which: (call: string, times: number) => boolean): void => {
    pretendSystem('win32');
    waited = 0;
    const pause = (done: () => void, ms = 0): unknown => {
      waited += ms;
      return setImmediate(done);
    };
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(pause as typeof setTimeout);
    onTestFinished(() => void vi.restoreAllMocks());
    writeFileSync(at('model'), 'old');
    let times = 0;
    system.before = (call) => {
      if (call.startsWith('rename') && which(call, ++times)) throw Object.assign(new Error('EPERM'), { code: 'EPERM' });
    };
  };

  it('is replaced when it is closed', async () => {
    refused((_, times) => times <= 3);
    await writeWhole(at('model'), PARTS);
    expect(readFileSync(at('model'), 'utf8')).toBe('all of the new');
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it('is as it was after 2 s, and the new one is beside it; the next one that can takes the place', async () => {
    refused((call) => call.endsWith(' model'));
    const beside = `${at('model')}.new`;
    const error = await failure(writeWhole(at('model'), PARTS));
    expect(waited).toBe(2000);
    expect(error.message).toBe(
      `${at('model')}: cannot be replaced: another program has it open. It is as it was, and the new one is ${beside}`,
    );
    expect(error).toMatchObject({ details: { file: at('model'), code: 'EPERM', beside }, cause: { code: 'EPERM' } });
    expect(readdirSync(folder)).toEqual(['model', 'model.new']);
    expect([at('model'), beside].map((file) => readFileSync(file, 'utf8'))).toEqual(['old', 'all of the new']);
    system.before = () => {};
    await writeWhole(at('model'), 'newer');
    expect(readFileSync(at('model'), 'utf8')).toBe('newer');
    // It is not ours to remove: it may be all that is left of a training.
    expect(readFileSync(beside, 'utf8')).toBe('all of the new');
  });

  it('and so is the one beside it: the new one keeps its first name', async () => {
    refused(() => true);
    const error = await failure(writeWhole(at('model'), PARTS));
    expect(error.details.beside).toMatch(/model\.[\w-]+\.tmp$/);
    expect(readFileSync(error.details.beside as string, 'utf8')).toBe('all of the new');
  });

  it.each(['NUL', 'con.safetensors', 'Lpt1.x.y'])('%s is a device there, and a name elsewhere', async (name) => {
    pretendSystem('win32');
    const text = `${at(name)}: expected a regular file, got the name of a device of Windows`;
    expect((await failure(writeWhole(at(name), 'new'))).message).toBe(text);
    expect((await failure(checkWritable(at(name)))).message).toBe(text);
    await writeWhole(at('console.txt'), 'new');
    pretendSystem('linux');
    await writeWhole(at(name), 'new');
    expect(readdirSync(folder).sort()).toEqual([name, 'console.txt'].sort());
  });

  it('elsewhere one refusal is enough', async () => {
    refused(() => true);
    pretendSystem('linux');
    expect((await failure(writeWhole(at('model'), PARTS))).details).toEqual({ file: at('model'), code: 'EPERM' });
    expect(system.calls.filter((call) => call.startsWith('rename'))).toHaveLength(1);
    expect(readdirSync(folder)).toEqual(['model']);
  });
});

describe('writes at once', () => {
  it('go in the order of the calls, by whatever name', async () => {
    symlinkSync('model', at('link'));
    // Later ones would be done sooner.
    let left = 5;
    system.before = async (call) => {
      if (call !== 'writeFile temporary') return;
      const turns = --left;
      for (let i = 0; i < 10 * turns; i++) await new Promise((resolve) => setImmediate(resolve));
    };
    const done: number[] = [];
    const writes = [0, 1, 2, 3, 4].map((i) => {
      return writeWhole(i % 2 ? at('link') : at('model'), String(i)).then(() => done.push(i));
    });
    await Promise.all(writes);
    expect(done).toEqual([0, 1, 2, 3, 4]);
    expect(readFileSync(at('model'), 'utf8')).toBe('4');
    expect(readdirSync(folder).sort()).toEqual(['link', 'model']);
  });

  it('one that fails keeps no other from its turn, and other files do not wait', async () => {
    let release!: () => void;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    system.before = async (call) => {
      if (call !== 'rename temporary model') return;
      await held;
      system.before = () => {};
      throw Object.assign(new Error('EIO'), { code: 'EIO' });
    };
    const first = failure(writeWhole(at('model'), 'first'));
    const second = writeWhole(at('model'), 'second');
    await writeWhole(at('other'), 'free');
    release();
    await first;
    await second;
    expect(readFileSync(at('model'), 'utf8')).toBe('second');
  });
});

describe('temporary files of others', () => {
  /** What a process with this number and start would have left. */
  const left = async (file: string, change: (parts: string[]) => void): Promise<string> => {
    const own = await temporaryFor(file);
    const parts = own.slice(file.length + 1).split('-');
    change(parts);
    const name = `${file}.${parts.join('-')}`;
    writeFileSync(name, 'part of');
    return name;
  };

  it('stay while their writer lives, and go when it is dead', async () => {
    const living = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    onTestFinished(() => void living.kill('SIGKILL'));
    const startOf = (pid: number): string => {
      if (process.platform !== 'linux') return '0';
      const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
      return text.slice(text.lastIndexOf(')') + 2).split(' ')[19]!;
    };
    const start = startOf(living.pid!);
    const theirs = await left(at('model'), (parts) => {
      parts[0] = String(living.pid);
      parts[1] = start;
    });
    // Another thread of this process.
    const thread = await left(at('model'), () => {});
    const handle = openSync(thread, 'a');
    await writeWhole(at('model'), 'new');
    expect(readdirSync(folder).sort()).toEqual(['model', basename(theirs), basename(thread)].sort());
    living.kill('SIGKILL');
    await new Promise((resolve) => living.once('exit', resolve));
    await writeWhole(at('model'), 'new');
    expect(readdirSync(folder).sort()).toEqual(['model', basename(thread)].sort());
    closeSync(handle);
    if (process.platform !== 'linux') return;
    await writeWhole(at('model'), 'new');
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it.skipIf(process.platform !== 'linux')('of a worker that was terminated go, too', async () => {
    // A file that a worker was about to open stays open, which is Node's doing, and empty. The worker may rename it while we look.
    const sizeOf = (name: string): number => statSync(at(name), { throwIfNoEntry: false })?.size ?? 0;
    const others = (): string[] => readdirSync(folder).filter((name) => name !== 'model' && sizeOf(name) > 0);
    let seen = 0;
    // Until one was terminated in the middle of a file: how long that takes, the machine decides.
    for (let i = 0; i < 6 || (seen === 0 && i < 100); i++) {
      const worker = new Worker('./dist/test/children/save.js', { argv: [at('model'), 'forever'], stdout: true });
      await once(worker.stdout, 'data');
      while (others().length === 0) await new Promise((resolve) => setImmediate(resolve));
      await worker.terminate();
      seen += others().length;
      expect(others().length).toBeLessThanOrEqual(1);
    }
    expect(seen).toBeGreaterThan(0);
    await writeWhole(at('model'), 'new');
    expect(others()).toEqual([]);
  });

  it.skipIf(process.platform !== 'linux')('go when another process has the number now', async () => {
    await left(at('model'), (parts) => {
      parts[1] = String(Number(parts[1]) - 1);
    });
    await writeWhole(at('model'), 'new');
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it('go when a day has passed where nothing tells whether their process or another has the number', async () => {
    system.silent = true;
    const name = await left(at('model'), (parts) => {
      parts[0] = String(process.ppid);
      parts[1] = '0';
    });
    await writeWhole(at('model'), 'new');
    expect(existsSync(name)).toBe(true);
    const before = Date.now() / 1000 - 25 * 60 * 60;
    utimesSync(name, before, before);
    await writeWhole(at('model'), 'new');
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it('of another machine or container go when a day has passed', async () => {
    const name = await left(at('model'), (parts) => {
      parts[2] = '0123456789ab';
    });
    await writeWhole(at('model'), 'new');
    expect(existsSync(name)).toBe(true);
    const before = Date.now() / 1000 - 25 * 60 * 60;
    utimesSync(name, before, before);
    await writeWhole(at('model'), 'new');
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it('of other files stay, and so does whatever else is there', async () => {
    const dead = (parts: string[]): void => {
      parts[0] = '999999999';
    };
    const names = [await left(at('model.2'), dead), await left(at('mode'), dead), at('model.tmp'), at('model.1-2-3-4.tmp')];
    for (const name of names) writeFileSync(name, 'theirs');
    await writeWhole(at('model'), 'new');
    expect(readdirSync(folder).sort()).toEqual(['model', ...names.map((name) => basename(name))].sort());
    await writeWhole(at('model.2'), 'new');
    expect(existsSync(names[0]!)).toBe(false);
    expect(dirname(names[0]!)).toBe(folder);
  });
});
