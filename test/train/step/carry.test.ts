// carry.test.ts: truncated backpropagation through time: states that go on from batch to batch, against one pass over the whole text.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { grad } from '../../../lib/autodiff/grad.ts';
import { DataError, loss, nn, OptionError, optim, ShapeError, type Tensor, Trainer, windows } from '../../../lib/index.ts';
import { Graph, type State } from '../../../lib/ir/graph.ts';
import { bindParameters } from '../../../lib/nn/module/module.ts';
import * as ops from '../../../lib/ops/index.ts';
import { interpret } from '../../interpret.ts';
import { bits } from '../models.ts';

const [ROWS, LENGTH, WINDOWS, CHARS, HIDDEN] = [3, 4, 5, 7, 6];
const text = Uint8Array.from({ length: ROWS * LENGTH * WINDOWS + 9 }, (_, i) => (i * i + 3 * i) % CHARS);
const source = windows(text, { length: LENGTH, consecutive: true });

class Model extends nn.Module {
  embedding: nn.Embedding = new nn.Embedding(CHARS, 5);
  rnn: nn.RNN | nn.LSTM | nn.GRU;
  head: nn.Linear = new nn.Linear(HIDDEN, CHARS);
  constructor(kind: 'RNN' | 'LSTM' | 'GRU', carry?: number) {
    super();
    this.rnn = new nn[kind](5, HIDDEN, { numLayers: 2, ...(carry ? { carry } : {}) });
  }
  forward(x: Tensor): Tensor {
    return this.head.forward(this.rnn.forward(this.embedding.forward(x)).output);
  }
}
const trainerOf = (kind: 'RNN' | 'LSTM' | 'GRU', lr: number, accumulate = 1, batchSize = ROWS): Trainer<Model> =>
  new Trainer({
    model: new Model(kind, ROWS),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.sgd({ lr }),
    batchSize,
    accumulate,
    seed: 3,
  });
const lossesOf = (trainer: Trainer<Model>, count: number): number[] =>
  Array.from({ length: count }, () => trainer.fitSync(source, { steps: 1 }).last!.loss);

const firstValue = (state: State): Float32Array => {
  const out = new Float32Array(state.type.shape.reduce((a, b) => a * b, 1));
  state.init?.(out);
  return out;
};

/** Loss of each window, and norm of its gradient, where states come from one pass over all of each row's part. */
function truth(kind: 'RNN' | 'LSTM' | 'GRU'): { losses: number[]; norms: number[] } {
  const model = new Model(kind).initialize(3);
  const graph = new Graph();
  const unbind = bindParameters(graph, model);
  const whole = LENGTH * WINDOWS;
  const tokens = (from: number, length: number): Int32Array =>
    Int32Array.from({ length: ROWS * length }, (_, i) => text[Math.floor(i / length) * whole + from + (i % length)]!);
  const constant = (data: Int32Array): Tensor => graph.constant(data, [ROWS, data.length / ROWS], 'i32');
  const parts: Tensor[][] = [];
  for (let w = 0; w < WINDOWS; w++) {
    const past = w === 0 ? null : model.rnn.forward(model.embedding.forward(constant(tokens(0, w * LENGTH))));
    // Constants by value: what went before gets no gradient.
    const states = past ? interpret(graph, { states: firstValue, f64: true }) : null;
    const given = (t: Tensor): Tensor => graph.constant(Float32Array.from(states!.get(t)!), t.shape, 'f32');
    const initial = past ? { h: given(past.h), ...('c' in past ? { c: given(past.c as Tensor) } : {}) } : {};
    const out = model.rnn.forward(model.embedding.forward(constant(tokens(w * LENGTH, LENGTH))), initial as nn.RecurrentInput);
    const value = loss.crossEntropy(model.head.forward(out.output), constant(tokens(w * LENGTH + 1, LENGTH)));
    const gradients = grad(
      value,
      model.parameters().map((p) => graph.state(p.state)),
    );
    parts.push([value, ...gradients]);
  }
  unbind();
  const values = interpret(graph, { states: firstValue, f64: true });
  const norm = (ts: Tensor[]): number => Math.hypot(...ts.flatMap((t) => [...values.get(t)!]));
  return { losses: parts.map(([value]) => values.get(value!)![0]!), norms: parts.map(([, ...g]) => norm(g)) };
}

it.each(['RNN', 'LSTM', 'GRU'] as const)('%s: each batch goes on where the one before ended, gradients stop there', (kind) => {
  const want = truth(kind);
  const trainer = trainerOf(kind, 0);
  for (let epoch = 0; epoch < 2; epoch++) {
    for (let w = 0; w < WINDOWS; w++) {
      const { loss: got, norm } = trainer.fitSync(source, { steps: 1 }).last!;
      expect(Math.abs(got - want.losses[w]!), `epoch ${epoch}, window ${w}`).toBeLessThan(1e-6);
      expect(Math.abs(norm / want.norms[w]! - 1), `epoch ${epoch}, window ${w}`).toBeLessThan(1e-5);
    }
  }
  // Without the states the losses are others: the test can fail.
  expect(Math.abs(want.losses[1]! - truthOfFresh(kind))).toBeGreaterThan(1e-4);
});

