// bench.ts: `gradclip bench`: what a step costs on this machine, with a clip and without, in whole steps and of the optimizer alone.
import { cpus } from 'node:os';
import { addon } from '../native/addon.ts';
import { type Arguments, type Command, usage } from './args.ts';
import { CLIP_CELLS, clipCell } from './bench/clip-step.ts';
import { measurePeak } from './bench/probe.ts';
import { profileTable } from './bench/profile.ts';
import { clipStepRow, type Rounds, stepRow } from './bench/rows.ts';
import { type Cell, type Sample, short } from './bench/sample.ts';
import { profileCell, STEP_CELLS, stepCell } from './bench/tasks.ts';
import { EXIT, exitCodeOfStop } from './exit.ts';
import { count, table } from './format.ts';
import type { Io, StopCause } from './io.ts';
import { choice } from './schema.ts';
import type { Screen } from './screen.ts';

interface Suite {
  readonly cells: readonly string[];
  readonly open: (cell: string, threads: number) => Promise<Cell>;
  readonly row: (cell: string, info: Cell['info'], rounds: Rounds) => Record<string, unknown>;
  /** Columns for people: what to read of a row, and what it is called. */
  readonly columns: readonly (readonly [string, string])[];
}

const SUITES: Readonly<Record<'step' | 'clip-step', Suite>> = {
  step: {
    cells: STEP_CELLS,
    open: stepCell,
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
    open: clipCell,
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
};

export const BENCH: Command = {
  name: 'bench',
  operands: [],
  summary: 'Measure what a training step costs on this machine, with a clip and without',
  more: [
    'Suite step: whole steps of two small networks. Suite clip-step: clip and update alone, on tensors of several sizes.',
    'Variants take turns; figures are medians. Run it on a machine that does nothing else.',
  ],
  flags: {
    suite: { value: 'NAME', help: 'step or clip-step; default step' },
    only: { value: 'A,B', help: `cells or parts of their names: ${STEP_CELLS.join(', ')}; 25x1M, adamw...` },
    threads: { value: 'N', help: 'threads; default: what affinity and container quota allow' },
    seconds: { value: 'S', help: 'for each variant; default 2' },
    rounds: { value: 'R', help: 'in so many turns; default 5' },
    profile: { help: 'suite step: time, flops and bytes of each instruction of a step' },
  },
};

export async function bench(args: Arguments, io: Io, screen: Screen): Promise<number> {
  const name = choice('step', 'clip-step')(args.text('suite') ?? 'step', '--suite');
  const suite = SUITES[name];
  const only = args.text('only')?.split(',');
  const cells = suite.cells.filter((cell) => !only || only.some((part) => part === cell || cell.split('/').includes(part)));
  if (cells.length === 0) throw usage(BENCH, `--only: expected some of ${suite.cells.join(', ')}, got ${args.text('only')}`);
  const threads = args.whole('threads', 1, 256) ?? addon().threads.count;
  const rounds = args.whole('rounds', 1, 1000) ?? 5;
  const seconds = args.positive('seconds') ?? 2;

  if (args.has('profile')) {
    if (name !== 'step') throw usage(BENCH, `--profile: expected suite step, got ${name}`);
    return profile(cells, threads, seconds, screen, io.signal);
  }
  const rows: Record<string, unknown>[] = [];
  for (const cell of cells) {
    screen.redraw([`${cell}...`]);
    const measured = await measure(await suite.open(cell, threads), rounds, seconds / rounds, io.signal);
    if (measured === null) {
      screen.redraw([]);
      return exitCodeOfStop(io.signal.reason as StopCause);
    }
    rows.push(suite.row(cell, measured.info, measured.rounds));
    screen.emit({ peer: 'gradclip', suite: name, threads, isa: addon().isa, ...rows.at(-1) });
  }
  screen.redraw([]);
  screen.say(`${cpus()[0]?.model ?? 'unknown processor'}, ${threads} thread${threads === 1 ? '' : 's'}, ${addon().isa}`);
  const head = suite.columns.map(([, title]) => screen.paint('dim', title));
  const body = rows.map((row) => suite.columns.map(([key]) => cellText(row[key])));
  const align = suite.columns.map(
    (_, i) => (typeof rows[0]![suite.columns[i]![0]] === 'number' ? 'right' : 'left') as 'right' | 'left',
  );
  for (const line of table([head, ...body], align)) screen.say(line);
  return EXIT.ok;
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
