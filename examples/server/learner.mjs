// learner.mjs: learns the rows of the log in their order, judges what it has learned, and says which weights answer requests. Its position in the log is in each
// file that it writes, so a process that dies at any moment goes on where the file was: each row is learned once.
//
// What it does depends on the rows alone, not on when they came or how often it was stopped: steps are of BLOCK rows, judgments come after each ROUND steps.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { io } from 'gradclip';
import { encode } from './deliveries.mjs';
import { BLOCK, dataOf, logLoss, makeTrainer } from './model.mjs';

/** Steps from one judgment to the next. */
const ROUND = 16;
/** Rows that a judgment is made on, and what there must be. */
const JUDGED = 512;
const LEAST = 32;
/** A candidate goes live that is not worse than this, relative to the weights that are live, on the same rows. */
const TOLERATED = 1.01;
/** One that is as much worse, as often in a row, is given up: training goes back to the weights that are live. */
const BAD = 1.1;
const PATIENCE = 3;

const START = { lastId: 0, steps: 0, rows: 0, bad: 0, loss: null };

export class Learner {
  #log;
  #trainer;
  #predictor;
  #files;
  #every;
  #callbacks;
  #events;
  #place = START;
  /** Of the weights that are live; null: none was good enough yet. */
  #good = null;
  #live = null;
  #wake = null;
  #stopping = false;
  #saved = Date.now();
  #dirty = false;

  /**
   * With what an earlier process has left.
   * @param folder of its two files
   * @param every seconds between two checkpoints, at least
   * @param callbacks of each fit
   * @param events functions by name: `trained`, `judged`, `swapped`, `rolledBack`, `saved`
   */
  static async open({ log, folder, threads, every, callbacks = [], events = {} }) {
    const learner = new Learner({ log, folder, threads, every, callbacks, events });
    await learner.#load();
    return learner;
  }

  /** @private use `open` */
  constructor({ log, folder, threads, every, callbacks, events }) {
    this.#log = log;
    this.#trainer = makeTrainer(threads);
    this.#predictor = this.#trainer.predictor();
    this.#files = { good: join(folder, 'good.safetensors'), newest: join(folder, 'newest.safetensors') };
    this.#every = every;
    this.#callbacks = callbacks;
    this.#events = events;
  }

  /** Where it is: the last row that it has learned, and how many. */
  get place() {
    return this.#place;
  }

  /** Of the weights that answer requests; null: none are good enough yet. */
  get live() {
    return this.#live;
  }

  /** Rows that are not learned yet, those that are held out among them. */
  get backlog() {
    return this.#log.last - this.#place.lastId;
  }

  /** Probabilities that these deliveries are late: on this thread, in microseconds, whatever is being trained. */
  predict(rows) {
    return this.#predictor.predictSync(encode(rows)).data;
  }

  /** The page of the training so far, as HTML. */
  async report() {
    return await this.#trainer.report();
  }

  /** Rows have come. */
  wake() {
    this.#wake?.();
  }

  /** Learn until `stop`. @param idle ends where no whole block is left */
  async run({ idle = false } = {}) {
    while (!this.#stopping) {
      const left = ROUND - (this.#place.steps % ROUND);
      const rows = this.#log.training(this.#place.lastId, left * BLOCK);
      const blocks = Math.floor(rows.length / BLOCK);
      if (blocks > 0) await this.#learn(rows.slice(0, blocks * BLOCK));
      else if (idle) break;
      else await this.#sleep();
      if (this.#dirty && Date.now() - this.#saved >= 1000 * this.#every) await this.#save(this.#files.newest);
    }
    if (this.#dirty) await this.#save(this.#files.newest);
  }

  /** `run` ends after the fit that is under way, which is ROUND steps at most, and its state is on the disk. */
  stop() {
    // Not in the middle of that fit: it is short, and its rows are a round's.
    this.#stopping = true;
    this.#wake?.();
  }

  /** The weights that are being trained, as a file has them: to compare two. */
  async weights() {
    return await this.#trainer.save({ weightsOnly: true });
  }

  dispose() {
    this.#predictor.dispose();
    this.#trainer.dispose();
  }

  async #learn(rows) {
    const { tried, last } = await this.#trainer.fit(dataOf(rows), { epochs: 1, shuffle: false, callbacks: this.#callbacks });
    const { steps, rows: before } = this.#place;
    const count = tried * BLOCK;
    this.#place = { ...this.#place, lastId: rows[count - 1].id, steps: steps + tried, rows: before + count };
    this.#dirty = true;
    this.#events.trained?.({ rows: count, loss: last.loss, place: this.#place });
    if (this.#place.steps % ROUND === 0) await this.#judge();
  }

  async #judge() {
    const rows = this.#log.heldOut(this.#place.lastId, JUDGED);
    if (rows.length < LEAST) return;
    const candidate = logLoss((await this.#trainer.predict(encode(rows))).data, rows);
    const live = this.#good ? logLoss(this.predict(rows), rows) : Number.POSITIVE_INFINITY;
    this.#events.judged?.({ candidate, live, rows: rows.length, place: this.#place });
    if (candidate <= TOLERATED * live) await this.#swap(candidate);
    else if (candidate <= BAD * live) this.#place = { ...this.#place, bad: 0 };
    else if (this.#place.bad + 1 < PATIENCE) this.#place = { ...this.#place, bad: this.#place.bad + 1 };
    else await this.#rollBack();
  }

  /** On the disk before it answers anybody, so that a new process answers with the same. */
  async #swap(loss) {
    this.#place = { ...this.#place, bad: 0, loss };
    this.#good = await this.#trainer.snapshot();
    await this.#save(this.#files.good);
    await this.#predictor.update();
    this.#live = this.#place;
    this.#events.swapped?.(this.#live);
  }

  /** Weights and moments of before; the rows since then are behind it all the same. */
  async #rollBack() {
    await this.#trainer.restore(this.#good);
    this.#place = { ...this.#place, bad: 0 };
    this.#events.rolledBack?.(this.#place);
  }

  async #save(file) {
    const began = performance.now();
    await this.#trainer.save(file, { metadata: { place: JSON.stringify(this.#place) } });
    this.#saved = Date.now();
    this.#dirty = false;
    this.#events.saved?.({ file, place: this.#place, seconds: (performance.now() - began) / 1000 });
  }

  async #load() {
    const good = await placeOf(this.#files.good);
    const newest = await placeOf(this.#files.newest);
    if (good) {
      await this.#trainer.load(this.#files.good);
      this.#good = await this.#trainer.snapshot();
      await this.#predictor.update();
      this.#live = this.#place = good;
    }
    if (newest && newest.steps > this.#place.steps) {
      await this.#trainer.load(this.#files.newest);
      this.#place = newest;
    }
    if (this.#place.lastId > this.#log.last) {
      throw new Error(
        `the weights have learned row ${this.#place.lastId}, and the log ends at ${this.#log.last}: is it another one?`,
      );
    }
  }

  /** Until rows have come, or a second is over. */
  async #sleep() {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, 1000);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
  }
}

/** Its position in the log, which a file has; null: there is none. @throws Error of gradclip where it is no file of weights */
async function placeOf(file) {
  if (!existsSync(file)) return null;
  const { metadata } = await io.inspectSafetensors(file);
  const place = JSON.parse(metadata.place ?? 'null');
  if (!Number.isSafeInteger(place?.lastId) || !Number.isSafeInteger(place?.steps)) {
    throw new Error(`${file}: expected a position in the log, got ${metadata.place}`);
  }
  return place;
}
