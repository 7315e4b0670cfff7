// precision.ts: `gradclip precision CONFIG.json`: what f32 loses on the model that a configuration describes, measured.
import { dirname, resolve } from 'node:path';
import { MAX_THREADS } from '../../native/threads.ts';
import { choice, whole } from '../../options/index.ts';
import { duration, short } from '../../text/format.ts';
import type { Arguments, Command } from '../args.ts';
import { readConfig } from '../config/config.ts';
import { shareOut } from '../config/data.ts';
import { checkConfig, makeTrainer, readRaw } from '../config/trainer.ts';
import { EXIT } from '../exit.ts';
import type { IO } from '../io.ts';
import type { Screen } from '../screen.ts';

export const PRECISION: Command = {
  name: 'precision',
  operands: ['CONFIG.json'],
  summary: 'Measure what f32 loses on the model that a configuration describes: gradients against f64, norms, underflow',
  more: [
    'The first rows that train are computed as a step of training would, and once more in f64, in plain loops. These take a thousand times as',
    'long, so of large models few rows are taken, unless --rows says how many. Nothing is trained, and no file is written.',
  ],
  flags: {
    data: { value: 'DIR', help: "folder of the data files, in place of the configuration's data.dir" },
    weights: {
      value: 'FILE',
      help: 'a checkpoint of this configuration; without, weights are those that a training begins with',
    },
    rows: {
      value: 'N',
      help: "rows of a batch; default: the configuration's batchSize, or what takes a few seconds",
      takes: whole({ min: 1 }).optional(),
    },
    batches: { value: 'N', help: 'batches', takes: whole({ min: 1 }).default(1) },
    mode: {
      value: 'MODE',
      help: 'as a step of training has them, with dropout and the like, or as validation does',
      takes: choice('train', 'eval').default('train'),
    },
    bf16: { help: 'measure products in bf16, too; always where the configuration has them' },
    seed: { value: 'N', help: "in place of the configuration's", takes: whole({ min: 0 }).optional() },
    threads: {
      value: 'N',
      help: "in place of the configuration's; default: what affinity and container quota allow",
      takes: whole({ min: 1, max: MAX_THREADS }).optional(),
    },
  },
};

export async function precision(args: Arguments, io: IO, screen: Screen): Promise<number> {
  const file = resolve(io.cwd, args.operands[0]!);
  const read = await readConfig(file);
  const config = { ...read, threads: args.number('threads') ?? read.threads, seed: args.number('seed') ?? read.seed };
  const transforms = checkConfig(config);
  const path = (flag: string): string | null => (args.has(flag) ? resolve(io.cwd, args.text(flag)!) : null);
  const [rows, batches, weights] = [args.number('rows'), args.number('batches')!, path('weights')];
  const mode = args.choice<'train' | 'eval'>('mode');
  const raw = await readRaw(config, path('data') ?? resolve(dirname(file), config.data.dir));
  const data = shareOut(raw, transforms, BigInt(config.seed));
  using trainer = makeTrainer(config, data, config.seed);
  if (weights !== null) await trainer.load(weights);
  const found = await trainer.precision(data.sources.train, {
    ...{ batches, mode },
    ...(rows !== undefined && { rows }),
    ...(args.has('bf16') && { bf16: true }),
  });
  screen.emit({ event: 'precision', file, weights, ...found });
  for (const line of String(found).split('\n')) {
    screen.say(line === found.verdict ? screen.paint('bold', line) : line);
  }
  screen.say();
  const of = weights === null ? 'weights as a training begins; --weights takes those of a checkpoint' : `weights of ${weights}`;
  screen.say(`${of}; ${short(found.flops)} operations in f64, ${duration(found.ms)}`);
  return EXIT.ok;
}
