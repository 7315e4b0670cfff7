// train.ts: `gradclip train CONFIG.json`: trains what a configuration says, tells how it goes, writes a checkpoint.
import { dirname, resolve } from 'node:path';
import { csv as csvTable } from '../../callbacks/csv.ts';
import { tensorBoard } from '../../callbacks/tensorboard.ts';
import { CheckpointError, DataError, NonFiniteError } from '../../errors.ts';
import { readRecord } from '../../history/index.ts';
import { digestOf } from '../../history/run/digest.ts';
import { inspectSafetensors } from '../../io/arrays/safetensors.ts';
import { writeWhole } from '../../io/file/write.ts';
import { type ValueFigures, valueFigures } from '../../metrics/evaluated.ts';
import { type Group, init as initMpi } from '../../mpi/index.ts';
import { machineText } from '../../native/machine.ts';
import { version } from '../../native/package.ts';
import { MAX_THREADS } from '../../native/threads.ts';
import type { Module } from '../../nn/module/module.ts';
import { INFINITY, whole } from '../../options/index.ts';
import { aboutOf, adviceOn, drawRun } from '../../pages/run/page.ts';
import { median, percent, short } from '../../text/format.ts';
import { dtypeOf, type Source } from '../../train/feed/source.ts';
import type { FitResult, Metrics } from '../../train/flow/progress.ts';
import { seconds as secondsField } from '../../train/given.ts';
import { byFirst } from '../../train/group/first.ts';
import { SHARDS } from '../../train/group/sharing.ts';
import type { Weights } from '../../train/options.ts';
import { checkpointFiles } from '../../train/state/checkpoint-files.ts';
import type { Trainer } from '../../train/trainer.ts';
import type { Callback } from '../../train/watch/callback.ts';
import type { Arguments, Command } from '../args.ts';
import { usage } from '../args.ts';
import { makePolicy, measuredWeights } from '../config/build.ts';
import {
  AUTO,
  type CheckpointConfig,
  checkConfig as checkSuggested,
  OF_A_GROUP,
  type RecordConfig,
  readConfig,
  type TrainConfig,
} from '../config/config.ts';
import { type DataSet, ROWS_KEY, shareOut } from '../config/data.ts';
import { columnLines, findColumns, isTable, lastOf, suggest, wanted } from '../config/suggest.ts';
import { checkConfig, makeTrainer, readRaw, sizedConfig } from '../config/trainer.ts';
import { EXIT, exitCodeOfStop } from '../exit.ts';
import type { IO, StopCause } from '../io.ts';
import { checkOutput } from '../output.ts';
import type { Screen } from '../screen.ts';
import { TrainView } from './train-view.ts';
import { untilStopped } from './until-stopped.ts';

export const TRAIN: Command = {
  name: 'train',
  operands: ['CONFIG.json'],
  summary: 'Train the model that a configuration describes',
  more: [
    'examples/ and docs/CONFIG.md in the package show what a configuration may say. Its paths begin at its own folder, those',
    'given here at the current one. SIGINT and SIGTERM end the training after its step; the checkpoint is written. In its place may stand a table, a',
    'file .csv or .tsv, also .gz, with names of columns: then it trains what gradclip init suggests of it, and writes the checkpoint beside it.',
  ],
  flags: {
    label: { value: 'COLUMN', help: 'of a table: the column to predict; default: the last one' },
    data: { value: 'DIR', help: "folder of the data files, in place of the configuration's data.dir" },
    seed: { value: 'N', help: "in place of the configuration's", takes: whole({ min: 0 }).optional() },
    seeds: {
      value: 'N',
      help: 'train N times, with this seed and those after it, and tell the median test accuracy; keeps no checkpoint',
      takes: whole({ min: 1, max: 1000 }).default(1),
    },
    epochs: { value: 'N', help: "in place of the configuration's epochs and steps", takes: whole({ min: 1 }).optional() },
    seconds: {
      value: 'S',
      help: "end the training after so many, with its result; in place of the configuration's",
      takes: secondsField.optional(),
    },
    mpi: {
      help: 'train together with the processes that mpirun or srun started with this one; process 0 tells how it goes, and writes',
    },
    threads: {
      value: 'N',
      help: "in place of the configuration's; default: what affinity and container quota allow",
      takes: whole({ min: 1, max: MAX_THREADS }).optional(),
    },
    out: { value: 'FILE', help: "write the checkpoint here, in place of the configuration's save" },
    record: { value: 'FILE', help: "write a record of every step here, in place of the configuration's; clip-report reads it" },
    tensorboard: { value: 'DIR', help: 'write curves and distributions here: tensorboard --logdir DIR shows them' },
    csv: { value: 'FILE', help: 'write a table here, with a row for each step and validation' },
    html: { value: 'FILE', help: 'write a page of the run here: curves, norms, where the clip was active, settings' },
    resume: {
      value: 'FILE',
      help: 'go on from this checkpoint, or, auto, from the newest whole one that the configuration writes',
    },
  },
};

