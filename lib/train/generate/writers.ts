// writers.ts: what is kept of a model that has written, for the next time: its compiled programs, and room for the weights.
import type { Module } from '../../nn/module/module.ts';
import type { NdArray } from '../feed/source.ts';
import { Weights } from '../programs/weights.ts';
import { type NextTokens, type Predicting, predicting } from './next.ts';

/** What writes: a trainer, or a model with parameters by name. */
export interface Writer {
  /** The model that writes: one with `step` ({@link SteppingModel}), `decode` ({@link DecodingModel}) or `context` ({@link ContextModel}). */
  readonly model: Module;
  /** Its parameters by name. */
  readParameters(): Promise<ReadonlyMap<string, NdArray>> | ReadonlyMap<string, NdArray>;
}

/** Numbers of rows for which the programs of a model are kept. */
const MOST_BATCHES = 4;

/** A copy of a model's weights, and what predicts with it. One text, or batch of them, at a time. */
class Writing {
  readonly #make: Predicting;
  readonly #weights: Weights;
  /** By the number of rows, the least recently used first. */
  readonly #batches = new Map<number, NextTokens>();

  constructor(model: Module) {
    this.#make = predicting(model);
    this.#weights = new Weights(model);
  }

  get fits(): boolean {
    return this.#weights.fits;
  }

  /** Ready for a new text, with these values. */
  begin(parameters: ReadonlyMap<string, NdArray>, batch: number): NextTokens {
    this.#weights.write(parameters);
    const next = this.#batches.get(batch) ?? this.#make(this.#weights, batch);
    this.#batches.delete(batch);
    this.#batches.set(batch, next);
    next.reset();
    for (const [rows, old] of [...this.#batches].slice(0, -MOST_BATCHES)) {
      this.#batches.delete(rows);
      old.dispose();
    }
    return next;
  }

  dispose(): void {
    for (const next of this.#batches.values()) next.dispose();
    this.#weights.dispose();
  }
}

/** Of each model the one that nobody uses now. */
const idle = new WeakMap<Module, Writing>();

/** Write with a model: a copy of the parameters, until `release`. */
export function writeWith(
  model: Module,
  parameters: ReadonlyMap<string, NdArray>,
  batch: number,
): { next: NextTokens; release(): void } {
  const kept = idle.get(model);
  idle.delete(model);
  if (kept && !kept.fits) kept.dispose();
  const writing = kept?.fits ? kept : new Writing(model);
  const release = (): void => {
    if (idle.has(model)) writing.dispose();
    else idle.set(model, writing);
  };
  try {
    return { next: writing.begin(parameters, batch), release };
  } catch (error) {
    writing.dispose();
    throw error;
  }
}

/** Free what is kept of a model. */
export function forgetWriting(model: Module): void {
  idle.get(model)?.dispose();
  idle.delete(model);
}
