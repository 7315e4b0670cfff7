// stepper.ts: whole training steps of a model on one batch, through Trainer.fit as a user runs them.
import type { ClipPolicy } from '../../clip/index.ts';
import type { Precision } from '../../ir/op.ts';
import type { Group } from '../../mpi/group.ts';
import type { Module } from '../../nn/module/module.ts';
import * as optim from '../../optim/index.ts';
import { type Arrays, type NdArray, type Objective, type Profile, rows, type Source, Trainer } from '../../train/index.ts';
import { CHUNK_MS } from '../../train/programs/pace.ts';
import { type Sample, sampleOf } from './sample.ts';

/** What a step is made of. */
export interface StepTask {
  readonly model: Module;
  /** One batch, used for every step. */
  readonly batch: Arrays & { readonly x: NdArray };
  readonly loss: Objective<Module>;
  /** SGD with momentum 0.9, or AdamW, both with lr 1e-4; or any other. */
  readonly optimizer: 'sgd' | 'adamw' | optim.Optimizer;
  /** Of the model's products. Default f32. */
  readonly precision?: Precision;
  /** Processes that do each step together, the batch cut into so many parts, and perhaps the updates shared out. Default: this one alone. */
  readonly among?: { readonly group: Group; readonly shards: number; readonly shardOptimizer?: boolean };
}

// Reports that are timed together where each is awaited.
const READ = 8;

export class Stepper {
  readonly params: number;
  /** Of the parameters. */
  readonly shapes: readonly (readonly number[])[];
  readonly #trainer: Trainer<Module>;
  readonly #batch: Arrays;
  readonly #parts: number;
  #chunk = 0;
  /** What a step took when it was timed last, where it is a chunk. */
  #stepMs = Number.POSITIVE_INFINITY;

