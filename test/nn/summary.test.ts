// summary.test.ts: the table of a model beside what PyTorch says of the same one (golden/nn/make_summary.py).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { models, nn, OptionError, ops, ShapeError, type SummaryInput, summary, type Tensor } from '../../lib/index.ts';

interface Case {
  readonly input: number[];
  readonly calls: readonly { readonly path: string; readonly own: number; readonly shape: number[] }[];
  readonly parameters: number;
  readonly macs: number;
}
const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../golden/nn/summary.json'), 'utf8')) as Record<string, Case>;
const make: Record<string, () => nn.Module> = {
  LeNet: () => new models.LeNet(),
  ResNet20: () => new models.ResNet20(),
  GPT: () => new models.GPT(65, { context: 64, layers: 3, width: 48, heads: 4 }),
};

describe.each(Object.keys(golden))('%s as in PyTorch', (name) => {
  const { input, calls, parameters, macs } = golden[name]!;
  const model = make[name]!();
  const found = summary(model, { x: name === 'GPT' ? { shape: input, dtype: 'i32' } : input });

  test('every call of a layer, its shape and its own parameters', () => {
    const counted = new Set<string>();
    const want = calls.map(({ path, own, shape }) => {
      const row = [path, shape, counted.has(path) ? 0 : own];
      counted.add(path);
      return row;
    });
    expect(found.rows.map((row) => [row.path, row.outputs[0]!.shape, row.parameters])).toEqual(want);
  });

  test('totals', () => {
    expect(found).toMatchObject({ parameters, trained: parameters, parameterBytes: 4 * parameters, macs });
    const inner = calls.filter((call, i) => !calls[i + 1]?.path.startsWith(call.path === '' ? '' : `${call.path}.`));
    expect(found.outputBytes).toBe(inner.reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0));
    expect(found.inputBytes).toBe(4 * input.reduce((a, b) => a * b, 1));
  });
});

test('the table', () => {
  const model = new nn.Sequential({ fc: new nn.Linear(4, 3), act: new nn.ReLU(), twice: new nn.Sequential(new nn.Linear(3, 3)) });
  model.setRequiresGrad('fc.*', false);
  const text = `layer              output  parameters  multiply-adds
Sequential         [8,3]            -              -
  fc: Linear       [8,3]           15             96
  act: ReLU        [8,3]            -              -
  twice: Sequential  [8,3]            -              -
    0: Linear      [8,3]           12             72`;
  const table = String(summary(model, { x: [8, 4] }));
  expect(table.replace(/ +/g, ' ')).toBe(
    `${text}\n\n27 parameters, 12 trained, 15 not, 108 B\n168 multiply-adds; 128 B of inputs, 288 B of outputs of layers`.replace(
      / +/g,
      ' ',
    ),
  );
  expect(inspect(summary(model, { x: [8, 4] }))).toBe(table);
});

test('a layer that is called twice, and tied weights, are counted once', () => {
  class Twice extends nn.Module {
    a: nn.Linear = new nn.Linear(3, 3);
    b: nn.Linear = new nn.Linear(3, 3);
    constructor() {
      super();
      this.b.weight = this.a.weight;
    }
    forward(x: Tensor): Tensor {
      return this.b.forward(this.a.forward(this.a.forward(x)));
    }
  }
  const found = summary(new Twice(), { x: [2, 3] });
  expect(found.rows.map((r) => [r.path, r.parameters, r.again, r.macs])).toEqual([
    ['', 0, false, 0],
    ['a', 12, false, 18],
    ['a', 0, true, 18],
    ['b', 3, false, 18],
  ]);
  expect(found).toMatchObject({ parameters: 15, macs: 54 });
});

test("inputs by shape, by type and by sample; several; a forward of one's own", () => {
  class Both extends nn.Module {
    embedding: nn.Embedding = new nn.Embedding(5, 3);
    forward(tokens: Tensor, x: Tensor): { sum: Tensor; x: Tensor } {
      return { sum: ops.add(this.embedding.forward(tokens), x), x };
    }
  }
  const shapes = (inputs: Record<string, SummaryInput>) => summary(new Both(), inputs).rows[0]!.outputs.map((t) => t.shape);
  const want = [
    [2, 3],
    [2, 3],
  ];
  expect(shapes({ tokens: { shape: [2], dtype: 'u8' }, x: [2, 3] })).toEqual(want);
  expect(shapes({ tokens: new Int32Array(2), x: { data: new Float32Array(6), shape: [2, 3] } })).toEqual(want);
  expect(
    shapes({
      tokens: new Int32Array(2),
      x: [
        [1, 2, 3],
        [4, 5, 6],
      ],
    }),
  ).toEqual(want);
  const options = { forward: ({ x }: Readonly<Record<string, Tensor>>, model: Both) => model.embedding.forward(x!) };
  expect(summary(new Both(), { x: { shape: [7], dtype: 'i32' } }, options).rows).toMatchObject([
    { path: 'embedding', outputs: [{ dtype: 'f32', shape: [7, 3] }] },
  ]);
});

test('products of recurrent steps and of attention count, and nothing is left on the model', () => {
  const lstm = new nn.LSTM(3, 4);
  // 4 gates, each of 3 inputs and 4 states, for 4 units, in 5 steps of 2 rows.
  expect(summary(lstm, { x: [2, 5, 3] }).macs).toBe(4 * 4 * (3 + 4) * 5 * 2);
  const attention = new nn.MultiheadAttention(8, 2);
  const { macs } = summary(attention, { x: [2, 5, 8] }, { forward: ({ x }, model) => model.forward(x!, x!, x!) });
  // Projections of q, k, v and the result; scores and weighted sums.
  expect(macs).toBe(4 * 2 * 5 * 8 * 8 + 2 * 2 * 5 * 5 * 8);
  expect(Object.keys(lstm)).not.toContain('forward');
  expect(Object.hasOwn(lstm, 'forward')).toBe(false);
  expect(() => lstm.parameters()[0]!.data).toThrow('has no values yet');
});

test('errors name what is wrong', () => {
  const linear = new nn.Linear(3, 4);
  const fails = (inputs: unknown, Class: new (...args: never[]) => Error, text: string): void => {
    expect(() => summary(linear, inputs as never)).toThrow(Class);
    expect(() => summary(linear, inputs as never)).toThrow(text);
  };
  fails({}, OptionError, 'summary: argument inputs: expected at least one input');
  fails([8, 3], OptionError, 'summary: argument inputs: expected inputs by name');
  fails({ x: 3 }, OptionError, 'summary: argument inputs.x: expected a shape');
  fails({ x: { shape: [8, 3], dtype: 'f16' } }, OptionError, 'summary: argument inputs.x');
  fails({ x: [8, 5] }, ShapeError, 'linear: expected x [..., 3] for a weight of [4,3], got [8,5]');
  fails({ x: [8.5, 3] }, OptionError, 'summary: argument inputs.x: expected a shape');
});
