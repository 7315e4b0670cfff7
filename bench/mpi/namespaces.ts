// namespaces.ts: two hosts within one machine: network namespaces with a cable between them, whose rate may be held down. Linux, as root.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Launcher } from './ranks.ts';

const ADDRESSES = ['10.213.77.1', '10.213.77.2'] as const;

/** What starts a program on the host of an address, as ssh would: launchers give it options, the address and a command. */
const AGENT = `#!/bin/sh
while [ "\${1#-}" != "$1" ]; do shift; done
case "$1" in
${ADDRESSES.map((address, i) => `${address}) host=NAMES${i} ;;`).join('\n')}
*) echo "no host $1" >&2; exit 1 ;;
esac
shift
exec ip netns exec "$host" unshare --uts sh -c "hostname $host; $*"
`;

const run = (command: string, ...args: readonly string[]): string => {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { stderr, message } = error as Error & { readonly stderr?: string };
    throw new Error(`${command} ${args.join(' ')}: ${stderr?.trim() || message}`);
  }
};

export class TwoHosts {
  readonly #names: readonly [string, string];
  readonly #folder: string;
  readonly #agent: string;

  private constructor(names: readonly [string, string]) {
    this.#names = names;
    this.#folder = mkdtempSync(join(tmpdir(), 'gradclip-hosts-'));
    this.#agent = join(this.#folder, 'agent');
    writeFileSync(
      this.#agent,
      names.reduce((text, name, i) => text.replace(`NAMES${i}`, name), AGENT),
    );
    chmodSync(this.#agent, 0o755);
  }

  /** @throws Error where the system does not let us, or lacks \`ip\` */
  static open(): TwoHosts {
    const names = [0, 1].map((i) => `gradclip-${process.pid}-${i}`) as [string, string];
    const hosts = new TwoHosts(names);
    try {
      for (const name of names) run('ip', 'netns', 'add', name);
      run('ip', 'link', 'add', 'eth0', 'netns', names[0], 'type', 'veth', 'peer', 'name', 'eth0', 'netns', names[1]);
      for (const [i, name] of names.entries()) {
        run('ip', '-n', name, 'addr', 'add', `${ADDRESSES[i]}/24`, 'dev', 'eth0');
        for (const device of ['eth0', 'lo']) run('ip', '-n', name, 'link', 'set', device, 'up');
      }
      // Of a process with another name of host: the system must allow that too.
      run(hosts.#agent, ADDRESSES[1], 'true');
    } catch (error) {
      hosts.close();
      throw error;
    }
    return hosts;
  }

  /** Hold both directions down to so many gigabits a second; null: as fast as the machine copies. */
  rate(gigabits: number | null): void {
    for (const name of this.#names) {
      const of = ['-n', name, 'qdisc'] as const;
      try {
        run('tc', ...of, 'del', 'dev', 'eth0', 'root');
      } catch {
        // There was none.
      }
      // What may pass at once is what the rate lets through in half a millisecond: more would let small messages pass as if nothing held them down.
      const burst = `${Math.ceil((gigabits ?? 0) * 64)}kb`;
      if (gigabits !== null)
        run('tc', ...of, 'add', 'dev', 'eth0', 'root', 'tbf', 'rate', `${gigabits}gbit`, 'burst', burst, 'latency', '50ms');
    }
  }

  /** How a launcher starts a process on each, who reach each other by the cable alone. */
  launcher({ library, command, options, env }: Launcher): Launcher {
    const [first, second] = ADDRESSES;
    const own =
      library === 'Open MPI'
        ? [
            ...['--host', `${first},${second}`, '--mca', 'plm_rsh_agent', this.#agent],
            ...['--mca', 'pml', 'ob1', '--mca', 'btl', 'tcp,self'],
          ]
        : ['-hosts', `${first},${second}`, '-launcher', 'ssh', '-launcher-exec', this.#agent, '-iface', 'eth0'];
    const [name] = this.#names;
    // Both are one machine, by which libraries would take its memory for their way.
    const way = { UCX_TLS: 'tcp,self', UCX_NET_DEVICES: 'eth0' };
    const args = ['netns', 'exec', name, 'unshare', '--uts', 'sh', '-c', `hostname ${name}; exec "$@"`, 'sh', command];
    return { library, command: 'ip', options: [...args, ...options, ...own], env: { ...env, ...way } };
  }

  close(): void {
    for (const name of this.#names) {
      try {
        run('ip', 'netns', 'del', name);
      } catch {
        // It was not made.
      }
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
