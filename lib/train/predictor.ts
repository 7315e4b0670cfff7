// predictor.ts: a copy of a trainer's weights that answers while the trainer goes on training.

import type { Share } from '../data/arrays.ts';
import type { TableRow } from '../data/table/cells.ts';
import type { RowPrediction } from '../data/table/schema.ts';
import { printAs } from '../errors/inspect.ts';
import { BusyError, DisposedError, GraphError } from '../errors.ts';
import { MadeOf } from '../nn/module/made-of.ts';
import type { Module } from '../nn/module/module.ts';
import type { BatchStream } from './feed/batches.ts';
import { inputsOf } from './feed/inputs.ts';
import type { Transforms } from './feed/prepare.ts';
import { recordsOf } from './feed/records.ts';
import type { Sequences } from './feed/sequences.ts';
import type { ArrayInput, Arrays } from './feed/source.ts';
import { drive, driveSync } from './flow/effect.ts';
import { Turns } from './flow/turns.ts';
import { readPredictor } from './given.ts';
import type { PredictOptions, Weights } from './options.ts';
import { type HeldOf, type OutputArrays, type OutputTypes, Seeds } from './outputs.ts';
import type { Outputs, Predictions } from './programs/predict.ts';
import { Programs } from './programs/programs.ts';
import { Store } from './programs/store.ts';
import type { Current } from './state/current.ts';
import type { Apart, Setup } from './state/setup.ts';
import type { Output } from './step/step.ts';

/** What a predictor computes, of which weights. */
export interface Predicts {
  /** null: what the trainer's `predict` gives. */
  readonly outputs: Output<Module> | null;
  readonly weights: Weights;
}

/** The weights of a moment, and what computes with them. */
interface Copy {
  readonly setup: Setup;
  /** Of the setup, when they were taken. */
  readonly made: number;
  readonly store: Store;
  readonly transforms: Transforms;
  readonly madeOf: MadeOf;
  /** Without and with dropout. */
  readonly predictions: Map<boolean, Predictions>;
}

let make: (current: Current, predicts: Predicts, seed: bigint) => Predictor<OutputTypes>;

/** @param seed keys what is drawn where a call names no seed */
export function predictorOf<T extends OutputTypes>(...given: Parameters<typeof make>): Predictor<T> {
  return make(...given) as Predictor<T>;
}

/**
 * A frozen copy of a trainer's weights, made by `trainer.predictor()`. It waits for no fit: not for the step that is being run, and there is no
 * BusyError because of one. `update()` swaps in the newest weights between two calls, and takes the model as it is then. Each call has one thread, `predictSync` the caller's own. The
 * trainer may be disposed of meanwhile; `dispose()` frees the copy at once, else it is freed when it is collected.
 * @typeParam T dtypes of what it gives: of one tensor, or of several by name
 */
export class Predictor<T extends OutputTypes = 'f32'> {
  readonly #current: Current;
  readonly #predicts: Predicts;
  readonly #programs: Programs = new Programs();
  /** Its own calls alone. */
  readonly #turns: Turns = new Turns();
  readonly #seeds: Seeds;
  #copy: Copy | null;

  static {
    make = (...given) => new Predictor(...given);
  }

  private constructor(current: Current, predicts: Predicts, seed: bigint) {
    this.#current = current;
    this.#predicts = predicts;
    this.#seeds = new Seeds(seed);
    this.#copy = this.#room();
    this.#copy.store.copySync(current.setup.store);
  }

