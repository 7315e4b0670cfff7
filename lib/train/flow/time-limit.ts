// time-limit.ts: the time that a run has: when it is over, how many steps fit into what is left of it, and who is woken when it ends.

// Of a timer: a longer one would fire at once.
const LONGEST_MS = 2 ** 31 - 1;
// Of a step: a clock may see none.
const SHORTEST_MS = 1e-6;

export class TimeLimit {
  readonly #end: number;
  readonly #together: boolean;
  /** All processes of a group have agreed that it is over. */
  #agreed = false;
  /** The run has tried a step. */
  #ran = false;
  /** The time was over while the run waited for a batch: it does not wait for it any more. */
  #woken = false;
  #began = 0;
  #msPerStep: number | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /**
   * @param seconds from now on
   * @param together it is over when all processes of a group have agreed that it is, and not before
   */
  constructor(seconds: number, together: boolean = false) {
    this.#together = together;
    this.#end = performance.now() + 1000 * seconds;
  }

  /** Whether the run shall end. It has one step at least, however short the time: so whoever resumes it again and again comes to its end. */
  get over(): boolean {
    return this.#together ? this.#agreed : this.passed;
  }

  /** The same by the clock of this process. */
  get passed(): boolean {
    return (this.#ran || this.#woken) && this.#left <= 0;
  }

  get secondsLeft(): number {
    return Math.max(0, this.#left) / 1000;
  }

  /** As many steps as fit into the time that is left, by the pace of those before; the first goes alone. */
  get steps(): number {
    return this.#together ? Number.POSITIVE_INFINITY : this.fitting;
  }

  /** The same by the clock of this process. */
  get fitting(): number {
    return this.#msPerStep === null ? 1 : Math.max(1, Math.ceil(this.#left / Math.max(this.#msPerStep, SHORTEST_MS)));
  }

  /** @param wake called when the time is over: ends the steps that are being run, and whether anybody waited for a batch */
  start(wake: () => boolean): void {
    // Steps that were agreed on are run, and they are few.
    if (this.#together) return;
    const fire = (): void => {
      if (this.#left > 0) this.#arm(fire);
      else this.#woken = wake();
    };
    this.#arm(fire);
  }

  /** All processes of a group end. */
  agree(): void {
    this.#agreed = true;
  }

  /** Steps are run. */
  begin(): void {
    this.#began = performance.now();
  }

  /** So many were tried. */
  ran(steps: number): void {
    this.#ran = true;
    if (steps > 0) this.#msPerStep = (performance.now() - this.#began) / steps;
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  get #left(): number {
    return this.#end - performance.now();
  }

  #arm(fire: () => void): void {
    this.#timer = setTimeout(fire, Math.min(LONGEST_MS, Math.max(1, Math.ceil(this.#left))));
    this.#timer.unref?.();
  }
}
