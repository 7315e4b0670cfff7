// cell.ts: one workload with one optimizer: compiled once for each policy, and begun anew for each seed and threshold.
import { type ClipPolicy, globalNorm, none } from '../clip/index.ts';
import { DataError, NonFiniteError, OptionError, SkipError } from '../errors.ts';
import { mean, median, quantile, sorted } from '../history/numbers.ts';
import { spreadOf, tailOf } from '../history/tail.ts';
import type { TensorData } from '../io/file/file.ts';
import type { Module } from '../nn/module/module.ts';
import type { Report } from '../optim/apply/report.ts';
import type { Arrays } from '../train/feed/source.ts';
import type { FitResult } from '../train/flow/progress.ts';
import { TakenSnapshot } from '../train/state/snapshot.ts';
import { Trainer } from '../train/trainer.ts';
import { type Diverged, type LabKey, type LabLine, type LabNorms, type LabOptimizer, madeOf } from './line.ts';
import type { LabLevel, LabPolicy, LabScale } from './policies.ts';
import type { LabData, LabSet, LabWorkload } from './workload.ts';

/** A workload as a plan has it: of the list, or what a configuration says. */
export interface PlannedWorkload extends Pick<LabWorkload, 'name' | 'kind' | 'steps' | 'data' | 'ignorant'> {
  /** What its configuration says, where it is from a file: another one is another workload. */
  readonly made?: string;
  readonly optimizers: readonly LabOptimizer[];
  /** On one thread: the runs beside each other are the processes'. */
  trainer(optimizer: LabOptimizer, clip: ClipPolicy, seed: number, data: LabData): Trainer<Module>;
}

/** One of the list. */
export function planned(workload: LabWorkload): PlannedWorkload {
  const { name, kind, steps, batchSize, optimizers, loss } = workload;
  return {
    ...{ name, kind, steps, optimizers: ['sgd', 'adam'] },
    data: (seed) => workload.data(seed),
    ignorant: (data) => workload.ignorant(data),
    trainer: (optimizer, clip, seed) =>
      new Trainer<Module>({
        ...{ model: workload.model(), loss, optimizer: optimizers[optimizer as 'sgd' | 'adam'](), clip },
        ...{ batchSize, seed, threads: 1 },
      }),
  };
}

/** Steps at the first weights, whose norms bound the run that tells the scale. */
const FIRST_STEPS = 5;
/** Of that run: a seed that no plan has, so that the scale is the same whichever seeds are tried. */
const SCALE_SEED = 2 ** 31 - 1;

/** Bytes of state that the trainers of a cell may hold together: those that were made first go. */
const ROOM = 2 ** 30;

/** A trainer of one policy, or of one level of it. */
interface Ready {
  readonly trainer: Trainer<Module>;
  /** Names of its state before the first step, in order; with what its policy keeps. */
  readonly begin: ReadonlyMap<string, TensorData | null>;
  level: string;
}

/** What one seed draws: data, weights, batches. */
interface Drawn {
  readonly seed: number;
  readonly data: LabData;
  readonly ignorant: number;
  readonly begin: TakenSnapshot;
}

export class Cell {
  readonly workload: PlannedWorkload;
  readonly optimizer: LabOptimizer;
  readonly #room: number;
  readonly #ready = new Map<string, Ready>();
  #drawn: Drawn | null = null;
  #scale: LabScale | null = null;

  constructor(workload: PlannedWorkload, optimizer: LabOptimizer, room: number = ROOM) {
    this.workload = workload;
    this.optimizer = optimizer;
    this.#room = room;
  }

  /** How large gradients are, before they are clipped. */
  get scale(): LabScale {
    this.#scale ??= this.#measured();
    return this.#scale;
  }

