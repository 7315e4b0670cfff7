// unread.test.ts: all processes are ended once what the one that ends them has written is read, or after a while.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, constants as flags, openSync, readSync, statSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { folder, installed } from './start.ts';

const ADDON = resolve(import.meta.dirname, '../../dist/lib/native/addon.js');
/** A process that is alone, ends all, and says before that it will. */
const PROGRAM = `
import { writeFileSync, writeSync } from 'node:fs';
const { addon } = await import(${JSON.stringify(ADDON)});
const [file, marker] = process.argv.slice(1);
const { error } = addon().mpi.open(file);
if (error) throw new Error(error);
writeSync(2, 'what went wrong');
writeFileSync(marker, '');
addon().mpi.abort(3);
`;
/** How long it waits at the most, and how soon it is looked at; in ms. */
const PATIENCE = 1000;
const SOON = 200;
let count = 0;

interface Begun {
  /** Whether it has ended. */
  readonly ended: () => boolean;
  readonly end: Promise<number | null>;
  /** Since it was about to end. In ms. */
  readonly since: () => number;
}

async function begin(file: string, stderr: number | Socket): Promise<Begun> {
  const marker = join(folder, `about-to-end-${count++}`);
  const p = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, file, marker], {
    stdio: ['ignore', 'ignore', stderr],
    env: { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' },
  });
  let ended = false;
  const end = new Promise<number | null>((done) => {
    p.on('exit', (code) => {
      ended = true;
      done(code);
    });
  });
  while (!existsSync(marker) && !ended) await sleep(5);
  return { ended: () => ended, end, since: () => Date.now() - statSync(marker).mtimeMs };
}

/** What a process may write to, and how it is read. */
interface Channel {
  readonly to: number | Socket;
  read(): Promise<string>;
  close(): void;
}
const CHANNELS: Readonly<Record<string, () => Promise<Channel>>> = {
  async pipe() {
    const name = join(folder, `pipe-${count++}`);
    execFileSync('mkfifo', [name]);
    const from = openSync(name, flags.O_RDONLY | flags.O_NONBLOCK);
    const to = openSync(name, flags.O_WRONLY);
    const bytes = Buffer.alloc(100);
    const close = (): void => {
      closeSync(from);
      closeSync(to);
    };
    return { to, read: async () => bytes.toString('utf8', 0, readSync(from, bytes)), close };
  },
  async socket() {
    const name = join(folder, `socket-${count++}`);
    const server = createServer({ pauseOnConnect: true }).listen(name);
    const connected = once(server, 'connection') as Promise<[Socket]>;
    const to = connect(name);
    const [from] = await connected;
    await once(to, 'connect');
    const close = (): void => {
      to.destroy();
      from.destroy();
      server.close();
    };
    return { to, read: async () => String(await once(from.resume(), 'data')), close };
  },
};

// Elsewhere it waits for a while, whoever reads.
describe.runIf(process.platform === 'linux').each(installed)('$library', ({ file }) => {
  it.each(Object.keys(CHANNELS))('waits until somebody reads: a %s', async (kind) => {
    for (;;) {
      const channel = await CHANNELS[kind]!();
      const begun = await begin(file, channel.to);
      await sleep(SOON);
      const ended = begun.ended();
      // A machine that is busy comes too late to know.
      const late = begun.since() > PATIENCE / 2;
      expect(await channel.read()).toBe('what went wrong');
      expect(await begun.end).toBe(3);
      const took = begun.since();
      channel.close();
      if (late) continue;
      expect(ended).toBe(false);
      // And no longer.
      if (took < PATIENCE) return;
    }
  });

  it('does not wait for ever', async () => {
    const channel = await CHANNELS.pipe!();
    const begun = await begin(file, channel.to);
    expect(await begun.end).toBe(3);
    expect(begun.since()).toBeGreaterThanOrEqual(PATIENCE);
    channel.close();
  });
});
