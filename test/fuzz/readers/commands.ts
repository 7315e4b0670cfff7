// commands.ts: commands of the program on files of strangers: they end with an exit code, and nothing that a file says controls the terminal.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main } from '../../../lib/cli/cli.ts';
import { EXIT } from '../../../lib/cli/exit.ts';
import { Following } from '../../../lib/cli/watch/follow.ts';
import { LivePage } from '../../../lib/cli/watch/live.ts';
import { loadTrainer } from '../../../lib/public/trained.ts';
import type { Random } from '../../torture/random.ts';
import { havoc, other } from '../make/bytes.ts';
import { type DataType, dataOf } from '../make/configs.ts';
import { damaged, perhapsGzipped } from '../make/damaged.ts';
import { FILES } from '../make/files.ts';
import { disturbedJson } from '../make/json.ts';
import { joined } from '../make/parts.ts';
import { disturbed } from '../make/text.ts';
import { changedWeights } from '../make/weights.ts';
import { Broken, type Drawn, type Input, type Reader, type Way } from '../spec.ts';
import { IDX } from './idx.ts';
import { NPY } from './npy.ts';
import { NPZ } from './npz.ts';
import { brokenRecord, linesOf, record } from './record.ts';
import { SAFETENSORS } from './safetensors.ts';

/** A command ended with this code, and said why. */
export class Refused extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

/** Runs a command. @throws Refused where it did not end well; Broken for a terminal that is controlled, or an error that nobody foresaw */
export async function command(argv: readonly string[], cwd: string): Promise<unknown> {
  const texts = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof texts) => ({
    write(text: string) {
      texts[name] += text;
    },
  });
  const io = { stdout: stream('stdout'), stderr: stream('stderr'), env: {}, cwd, signal: new AbortController().signal };
  const code = await main(argv, io);
  const shown = texts.stdout + texts.stderr;
  const found = CONTROL.exec(shown);
  if (found)
    throw new Broken(
      `control character ${JSON.stringify(found[0])} at ${found.index} of ${JSON.stringify(shown.slice(0, 2000))}`,
    );
  if (argv.includes('--json')) for (const line of texts.stdout.split('\n')) if (line !== '') JSON.parse(line);
  if (code === EXIT.ok) return 'done';
  if (/^ {4}at /m.test(texts.stderr) || shown.includes('ERR_INTERNAL')) throw new Broken(texts.stderr.slice(0, 4000));
  throw new Refused(`exit ${code}`, texts.stderr);
}

/** What a small model of each kind of data is trained by. */
function configOf(type: DataType): Readonly<Record<string, unknown>> {
  const model = type === 'text' ? { type: 'gpt', context: 4, layers: 1, heads: 1, width: 4 } : { type: 'mlp', sizes: [4, 3, 2] };
  return {
    data: dataOf(type),
    model,
    optimizer: { type: 'sgd', lr: 0.1 },
    preprocess: type === 'text' || type === 'table' ? [] : { type: 'standardize' },
    batchSize: 2,
    steps: 2,
    threads: 1,
    save: 'm.safetensors',
  };
}

/** What `gradclip train` wrote, of each kind of data. */
const models = new Map<DataType, Uint8Array>();

export async function trainModels(folder: string): Promise<void> {
  const there = join(folder, 'models');
  mkdirSync(there, { recursive: true });
  for (const [type, files] of Object.entries(FILES) as [DataType, (typeof FILES)[DataType]][]) {
    for (const [name, parts] of Object.entries(files)) writeFileSync(join(there, name), joined(parts));
    writeFileSync(join(there, 'a.json'), JSON.stringify(configOf(type)));
    await command(['train', 'a.json'], there);
    models.set(type, readFileSync(join(there, 'm.safetensors')));
  }
  rmSync(there, { recursive: true });
}

const flags = (r: Random): string[] => (r.chance(0.4) ? ['--json'] : []);

/** One command, with the arguments that were drawn. */
const runs = ({ options }: Input, folder: string): readonly Way[] => {
  const argv = options.argv as readonly string[];
  return [{ name: argv.join(' '), sync: true, run: () => command(argv, folder) }];
};

/** Files of all kinds that it may be shown. */
function drawInspect(r: Random): Drawn {
  const from = r.pick([SAFETENSORS, SAFETENSORS, SAFETENSORS, IDX, IDX, NPY, NPZ]).draw(r);
  const bytes = r.chance(0.03) ? other(r) : Object.values(from.files)[0]!;
  return {
    files: { file: bytes },
    options: { argv: ['inspect', ...flags(r), 'file'] },
    ...(from.unpacked && { unpacked: from.unpacked }),
  };
}

