// train.ts: runs a program in one of the ways that must all give the same, and collects what came of it.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GuardError, NonFiniteError, SkipError } from '../../lib/errors.ts';
import { readSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { type Data, sizeOf } from '../../lib/ir/op.ts';
import { permutation } from '../../lib/ir/philox.ts';
import { accuracy } from '../../lib/metrics/index.ts';
import { cast, mean } from '../../lib/ops/index.ts';
import type { Report } from '../../lib/optim/apply/report.ts';
import { sgd } from '../../lib/optim/index.ts';
import type { Arrays, Batch, NdArray, Source } from '../../lib/train/feed/source.ts';
import type { FitResult } from '../../lib/train/flow/progress.ts';
import type { TrainerOptions } from '../../lib/train/options.ts';
import { Trainer } from '../../lib/train/trainer.ts';
import { AROUND } from './around.ts';
import { arraysOf, sourceOf } from './data.ts';
import { LOSSES, lossOf } from './losses.ts';
import { makeNetwork, type Network } from './network.ts';
import { makeOptimizer } from './optimizers.ts';
import { makePolicy } from './policies.ts';
import type { ProgramSpec, Variant } from './spec.ts';

/** All that came of a run, by name, in an order that tells first what happened first. */
export type Outcome = ReadonlyMap<string, Data | string>;

export type ProgramOptions = TrainerOptions<Network, 'size'>;

/** What runs of one program share. */
export interface Program {
  readonly arrays: Arrays;
  readonly source: Source;
  /** Options of a trainer for a network of its own. */
  options(): ProgramOptions;
}

/** The trainer of a program. @throws what the library throws where something does not fit */
export function programOf(spec: ProgramSpec): Program {
  const made = makeNetwork(spec);
  const arrays = arraysOf(spec, made);
  return { arrays, source: sourceOf(spec, arrays), options: () => optionsOf(spec, arrays) };
}

function optionsOf(spec: ProgramSpec, data: Arrays): ProgramOptions {
  const { network } = makeNetwork(spec);
  const { loss, precision, activations, batchSize, accumulate, dropLast, around } = spec;
  const all = [...network.namedParameters()];
  if (around.frozen && all.length > 2) all[0]![1].requiresGrad = false;
  const trained = all.filter(([, p]) => p.requiresGrad);
  const names = trained.map(([name]) => name);
  const optimizer = makeOptimizer(spec.optimizer);
  // Muon is for matrices: what else there is gets another optimizer.
  const others = spec.optimizer.name === 'muon' ? trained.filter(([, { shape }]) => shape.length !== 2) : [];
  const rest = others.map(([match]) => ({ match, optimizer: makeOptimizer({ name: 'sgd', options: { lr: 0.1 } }) }));
  let options: ProgramOptions = {
    model: network,
    loss: (batch, model) => lossOf(loss.name, loss.options, model.forward(batch), batch.y),
    predict: (batch: Batch, model: Network) => model.forward(batch),
    optimizer,
    clip: makePolicy(spec.policy, names),
    metrics: {
      size: (batch, model) => mean(cast(model.forward(batch), 'f64')),
      ...(LOSSES[loss.name]!.targets === 'labels' && {
        accuracy: (batch: Batch, model: Network) => accuracy(model.forward(batch), batch.y),
      }),
    },
    precision,
    activations,
    batchSize,
    accumulate,
    dropLast,
    seed: spec.seed,
    ...(rest.length > 0 && { groups: rest }),
  };
  for (const [name, value] of Object.entries(around)) {
    const kind = AROUND[name];
    if (!kind) continue;
    const patch = kind.apply(value as never, { optimizer: options.optimizer, names, data }, options);
    options = { ...options, ...patch };
  }
  return options;
}

const FOLDER = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'gradclip-torture-'));
process.on('exit', () => rmSync(FOLDER, { recursive: true, force: true }));

/** How a run may end beside by its last step. */
const ENDS = [NonFiniteError, SkipError, GuardError];

