// plan.ts: a run that has so many minutes for all of its cells: how many seconds each gets.

/** What is still to be measured. */
export interface Planned {
  readonly cell: string;
  readonly threads: number;
  /** How long a round of one engine takes, beside the others. */
  readonly weight: number;
}

/** A share of what is left for each cell, by its weight and by how many engines take part; what a cell does not use, the others get. */
export class Plan {
  #left: number;
  #weights: number;
  /** Engines of a cell, as far as is known: one that many peers can do takes more than its share of those that none can. */
  #seen = { engines: 1.5, cells: 1 };

  /** @param seconds for all that is to be measured */
  constructor(seconds: number, cells: readonly Planned[]) {
    this.#left = seconds;
    this.#weights = cells.reduce((sum, { weight }) => sum + weight, 0);
  }

  /** Seconds for the rounds of the cell that is next, once it is known who takes part, and how long it took to come so far. */
  share({ weight }: Planned, engines: number, spent: number): number {
    this.#seen = { engines: this.#seen.engines + engines, cells: this.#seen.cells + 1 };
    const usual = this.#seen.engines / this.#seen.cells;
    const share = (this.#left * weight * engines) / usual / this.#weights;
    // To begin is part of what a cell takes; there must be something left of it.
    return Math.max(share / 4, share - spent);
  }

  /** A cell is over, and took so long. */
  over({ weight }: Planned, seconds: number): void {
    this.#left = Math.max(0, this.#left - seconds);
    this.#weights -= weight;
  }
}
