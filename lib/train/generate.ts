// generate.ts: text, or any sequence of tokens, that a model writes: each token is drawn from what the model predicts after those before.

import { seed } from '../data/fields.ts';
import { NonFiniteError, OptionError, ShapeError } from '../errors.ts';
import type { Graph, Tensor } from '../ir/graph.ts';
import { type Data, sizeOf, type TensorType } from '../ir/op.ts';
import { philox4x32, philoxKey } from '../ir/philox.ts';
import { exp } from '../math/index.ts';
import type { Module } from '../nn/module/module.ts';
import { gather } from '../ops/rows/gather.ts';
import { reshape } from '../ops/shape/shape.ts';
import { custom, type Field, fn, number, options, show, signature, whole } from '../options/index.ts';
import type { NdArray } from './feed/source.ts';
import { ModelProgram, traceModel } from './programs/model-program.ts';
import { allocate } from './programs/store.ts';

/** A model that goes on from a state, as recurrent ones do. */
export interface SteppingModel extends Module {
  /**
   * One more token for each row.
   * @shape x [batch, 1], states [batch, ...] each or null -> { logits [batch, tokens], states [batch, ...] each }
   * @param states what the step before left; null: nothing yet
   * @returns logits of the next token, and what is left for the next step
   */
  step(x: Tensor, states: readonly Tensor[] | null): { readonly logits: Tensor; readonly states: readonly Tensor[] };
}

/** A model that looks at the last `context` tokens at once: x [batch, context] to logits [batch, context, tokens], each of what is before it. */
export interface ContextModel extends Module {
  /** How many tokens it looks at. */
  readonly context: number;
  forward(x: Tensor): Tensor;
}

/** What writes: a trainer, or a model with parameters by name. */
export interface Writer {
  /** The model that writes: one with `step` ({@link SteppingModel}) or `context` ({@link ContextModel}). */
  readonly model: Module;
  /** Its parameters by name. */
  readParameters(): Promise<ReadonlyMap<string, NdArray>> | ReadonlyMap<string, NdArray>;
}

/** Options of `generate`. */
export interface GenerateOptions {
  /** Tokens that the text goes on from; at least one. */
  readonly prompt: ArrayLike<number>;
  /** How many tokens to write. */
  readonly length: number;
  /** Logits are divided by it: below 1 likely tokens become likelier; 0 takes the likeliest. Default 1. */
  readonly temperature?: number;
  /** Draw from this many of the likeliest tokens only. Default: from all. */
  readonly topK?: number;
  /** Keys the draws. Default 0. */
  readonly seed?: number | bigint;
  /** Called for each token that was written; false ends it. Default: nobody is. */
  readonly onToken?: (token: number) => unknown;
}

const prompt: Field<ArrayLike<number>, readonly number[]> = custom('at least one token', (value, place) => {
  const tokens =
    typeof value === 'object' && value !== null && 'length' in value ? Array.from(value as ArrayLike<unknown>) : null;
  if (tokens === null)
    throw place.wrong('tokens', value, typeof value === 'string' ? '; a tokenizer makes them: tokens.encode(text)' : '');
  if (tokens.length > 0 && tokens.every((t) => Number.isSafeInteger(t) && (t as number) >= 0)) return tokens as number[];
  throw place.refuse(`expected at least one token, got [${tokens.slice(0, 9)}]`, { value });
});
const writer: Field<Writer> = custom('a trainer, or a model with its parameters', (value, place) => {
  const { model, readParameters } = (value ?? {}) as Partial<Writer>;
  if (typeof model === 'object' && typeof readParameters === 'function') return value as Writer;
  throw place.wrong('a trainer, or { model, readParameters }', value);
});
const readGenerate = signature(
  'generate',
  { writer },
  options<GenerateOptions>()({
    prompt,
    length: whole({ min: 0 }),
    temperature: number({ min: 0 }).default(1),
    topK: whole({ min: 1 }).optional(),
    seed: seed.default(0),
    onToken: fn<NonNullable<GenerateOptions['onToken']>>().optional(),
  }),
);

/**
 * Write tokens with a model that has `step` (charRnn) or `context` (gpt).
 *
 * ```js
 * const tokens = await generate(trainer, { prompt: chars.encode('ROMEO:'), length: 200, temperature: 0.8, topK: 20 });
 * console.log(chars.decode(tokens));
 * ```
 * @returns the tokens after the prompt; the same for the same weights, prompt, seed and options
 * @throws OptionError; IndexError for a token in the prompt that the model does not have; NonFiniteError where the logits are not finite
 */