  constructor({ model, batch, loss, optimizer, precision = 'f32', among }: StepTask, policy: ClipPolicy, threads: number) {
    this.params = model.parameters().reduce((sum, p) => sum + p.size, 0);
    this.shapes = model.parameters().map((p) => p.shape);
    this.#batch = batch;
    this.#parts = among?.shards ?? 1;
    this.#trainer = new Trainer({
      model,
      loss,
      optimizer: optimizerOf(optimizer),
      clip: policy,
      precision,
      batchSize: batch.x.shape[0]!,
      threads,
      ...among,
    });
  }

  /** Loss and norm of the first steps, for verification; `norm_after`: of the clipped gradients. */
  async first(steps: number): Promise<{ loss: number[]; norm: number[]; norm_after: number[] }> {
    const loss: number[] = [];
    const norm: number[] = [];
    const norm_after: number[] = [];
    const marks: number[] = [];
    for await (const report of this.#trainer.fit(this.#source(), { steps })) {
      loss.push(report.loss);
      norm.push(report.norm);
      norm_after.push(report.normAfter);
      marks.push(performance.now());
    }
    // Where a step is a chunk, nothing needs to be tried out.
    if (marks.length > 1 && marks.at(-1)! - marks.at(-2)! > CHUNK_MS) this.#chunk = 1;
    return { loss, norm, norm_after };
  }

  async run(seconds: number): Promise<Sample> {
    if (this.#chunk === 0) await this.#pace();
    return this.#chunk === 1 ? this.#single(seconds) : this.#measure(this.#chunk, seconds);
  }

  /** Steps of a call, as many as a fit takes where nobody says how many; 0 before the first `run`. */
  get chunk(): number {
    return this.#chunk;
  }

  /** Steps with a clock at every instruction. */
  async profile(seconds: number): Promise<Profile> {
    await this.run(0);
    const end = performance.now() + seconds * 1000;
    const source = this.#source(() => {
      if (performance.now() > end) run.stop();
    });
    const run = this.#trainer.fit(source, { steps: 1e9, chunkSteps: this.#chunk, profile: true });
    return (await run).profile![0]!;
  }

  /** Some steps with a clock at every instruction; `balance`: their threads work one after the other, which tells how the work is cut for them. */
  async profiled(steps: number, profile: true | 'balance'): Promise<Profile> {
    const run = this.#trainer.fit(this.#source(), { steps, profile });
    return (await run).profile![0]!;
  }

  /** So many steps and not so many seconds, since processes of a group end after the same one: the mean of those after the first chunk. */
  async counted(steps: number): Promise<Sample> {
    const marks: (readonly [done: number, ms: number])[] = [];
    let done = 0;
    const onSteps = ({ length }: { readonly length: number }): void => {
      done += length;
      marks.push([done, performance.now()]);
    };
    await this.#trainer.fit(this.#source(), { steps, callbacks: [{ onSteps }] });
    const each = marks.slice(1).map(([to, ms], i) => [to - marks[i]![0], ms - marks[i]![1]] as const);
    const [all, ms] = each.reduce(([n, sum], [k, time]) => [n + k, sum + time], [0, 0]);
    return { median_ms: ms / all, min_ms: Math.min(...each.map(([n, time]) => time / n)), n: all };
  }

  /** One step at a time: each is a chunk of its own, and the caller reads every report. */
  async awaited(seconds: number): Promise<Sample> {
    const times: number[] = [];
    const source = this.#source();
    let [last, end, read] = [0, Number.POSITIVE_INFINITY, 0];
    for await (const { loss } of this.#trainer.fit(source, { steps: 1e9, chunkSteps: 1 })) {
      if (!Number.isFinite(loss)) throw new Error(`bench: the loss is ${loss}`);
      // Reports may come two at once, so several of them are timed together. The first ones compile the program.
      if (read++ % READ !== 0) continue;
      const now = performance.now();
      if (last > 0) times.push((now - last) / READ);
      else end = now + seconds * 1000;
      last = now;
      if (times.length > 0 && now > end) break;
    }
    return sampleOf(times, READ);
  }

  /** A `fit` of one step, awaited, again and again. */
  async fitEach(seconds: number): Promise<Sample> {
    const times: number[] = [];
    const source = this.#source();
    const end = performance.now() + seconds * 1000;
    while (times.length < 3 || performance.now() < end) {
      const start = performance.now();
      await this.#trainer.fit(source, { steps: 1 });
      times.push(performance.now() - start);
    }
    return sampleOf(times, 1);
  }

  #source(onDraw?: () => void): Source {
    return sameBatch(this.#batch, onDraw, this.#parts);
  }

  dispose(): void {
    this.#trainer.dispose();
  }

  /** Short calls make steps look long, so the number grows with what is learned. */
  async #pace(): Promise<void> {
    for (let next = 1; next > 1.2 * this.#chunk; ) {
      this.#chunk = next;
      const { median_ms } = await this.#measure(next, 0.1);
      next = Math.max(1, Math.round(CHUNK_MS / median_ms));
    }
  }

  /** Times steps that are chunks: from the report of one to the report of the next, after one that counts for nothing. */
  async #single(seconds: number): Promise<Sample> {
    const marks: number[] = [];
    const steps = 1 + Math.max(1, Math.floor((seconds * 1000) / this.#stepMs));
    const source = this.#source();
    for await (const { loss } of this.#trainer.fit(source, { steps, chunkSteps: 1 })) {
      if (!Number.isFinite(loss)) throw new Error(`bench: the loss is ${loss}`);
      marks.push(performance.now());
    }
    const sample = sampleOf(
      marks.slice(1).map((mark, i) => mark - marks[i]!),
      1,
    );
    this.#stepMs = sample.median_ms;
    return sample;
  }

  /** Times chunks from the filling of one to the filling of the next: everything that a step costs, JavaScript too. */
  async #measure(chunk: number, seconds: number): Promise<Sample> {
    const marks: number[] = [];
    let drawn = 0;
    const source = this.#source(() => {
      if (drawn++ % chunk !== 0) return;
      marks.push(performance.now());
      // The first chunk compiles the program.
      if (marks.length > 3 && marks.at(-1)! - marks[1]! > seconds * 1000) run.stop();
    });
    const run = this.#trainer.fit(source, { steps: 1e9, chunkSteps: chunk });
    await run;
    const times = marks.slice(2).map((mark, i) => (mark - marks[i + 1]!) / chunk);
    return sampleOf(times, chunk);
  }
}

function optimizerOf(given: StepTask['optimizer']): optim.Optimizer {
  if (typeof given !== 'string') return given;
  return given === 'adamw' ? optim.adamw({ lr: 1e-4 }) : optim.sgd({ lr: 1e-4, momentum: 0.9 });
}

/** A source that gives the same batch for ever, in so many parts, and says when it is asked. */
function sameBatch(arrays: Arrays, onDraw: () => void = () => {}, parts = 1): Source {
  return {
    ...rows(arrays),
    epoch: () => ({ whole: 1e12, tail: 0 }),
    fill(row, { i }) {
      onDraw();
      const from = (i % parts) * row.length;
      for (let k = 0; k < row.length; k++) row[k] = from + k;
    },
  };
}
