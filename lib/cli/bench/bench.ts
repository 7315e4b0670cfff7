// bench.ts: `gradclip bench`: what a step costs on this machine, with a clip and without, in whole steps and of the optimizer alone.
import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { writeWhole } from '../../io/file/write.ts';
import { addon } from '../../native/addon.ts';
import { version } from '../../native/package.ts';
import { MAX_THREADS } from '../../native/threads.ts';
import { choice, number, show, whole } from '../../options/index.ts';
import { count, table } from '../../text/format.ts';
import { type Arguments, type Command, usage } from '../args.ts';
import { EXIT, exitCodeOfStop } from '../exit.ts';
import type { IO, StopCause } from '../io.ts';
import type { Screen } from '../screen.ts';
import { CLIP_CELLS, clipCell } from './clip-step.ts';
import { FAST_CELLS, POLICIES_CELLS, PoliciesCells } from './policies.ts';
import { policiesPage } from './policies-page.ts';
import { measurePeak } from './probe.ts';
import { profileTable } from './profile.ts';
import { clipStepRow, policiesRow, type Rounds, stepRow } from './rows.ts';
import { type Cell, type Sample, short } from './sample.ts';
import { profileCell, STEP_CELLS, stepCell, taskOf } from './tasks.ts';

interface Opener {
  /** A string says why a cell cannot be timed. */
  open(cell: string): Promise<Cell | string>;
  /** Frees what it keeps from one cell to the next. */
  dispose?(): void;
}

interface Suite {
  readonly cells: readonly string[];
  /** Cells when nobody says which; default all. */
  readonly usual?: readonly string[];
  /** What opens cells on so many threads, one after the other. */
  readonly begin: (threads: number) => Opener;
  readonly row: (cell: string, info: Cell['info'], rounds: Rounds) => Record<string, unknown>;
  /** Columns for people: what to read of a row, and what it is called. */
  readonly columns: readonly (readonly [string, string])[];
}

const SUITES: Readonly<Record<'step' | 'clip-step' | 'policies', Suite>> = {
  step: {
    cells: STEP_CELLS,
    begin: (threads) => ({ open: (cell) => stepCell(cell, threads) }),
    row: stepRow,
    columns: [
      ['workload', 'workload'],
      ['params', 'parameters'],
      ['median_ms', 'step, ms'],
      ['noclip_ms', 'without clip, ms'],
      ['overhead_percent', 'clip costs, %'],
      ['spread_percent', 'spread, %'],
    ],
  },
  'clip-step': {
    cells: CLIP_CELLS,
    begin: (threads) => ({ open: (cell) => clipCell(cell, threads) }),
    row: clipStepRow,
    columns: [
      ['case', 'tensors'],
      ['optimizer', 'optimizer'],
      ['params', 'parameters'],
      ['update_ms', 'update, ms'],
      ['global_norm_step_ms', 'global norm, ms'],
      ['value_step_ms', 'value, ms'],
    ],
  },
  policies: {
    cells: POLICIES_CELLS,
    usual: FAST_CELLS,
    begin: (threads) => new PoliciesCells(threads, { task: taskOf }),
    row: policiesRow,
    columns: [
      ['kind', 'kind'],
      ['place', 'place'],
      ['name', 'name'],
      ['threads', 'threads'],
      ['without_ms', 'without, ms'],
      ['with_ms', 'with, ms'],
      ['cost_percent', 'costs, %'],
      ['cost_low_percent', 'from'],
      ['cost_high_percent', 'to'],
      ['extra_passes', 'passes alone'],
      ['policy_state_bytes', 'state, bytes'],
    ],
  },
};

export const BENCH: Command = {
  name: 'bench',
  operands: [],
  summary: 'Measure what a training step costs on this machine, with a clip and without',
  more: [
    'Suite step: whole steps of two small networks. Suite clip-step: clip and update alone, on tensors of several sizes.',
    'Suite policies: each clip policy and each optimizer, in steps of mlp-small and mlp-large and standalone on tensors; cells are',
    'policy/6x40k/globalNorm, optimizer/mlp-small/adamw and so on, by default those of mlp-small and 6x40k.',
    'Variants take turns; figures are medians. Run it on a machine that does nothing else.',
  ],
  flags: {
    suite: { value: 'NAME', help: 'what is measured', takes: choice('step', 'clip-step', 'policies').default('step') },
    only: { value: 'A,B', help: `cells or parts of their names: ${STEP_CELLS.join(', ')}; 25x1M, adamw...` },
    threads: { value: 'N,M', help: 'threads, one number or several; default: what affinity and container quota allow' },
    seconds: { value: 'S', help: 'for each variant', takes: number({ above: 0 }).default(2) },
    rounds: { value: 'R', help: 'in so many turns', takes: whole({ min: 1, max: 1000 }).default(5) },
    html: { value: 'FILE', help: 'suite policies: also write a page with the method, the machine and the tables' },
    profile: { help: 'suite step: time, flops and bytes of each instruction of a step' },
  },
};

