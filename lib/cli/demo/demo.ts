// demo.ts: `gradclip demo`: one network, one text, three clip policies; curves while they train, then figures, samples and a page.
import { basename, resolve } from 'node:path';
import * as clip from '../../clip/index.ts';
import { type CharTokenizer, char } from '../../data/tokenizer.ts';
import { DataError, NonFiniteError } from '../../errors.ts';
import { writeWhole } from '../../io/file/write.ts';
import { readText } from '../../io/text.ts';
import { CharRNN, charRnnLoss } from '../../models/index.ts';
import { addon } from '../../native/addon.ts';
import { version } from '../../native/package.ts';
import { MAX_THREADS } from '../../native/threads.ts';
import * as optim from '../../optim/index.ts';
import { whole } from '../../options/index.ts';
import { count } from '../../text/format.ts';
import { type Source, windows } from '../../train/feed/source.ts';
import { generate } from '../../train/generate/generate.ts';
import { Trainer } from '../../train/trainer.ts';
import type { StepReports } from '../../train/watch/callback.ts';
import type { Arguments, Command } from '../args.ts';
import { untilStopped } from '../commands/until-stopped.ts';
import { EXIT, exitCodeOfStop } from '../exit.ts';
import type { IO, StopCause } from '../io.ts';
import { checkOutput } from '../output.ts';
import type { Screen } from '../screen.ts';
import { ownSources } from './corpus.ts';
import { htmlReport } from './report.ts';
import type { Contender, DemoResult } from './result.ts';
import { DemoView } from './view.ts';

export const DEMO: Command = {
  name: 'demo',
  operands: [],
  summary: 'Train one network three times, without clip, with value clip and with global norm, and compare',
  more: [
    'A character-level tanh RNN learns a text; the three trainings start from the same weights and see the same batches.',
    'Curves of loss and gradient norm are drawn while they run; the result is a table, text that each model writes, and an',
    'HTML page.',
  ],
  flags: {
    text: { value: 'FILE', help: 'learn this text (UTF-8, plain or .gz); default: the sources of gradclip' },
    steps: { value: 'N', help: 'steps of each training', takes: whole({ min: 1 }).default(600) },
    seed: { value: 'N', help: 'of weights, batches and samples', takes: whole({ min: 0 }).default(0) },
    threads: {
      value: 'N',
      help: 'default: what affinity and container quota allow',
      takes: whole({ min: 1, max: MAX_THREADS }).optional(),
    },
    report: { value: 'FILE', help: 'where the page goes; default gradclip-report.html' },
  },
};

const SIZES = { kind: 'rnn', embedding: 32, hidden: 128 } as const;
const WINDOW = 64;
const BATCH = 32;
const SAMPLE = 240;
const TEMPERATURE = 0.8;

const POLICIES = [
  // A run of steps whose gradient is not finite must not end the training that is there to show them.
  { name: 'none', label: 'no clip', policy: 'clip.none()', make: () => clip.none({ maxSkips: Number.POSITIVE_INFINITY }) },
  { name: 'value', label: 'value 0.01', policy: 'clip.value(0.01)', make: () => clip.value(0.01) },
  { name: 'globalNorm', label: 'global norm 0.25', policy: 'clip.globalNorm(0.25)', make: () => clip.globalNorm(0.25) },
] as const;

/** The text, ready to train on and to ask for more of. */
interface Lesson {
  readonly name: string;
  readonly vocab: CharTokenizer;
  readonly source: Source;
  readonly length: number;
  readonly trained: number;
  readonly prompt: Uint8Array | Int32Array;
}

interface Settings {
  readonly steps: number;
  readonly seed: number;
  readonly threads: number;
}

