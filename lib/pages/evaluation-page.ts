// evaluation-page.ts: what a trained model is worth, as lines for a terminal and as a page with pictures.
import { visible } from '../errors/visible.ts';
import type { Evaluation, OfClass, OfClasses, OfValues, ValueFigures } from '../metrics/evaluated.ts';
import { count, percent, short, table } from '../text/format.ts';
import { HEAT_MAP_CSS, heatMap } from './heat-map.ts';
import { page } from './page.ts';
import { escapeHtml } from './svg.ts';
import { tableHtml } from './table.ts';

/** Classes of which a terminal shows who is taken for whom as a table; of more it shows the commonest mistakes. */
const MOST_IN_TABLE = 12;
/** Classes of a picture. */
const MOST_IN_PICTURE = 100;
const MOST_MISTAKES = 20;

const figure = (x: number): string => (Number.isNaN(x) ? '-' : x.toFixed(3));

/** Lines for a terminal, with control characters escaped. */
export function evaluationText(found: Evaluation): string[] {
  const { rows, lossName, loss, classes, values } = found;
  const lines = [
    `${count(rows)} rows: ${lossName} ${short(loss)}${classes ? `, accuracy ${percent(classes.accuracy, 1, 2)}` : ''}`,
  ];
  if (classes) lines.push(...classLines(classes));
  if (values) lines.push(valueLine(values));
  return lines.map((line) => visible(line));
}

export const valueLine = ({ rmse, mae, r2 }: ValueFigures): string =>
  `RMSE ${short(rmse)}, MAE ${short(mae)}, R2 ${Number.isNaN(r2) ? '-' : r2.toFixed(4)}`;

const HEAD = ['class', 'rows', 'taken for it', 'precision', 'recall', 'F1'];
const figuresOf = ({ name, rows, predicted, precision, recall, f1 }: OfClass): string[] => [
  ...[name, count(rows), count(predicted)],
  ...[precision, recall, f1].map(figure),
];

function classLines(of: OfClasses): string[] {
  const { rocAuc, classes, matrix } = of;
  const lines = rocAuc === null ? [] : [`area under the ROC curve ${figure(rocAuc)}`];
  lines.push('', ...table([HEAD, ...classes.map(figuresOf)], ['left', 'right', 'right', 'right', 'right', 'right']), '');
  if (classes.length <= MOST_IN_TABLE) {
    const head = ['is', ...classes.map(({ name }) => name)];
    const body = matrix.map((row, i) => [classes[i]!.name, ...row.map((n) => count(n))]);
    const cells = table([head, ...body], ['left', ...classes.map(() => 'right' as const)]);
    return [...lines, 'Which class (a line) is taken for which (a column)', ...cells];
  }
  const found = mistakes(of);
  if (found.length === 0) return lines;
  const body = found.map(({ is, taken, rows }) => [is, taken, count(rows)]);
  return [...lines, 'The commonest mistakes', ...table([['is', 'is taken for', 'rows'], ...body], ['left', 'left', 'right'])];
}

function mistakes({ classes, matrix }: OfClasses): { readonly is: string; readonly taken: string; readonly rows: number }[] {
  const all = matrix.flatMap((row, i) =>
    row.flatMap((rows, j) => (i === j || rows === 0 ? [] : [{ is: classes[i]!.name, taken: classes[j]!.name, rows }])),
  );
  return all.sort((a, b) => b.rows - a.rows).slice(0, MOST_MISTAKES);
}

/** A page that needs nothing else. @param of what was measured, and on what */
export function evaluationPage(found: Evaluation, of: { readonly checkpoint: string; readonly file: string }): string {
  const { rows, lossName, loss, classes, values } = found;
  const measured = `${escapeHtml(of.checkpoint)} on ${count(rows)} rows of ${escapeHtml(of.file)}`;
  const whole = [`${lossName} ${short(loss)}`, classes && `accuracy ${percent(classes.accuracy, 1, 2)}`]
    .filter(Boolean)
    .join(', ');
  const auc = classes?.rocAuc == null ? '' : `, area under the ROC curve ${figure(classes.rocAuc)}`;
  const body = `<h1>What the model is worth</h1>
<p>${measured}: <strong>${whole}${auc}${values ? `, ${valueLine(values)}` : ''}</strong>.</p>
${classes ? classBody(classes) : ''}${values ? valueBody(values) : ''}`;
  return page(`gradclip evaluate: ${of.file}`, body, { css: HEAT_MAP_CSS });
}

function classBody(of: OfClasses): string {
  const { classes, matrix } = of;
  const names = classes.map(({ name }) => name);
  const title = `Which class is taken for which, of ${classes.length} classes; the table below has the figures`;
  const picture =
    classes.length > MOST_IN_PICTURE
      ? ''
      : `<h2>Which is taken for which</h2>
<figure><figcaption>Each row is a class, each column what it is taken for: on the diagonal are rows that are right. The stronger the color,
the larger the share of the class.</figcaption>
${heatMap(matrix, { title, rowsAre: 'is', columnsAre: 'is taken for', rows: names, columns: names, numbers: true, per: 'row' })}</figure>`;
  const wrong = mistakes(of);
  const most = tableHtml({
    ...{ caption: 'The commonest mistakes', unseen: true, head: ['is', 'is taken for', 'rows'] },
    rows: wrong.map(({ is, taken, rows }) => [is, taken, count(rows)]),
  });
  return `<h2>By class</h2>
${tableHtml({ caption: 'Figures of each class', unseen: true, head: HEAD, rows: classes.map(figuresOf) })}
${picture}
${wrong.length > 0 ? `<h2>The commonest mistakes</h2>\n${most}` : ''}`;
}

function valueBody({ cells, range: [low, high], rmse, mae, r2 }: OfValues): string {
  const parts = cells.length;
  const names = cells.map((_, i) => short(low + ((i + 0.5) * (high - low)) / parts));
  const title = `Predictions by label: RMSE ${short(rmse)}, MAE ${short(mae)}; most rows lie on the diagonal where predictions are good`;
  const picture = heatMap(cells, {
    title,
    rowsAre: 'label',
    columnsAre: 'prediction',
    rows: names,
    columns: names,
    numbers: false,
    per: 'all',
  });
  return `<h2>Predictions by label</h2>
<figure><figcaption>Each row has labels of about one size, each column predictions: right ones lie on the diagonal. The stronger the color,
the more rows.</figcaption>
${picture}</figure>
${tableHtml({
  ...{ caption: 'In the units of the file', head: ['figure', 'value'] },
  rows: [
    ['root of the mean square error (RMSE)', short(rmse)],
    ['mean absolute error (MAE)', short(mae)],
    ['R2', Number.isNaN(r2) ? '-' : r2.toFixed(4)],
  ],
})}`;
}
