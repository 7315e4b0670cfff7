// suite.ts: what a suite of the bench is.
import type { Rounds } from '../lib/cli/bench/rows.ts';
import type { Engine, Info } from './engine.ts';
import type { Precision } from './ours.ts';
import type { Row } from './report.ts';

export type { Rounds };

/** One bar of the page. */
export interface Bar {
  /** Bars of one chart have one unit; those of one group are compared. */
  readonly chart: string;
  readonly group: string;
  readonly label: string;
  readonly value: number;
}

export interface Suite {
  readonly cells: readonly string[];
  /** Peers asked for by a plain --peers. */
  readonly peers: readonly string[];
  /** Precisions that ours may compute in, where that is not f32 alone. */
  readonly precisions?: readonly Precision[];
  /** Which variants are timed; `extra` names those asked for. */
  variants(info: Info, extra: ReadonlySet<string>): readonly string[];
  row(cell: string, info: Info, rounds: Rounds): Record<string, unknown>;
  /** Of the seconds that are given for each variant, the part that this one gets; default all. */
  part?(variant: string): number;
  /** Further arguments for the peers, by what ours says of the cell. */
  more?(ours: Info): readonly string[];
  /** How many times longer a peer takes; `info` is what ours says. */
  compare?(theirs: Rounds, ours: Rounds, info: Info): Record<string, number>;
  /** What a peer reaches of what the machine can do, as ours of its precision found that. */
  shares?(theirs: Rounds, ours: Rounds, info: Info): Record<string, number>;
  bars(row: Row): Bar[];
  /** A page of its own, in place of bars and one table. */
  page?(facts: readonly string[], rows: readonly Row[]): string;
  /** Lines on the rows of a cell: what they come to. */
  verdict?(rows: readonly Row[]): readonly string[];
  /** All rows as tables in Markdown. */
  tables?(facts: readonly string[], rows: readonly Row[]): string;
  /** What an engine computes wrongly, if anything, by what is recorded or by what ours computes. The suites without it leave that to the engine. */
  check?(
    cell: string,
    engine: Pick<Engine, 'info' | 'digest'>,
    ours: Pick<Engine, 'info' | 'digest'> | null,
  ): Promise<string | null>;
  /** What cells have in common for which an engine may go from one to the next. */
  alike?(cell: string): string;
  /** Milliseconds before another engine is timed; default 100. */
  readonly settle?: number;
  /** How long a round of a cell takes beside others of the suite: what is given to each of a run that has so many minutes for all. */
  weight?(cell: string, threads: number): number;
  /** Cells that are looked at and not timed in rounds: it prints what is found. */
  alone?(cell: string, options: { readonly teams: readonly number[]; readonly json: boolean }): Promise<void>;
}
