// evaluated.test.ts: what predictions are worth: losses as the functions of the library have them, figures of classes and values by plain loops, as text
// and as a page.
import { describe, expect, it } from 'vitest';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { evaluated, type Measured } from '../../lib/metrics/evaluated.ts';
import { bceWithLogits, crossEntropy, huber, l1, mse } from '../../lib/nn/loss/index.ts';
import { evaluationPage, evaluationText } from '../../lib/pages/evaluation-page.ts';
import { heatMap } from '../../lib/pages/heat-map.ts';
import { runGraph } from '../run-graph.ts';

const N = 50;
/** Numbers around 0, of which some are far from it. */
const wave = (i: number): number => Math.sin(i * i + 1) * (i % 9 === 0 ? 30 : 2);
const row = (outputs: readonly number[], label: number, told = outputs, weight = 1): Measured => ({
  outputs: Float64Array.from(outputs),
  told: Float64Array.from(told),
  ...{ label, target: label, weight },
});

function byGraph(
  x: readonly number[],
  shape: readonly number[],
  y: readonly number[],
  whole: boolean,
  loss: (x: Tensor, y: Tensor) => Tensor,
): number {
  const graph = new Graph('eval');
  const prediction = graph.input('x', { dtype: whole ? 'f32' : 'f64', shape }, 'feed');
  const target = graph.input('y', { dtype: whole ? 'i32' : 'f64', shape: [y.length] }, 'feed');
  graph.output('loss', loss(prediction, target));
  return runGraph(graph, {
    inputs: { x: whole ? Float32Array.from(x) : Float64Array.from(x), y: whole ? Int32Array.from(y) : Float64Array.from(y) },
  }).get('loss')![0]!;
}

describe('losses', () => {
  const xs = Array.from({ length: N }, (_, i) => wave(i));
  it.each([
    ['mse', mse],
    ['l1', l1],
    ['huber', huber],
  ] as const)('%s', (name, loss) => {
    const ys = xs.map((_, i) => wave(i + 7));
    const found = evaluated(
      name,
      xs.map((x, i) => row([x], ys[i]!)),
      null,
    );
    expect(found.loss).toBeCloseTo(
      byGraph(xs, [N], ys, false, (x, y) => loss(x, y)),
      10,
    );
  });

  it('of classes, and of one', () => {
    const logits = Array.from({ length: N }, (_, i) => [wave(i), wave(i + 1), wave(i + 2)]);
    const labels = logits.map((_, i) => (i * 5) % 3);
    const found = evaluated(
      'crossEntropy',
      logits.map((x, i) => row(x, labels[i]!)),
      null,
    );
    expect(found.loss).toBeCloseTo(
      byGraph(logits.flat(), [N, 3], labels, true, (x, y) => crossEntropy(x, y)),
      5,
    );
    const ones = xs.map((_, i) => i % 2);
    const one = evaluated(
      'bceWithLogits',
      xs.map((x, i) => row([x], ones[i]!, [1 / (1 + Math.exp(-x))])),
      null,
    );
    expect(one.loss).toBeCloseTo(
      byGraph(xs, [N], ones, false, (x, y) => bceWithLogits(x, y)),
      10,
    );
    expect(one.classes!.accuracy).toBe(xs.filter((x, i) => Number(x > 0) === ones[i]).length / N);
  });

  it('with weights', () => {
    const found = evaluated('mse', [row([1], 0, [1], 3), row([2], 0, [2], 1), row([9], 0, [9], 0)], null);
    expect(found.loss).toBe((3 * 1 + 4) / 4);
  });
});

