// tables.ts: tables with texts, dates and gaps, each from its file to a model, and to ONNX, by commands alone: what onnxruntime makes of other rows is
// what `gradclip predict` tells of them.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromJSON } from '../../lib/data/preprocess.ts';
import type { Schema } from '../../lib/data/table/schema.ts';
import { readSafetensors, writeSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { readTable } from '../../lib/io/csv/table.ts';
import { readOnnx } from '../../lib/io/onnx/onnx.ts';
import { normwise } from './kit.ts';

/** Columns that are predicted: classes, and a number. */
const LABELS = ['stays', 'spends'];
const ROWS = { train: 3000, others: 1000 };

/** A line of `gradclip predict --json`. */
interface Told {
  readonly class?: string;
  readonly probability?: number;
  readonly value?: number;
}
type MakeTable = (rows: number, label: string, seed: number) => string;

/** A model that is to be run, and what is wanted of it. */
export interface TableCheck {
  readonly name: string;
  /** Classes in the order of their numbers; none for values. */
  readonly words: readonly string[];
  readonly told: readonly Told[];
}

/** Train on both tables, and leave models with what they are given in the folder, for check.py. @param root of the project, which is built */
export async function writeTables(folder: string, root: string): Promise<TableCheck[]> {
  const { tableText } = (await import(join(root, 'scripts/tables/make.mjs'))) as { readonly tableText: MakeTable };
  const cwd = join(folder, 'tables');
  mkdirSync(cwd);
  const run = (...argv: readonly string[]): readonly object[] => {
    const main = join(root, 'dist/lib/cli/main.js');
    const stdio = ['ignore', 'pipe', 'ignore'] as const;
    const text = execFileSync(process.execPath, [main, ...argv, '--json'], { cwd, encoding: 'utf8', stdio: [...stdio] });
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
  };
  const checks: TableCheck[] = [];
  for (const label of LABELS) {
    writeFileSync(join(cwd, `${label}.csv`), tableText(ROWS.train, label, 1));
    writeFileSync(join(cwd, 'others.csv'), tableText(ROWS.others, label, 2));
    run('train', `${label}.csv`);
    run('export', `${label}.safetensors`, '--onnx', `${label}.onnx`);
    const told = run('predict', `${label}.safetensors`, 'others.csv') as readonly Told[];
    const { metadata } = await readOnnx(join(cwd, `${label}.onnx`));
    const schema = fromJSON(JSON.parse(metadata.schema!)) as Schema;
    const { x } = schema.encode((await readTable(join(cwd, 'others.csv'))).columns);
    const name = `table.${label}`;
    copyFileSync(join(cwd, `${label}.onnx`), join(folder, `${name}.onnx`));
    await writeSafetensors(join(folder, `${name}.safetensors`), { 'in:x': { dtype: 'f32', ...x } });
    checks.push({ name, told, words: metadata.classes === undefined ? [] : (JSON.parse(metadata.classes) as string[]) });
  }
  return checks;
}

/** How far what onnxruntime has made of them is from what was told; Infinity where that is another class. */
export async function errorOf(folder: string, { name, words, told }: TableCheck): Promise<number> {
  const { tensors } = await readSafetensors(join(folder, `${name}.out.safetensors`));
  const numbers = (key: string): ArrayLike<number> => tensors.get(key)!.data;
  if (words.length === 0)
    return normwise(
      numbers('value'),
      told.map(({ value }) => value!),
    );
  const classes = Array.from(numbers('class'));
  if (classes.length !== told.length || told.some((row, i) => row.class !== words[classes[i]!])) return Number.POSITIVE_INFINITY;
  const all = numbers('probabilities');
  const probabilities = classes.map((k, i) => all[i * words.length + k]!);
  return normwise(
    probabilities,
    told.map(({ probability }) => probability!),
  );
}