/** What one training came to. */
export interface Outcome {
  readonly seed: number | bigint;
  readonly fit: FitResult<string>;
  readonly epochs: number;
  /** It ended in the middle of an epoch. */
  readonly within: boolean;
  /** Of the weights that are there then. */
  readonly validation: Metrics<string> | null;
  readonly test: Metrics<string> | null;
  /** Of the test rows, in the units of their labels; null where they are classes. */
  readonly values: ValueFigures | null;
  readonly ms: number;
  readonly checkpoint: string | null;
  /** The share of weights that are pruned, of those that may be; null where nothing is. */
  readonly sparsity: number | null;
  readonly stopped: boolean;
}

interface Job {
  readonly config: TrainConfig;
  readonly data: DataSet;
  readonly seed: number | bigint;
  readonly out: string | null;
  readonly record: RecordConfig | null;
  /** File of the weights without pruned rows. */
  readonly pruned: string | null;
  readonly checkpoint: CheckpointConfig | null;
  /** A folder of files for TensorBoard, and a file of a table. */
  readonly tensorboard: string | null;
  readonly csv: string | null;
  /** File of the page. */
  readonly html: string | null;
  /** `auto`, or a file. */
  readonly resume: string | null;
}

export async function train(args: Arguments, io: IO, screen: Screen): Promise<number> {
  const group = args.has('mpi') ? await joined(screen) : null;
  const file = resolve(io.cwd, args.operands[0]!);
  const config = override(isTable(file) ? await ofTable(file, args, screen) : await readConfig(file), args);
  if (args.has('label') && !isTable(file)) throw usage(TRAIN, '--label: is for a table in place of a configuration');
  const from = dirname(file);
  const path = (flag: string): string | null => (args.has(flag) ? resolve(io.cwd, args.text(flag)!) : null);
  const seeds = args.number('seeds')!;
  const out = path('out') ?? (config.save === null ? null : resolve(from, config.save));
  const pruned = config.savePruned === null ? null : resolve(from, config.savePruned);
  const checkpoint = config.checkpoint && { ...config.checkpoint, file: resolve(from, config.checkpoint.file) };
  const resume = resumed(config, args, checkpoint, { from, cwd: io.cwd });
  const record = recordOf(config, from, path('record'));
  const watched = { tensorboard: path('tensorboard'), csv: path('csv'), html: path('html') };
  if (seeds > 1 && ['out', 'record', 'resume', 'tensorboard', 'csv', 'html'].some((flag) => args.has(flag))) {
    throw usage(TRAIN, '--seeds trains anew each time and keeps no checkpoint, no record, no curves and no page');
  }
  const transforms = checkConfig(config);
  for (const key of OF_A_GROUP) {
    if (config[key] && !group) throw usage(TRAIN, `${key}: it is for several processes: give --mpi, too`);
  }
  if (writes(group)) {
    if (out !== null) await checkOutput(args.has('out') ? '--out' : 'save', out);
    if (pruned !== null) await checkOutput('savePruned', pruned);
    if (watched.csv !== null) await checkOutput('--csv', watched.csv);
    if (watched.html !== null) await checkOutput('--html', watched.html);
  }

  const begin = (): Promise<number | bigint> => seedOf(resume, checkpoint, config, args);
  const first = seeds > 1 ? config.seed : await (group ? seedOfFirst(group, begin) : begin());
  const raw = await readRaw(config, path('data') ?? resolve(from, config.data.dir));
  const outcomes: Outcome[] = [];
  for (let i = 0; i < seeds; i++) {
    const seed = typeof first === 'bigint' ? first : first + i;
    const files = { out, record, pruned, checkpoint, resume, ...watched };
    const none = {
      out: null,
      record: null,
      pruned: null,
      checkpoint: null,
      resume: null,
      tensorboard: null,
      csv: null,
      html: null,
    };
    const job = { config, data: shareOut(raw, transforms, BigInt(seed)), seed, ...(seeds > 1 ? none : files) };
    const outcome = await trainOnce(job, io, screen, group);
    outcomes.push(outcome);
    // Of several processes the signal may have come to another.
    if (outcome.stopped) return exitCodeOfStop((io.signal.reason as StopCause | undefined) ?? 'SIGTERM');
    checkFinite(outcome);
  }
  if (seeds > 1) tellMedian(outcomes, screen);
  return EXIT.ok;
}

