// next.ts: what a model predicts after the tokens that it was given, row by row of a batch: by a state, by kept keys and values, or by looking again.
import { OptionError, ShapeError } from '../../errors.ts';
import type { Graph, State, Tensor } from '../../ir/graph.ts';
import { i32 } from '../../ir/op.ts';
import type { KeyValueCache } from '../../nn/index.ts';
import type { Module } from '../../nn/module/module.ts';
import { leave } from '../../ops/list.ts';
import { gather } from '../../ops/rows/gather.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { show } from '../../options/index.ts';
import { ModelProgram, traceModel } from '../programs/model-program.ts';
import type { Weights } from '../programs/weights.ts';
import { Cache, type Kept } from './cache.ts';

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

/** A model that goes on from the keys and values of the tokens before. */
export interface DecodingModel extends Module {
  /** How many tokens it can see. */
  readonly context: number;
  /**
   * The next tokens of each row: one, or at the start as many as there are, padded behind.
   * @shape x [batch, time] -> [batch, tokens]
   * @param x tokens; where they stand, the cache says
   * @param cache what each attention of the model goes on from: see `nn.KeyValueCache`
   * @returns logits of the token that follows the last of each row: made of `cache.last`
   */
  decode(x: Tensor, cache: KeyValueCache): Tensor;
}

/** A model that looks at the last `context` tokens at once: x [batch, context] to logits [batch, context, tokens], each of what is before it. */
export interface ContextModel extends Module {
  /** How many tokens it looks at. */
  readonly context: number;
  forward(x: Tensor): Tensor;
}

/** Logits of the next token of each row of a batch. */
export interface NextTokens {
  /** Rows are given as many tokens as each other. Else each is given all that there are. */
  readonly inStep: boolean;
  /**
   * @param tokens of each row; none of one that is at its end, of which nothing counts any more
   * @returns logits after what was given before and these tokens, row after row
   */
  after(tokens: readonly (readonly number[])[]): Promise<Float32Array>;
  /** Nothing was given yet. No `after` may be on. */
  reset(): void;
  dispose(): void;
}

/** Makes what predicts with a copy of a model's weights, for so many rows. */
export type Predicting = (weights: Weights, batch: number) => NextTokens;

/** @throws OptionError for a model that has none of the methods */
export function predicting(model: Module): Predicting {
  const { step, decode, context } = model as { step?: unknown; decode?: unknown; context?: unknown };
  if (typeof step === 'function') return stepping(model as SteppingModel);
  if (Number.isInteger(context)) {
    return typeof decode === 'function' ? decoding(model as DecodingModel) : looking(model as ContextModel);
  }
  const wanted = 'a model with step, decode or context, such as charRnn or gpt';
  throw new OptionError(`generate: expected ${wanted}, got ${show(model)}`);
}

/** @throws ShapeError unless there is a row of logits for each row of the batch */
function checked(logits: Tensor, batch: number): Tensor {
  if (logits.shape.length === 2 && logits.shape[0] === batch && logits.dtype === 'f32') return logits;
  throw new ShapeError(`generate: expected logits [${batch},tokens] of the model, got [${logits.shape}]`);
}

/** One step of the model for each token, with the states that the one before left. */
const stepping =
  (model: SteppingModel): Predicting =>
  (weights, batch) => {
    const x = (graph: Graph): Tensor => graph.input('x', i32(batch, 1), 'feed');
    const { traced } = weights.tracing(() => traceModel(model, (graph) => model.step(x(graph), null).states));
    // Nothing yet is zeros, in every recurrent layer.
    const states: State[] = traced.map(({ type }, i) => ({ name: `state ${i}`, type }));
    const program = new ModelProgram(model, weights, (graph) => {
      const next = model.step(
        x(graph),
        states.map((s) => graph.state(s)),
      );
      next.states.forEach((t, i) => {
        leave(graph, states[i]!, t);
      });
      return { logits: checked(next.logits, batch) };
    });
    return {
      inStep: true,
      async after(tokens) {
        const steps = Math.max(...tokens.map((row) => row.length));
        const fed = Array.from({ length: steps }, (_, i) => new Map([['x', Int32Array.from(tokens, (row) => row[i] ?? 0)]]));
        return (await program.run(1, fed)).get('logits') as Float32Array;
      },
      reset: () => program.reset(),
      dispose: () => program.dispose(),
    };
  };

