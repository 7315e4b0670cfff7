// generate.ts: text, or any sequence of tokens, that a model writes: each token is drawn from what the model predicts after those before.
import { seed } from '../../data/fields.ts';
import { OptionError } from '../../errors.ts';
import { custom, either, type Field, fn, list, number, options, show, signature, text, whole } from '../../options/index.ts';
import { type AbortSignalLike, abortSignal } from '../flow/halt.ts';
import type { Decoder } from './stop.ts';
import { type Texts, write } from './write.ts';
import type { Writer } from './writers.ts';

/** Options of `generateStream`, and those that `generate` has too. */
export interface WritingOptions {
  /** How many tokens to write at most. */
  readonly length: number;
  /** Logits are divided by it: below 1 likely tokens become likelier; 0 takes the likeliest. Default 1. */
  readonly temperature?: number;
  /** Draw from this many of the likeliest tokens only. Default: from all. */
  readonly topK?: number;
  /** Draw from the likeliest tokens that make up this share of the probability only: after `temperature` and `topK`. Default 1. */
  readonly topP?: number;
  /** Keys the draws. Default 0. */
  readonly seed?: number | bigint;
  /**
   * The draws of which row of a batch: so row 2 of `prompts` is written alone, too, and many prompts in several batches. Of a batch the row
   * of the first. Default 0.
   */
  readonly row?: number;
  /**
   * Where a text ends: at a token, at several in order, or at a text, which the `tokenizer` finds. None of it is returned, but for a token that begins
   * before a text. Default []: nowhere.
   */
  readonly stop?: string | readonly (string | number | readonly number[])[];
  /** Makes text of tokens, for texts in `stop`. Default: none. */
  readonly tokenizer?: Decoder;
  /** Aborting rejects with AbortError after the token being written. Default: none. */
  readonly signal?: AbortSignalLike;
}

/** Options of `generateStream`. */
export interface GenerateStreamOptions extends WritingOptions {
  /** Tokens that the text goes on from; at least one. */
  readonly prompt: ArrayLike<number>;
}

/** Options of `generate` for one text. */
export interface GenerateOptions extends GenerateStreamOptions {
  /** Called for each token that was written; false ends it. Default: nobody is. */
  readonly onToken?: (token: number) => unknown;
}

/** Options of `generate` for several texts at once. */
export interface GenerateBatchOptions extends WritingOptions {
  /** A prompt for each text, of any lengths; at least one. */
  readonly prompts: readonly ArrayLike<number>[];
  /** Called for each token that was written, with the text it belongs to; false ends that. Default: nobody is. */
  readonly onToken?: (token: number, row: number) => unknown;
}

const prompt: Field<ArrayLike<number>, readonly number[]> = custom('at least one token', (value, place) => {
  const tokens =
    typeof value === 'object' && value !== null && 'length' in value ? Array.from(value as ArrayLike<unknown>) : null;
  if (tokens === null)
    throw place.wrong('tokens', value, typeof value === 'string' ? '; a tokenizer makes them: tokens.encode(text)' : '');
  if (tokens.length === 0) throw place.refuse('expected at least one token, got []', { value });
  const wrong = tokens.findIndex((t) => !(Number.isSafeInteger(t) && (t as number) >= 0));
  if (wrong < 0) return tokens as number[];
  throw place.refuse(`expected tokens, whole numbers >= 0, got ${show(tokens[wrong])} at position ${wrong}`, { value });
});
const writer: Field<Writer> = custom('a trainer, or a model with its parameters', (value, place) => {
  const { model, readParameters } = (value ?? {}) as Partial<Writer>;
  if (typeof model === 'object' && typeof readParameters === 'function') return value as Writer;
  throw place.wrong('a trainer, or { model, readParameters }', value);
});
const tokenizer: Field<Decoder> = custom('a tokenizer', (value, place) => {
  if (typeof (value as Partial<Decoder> | null)?.decode === 'function') return value as Decoder;
  throw place.wrong('a tokenizer', value);
});
const someText = text.map((value, place) => {
  if (value !== '') return value;
  throw place.refuse('expected a text, got ""', { value });
});
const token = whole({ min: 0 });
const stop = either(someText, list(either(someText, either(token, list(token, { min: 1 })))));
const WRITING = {
  length: whole({ min: 0 }),
  temperature: number({ min: 0 }).default(1),
  topK: whole({ min: 1 }).optional(),
  topP: number({ min: 0, max: 1 }).default(1),
  seed: seed.default(0),
  row: whole({ min: 0, below: 2 ** 32 }).default(0),
  stop: stop.default([]),
  tokenizer: tokenizer.optional(),
  signal: abortSignal.optional(),
};
const readStream = signature('generateStream', { writer }, options<GenerateStreamOptions>()({ ...WRITING, prompt }));
const onToken = fn<NonNullable<GenerateBatchOptions['onToken']>>().optional();
type EitherPrompt = Partial<Pick<GenerateOptions, 'prompt'> & Pick<GenerateBatchOptions, 'prompts'>>;
const readGenerate = signature(
  'generate',
  { writer },
  options<WritingOptions & Pick<GenerateBatchOptions, 'onToken'> & EitherPrompt>()({
    ...WRITING,
    prompt: prompt.optional(),
    prompts: list(prompt, { min: 1 }).optional(),
    onToken,
  }),
);

/**
 * Write tokens with a model that has `decode` (gpt), `step` (charRnn) or `context`: in the precision of the trainer, else in f32.
 *
 * ```js
 * const tokens = await generate(trainer, { prompt: chars.encode('ROMEO:'), length: 200, temperature: 0.8, topK: 20 });
 * console.log(chars.decode(tokens));
 * ```
 * @returns the tokens after the prompt, for `prompts` those of each; the same for the same weights, prompt, seed, row and options
 * @throws OptionError; IndexError for a token in the prompt that the model does not have; NonFiniteError where the logits are not finite; AbortError
 */
export function generate(writer: Writer, options: GenerateOptions): Promise<number[]>;
export function generate(writer: Writer, options: GenerateBatchOptions): Promise<number[][]>;
export async function generate(writer: Writer, options: GenerateOptions | GenerateBatchOptions): Promise<number[] | number[][]> {
  const { prompt, prompts, onToken, ...read } = readGenerate(arguments);
  if ((prompt === undefined) === (prompts === undefined)) {
    const got = prompt === undefined ? 'neither' : 'both';
    throw new OptionError(`generate: expected option prompt or prompts, got ${got}`);
  }
  const given = prompts ?? [prompt!];
  const out: number[][] = given.map(() => []);
  const texts = write('generate', writer, given, read);
  let heard: boolean | undefined;
  try {
    for (;;) {
      // What a listener answers goes back to the text that the token belongs to.
      const { value, done } = await texts.next(heard);
      if (done) return prompts ? out : out[0]!;
      out[value.row]!.push(value.token);
      heard = onToken?.(value.token, value.row) !== false;
    }
  } finally {
    await texts.return();
  }
}

/**
 * The same one by one: `for await (const token of generateStream(trainer, { prompt, length }))`. Leaving the loop ends it.
 *
 * @returns an async generator of the tokens after the prompt, those that `generate` returns
 * @throws OptionError; while it is read, what `generate` rejects with
 */
export function generateStream(writer: Writer, options: GenerateStreamOptions): AsyncGenerator<number, void, undefined> {
  const { prompt, ...read } = readStream(arguments);
  return tokensOf(write('generateStream', writer, [prompt], read));
}

async function* tokensOf(texts: Texts): AsyncGenerator<number, void, undefined> {
  for await (const { token } of texts) yield token;
}
