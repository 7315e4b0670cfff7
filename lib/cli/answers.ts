// answers.ts: questions of a command, and what is typed or piped in as answers.
import { OptionError } from '../errors.ts';
import type { Input, IO } from './io.ts';
import type { Screen } from './screen.ts';

/** An answer of more characters is none. */
const MOST = 1 << 16;

export class Answers {
  readonly #screen: Screen;
  readonly #input: Input | null;
  readonly #lines: AsyncGenerator<string> | null;
  readonly #signal: AbortSignal;
  #ended: boolean;

  /** @param yes ask nothing: what is suggested is the answer */
  constructor({ stdin, signal }: Pick<IO, 'stdin' | 'signal'>, screen: Screen, yes: boolean) {
    this.#screen = screen;
    this.#signal = signal;
    this.#input = yes || !stdin ? null : stdin;
    this.#lines = this.#input && linesOf(this.#input);
    this.#ended = this.#lines === null;
  }

  /**
   * Ask until the answer makes sense. An empty one is what is suggested, and so is that of who has no more to say.
   * @param read what an answer comes to
   * @throws OptionError of `read`, where there is no other answer; the reason of the signal, where it aborts
   */
  async ask<T>(question: string, suggested: string, read: (answer: string) => T): Promise<T> {
    for (let fault: OptionError | null = null; ; ) {
      const given = await this.#line(`${question} [${suggested}] `);
      if (given === null && fault) throw fault;
      try {
        return read(given === null || given === '' ? suggested : given);
      } catch (error) {
        if (!(error instanceof OptionError)) throw error;
        if (given === null || given === '') throw error;
        fault = error;
        this.#screen.say(error.message);
      }
    }
  }

  /** Nothing more is asked. */
  async end(): Promise<void> {
    // A line that is still waited for never comes.
    if (this.#signal.aborted) this.#input?.destroy?.();
    await this.#lines?.return(undefined).catch(() => {});
  }

  async #line(prompt: string): Promise<string | null> {
    if (this.#ended) return null;
    this.#screen.tell(prompt);
    const aborted = new Promise<never>((_, reject) => {
      const stop = (): void => reject(new DOMException('the command was stopped', 'AbortError'));
      if (this.#signal.aborted) stop();
      else this.#signal.addEventListener('abort', stop, { once: true });
    });
    // Nobody else waits for it.
    aborted.catch(() => {});
    const { value, done } = await Promise.race([this.#lines!.next(), aborted]);
    if (!done) return value.trim();
    this.#ended = true;
    this.#screen.say();
    return null;
  }
}

async function* linesOf(input: Input): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of input) {
    rest += typeof piece === 'string' ? piece : decoder.decode(piece, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop()!.slice(0, MOST);
    yield* lines;
  }
  if (rest !== '') yield rest;
}
