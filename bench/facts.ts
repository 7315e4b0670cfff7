// facts.ts: what a figure belongs to: the machine, the versions and the command.
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { basename, isAbsolute } from 'node:path';
import { addon } from '../lib/native/addon.ts';
import { packageRoot, version } from '../lib/native/package.ts';
import { bytes } from '../lib/text/format.ts';
import type { Options } from './options.ts';
import type { Peer } from './peers.ts';

export interface Facts {
  readonly date: string;
  readonly command: string;
  readonly cpu: string;
  /** Processors that the system has, and those that this process may use. */
  readonly cores: number;
  readonly available: number;
  readonly threads: readonly number[];
  readonly isa: string;
  readonly memory: string;
  /** Runnable processes, mean of the last minute, before the benchmark began. */
  readonly load: number;
  readonly node: string;
  readonly gradclip: string;
  readonly peers: Readonly<Record<string, string>>;
}

export function gather(argv: readonly string[], options: Options, peers: readonly Peer[]): Facts {
  const isa = process.env.GRADCLIP_ISA;
  return {
    date: new Date().toISOString().slice(0, 16),
    command: `${isa ? `GRADCLIP_ISA=${isa} ` : ''}npm run -s bench -- ${argv.map(named).join(' ')}`.trim(),
    cpu: cpus()[0]?.model ?? 'unknown processor',
    cores: cpus().length,
    available: availableParallelism(),
    threads: options.threadCounts,
    isa: addon().isa,
    memory: bytes(totalmem()),
    load: Number(loadavg()[0]!.toFixed(2)),
    node: process.version,
    gradclip: `${version()}${commit()}`,
    peers: Object.fromEntries(peers.map(({ peer, version }) => [peer, version])),
  };
}

/** Of a file in some folder its name: where that is says nothing to others. */
const named = (arg: string): string => (isAbsolute(arg) ? basename(arg) : arg);

/** Facts as lines for people. */
export function factLines(facts: Facts): string[] {
  const { date, command, cpu, cores, available, threads, isa, memory, load, node, gradclip, peers } = facts;
  const names = Object.entries(peers).map(([peer, version]) => `${peer} ${version}`);
  return [
    `${cpu}, ${cores} cores (${available} available), ${memory}, load ${load}`,
    `${threads.join(' and ')} thread${threads.at(-1) === 1 ? '' : 's'}, ${isa}, gradclip ${gradclip}, node ${node}${names.length > 0 ? `; ${names.join(', ')}` : ''}`,
    `${date} UTC: ${command}`,
  ];
}

/** The checkout's commit, with a + where files differ from it; nothing outside a checkout. */
function commit(): string {
  try {
    const argv = ['-C', packageRoot(), 'describe', '--always', '--exclude=*', '--dirty=+'];
    return ` (${execFileSync('git', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()})`;
  } catch {
    return '';
  }
}
