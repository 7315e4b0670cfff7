// fitting.ts: the fits of a trainer: how one begins, goes on with another, and ends.
import { resolve } from 'node:path';

import { OptionError } from '../../errors.ts';
import type { RecordHeader } from '../../history/history.ts';
import type { StepLog } from '../../history/log.ts';
import type { Module } from '../../nn/module/module.ts';
import { closing, closingNow, type Feeder, type FeedOptions } from '../feed/feeder.ts';
import { feederOf, isStream } from '../feed/inputs.ts';
import type { Source } from '../feed/source.ts';
import { checkFitOptions, type FitFiles } from '../given.ts';
import type { Access } from '../loop/access.ts';
import { drive, driveSync, type Loop } from '../loop/effect.ts';
import type { EvaluateContext } from '../loop/evaluate.ts';
import type { Running } from '../loop/fit.ts';
import { Halt } from '../loop/halt.ts';
import type { FitResult } from '../loop/progress.ts';
import { Warnings } from '../loop/warnings.ts';
import type { BatchOptions, FitOptions, TrainerOptions, Weights } from '../options.ts';
import type { Current } from '../state/current.ts';
import type { Setup } from '../state/setup.ts';
import { type Begun, newestWhole, type Standing, wholeCheckpoint } from '../state/standing.ts';
import { Checkpointing, type CheckpointRule, type WriteCheckpoint } from '../watch/checkpointing.ts';
import { Run } from './run.ts';
import { train } from './training.ts';

export interface FittingContext<M extends Module> {
  readonly options: TrainerOptions<M, string>;
  readonly current: Current<M>;
  readonly standing: Standing<M>;
  /** The last steps. */
  readonly log: StepLog;
  /** Who the trainer is, to the model. */
  readonly name: symbol;
  readonly threads: number;
  readonly batchSize: number;
  weightsOf(where: string, weights: Weights | undefined): Weights;
  header(perLayer: boolean, batchSize: number): RecordHeader;
  evaluation(source: Source, chosen: Required<BatchOptions>): EvaluateContext;
}

type Fed = Parameters<typeof feederOf>[1];

export class Fitting<M extends Module, K extends string> {
  readonly #c: FittingContext<M>;

  constructor(c: FittingContext<M>) {
    this.#c = c;
  }

  fit(given: ArrayLike<unknown>, data: Fed, options: FitOptions<string>): Run<K> {
    const { running, files } = this.#begin('fit', given, data, options);
    const start = async (run: Run<K>): Promise<FitResult<K>> => {
      try {
        const { resume, checkpoint } = files;
        if (resume !== null) await this.#resume(resume, checkpoint, running);
        const checkpointing = checkpoint && this.#checkpointing(checkpoint, running);
        const feeder = feederOf('fit', data, options, this.#feedOptions(options));
        const how = { run, checkpointing, resumed: resume !== null };
        return await closing(feeder, () => this.#train(running, feeder, options, drive, how));
      } finally {
        this.#end(running);
      }
    };
    return new Run(start, () => running.halt.call());
  }

  fitSync(given: ArrayLike<unknown>, data: Fed, options: FitOptions<string>): FitResult<K> {
    this.#access.checkIdle('fitSync');
    const { running } = this.#begin('fitSync', given, data, options);
    try {
      const feeder = feederOf('fitSync', data, options, this.#feedOptions(options));
      const blocking = { run: null, checkpointing: null, resumed: false };
      return closingNow(feeder, () => this.#train(running, feeder, options, driveSync, blocking) as FitResult<K>);
    } finally {
      this.#end(running);
    }
  }

  get #setup(): Setup<M> {
    return this.#c.current.setup;
  }

  get #access(): Access {
    return this.#c.current.access;
  }

  #feedOptions({ batchSize = this.#c.batchSize, shuffle = true }: FitOptions<string>): FeedOptions {
    const { accumulate = 1, dropLast = false } = this.#c.options;
    const { epoch, batch } = this.#c.standing.counters;
    return { batchSize, accumulate, dropLast, seed: this.#c.standing.seed, shuffle, place: { epoch, batch } };
  }

  #begin(
    where: 'fit' | 'fitSync',
    given: ArrayLike<unknown>,
    data: unknown,
    options: FitOptions<string>,
  ): { running: Begun; files: FitFiles } {
    this.#access.checkFree(where);
    const files = checkFitOptions(where, given, Object.keys(this.#c.options.metrics ?? {}));
    this.#c.weightsOf(where, options.validateWeights);
    if (this.#setup.plateau && !options.validation) {
      throw new OptionError(`${where}: the trainer's plateau needs a validation set`, { option: 'validation' });
    }
    this.#access.checkAlone(where);
    this.#c.current.takeIn(where);
    const warnings = new Warnings(options.logger ?? this.#c.options.logger);
    const release = this.#access.begin(where);
    const batchSize = isStream(data) ? null : this.#feedOptions(options).batchSize;
    const run = { halt: new Halt(options.signal ?? null), warnings, idle: new Map<string, boolean>(), release, batchSize };
    // Where the process stands may change meanwhile.
    const checkpoint = files.checkpoint && { ...files.checkpoint, file: resolve(files.checkpoint.file) };
    return { running: this.#c.standing.begin(run), files: { ...files, checkpoint } };
  }

  #end(running: Begun): void {
    running.release();
    running.halt.close();
    this.#c.standing.end(running);
    if (this.#access.disposed) this.#setup.dispose();
  }

  /** Be where a checkpoint is, before anything is trained. */
  async #resume(resume: string, checkpoint: CheckpointRule | null, { warnings }: Begun): Promise<void> {
    const read = resume === 'auto' ? await newestWhole(checkpoint!, warnings) : await wholeCheckpoint(resume);
    if (read) await this.#access.turn(() => this.#c.standing.adopt(read, true));
  }

  #checkpointing(rule: CheckpointRule, { warnings }: Begun): Checkpointing {
    const captured = { weightsOnly: false, weights: 'model' as const };
    // The run has to be written even if the trainer was disposed of meanwhile: then it has ended.
    const capture = (metadata: Readonly<Record<string, string>>): Promise<WriteCheckpoint> =>
      this.#access.turn(() => this.#c.standing.capture({ ...captured, metadata }));
    return new Checkpointing(rule, { warnings, capture });
  }

  #train<R>(
    running: Running,
    feeder: Feeder,
    options: FitOptions<string>,
    driver: (loop: Loop<FitResult<K>>) => R,
    how: { readonly run: Run<K> | null; readonly checkpointing: Checkpointing | null; readonly resumed: boolean },
  ): R {
    const { batchSize } = this.#feedOptions(options);
    return train({
      running,
      feeder,
      options,
      ...how,
      driver,
      setup: this.#setup,
      trainer: this.#c.name,
      seed: this.#c.standing.seed,
      rollback: this.#c.options.rollback ?? {},
      threads: this.#c.threads,
      threadsAsked: this.#c.options.threads !== undefined,
      turn: (task) => this.#access.turn(task),
      log: this.#c.log,
      header: (perLayer) => this.#c.header(perLayer, batchSize),
      evaluation: (source, weights) => this.#c.evaluation(source, { batchSize, weights }),
    });
  }
}
