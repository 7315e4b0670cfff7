// sample.ts: `gradclip sample CHECKPOINT`: text written by a model that `gradclip train` has trained on a text.
import { resolve } from 'node:path';
import { fromJSON, type Tokenizer } from '../../data/tokenizer.ts';
import { CheckpointError, DataError } from '../../errors.ts';
import { readSafetensors } from '../../io/arrays/safetensors.ts';
import { parseJson } from '../../io/json.ts';
import type { Precision } from '../../ir/op.ts';
import { type Module, namesOf, Parameter } from '../../nn/module/module.ts';
import { number, Place, whole } from '../../options/index.ts';
import type { NdArray } from '../../train/feed/source.ts';
import { generate } from '../../train/generate/generate.ts';
import { writeIn } from '../../train/generate/writers.ts';
import type { Weights } from '../../train/options.ts';
import { type Arguments, type Command, usage } from '../args.ts';
import { WEIGHTS, weightsAsked, weightsIn } from '../config/averages.ts';
import { precisionField } from '../config/config.ts';
import { makeModel, model as modelConfig } from '../config/models.ts';
import { EXIT, exitCodeOfStop } from '../exit.ts';
import type { IO, StopCause } from '../io.ts';
import type { Screen } from '../screen.ts';

export const SAMPLE: Command = {
  name: 'sample',
  operands: ['CHECKPOINT'],
  summary: 'Write text with a model that train has trained on a text',
  more: ['The checkpoint knows its model and its tokens. The same seed writes the same text.'],
  flags: {
    prompt: { value: 'TEXT', help: 'go on from this text; default: a new line' },
    length: { value: 'N', help: 'tokens (characters, or bytes) to write', takes: whole({ min: 1, max: 1e6 }).default(500) },
    temperature: {
      value: 'T',
      help: 'below 1, likely tokens become likelier, above 1 less likely; 0 takes the likeliest',
      takes: number({ min: 0 }).default(1),
    },
    'top-k': { value: 'K', help: 'draw from the K likeliest tokens only', takes: whole({ min: 1 }).optional() },
    'top-p': {
      value: 'P',
      help: 'draw from the likeliest tokens that make up this share of the probability only',
      takes: number({ min: 0, max: 1 }).default(1),
    },
    stop: { value: 'TEXT', help: 'end before this text; \\n is a new line' },
    weights: WEIGHTS,
    seed: { value: 'N', help: 'of the draws', takes: whole({ min: 0 }).default(0) },
  },
};

/** A model as a checkpoint of `train` holds it. */
export interface Written {
  readonly model: Module;
  readonly parameters: ReadonlyMap<string, NdArray>;
  readonly weights: Weights;
  readonly tokenizer: Tokenizer;
  /** Tokens of a window of the text. */
  readonly length: number;
  /** Of its products, as in the training. */
  readonly precision: Precision;
}

export async function sample(args: Arguments, io: IO, screen: Screen): Promise<number> {
  const [topK, stop] = [args.number('top-k'), args.text('stop')?.replaceAll('\\n', '\n')];
  if (stop === '') throw usage(SAMPLE, '--stop: expected a text, got ""');
  const options = {
    length: args.number('length')!,
    temperature: args.number('temperature')!,
    topP: args.number('top-p')!,
    seed: args.number('seed')!,
    ...(topK !== undefined && { topK }),
    ...(stop !== undefined && { stop }),
  };
  const { model, parameters, weights, tokenizer, precision } = await readWritten(
    resolve(io.cwd, args.operands[0]!),
    weightsAsked(args),
  );
  const prompt = promptOf(args, tokenizer);
  const told = new Told(tokenizer, (text) => !screen.json && screen.tell(text));
  if (args.has('prompt')) told.add(prompt);
  const writer = { model, readParameters: () => parameters };
  writeIn(writer, precision);
  const tokens = await generate(writer, {
    ...options,
    prompt,
    tokenizer,
    onToken(token) {
      told.add([token]);
      return !io.signal.aborted;
    },
  });
  told.end();
  screen.emit({
    event: 'sample',
    ...options,
    weights,
    prompt: args.text('prompt') ?? null,
    text: tokenizer.decode(tokens),
    tokens: tokens.length,
  });
  return io.signal.aborted ? exitCodeOfStop(io.signal.reason as StopCause) : EXIT.ok;
}

/**
 * @param asked weights; not given: averages where there are any
 * @throws CheckpointError for a file that says nothing of its model, or of tokens, or without such weights
 */
export async function readWritten(file: string, asked: Weights | undefined): Promise<Written> {
  const { tensors: all, metadata } = await readSafetensors(file);
  const { tensors, weights } = weightsIn(file, all, asked);
  const { config: text, tokenizer: tokens } = metadata;
  if (text === undefined || tokens === undefined) {
    throw new CheckpointError(
      `${file}: expected what gradclip train writes of a text: its metadata lack the model or the tokens`,
      {
        file,
      },
    );
  }
  try {
    // What is not set is null there, and absent in a file that somebody writes.
    const config = parseJson(text, true) as { model?: unknown; data?: { length?: unknown }; precision?: unknown };
    const tokenizer = fromJSON(parseJson(tokens));
    // Files of before this key say nothing of it.
    const precision = precisionField.read(config.precision ?? 'f32', new Place('', '', 'precision'));
    const length = whole({ min: 1 }).read(config.data?.length, new Place('', '', 'data.length'));
    const model = makeModel(modelConfig.read(config.model, new Place('', '', 'model')), {
      row: [],
      tokens: tokenizer.size,
      length,
    });
    for (const [x, names] of namesOf(model)) {
      if (!(x instanceof Parameter)) continue;
      const { shape } = x;
      const name = names.find((n) => tensors.has(n)) ?? names[0]!;
      const found = tensors.get(name);
      const shapes = `expected [${shape}], got ${found ? `[${found.shape}]` : 'nothing'}`;
      if (String(found?.shape) !== String(shape)) throw new CheckpointError(`${name}: ${shapes}`, { name });
    }
    return { model, parameters: tensors, weights, tokenizer, length, precision };
  } catch (cause) {
    throw new CheckpointError(`${file}: ${(cause as Error).message}`, { file }, { cause });
  }
}

function promptOf(args: Arguments, tokenizer: Tokenizer): number[] {
  const text = args.text('prompt');
  if (text === '') throw usage(SAMPLE, '--prompt: expected a text, got ""');
  try {
    return [...tokenizer.encode(text ?? '\n')];
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    // A model that has seen no new line begins with its first token.
    if (text === undefined) return [0];
    throw usage(SAMPLE, `--prompt: ${error.message}`);
  }
}

/** Tells text as its tokens come: bytes that are no whole character yet wait for the next. */
class Told {
  readonly #tokenizer: Tokenizer;
  readonly #tell: (text: string) => unknown;
  #waiting: number[] = [];

  constructor(tokenizer: Tokenizer, tell: (text: string) => unknown) {
    this.#tokenizer = tokenizer;
    this.#tell = tell;
  }

  add(tokens: readonly number[]): void {
    for (const token of tokens) this.#waiting.push(token);
    const text = this.#tokenizer.decode(this.#waiting);
    // A character of UTF-8 has four bytes at most.
    if (text.endsWith('\ufffd') && this.#waiting.length < 4) return;
    this.#tell(text);
    this.#waiting = [];
  }

  end(): void {
    this.#tell(`${this.#tokenizer.decode(this.#waiting)}\n`);
  }
}