/** Of several processes one writes. */
const writes = (group: Group | null): boolean => (group?.rank ?? 0) === 0;

/** What several processes tell, one of them does. */
async function joined(screen: Screen): Promise<Group> {
  const group = await initMpi();
  if (!writes(group)) screen.mute(`process ${group.rank} of ${group.size}`);
  return group;
}

/** Process 0 alone need have the file that says it. */
async function seedOfFirst(group: Group, seedOf: () => Promise<number | bigint>): Promise<number | bigint> {
  const text = await byFirst(group, 'train', async () => {
    const seed = await seedOf();
    return { result: { seed: `${seed}`, big: typeof seed === 'bigint' }, state: null };
  });
  return text.big ? BigInt(text.seed) : Number(text.seed);
}

async function trainOnce(job: Job, io: IO, screen: Screen, group: Group | null): Promise<Outcome> {
  const { config, data, seed, out, record, pruned, checkpoint, resume, tensorboard, csv, html } = job;
  const { batchSize, accumulate, epochs, steps, seconds, earlyStop } = config;
  const { train, validation, test } = data.sources;
  using trainer = makeTrainer(config, data, seed, group);
  const parts = train.epoch(batchSize);
  const perEpoch = Math.ceil((parts.whole + (parts.tail > 0 && !config.dropLast ? 1 : 0)) / accumulate);
  const parameters = trainer.model.parameters().reduce((n, p) => n + p.size, 0);
  // What trials of thresholds are judged by is no test set any more.
  const tries = makePolicy(config.clip).auto !== undefined;
  const on = validation === null && !tries ? 'test' : 'validation';
  const micros = accumulate * (group ? (config.shards ?? SHARDS) : 1);
  const view = new TrainView(screen, { config, data, seed, perEpoch, parameters, on, accumulate: micros, group });

  for (const unknown of data.unknown) view.unknown(unknown);
  const started = performance.now();
  const watched = validation ?? (tries ? null : test);
  const weights = measuredWeights(config);
  // Who writes nothing measures what is written.
  const followed = (one: Callback<string>): Callback<string> =>
    writes(group) ? one : { needsLayerNorms: one.needsLayerNorms ?? false, onStart() {} };
  const run = trainer.fit(train, {
    ...(epochs === null ? {} : { epochs }),
    ...(steps === null ? {} : { steps }),
    ...(seconds === null ? {} : { seconds }),
    ...(watched === null ? {} : { validation: watched }),
    ...(earlyStop === null ? {} : { earlyStop }),
    ...(watched === null ? {} : { validateWeights: weights }),
    ...(record === null ? {} : { record }),
    ...(html === null ? {} : { perLayer: true }),
    ...(checkpoint && { checkpoint: { ...checkpoint, metadata: metadata(config, data) } }),
    ...(resume !== null && { resume }),
    logger: (warning) => view.warning(warning),
    callbacks: [
      view,
      ...[tensorboard === null ? [] : [tensorBoard(tensorboard)], csv === null ? [] : [csvTable(csv)]].flat().map(followed),
    ],
  });
  const fit = await untilStopped(run, io.signal)
    .finally(() => view.pause())
    .catch(async (error: unknown) => {
      // What went wrong is seen best on the page.
      if (html !== null && writes(group)) await writePage(trainer, job, [['ended by', (error as Error).message]]).catch(() => {});
      throw error;
    });
  const stopped = fit.stopReason === 'stopped';
  const broken = !Number.isFinite(fit.last?.loss ?? 0);
  // Told to stop before the first step: there is nothing that a file from before should make way for.
  const worthKeeping = !broken && (fit.tried > 0 || !stopped);
  if (out !== null && worthKeeping) await trainer.save(out, { metadata: metadata(config, data) });
  if (pruned !== null && worthKeeping && !stopped) await trainer.savePruned(pruned, { metadata: metadata(config, data) });
  const measured = test === null || stopped ? null : await trainer.evaluate(test, { weights });
  const values = measured && writes(group) && (await valuesOf(trainer, config, test!, weights));
  const within = trainer.counters.batch > 0;
  const validated =
    validation === null || stopped
      ? null
      : within && !fit.best
        ? await trainer.evaluate(validation, { weights })
        : lastValidation(fit);
  const outcome: Outcome = {
    seed,
    fit,
    epochs: trainer.counters.epoch,
    within,
    validation: validated,
    test: measured,
    values: values || null,
    ms: performance.now() - started,
    checkpoint: worthKeeping ? out : null,
    sparsity: config.prune.length > 0 ? (await trainer.sparsity()).total : null,
    stopped,
  };
  view.end(outcome);
  if (html !== null && fit.tried > 0 && writes(group)) {
    await writePage(trainer, job, factsOf(outcome));
    screen.emit({ event: 'page', file: html });
    screen.say(`page: ${html}`);
  }
  return outcome;
}