export const INSPECT: Reader = {
  covers: ['gradclip inspect'],
  reaches: ['cli/commands/inspect.ts'],
  draw: drawInspect,
  ways: runs,
};

const POLICIES = {
  mine: { type: 'globalNorm', threshold: 1 },
  two: [
    { type: 'value', threshold: 1 },
    { type: 'autoClip', q: 0.1 },
  ],
};

function drawReport(r: Random): Drawn {
  const made = record(r);
  const whole = Buffer.from(`${linesOf(made).join('\n')}\n`);
  const own = r.chance(0.4);
  const bytes = own && r.chance(0.7) ? whole : perhapsGzipped(r, brokenRecord(r, made), true);
  const more = r.pick([[], ['--rate', 'p90'], ['--warmup', '2'], ['--html', 'page.html']]);
  const argv = ['clip-report', ...flags(r), ...(own ? ['--policies', 'p.json'] : more), 'a.jsonl'];
  const policies = r.chance(0.3)
    ? Buffer.from(disturbed(r, JSON.stringify(POLICIES)), 'latin1')
    : Buffer.from(disturbedJson(r, POLICIES));
  return { files: { 'a.jsonl': bytes, ...(own && { 'p.json': policies }) }, options: { argv } };
}

export const CLIP_REPORT: Reader = {
  covers: ['gradclip clip-report'],
  reaches: ['cli/commands/clip-report.ts', 'history/read.ts'],
  draw: drawReport,
  ways: runs,
};

function drawRunReport(r: Random): Drawn {
  const made = record(r);
  const bytes = r.chance(0.4) ? Buffer.from(`${linesOf(made).join('\n')}\n`) : perhapsGzipped(r, brokenRecord(r, made), true);
  const argv = ['report', ...flags(r), ...(r.chance(0.7) ? ['--html', 'page.html'] : []), 'a.jsonl'];
  return { files: { 'a.jsonl': bytes }, options: { argv } };
}

export const REPORT: Reader = {
  covers: ['gradclip report'],
  reaches: ['cli/commands/report.ts', 'history/read.ts'],
  draw: drawRunReport,
  ways: runs,
};

/** A record that is followed, in two pieces: then perhaps another one in its place. */
export const WATCH: Reader = {
  covers: ['gradclip watch'],
  reaches: ['cli/watch/follow.ts', 'history/read.ts'],
  draw(r) {
    const made = record(r);
    const bytes = r.chance(0.4) ? Buffer.from(`${linesOf(made).join('\n')}\n`) : brokenRecord(r, made);
    const at = r.between(0, bytes.length);
    const next = r.chance(0.5) ? bytes : Buffer.from(`${linesOf(record(r)).join('\n')}\n`);
    return { files: { 'a.jsonl': bytes.subarray(0, at), 'b.jsonl': next }, options: {} };
  },
  ways: (_, folder) => [{ name: 'watch', run: () => followed(join(folder, 'a.jsonl'), join(folder, 'b.jsonl')) }],
};

async function followed(file: string, next: string): Promise<unknown> {
  const following = new Following(file);
  const page = new LivePage({ title: 'a', facts: [], machine: null, advice: null });
  const look = async (): Promise<void> => {
    while ((await following.look()).more);
    page.draw(following.digest);
  };
  await look();
  writeFileSync(file, readFileSync(next));
  await look();
  // What could not be read on may be another file.
  await look();
  const found = CONTROL.exec(page.html('').replaceAll('\t', ''));
  if (found) throw new Broken(`control character ${JSON.stringify(found[0])} on the page`);
  return 'followed';
}

const ROW_TYPES: readonly DataType[] = ['csv', 'table', 'npz', 'idx'];

function drawPredict(r: Random): Drawn {
  const type = r.pick(ROW_TYPES);
  const [name, parts] = Object.entries(FILES[type])[0]!;
  const model = models.get(type)!;
  const kind = r.unit();
  const weights = kind < 0.6 ? changedWeights(r, model) : model;
  const rows = kind > 0.55 && kind < 0.95 ? damaged(r, parts) : joined(parts);
  const drop = type === 'csv' ? ['--drop', r.pick(['-1', '-1', '4', '0', 'label'])] : [];
  const packed = type === 'npz' ? rows : perhapsGzipped(r, rows, true);
  return {
    files: { 'm.safetensors': weights, [name]: packed },
    options: { argv: ['predict', ...flags(r), ...drop, 'm.safetensors', name] },
  };
}

export const PREDICT: Reader = {
  covers: ['gradclip predict'],
  reaches: ['cli/commands/predict.ts', 'cli/config/trained.ts', 'train/feed/prepare.ts'],
  draw: drawPredict,
  ways: runs,
};

