// step.ts: whole training steps of a workload, through Trainer.fit as a user runs them.
import * as clip from '../../lib/clip/index.ts';
import type { Module } from '../../lib/nn/index.ts';
import * as optim from '../../lib/optim/index.ts';
import { type Arrays, rows, type Source } from '../../lib/train/source.ts';
import { Trainer } from '../../lib/train/trainer.ts';
import { median, type Sample } from '../report.ts';
import { fillParameters, type Workload } from '../workload.ts';
import type { Cell } from './gradclip.ts';

// Long enough that the clock costs nothing, short enough for many samples.
const CHUNK_MS = 5;

export async function stepCell(name: string, threads: number): Promise<Cell> {
  const module = (await import(`../workloads/${name}.js`)) as { WORKLOAD: Workload<Module> };
  const clipped = new Stepper(module.WORKLOAD, clip.globalNorm(1), threads);
  const first = await clipped.first(3);
  let free: Stepper | undefined;
  return {
    info: { params: clipped.params, ...first },
    variants: {
      step: (seconds) => clipped.run(seconds),
      noclip(seconds) {
        free ??= new Stepper(module.WORKLOAD, clip.none({ measure: false }), threads);
        return free.run(seconds);
      },
    },
  };
}

class Stepper {
  readonly params: number;
  readonly #trainer: Trainer<Module>;
  readonly #batch: Arrays;
  #chunk = 0;

  constructor(workload: Workload<Module>, policy: clip.ClipPolicy, threads: number) {
    const model = workload.model();
    fillParameters(model, workload.bounds);
    this.params = model.parameters().reduce((sum, p) => sum + p.size, 0);
    const { x, ...rest } = workload.batch();
    this.#batch = { x, ...rest };
    const optimizer = workload.optimizer === 'adamw' ? optim.adamw({ lr: 1e-4 }) : optim.sgd({ lr: 1e-4, momentum: 0.9 });
    this.#trainer = new Trainer({
      model,
      loss: workload.loss,
      optimizer,
      clip: policy,
      batchSize: x.shape[0]!,
      threads,
    });
  }

  async first(steps: number): Promise<{ loss: number[]; norm: number[] }> {
    const loss: number[] = [];
    const norm: number[] = [];
    for await (const report of this.#trainer.fit(
      sameBatch(this.#batch, () => {}),
      { steps },
    )) {
      loss.push(report.loss!);
      norm.push(report.norm!);
    }
    return { loss, norm };
  }

  async run(seconds: number): Promise<Sample> {
    if (this.#chunk === 0) {
      const { median_ms } = await this.#measure(1, 0.2);
      this.#chunk = Math.max(1, Math.round(CHUNK_MS / median_ms));
    }
    return this.#measure(this.#chunk, seconds);
  }

  /** Times chunks from the filling of one to the filling of the next: everything that a step costs, JavaScript too. */
  async #measure(chunk: number, seconds: number): Promise<Sample> {
    const marks: number[] = [];
    let drawn = 0;
    const source = sameBatch(this.#batch, () => {
      if (drawn++ % chunk !== 0) return;
      marks.push(performance.now());
      // The first chunk compiles the program.
      if (marks.length > 3 && marks.at(-1)! - marks[1]! > seconds * 1000) run.stop();
    });
    const run = this.#trainer.fit(source, { steps: 1e9, chunkSteps: chunk });
    await run;
    const times = marks.slice(2).map((mark, i) => (mark - marks[i + 1]!) / chunk);
    return { median_ms: median(times), min_ms: Math.min(...times), n: times.length * chunk };
  }
}

/** A source that gives the same batch for ever, and says when it is asked. */
function sameBatch(arrays: Arrays, onDraw: () => void): Source {
  return {
    ...rows(arrays),
    epoch: () => ({ whole: 1e12, tail: 0 }),
    fill(row) {
      onDraw();
      for (let i = 0; i < row.length; i++) row[i] = i;
    },
  };
}
