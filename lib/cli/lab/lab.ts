// lab.ts: `gradclip lab`: policies and thresholds tried on small networks, side by side, with what came of it.
import { resolve } from 'node:path';
import { writeWhole } from '../../io/file/write.ts';
import { labCsv } from '../../lab/csv.ts';
import { keyOf, type LabLine } from '../../lab/line.ts';
import { labPage } from '../../lab/page/page.ts';
import { cellsOf, left, type PlannedCell, runCells, type Shard, shardOf } from '../../lab/plan.ts';
import { POLICIES } from '../../lab/policies.ts';
import { LabRecorder, readLab } from '../../lab/record.ts';
import { summarize, summaryTable } from '../../lab/summary.ts';
import { HELD_OUT } from '../../lab/workloads/held-out/list.ts';
import { WORKLOADS } from '../../lab/workloads/list.ts';
import { machineText } from '../../native/machine.ts';
import { version } from '../../native/package.ts';
import { whole } from '../../options/index.ts';
import { count, duration, table } from '../../text/format.ts';
import { type Arguments, type Command, usage } from '../args.ts';
import { EXIT, exitCodeOfStop } from '../exit.ts';
import type { IO, StopCause } from '../io.ts';
import { checkOutput } from '../output.ts';
import type { Screen } from '../screen.ts';
import { runJobs } from './jobs.ts';
import { readPlan } from './plan.ts';

/** Names in lines of a terminal's width. */
function listed(what: string, names: Iterable<string>): string[] {
  const lines = [`${what}:`];
  for (const name of names) {
    if (lines.at(-1)!.length + name.length > 138) lines.push(' ');
    lines.push(`${lines.pop()!} ${name}`);
  }
  return lines;
}

export const LAB: Command = {
  name: 'lab',
  operands: ['[FILE.json]'],
  summary: 'Try clip policies and thresholds on small networks, side by side, and say what came of it',
  more: [
    'Every policy and level is tried with the same seeds: the same data, first weights and batches. A score compares its test loss with that of the best of',
    'ten fixed thresholds, which are tried too; docs/LAB.md says how. With --record each run is a line of a file; started again, it goes on with the runs',
    'that are not there. FILE.json says what is tried, in place of the lists of the library: networks are configurations of `gradclip train`, policies',
    'those of key clip.',
    ...listed('Networks', WORKLOADS.keys()),
    ...listed('Held out', HELD_OUT.keys()),
    ...listed('Policies', POLICIES.keys()),
  ],
  flags: {
    workloads: {
      value: 'A,B',
      help: 'networks by name; default: the 24, or those of FILE.json; held-out: twelve others, which nobody has tuned anything by',
    },
    policies: {
      value: 'A,B',
      help: 'policies by name; default: those with five levels each, none and auto, or those of FILE.json',
    },
    optimizers: { value: 'A,B', help: 'sgd, adam, or both; default: both' },
    seeds: {
      value: 'N',
      help: 'seeds, from 0; default 10, or what FILE.json says',
      takes: whole({ min: 1, max: 10_000 }).optional(),
    },
    record: { value: 'FILE', help: 'write a line for each run here; what is there already is not run again' },
    from: { value: 'A,B', help: 'records of other machines or shards to take in; their runs are not run again' },
    shard: {
      value: 'I/N',
      help: 'only part I of N of the runs, from 1/N to N/N, for several machines, each with a record of its own',
    },
    jobs: { value: 'N', help: 'processes that share the runs', takes: whole({ min: 1, max: 256 }).default(1) },
    plan: { help: 'print what would be run, and end' },
    report: { help: 'run nothing: tell what the records of --from come to' },
    page: { value: 'FILE', help: 'write a page with the outcome here (HTML)' },
    csv: { value: 'FILE', help: 'write all runs here, as a table' },
  },
};

export async function lab(args: Arguments, io: IO, screen: Screen): Promise<number> {
  const path = (flag: string): string | null => (args.has(flag) ? resolve(io.cwd, args.text(flag)!) : null);
  const outputs = { page: path('page'), csv: path('csv') };
  for (const [flag, file] of Object.entries(outputs)) if (file !== null) await checkOutput(`--${flag}`, file);
  const [file, shard, jobs] = [path('record'), shardIn(args), args.number('jobs')!];
  const from =
    args
      .text('from')
      ?.split(',')
      .map((name) => resolve(io.cwd, name)) ?? [];
  checkTogether(args);
  const known = new Map<string, LabLine>();
  const know = (lines: readonly LabLine[]): void => {
    for (const line of lines) known.set(keyOf(line), line);
  };
  for (const name of from) know((await readLab(name)).lines);
  if (args.has('report')) {
    await tell([...known.values()], outputs, screen);
    return EXIT.ok;
  }
  const plan = await readPlan(args, io.cwd);
  const all = cellsOf(plan);
  const mine = shard ? shardOf(all, shard) : all;
  if (args.has('plan')) {
    tellPlan(screen, all, mine, left(mine, new Set(known.keys())));
    return EXIT.ok;
  }
  const recorder = file === null ? null : await LabRecorder.open(file, machineText());
  try {
    know(recorder?.done ?? []);
    const cells = left(mine, new Set(known.keys()));
    tellPlan(screen, all, mine, cells);
    const view = new View(screen, cells);
    const each = (line: LabLine): void => {
      know([line]);
      recorder?.add(line);
      screen.emit({ event: 'run', ...line });
      view.done(line);
    };
    const records = [...from, ...(file === null ? [] : [file])];
    if (jobs > 1) await runJobs({ args, io, count: jobs, all, left: cells, records }, each);
    else {
      await runCells(cells, async (line) => {
        each(line);
        // A turn for signals, which a training does not let in.
        await new Promise((next) => setImmediate(next));
        return !io.signal.aborted;
      });
    }
    screen.redraw([]);
    if (io.signal.aborted) return exitCodeOfStop(io.signal.reason as StopCause);
  } finally {
    recorder?.close();
  }
  // A part reports its runs alone: their outcome is that of all parts.
  if (!shard)
    await tell(
      all.flatMap(({ runs }) => runs.flatMap(({ key }) => known.get(keyOf(key)) ?? [])),
      outputs,
      screen,
    );
  return EXIT.ok;
}