/** What is suggested for a table, told as people would be asked. */
async function ofTable(file: string, args: Arguments, screen: Screen): Promise<TrainConfig> {
  const found = await findColumns(file);
  const asked = wanted(found, args.text('label') ?? lastOf(found));
  const config = suggest(found, asked, file);
  screen.emit({ event: 'configuration', table: file, rows: found.rows, columns: found.columns, config });
  for (const line of columnLines(found)) screen.say(line);
  screen.say(
    `predicts ${asked.label.name}, ${asked.isClass ? 'a class' : 'a number'}; gradclip init writes a configuration to change`,
  );
  return checkSuggested(config);
}

/** What predictions of values are worth, in their units. */
async function valuesOf(
  trainer: Trainer<Module, string>,
  { loss }: TrainConfig,
  { data }: Source,
  weights: Weights,
): Promise<ValueFigures | null> {
  if (loss === 'crossEntropy' || loss === 'bceWithLogits') return null;
  const predicted = await trainer.predict({ x: data.get('x')! }, { weights });
  return valueFigures(predicted.data, data.get('y')!.data);
}

/** The page of what was trained: of the whole run, where there is a record of what came before. */
async function writePage(
  trainer: Trainer<Module, string>,
  job: Job,
  facts: readonly (readonly [string, string])[],
): Promise<void> {
  const { config, record, resume, html } = job;
  const asked = { title: titleOf(config), facts: Object.fromEntries(facts), configuration: config };
  if (record === null || resume === null) return trainer.report(html!, asked);
  const history = await readRecord(record.file);
  await writeWhole(html!, drawRun(digestOf(history), aboutOf(asked, machineText(), adviceOn(history))));
}

const titleOf = ({ model, data }: TrainConfig): string => `A training run: ${model.type}, ${data.type}`;

function factsOf({ fit, test, checkpoint, sparsity }: Outcome): (readonly [string, string])[] {
  const facts: (readonly [string, string | false])[] = [
    ['ended by', fit.stopReason],
    ['test accuracy', test?.accuracy !== undefined && percent(test.accuracy, 1, 2)],
    ['test loss', test !== null && short(test.loss)],
    ['pruned', sparsity !== null && percent(sparsity, 1)],
    ['checkpoint', checkpoint !== null && checkpoint],
  ];
  return facts.filter((fact): fact is readonly [string, string] => fact[1] !== false);
}

/** The best where there is early stopping, since its weights are back. */
const lastValidation = (fit: FitResult<string>): Metrics<string> | null => fit.best ?? fit.epochs.at(-1)?.validation ?? null;

/** `given` on the command line goes before the configuration's, which is looked for from its folder. */
function recordOf({ record }: TrainConfig, from: string, given: string | null): RecordConfig | null {
  if (given !== null) return { file: given, perLayer: record?.perLayer ?? false, clock: record?.clock ?? false };
  return record && { ...record, file: resolve(from, record.file) };
}

