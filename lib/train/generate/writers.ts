// writers.ts: what is kept of a model that has written, for the next time: its compiled programs, and room for the weights.
import type { Precision } from '../../ir/op.ts';
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
  readonly weights: Weights;
  readonly #make: Predicting;
  /** By the number of rows, the least recently used first. */
  readonly #batches = new Map<number, NextTokens>();

  constructor(model: Module, precision: Precision) {
    this.#make = predicting(model);
    this.weights = new Weights(model, precision);
  }

  /** For new texts, once the weights are there. */
  begin(batch: number): NextTokens {
    const next = this.#batches.get(batch) ?? this.#make(this.weights, batch);
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
    this.weights.dispose();
  }
}

/** Of each model the one that nobody uses now. */
const idle = new WeakMap<Module, Writing>();

/** What a trainer does for its texts that other writers do not. */
interface Host {
  /** Copy the weights, without arrays in between, to where there is room for them, which is made of the model as it is then. */
  copy(room: () => Weights): Promise<void>;
  /** Of its products: then they are those of its predictions. */
  readonly precision: Precision;
  /** What is run next waits for a step of a fit, not for all that it runs at once. */
  hurry(): void;
}
const hosts = new WeakMap<Writer, Host>();

/** A writer copies its weights itself, and all buffers of the same moment. */
export function hostWriting(writer: Writer, host: Host): void {
  hosts.set(writer, host);
}

/** What texts are written with. */
export interface Begun extends Pick<Host, 'hurry'> {
  readonly next: NextTokens;
  /** The next text may have it. */
  release(): void;
}

/** Write with a copy of the weights of now, until `release`. */
export async function writeWith(writer: Writer, batch: number): Promise<Begun> {
  const { model } = writer;
  const host = hosts.get(writer) ?? plain(writer);
  const begun: { writing: Writing; next: NextTokens }[] = [];
  const room = (): Weights => {
    const writing = taken(model, host.precision);
    try {
      begun.push({ writing, next: writing.begin(batch) });
    } catch (error) {
      writing.dispose();
      throw error;
    }
    return writing.weights;
  };
  try {
    await host.copy(room);
  } catch (error) {
    for (const { writing } of begun) writing.dispose();
    throw error;
  }
  const { writing, next } = begun[0]!;
  const release = (): void => {
    if (idle.has(model)) writing.dispose();
    else idle.set(model, writing);
  };
  return { next, hurry: () => host.hurry(), release };
}

/** A writer that is no trainer has its products in this precision. */
export function writeIn(writer: Writer, precision: Precision): void {
  hosts.set(writer, plain(writer, precision));
}

const plain = (writer: Writer, precision: Precision = 'f32'): Host => ({
  precision,
  async copy(room) {
    const parameters = await writer.readParameters();
    room().write(parameters);
  },
  hurry: () => {},
});

function taken(model: Module, precision: Precision): Writing {
  const kept = idle.get(model);
  idle.delete(model);
  if (kept?.weights.fits && kept.weights.precision === precision) return kept;
  kept?.dispose();
  return new Writing(model, precision);
}

/** Free what is kept of a model. */
export function forgetWriting(model: Module): void {
  idle.get(model)?.dispose();
  idle.delete(model);
}