/** So many tokens or more of which a power of two is compiled for, but no more than the context. */
const padded = (tokens: number, context: number): number => (tokens > context / 2 ? context : 1 << (32 - Math.clz32(tokens - 1)));

/**
 * Only what is new, after the keys and values of all before. Beyond the context the window moves on, and with it each token of it to another place:
 * all of it is given again.
 */
const decoding =
  (model: DecodingModel): Predicting =>
  (weights, batch) => {
    const { context } = model;
    const kept: Kept = [];
    const program = new ModelProgram(model, weights, (graph, time) => {
      const cache = new Cache(graph, { batch, time, length: context }, kept);
      return { logits: checked(model.decode(graph.input('x', i32(batch, time), 'feed'), cache), batch) };
    });
    const window = new Window(batch, context);
    /** How many tokens of each row are in the cache. */
    const held = new Int32Array(batch);
    return {
      inStep: false,
      async after(tokens) {
        window.add(tokens);
        const most = Math.max(...tokens.map((row) => row.length));
        const full = tokens.some((row, r) => row.length > 0 && held[r]! + padded(most, context) > context);
        const given = full || most > context ? window.rows : tokens;
        if (given !== tokens) held.fill(0);
        const time = padded(Math.max(...given.map((row) => row.length)), context);
        const [x, positions] = [new Int32Array(batch * time), new Int32Array(batch * time)];
        // A row at its end may be written over.
        const starts = held.map((n) => Math.min(n, context - time));
        given.forEach((row, r) => {
          x.set(row, r * time);
        });
        for (let k = 0; k < batch * time; k++) positions[k] = starts[Math.floor(k / time)]! + (k % time);
        const lasts = Int32Array.from(given, (row, r) => r * time + Math.max(0, row.length - 1));
        const all = { x, positions, starts, ...(time > 1 && { lasts }) };
        const { logits } = Object.fromEntries(await program.run(time, [new Map(Object.entries(all))]));
        for (const [r, row] of given.entries()) held[r]! += row.length;
        return logits as Float32Array;
      },
      reset() {
        window.clear();
        held.fill(0);
      },
      dispose: () => program.dispose(),
    };
  };

/** The whole window each time. What stands after a token does not count for what follows it, so the window is filled from the left. */
const looking =
  (model: ContextModel): Predicting =>
  (weights, batch) => {
    const { context } = model;
    const build = (graph: Graph): Readonly<Record<string, Tensor>> => {
      const logits = model.forward(graph.input('x', i32(batch, context), 'feed'));
      const [rows, time, size] = logits.shape;
      if (logits.shape.length !== 3 || rows !== batch || time !== context) {
        throw new ShapeError(`generate: expected logits [${batch},${context},tokens] of the model, got [${logits.shape}]`);
      }
      return { logits: gather(reshape(logits, [batch * context, size!]), graph.input('lasts', i32(batch), 'feed')) };
    };
    const program = new ModelProgram(model, weights, build);
    const window = new Window(batch, context);
    return {
      inStep: false,
      async after(tokens) {
        window.add(tokens);
        const x = new Int32Array(batch * context);
        window.rows.forEach((row, r) => {
          x.set(row, r * context);
        });
        const lasts = Int32Array.from(window.rows, (row, r) => r * context + row.length - 1);
        return (await program.run(context, [new Map(Object.entries({ x, lasts }))])).get('logits') as Float32Array;
      },
      reset: () => window.clear(),
      dispose: () => program.dispose(),
    };
  };

/** The last tokens of each row. */
class Window {
  readonly #length: number;
  readonly rows: number[][];

  constructor(batch: number, length: number) {
    this.#length = length;
    this.rows = Array.from({ length: batch }, () => []);
  }

  add(tokens: readonly (readonly number[])[]): void {
    tokens.forEach((given, r) => {
      const row = this.rows[r]!;
      for (const t of given) row.push(t);
      row.splice(0, row.length - this.#length);
    });
  }

  clear(): void {
    for (const row of this.rows) row.length = 0;
  }
}