  /** Train and measure. */
  run(policy: LabPolicy, level: LabLevel, seed: number): LabLine {
    const { workload, optimizer } = this;
    const { ignorant } = this.#of(seed);
    const about = {
      ...{ workload: workload.name, optimizer, policy: policy.name, level: level.name, seed },
      ...madeOf(workload, policy),
      ...{ kind: workload.kind, usual: level.usual === true, steps: workload.steps },
    };
    try {
      return { ...about, ...this.#trained(policy, level, seed), ignorant };
    } catch (error) {
      if (!(error instanceof OptionError)) throw error;
      const nothing = { extra: 0, clipped: 0, skipped: 0, train: null, validation: null, test: null, diverged: null };
      const norms = { median: null, p99: null, tail: null, drift: null };
      return { ...about, ...nothing, refused: error.message, ignorant, threshold: null, norms, seconds: 0 };
    }
  }

  /** @throws OptionError where policy and network do not go together */
  #trained(
    policy: LabPolicy,
    level: LabLevel,
    seed: number,
  ): Omit<LabLine, keyof LabKey | 'kind' | 'usual' | 'steps' | 'ignorant'> {
    const { data, begin } = this.#of(seed);
    const ready = this.#trainer(policy, level, data, begin);
    const { trainer } = ready;
    trainer.restoreSync(began(ready.begin, begin));
    const follow = new Following();
    const started = performance.now();
    let diverged: Diverged | null = null;
    let result: FitResult | null = null;
    try {
      result = trainer.fitSync(data.train as Arrays, {
        steps: this.workload.steps,
        callbacks: [follow],
        ...(policy.validates && { validation: data.validation as Arrays }),
      });
    } catch (error) {
      diverged = divergedBy(error);
    }
    const seconds = (performance.now() - started) / 1000;
    const lossOn = (set: LabSet): number => this.#lossOn(trainer, set);
    const [validation, test] = diverged ? [Number.NaN, Number.NaN] : [lossOn(data.validation), lossOn(data.test)];
    if (!diverged && !(Number.isFinite(validation) && Number.isFinite(test))) diverged = 'loss';
    const tried = Math.max(1, follow.length);
    const extra = result?.auto?.extra ?? 0;
    return {
      ...{ extra, clipped: follow.clipped / tried, skipped: follow.skipped / tried },
      train: diverged ? null : numberOr(follow.lastLoss),
      validation: diverged ? null : validation,
      test: diverged ? null : test,
      ...{ diverged, threshold: numberOr(follow.threshold), norms: normsOf(follow.norms), seconds },
    };
  }

  [Symbol.dispose](): void {
    for (const { trainer } of this.#ready.values()) trainer.dispose();
    this.#ready.clear();
    this.#drawn = null;
  }

  #of(seed: number): Drawn {
    if (this.#drawn?.seed !== seed) {
      const data = this.workload.data(seed);
      using trainer = this.workload.trainer(this.optimizer, none(), seed, data);
      const begin = trainer.snapshotSync() as TakenSnapshot;
      this.#drawn = { seed, data, ignorant: this.#ignorant(data), begin };
    }
    return this.#drawn;
  }