/** The program run in this way. @throws whatever is not one of the ends that a run may have */
export async function outcomeOf(spec: ProgramSpec, variant: Variant): Promise<Outcome> {
  const { options, arrays, source } = programOf(spec);
  const { threads, resume, between, given, checkpointed } = variant;
  const reports: Report[] = [];
  const results: FitResult[] = [];
  const told = new Map<string, Data | string>([['error', '']]);
  const file = join(FOLDER, 'state.safetensors');
  const cuts = between ? Array.from({ length: spec.steps }, (_, i) => i + 1) : [...resume, spec.steps];
  const fresh = (k: number, more: Partial<ProgramOptions> = {}): Trainer<Network, 'size'> => {
    return new Trainer({
      ...options(),
      threads,
      ...(checkpointed !== null && { checkpointed }),
      ...(k > 0 && { seed: spec.seed + k }),
      ...more,
    });
  };
  let trainer = fresh(0);
  try {
    if (given) await giveSteps(spec, variant, trainer, arrays, reports);
    for (const [k, end] of given ? [] : cuts.entries()) {
      const begin = cuts[k - 1] ?? 0;
      let data: Arrays | Source | (() => AsyncIterable<Arrays>) = variant.stream ? streamOf(spec, arrays) : source;
      if (k > 0 && between) await BETWEEN[between](trainer, arrays, options);
      else if (k > 0) {
        await trainer.save(file);
        trainer.dispose();
        const batch = variant.alone && k === cuts.length - 1 ? lastBatch(spec, arrays) : null;
        trainer = fresh(k, batch ? { batchSize: batch.x!.shape[0]! } : {});
        await trainer.load(file);
        if (batch) {
          data = async function* () {
            yield batch;
          };
        }
      }
      const fitOptions = {
        steps: end - begin,
        ...(variant.chunk !== null && { chunkSteps: variant.chunk }),
        ...(spec.around.plateau !== undefined && { validation: source }),
      };
      if (variant.sync) results.push(trainer.fitSync(data as Source, fitOptions));
      else {
        const run = trainer.fit(data, fitOptions);
        for await (const report of run) reports.push(report);
        results.push(await run);
      }
    }
  } catch (error) {
    if (!ENDS.some((end) => error instanceof end)) throw error;
    // What comes after a semicolon is where it came from: rows of a stream have other names.
    told.set('error', `${(error as Error).name}: ${(error as Error).message.split(';')[0]!.replace(/^\w+: /, '')}`);
  }
  try {
    tellReports(told, variant, reports, results);
    await tellState(told, trainer, file);
    // A stream that is given alone leaves the place in the epoch as it was, and single steps are of none.
    if (variant.alone || given) told.delete('counters');
    if (!variant.alone) await tellAnswers(told, spec, variant, trainer, arrays, source);
  } finally {
    trainer.dispose();
  }
  return told;
}

/** What happens between two steps, and leaves no trace. */
const BETWEEN: Readonly<
  Record<NonNullable<Variant['between']>, (t: Trainer<Network, 'size'>, arrays: Arrays, options: () => ProgramOptions) => unknown>
> = {
  pieces: (trainer, arrays) => {
    const { y: _, ...inputs } = arrays as Record<string, NdArray>;
    return trainer.predict(inputs);
  },
  async shared(trainer, arrays, options) {
    const taken = await trainer.snapshot();
    const { loss, predict } = options();
    const other = new Trainer({ model: trainer.model, loss, predict: predict!, optimizer: sgd({ lr: 1e-3 }), batchSize: 3 });
    try {
      await other.fit(arrays, { steps: 2 });
    } catch (error) {
      if (!ENDS.some((end) => error instanceof end)) throw error;
    }
    other.dispose();
    await trainer.restore(taken);
  },
  changed(trainer, _arrays, options) {
    const { optimizer, groups = [], clip } = options();
    trainer.change({ lr: 1e-7 });
    trainer.change({ optimizer, groups, ...(clip && { clip }) });
  },
};

/** The steps of a fit, one by one: in each epoch the batches that it would draw, and what is carried begins anew. */
async function giveSteps(
  spec: ProgramSpec,
  { sync }: Variant,
  trainer: Trainer<Network, 'size'>,
  arrays: Arrays,
  reports: Report[],
): Promise<void> {
  const { accumulate, steps } = spec;
  for (let epoch = 0; reports.length < steps; epoch++) {
    const batches = [...batchesOf(spec, arrays, epoch)];
    let at = 0;
    for (; at < batches.length && reports.length < steps; at += accumulate) {
      const own = batches.slice(at, at + accumulate);
      reports.push(sync ? trainer.stepSync(own) : await trainer.step(own));
    }
    if (at >= batches.length) await trainer.resetCarried();
  }
}

/** Rows of the shorter last batch of the first epoch. */
function lastBatch(spec: ProgramSpec, arrays: Arrays): Record<string, NdArray> {
  const { rows, batchSize } = spec;
  return batchOf(arrays, orderOf(spec, 0).subarray(rows - (rows % batchSize)));
}

const orderOf = ({ rows, seed }: ProgramSpec, epoch: number): Int32Array => permutation(rows, BigInt(seed), epoch);