function drawEvaluate(r: Random): Drawn {
  const type = r.pick(ROW_TYPES);
  const names = Object.keys(FILES[type]);
  const broken = r.pick(['m.safetensors', null, ...names]);
  const files = names.map((name) => {
    const parts = FILES[type][name]!;
    const bytes = name === broken ? damaged(r, parts) : joined(parts);
    return [name, type === 'npz' ? bytes : perhapsGzipped(r, bytes, name === broken)] as const;
  });
  const model = models.get(type)!;
  const more = [...(type === 'idx' ? ['--labels', names[1]!] : []), ...(r.chance(0.3) ? ['--html', 'page.html'] : [])];
  return {
    files: { ...Object.fromEntries(files), 'm.safetensors': broken === 'm.safetensors' ? changedWeights(r, model) : model },
    options: { argv: ['evaluate', ...flags(r), ...more, 'm.safetensors', names[0]!] },
  };
}

export const EVALUATE: Reader = {
  covers: ['gradclip evaluate', 'loadTrainer'],
  reaches: ['cli/config/trained.ts', 'cli/config/load.ts'],
  draw: drawEvaluate,
  ways: (input, folder) => [
    ...runs(input, folder),
    {
      name: 'loadTrainer',
      async run() {
        (await loadTrainer(join(folder, 'm.safetensors'))).dispose();
        return 'done';
      },
    },
  ],
};

function drawInit(r: Random): Drawn {
  const bytes = damaged(r, FILES.table['a.csv']!);
  const label = r.chance(0.3) ? ['--label', r.pick(['a', 'c', 'L'])] : [];
  return {
    files: { 'a.csv': perhapsGzipped(r, bytes, true) },
    options: { argv: ['init', ...flags(r), '--yes', ...label, 'a.csv'] },
  };
}

export const INIT: Reader = {
  covers: ['gradclip init'],
  reaches: ['cli/commands/init.ts'],
  draw: drawInit,
  ways: runs,
};

/** A configuration with its data and weights, of which one file is broken. */
function drawPrecision(r: Random): Drawn {
  const type = r.pick([...models.keys()]);
  const names = Object.keys(FILES[type]);
  const broken = r.pick(['a.json', 'm.safetensors', null, ...names]);
  const files = names.map((name) => {
    const parts = FILES[type][name]!;
    return [name, name === broken ? damaged(r, parts) : joined(parts)] as const;
  });
  const model = models.get(type)!;
  const value = { ...configOf(type), precision: r.pick(['f32', 'bf16']) };
  return {
    files: {
      ...Object.fromEntries(files),
      'a.json': Buffer.from(broken === 'a.json' ? disturbedJson(r, value) : JSON.stringify(value)),
      'm.safetensors': broken === 'm.safetensors' ? changedWeights(r, model) : model,
    },
    options: { argv: ['precision', ...flags(r), '--rows', '2', '--weights', 'm.safetensors', 'a.json'] },
  };
}

export const PRECISION: Reader = {
  covers: ['gradclip precision'],
  reaches: ['cli/commands/precision.ts', 'cli/config/trainer.ts'],
  draw: drawPrecision,
  ways: runs,
};

function drawSample(r: Random): Drawn {
  const model = models.get('text')!;
  const weights = r.chance(0.05) ? model : r.chance(0.03) ? havoc(r, model) : changedWeights(r, model);
  const argv = ['sample', ...flags(r), '--length', '3', ...(r.chance(0.3) ? ['--prompt', 'the'] : []), 'm.safetensors'];
  return { files: { 'm.safetensors': weights }, options: { argv } };
}

export const SAMPLE: Reader = {
  covers: ['gradclip sample'],
  reaches: ['cli/commands/sample.ts', 'data/tokenizer.ts'],
  draw: drawSample,
  ways: runs,
};

function drawExport(r: Random): Drawn {
  const model = models.get(r.pick([...models.keys()]))!;
  const weights = r.chance(0.05) ? model : r.chance(0.03) ? havoc(r, model) : changedWeights(r, model);
  const shape = r.chance(0.2) ? ['--shape', r.pick(['4', '2,2', '3'])] : [];
  const argv = ['export', ...flags(r), ...shape, '--onnx', 'm.onnx', 'm.safetensors'];
  return { files: { 'm.safetensors': weights }, options: { argv } };
}

export const EXPORT: Reader = {
  covers: ['gradclip export'],
  reaches: ['cli/commands/export.ts', 'train/feed/prepare.ts'],
  draw: drawExport,
  ways: runs,
};
