// tune.ts: `gradclip tune CONFIG.json`: seeks values for keys of a configuration, and writes the configuration to keep.
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import { OptionError } from '../../errors.ts';
import { writeWhole } from '../../io/file/write.ts';
import { readJson } from '../../io/json-file.ts';
import { version } from '../../native/package.ts';
import { runtime } from '../../native/runtime.ts';
import { MAX_THREADS } from '../../native/threads.ts';
import { Place, whole } from '../../options/index.ts';
import { count, duration } from '../../text/format.ts';
import { seconds as secondsField } from '../../train/given.ts';
import { tunePage } from '../../tune/page.ts';
import type { Params } from '../../tune/pool.ts';
import type { TuneResult } from '../../tune/result.ts';
import { type SearchOptions, search } from '../../tune/search.ts';
import type { Space } from '../../tune/space.ts';
import { tuneTable } from '../../tune/table.ts';
import { SEARCH, TRAININGS } from '../../tune/tune.ts';
import type { Arguments, Command } from '../args.ts';
import { usage } from '../args.ts';
import { readConfig, type TrainConfig } from '../config/config.ts';
import { shareOut } from '../config/data.ts';
import { wrong } from '../config/named.ts';
import { checkConfig as checkMade } from '../config/trainer.ts';
import { applied, checkSpace, defaultSpace, type RawConfig, standing, type TuneConfig, withoutKey } from '../config/tuning.ts';
import { EXIT, exitCodeOfStop } from '../exit.ts';
import type { IO, StopCause } from '../io.ts';
import { checkOutput } from '../output.ts';
import type { Screen } from '../screen.ts';
import { configOf, MAKING, type Making, make, rawDataOf } from '../tune/making.ts';
import { TuneView } from '../tune/view.ts';

const positive = whole({ min: 1 });

export const TUNE: Command = {
  name: 'tune',
  operands: ['CONFIG.json'],
  summary: 'Seek the best values for keys of a configuration, and tell whether they differ by more than noise',
  more: [
    'Key tune of the configuration says which keys, and how long: docs/CONFIG.md. Without it, the learning rate and the threshold are sought around',
    'those that are there. Trials are compared on the validation rows: data.split.validation. SIGINT and SIGTERM end it; --record keeps what is done.',
  ],
  flags: {
    data: { value: 'DIR', help: "folder of the data files, in place of the configuration's data.dir" },
    seed: { value: 'N', help: "in place of the configuration's", takes: whole({ min: 0 }).optional() },
    steps: {
      value: 'N',
      help: 'steps of all trials together, in place of the budget of the configuration',
      takes: positive.optional(),
    },
    seconds: {
      value: 'S',
      help: 'how long it takes, in place of the budget of the configuration',
      takes: secondsField.optional(),
    },
    trials: { value: 'N', help: 'trials that begin, in place of the budget of the configuration', takes: positive.optional() },
    seeds: {
      value: 'N',
      help: `further seeds of each finalist, in place of the configuration's; else ${SEARCH.seeds.fallback}`,
      takes: whole({ min: 0, max: 100 }).optional(),
    },
    threads: {
      value: 'N',
      help: 'of all trials together, which train side by side; default: what affinity and container quota allow',
      takes: whole({ min: 1, max: MAX_THREADS }).optional(),
    },
    record: { value: 'FILE', help: 'write a line for each training that is done, and keep what may go on beside it' },
    resume: { help: 'go on with --record, where it is there: what it has is not trained again' },
    output: { value: 'FILE', help: 'write the configuration with the best values, which train takes' },
    html: { value: 'FILE', help: 'write a page of what was tried' },
  },
};

export async function tune(args: Arguments, io: IO, screen: Screen): Promise<number> {
  const file = resolve(io.cwd, args.operands[0]!);
  const config = await readConfig(file);
  const raw = (await readJson(file)) as RawConfig;
  const path = (flag: string): string | null => (args.has(flag) ? resolve(io.cwd, args.text(flag)!) : null);
  const [record, output, html] = [path('record'), path('output'), path('html')];
  const resume = args.has('resume');
  if (resume && record === null) throw usage(TUNE, '--resume goes on with the file of --record, which is not given');
  const asked = within(file, () => askedOf(config, raw, args));
  checkMade(config);
  if (output !== null) await checkOutput('--output', output);
  if (html !== null) await checkOutput('--html', html);
  if (record !== null) await checkOutput('--record', record);

  const threads = args.number('threads') ?? config.threads ?? runtime().threads.count;
  const workers = Math.min(asked.jobs, threads);
  const dir = path('data') ?? resolve(dirname(file), config.data.dir);
  const making: Making = { raw, space: asked.space, dir, threads: Math.max(1, Math.floor(threads / workers)) };
  const lengthOf = await lengths(making, asked.seed);
  const first = standing(raw, asked.space);
  const length = lengthOf(first);
  const budget = asked.budget ?? { steps: TRAININGS * length, seconds: null, trials: null };
  const view = new TuneView(screen, { ...asked, budget, length, workers });
  view.start();
  const options: SearchOptions = {
    ...asked,
    first: [first],
    metric: { metric: asked.metric, mode: asked.metric === 'loss' ? 'min' : 'max' },
    settle: (params) => applied(raw, asked.space, params).params,
    lengthOf,
    budget,
    threads: workers,
    make: workers > 1 ? { url: MAKING, data: making } : (params, seed) => make(params, seed, making),
    file: record,
    resume,
    of: { ...raw, tune: undefined, threads: undefined },
    signal: io.signal,
    onTrial: (event) => view.trial(event),
    logger: (message) => view.warning(message),
  };
  let result: TuneResult;
  try {
    result = await search(options);
  } catch (error) {
    view.pause();
    if (!io.signal.aborted || (error as Error).name !== 'AbortError') throw error;
    if (record !== null) screen.note(`stopped: --record ${record} --resume goes on`);
    return exitCodeOfStop(io.signal.reason as StopCause);
  }
  view.pause();
  const best = applied(raw, asked.space, result.best.params).raw;
  if (output !== null) await writeWhole(output, `${JSON.stringify(movedTo(output, file, best), null, 2)}\n`);
  if (html !== null) await writeWhole(html, pageOf(file, result, { ...asked, budget, length }));
  tell(result, best, { output, html, metric: asked.metric }, screen);
  return EXIT.ok;
}