/** @throws OptionError where flags do not go together */
function checkTogether(args: Arguments): void {
  const without = (flag: string, others: readonly string[], why: string): void => {
    const other = others.find((name) => args.has(name));
    if (args.has(flag) && other !== undefined) throw usage(LAB, `--${flag} goes without --${other}: ${why}`);
  };
  without('shard', ['page', 'csv', 'report'], 'a part has no outcome of its own; --from A,B --report gives that of all parts');
  without('plan', ['page', 'csv', 'report', 'record'], 'it runs nothing');
  without('report', ['record', 'workloads', 'policies', 'optimizers', 'seeds'], 'the runs are those of --from');
  if (args.has('report') && args.operands.length > 0)
    throw usage(LAB, '--report goes without a file: the runs are those of --from');
  if (args.has('report') && !args.has('from')) throw usage(LAB, '--report: expected --from, with the records to report');
}

/** What came of the runs: a table, and the files that are asked for. */
async function tell(
  lines: readonly LabLine[],
  { page, csv }: { readonly page: string | null; readonly csv: string | null },
  screen: Screen,
): Promise<void> {
  const summary = summarize(lines);
  for (const row of summary.rows) screen.emit({ event: 'policy', ...row });
  if (page !== null) await writeWhole(page, labPage(summary, { machine: machineText(), version: version() }));
  if (csv !== null) await writeWhole(csv, labCsv(lines));
  const rows = summaryTable(summary);
  const align = rows[0]!.map((_, i) => (i === 0 ? ('left' as const) : ('right' as const)));
  for (const line of table(rows, align)) screen.say(line);
  if (summary.incomplete > 0) {
    screen.say(
      `left out: ${count(summary.incomplete)} of a network, optimizer and seed whose ten fixed thresholds are not all there`,
    );
  }
  for (const { workload, policy, why } of summary.refused) screen.say(`${policy} does not go with ${workload}: ${why}`);
  for (const output of [page, csv]) if (output !== null) screen.say(`wrote ${output}`);
}

function shardIn(args: Arguments): Shard | null {
  const text = args.text('shard');
  if (text === undefined) return null;
  const [index, count] = (/^(\d+)\/(\d+)$/.exec(text)?.slice(1) ?? []).map(Number) as [number?, number?];
  if (index !== undefined && count !== undefined && index >= 1 && index <= count) return { index, count };
  throw usage(LAB, `--shard: expected a part such as 1/4, got ${text}`);
}

const runsIn = (cells: readonly PlannedCell[]): number => cells.reduce((sum, { runs }) => sum + runs.length, 0);
const stepsIn = (cells: readonly PlannedCell[]): number =>
  cells.reduce((sum, { runs, workload }) => sum + runs.length * workload.steps, 0);

function tellPlan(
  screen: Screen,
  all: readonly PlannedCell[],
  mine: readonly PlannedCell[],
  cells: readonly PlannedCell[],
): void {
  const facts = { runs: runsIn(all), steps: stepsIn(all), shard: runsIn(mine), left: runsIn(cells), leftSteps: stepsIn(cells) };
  screen.emit({ event: 'plan', ...facts });
  const names = new Set(all.map(({ workload }) => workload.name));
  const shared = facts.shard < facts.runs ? `, of which ${count(facts.shard)} are this part's` : '';
  const there = facts.left < facts.shard ? `; ${count(facts.shard - facts.left)} are there already` : '';
  screen.say(
    `${count(facts.runs)} runs of ${names.size} network${names.size === 1 ? '' : 's'}${shared}${there}; ${count(facts.leftSteps)} steps to do`,
  );
}

/** How far it is. */
class View {
  readonly #screen: Screen;
  readonly #steps: number;
  readonly #runs: number;
  readonly #started = performance.now();
  #runsDone = 0;
  #stepsDone = 0;
  #told = 0;

  constructor(screen: Screen, cells: readonly PlannedCell[]) {
    this.#screen = screen;
    this.#steps = stepsIn(cells);
    this.#runs = runsIn(cells);
  }

  done({ workload, optimizer, policy, level, steps }: LabLine): void {
    this.#runsDone++;
    this.#stepsDone += steps;
    const now = performance.now();
    if (now - this.#told < 200) return;
    this.#told = now;
    const spent = now - this.#started;
    const rest = (spent * (this.#steps - this.#stepsDone)) / this.#stepsDone;
    this.#screen.redraw([
      `${count(this.#runsDone)} of ${count(this.#runs)} runs, ${duration(rest)} left: ${workload}, ${optimizer}, ${policy} ${level}`,
    ]);
  }
}