export async function bench(args: Arguments, io: IO, screen: Screen): Promise<number> {
  const name = args.choice<keyof typeof SUITES>('suite');
  const suite = SUITES[name];
  const only = args.text('only')?.split(',');
  const matches = (cell: string, part: string): boolean => `/${cell}/`.includes(`/${part}/`);
  const cells = only ? suite.cells.filter((cell) => only.some((part) => matches(cell, part))) : (suite.usual ?? suite.cells);
  if (cells.length === 0) throw usage(BENCH, `--only: expected some of ${suite.cells.join(', ')}, got ${args.text('only')}`);
  const counts = threadsOf(args);
  const rounds = args.number('rounds')!;
  const seconds = args.number('seconds')!;
  const html = args.text('html');
  if (html !== undefined && name !== 'policies') throw usage(BENCH, `--html: expected suite policies, got ${name}`);

  if (args.has('profile')) {
    if (name !== 'step') throw usage(BENCH, `--profile: expected suite step, got ${name}`);
    return profile(cells, counts[0]!, seconds, screen, io.signal);
  }
  const rows: Record<string, unknown>[] = [];
  for (const threads of counts) {
    const opener = suite.begin(threads);
    for (const [i, cell] of cells.entries()) {
      screen.redraw([`${cell}... ${i + 1} of ${cells.length}`]);
      const opened = await opener.open(cell);
      if (typeof opened === 'string') {
        screen.note(`${cell}: ${opened}`);
        continue;
      }
      const measured = await measure(opened, rounds, seconds / rounds, io.signal);
      opened.dispose?.();
      if (measured === null) {
        screen.redraw([]);
        return exitCodeOfStop(io.signal.reason as StopCause);
      }
      rows.push({ threads, ...suite.row(cell, measured.info, measured.rounds) });
      screen.emit({ peer: 'gradclip', suite: name, isa: addon().isa, ...rows.at(-1) });
    }
    opener.dispose?.();
  }
  screen.redraw([]);
  const facts = `${cpus()[0]?.model ?? 'unknown processor'}, ${counts.join(' and ')} thread${counts.at(-1) === 1 ? '' : 's'}, ${addon().isa}`;
  screen.say(facts);
  if (rows.length === 0) return EXIT.runtime;
  const head = suite.columns.map(([, title]) => screen.paint('dim', title));
  const body = rows.map((row) => suite.columns.map(([key]) => cellText(row[key])));
  const align = suite.columns.map(
    (_, i) => (typeof rows[0]![suite.columns[i]![0]] === 'number' ? 'right' : 'left') as 'right' | 'left',
  );
  for (const line of table([head, ...body], align)) screen.say(line);
  if (html !== undefined) {
    const command = `gradclip bench --suite policies --threads ${counts.join()} --seconds ${seconds} --rounds ${rounds}`;
    const lines = [
      `${facts}, gradclip ${version()}, node ${process.version}`,
      only ? `${command} --only ${only.join()}` : command,
    ];
    const own = rows.map((row) => ({ peer: 'gradclip', ...row }));
    await writeWhole(resolve(io.cwd, html), policiesPage(lines, own));
  }
  return EXIT.ok;
}

function threadsOf(args: Arguments): number[] {
  const text = args.text('threads');
  if (text === undefined) return [addon().threads.count];
  const counts = text.split(',').map((part) => (/^\d+$/.test(part) ? Number(part) : Number.NaN));
  if (counts.every((n) => n >= 1 && n <= MAX_THREADS)) return counts;
  throw usage(BENCH, `--threads: expected whole numbers from 1 to ${MAX_THREADS}, got ${show(text)}`);
}

async function profile(
  cells: readonly string[],
  threads: number,
  seconds: number,
  screen: Screen,
  signal: AbortSignal,
): Promise<number> {
  const peak = measurePeak(threads);
  for (const cell of cells) {
    if (signal.aborted) return exitCodeOfStop(signal.reason as StopCause);
    screen.redraw([`${cell}...`]);
    const found = await profileCell(cell, threads, seconds);
    screen.redraw([]);
    screen.emit({ peer: 'gradclip', suite: 'profile', workload: cell, isa: addon().isa, peak, ...found });
    screen.say(
      `${cell}: ${short(found.ms)} ms a step in ${found.instrs.length} instructions, ${found.threads} threads, ${addon().isa}`,
    );
    for (const line of profileTable(found, peak)) screen.say(line);
  }
  screen.say(
    `The peak is what the machine does at most: ${short(peak.gflops)} GFLOP/s of fma, ${short(peak.gbytes)} GB/s in place.`,
  );
  return EXIT.ok;
}

/** Rounds of all variants in turn, the order turned around each time. Null when told to stop. */
async function measure(
  cell: Cell,
  turns: number,
  seconds: number,
  signal: AbortSignal,
): Promise<{ info: Cell['info']; rounds: Rounds } | null> {
  const names = Object.keys(cell.variants);
  const rounds = new Map(names.map((name): [string, Sample[]] => [name, []]));
  for (let turn = 0; turn < turns; turn++) {
    for (const name of turn % 2 === 1 ? names.toReversed() : names) {
      // A turn for signals, which synchronous calls do not let in.
      await new Promise((resolve) => setImmediate(resolve));
      if (signal.aborted) return null;
      rounds.get(name)!.push(await cell.variants[name]!(seconds));
    }
  }
  return { info: cell.info, rounds };
}

function cellText(value: unknown): string {
  if (typeof value !== 'number') return String(value ?? '');
  return Number.isInteger(value) ? count(value) : String(short(value));
}