export async function demo(args: Arguments, io: IO, screen: Screen): Promise<number> {
  const settings: Settings = {
    steps: args.number('steps')!,
    seed: args.number('seed')!,
    threads: args.number('threads') ?? addon().threads.count,
  };
  const page = resolve(io.cwd, args.text('report') ?? 'gradclip-report.html');
  await checkOutput('--report', page);
  const lesson = await readLesson(args.text('text'), io.cwd);
  const parameters = new CharRNN(lesson.vocab.size, SIZES).parameters().reduce((sum, p) => sum + p.size, 0);
  const view = new DemoView(screen, POLICIES, settings.steps);
  view.start(heading(lesson, parameters, settings));

  const contenders: Contender[] = [];
  for (const policy of POLICIES) {
    contenders.push(await train(policy, lesson, settings, io, view));
    if (io.signal.aborted) {
      view.stop();
      return exitCodeOfStop(io.signal.reason as StopCause);
    }
  }
  const result: DemoResult = {
    contenders,
    ...settings,
    isa: addon().isa,
    version: version(),
    parameters,
    text: { name: lesson.name, length: lesson.length, trained: lesson.trained, distinct: lesson.vocab.size },
    prompt: lesson.vocab.decode(lesson.prompt),
    temperature: TEMPERATURE,
    command: command(args, settings),
  };
  await writeWhole(page, htmlReport(result));
  view.show(result, page);
  return EXIT.ok;
}

async function train(
  policy: (typeof POLICIES)[number],
  lesson: Lesson,
  { steps, seed, threads }: Settings,
  io: IO,
  view: DemoView,
): Promise<Contender> {
  const loss: number[] = [];
  const norm: number[] = [];
  const normAfter: number[] = [];
  const clipped: boolean[] = [];
  const skipped: boolean[] = [];
  const started = performance.now();
  using trainer = new Trainer({
    model: new CharRNN(lesson.vocab.size, SIZES),
    loss: charRnnLoss,
    optimizer: optim.sgd({ lr: 1, momentum: 0.9 }),
    clip: policy.make(),
    batchSize: BATCH,
    seed,
    threads,
  });
  const onSteps = (steps: StepReports): void => {
    for (const report of steps) {
      loss.push(report.loss);
      norm.push(report.norm);
      normAfter.push(report.normAfter);
      clipped.push(report.clipped);
      skipped.push(report.skipped);
    }
    view.step(policy.name, { loss, norm, clipped, skipped, ms: performance.now() - started });
  };
  await untilStopped(trainer.fit(lesson.source, { steps, callbacks: [{ onSteps }] }), io.signal);
  const ms = performance.now() - started;
  const sampled = io.signal.aborted
    ? []
    : await generate(trainer, { prompt: lesson.prompt, length: SAMPLE, temperature: TEMPERATURE, seed }).catch(nothing);
  const { name, label, policy: code } = policy;
  return { name, label, policy: code, loss, norm, normAfter, clipped, skipped, ms, sample: lesson.vocab.decode(sampled) };
}

/** A model that has diverged writes nothing. */
function nothing(error: unknown): number[] {
  if (error instanceof NonFiniteError) return [];
  throw error;
}

function heading({ name, length, vocab }: Lesson, parameters: number, { steps, threads }: Settings): string[] {
  return [
    `A recurrent network of ${count(parameters)} parameters learns the characters of`,
    `${name} (${count(length)} of them, ${vocab.size} distinct) three times, ${count(steps)} steps each.`,
    `Only the clip policy differs. ${threads} thread${threads === 1 ? '' : 's'}, ${addon().isa}.`,
  ];
}

/** The first nine tenths train. The samples go on from the first line after them. */
async function readLesson(file: string | undefined, cwd: string): Promise<Lesson> {
  const text = file === undefined ? ownSources() : await readText(resolve(cwd, file));
  const name = file === undefined ? 'the sources of gradclip' : basename(file);
  const vocab = char(text);
  const tokens = vocab.encode(text);
  const trained = Math.floor(0.9 * tokens.length);
  if (trained <= WINDOW) {
    const least = Math.ceil((WINDOW + 1) / 0.9);
    throw new DataError(`${name}: expected at least ${least} characters to learn from, got ${tokens.length}`, { file: name });
  }
  const line = tokens.indexOf(vocab.chars.indexOf('\n'), trained) + 1;
  const from = line > 0 && line + WINDOW <= tokens.length ? line : tokens.length - WINDOW;
  return {
    name,
    vocab,
    source: windows(tokens.slice(0, trained), { length: WINDOW }),
    length: tokens.length,
    trained,
    prompt: tokens.slice(from, from + WINDOW),
  };
}

function command(args: Arguments, { steps, seed }: Settings): string {
  const text = args.text('text');
  return ['gradclip demo', ...(text === undefined ? [] : [`--text ${text}`]), `--steps ${steps}`, `--seed ${seed}`].join(' ');
}
