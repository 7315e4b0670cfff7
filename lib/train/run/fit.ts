// fit.ts: one fit of a trainer, from its beginning to its end.
import { resolve } from 'node:path';
import type { AutoDecision } from '../../clip/clip.ts';
import { AbortError, GuardError, NonFiniteError, OptionError, SkipError } from '../../errors.ts';
import { abort, share, talk } from '../../mpi/group.ts';
import { isKnown } from '../../mpi/words.ts';
import { inEpochs } from '../../optim/schedules/length.ts';
import { isColumns } from '../feed/columns.ts';
import type { Feeder } from '../feed/feeder.ts';
import { asTables, type DataGiven, feederOf, isStream } from '../feed/inputs.ts';
import { byKey, bySeed, newKey, poissonFeeder, sampledOf } from '../feed/poisson.ts';
import { dataOf } from '../feed/same-data.ts';
import { isSequences } from '../feed/sequences.ts';
import { fingerprintOf, inTables } from '../feed/tables.ts';
import { type Loop, perform, waitFor } from '../flow/effect.ts';
import { mayGoOn } from '../flow/epoch-data.ts';
import { Halt } from '../flow/halt.ts';
import type { FitResult } from '../flow/progress.ts';
import type { Running } from '../flow/running.ts';
import { TimeLimit } from '../flow/time-limit.ts';
import { Warnings } from '../flow/warnings.ts';
import { checkFitOptions, type FitFiles } from '../given.ts';
import { shareSecrets } from '../group/secrets.ts';
import { checkBatch, checkCheckpoints, checkFitTogether, rankedOf, shardsOf } from '../group/sharing.ts';
import type { FitOptions } from '../options.ts';
import { digest } from '../programs/digest.ts';
import type { Checkpoint } from '../state/checkpoint.ts';
import type { Current } from '../state/current.ts';
import { newestWhole, type Saving, wholeCheckpoint } from '../state/saving.ts';
import type { Standing } from '../state/standing.ts';
import { Checkpointing } from '../watch/checkpointing.ts';
import { isPerLayer, Recording } from '../watch/recording.ts';
import type { Ending, Watcher } from '../watch/watcher.ts';
import { fitLoop } from './loop.ts';
import type { Reader } from './run.ts';
import { Sharded } from './sharded.ts';
import { COMPARE_EVERY, Together } from './together.ts';
import { Training } from './training.ts';

type Fed = Parameters<typeof feederOf>[1];

export class Fit {
  readonly running: Running;
  readonly #current: Current;
  readonly #standing: Standing;
  readonly #saving: Saving;
  readonly #where: 'fit' | 'fitSync';
  readonly #data: Fed;
  readonly #options: FitOptions<string>;
  readonly #files: FitFiles;
  readonly #batchSize: number;
  /** Rows that a step is expected to have, where rows are drawn independently; else null. */
  readonly #expected: number | null;
  /** Let other trainers have the model's values. */
  readonly #release: () => void;