function override(config: TrainConfig, args: Arguments): TrainConfig {
  const seed = args.number('seed');
  const epochs = args.number('epochs');
  const threads = args.number('threads');
  const seconds = args.number('seconds');
  return {
    ...config,
    ...(seed === undefined ? {} : { seed }),
    ...(epochs === undefined ? {} : { epochs, steps: null }),
    ...(seconds === undefined ? {} : { seconds }),
    ...(threads === undefined ? {} : { threads }),
  };
}

/** The flag goes before the configuration; a file is looked for from where it is named. */
function resumed(
  config: TrainConfig,
  args: Arguments,
  checkpoint: CheckpointConfig | null,
  { from, cwd }: { readonly from: string; readonly cwd: string },
): string | null {
  const flag = args.text('resume');
  const given = flag ?? config.resume;
  if (given === undefined || given === null) return null;
  if (given !== AUTO) return resolve(flag === undefined ? from : cwd, given);
  if (!checkpoint) throw usage(TRAIN, '--resume auto looks for the files of checkpoint, which the configuration has not');
  return AUTO;
}

/** The seed that a checkpoint was trained with decides which rows train, so it stays. */
async function seedOf(
  resume: string | null,
  checkpoint: CheckpointConfig | null,
  config: TrainConfig,
  args: Arguments,
): Promise<number | bigint> {
  if (resume === null) return config.seed;
  if (resume !== AUTO) return seedIn(resume, args);
  for (const file of checkpointFiles(checkpoint!)) {
    try {
      return await seedIn(file, args);
    } catch (error) {
      // Which of them are whole, the trainer says.
      if (!(error instanceof DataError)) throw error;
    }
  }
  return config.seed;
}

async function seedIn(checkpoint: string, args: Arguments): Promise<bigint> {
  const { metadata } = await inspectSafetensors(checkpoint);
  const text = metadata['gradclip.seed'];
  if (text === undefined || !/^\d+$/.test(text)) {
    throw new CheckpointError(`${checkpoint}: expected a checkpoint with counters and seed, got weights only`, {
      file: checkpoint,
    });
  }
  if (args.has('seed') && args.text('seed') !== text)
    throw usage(TRAIN, `--seed ${args.text('seed')}: the checkpoint has seed ${text}`);
  return BigInt(text);
}

function metadata(config: TrainConfig, data: DataSet): Record<string, string> {
  const { tokenizer, classNames, sources } = data;
  const rows = tokenizer === null ? sources.train.data.get('x') : undefined;
  return {
    program: `gradclip ${version()}`,
    policy: JSON.stringify(config.clip, withoutInfinity),
    config: JSON.stringify(sizedConfig(config, data), withoutInfinity),
    ...(classNames !== null && { classes: JSON.stringify(classNames) }),
    ...(tokenizer !== null && { tokenizer: JSON.stringify(tokenizer) }),
    ...(rows && { [ROWS_KEY]: JSON.stringify({ dtype: dtypeOf(rows.data), shape: rows.shape.slice(1) }) }),
  };
}

/** As a configuration has it: JSON has no infinity. */
const withoutInfinity = (_: string, value: unknown): unknown => (value === Number.POSITIVE_INFINITY ? INFINITY : value);

function checkFinite({ fit, test }: Outcome): void {
  const loss = fit.last?.loss ?? 0;
  if (!Number.isFinite(loss)) throw new NonFiniteError(`train: diverged: the loss of the last step is ${loss}`, { loss });
  if (test !== null && !Number.isFinite(test.loss)) {
    throw new NonFiniteError(`train: diverged: the loss on the test rows is ${test.loss}`, { loss: test.loss });
  }
}

function tellMedian(outcomes: readonly Outcome[], screen: Screen): void {
  const losses = outcomes.map(({ test }) => test?.loss ?? Number.NaN);
  const accuracies = outcomes.map(({ test }) => test?.accuracy ?? Number.NaN);
  const testAccuracy = median(accuracies);
  const testLoss = median(losses);
  const seeds = outcomes.map(({ seed }) => Number(seed));
  screen.emit({ event: 'median', seeds, testAccuracies: accuracies, testAccuracy, testLoss });
  const what = Number.isNaN(testAccuracy)
    ? `test loss ${testLoss.toPrecision(4)}`
    : `test accuracy ${(100 * testAccuracy).toFixed(2)} %`;
  screen.say(screen.paint('bold', `median of ${outcomes.length} seeds: ${what}`));
}
