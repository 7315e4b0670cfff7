// standing.ts: the numbers that a search goes on with in its next step.

/** Where a search stands. Pairs lie in a ring, in which one place is always free: the next one is written there before it is known to be of use. */
export class Standing {
  /** Iterations and evaluations since it began. */
  iterations: number = 0;
  evaluations: number = 0;
  /** Pairs that there are, and the place of the newest. */
  count: number = 0;
  newest: number = 0;
  /** How far along `d` the last iteration went. */
  t: number = 0;
  /** What the curvature without any pair is taken to be: its reciprocal. */
  scale: number = 1;
  /** Whether the step before has ended where nothing was evaluated. */
  unseen: boolean = false;
  /** 1 / (y s) of the pair in each place. */
  readonly rho: Float64Array;

  /** @param historySize pairs at most */
  constructor(historySize: number) {
    this.rho = new Float64Array(historySize + 1);
  }

  /** Numbers that `write` gives. */
  static length(historySize: number): number {
    return 7 + historySize + 1;
  }

  /** @param from zeros: nothing was searched yet */
  read(from: ArrayLike<number>): this {
    const [iterations = 0, evaluations = 0, count = 0, newest = 0, t = 0, scale = 0, unseen = 0, ...rho] = Array.from(from);
    Object.assign(this, { iterations, evaluations, count, newest, t, scale: iterations === 0 ? 1 : scale, unseen: unseen !== 0 });
    this.rho.set(rho);
    return this;
  }

  write(): Float64Array {
    const { iterations, evaluations, count, newest, t, scale, unseen, rho } = this;
    return Float64Array.of(iterations, evaluations, count, newest, t, scale, Number(unseen), ...rho);
  }

  /** Places of the pairs, the newest first. */
  get places(): number[] {
    const { length } = this.rho;
    return Array.from({ length: this.count }, (_, i) => (this.newest - i + length) % length);
  }

  /** Where the next pair is written. */
  get free(): number {
    return (this.newest + 1) % this.rho.length;
  }

  /** The pair in the free place is one; the oldest goes where there are too many. */
  add(ys: number, yy: number): void {
    this.newest = this.free;
    this.rho[this.newest] = 1 / ys;
    this.scale = ys / yy;
    this.count = Math.min(this.count + 1, this.rho.length - 1);
  }

  /** Begin anew: what is known of the curvature is forgotten. */
  forget(): void {
    this.iterations = 0;
    this.count = 0;
    this.t = 0;
    this.scale = 1;
    this.unseen = false;
  }
}
