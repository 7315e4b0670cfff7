// sessions.ts: sessions that outlive the call they were made for, so that the next one over data of the same kind finds its programs compiled.
import type { Shape } from '../feed/shape.ts';
import type { NdArray } from '../feed/source.ts';
import { type Compiled, Copied, type Held, type Session } from './session.ts';

// Kinds of data of which sessions are kept. Programs have limits of their own (programs.ts): without any, a session takes next to nothing.
const MOST = 64;
// Bytes of data that a session keeps for the next.
const SMALL = 1 << 20;

/** A session, and the data that its programs are bound to in this use. */
export class Use<T> {
  readonly session: Session<T>;
  readonly #data: Copied;
  readonly #end: () => void;
  #held: readonly Compiled<T>[] = [];

  /** @param end what becomes of both after the use. Default: they are freed */
  constructor(session: Session<T>, data: Copied, end?: () => void) {
    this.session = session;
    this.#data = data;
    this.#end =
      end ??
      (() => {
        session.dispose();
        data.dispose();
      });
  }

  /** In a turn: the programs for batches of these shapes. */
  hold(shapes: readonly Shape[]): Held<T> {
    const { programs, at, release } = this.session.hold(shapes, this.#data);
    this.#held = programs;
    const end = (): void => {
      this.#held = [];
      release();
    };
    return { programs, at, release: end };
  }

  /** Ask the run that is on to end after the step it is in: that of this use, whoever else uses the session. */
  stop(): void {
    for (const { bound } of this.#held) bound.stop();
  }

  /** The same, but it has one step at least. */
  endEarly(): void {
    for (const { bound } of this.#held) bound.endEarly();
  }

  end(): void {
    this.#end();
  }
}

/** What a use was of. */
interface Used<T> {
  readonly session: Session<T>;
  readonly data: Copied;
}

/** The sessions of a trainer by kinds of data, the least recently used first. */
export class Sessions<T> {
  readonly #sessions = new Map<string, Session<T>>();
  /** The data of the last use, if they are small: those of the next, where they are as large, take their place, and nothing is bound anew. */
  #spare: Used<T> | null = null;

  /**
   * Use the session for a kind of data.
   * @param kind two data of one kind have the same graphs; null: there is no other like it
   * @param make a session
   * @param given the data, or a copy of them that is there
   */
  use(kind: string | null, make: () => Session<T>, given: ReadonlyMap<string, NdArray> | Copied): Use<T> {
    const copy = (): Copied => (given instanceof Copied ? given : new Copied(given));
    if (kind === null) return new Use(make(), copy());
    const session = this.#sessions.get(kind) ?? make();
    this.#sessions.delete(kind);
    this.#sessions.set(kind, session);
    const [eldest] = this.#sessions;
    if (this.#sessions.size > MOST) this.#drop(...eldest!);
    const data = this.#again(session, given) ?? copy();
    return new Use(session, data, () => this.#end({ session, data }));
  }

  /** What was compiled is dropped. No run may be on. */
  forget(): void {
    for (const [kind, session] of this.#sessions) this.#drop(kind, session);
    if (this.#spare) free(this.#spare);
    this.#spare = null;
  }

  /** The spare data of the session, if these can take their place. */
  #again(session: Session<T>, given: ReadonlyMap<string, NdArray> | Copied): Copied | null {
    const spare = this.#spare;
    if (spare?.session !== session || given instanceof Copied || !spare.data.replace(given)) return null;
    this.#spare = null;
    return spare.data;
  }

  #end(used: Used<T>): void {
    const keeps = used.data.bytes <= SMALL && !used.session.disposed;
    const other = keeps ? this.#spare : used;
    if (keeps) this.#spare = used;
    if (other) free(other);
  }

  #drop(kind: string, session: Session<T>): void {
    this.#sessions.delete(kind);
    session.dispose();
  }
}

function free<T>({ session, data }: Used<T>): void {
  session.letGo(data);
  data.dispose();
}
