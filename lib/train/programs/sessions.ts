// sessions.ts: sessions that outlive the call they were made for, so that the next one over data of the same kind finds its programs compiled.
import type { Shape } from '../feed/shape.ts';
import type { Compiled, Copied, Held, Session } from './session.ts';

// Kinds of data of which sessions are kept. Programs have limits of their own (programs.ts): without any, a session takes next to nothing.
const MOST = 64;

/** A session, and the data that its programs are bound to in this use. */
export class Use<T> {
  readonly session: Session<T>;
  readonly #data: Copied;
  readonly #kept: boolean;
  #held: readonly Compiled<T>[] = [];

  /** @param kept the session is there after the use as well */
  constructor(session: Session<T>, data: Copied, kept: boolean) {
    this.session = session;
    this.#data = data;
    this.#kept = kept;
  }

  /** In a turn: the programs for batches of these shapes. */
  hold(shapes: readonly Shape[]): Held<T> {
    const { programs, release } = this.session.hold(shapes, this.#data);
    this.#held = programs;
    const end = (): void => {
      this.#held = [];
      release();
    };
    return { programs, release: end };
  }

  /** Ask the run that is on to end after the step it is in: that of this use, whoever else uses the session. */
  stop(): void {
    for (const { bound } of this.#held) bound.stop();
  }

  /** The same, but it has one step at least. */
  endEarly(): void {
    for (const { bound } of this.#held) bound.endEarly();
  }

  /** The copy of the data is freed. */
  end(): void {
    if (this.#kept) this.session.letGo(this.#data);
    else this.session.dispose();
    this.#data.dispose();
  }
}

/** The sessions of a trainer by kinds of data, the least recently used first. */
export class Sessions<T> {
  readonly #sessions = new Map<string, Session<T>>();

  /**
   * Use the session for a kind of data.
   * @param kind two data of one kind have the same graphs; null: there is no other like it
   * @param make a session
   */
  use(kind: string | null, make: () => Session<T>, data: Copied): Use<T> {
    if (kind === null) return new Use(make(), data, false);
    const session = this.#sessions.get(kind) ?? make();
    this.#sessions.delete(kind);
    this.#sessions.set(kind, session);
    const [eldest] = this.#sessions;
    if (this.#sessions.size > MOST) this.#drop(...eldest!);
    return new Use(session, data, true);
  }

  /** What was compiled is dropped. No run may be on. */
  forget(): void {
    for (const [kind, session] of this.#sessions) this.#drop(kind, session);
  }

  #drop(kind: string, session: Session<T>): void {
    this.#sessions.delete(kind);
    session.dispose();
  }
}