interface Asked extends Omit<TuneConfig, 'space'> {
  readonly space: Space;
  readonly seed: number;
}

/** The configuration, with what flags say in its place. */
function askedOf(config: TrainConfig, raw: RawConfig, args: Arguments): Asked {
  const { tune, data, loss, seconds } = config;
  if (data.split.validation === 0) throw wrong('data.split.validation', 'some rows, for trials to be compared on', undefined);
  if (seconds !== null) throw wrong('seconds', 'steps or epochs: how long trials train must not depend on the clock', seconds);
  const given: TuneConfig = tune ?? withoutKey();
  if (given.metric === 'accuracy' && loss !== 'crossEntropy')
    throw wrong('tune.metric', `loss where the loss is ${loss}`, 'accuracy');
  const space = given.space ?? defaultSpace(raw, new Place('', '', 'tune.space'));
  checkSpace(raw, space);
  const flags = {
    steps: args.number('steps') ?? null,
    seconds: args.number('seconds') ?? null,
    trials: args.number('trials') ?? null,
  };
  const flagged = Object.values(flags).some((value) => value !== null);
  return {
    ...given,
    space,
    budget: flagged ? flags : given.budget,
    seeds: args.number('seeds') ?? given.seeds,
    seed: args.number('seed') ?? config.seed,
  };
}

/** Steps of a whole training with some parameters: rows do not differ between trials, batches may. */
async function lengths(making: Making, seed: number): Promise<(params: Params) => number> {
  const raw = await rawDataOf(making);
  const config = configOf(making, standing(making.raw, making.space));
  const { train } = shareOut(raw, checkMade(config), BigInt(seed)).sources;
  return (params) => {
    const { epochs, steps, batchSize, accumulate, dropLast } = lengthKeys(making, params, config);
    const { whole, tail } = train.epoch(batchSize);
    const perEpoch = Math.ceil((whole + (tail > 0 && !dropLast ? 1 : 0)) / accumulate);
    return Math.min(epochs === null ? Infinity : epochs * perEpoch, steps ?? Infinity);
  };
}

/** Of parameters that do not go together, what the configuration has: no trainer is made of them. */
function lengthKeys(making: Making, params: Params, fallback: TrainConfig): TrainConfig {
  try {
    return configOf(making, params);
  } catch (error) {
    if (error instanceof OptionError) return fallback;
    throw error;
  }
}

/** Its data are found from its own folder. */
function movedTo(output: string, file: string, raw: RawConfig): RawConfig {
  const [from, to] = [dirname(file), dirname(output)];
  if (from === to) return raw;
  const data = raw.data as { readonly dir?: string };
  const dir = data.dir ?? '.';
  return { ...raw, data: { ...data, dir: isAbsolute(dir) ? dir : relative(to, resolve(from, dir)) || '.' } };
}

function within<T>(file: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    throw new OptionError(`${file}: ${error.message}`, { ...error.details, file }, { cause: error });
  }
}

interface Sought extends Asked {
  readonly length: number;
}

/** What was asked for, in lines. */
function factsOf(file: string, { steps, seconds, trials }: TuneResult, { length, rungs, reduction, seed }: Sought): string[] {
  const machine = `gradclip ${version()}, ${runtime().isa}, Node.js ${process.version}`;
  const how = `${count(trials.length)} trials, ${count(steps)} steps in ${duration(1000 * seconds)}; a whole training has ${count(length)} steps; ${rungs} rungs, reduction ${reduction}; seed ${seed}`;
  return [file, how, machine];
}

function pageOf(file: string, result: TuneResult, sought: Sought): string {
  const { space, metric } = sought;
  return tunePage(result, { title: 'gradclip tune', facts: factsOf(file, result, sought), space, metric });
}

interface Told {
  readonly output: string | null;
  readonly html: string | null;
  readonly metric: string;
}

function tell(result: TuneResult, config: RawConfig, { output, html, metric }: Told, screen: Screen): void {
  const { best, trials, comparisons, tied, verdict, stopReason, steps, seconds, warnings } = result;
  screen.emit({
    event: 'result',
    best: best.number,
    params: best.params,
    value: best.value,
    stopReason,
    steps,
    seconds,
    tied,
    comparisons,
    verdict,
    warnings,
    trials,
    config,
    output,
  });
  screen.say();
  for (const line of tuneTable(result, metric)) screen.say(line);
  screen.say();
  const [first, ...more] = verdict;
  screen.say(screen.paint('bold', first!));
  for (const line of more) screen.say(line);
  const ended = {
    steps: 'the steps are used up',
    seconds: 'the time is over',
    trials: 'all trials are done',
    space: 'there is nothing else to try',
  }[stopReason];
  screen.say(`${count(trials.length)} trials, ${count(steps)} steps in ${duration(1000 * seconds)}: ${ended}`);
  if (output !== null) screen.say(`configuration: ${output}`);
  if (html !== null) screen.say(`page: ${html}`);
}