export async function generate(writer: Writer, options: GenerateOptions): Promise<number[]> {
  const { prompt, length, onToken, temperature, topK = null, seed } = readGenerate(arguments);
  const how = { temperature, topK, seed: BigInt(seed) };
  const predictor = predictorOf(writer.model, await writer.readParameters());
  try {
    const out: number[] = [];
    let given = prompt;
    for (let i = 0; i < length; i++) {
      const logits = await predictor.after(given);
      if (!logits.every((v) => v < Number.POSITIVE_INFINITY) || !logits.some(Number.isFinite)) {
        throw new NonFiniteError(`generate: the logits of token ${i} are not finite; has the training diverged?`, {
          position: i,
        });
      }
      const token = draw(logits, how, uniform(how.seed, i));
      out.push(token);
      if (onToken?.(token) === false) break;
      given = [token];
    }
    return out;
  } finally {
    predictor.dispose();
  }
}

/** Gives the logits of the next token after what it was given before and these tokens. */
interface NextToken {
  after(tokens: readonly number[]): Promise<Float32Array>;
  dispose(): void;
}

function predictorOf(model: Module, parameters: ReadonlyMap<string, NdArray>): NextToken {
  if (typeof (model as SteppingModel).step === 'function') return stepping(model as SteppingModel, parameters);
  if (Number.isInteger((model as ContextModel).context)) return looking(model as ContextModel, parameters);
  throw new OptionError(`generate: expected a model with step or context, such as charRnn or gpt, got ${show(model)}`);
}

const TOKEN: TensorType = { dtype: 'i32', shape: [1, 1] };

/** One step of the model for each token, with the states that the one before left. */
function stepping(model: SteppingModel, parameters: ReadonlyMap<string, NdArray>): NextToken {
  const first = (graph: Graph): readonly Tensor[] => model.step(graph.input('x', TOKEN, 'feed'), null).states;
  const types = traceModel(model, first).traced.map((t) => t.type);
  const names = types.map((_, i) => `state ${i}`);
  const program = new ModelProgram(model, parameters, (graph) => {
    const states = types.map((type, i) => graph.input(names[i]!, type, 'feed'));
    const next = model.step(graph.input('x', TOKEN, 'feed'), states);
    return { logits: next.logits, ...Object.fromEntries(next.states.map((t, i) => [names[i]!, t])) };
  });
  const token = Int32Array.of(0);
  // Nothing yet is zeros, in every recurrent layer.
  let values: ReadonlyMap<string, Data> = new Map(types.map((t, i) => [names[i]!, allocate(t.dtype, sizeOf(t.shape))]));
  return {
    async after(tokens) {
      for (const t of tokens) {
        token[0] = t;
        values = await program.run(new Map([...values, ['x', token]]));
      }
      return values.get('logits') as Float32Array;
    },
    dispose: () => program.dispose(),
  };
}

/** The whole window each time. What stands after a token does not count for what follows it, so the window is filled from the left. */
function looking(model: ContextModel, parameters: ReadonlyMap<string, NdArray>): NextToken {
  const { context } = model;
  const program = new ModelProgram(model, parameters, (graph) => {
    const logits = model.forward(graph.input('x', { dtype: 'i32', shape: [1, context] }, 'feed'));
    const [batch, time, size] = logits.shape;
    if (batch !== 1 || time !== context || size === undefined) {
      throw new ShapeError(`generate: expected logits [1,${context},tokens] of the model, got [${logits.shape}]`);
    }
    return { logits: gather(reshape(logits, [context, size]), graph.input('at', { dtype: 'i32', shape: [1] }, 'feed')) };
  });
  let seen: number[] = [];
  return {
    async after(tokens) {
      seen = [...seen, ...tokens].slice(-context);
      const x = new Int32Array(context);
      x.set(seen);
      const values = await program.run(
        new Map([
          ['x', x],
          ['at', Int32Array.of(seen.length - 1)],
        ]),
      );
      return values.get('logits') as Float32Array;
    },
    dispose: () => program.dispose(),
  };
}

interface Drawing {
  readonly temperature: number;
  readonly topK: number | null;
}

/** An index drawn from softmax(logits / temperature) of the `topK` largest, by a number in [0, 1). */
export function draw(logits: Float32Array, { temperature, topK }: Drawing, at: number): number {
  const likeliest = Array.from(logits, (_, i) => i).sort((a, b) => logits[b]! - logits[a]! || a - b);
  const from = temperature === 0 ? 1 : Math.min(topK ?? logits.length, logits.length);
  const indices = likeliest.slice(0, from).sort((a, b) => a - b);
  const most = logits[likeliest[0]!]!;
  const weights = indices.map((i) => exp((logits[i]! - most) / (temperature || 1)));
  let left = at * weights.reduce((a, b) => a + b, 0);
  const found = weights.findIndex((weight) => {
    left -= weight;
    return left < 0;
  });
  // Rounding may leave a little of `at` beyond the last.
  return found >= 0 ? indices[found]! : likeliest[0]!;
}

/** Third counter word, "samp": keeps these draws apart from all others. */
const SAMPLE = 0x73616d70;

/** The i-th uniform number of a seed, in [0, 1). */
function uniform(seed: bigint, i: number): number {
  const words = new Uint32Array(4);
  philox4x32(words, i, 0, SAMPLE, 0, ...philoxKey(seed));
  return words[0]! / 2 ** 32;
}