/** The loss of the second window from zeros. */
function truthOfFresh(kind: 'RNN' | 'LSTM' | 'GRU'): number {
  const trainer = new Trainer({
    model: new Model(kind),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0 }),
    batchSize: ROWS,
    seed: 3,
  });
  return trainer.fitSync(source, { steps: 2 }).last!.loss;
}

it('micro-batches go on from one to the next', () => {
  const want = truth('LSTM').losses;
  const trainer = trainerOf('LSTM', 0, 2);
  const got = lossesOf(trainer, 3);
  // Two steps of two windows, one of the last.
  [(want[0]! + want[1]!) / 2, (want[2]! + want[3]!) / 2, want[4]!].forEach((v, i) => {
    expect(Math.abs(got[i]! - v), `step ${i}`).toBeLessThan(1e-6);
  });
});

it('a run that is resumed in the middle of an epoch is bit for bit the one that was not interrupted', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'gradclip-')), 'carry.safetensors');
  const whole = trainerOf('LSTM', 0.5);
  await whole.fit(source, { steps: 8 });
  const first = trainerOf('LSTM', 0.5);
  await first.fit(source, { steps: 3 });
  await first.save(file);
  const second = trainerOf('LSTM', 0.5);
  await second.load(file);
  await second.fit(source, { steps: 5 });
  expect(await bits(second)).toBe(await bits(whole));
  // Weights alone do not have the state.
  await first.save(file, { weightsOnly: true });
  const third = trainerOf('LSTM', 0.5);
  expect(await third.load(file)).toEqual({ missing: [], extra: [] });
});

it('resetCarried begins anew', async () => {
  const trainer = trainerOf('GRU', 0);
  const [first] = lossesOf(trainer, 5);
  const again = trainerOf('GRU', 0);
  lossesOf(again, 2);
  await again.resetCarried();
  // The third window from zeros, as a fresh trainer has it that was not there before.
  const third = lossesOf(again, 1)[0]!;
  expect(third).not.toBeCloseTo(truth('GRU').losses[2]!, 5);
  expect(lossesOf(trainer, 1)[0]).toBe(first);
});

it('a step that is skipped leaves the state as it was', () => {
  class Values extends nn.Module {
    rnn: nn.LSTM = new nn.LSTM(2, 4, { carry: 2 });
    forward(x: Tensor): Tensor {
      return ops.mean(this.rnn.forward(x).output);
    }
  }
  const alike = (kind: number): { data: Float32Array; shape: number[] } => ({
    data: Float32Array.from({ length: 2 * 6 }, (_, i) => (Number.isNaN(kind) ? NaN : Math.sin(kind * 6 + (i % 6)))),
    shape: [2, 3, 2],
  });
  const lossAfter = (...kinds: number[]): number => {
    const trainer = new Trainer({
      model: new Values(),
      loss: ({ x }, model) => model.forward(x),
      optimizer: optim.sgd({ lr: 0 }),
      batchSize: 2,
      seed: 1,
    });
    const result = trainer.fitSync(kinds.map((kind) => ({ x: alike(kind) })));
    expect(result.skipped).toBe(kinds.filter(Number.isNaN).length);
    return result.last!.loss;
  };
  expect(lossAfter(1, 2)).not.toBe(lossAfter(2));
  expect(lossAfter(1, Number.NaN, 2)).toBe(lossAfter(1, 2));
});

it('wrong use', () => {
  expect(() => new nn.LSTM(2, 3, { carry: 0 })).toThrow('LSTM: option carry: expected a whole number >= 1, got 0');
  expect(() => new nn.GRU(2, 3, { carry: 4, bidirectional: true })).toThrow(OptionError);
  const other = trainerOf('LSTM', 0, 1, 4);
  expect(() => other.fitSync(source, { steps: 1 })).toThrow(ShapeError);
  expect(() => other.fitSync(source, { steps: 1 })).toThrow('LSTM: carry: expected batches of 3 rows, got 4');
  const short = windows(text.subarray(0, 12), { length: LENGTH, consecutive: true });
  const few = (): unknown => trainerOf('LSTM', 0).fitSync(short, { steps: 1 });
  expect(few).toThrow(DataError);
  expect(few).toThrow('windows: expected more than 12 tokens for a consecutive batch of 3 rows, got 12');
  expect(() => windows(text, { length: 4, consecutiv: true } as never)).toThrow('did you mean consecutive?');
});