  /** @throws DataError where there is nothing to know */
  #ignorant(data: LabData): number {
    const { name } = this.workload;
    const loss = this.workload.ignorant(data);
    if (loss > 0 && Number.isFinite(loss)) return loss;
    throw new DataError(
      `${name}: who knows nothing has a loss of ${loss} on the test set: expected more than 0, to compare with`,
      {
        workload: name,
        loss,
      },
    );
  }

  /** @throws DataError for a loss below 0, which has no share of another one */
  #lossOn(trainer: Trainer<Module>, set: LabSet): number {
    const { loss } = trainer.evaluateSync(set as Arrays);
    if (!(loss < 0)) return loss;
    const { name } = this.workload;
    throw new DataError(`${name}: expected losses from 0 on, got ${loss}: scores are shares of losses`, { workload: name, loss });
  }

  /** One that has the level. */
  #trainer(policy: LabPolicy, level: LabLevel, data: LabData, drawn: TakenSnapshot): Ready {
    const name = policy.oneProgram ? policy.name : `${policy.name}\n${level.name}`;
    let ready = this.#ready.get(name);
    if (!ready) {
      const trainer = this.workload.trainer(this.optimizer, level.make(this.scale), 0, data);
      const { tensors } = (trainer.snapshotSync() as TakenSnapshot).checkpoint;
      // What the seed draws is in its own snapshot.
      const own = Array.from(tensors, ([key, tensor]) => [key, drawn.checkpoint.tensors.has(key) ? null : tensor] as const);
      this.#makeRoom(drawn.bytes);
      ready = { trainer, begin: new Map(own), level: level.name };
      this.#ready.set(name, ready);
    }
    if (ready.level !== level.name) {
      ready.trainer.change({ clip: level.make(this.scale) });
      ready.level = level.name;
    }
    return ready;
  }

  /** For one more. */
  #makeRoom(bytes: number): void {
    for (const [name, { trainer }] of this.#ready) {
      if ((this.#ready.size + 1) * bytes <= this.#room) return;
      trainer.dispose();
      this.#ready.delete(name);
    }
  }

  /**
   * Without a clip a run may diverge, and thresholds near what its norms are then would mean nothing. So the median of the norms at the first weights is the
   * threshold of a run, and the median of what norms were in it before the clip is the scale.
   */
  #measured(): LabScale {
    const { workload, optimizer } = this;
    const data = workload.data(SCALE_SEED);
    const still = (threshold: number): ClipPolicy => globalNorm(threshold, { maxSkips: Infinity });
    using trainer = workload.trainer(optimizer, still(0), SCALE_SEED, data);
    const begin = trainer.snapshotSync();
    const norms = (steps: number): number => {
      const follow = new Following();
      trainer.fitSync(data.train as Arrays, { steps, callbacks: [follow] });
      const middle = median(follow.norms.filter((n) => Number.isFinite(n) && n > 0));
      return Number.isNaN(middle) ? 1 : middle;
    };
    const first = norms(FIRST_STEPS);
    trainer.change({ clip: still(first) });
    trainer.restoreSync(begin);
    const parameters = [...trainer.readParametersSync().values()];
    return {
      norm: norms(workload.steps),
      elements: parameters.reduce((sum, { data }) => sum + data.length, 0),
      tensors: parameters.length,
    };
  }
}

/** The beginning of a trainer, with the weights, buffers and place in the data of a seed; what its policy keeps stays as it begins. */
function began(own: Ready['begin'], { checkpoint, transforms }: TakenSnapshot): TakenSnapshot {
  const merged = new Map(Array.from(own, ([name, tensor]) => [name, tensor ?? checkpoint.tensors.get(name)!] as const));
  return new TakenSnapshot({ tensors: merged, progress: checkpoint.progress!, transforms });
}

/** @throws what ended the run, where that is no divergence */
function divergedBy(error: unknown): Diverged {
  if (error instanceof NonFiniteError) return 'gradient';
  if (error instanceof SkipError) return 'skips';
  throw error;
}

/** What the steps of a run tell. */
class Following {
  readonly norms: number[] = [];
  readonly #losses: number[] = [];
  clipped = 0;
  skipped = 0;
  threshold: number = Number.NaN;

  get length(): number {
    return this.norms.length;
  }

  /** Mean over the last tenth of the steps. */
  get lastLoss(): number {
    return mean(this.#losses.slice(-Math.max(1, Math.round(this.#losses.length / 10))));
  }

  onSteps(steps: Iterable<Report>): void {
    for (const { norm, loss, clipped, skipped, threshold } of steps) {
      this.norms.push(norm);
      this.#losses.push(loss);
      this.clipped += Number(clipped);
      this.skipped += Number(skipped);
      this.threshold = threshold;
    }
  }
}

const numberOr = (x: number): number | null => (Number.isFinite(x) ? x : null);

function normsOf(all: readonly number[]): LabNorms {
  const norms = all.filter((n) => Number.isFinite(n));
  const order = sorted(norms);
  const middle = quantile(order, 0.5);
  const quarter = Math.floor(norms.length / 4);
  const tail = tailOf(spreadOf(norms));
  return {
    median: numberOr(middle),
    p99: numberOr(quantile(order, 0.99) / middle),
    tail: tail && numberOr(tail.index),
    drift: quarter === 0 ? null : numberOr(median(norms.slice(-quarter)) / median(norms.slice(0, quarter))),
  };
}