  /**
   * What the weights of the last `update` make of rows: the same bits as the trainer's `predict` with these weights.
   * @typeParam D what holds them, where it is one tensor: as of `Trainer.predict`
   * @param inputs as of `Trainer.predict`
   * @returns one output row for each input row; of several tensors an object with each
   * @throws (rejects) OptionError, ShapeError, IndexError for inputs that do not fit; GraphError if the model was changed since and nothing is
   * compiled for such inputs; DisposedError
   */
  predict<D = HeldOf<T>>(
    inputs: ArrayInput | Arrays | Share | Sequences | BatchStream,
    options?: Omit<PredictOptions, 'weights'>,
  ): Promise<OutputArrays<D>>;
  predict(rows: readonly TableRow[], options?: Omit<PredictOptions, 'weights'>): Promise<readonly RowPrediction[]>;
  async predict(
    inputs: ArrayInput | Arrays | Share | Sequences | BatchStream | readonly TableRow[],
    options: Omit<PredictOptions, 'weights'> = {},
  ): Promise<unknown> {
    const { batchSize, dropout, seed } = readPredictor.predict(arguments);
    const records = recordsOf('predict', inputs, this.#now('predict').transforms);
    const batch = inputsOf('predict', (records?.x ?? inputs) as ArrayInput, records === null);
    const how = { batchSize: batchSize ?? this.#current.batchSize, seed: this.#seeds.of(dropout, seed) };
    const outputs = await this.#turns.take(() => drive(this.#predictions('predict', dropout).run(batch, how)));
    return records ? records.named(outputs) : outputs;
  }

  /**
   * What the weights of the last update make of rows, blocking this thread and running on it alone: it waits for nothing but calls of predictors that are
   * under way.
   * @typeParam D as of `predict`
   * @param inputs as of `Trainer.predict`
   * @returns as of `predict`
   * @throws OptionError, ShapeError, IndexError for inputs that do not fit; GraphError if the model was changed since and nothing is
   * compiled for such inputs; DisposedError
   */
  predictSync<D = HeldOf<T>>(
    inputs: ArrayInput | Arrays | Share | Sequences | BatchStream,
    options?: Omit<PredictOptions, 'weights'>,
  ): OutputArrays<D>;
  predictSync(rows: readonly TableRow[], options?: Omit<PredictOptions, 'weights'>): readonly RowPrediction[];
  predictSync(
    inputs: ArrayInput | Arrays | Share | Sequences | BatchStream | readonly TableRow[],
    options: Omit<PredictOptions, 'weights'> = {},
  ): unknown {
    const { batchSize, dropout, seed } = readPredictor.predictSync(arguments);
    const records = recordsOf('predictSync', inputs, this.#now('predictSync').transforms);
    const batch = inputsOf('predictSync', (records?.x ?? inputs) as ArrayInput, false);
    const how = { batchSize: batchSize ?? this.#current.batchSize, seed: this.#seeds.of(dropout, seed) };
    const outputs: Outputs = driveSync(this.#predictions('predictSync', dropout).run(batch, how));
    return records ? records.named(outputs) : outputs;
  }

  /**
   * Take the newest weights of the trainer: while a fit is on, as of the end of a step. Calls that were made before it is done see those of before. They
   * are copied off this thread.
   * @throws (rejects) OptionError for any argument; BusyError while a fit of another trainer of the model is on; DisposedError
   */
  async update(): Promise<void> {
    readPredictor.update(arguments);
    this.#now('update');
    this.#current.follow('update');
    const copy = await this.#current.access.use('update', async () => {
      const room = this.#room();
      await room.store.copy(room.setup.store);
      return room;
    });
    await this.#turns.take(() => this.#swap(copy));
  }

  /**
   * Take the newest weights of the trainer, blocking this thread: while a fit is on, until the step that is being run is done.
   * @throws OptionError for any argument; BusyError while a `predict` of its own, or a fit of another trainer of the model, is not done;
   * DisposedError
   */
  updateSync(): void {
    readPredictor.updateSync(arguments);
    this.#now('updateSync');
    if (!this.#turns.free) throw new BusyError('updateSync: a predict of this predictor is not done; await it first');
    this.#current.follow('updateSync');
    this.#current.access.checkBetween('updateSync');
    const copy = this.#room();
    copy.store.copySync(copy.setup.store);
    this.#swap(copy);
  }

  /** Free its memory. What is under way ends first. @throws OptionError for any argument */
  dispose(): void {
    readPredictor.dispose(arguments);
    const copy = this.#copy;
    this.#copy = null;
    if (copy) drop(copy);
  }

  /** `dispose()` at the end of the block that holds it: `using predictor = trainer.predictor()`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** As `console.log` prints it: whose weights it has. */
  toString(): string {
    const { model } = this.#current.options;
    return `Predictor of ${model.constructor.name}${this.#copy ? '' : ', disposed'}`;
  }

  /** Memory for the weights of the trainer as it is now. */
  #room(): Copy {
    const { setup } = this.#current;
    const store = new Store(setup.read(this.#predicts.weights));
    const madeOf = new MadeOf(this.#current.options.model);
    return { setup, made: setup.made, store, transforms: setup.transforms, madeOf, predictions: new Map() };
  }

  /** @throws DisposedError */
  #now(where: string): Copy {
    if (!this.#copy) throw disposed(where);
    return this.#copy;
  }

  #predictions(where: string, dropout: boolean): Predictions {
    const { setup, store, transforms, madeOf, predictions: kept } = this.#now(where);
    let predictions = kept.get(dropout);
    if (!predictions) {
      const { outputs, weights } = this.#predicts;
      const wanted = { where: outputs ? 'outputs' : 'predict', output: outputs, weights, dropout };
      const check = (): void => {
        if (madeOf.difference() === 'fields') throw changed(wanted.where);
      };
      const tracing: Apart['tracing'] = (trace) => madeOf.during(trace);
      predictions = setup.predictions(wanted, store, this.#programs, { transforms, check, tracing });
      kept.set(dropout, predictions);
    }
    return predictions;
  }

  /** What has been compiled stays, where the trainer is what it was. */
  #swap(next: Copy): void {
    const before = this.#copy;
    if (!before) {
      drop(next);
      throw disposed('update');
    }
    if (before.setup !== next.setup || before.made !== next.made || before.madeOf.difference() === 'fields') {
      drop(before);
    } else {
      for (const [dropout, predictions] of before.predictions) {
        predictions.move(next.store);
        next.predictions.set(dropout, predictions);
      }
      before.store.dispose();
    }
    this.#copy = next;
  }
}

const changed = (where: string): GraphError =>
  new GraphError(
    `${where}: the model was changed since these weights were copied, and of what it was nothing is compiled for such inputs; update() takes it as it is now`,
  );

const disposed = (where: string): DisposedError => new DisposedError(`${where}: the predictor was disposed`);

function drop({ predictions, store }: Copy): void {
  for (const kept of predictions.values()) kept.dispose();
  store.dispose();
}

printAs(Predictor<OutputTypes>, function () {
  return String(this);
});