describe('classes', () => {
  const names = ['a', 'b', '<c>'];
  // Taken for: a a b / b b / nothing of c is taken for c.
  const rows = [row([3, 1, 0], 0), row([2, 1, 0], 0), row([0, 1, 0], 0), row([0, 4, 1], 1), row([0, 4, 2], 1), row([5, 0, 1], 2)];
  const found = evaluated('crossEntropy', rows, names);

  it('figures and matrix', () => {
    const { matrix, classes, accuracy, rocAuc } = found.classes!;
    expect(matrix).toEqual([
      [2, 1, 0],
      [0, 2, 0],
      [1, 0, 0],
    ]);
    expect(accuracy).toBe(4 / 6);
    expect(rocAuc).toBeNull();
    expect(classes[0]).toEqual({ name: 'a', rows: 3, predicted: 3, precision: 2 / 3, recall: 2 / 3, f1: 2 / 3 });
    expect(classes[1]).toEqual({ name: 'b', rows: 2, predicted: 3, precision: 2 / 3, recall: 1, f1: 0.8 });
    expect(classes[2]).toEqual({ name: '<c>', rows: 1, predicted: 0, precision: Number.NaN, recall: 0, f1: 0 });
  });

  it('of two classes the area under the curve', () => {
    const two = evaluated(
      'crossEntropy',
      [row([1, 0], 0, [0.9, 0.1]), row([0, 1], 1, [0.2, 0.8]), row([1, 0], 1, [0.95, 0.05])],
      null,
    );
    expect(two.classes!.rocAuc).toBe(0.5);
    expect(two.classes!.classes.map(({ name }) => name)).toEqual(['0', '1']);
  });

  it('as text and as a page', () => {
    const lines = evaluationText(found);
    expect(lines[0]).toMatch(/^6 rows: crossEntropy \S+, accuracy 66\.67 %$/);
    expect(lines.at(-1)).toMatch(/^<c> +1 +0 +0$/);
    const page = evaluationPage(found, { checkpoint: 'm.safetensors', file: 'a&b.csv' });
    expect(page).toContain('&lt;c&gt;');
    expect(page).not.toContain('<c>');
    expect(page).toContain('a&amp;b.csv');
    expect(page.match(/<rect /g)).toHaveLength(9);
  });

  it('many classes: the commonest mistakes', () => {
    const wide = Array.from({ length: 40 }, (_, i) => {
      const outputs = new Array<number>(20).fill(0);
      outputs[i % 20 === 3 ? 4 : i % 20] = 1;
      return row(outputs, i % 20);
    });
    const many = evaluated('crossEntropy', wide, null);
    expect(evaluationText(many).slice(-2)).toEqual([
      expect.stringMatching(/^is +is taken for +rows$/),
      expect.stringMatching(/^3 +4 +2$/),
    ]);
  });
});

describe('values', () => {
  const labels = Array.from({ length: N }, (_, i) => wave(i));
  const values = labels.map((y, i) => y + Math.cos(i));
  const found = evaluated(
    'mse',
    labels.map((y, i) => row([0], y, [values[i]!])),
    null,
  );

  it('figures', () => {
    const { rmse, mae, r2, cells, range } = found.values!;
    const off = labels.map((_, i) => Math.cos(i));
    expect(rmse).toBeCloseTo(Math.sqrt(off.reduce((s, d) => s + d * d, 0) / N), 12);
    expect(mae).toBeCloseTo(off.reduce((s, d) => s + Math.abs(d), 0) / N, 12);
    const mean = labels.reduce((a, b) => a + b, 0) / N;
    expect(r2).toBeCloseTo(1 - off.reduce((s, d) => s + d * d, 0) / labels.reduce((s, y) => s + (y - mean) ** 2, 0), 12);
    expect(cells.flat().reduce((a, b) => a + b, 0)).toBe(N);
    expect(range).toEqual([Math.min(...labels, ...values), Math.max(...labels, ...values)]);
  });

  it('equal labels, and one row', () => {
    expect(evaluated('mse', [row([1], 1), row([1], 1)], null).values!.r2).toBe(1);
    expect(evaluated('mse', [row([1], 1), row([2], 1)], null).values!.r2).toBe(0);
    expect(evaluated('mse', [row([1], 1)], null).values!.r2).toBeNaN();
    expect(evaluationText(evaluated('mse', [row([1], 1)], null))[1]).toMatch(/R2 -$/);
  });

  it('as a page', () => {
    expect(evaluationPage(found, { checkpoint: 'm', file: 'f' })).toContain('Predictions by label');
  });
});

it('a picture of many rows leaves out names that would lie on each other', () => {
  const names = Array.from({ length: 60 }, (_, i) => `name ${i}`);
  const svg = heatMap(
    names.map(() => names.map((_, j) => j)),
    {
      ...{ title: 't', rowsAre: 'r', columnsAre: 'c', rows: names, columns: names, numbers: true, per: 'all' },
    } as never,
  );
  expect(svg.match(/<rect /g)).toHaveLength(3600);
  expect(svg.match(/<text x=/g)!.length).toBeLessThan(60);
});