  /**
   * The trainer is busy from here on, until the loop has ended.
   * @param given arguments of the trainer's method
   * @throws BusyError, DisposedError, OptionError: then nothing has begun
   */
  constructor(current: Current, standing: Standing, saving: Saving, where: 'fit' | 'fitSync', given: ArrayLike<unknown>) {
    const { access, options: trainer } = current;
    const blocks = where === 'fitSync';
    // What a call of a group says would come amid what a fit says.
    if (blocks || trainer.group) access.checkIdle(where);
    access.checkFree(where);
    const { checkpoint, resume } = checkFitOptions(where, given, Object.keys(trainer.metrics ?? {}));
    const options = (given[1] ?? {}) as FitOptions<string>;
    const { steps, seconds, validation, validateWeights, validateEvery, signal, batchSize = current.batchSize } = options;
    current.weightsOf(where, validateWeights);
    if (current.setup.plateau && !validation) {
      throw new OptionError(`${where}: the trainer's plateau needs a validation set`, { option: 'validation' });
    }
    access.checkAlone(where);
    current.takeIn(where);
    this.#current = current;
    this.#standing = standing;
    this.#saving = saving;
    this.#where = where;
    this.#data = given[0] as Fed;
    this.#options = options;
    // Where the process stands may change meanwhile.
    this.#files = { checkpoint: checkpoint && { ...checkpoint, file: resolve(checkpoint.file) }, resume };
    const cut = isColumns(this.#data);
    checkFitTogether(where, isStream(this.#data) && !cut, cut, options.sharded ?? false, trainer);
    if (trainer.group) {
      checkCheckpoints(where, trainer, checkpoint);
      checkBatch(where, batchSize, shardsOf(trainer));
    }
    this.#batchSize = current.rowsOfMicro(batchSize);
    this.#expected = options.sampling === 'poisson' ? this.#expectedRows() : null;
    if (resume === null) this.#checkEpoch();
    const endTalk = trainer.group && talk(trainer.group, 'fit');
    try {
      const release = access.begin(where);
      this.#release = () => {
        release();
        endTalk?.();
      };
    } catch (error) {
      endTalk?.();
      throw error;
    }
    // Who is alone in a group ends at once.
    const others = (trainer.group?.size ?? 1) > 1;
    const plan = {
      steps: steps ?? Number.POSITIVE_INFINITY,
      epochs: options.epochs ?? (steps === undefined && seconds === undefined ? 1 : Number.POSITIVE_INFINITY),
      time: seconds === undefined ? null : new TimeLimit(seconds, others),
      validateEvery: validateEvery ?? null,
      blocks,
      resumed: resume !== null,
      sampled: this.#expected !== null,
    };
    const warnings = new Warnings(options.logger ?? trainer.logger);
    const counted = !isStream(this.#data) || isColumns(this.#data);
    const rows = this.#expected ?? this.#batchSize;
    this.running = standing.begin(plan, new Halt(signal ?? null, others), warnings, counted ? rows : null);
  }

  /** @param reader of the reports; null: there is none */
  *loop(reader: Reader | null): Loop<FitResult<string>> {
    const { running } = this;
    const { group } = this.#current.options;
    try {
      if (running.resumed) yield* waitFor(this.#resume());
      const own = this.#expected === null ? this.#feeder() : yield* this.#poisson(this.#expected);
      this.#feed(own);
      const { access, setup } = this.#current;
      const every = this.#current.options.compareEvery ?? COMPARE_EVERY;
      const sharded = group && this.#options.sharded ? new Sharded(own, group, this.#where, running) : null;
      const feeder = sharded ?? own;
      const together = group ? new Together({ group, where: this.#where, running, access, setup, every, sharded }) : null;
      let training: Training | null = null;
      let ending: Ending;
      try {
        const writers = (decisions: () => readonly AutoDecision[]): Watcher[] => this.#writers(feeder, reader, decisions);
        if (together) {
          yield* together.alike(this.#facts(feeder));
          yield* together.compare();
          yield* shareSecrets(together.group, this.#where, setup.store, (task) => access.inTurn(task));
          if (sharded) yield* sharded.begin();
        }
        training = new Training(this.#current, running, feeder, this.#options, writers, together);
        const { chunks, epochs, watchers } = training;
        yield* training.begin();
        const reason = yield* fitLoop(running, feeder, chunks, epochs, watchers, together);
        ending = { result: training.result(reason), error: null };
      } catch (error) {
        ending = { result: null, error };
      }
      const result = yield* this.#end(ending, training, feeder);
      if (together) {
        yield* together.alike({ place: 'the end of a fit', counters: JSON.stringify(running.counters) });
        yield* together.compare();
      }
      return result;
    } catch (error) {
      if (group && !isAlike(error)) abort(group, error);
      throw error;
    } finally {
      this.#leave();
    }
  }

  /** Be where a checkpoint is, before anything is trained. */
  async #resume(): Promise<void> {
    const { checkpoint, resume } = this.#files;
    const { access, options } = this.#current;
    const read = (): Promise<Checkpoint | null> =>
      resume === 'auto' ? newestWhole(checkpoint!, this.running.warnings) : wholeCheckpoint(resume!);
    if (options.group) {
      const move = async (): Promise<{ result: null; from: Checkpoint | null }> => {
        const found = await read();
        if (found) this.#saving.adopt(found, true);
        return { result: null, from: found };
      };
      await access.take(() => this.#saving.moveAll(options.group!, 'resume', move));
      return;
    }
    const found = await read();
    if (found) await access.take(() => this.#saving.adopt(found, true));
  }

  #feeder(): Feeder {
    this.#warnOfFixed();
    const { accumulate, options } = this.#current;
    const { dropLast = false } = options;
    const { seed, counters } = this.running;
    const { epoch } = counters;
    const { group } = options;
    // Processes whose data are their own.
    const sharded = group && this.#options.sharded ? group.size : null;
    const batch = Math.floor(counters.batch / (sharded ?? 1));
    this.#checkEpoch();
    const before = this.running.course.data;
    const shards = shardsOf(options) / (sharded ?? 1);
    const ofStream = isStream(this.#data) && !isColumns(this.#data);
    const micros = sharded !== null && ofStream ? (options.accumulate ?? 1) : accumulate / (sharded ?? 1);
    const contents = sharded !== null ? { contents: `rows of ${sharded} processes` } : {};
    const feed = {
      ...{ batchSize: this.#batchSize, accumulate: micros, dropLast, shards, seed, place: { epoch, batch }, before },
      ...contents,
    };
    return feederOf(this.#where, this.#data, this.#options.shuffle, feed);
  }

  #warnOfFixed(): void {
    const { running } = this;
    if ((this.#current.setup.policy.perSample?.noise ?? 0) === 0) return;
    const text = `${this.#where}: noise is added to batches of a fixed size: an epsilon that counts on rows being drawn by chance (q below 1) holds for sampling: 'poisson' alone`;
    running.warnings.add('fixedBatches', text, { name: 'sampling', step: running.counters.step });
  }

  /** Of a step where rows are drawn independently. @throws OptionError where none is, or what is asked for has no effect */
  #expectedRows(): number {
    const { options, setup, accumulate } = this.#current;
    const refuse = (option: string, why: string): OptionError =>
      new OptionError(`${this.#where}: option sampling: 'poisson': ${why}`, { option });
    if (!setup.policy.perSample)
      throw refuse(
        'sampling',
        'it is for option clip: clip.perSample(...) of the trainer, which divides by the rows that are expected',
      );
    if (this.#options.shuffle !== undefined) throw refuse('shuffle', 'rows are drawn in no order: leave out shuffle');
    if (options.dropLast) throw refuse('dropLast', 'no batch is shorter for being the last: leave out dropLast of the trainer');
    if (this.#options.sharded) throw refuse('sharded', 'rows are drawn of all data, which all processes of a group have');
    if (isStream(this.#data))
      throw refuse('sampling', 'rows are drawn of all data, and those of a stream come in turn: give arrays');
    return this.#batchSize * accumulate;
  }

  *#poisson(expected: number): Loop<Feeder> {
    const { setup } = this.#current;
    const { seed, counters, course } = this.running;
    const { noise, secure } = setup.policy.perSample!;
    this.#checkEpoch();
    const tables = asTables(this.#where, this.#data as DataGiven);
    const { microBatch: asked = null } = this.#options;
    const sampled = sampledOf(this.#where, tables, { expected, asked, usual: this.#batchSize });
    // Of rows that are known to be in a step no more is hidden than by fixed batches: so draws are as secret as the noise is.
    const by = noise > 0 && secure ? byKey(yield* this.#drawKey()) : bySeed(seed);
    const place = { epoch: counters.epoch, batch: counters.batch };
    return poissonFeeder(this.#where, tables, sampled, by, { place, before: course.data });
  }

  /** Of a group, that of process 0. */
  *#drawKey(): Loop<Uint8Array> {
    const key = newKey();
    const { group } = this.#current.options;
    if (!group) return key;
    const facts = { place: 'the key of a fit' };
    return (yield* perform(share(group, this.#where, { facts, bytes: key })))[0]!;
  }

  /** What all processes of a group must have alike. */
  #facts({ of, sampled }: Feeder): Record<string, string> {
    const { options, setup, accumulate } = this.#current;
    const { seed, counters } = this.running;
    const { steps, epochs, shuffle = true, validation, validateEvery, earlyStop } = this.#options;
    const validated = validation && fingerprintOf(asTables(`${this.#where}: validation`, validation));
    const { threads: _, ...header } = setup.header(seed, this.#batchSize, false, true);
    return {
      place: `the beginning of ${this.#where === 'fitSync' ? 'fit' : this.#where}`,
      'numbers of shards': `${shardsOf(options)}, which travel as ${options.wire ?? 'f32'}`,
      'batch norms': `syncBatchNorm ${options.syncBatchNorm ?? false}`,
      'rows of batches': `${this.#batchSize} in ${accumulate}`,
      seed: `${seed}`,
      lengths: `${steps} steps, ${epochs} epochs`,
      guards: `${options.guards?.map(({ kind, action }) => `${kind} ${action}`)}, ${JSON.stringify(options.rollback)}`,
      sharded: `${this.#options.sharded ?? false}, ${isStream(this.#data) ? 'a stream' : 'rows'}`,
      'order of rows': `shuffle ${shuffle}, dropLast ${options.dropLast ?? false}, ${JSON.stringify(sampled)}`,
      validation: `${validated}, each ${JSON.stringify(validateEvery)}, earlyStop ${JSON.stringify(earlyStop)}`,
      parameters: setup.parameters.map((p) => `${p.name} [${p.shape}]`).join(', '),
      options: digest([Buffer.from(JSON.stringify(header))]),
      counters: JSON.stringify(counters),
      data: of.contents,
    };
  }

  /** What its epochs are trained on. */
  #feed({ of, anew }: Feeder): void {
    const { running } = this;
    running.course = { ...running.course, data: of };
    if (!anew) return;
    running.anew();
    if (!running.resumed) return;
    const text = 'resume: the epoch that was under way had other data: it begins anew with those of this run';
    running.warnings.add('otherData', text, { name: 'data', step: running.counters.step });
  }

  /** @throws OptionError where an epoch is under way whose batches the run would not go on with */
  #checkEpoch(): void {
    const before = this.#standing.within;
    if (!isSequences(this.#data) || before === null || before === this.#batchSize) return;
    const shuffle = this.#options.shuffle ?? true;
    if (!mayGoOn(this.#standing.course.data, dataOf(inTables(this.#data), shuffle))) return;
    const text = `${this.#where}: option batchSize: sequences go on within an epoch in batches of ${before}, got ${this.#batchSize}: others would not have the same sequences left`;
    throw new OptionError(text, { option: 'batchSize' });
  }

  /** Those who take down what happens: they are called after all others of the library. */
  #writers({ epochSteps }: Feeder, reader: Reader | null, decisions: () => readonly AutoDecision[]): Watcher[] {
    const [current, running, saving] = [this.#current, this.running, this.#saving];
    const { log, digest } = this.#standing;
    // One process of a group writes files.
    const writes = (current.options.group?.rank ?? 0) === 0;
    const record = writes ? this.#options.record : undefined;
    const header = (): ReturnType<typeof current.setup.header> =>
      inEpochs(epochSteps, () => current.setup.header(running.seed, this.#batchSize, isPerLayer(record), true));
    log.epochSteps = epochSteps ?? log.epochSteps;
    const { checkpoint } = this.#files;
    const role = rankedOf(current.options) === null ? 'alone' : writes ? 'gathers' : 'follows';
    const checkpointing =
      (writes || role === 'follows') &&
      checkpoint &&
      // The run has to be written even if the trainer was disposed of meanwhile: then it has ended.
      new Checkpointing(
        checkpoint,
        running.warnings,
        (metadata) =>
          current.access.take(async () => (await saving.capture({ weightsOnly: false, weights: 'model', metadata })).toFile),
        role,
      );
    const recording = new Recording({
      ...{ record, header, log, digest, running, decisions, names: current.setup.trained },
      ratesAt: (step) => inEpochs(epochSteps, () => current.setup.ratesAt(step)),
    });
    return [recording, ...(reader ? [reader] : []), ...(checkpointing ? [checkpointing] : [])];
  }

  /** Whoever follows the run is called for its end, what it has opened is closed. The first of all errors counts. */
  *#end(ending: Ending, training: Training | null, feeder: Feeder): Loop<FitResult<string>> {
    let failure = ending.result ? null : { error: ending.error };
    try {
      if (training) yield* training.end(ending);
    } catch (error) {
      failure ??= { error };
    }
    training?.dispose();
    try {
      yield* perform(feeder.close);
    } catch (error) {
      failure ??= { error };
    }
    if (failure) throw failure.error;
    // What was found while the run ended is in it too.
    return { ...ending.result!, warnings: this.running.warnings.list };
  }

  #leave(): void {
    this.#release();
    this.running.halt.close();
    this.running.time?.close();
    this.#standing.end();
    if (this.#current.access.disposed) this.#current.setup.dispose();
  }
}

/** Whether all processes of a group have it after the same step, as it is decided by what they have in common. */
const isAlike = (error: unknown): boolean =>
  isKnown(error) || [SkipError, NonFiniteError, GuardError, AbortError].some((of) => error instanceof of);
