// lab.ts: records of the laboratory, read and continued, and plans of what it shall try.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LabLine } from '../../../lib/lab/line.ts';
import { type LabRecord, LabRecorder, readLab } from '../../../lib/lab/record.ts';
import type { Random } from '../../torture/random.ts';
import { havoc, other } from '../make/bytes.ts';
import { perhapsGzipped } from '../make/damaged.ts';
import { disturbedJson } from '../make/json.ts';
import { anyText, disturbed, word } from '../make/text.ts';
import type { Drawn, Input, Reader } from '../spec.ts';
import { command } from './commands.ts';

const HEADER = { format: 'gradclip lab', version: 1, library: '0.1.0', machine: 'a machine' };
const number = (r: Random): number => r.pick([0, 1, r.unit(), r.unit() * 1e9, 1e-300]);

function line(r: Random, seed: number): LabLine {
  const failed = r.chance(0.2);
  const loss = (): number | null => (failed ? null : number(r));
  return {
    ...{ workload: r.chance(0.1) ? anyText(r, 8) || 'a' : word(r), optimizer: r.pick(['sgd', 'adam', 'own'] as const) },
    ...{ policy: r.pick(['none', 'globalNorm', word(r)]), level: r.pick(['none', 'x1', 'x0.1', word(r)]), seed },
    ...(r.chance(0.2) && { made: word(r) }),
    ...{
      kind: r.pick(['dense', 'image', 'recurrent'] as const),
      usual: r.chance(0.5),
      steps: r.between(1, 999),
      extra: r.between(0, 9),
    },
    ...{
      clipped: r.unit(),
      skipped: 0,
      train: loss(),
      validation: loss(),
      test: loss(),
      diverged: failed ? r.pick(['gradient', 'skips', 'loss'] as const) : null,
    },
    ...(r.chance(0.1) && { refused: word(r) }),
    ...{ ignorant: 1 + r.unit(), threshold: r.chance(0.5) ? number(r) : null, seconds: r.unit() },
    norms: { median: number(r), p99: number(r), tail: r.chance(0.5) ? number(r) : null, drift: null },
  };
}

const textOf = (lines: readonly unknown[]): string => lines.map((one) => `${JSON.stringify(one)}\n`).join('');

/** A record that is one no more. */
function broken(r: Random, lines: readonly unknown[]): Uint8Array {
  const at = r.between(0, lines.length - 1);
  switch (r.between(0, 4)) {
    case 0:
      return havoc(r, Buffer.from(textOf(lines)));
    case 1:
      return Buffer.from(disturbed(r, textOf(lines)), 'latin1');
    case 2:
      return Buffer.from(textOf([...lines, lines[at]]));
    case 3:
      return r.chance(0.3) ? other(r) : Buffer.from(`${textOf(lines)}${'x'.repeat(r.pick([9, 70_000, 2_000_000]))}\n`);
    default:
      return Buffer.from(textOf(lines.toSpliced(at, 1, disturbedJson(r, lines[at]).toString())).replaceAll('\\"', '"'));
  }
}

const PLAN = {
  workloads: ['mlp-tiny', 'char-rnn'],
  policies: [
    'none',
    'auto',
    { name: 'mine', levels: { a: { type: 'globalNorm', threshold: 1 }, b: [{ type: 'value', threshold: 1 }] } },
  ],
  optimizers: ['sgd'],
  seeds: 2,
};

function draw(r: Random): Drawn {
  if (r.chance(0.3)) {
    const bytes = r.chance(0.4) ? Buffer.from(disturbed(r, JSON.stringify(PLAN)), 'latin1') : Buffer.from(disturbedJson(r, PLAN));
    return { files: { 'plan.json': bytes }, options: { argv: ['lab', 'plan.json', '--plan'] } };
  }
  const lines = Array.from({ length: r.between(0, 12) }, (_, i) => line(r, i));
  const all = [HEADER, ...lines];
  if (r.chance(0.3)) {
    // A last line that is not ended is being written.
    const rest = r.chance(0.3) ? '{"workload":"a"' : '';
    return { files: { 'a.jsonl': Buffer.from(textOf(all) + rest) }, options: {}, expects: JSON.parse(JSON.stringify(lines)) };
  }
  const report = ['lab', '--from', 'a.jsonl', '--report', '--page', 'page.html', '--csv', 'page.csv'];
  const options = r.chance(0.4) ? { argv: report } : {};
  return { files: { 'a.jsonl': perhapsGzipped(r, broken(r, all), true) }, options };
}

/** What a laboratory that goes on does with it. */
async function goneOn(file: string): Promise<unknown> {
  const copy = `${file}.copy`;
  copyFileSync(file, copy);
  (await LabRecorder.open(copy, 'here')).close();
  return 'gone on with';
}

function ways({ options }: Input, folder: string): ReturnType<Reader['ways']> {
  const argv = options.argv as readonly string[] | undefined;
  if (argv) return [{ name: argv.join(' '), sync: true, run: () => command(argv, folder) }];
  const file = join(folder, 'a.jsonl');
  return [
    { name: 'readLab', plain: ({ lines }: LabRecord) => lines, run: () => readLab(file) },
    { name: 'a record that goes on', partial: true, sync: true, run: () => goneOn(file) },
  ];
}

export const LAB: Reader = {
  covers: ['gradclip lab'],
  reaches: ['lab/record.ts', 'cli/lab/lab.ts', 'cli/lab/plan.ts'],
  draw,
  ways,
};
