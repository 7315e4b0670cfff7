// mutant.ts: a small fault that tests must see.
import type { Change } from './change.ts';

/** A change of one line. */
export interface Mutant extends Change {
  /** What is wrong with it. */
  readonly what: string;
  /**
   * Files of the tests of which one fails, and if there is a second, a text that their names have. They read `lib/` as TypeScript: what they start as a
   * process is of dist/, where no mutant is.
   */
  readonly tests: readonly [files: string, named?: string];
}

/** Mutants by what is wrong with them. */
export type Mutants = Readonly<Record<string, Omit<Mutant, 'what'>>>;
