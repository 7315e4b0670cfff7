// stop.ts: sequences of tokens, and texts, at which writing ends: no token is given out while it may be part of one.

/** Turns tokens into text. */
export interface Decoder {
  /** The text of tokens. */
  decode(tokens: Iterable<number>): string;
}

export interface Stops {
  readonly sequences: readonly (readonly number[])[];
  readonly texts: readonly string[];
  readonly decoder: Decoder | null;
}

/** Tokens that may be given out now, and whether the text is at its end. */
export interface Released {
  readonly tokens: readonly number[];
  readonly ended: boolean;
}

// Text of what was given out stands before what is looked at, since a tokenizer may write the first of its tokens in another way.
const BEFORE = 4;

/** One text as it is written. */
export class Ending {
  readonly #stops: Stops;
  /** Tokens that are not given out yet, and a few before them. */
  #before: readonly number[] = [];
  #waiting: number[] = [];

  constructor(stops: Stops) {
    this.#stops = stops;
  }

  add(token: number): Released {
    this.#waiting.push(token);
    const sequence = this.#sequence();
    const text = this.#text();
    const ended = sequence.ended || text.ended;
    // What ends it by either; else what either may need yet.
    const count = ended
      ? Math.min(...[sequence, text].filter((f) => f.ended).map((f) => f.count))
      : Math.min(sequence.count, text.count);
    return { tokens: this.#release(count), ended };
  }

  /** What waits, where no more comes. */
  rest(): readonly number[] {
    return this.#release(this.#waiting.length);
  }

  #release(count: number): readonly number[] {
    const tokens = this.#waiting.splice(0, count);
    if (tokens.length > 0) this.#before = [...this.#before, ...tokens].slice(-BEFORE);
    return tokens;
  }

  /** Of the tokens that wait, how many stand before a sequence that is complete, or may become so. */
  #sequence(): { count: number; ended: boolean } {
    const { sequences } = this.#stops;
    const w = this.#waiting;
    const endsWith = (part: readonly number[]): boolean => part.every((t, i) => t === w[w.length - part.length + i]);
    const found = sequences.filter((s) => s.length <= w.length && endsWith(s)).map((s) => s.length);
    if (found.length > 0) return { count: w.length - Math.max(...found), ended: true };
    const begun = sequences.map((s) => {
      let n = Math.min(s.length - 1, w.length);
      while (n > 0 && !endsWith(s.slice(0, n))) n--;
      return n;
    });
    return { count: w.length - Math.max(0, ...begun), ended: false };
  }

  /** The same of texts. A token of which a part stands before the text is before it. */
  #text(): { count: number; ended: boolean } {
    const { texts, decoder } = this.#stops;
    if (texts.length === 0 || !decoder) return { count: this.#waiting.length, ended: false };
    const all = [...this.#before, ...this.#waiting];
    const written = decoder.decode(all);
    const from = decoder.decode(this.#before).length;
    const found = texts.map((s) => written.indexOf(s, from)).filter((at) => at >= 0);
    if (found.length > 0) return { count: this.#standing(Math.min(...found), true), ended: true };
    // Bytes that are no whole character yet may become any.
    const whole = written.replace(/\ufffd+$/, '');
    const begun = texts.map((s) => {
      let n = Math.max(0, Math.min(s.length - 1, whole.length - from));
      while (n > 0 && !whole.endsWith(s.slice(0, n))) n--;
      return n;
    });
    const at = Math.max(from, whole.length - Math.max(...begun));
    return { count: this.#standing(at, false), ended: false };
  }

  /** How many of the tokens that wait stand before a place of the text, whole or, if `partly`, in part. */
  #standing(at: number, partly: boolean): number {
    const decode = (n: number): string => this.#stops.decoder!.decode([...this.#before, ...this.#waiting.slice(0, n)]);
    for (let n = this.#waiting.length; n > 0; n--) {
      const text = decode(n);
      if (text.length <= at) return text.length < at && partly ? n + 1 : n;
    }
    return partly && decode(0).length < at ? 1 : 0;
  }
}