/** The batches of one epoch after the other, as a source of rows has them. */
function streamOf(spec: ProgramSpec, arrays: Arrays): () => AsyncIterable<Arrays> {
  let epoch = 0;
  return async function* () {
    yield* batchesOf(spec, arrays, epoch++);
  };
}

/** The batches of an epoch from batch `from` on. */
export function* batchesOf(spec: ProgramSpec, arrays: Arrays, epoch: number, from = 0): Generator<Arrays> {
  const { rows, batchSize, dropLast } = spec;
  const order = orderOf(spec, epoch);
  for (let at = from * batchSize; at < rows; at += batchSize) {
    if (!dropLast || at + batchSize <= rows) yield batchOf(arrays, order.subarray(at, at + batchSize));
  }
}

/** Some of the rows. */
function batchOf(arrays: Arrays, order: Int32Array): Record<string, NdArray> {
  const entries = Object.entries(arrays as Record<string, NdArray>).map(([name, { data, shape }]) => {
    const width = sizeOf(shape.slice(1));
    const taken = new (data.constructor as new (length: number) => Data)(order.length * width);
    order.forEach((row, i) => {
      taken.set(data.subarray(row * width, (row + 1) * width), i * width);
    });
    return [name, { data: taken, shape: [order.length, ...shape.slice(1)] }] as const;
  });
  return Object.fromEntries(entries);
}

/** What a result tells that depends neither on the team nor on the machine. */
const COUNTS = ['stopReason', 'tried', 'applied', 'clipped', 'skipped', 'nonFinite', 'guards', 'epochs'] as const;

/** Every number of every step's report; of synchronous runs there is the last one, and the counts. */
function tellReports(
  told: Map<string, Data | string>,
  { sync, resume, between, given }: Variant,
  reports: Report[],
  results: FitResult[],
): void {
  if (!sync || given) {
    for (const [i, report] of reports.entries()) {
      for (const [key, value] of Object.entries(report)) tell(told, `step ${i} ${key}`, value);
    }
  }
  const last = given ? reports.at(-1) : results.at(-1)?.last;
  for (const [key, value] of Object.entries(last ?? {})) tell(told, `last ${key}`, value);
  if (resume.length > 0 || between || given) return;
  for (const result of results) for (const key of COUNTS) told.set(`result ${key}`, JSON.stringify(result[key]) ?? '');
}

function tell(told: Map<string, Data | string>, name: string, value: unknown): void {
  told.set(name, typeof value === 'number' ? Float64Array.of(value) : (JSON.stringify(value) ?? 'undefined'));
}

/** Weights, slots, the state of policies, buffers and counters. */
export async function tellState(told: Map<string, Data | string>, trainer: Trainer<Network>, file: string): Promise<void> {
  told.set('counters', JSON.stringify(trainer.counters));
  await trainer.save(file);
  const { tensors } = await readSafetensors(file);
  for (const [name, { data }] of tensors) told.set(name, data as Data);
}

/** Predictions and evaluations. */
async function tellAnswers(
  told: Map<string, Data | string>,
  spec: ProgramSpec,
  { sync }: Variant,
  trainer: Trainer<Network, 'size'>,
  arrays: Arrays,
  source: Source,
): Promise<void> {
  const { y: _, ...inputs } = arrays as Record<string, NdArray>;
  const averaged = spec.around.ema || spec.optimizer.name === 'scheduleFree';
  for (const weights of averaged ? (['model', 'ema'] as const) : (['model'] as const)) {
    const measured = sync ? trainer.evaluateSync(source, { weights }) : await trainer.evaluate(source, { weights });
    for (const [key, value] of Object.entries(measured)) tell(told, `evaluate ${weights} ${key}`, value);
    const predicted = sync ? trainer.predictSync(inputs, { weights }) : await trainer.predict(inputs, { weights });
    told.set(`predict ${weights}`, predicted.data);
    // What a model draws when it is asked, it draws once more for each metric.
    if (spec.input.source === 'rows' && !draws(spec)) checkMean(measured.size, predicted.data);
  }
}

const draws = (spec: ProgramSpec): boolean => JSON.stringify(spec.layers).includes('"drawn"');

/** What is measured of all rows, batch by batch, is the mean of the predictions: also where the last batch is shorter. */
function checkMean(measured: number, predictions: Data): void {
  let [sum, size] = [0, 0];
  for (const v of predictions) {
    sum += v;
    size += Math.abs(v);
  }
  const off = Math.abs(measured - sum / predictions.length);
  if (off > (1e-5 * size) / predictions.length)
    throw new Error(`evaluate: a mean of ${measured}; of predictions ${sum / predictions.length}`);
}
