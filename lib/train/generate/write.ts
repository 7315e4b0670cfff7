// write.ts: texts written side by side, token by token, each from its own prompt and draws.
import { AbortError, NonFiniteError, OptionError } from '../../errors.ts';
import type { AbortSignalLike } from '../flow/halt.ts';
import { type Drawing, draw, uniform } from './draw.ts';
import type { NextTokens } from './next.ts';
import { type Decoder, Ending, type Stops } from './stop.ts';
import { type Writer, writeWith } from './writers.ts';

/** How texts are written, as read. */
export interface How extends Omit<Drawing, 'topK'> {
  readonly length: number;
  readonly topK?: number | undefined;
  readonly seed: number | bigint;
  readonly row: number;
  readonly stop: string | readonly (string | number | readonly number[])[];
  readonly tokenizer?: Decoder | undefined;
  readonly signal?: AbortSignalLike | undefined;
}

/** A token of one of the texts. */
export interface Written {
  readonly row: number;
  readonly token: number;
}

/** The answer to a token: false ends its text. */
export type Texts = AsyncGenerator<Written, void, boolean | undefined>;

/** @throws OptionError for a text in `stop` without a tokenizer */
export function write(where: string, writer: Writer, prompts: readonly (readonly number[])[], how: How): Texts {
  const stops = stopsOf(where, how);
  return texts(where, writer, prompts, how, stops);
}

function stopsOf(where: string, { stop, tokenizer }: How): Stops {
  const all = typeof stop === 'string' ? [stop] : stop;
  const texts = all.filter((s) => typeof s === 'string');
  const [text] = texts;
  if (text !== undefined && !tokenizer) {
    const message = `${where}: option stop: expected option tokenizer with a text, got ${JSON.stringify(text)} alone`;
    throw new OptionError(message, { option: 'stop' });
  }
  const sequences = all.filter((s) => typeof s !== 'string').map((s) => (typeof s === 'number' ? [s] : s));
  return { sequences, texts, decoder: tokenizer ?? null };
}

/** A text that is being written. */
class Text {
  /** Tokens that the model was not given yet. */
  readonly queue: number[];
  readonly #how: How;
  readonly #row: number;
  readonly #ending: Ending;
  #drawn = 0;
  done: boolean;

  constructor(prompt: readonly number[], how: How, row: number, stops: Stops) {
    this.queue = [...prompt];
    this.#how = how;
    this.#row = row;
    this.#ending = new Ending(stops);
    this.done = how.length === 0;
  }

  /** One more token. @returns those that may be given out now */
  next(where: string, logits: Float32Array): readonly number[] {
    const position = this.#drawn++;
    if (!logits.every((v) => v < Number.POSITIVE_INFINITY) || !logits.some(Number.isFinite)) {
      const text = `${where}: the logits of token ${position} are not finite; has the training diverged?`;
      throw new NonFiniteError(text, { position });
    }
    const { temperature, topK = null, topP, seed, length } = this.#how;
    const token = draw(logits, { temperature, topK, topP }, uniform(BigInt(seed), this.#row, position));
    this.queue.push(token);
    const { tokens, ended } = this.#ending.add(token);
    this.done = ended || this.#drawn === length;
    return this.done && !ended ? [...tokens, ...this.#ending.rest()] : tokens;
  }
}

async function* texts(where: string, writer: Writer, prompts: readonly (readonly number[])[], how: How, stops: Stops): Texts {
  const all = prompts.map((prompt, r) => new Text(prompt, how, how.row + r, stops));
  const { next, hurry, release } = await writeWith(writer, prompts.length);
  try {
    while (all.some((text) => !text.done)) {
      const { signal } = how;
      if (signal?.aborted) throw new AbortError(`${where}: writing was aborted`, {}, { cause: signal.reason });
      hurry();
      const logits = await next.after(givenTo(next, all));
      const size = logits.length / all.length;
      for (const [row, text] of all.entries()) {
        if (text.done || text.queue.length > 0) continue;
        for (const token of text.next(where, logits.subarray(row * size, (row + 1) * size))) {
          if ((yield { row, token }) !== false) continue;
          text.done = true;
          break;
        }
      }
    }
  } finally {
    release();
  }
}

/** What each text gives the model now. */
function givenTo({ inStep }: NextTokens, all: readonly Text[]): number[][] {
  const lengths = all.filter((text) => !text.done).map(({ queue }) => queue.length);
  const count = inStep ? Math.min(...lengths) : Math.max(...lengths);
  return all.map((text) => (text.done ? [] : text.queue.splice(0, count)));
}
