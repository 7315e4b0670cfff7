// balance.ts: how a step of a workload is cut for teams of many threads, seen on any machine: the threads work one after the other
// (binding/turns.h), so the time of each is that of its share. What many cores would have in common, memory above all, it does not tell.

import { Stepper } from '../lib/cli/bench/stepper.ts';
import * as clip from '../lib/clip/index.ts';
import type { Module } from '../lib/nn/index.ts';
import { percent, short, table } from '../lib/text/format.ts';
import type { InstructionProfile, Profile } from '../lib/train/index.ts';
import { fillParameters, type Workload } from './workload.ts';

/** Instructions that keep a team below this are named. */
const WANTED = 0.85;
/** And take this part of the team's step at least. */
const PART = 0.01;
/** Each team's steps take about so long. */
const SOME_MS = 400;

/** One team on one workload. */
interface Team {
  readonly threads: number;
  /** A step, with a core for each thread. */
  readonly ms: number;
  /** Time of one thread over that of all of the team's, waiting included. */
  readonly efficiency: number;
  /** The same of its cut alone, by the operations that each instruction has: what threads do twice, and what small tiles cost, left out. */
  readonly by_flops: number;
  readonly barriers: number;
  readonly slow: readonly Slow[];
}

interface Slow {
  readonly instruction: string;
  /** Of the team's step. */
  readonly part: number;
  /** The part of the team's time that it works. */
  readonly working: number;
  /** The largest share over the mean. */
  readonly largest: number;
  readonly barriers: number;
  /** Threads that it was left to: one, where it is too small to share. */
  readonly serial: boolean;
}

const sum = (list: readonly InstructionProfile[], of: (i: InstructionProfile) => number): number =>
  list.reduce((total, i) => total + of(i), 0);

/** Of `threads`, those which an instruction keeps busy: a serial one has one. */
const working = (i: InstructionProfile, threads: number): number => (i.serial ? i.busy / threads : i.busy);

function teamOf({ instrs, ms, threads }: Profile, alone: number): Team {
  const flops = sum(instrs, (i) => i.calls * i.flops);
  const slow = instrs.filter((i) => working(i, threads) < WANTED && i.share >= PART);
  return {
    threads,
    ms,
    efficiency: alone / (threads * ms),
    by_flops: flops / sum(instrs, (i) => (i.calls * i.flops) / working(i, threads)),
    barriers: sum(instrs, (i) => (i.calls * i.barriers!) / instrs[0]!.calls),
    slow: slow
      .toSorted((a, b) => b.share * (1 - working(b, threads)) - a.share * (1 - working(a, threads)))
      .map((i) => ({
        instruction: i.note,
        part: i.share,
        working: working(i, threads),
        largest: i.serial ? threads : i.largest!,
        barriers: i.barriers!,
        serial: i.serial,
      })),
  };
}

async function profileOf(name: string, threads: number): Promise<Profile> {
  const { WORKLOAD } = (await import(`./workloads/${name}.js`)) as { WORKLOAD: Workload<Module> };
  const { loss, optimizer } = WORKLOAD;
  const model = WORKLOAD.model();
  fillParameters(model, WORKLOAD.bounds);
  const stepper = new Stepper({ model, batch: WORKLOAD.batch(), loss, optimizer }, clip.globalNorm(1), threads);
  try {
    const { ms } = await stepper.profiled(2, 'balance');
    return await stepper.profiled(Math.min(200, Math.max(3, Math.ceil(SOME_MS / (ms * threads)))), 'balance');
  } finally {
    stepper.dispose();
  }
}

/** Looks at each team, and prints it. */
export async function balance(
  name: string,
  options: { readonly teams: readonly number[]; readonly json: boolean },
): Promise<void> {
  const alone = await profileOf(name, 1);
  const cost = { flops: sum(alone.instrs, (i) => i.flops), bytes: sum(alone.instrs, (i) => i.bytes) };
  const teams: Team[] = [];
  for (const threads of options.teams) {
    const profile = await profileOf(name, threads);
    // A step that is too small to share has one thread, whatever is asked for.
    if (profile.threads === threads) teams.push(teamOf(profile, alone.ms));
  }
  if (options.json) return console.log(JSON.stringify({ suite: 'balance', workload: name, one_ms: alone.ms, ...cost, teams }));
  const size = `${short(cost.flops / 1e9)} GFLOP, ${short(cost.bytes / 1e6)} MB read and written`;
  console.log(`${name}: one thread ${short(alone.ms)} ms, ${size}, ${alone.instrs.length} instructions`);
  if (teams.length === 0) return console.log('  too small to share: one thread, whatever is asked for');
  const rows = teams.map((t) => [
    `  ${t.threads}`,
    short(t.ms),
    percent(t.efficiency, 1),
    percent(t.by_flops, 1),
    short(t.barriers),
  ]);
  for (const line of table([['  team', 'ms', 'efficiency', 'of the cut', 'barriers'], ...rows], Array(5).fill('right')))
    console.log(line);
  for (const { threads, slow } of teams.filter((t) => t.slow.length > 0)) {
    console.log(`  below ${percent(WANTED, 1, 0)} at ${threads}:`);
    const lines = slow.map((s) => [
      `    ${s.instruction.slice(0, 60)}`,
      percent(s.part, 1),
      percent(s.working, 1, 0),
      s.serial ? 'serial' : `${s.largest.toFixed(2)} x`,
      short(s.barriers),
    ]);
    const head = ['    instruction', 'of the step', 'working', 'largest share', 'barriers'];
    for (const line of table([head, ...lines], ['left', 'right', 'right', 'right', 'right'])) console.log(line);
  }
}
