// evaluate.ts: `gradclip evaluate CHECKPOINT DATA`: what a trained model is worth on rows whose labels are known.
import { resolve } from 'node:path';
import { tableOf } from '../../data/table/cells.ts';
import { labelsOf, type UnknownCategories } from '../../data/table/schema.ts';
import { writeWhole } from '../../io/file/write.ts';
import { type Evaluation, evaluated, type Measured } from '../../metrics/evaluated.ts';
import { evaluationPage, evaluationText } from '../../pages/evaluation-page.ts';
import { type Arguments, type Command, usage } from '../args.ts';
import { WEIGHTS, weightsAsked } from '../config/averages.ts';
import { readLabeled, type Table, weights } from '../config/data.ts';
import { classesOf } from '../config/models.ts';
import { outputsFor } from '../config/outputs.ts';
import { unknownLine, weightAt } from '../config/tables.ts';
import { readTableRows, readTrained, type Trained } from '../config/trained.ts';
import { EXIT, exitCodeOfStop } from '../exit.ts';
import type { IO, StopCause } from '../io.ts';
import { checkOutput } from '../output.ts';
import type { Screen } from '../screen.ts';

export const EVALUATE: Command = {
  name: 'evaluate',
  operands: ['CHECKPOINT', 'DATA'],
  summary: 'Measure a model that train has trained on rows whose labels are known',
  more: [
    'DATA is of the type that the model was trained on, with its labels: csv, table, npz or idx. Of classes: loss, accuracy, precision, recall and F1 of',
    'each, and which are taken for which. Of values: loss, RMSE, MAE and R2, in the units of the file. The loss is that of the rows alone: without',
    'labelSmoothing and classWeights. Where rows have weights, loss and accuracy have them.',
  ],
  flags: {
    labels: { value: 'FILE', help: 'file of the labels, where DATA are images in idx files' },
    weights: WEIGHTS,
    html: { value: 'FILE', help: 'also write a page with pictures' },
  },
};

export async function evaluate(args: Arguments, io: IO, screen: Screen): Promise<number> {
  const [checkpoint, file] = args.operands.map((name) => resolve(io.cwd, name)) as [string, string];
  const html = args.text('html');
  const page = html === undefined ? null : resolve(io.cwd, html);
  if (page !== null) await checkOutput('--html', page);
  const trained = await readTrained(checkpoint, weightsAsked(args));
  const { loss, classNames } = trained.told;
  const { x, y, weight, unknown } = await readRows(file, trained, args, io.cwd);
  for (const one of unknown) {
    screen.emit({ event: 'warning', code: 'unknown-categories', file, ...one });
    screen.note(`warning: ${file}: ${unknownLine(one)}`);
  }
  const rows: Measured[] = [];
  // What the loss compares with.
  const targets = trained.transforms.y?.transform(y).data ?? y.data;
  for await (const { row, outputs, told } of outputsFor(trained, x, file, io.signal)) {
    const own = { outputs: Float64Array.from(outputs), told: Float64Array.from(told) };
    rows.push({ ...own, label: y.data[row]!, target: targets[row]!, weight: weight?.data[row] ?? 1 });
  }
  if (io.signal.aborted) return exitCodeOfStop(io.signal.reason as StopCause);
  const found: Evaluation = evaluated(loss, rows, classNames);
  screen.emit({ event: 'evaluation', checkpoint, file, weights: trained.weights, ...found });
  if (trained.weights === 'ema') screen.say('weights: their averages, as validation and test of the training took them');
  for (const line of evaluationText(found)) screen.say(line);
  if (page === null) return EXIT.ok;
  await writeWhole(page, evaluationPage(found, { checkpoint: args.operands[0]!, file: args.operands[1]! }));
  screen.say();
  screen.say(`page: ${page}`);
  return EXIT.ok;
}

async function readRows(
  file: string,
  trained: Trained,
  args: Arguments,
  cwd: string,
): Promise<Table & { readonly unknown: readonly UnknownCategories[] }> {
  const { data, loss, model, classNames } = trained.told;
  const given = args.text('labels');
  if ((data.type === 'idx') !== (given !== undefined)) {
    throw usage(
      EVALUATE,
      data.type === 'idx' ? '--labels: expected the file of the labels of these images' : '--labels: is for idx files',
    );
  }
  const type = loss === 'crossEntropy' ? 'i32' : 'f32';
  if (data.type !== 'table') {
    if (data.type === 'text') throw new Error('a model of rows has no text');
    const classes = classNames ?? (type === 'i32' ? classesOf(model) : null);
    return { ...(await readLabeled(data, file, given === undefined ? '' : resolve(cwd, given), { type, classes })), unknown: [] };
  }
  const { label, weight } = data;
  const more: Record<string, 'number' | 'text'> = { [label]: type === 'i32' ? 'text' : 'number' };
  if (weight !== null) more[weight] = 'number';
  const { table, x, unknown } = await readTableRows(trained, data, file, more);
  const { columns } = table;
  const y = { data: labelsOf(label, classNames, tableOf(file, columns)), shape: [table.rows] };
  if (weight === null) return { x, y, unknown };
  const all = { data: Float32Array.from(columns[weight] as Float64Array), shape: [table.rows] };
  return { x, y, weight: weights(all, file, table.rows, weightAt(file, table, data)), unknown };
}
